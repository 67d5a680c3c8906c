import csv
import gzip
import io
from collections.abc import Callable
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from astpp_billing.errors import BillingError, RateFileError
from astpp_billing.pricing import Rate
from astpp_billing.pricing.ratefile import (
    MAX_DESTINATION,
    RateFile,
    RateRow,
    _lines,
    _read_quickly,
    _read_thoroughly,
    read_rate_file,
)

HEADING = "Code,Destination,Connection Cost (USD),Grace Time,Cost / Min (USD),Initial Increment,Increment"
GOOD = "48,Poland,0,0,0.02,60,1"


def read(*lines: str, heading: str = HEADING) -> RateFile:
    return read_rate_file("".join(f"{line}\n" for line in (heading, *lines)))


def refused(*lines: str, heading: str = HEADING) -> RateFileError:
    with pytest.raises(RateFileError) as caught:
        read(*lines, heading=heading)
    return caught.value


# what a file says


def test_every_column_of_a_row() -> None:
    found = read('48,"Poland, mobile",0.05,3,0.0200,60,1')

    assert found == RateFile("USD", (("48", "Poland, mobile", "0.0200", "0.05", 3, 60, 1),))
    assert list(found.rates()) == [Rate("48", "0.02", "0.05", 3, 60, 1, "Poland, mobile")]


def test_columns_come_in_any_order_and_case() -> None:
    assert read("0.02,48", heading="COST / MIN (eur),code").rows == (("48", "", "0.02", "0", 0, None, None),)
    assert read("0.02,48", heading="cost/min, prefix ").currency is None


def test_the_columns_for_routing_are_left_out() -> None:
    found = read("48,00,011,0.02", heading="Code,Strip,Prepend,Cost / Min (GBP)")

    assert found == RateFile("GBP", (("48", "", "0.02", "0", 0, None, None),))


@pytest.mark.parametrize(("text", "value"), [("0", None), ("", None), ("60", 60), ("86400", 86_400), ("007", 7)])
def test_an_increment_of_zero_is_the_default_of_the_group(text: str, value: int | None) -> None:
    assert read(f"48,Poland,0,0,0.02,{text},{text}").rows == (("48", "Poland", "0.02", "0", 0, value, value),)


@pytest.mark.parametrize(
    "line", [" 48 ,  Poland , 0 , 0 , 0.02 , 60 , 1 ", "48,Poland,,,0.02,60,1", '"48","Poland","0","0","0.02","60","1"']
)
def test_blanks_around_a_value_do_not_count(line: str) -> None:
    assert read(line) == read(GOOD)


@pytest.mark.parametrize("price", ["0", "0.000000000000000001", "999999999999999999.5", ".5", "5.", "007.10"])
def test_a_price_is_taken_exactly(price: str) -> None:
    (rate,) = read(f"48,Poland,{price},0,{price},60,1").rates()

    assert rate.price_per_minute == rate.connection_fee == Decimal(price)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_ending_will_do(end: str) -> None:
    text = end.join((HEADING, GOOD, "", "49,Germany,0,0,1,1,1", ""))

    assert read_rate_file(text) == read(GOOD, "49,Germany,0,0,1,1,1")
    assert read_rate_file(io.StringIO(text, newline="")) == read_rate_file(text)


def test_a_byte_order_mark_is_not_part_of_the_first_heading() -> None:
    assert read(GOOD, heading=f"\ufeff{HEADING}") == read(GOOD)
    assert read(GOOD, heading='\ufeff"Code"' + HEADING.removeprefix("Code")) == read(GOOD)


def test_blank_lines_do_not_count() -> None:
    assert read("", GOOD, "", "", heading=f"\n{HEADING}") == read(GOOD)


def test_a_heading_alone_is_a_file_without_rates() -> None:
    assert read() == RateFile("USD", ())
    assert list(read().rates()) == []


def test_the_last_line_needs_no_end() -> None:
    assert read_rate_file(f"{HEADING}\n{GOOD}") == read(GOOD)


