"""Postings, transfers and charges: values that are right once they are built."""

from datetime import UTC, datetime

import pytest

from astpp_billing.errors import InexactAmount, InvalidValue
from astpp_billing.ledger import (
    MAX_KEY,
    Book,
    Charge,
    LedgerAccount,
    Posting,
    Reason,
    Transfer,
    fingerprint,
    movements,
    profit,
    transfer,
)
from astpp_billing.money import MAX_MICROS

AT = datetime(2026, 1, 1, tzinfo=UTC)
WALLET = LedgerAccount(1, Book.WALLET, "USD")
REVENUE = LedgerAccount(2, Book.REVENUE, "USD")


@pytest.mark.parametrize("micros", [0, -1, MAX_MICROS + 1])
def test_a_transfer_moves_a_positive_amount_that_can_be_kept(micros: int) -> None:
    with pytest.raises(InvalidValue, match=str(micros)):
        Transfer(WALLET, REVENUE, micros)


def test_no_float_is_transferred_or_charged() -> None:
    with pytest.raises(InexactAmount):
        Transfer(WALLET, REVENUE, 1.0)  # type: ignore[arg-type]  # that is what is refused
    with pytest.raises(InexactAmount):
        charge(micros=1.0)


def test_a_transfer_has_one_currency() -> None:
    with pytest.raises(InvalidValue, match="USD and EUR"):
        Transfer(WALLET, LedgerAccount(2, Book.REVENUE, "EUR"), 1)


def test_a_transfer_needs_two_ledger_accounts() -> None:
    with pytest.raises(InvalidValue, match="twice"):
        Transfer(WALLET, WALLET, 1)


def test_a_ledger_account_has_a_currency_that_exists() -> None:
    with pytest.raises(InvalidValue, match="'XYZ'"):
        LedgerAccount(1, Book.WALLET, "XYZ")


def test_a_signed_amount_decides_the_direction() -> None:
    assert transfer(WALLET, REVENUE, 5) == (Transfer(WALLET, REVENUE, 5),)
    assert transfer(WALLET, REVENUE, -5) == (Transfer(REVENUE, WALLET, 5),)
    assert transfer(WALLET, REVENUE, 0) == ()


def test_movements_are_what_each_ledger_account_gains() -> None:
    tax = LedgerAccount(2, Book.TAX, "USD")

    moved = movements([Transfer(WALLET, REVENUE, 10), Transfer(WALLET, tax, 2), Transfer(REVENUE, WALLET, 3)])

    assert moved == {WALLET: -9, REVENUE: 7, tax: 2}


@pytest.mark.parametrize("key", ["", "x" * (MAX_KEY + 1), None, 5])
def test_a_posting_has_a_key(key: object) -> None:
    with pytest.raises(InvalidValue, match="idempotency key"):
        posting(key=key)


def test_a_posting_is_at_an_instant_in_utc() -> None:
    assert posting(key="x" * MAX_KEY).at == AT
    with pytest.raises(InvalidValue, match="time zone"):
        posting(at=datetime(2026, 1, 1))  # noqa: DTZ001 - it is refused


def posting(**fields: object) -> Posting:
    known: dict = {"key": "k", "fingerprint": "", "at": AT, "reason": Reason.CALL, "transfers": ()}
    return Posting(**known | fields)


def charge(**fields: object) -> Charge:
    known: dict = {"account_id": 1, "posting_key": "k", "at": AT, "description": "x", "micros": 1, "currency": "USD"}
    return Charge(**known | fields)


@pytest.mark.parametrize("micros", [0, -1, MAX_MICROS + 1])
def test_a_charge_is_positive(micros: int) -> None:
    with pytest.raises(InvalidValue, match=str(micros)):
        charge(micros=micros)


def test_a_charge_is_money() -> None:
    assert str(charge(micros=1_250_000).amount) == "1.25 USD"
    assert charge().document_id is None


def test_a_fingerprint_tells_contents_apart() -> None:
    contents = [(), ("a",), ("a", "b"), ("ab",), ("a", None), ("a", 1), ("a", "1"), (1, "a"), ("é",), ("\ud800",)]

    assert len({fingerprint(*content) for content in contents}) == len(contents)
    assert fingerprint("a", 1) == fingerprint("a", 1)


def test_profit_is_earned_less_paid_in_each_currency() -> None:
    flows = {
        (Book.REVENUE, Book.WALLET, "EUR"): 100,
        (Book.COMMISSION, Book.WALLET, "EUR"): -10,
        (Book.WALLET, Book.REVENUE, "USD"): -60,
        (Book.WALLET, Book.COMMISSION, "USD"): 5,
        (Book.COST, Book.PAYABLE, "GBP"): -7,
    }

    assert profit(flows) == {"EUR": 90, "USD": -55, "GBP": -7}


def test_refills_taxes_and_rounding_are_no_profit() -> None:
    flows = {
        (Book.CASH, Book.WALLET, "USD"): -100,
        (Book.WALLET, Book.CASH, "USD"): 100,
        (Book.TAX, Book.WALLET, "USD"): 20,
        (Book.WALLET, Book.TAX, "USD"): -20,
        (Book.WALLET, Book.ROUNDING, "USD"): -1,
        (Book.ROUNDING, Book.WALLET, "USD"): 1,
        (Book.PAYABLE, Book.COST, "USD"): 4,
        (Book.REVENUE, Book.WALLET, "USD"): 3,
        (Book.WALLET, Book.REVENUE, "USD"): -3,
    }

    assert profit(flows) == {}
