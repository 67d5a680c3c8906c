"""What a document is, and what it can never be."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

from astpp_billing.errors import BillingError, InexactAmount, InvalidValue
from astpp_billing.hierarchy import Account, Kind
from astpp_billing.invoicing import Document, DocumentKind, DocumentLine, InvoiceConfig, LineKind, Tax, number_of
from astpp_billing.money import Money

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


def line(**changes: Any) -> DocumentLine:
    values: dict[str, Any] = {
        "position": 1,
        "kind": LineKind.CHARGES,
        "description": "Germany",
        "quantity": 2,
        "seconds": 90,
        "exact_micros": 1_234_567,
        "micros": 1_230_000,
    }
    return DocumentLine(**(values | changes))


def document(*lines: DocumentLine, **changes: Any) -> Document:
    values: dict[str, Any] = {
        "kind": DocumentKind.INVOICE,
        "number": "INV-000001",
        "issuer_id": 1,
        "seller_id": 2,
        "account_id": 3,
        "currency": "EUR",
        "issued_at": NOON,
        "lines": lines,
        "total_micros": sum(line.micros for line in lines),
    }
    return Document(**(values | changes))


def test_a_document_says_what_it_bills() -> None:
    tax = line(position=2, kind=LineKind.TAX, quantity=0, seconds=0, exact_micros=246_913, micros=250_000)

    assert document(line(), tax).total == Money("1.48", "EUR")
    assert document().total == Money.zero("EUR")


def test_an_issued_document_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        document().number = "INV-000002"  # type: ignore[misc]


def test_the_total_is_the_sum_of_the_lines() -> None:
    with pytest.raises(InvalidValue, match="not the sum of its lines"):
        document(line(), total_micros=1_240_000)


def test_a_total_is_never_negative() -> None:
    owed = line(kind=LineKind.ROUNDING, quantity=0, seconds=0, exact_micros=0, micros=-10_000)

    with pytest.raises(InvalidValue, match="negative"):
        document(owed)


@pytest.mark.parametrize(("currency", "micros"), [("EUR", 1_234_000), ("JPY", 500_000), ("KWD", 1_000_500)])
def test_lines_are_whole_minor_units(currency: str, micros: int) -> None:
    with pytest.raises(InvalidValue, match="minor units"):
        document(line(micros=micros), currency=currency)


@pytest.mark.parametrize("positions", [[2], [1, 3], [1, 1], [2, 1]])
def test_lines_are_counted_from_1_without_gaps(positions: list[int]) -> None:
    with pytest.raises(InvalidValue, match="position"):
        document(*(line(position=position) for position in positions))


def test_a_receipt_is_never_due() -> None:
    with pytest.raises(InvalidValue, match="cannot be due"):
        document(kind=DocumentKind.RECEIPT, due_at=NOON)


@pytest.mark.parametrize(
    "changes",
    [
        {"number": " "},
        {"currency": "XXX"},
        {"timezone": "Mars/Olympus"},
        {"issued_at": datetime(2026, 2, 1)},  # noqa: DTZ001
        {"issuer_name": None},
        {"note": 5},
    ],
)
def test_a_document_is_refused_with(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        document(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"position": 0},
        {"position": True},
        {"quantity": -1},
        {"quantity": 0},
        {"kind": LineKind.TAX},
        {"seconds": -1},
        {"micros": Decimal("1.5")},
        {"exact_micros": 2**63},
        {"description": None},
    ],
)
def test_a_line_is_refused_with(changes: dict[str, Any]) -> None:
    with pytest.raises(BillingError):
        line(**changes)


def test_a_tax_is_an_exact_percentage_with_a_name() -> None:
    assert Tax("VAT", "8.875").percent == Decimal("8.875")
    with pytest.raises(InexactAmount):
        Tax("VAT", 1 / 4)
    for name, percent in (("", 20), ("VAT", -1), ("VAT", 101)):
        with pytest.raises(InvalidValue):
            Tax(name, percent)


@pytest.mark.parametrize(
    "changes",
    [
        {"company": "  "},
        {"company": None},
        {"due_days": -1},
        {"due_days": 3651},
        {"due_days": True},
        {"invoice_prefix": "x" * 33},
        {"invoice_prefix": "INV\n"},
        {"receipt_prefix": " R"},
        {"receipt_prefix": "a\nb"},
    ],
)
def test_a_configuration_is_refused_with(changes: dict[str, Any]) -> None:
    values: dict[str, Any] = {"account_id": 1, "company": "Acme"}

    with pytest.raises(InvalidValue):
        InvoiceConfig(**(values | changes))


def test_each_kind_of_document_has_its_own_prefix() -> None:
    config = InvoiceConfig(account_id=1, company="Acme", invoice_prefix="2026/", receipt_prefix="")

    assert number_of(config, DocumentKind.INVOICE, 42) == "2026/000042"
    assert number_of(config, DocumentKind.RECEIPT, 1_234_567) == "1234567"


@pytest.mark.parametrize("value", [0, -1, True, "1"])
def test_a_series_is_counted_from_1(value: object) -> None:
    with pytest.raises(InvalidValue, match="counted from 1"):
        number_of(InvoiceConfig(account_id=1, company="Acme"), DocumentKind.INVOICE, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "company"), [("Acme Ltd", "Acme Ltd"), ("", "1000000001"), ("  ", "1000000001")])
def test_an_issuer_without_a_configuration_prints_its_name_or_number(name: str, company: str) -> None:
    issuer = Account(id=5, number="1000000001", name=name, kind=Kind.ADMIN, currency="EUR", tax_number="DE1")

    assert InvoiceConfig.default(issuer) == InvoiceConfig(account_id=5, company=company, tax_number="DE1")