@pytest.mark.parametrize("name", ["distributor", "retail", "subreseller", "termination"])
def test_a_real_deck_is_read_as_its_bare_values(name: str) -> None:
    packed = files("astpp_billing").joinpath("data", "rates", f"{name}_az.csv.gz").read_bytes()
    text = gzip.decompress(packed).decode()
    _, *plain = csv.reader(io.StringIO(text, newline=""))
    found = read_rate_file(text)

    assert _read_quickly(text.splitlines(keepends=True)) == found
    assert [row[0] for row in found.rows] == [row[0] for row in plain]
    assert len(found.rows) > 9_000


# what it must not say: an error names the line, the column and the value, and nothing is read


PRICE, FEE, GRACE = "Cost / Min (USD)", "Connection Cost (USD)", "Grace Time"


@pytest.mark.parametrize(
    ("line", "column", "value"),
    [
        ("4x8,Poland,0,0,0.02,60,1", "Code", "4x8"),
        (",Poland,0,0,0.02,60,1", "Code", ""),
        ("+48,Poland,0,0,0.02,60,1", "Code", "+48"),
        ("٤٨,Poland,0,0,0.02,60,1", "Code", "٤٨"),
        ("1234567890123456789,Poland,0,0,0.02,60,1", "Code", "1234567890123456789"),
        ("48,Pol\tand,0,0,0.02,60,1", "Destination", "Pol\tand"),
        ("48,Pol\x00and,0,0,0.02,60,1", "Destination", "Pol\x00and"),
        ("48,Pol\udcffand,0,0,0.02,60,1", "Destination", "Pol\udcffand"),
        (f"48,{'x' * (MAX_DESTINATION + 1)},0,0,0.02,60,1", "Destination", "x" * (MAX_DESTINATION + 1)),
        ("48,Poland,x,0,0.02,60,1", FEE, "x"),
        ("48,Poland,-1,0,0.02,60,1", FEE, "-1"),
        ("48,Poland,0,-1,0.02,60,1", GRACE, "-1"),
        ("48,Poland,0,1.5,0.02,60,1", GRACE, "1.5"),
        ("48,Poland,0,86401,0.02,60,1", GRACE, "86401"),
        ("48,Poland,0,0,,60,1", PRICE, ""),
        ("48,Poland,0,0,free,60,1", PRICE, "free"),
        ("48,Poland,0,0,NaN,60,1", PRICE, "NaN"),
        ("48,Poland,0,0,Infinity,60,1", PRICE, "Infinity"),
        ("48,Poland,0,0,-0.02,60,1", PRICE, "-0.02"),
        ("48,Poland,0,0,-0,60,1", PRICE, "-0"),
        ("48,Poland,0,0,+0.02,60,1", PRICE, "+0.02"),
        ("48,Poland,0,0,2e-2,60,1", PRICE, "2e-2"),
        ("48,Poland,0,0,2E5,60,1", PRICE, "2E5"),
        ("48,Poland,0,0,1_0,60,1", PRICE, "1_0"),
        ("48,Poland,0,0,٢,60,1", PRICE, "٢"),
        ('48,Poland,0,0,"0,02",60,1', PRICE, "0,02"),
        ("48,Poland,0,0,.,60,1", PRICE, "."),
        ("48,Poland,0,0,0.0000000000000000001,60,1", PRICE, "0.0000000000000000001"),
        ("48,Poland,0,0,1000000000000000000,60,1", PRICE, "1000000000000000000"),
        ("48,Poland,0,0,1e999999999,60,1", PRICE, "1e999999999"),
        ("48,Poland,0,0,0.02,-60,1", "Initial Increment", "-60"),
        ("48,Poland,0,0,0.02,60,1s", "Increment", "1s"),
        ("48,Poland,0,0,0.02,60,9999999999", "Increment", "9999999999"),
    ],
)
def test_a_value_that_is_not_right(line: str, column: str, value: str) -> None:
    error = refused(GOOD.replace("48", "7", 1), line, GOOD.replace("48", "8", 1))

    assert (error.line, error.column, error.value) == (3, column, value)
    assert f"line 3, column {column!r}: " in str(error)
    assert repr(value) in str(error)


