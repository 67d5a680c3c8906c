"""Accounts as CSV: what is written is what is read again, and no cell is a formula."""

import csv
import io
import itertools
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from astpp_billing.hierarchy import Account, BillingType, Kind, ResellerModel
from astpp_billing.hierarchy.export import COLUMNS, AccountRow, accounts_csv, safe_text
from astpp_billing.money import MAX_MICROS, from_micros

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.builds(
    str.__add__, st.sampled_from(DANGEROUS), st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
numbers = texts.filter(lambda text: bool(text.strip()) and text == text.strip())
micros = st.integers(-MAX_MICROS, MAX_MICROS)

rows = st.builds(
    AccountRow,
    st.builds(
        Account,
        number=numbers,
        name=texts,
        kind=st.just(Kind.RESELLER),
        model=st.sampled_from(ResellerModel),
        parent_id=st.just(1),
        billing=st.sampled_from(BillingType),
        currency=st.sampled_from(["USD", "JPY", "KWD"]),
        rate_group=st.none() | texts,
        own_rate_group=st.none() | texts,
        credit_limit_micros=micros.map(abs),
        tax_number=texts,
    ),
    texts,
    micros,
)

MONEY = ("balance", "credit_limit", "commission_percent")


@given(st.lists(rows, max_size=5))
def test_no_cell_is_a_formula_and_nothing_is_lost(exported: list[AccountRow]) -> None:
    """DESIGN 2: CSV export is a stream; a cell can never become a spreadsheet formula."""
    text = "".join(accounts_csv(exported))
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))

    assert tuple(read[0]) == COLUMNS
    assert len(read) == len(exported) + 1
    for row, cells in zip(exported, read[1:], strict=True):
        named = dict(zip(COLUMNS, cells, strict=True))
        for name, cell in named.items():
            assert name in MONEY or not cell.startswith(DANGEROUS)
        assert named["number"] == safe_text(row.account.number)
        assert named["name"] == safe_text(row.account.name)
        assert named["parent"] == safe_text(row.parent)
        assert from_micros(row.balance_micros) == type(from_micros(0))(named["balance"])
        assert named["credit_limit"].lstrip("-").replace(".", "").isdigit()


@given(texts)
def test_a_text_gets_at_most_one_apostrophe(text: str) -> None:
    assert safe_text(text) == (f"'{text}" if text[:1] in DANGEROUS and text else text)


def test_every_line_ends_as_rfc_4180_says() -> None:
    account = Account(number="1", name='a "b"\r\nc, d', kind=Kind.ADMIN, currency="USD")
    (_, line) = accounts_csv([AccountRow(account, "", -12_500_000)])

    assert line.startswith('1,"a ""b""\r\nc, d",admin,,,open,prepaid,USD,-12.50,0.00,')
    assert line.endswith("\r\n")


def test_it_is_a_stream() -> None:
    def endless() -> Iterator[AccountRow]:
        for number in itertools.count(1):
            yield AccountRow(Account(number=str(number), kind=Kind.ADMIN, currency="USD"), "", 0)

    lines = list(itertools.islice(accounts_csv(endless()), 3))

    assert [line.partition(",")[0] for line in lines] == ["number", "1", "2"]
