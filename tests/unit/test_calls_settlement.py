"""What settling a call does, decided without a storage."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from astpp_billing.calls import CallRecord, PathBooks, UnratedReason, call_charges
from astpp_billing.fx import ExchangeRate, ExchangeRates
from astpp_billing.hierarchy import Account, Kind, ResellerModel
from astpp_billing.ledger import Book, LedgerAccount, Transfer
from astpp_billing.pricing import Cascade, NotPricedReason, PricedCall, Rate, RateGroup, RateTable, Tariff

START = datetime(2026, 1, 1, tzinfo=UTC)
ADMIN = Account(id=1, number="admin", kind=Kind.ADMIN, currency="USD")
PROVIDER = Account(id=9, number="carrier", kind=Kind.PROVIDER, currency="GBP")
NORTH = Account(
    id=2,
    number="north",
    kind=Kind.RESELLER,
    parent_id=1,
    model=ResellerModel.COMMISSION,
    commission_percent=Decimal(10),
    currency="EUR",
)
JANE = Account(id=3, number="jane", kind=Kind.CUSTOMER, parent_id=2, currency="USD")
RATES = ExchangeRates([ExchangeRate("EUR", "USD", Decimal(2), START), ExchangeRate("GBP", "USD", Decimal(4), START)])


def tariff(price: str, owner: Account, **rate: Any) -> Tariff:
    group = RateGroup(name=f"of {owner.number}", owner_id=owner.id, currency="USD")
    return Tariff(group, RateTable([Rate("44", price, **rate)]))


def priced(price: str, cost: str | None, seconds: int = 60, **rate: Any) -> PricedCall:
    termination = None if cost is None else (PROVIDER, tariff(cost, PROVIDER))
    cascade = Cascade((JANE, NORTH, ADMIN), {JANE.id: [tariff(price, ADMIN, **rate)]}, RATES, termination)
    call = cascade.price("441", seconds, START)
    assert isinstance(call, PricedCall)
    return call


RECORD = CallRecord(
    switch_id="fs", leg_uuid="1", number="441", started_at=START, answered_at=START, ended_at=START, seconds=60
)


def transfers(call: PricedCall) -> list[Transfer]:
    return PathBooks(call.terms).transfers(call)


def test_every_level_commission_and_cost_is_a_transfer_in_its_own_currency() -> None:
    assert transfers(priced("1", "0.4")) == [
        Transfer(LedgerAccount(3, Book.WALLET, "USD"), LedgerAccount(2, Book.REVENUE, "USD"), 1_000_000),
        Transfer(LedgerAccount(2, Book.WALLET, "EUR"), LedgerAccount(1, Book.REVENUE, "EUR"), 500_000),
        Transfer(LedgerAccount(1, Book.COMMISSION, "EUR"), LedgerAccount(2, Book.WALLET, "EUR"), 50_000),
        Transfer(LedgerAccount(1, Book.COST, "GBP"), LedgerAccount(9, Book.PAYABLE, "GBP"), 100_000),
    ]


def test_the_books_of_a_path_are_for_all_its_calls() -> None:
    unknown, known, free = priced("1", None), priced("1", "0.4"), priced("0", "0")
    books = PathBooks(unknown.terms)  # to a number that the provider does not know

    assert [books.transfers(call) for call in (unknown, known, free, known)] == [
        *(transfers(call) for call in (unknown, known, free, known)),
    ]
    assert len(books.transfers(known)) == len(books.transfers(unknown)) + 1


def test_without_termination_the_provider_gets_nothing() -> None:
    assert {one.source.book for one in transfers(priced("1", None))} == {Book.WALLET, Book.COMMISSION}


def test_what_costs_nothing_moves_nothing_and_is_no_charge() -> None:
    call = priced("0", "0")

    assert transfers(call) == []
    assert call_charges(RECORD, call) == []


def test_a_level_that_rounds_to_nothing_is_left_out() -> None:
    call = priced("0.000001", None)  # half a micro of EUR is rounded up, a share of it down

    assert [(one.source.account_id, one.micros) for one in transfers(call)] == [(3, 1), (2, 1)]


def test_a_charge_for_every_level_the_buyer_first() -> None:
    charges = call_charges(RECORD, priced("1", "0.4", destination="United Kingdom"))

    assert [(one.account_id, one.micros, one.currency) for one in charges] == [
        (3, 1_000_000, "USD"),
        (2, 500_000, "EUR"),
    ]
    assert {(one.posting_key, one.at, one.number, one.seconds, one.description) for one in charges} == {
        ("call:fs:1", START, "441", 60, "United Kingdom")
    }
    assert charges[1].detail.endswith("1 USD = 0.5 EUR by 1 EUR = 2 USD from 2026-01-01 (manual)")


def test_a_charge_names_the_transfer_that_moved_it() -> None:
    call = priced("1", "0.4")

    for charge in call_charges(RECORD, call):
        moved = transfers(call)[charge.position - 1]
        assert (moved.source.account_id, moved.source.book) == (charge.account_id, Book.WALLET)
        assert moved.micros == charge.micros


def test_a_charge_names_the_document_that_it_stands_on() -> None:
    assert [one.document_id for one in call_charges(RECORD, priced("1", None), {2: 7})] == [None, 7]


def test_a_rate_without_a_destination_is_described_by_its_prefix() -> None:
    assert {one.description for one in call_charges(RECORD, priced("1", None))} == {"44"}


def test_every_reason_for_having_no_price_is_one_for_being_unrated() -> None:
    assert {reason.value for reason in NotPricedReason} <= {reason.value for reason in UnratedReason}