def test_the_first_fault_is_named() -> None:
    error = refused(GOOD, "49,x,0,0,1,1,1s", "x,x,0,0,1,1,1")
    assert (error.line, error.column) == (3, "Increment")

    error = refused(GOOD, "x,x,0,0,y,1,1")
    assert (error.line, error.column) == (3, "Code")

    error = refused(GOOD, "x,x,0,0,1,1,1", "too,few", '"open')
    assert (error.line, error.column) == (3, "Code")


def test_the_second_occurrence_of_a_prefix_is_named() -> None:
    error = refused(GOOD, "49,Germany,0,0,1,1,1", " 48 ,Poland again,0,0,1,1,1", GOOD)

    assert (error.line, error.column, error.value) == (4, "Code", " 48 ")
    assert "the prefix comes twice" in str(error)

    error = refused(GOOD, "49,Germany,0,0,1,1,1", GOOD)
    assert (error.line, error.column, error.value) == (4, "Code", "48")


@pytest.mark.parametrize("line", ["48,Poland,0,0,0.02,60", "48,Poland,0,0,0.02,60,1,", "48;Poland;0;0;0.02;60;1", " "])
def test_too_few_and_too_many_values(line: str) -> None:
    error = refused("7,x,0,0,1,1,1", line)

    assert (error.line, error.column, error.value) == (3, None, line)
    assert "7 values are needed" in str(error)


@pytest.mark.parametrize(
    ("heading", "column", "reason"),
    [
        ("Destination,Cost / Min", "Code", "missing"),
        ("Code,Destination", "Cost / Min", "missing"),
        ("Code,Cost / Min,Colour", "Colour", "unknown"),
        ("Code,Cost / Min,", "", "unknown"),
        ("Code,Cost / Min,Cost (USD,EUR)", "Cost (USD", "unknown"),
        ("Code,Cost / Min (US),Increment", "Cost / Min (US)", "unknown"),
        ('Code,Cost / Min,"Incre\nment"', "Incre\nment", "unknown"),
        ("Code,Cost / Min,Prefix", "Prefix", "twice"),
        ("Code,Cost / Min,Strip,strip", "strip", "twice"),
        ("Code,Cost / Min (XYZ)", "Cost / Min (XYZ)", "currency"),
        ("Code,Connection Cost (USD),Cost / Min (EUR)", "Cost / Min (EUR)", "more than one currency"),
    ],
)
def test_headings_that_are_not_right(heading: str, column: str, reason: str) -> None:
    error = refused(heading=heading)

    assert (error.line, error.column) == (1, column)
    assert reason in str(error)


@pytest.mark.parametrize("text", ["", "\n", "\r\n\r\n", "\ufeff"])
def test_an_empty_file(text: str) -> None:
    with pytest.raises(RateFileError, match="line 1: the file is empty"):
        read_rate_file(text)


def test_quotes_that_are_not_closed() -> None:
    error = refused(GOOD, '49,"Germany,0,0,1,1,1', "50,x,0,0,1,1,1")

    assert (error.line, error.value) == (3, '49,"Germany,0,0,1,1,1')
    assert "not CSV" in str(error)


def test_quotes_that_never_end() -> None:
    error = refused(GOOD, '49,"Germany,0,0,1,1,1', *["50,x,0,0,1,1,1"] * 20_000)

    assert error.line == 3
    assert "field larger than field limit" in str(error)


def test_quotes_in_the_middle_of_a_value() -> None:
    assert refused(GOOD, '49,"Ger"many,0,0,1,1,1').line == 3


def test_a_value_of_several_lines_is_named_by_its_first() -> None:
    error = refused(GOOD, '49,"Germany\nEast",0,0,1,1,1')

    assert (error.line, error.column, error.value) == (3, "Destination", "Germany\nEast")


