"""Tables: nothing is ever cut, whatever the width, and nothing that comes from outside moves the cursor."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from astpp_billing import Money
from astpp_billing.cli.output import JsonStream, Output, json_value
from astpp_billing.cli.tables import Row, plain_table, printable, rich_table, text_value, width_of, write_table

COLUMNS = {"number": "Number", "name": "Name of it", "balance": "Balance"}


def rendered(rows: Sequence[Row], columns: dict[str, str], width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, color_system=None).print(rich_table(rows, columns, width))
    return file.getvalue().splitlines()


words = st.text("abcdefgh ", min_size=1, max_size=60)
some_rows = st.lists(
    st.fixed_dictionaries(
        {"number": words, "name": words, "balance": st.builds(Money, st.integers(-(10**9), 10**9), st.just("USD"))}
    ),
    min_size=1,
    max_size=5,
)


@given(some_rows, st.integers(24, 120))
def test_on_a_terminal_every_character_is_there_and_no_line_too_long(rows: list[Row], width: int) -> None:
    lines = rendered(rows, COLUMNS, width)

    assert max(map(len, lines)) <= width
    expected = sorted("".join("".join(map(text_value, row.values())) for row in rows).replace(" ", ""))
    heading = sorted("".join(COLUMNS[name] for name in COLUMNS if any(text_value(row[name]) for row in rows)))
    found = sorted("".join(lines).replace(" ", ""))
    assert found == sorted(expected + [char for char in heading if char != " "])


@given(some_rows)
def test_in_a_pipe_every_row_is_a_line_with_its_cells_unbroken(rows: list[Row]) -> None:
    header, *lines = plain_table(rows, COLUMNS)

    assert header.startswith("Number")
    assert len(lines) == len(rows)
    for row, line in zip(rows, lines, strict=True):
        for value in row.values():
            assert text_value(value).strip() in line


def test_texts_give_way_before_amounts_do() -> None:
    row = {"number": "1", "name": "one two three four five", "balance": Money("-1234.56", "USD")}
    lines = rendered([row], COLUMNS, 32)

    assert lines[1].split() == ["1", "one", "two", "-1234.56", "USD"]
    assert [line.strip() for line in lines[2:]] == ["three", "four", "five"] or len(lines) > 2


def test_a_narrow_terminal_breaks_words_rather_than_lose_them() -> None:
    lines = rendered([{"number": "0123456789", "name": "abcdefghij"}], {"number": "N", "name": "M"}, 16)

    assert [line.split() for line in lines] == [["N", "M"], ["0123456", "abcdefg"], ["789", "hij"]]


def test_what_is_indented_stays_so() -> None:
    rows = [{"number": "        deep", "name": "one two three four", "balance": None}]

    assert rendered(rows, COLUMNS, 24)[1].startswith("        deep  ")


def test_columns_with_nothing_in_them_are_left_out_on_a_terminal() -> None:
    assert rendered([{"number": "1"}], COLUMNS, 40) == ["Number", "1     "]
    assert rendered([{"number": None}], COLUMNS, 40)[0].split() == ["Number", "Name", "of", "it", "Balance"]
    assert rendered([], COLUMNS, 40)[0].split() == ["Number", "Name", "of", "it", "Balance"]
    assert list(plain_table([{"number": "1"}], COLUMNS)) == ["Number  Name of it  Balance", "1"]


def test_numbers_are_to_the_right_and_texts_to_the_left() -> None:
    rows = [
        {"number": "1", "name": 5, "balance": Money(1, "USD")},
        {"number": "22", "name": Decimal(10), "balance": None},
    ]

    assert list(plain_table(rows, COLUMNS)) == [
        "Number  Name of it   Balance",
        "1                5  1.00 USD",
        "22              10",
    ]


def test_wide_characters_keep_the_columns_straight() -> None:
    rows = [{"number": "東京", "name": "x"}, {"number": "e\u0301a", "name": "y"}]

    assert list(plain_table(rows, {"number": "N", "name": "M"})) == ["N     M", "東京  x", "e\u0301a    y"]
    assert width_of("東京e\u0301") == 5


@pytest.mark.parametrize(
    ("value", "text", "data"),
    [
        (None, "", None),
        (True, "yes", True),
        (False, "no", False),
        (7, "7", 7),
        ("a\nb", "a\ufffdb", "a\nb"),
        (Decimal("1.50"), "1.5", "1.5"),
        (Money("-12.5", "JPY"), "-12.5 JPY", {"amount": "-12.5", "currency": "JPY"}),
        (datetime(2026, 11, 22, 1, 2, 3, 4, UTC), "2026-11-22 01:02:03", "2026-11-22T01:02:03.000004Z"),
        ([Money(1, "EUR"), None], "1.00 EUR, ", [{"amount": "1.00", "currency": "EUR"}, None]),
        ({"a": Decimal(1)}, "{'a': Decimal('1')}", {"a": "1"}),
        (Path("x"), "x", "x"),
    ],
)
def test_a_value_has_a_text_and_a_form_in_json(value: object, text: str, data: object) -> None:
    assert text_value(value) == text
    assert json_value(value) == data


@given(st.text())
def test_nothing_printable_moves_the_cursor_or_turns_the_line(text: str) -> None:
    shown = printable(text)

    assert len(shown) == len(text)
    assert not any(char in shown for char in "\x1b\r\n\x07\x9b\u202e\u2066\u200f")
    assert shown.encode("utf-8").decode("utf-8") == shown


def test_names_are_no_markup() -> None:
    assert rendered([{"number": "[red]x[/red]"}], {"number": "N"}, 40)[1].strip() == "[red]x[/red]"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_table_of_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("TERM", "xterm")
    write_table([{"number": "one two three four five six seven"}], {"number": "Number"})

    lines = terminal.getvalue().splitlines()
    assert len(lines) == 3
    assert "\x1b[1m" in lines[0]


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Output().progress("Reading [x]\x1b", 2) as advance:
        advance()
    shown = terminal.getvalue()
    file = io.StringIO()
    monkeypatch.setattr("sys.stderr", file)
    with Output().progress("Reading", 2) as advance:
        advance()

    assert "Reading [x]\ufffd" in shown
    assert file.getvalue() == ""


def test_a_stream_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    stream = JsonStream("items")
    stream.add({"a": Money(1, "EUR")})
    stream.add({"a": None})
    stream.set(count=2)
    stream.end()

    assert capsys.readouterr().out == (
        '{\n  "items": [\n    {"a": {"amount": "1.00", "currency": "EUR"}},\n    {"a": null}\n  ],\n  "count": 2\n}\n'
    )
