"""From charges to the lines of a document, and to what is posted with it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from astpp_billing.errors import CurrencyMismatch, InexactAmount, InvalidValue
from astpp_billing.hierarchy import Account, BillingType, Kind
from astpp_billing.invoicing import (
    ROUNDING_DESCRIPTION,
    DocumentKind,
    InvoiceConfig,
    LineKind,
    Tax,
    assemble,
    document_transfers,
    make_document,
)
from astpp_billing.ledger import Book, Charge, LedgerAccount, Transfer
from astpp_billing.periods import Period

JANUARY = datetime(2026, 1, 10, tzinfo=UTC)
VAT = Tax("VAT", Decimal(20))


def charge(micros: int, description: str = "Germany", **changes: Any) -> Charge:
    values: dict[str, Any] = {
        "account_id": 3,
        "posting_key": "call:1",
        "at": JANUARY,
        "description": description,
        "seconds": 60,
        "micros": micros,
        "currency": "EUR",
    }
    return Charge(**(values | changes))


def buyer(**changes: Any) -> Account:
    values: dict[str, Any] = {
        "id": 3,
        "number": "1000000003",
        "name": "Blue Harbour",
        "kind": Kind.CUSTOMER,
        "parent_id": 2,
        "billing": BillingType.POSTPAID,
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "locale": "de_DE",
        "tax_number": "DE 1",
    }
    return Account(**(values | changes))


def test_charges_of_one_description_are_one_line() -> None:
    charges = [charge(1_000_000, "Germany"), charge(2_000_000, "France", seconds=30), charge(500_000, "Germany")]

    france, germany = assemble(charges, "EUR", None, 0).lines

    assert (france.position, france.description, france.quantity, france.seconds) == (1, "France", 1, 30)
    assert (germany.position, germany.description, germany.quantity, germany.seconds) == (2, "Germany", 2, 120)
    assert (germany.kind, germany.exact_micros, germany.micros) == (LineKind.CHARGES, 1_500_000, 1_500_000)


def test_a_line_keeps_the_exact_amount_beside_the_billed_one() -> None:
    (line,) = assemble([charge(1_365), charge(1_234_567)], "EUR", None, 0).lines

    assert (line.exact_micros, line.micros) == (1_235_932, 1_240_000)


def test_tax_is_of_the_exact_net_rounded_once_to_a_micro() -> None:
    assembled = assemble([charge(1_234_567, "A"), charge(1_000_001, "B")], "EUR", Tax("GST", Decimal("8.875")), 0)

    tax = assembled.lines[2]
    assert assembled.tax_micros == 198_318  # 2.234568 × 8.875 % = 0.19831791
    assert (tax.kind, tax.description, tax.exact_micros, tax.micros) == (LineKind.TAX, "GST 8.875 %", 198_318, 200_000)
    assert (tax.quantity, tax.seconds) == (0, 0)


def test_a_tax_of_zero_percent_is_shown() -> None:
    assembled = assemble([charge(1_000_000)], "EUR", Tax("VAT", Decimal(0)), 0)

    assert [line.kind for line in assembled.lines] == [LineKind.CHARGES, LineKind.TAX]
    assert assembled.tax_micros == assembled.lines[1].micros == 0


def test_lines_that_do_not_add_up_get_a_line_of_rounding() -> None:
    charges = [charge(4_000, name) for name in "ABC"]  # 0.012 in all, but 0.00 each

    assembled = assemble(charges, "EUR", None, 0)

    rounding = assembled.lines[3]
    assert (rounding.kind, rounding.description, rounding.micros) == (LineKind.ROUNDING, ROUNDING_DESCRIPTION, 10_000)
    assert (rounding.position, rounding.quantity, rounding.seconds, rounding.exact_micros) == (4, 0, 0, 0)
    assert (assembled.total_micros, assembled.rounding_micros) == (10_000, -2_000)


def test_what_was_billed_too_little_is_billed_by_the_next_document() -> None:
    assembled = assemble([charge(1_400)], "EUR", None, rounding_balance=-4_200)

    assert assembled.total_micros == 10_000  # 0.0014 + 0.0042 = 0.0056
    assert assembled.rounding_micros == 8_600
    assert [line.micros for line in assembled.lines] == [0, 10_000]


def test_what_was_billed_too_much_is_taken_off_the_next_document() -> None:
    assembled = assemble([charge(1_005_000)], "EUR", None, rounding_balance=4_400)

    assert [line.micros for line in assembled.lines] == [1_010_000, -10_000]
    assert (assembled.total_micros, assembled.rounding_micros) == (1_000_000, -5_000)


def test_a_hundred_receipts_of_0_0014_bill_14_cents() -> None:
    rounding, billed = 0, 0
    for _ in range(100):
        assembled = assemble([charge(1_400)], "EUR", None, rounding)
        rounding += assembled.rounding_micros
        billed += assembled.total_micros

    assert (billed, rounding) == (140_000, 0)


@pytest.mark.parametrize("balance", [-5_000, 0, 5_000])
def test_without_charges_nothing_is_billed_not_even_rounding(balance: int) -> None:
    assembled = assemble([], "EUR", VAT, balance)

    assert (assembled.lines, assembled.total_micros) == ((), 0)
    assert (assembled.tax_micros, assembled.rounding_micros) == (0, 0)


def test_the_smallest_charge_against_the_largest_balance_is_not_negative() -> None:
    assembled = assemble([charge(1)], "EUR", None, rounding_balance=5_000)

    assert (assembled.total_micros, assembled.rounding_micros) == (0, -1)


def test_a_balance_beyond_half_a_unit_is_worked_off() -> None:
    first = assemble([charge(30_000)], "EUR", None, rounding_balance=40_000)
    second = assemble([charge(30_000)], "EUR", None, rounding_balance=40_000 + first.rounding_micros)

    assert (first.total_micros, first.rounding_micros) == (0, -30_000)
    assert [line.micros for line in first.lines] == [30_000, -30_000]
    assert (second.total_micros, second.rounding_micros) == (20_000, -10_000)


@pytest.mark.parametrize(("currency", "billed"), [("JPY", 1_000_000), ("EUR", 1_230_000), ("KWD", 1_235_000)])
def test_documents_are_rounded_to_the_currencys_minor_unit(currency: str, billed: int) -> None:
    assert assemble([charge(1_234_567, currency=currency)], currency, None, 0).total_micros == billed


def test_a_charge_in_another_currency_is_refused() -> None:
    with pytest.raises(CurrencyMismatch, match="USD"):
        assemble([charge(1), charge(1, currency="USD")], "EUR", None, 0)


def test_charges_of_two_accounts_are_refused() -> None:
    with pytest.raises(InvalidValue, match=r"\[3, 4\]"):
        assemble([charge(1), charge(1, account_id=4)], "EUR", None, 0)


def test_a_currency_must_exist_and_a_balance_be_whole() -> None:
    with pytest.raises(InvalidValue, match="XXX"):
        assemble([], "XXX", None, 0)
    with pytest.raises(InexactAmount):
        assemble([], "EUR", None, Decimal("0.5"))  # type: ignore[arg-type]


def test_tax_goes_to_the_seller_and_rounding_to_the_buyers_own_book() -> None:
    assembled = assemble([charge(1_234_567)], "EUR", VAT, 0)  # 1.234567 + 0.246913 = 1.481480, billed 1.48
    wallet = LedgerAccount(3, Book.WALLET, "EUR")
    rounding = LedgerAccount(3, Book.ROUNDING, "EUR")

    assert document_transfers(buyer(), 2, assembled) == (
        Transfer(wallet, LedgerAccount(2, Book.TAX, "EUR"), 246_913),
        Transfer(rounding, wallet, 1_480),
    )


def test_what_was_billed_beyond_the_ledger_leaves_the_wallet() -> None:
    assembled = assemble([charge(1_236_000)], "EUR", None, 0)

    assert document_transfers(buyer(), 2, assembled) == (
        Transfer(LedgerAccount(3, Book.WALLET, "EUR"), LedgerAccount(3, Book.ROUNDING, "EUR"), 4_000),
    )


def test_an_even_amount_without_tax_posts_nothing() -> None:
    assert document_transfers(buyer(), 2, assemble([charge(1_000_000)], "EUR", None, 0)) == ()


def test_a_document_copies_what_issuer_and_buyer_are_called() -> None:
    config = InvoiceConfig(account_id=1, company="Acme", address="Road 1\nTown", tax_number="AT 1", note="Thanks")
    assembled = assemble([charge(1_234_567)], "EUR", VAT, 0)
    period = Period(JANUARY, datetime(2026, 2, 1, tzinfo=UTC))
    issued_at = datetime(2026, 2, 1, 0, 5, tzinfo=UTC)

    document = make_document(DocumentKind.INVOICE, buyer(), 2, config, "INV-1", assembled, period, issued_at)

    assert (document.id, document.kind, document.number) == (0, DocumentKind.INVOICE, "INV-1")
    assert (document.issuer_id, document.seller_id, document.account_id) == (1, 2, 3)
    assert (document.issuer_name, document.issuer_address, document.issuer_tax_number) == (
        "Acme",
        "Road 1\nTown",
        "AT 1",
    )
    assert (document.buyer_number, document.buyer_name, document.buyer_tax_number) == (
        "1000000003",
        "Blue Harbour",
        "DE 1",
    )
    assert (document.currency, document.locale, document.timezone) == ("EUR", "de_DE", "Europe/Berlin")
    assert (document.period, document.issued_at, document.note) == (period, issued_at, "Thanks")
    assert (document.lines, document.total_micros) == (assembled.lines, assembled.total_micros)


@pytest.mark.parametrize(
    ("issued_at", "due_days", "due_at"),
    [
        # 23:30 UTC is the next day in Berlin
        (datetime(2026, 1, 31, 23, 30, tzinfo=UTC), 14, datetime(2026, 2, 14, 23, tzinfo=UTC)),
        # the clock goes forward between the two
        (datetime(2026, 3, 20, 12, tzinfo=UTC), 14, datetime(2026, 4, 2, 22, tzinfo=UTC)),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), 0, datetime(2026, 1, 30, 23, tzinfo=UTC)),
    ],
)
def test_an_invoice_is_due_at_a_local_midnight(issued_at: datetime, due_days: int, due_at: datetime) -> None:
    config = InvoiceConfig(account_id=1, company="Acme", due_days=due_days)

    document = make_document(
        DocumentKind.INVOICE, buyer(), 2, config, "INV-1", assemble([], "EUR", None, 0), None, issued_at
    )

    assert document.due_at == due_at


def test_a_receipt_is_not_due() -> None:
    config = InvoiceConfig(account_id=1, company="Acme")
    assembled = assemble([charge(1)], "EUR", None, 0)

    assert make_document(DocumentKind.RECEIPT, buyer(), 2, config, "R-1", assembled, None, JANUARY).due_at is None