def test_lines_are_counted_over_values_of_several_lines_and_blank_lines() -> None:
    error = refused("", '" 48\n",Poland,0,0,1,1,1', "", "x,Poland,0,0,1,1,1")

    assert (error.line, error.value) == (6, "x")


@pytest.mark.parametrize("before", [0, 1, 500, 5_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_bytes_that_are_not_utf_8(before: int, end: bytes) -> None:
    lines = [HEADING.encode(), *(b"%d,Poland,0,0,1,1,1" % (1000 + index) for index in range(before))]
    data = end.join((*lines, b"48,S\xe3o Tom\xe9,0,0,1,1,1", b"49,Germany,0,0,1,1,1", b""))

    with pytest.raises(RateFileError, match="not utf-8") as caught:
        read_rate_file(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""))
    assert caught.value.line == before + 2
    assert caught.value.value == r"\xe3"


# properties


@st.composite
def rows(draw: st.DrawFn) -> RateRow:
    price = st.decimals(0, 10**12, places=6).map("{:f}".format)
    increment = st.none() | st.integers(1, 86_400)
    return (
        draw(st.text("0123456789", min_size=1, max_size=18)),
        draw(st.text(max_size=30).map(str.strip).filter(str.isprintable)),
        draw(price),
        draw(price),
        draw(st.integers(0, 86_400)),
        draw(increment),
        draw(increment),
    )


decks = st.lists(rows(), unique_by=lambda row: row[0], max_size=12)


def written(rows: list[RateRow]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADING.split(","))
    for prefix, destination, price, fee, included, initial, increment in rows:
        writer.writerow((prefix, destination, fee, included, price, initial or 0, increment or 0))
    return text.getvalue()


@given(decks)
def test_reading_what_was_written_gives_the_same(deck: list[RateRow]) -> None:
    found = read_rate_file(written(deck))

    assert found == RateFile("USD", tuple(deck))
    assert [rate.prefix for rate in found.rates()] == [row[0] for row in deck]


cells = st.one_of(
    st.sampled_from(
        ["", " ", "0", "48", " 48", "4.5", "-1", "1e3", "NaN", "x", '"', "é", "\ufeff", "99999", "٣", "\n", "1,2"]
    ),
    st.text(max_size=4),
)


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A written file with one of its values replaced."""
    lines = list(csv.reader(io.StringIO(written(draw(decks.filter(bool))), newline="")))
    line = draw(st.integers(0, len(lines) - 1))
    lines[line][draw(st.integers(0, 6))] = draw(cells)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue()


def outcome(read: Callable[[Any], RateFile], text: object) -> RateFile | BillingError:
    try:
        return read(text)
    except BillingError as error:
        return error


@given(st.one_of(spoilt(), st.text(), st.lists(cells).map(lambda each: f"{HEADING}\n{','.join(each)}")))
@example(f"\ufeff\n{HEADING}")
@example("Code,Cost / Min\n1,1\n1,2")
@example("Code,Cost / Min\n1")
@example("Code,Cost / Min\n1\n2\n")
def test_the_quick_way_reads_what_the_thorough_way_reads(text: str) -> None:
    lines = _lines(io.StringIO(text, newline=""))
    quick = _read_quickly(lines)
    thorough = outcome(_read_thoroughly, lines)

    assert quick in (None, thorough)


@given(spoilt())
def test_a_fault_is_where_the_error_says(text: str) -> None:
    error = outcome(read_rate_file, text)
    if isinstance(error, RateFileError) and error.column is not None and error.line > 1:
        lines = _lines(io.StringIO(text, newline=""))
        headings, row = next(csv.reader(lines)), next(csv.reader(lines[error.line - 1 :]))

        assert row[headings.index(error.column)] == error.value
    else:
        assert str(error) == str(outcome(_read_thoroughly, _lines(io.StringIO(text, newline=""))))
