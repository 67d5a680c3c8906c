"""Settling a call: what moves, what is charged, what is documented."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.services.books import balance, everything, moved, settled

from astpp_billing.billing import Billing
from astpp_billing.calls import CallStatus, Settled
from astpp_billing.clock import FixedClock
from astpp_billing.errors import IdempotencyConflict, NotFound
from astpp_billing.hierarchy import BillingType, ReceiptMode
from astpp_billing.invoicing import Tax
from astpp_billing.ledger import Book, LedgerAccount
from astpp_billing.money import Money
from astpp_billing.testing.worlds import START, call, chain, commission, distributor, offer

POSTPAID: dict[str, Any] = {"billing": BillingType.POSTPAID, "credit_limit": 1000}


def test_every_level_pays_its_parent_and_the_admin_owes_the_provider(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03", **POSTPAID), price="0.06", cost="0.01", **POSTPAID)
    north = shop.resellers[0]

    result = settled(billing, shop.call(60))

    assert moved(billing.ledger.posting(result.entry.key)) == [
        (shop.customer.id, Book.WALLET, north.id, Book.REVENUE, 60_000, "USD"),
        (north.id, Book.WALLET, shop.admin.id, Book.REVENUE, 30_000, "USD"),
        (shop.admin.id, Book.COST, shop.provider.id, Book.PAYABLE, 10_000, "USD"),
    ]
    assert [(charge.account_id, str(charge.amount)) for charge in result.charges] == [
        (shop.customer.id, "0.06 USD"),
        (north.id, "0.03 USD"),
    ]


def test_a_commission_reseller_passes_the_price_on_and_is_paid_its_share(billing: Billing) -> None:
    shop = chain(billing, commission(10, **POSTPAID), commission(10, **POSTPAID), price="1", cost="0.5", **POSTPAID)
    upper, lower = shop.resellers

    result = settled(billing, shop.call(60))

    assert moved(billing.ledger.posting(result.entry.key)) == [
        (shop.customer.id, Book.WALLET, lower.id, Book.REVENUE, 1_000_000, "USD"),
        (lower.id, Book.WALLET, upper.id, Book.REVENUE, 1_000_000, "USD"),
        (upper.id, Book.WALLET, shop.admin.id, Book.REVENUE, 1_000_000, "USD"),
        (shop.admin.id, Book.COMMISSION, upper.id, Book.WALLET, 100_000, "USD"),
        (upper.id, Book.COMMISSION, lower.id, Book.WALLET, 10_000, "USD"),
        (shop.admin.id, Book.COST, shop.provider.id, Book.PAYABLE, 500_000, "USD"),
    ]
    assert {account.number: dict(billing.ledger.profits(account)) for account in (*shop.resellers, shop.admin)} == {
        "chain-1": {"USD": Money("0.09", "USD")},
        "chain-2": {"USD": Money("0.01", "USD")},
        "chain-admin": {"USD": Money("0.4", "USD")},
    }


def test_each_level_is_charged_in_its_own_currency_by_the_rate_in_force(billing: Billing) -> None:
    billing.prices.set_exchange_rate("EUR", "USD", "1.25")
    shop = chain(billing, distributor("0.03", currency="EUR"), price="0.06", currency="USD")
    north = shop.resellers[0]

    charges = settled(billing, shop.call(60)).charges

    assert [str(charge.amount) for charge in charges] == ["0.06 EUR", "0.024 EUR"]
    assert balance(billing, north) == "-0.02 EUR"  # its receipt bills whole cents, the rest is carried forward
    assert dict(billing.ledger.profits(north)) == {"EUR": Money("0.036", "EUR")}
    assert dict(billing.ledger.profits(shop.admin)) == {"EUR": Money("0.024", "EUR"), "USD": Money("-0.01", "USD")}
    assert "1 EUR = 1.25 USD from 2026-01-01 (manual)" in charges[1].detail


def test_a_charge_says_what_for_and_how_it_came_about(billing: Billing) -> None:
    shop = chain(billing, price="0.06")

    (charge,) = settled(billing, shop.call(59)).charges

    assert (charge.description, charge.number, charge.seconds, charge.at) == ("44", "441234567890", 59, START)
    assert charge.detail.startswith("rate 44 of group 'chain-customer' version 1\n")


def test_prepaid_accounts_on_every_level_get_a_receipt_at_once(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), commission(50), price="0.06")

    charges = settled(billing, shop.call(60)).charges
    documents = {document.id: document for document in billing.documents.documents()}

    assert [charge.document_id in documents for charge in charges] == [True, True, True]
    assert [
        (document.account_id, document.kind, str(document.total), document.period, document.due_at)
        for document in (documents[charge.document_id or 0] for charge in charges)
    ] == [
        (shop.customer.id, "receipt", "0.06 USD", None, None),
        (shop.resellers[1].id, "receipt", "0.06 USD", None, None),
        (shop.resellers[0].id, "receipt", "0.03 USD", None, None),
    ]
    # from the root down, so that all who issue take the series in one order
    assert [documents[charge.document_id or 0].seller_id for charge in reversed(charges)] == [
        *(document.seller_id for document in documents.values()),
    ]
    assert [billing.documents.charges(documents[charge.document_id or 0]) for charge in charges] == [
        [charge] for charge in charges
    ]


def test_postpaid_and_gathered_levels_get_none_yet(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03", receipts=ReceiptMode.DAILY), price="0.06", **POSTPAID)

    charges = settled(billing, shop.call(60)).charges

    assert [charge.document_id for charge in charges] == [None, None]
    assert billing.documents.documents() == []


def test_small_calls_are_never_free_because_rounding_is_carried_forward(billing: Billing) -> None:
    shop = chain(billing, price="0.0014")

    for _ in range(10):
        settled(billing, shop.call(60))

    assert sum(document.total_micros for document in billing.documents.documents()) == 10_000
    assert billing.ledger.books()[LedgerAccount(shop.customer.id, Book.ROUNDING, "USD")] == Money("-0.004", "USD")
    assert balance(billing, shop.customer) == "-0.01 USD"


def test_tax_on_a_receipt_goes_from_the_wallet_to_the_seller(billing: Billing) -> None:
    shop = chain(billing, price="1")
    billing.accounts.configure_invoices(shop.admin, tax=Tax("VAT", Decimal(20)))

    result = settled(billing, shop.call(60))

    assert moved(billing.ledger.posting(result.entry.key))[2:] == [
        (shop.customer.id, Book.WALLET, shop.admin.id, Book.TAX, 200_000, "USD")
    ]
    assert balance(billing, shop.customer) == "-1.20 USD"
    assert [line.description for line in billing.documents.documents()[0].lines] == ["44", "VAT 20 %"]


@pytest.mark.parametrize("seconds", [0, 60])
def test_a_call_that_costs_nothing_is_kept_as_rated_and_moves_nothing(billing: Billing, seconds: int) -> None:
    shop = chain(billing, distributor("0"), price="0", cost="0")

    result = settled(billing, shop.call(seconds))

    assert (result.entry.status, result.entry.account_id, result.charges) == (CallStatus.RATED, shop.customer.id, ())
    assert billing.calls.all() == [result.entry]
    assert billing.documents.documents() == []
    with pytest.raises(NotFound, match="call:switch:chain-customer-1"):
        billing.ledger.posting(result.entry.key)
    assert billing.calls.settle(result.entry.record) == Settled(result.entry, (), repeated=True)


def test_a_free_call_that_costs_the_admin_is_posted_without_charges(billing: Billing) -> None:
    shop = chain(billing, price="0", cost="0.01")

    result = settled(billing, shop.call(60))

    assert result.charges == ()
    assert moved(billing.ledger.posting(result.entry.key)) == [
        (shop.admin.id, Book.COST, shop.provider.id, Book.PAYABLE, 10_000, "USD")
    ]


def test_an_unanswered_call_needs_no_rate(billing: Billing) -> None:
    shop = chain(billing)

    assert settled(billing, shop.call(0, number="999")).charges == ()
    assert settled(billing, shop.call(0, number="abc", provider="nobody")).charges == ()


def test_an_admin_that_calls_pays_only_the_provider(billing: Billing) -> None:
    shop = chain(billing, cost="0.01")

    result = settled(billing, call(shop.admin.number))

    assert result.charges == ()
    assert dict(billing.ledger.profits(shop.admin)) == {"USD": Money("-0.01", "USD")}


def test_a_reseller_that_calls_is_a_buyer(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))

    charges = settled(billing, call(shop.resellers[0].number)).charges

    assert [(charge.account_id, str(charge.amount)) for charge in charges] == [(shop.resellers[0].id, "0.03 USD")]


def test_the_payer_is_found_by_account_then_user_then_address(billing: Billing) -> None:
    one, other, third = (chain(billing, name=name) for name in ("one", "other", "third"))
    billing.accounts.add_endpoint(other.customer, user="4420")
    billing.accounts.add_endpoint(third.customer, address="192.0.2.7")

    def payer(**named: Any) -> int | None:
        return settled(billing, call(leg=str(named), **named)).entry.account_id

    assert payer(account=one.customer.number, user="4420", address="192.0.2.7") == one.customer.id
    assert payer(user="4420", address="192.0.2.7") == other.customer.id
    assert payer(user="unknown", address="192.0.2.7") == third.customer.id
    assert payer(address="192.0.2.7") == third.customer.id


def test_the_carrier_that_the_record_names_is_the_one_that_is_owed(billing: Billing) -> None:
    shop = chain(billing, cost="0.01")
    other = billing.accounts.open_provider("Other", number="other", currency="EUR")
    offer(billing, other, "other-rates", "0.02")
    billing.accounts.change(other, rate_group="other-rates")

    usual = settled(billing, shop.call(60))
    result = settled(billing, shop.call(60, provider="other"))

    assert moved(billing.ledger.posting(usual.entry.key))[-1][2] == shop.provider.id
    assert moved(billing.ledger.posting(result.entry.key))[-1] == (
        *(shop.admin.id, Book.COST, other.id, Book.PAYABLE),
        *(20_000, "EUR"),
    )


def test_the_same_record_again_changes_nothing(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    record = shop.call(60)
    first = settled(billing, record)
    before = everything(billing)
    clock.advance(timedelta(days=1))

    again = settled(billing, record)

    assert again == Settled(first.entry, first.charges, repeated=True)
    assert everything(billing) == before


def test_the_same_call_told_in_other_words_is_the_same(billing: Billing) -> None:
    shop = chain(billing)
    settled(billing, shop.call(60, leg="leg", caller="Jane", dialled="0044", hangup_cause="NORMAL_CLEARING"))

    assert settled(billing, shop.call(60, leg="leg", caller="J%C3%A9", dialled="44", hangup_cause="")).repeated


@pytest.mark.parametrize(
    "other",
    [
        {"seconds": 61},
        {"number": "441"},
        {"account": "somebody"},
        {"user": "4420"},
        {"address": "192.0.2.7"},
        {"provider": "chain-provider"},
        {"started_at": START + timedelta(seconds=1)},
    ],
)
def test_another_call_with_the_same_switch_and_leg_is_a_conflict(billing: Billing, other: dict) -> None:
    shop = chain(billing)
    settled(billing, shop.call(60, leg="leg"))
    before = everything(billing)

    with pytest.raises(IdempotencyConflict, match="call:switch:leg was another call before"):
        billing.calls.settle(shop.call(**{"seconds": 60, "leg": "leg"} | other))
    assert everything(billing) == before


def test_a_conflict_is_told_from_an_unrated_record_too(billing: Billing) -> None:
    billing.calls.settle(call("nobody", 60))

    with pytest.raises(IdempotencyConflict, match="call:switch:1 was another call before"):
        billing.calls.settle(call("nobody", 61))


def test_switch_and_leg_can_never_be_mistaken_for_others(billing: Billing) -> None:
    shop = chain(billing)

    one = settled(billing, shop.call(60, switch="a:b", leg="c"))
    other = settled(billing, shop.call(60, switch="a", leg="b:c"))

    assert not other.repeated
    assert one.entry.key != other.entry.key
    assert len(billing.calls.all()) == 2


def test_a_prepaid_wallet_without_money_is_charged_for_a_call_that_happened(billing: Billing) -> None:
    shop = chain(billing, price="5")

    settled(billing, shop.call(60))

    assert balance(billing, shop.customer) == "-5.00 USD"


def test_what_became_of_a_call_can_be_looked_up(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    result = settled(billing, shop.call(60))

    assert billing.calls.get(result.entry.key) == result.entry
    assert tuple(billing.calls.charges(result.entry)) == result.charges
    with pytest.raises(NotFound, match="'call:x:y'"):
        billing.calls.get("call:x:y")


def test_a_price_can_be_asked_for_without_charging(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    before = everything(billing)

    priced = billing.calls.price(shop.customer, "441234567890", 60)

    assert [level.amount_micros for level in priced.levels] == [60_000, 30_000]  # type: ignore[union-attr]  # it has one
    assert everything(billing) == before
