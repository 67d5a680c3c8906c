"""Records that cannot be rated: kept with the reason, listed, settled later by the prices of the call's time."""

from datetime import timedelta
from typing import Any

import pytest
from tests.services.books import everything, settled, unrated

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord, CallStatus, Failed, Settled, Settlement, Unrated, UnratedReason
from astpp_billing.clock import FixedClock
from astpp_billing.hierarchy import BillingType
from astpp_billing.pricing import NotPriced
from astpp_billing.testing.worlds import START, Chain, call, chain, commission, distributor, offer

Reason = UnratedReason


def kept(billing: Billing, record: CallRecord) -> tuple[UnratedReason | None, str, int | None]:
    """Settle a record that cannot be rated; it is kept, and nothing is charged."""
    result = unrated(billing, record)
    assert billing.calls.all(CallStatus.UNRATED) == [result.entry]
    assert result.entry.record == record
    assert billing.ledger.books() == {}
    return result.entry.reason, result.entry.detail, result.entry.account_id


def retried(billing: Billing) -> list[Settlement]:
    """Settle all unrated records again; none of them fails."""
    return [result for result in billing.calls.retry() if not isinstance(result, Failed)]


def test_an_unknown_account(billing: Billing) -> None:
    chain(billing)

    assert kept(billing, call("nobody")) == (Reason.UNKNOWN_ACCOUNT, "no account has the number 'nobody'", None)


def test_an_unknown_account_is_not_looked_for_among_the_users(billing: Billing) -> None:
    billing.accounts.add_endpoint(chain(billing).customer, user="4420")

    assert kept(billing, call("nobody", user="4420"))[0] is Reason.UNKNOWN_ACCOUNT


def test_a_user_and_an_address_that_nobody_has(billing: Billing) -> None:
    detail = "neither the user '4420' nor the address '192.0.2.7' belongs to an account"

    assert kept(billing, call(user="4420", address="192.0.2.7")) == (Reason.UNKNOWN_ACCOUNT, detail, None)


def test_a_provider_as_the_payer(billing: Billing) -> None:
    shop = chain(billing)

    reason, detail, _ = kept(billing, call(shop.provider.number))

    assert (reason, detail) == (
        Reason.UNKNOWN_ACCOUNT,
        "account chain-provider is a provider, which pays for no calls",
    )


@pytest.mark.parametrize("carrier", ["nobody", "chain-admin"])
def test_a_carrier_that_is_none(billing: Billing, carrier: str) -> None:
    shop = chain(billing)

    assert kept(billing, shop.call(provider=carrier)) == (
        Reason.UNKNOWN_ACCOUNT,
        f"no provider has the number '{carrier}'",
        shop.customer.id,
    )


def test_a_closed_account(billing: Billing) -> None:
    shop = chain(billing)
    billing.accounts.close(shop.customer)

    assert kept(billing, shop.call()) == (
        Reason.ACCOUNT_CLOSED,
        "account chain-customer is closed",
        shop.customer.id,
    )


@pytest.mark.parametrize("number", ["", "+44", "44 1", "4a", "٤٤"])
def test_a_number_that_is_none(billing: Billing, number: str) -> None:
    shop = chain(billing)

    assert kept(billing, shop.call(number=number)) == (
        Reason.BAD_NUMBER,
        f"not a phone number: {number!r}",
        shop.customer.id,
    )


def test_no_rate_group_on_some_level(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03", rate_group=None))

    assert kept(billing, shop.call())[:2] == (Reason.NO_RATE_GROUP, "account chain-1 has no rate group")


def test_a_rate_group_that_does_not_exist_is_none(billing: Billing) -> None:
    shop = chain(billing, rate_group="forgotten")

    assert kept(billing, shop.call())[0] is Reason.NO_RATE_GROUP


def test_a_rate_group_that_the_seller_does_not_offer(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), rate_group="chain-1")

    assert kept(billing, shop.call())[:2] == (
        Reason.NOT_OFFERED,
        "rate group 'chain-1' of chain-customer is not one of chain-1's",
    )


def test_termination_by_a_group_that_is_no_providers(billing: Billing) -> None:
    shop = chain(billing, admin={"rate_group": "chain-customer"})

    assert kept(billing, shop.call())[0] is Reason.NOT_OFFERED
    assert isinstance(billing.calls.price(shop.customer, "441", 60), NotPriced)


def test_termination_by_a_group_that_is_another_providers(billing: Billing) -> None:
    shop = chain(billing)
    billing.accounts.open_provider("Other", number="other", currency="USD", rate_group="chain-provider")

    assert kept(billing, shop.call(provider="other"))[0] is Reason.NOT_OFFERED


def test_no_rate_for_the_number(billing: Billing) -> None:
    shop = chain(billing)

    assert kept(billing, shop.call(number="33123"))[:2] == (
        Reason.NO_RATE,
        "account chain-customer has no rate for 33123",
    )


def test_no_exchange_rate_is_never_one_to_one(billing: Billing) -> None:
    shop = chain(billing)
    euro = billing.accounts.open_customer(shop.admin, number="euro", currency="EUR", rate_group="chain-customer")

    assert kept(billing, call("euro")) == (
        Reason.NO_EXCHANGE_RATE,
        "no exchange rate from USD to EUR at 2026-01-01 00:00:00 UTC",
        euro.id,
    )


def test_an_amount_beyond_the_largest(billing: Billing) -> None:
    shop = chain(billing, price="9000000000000")

    assert kept(billing, shop.call(61))[0] is Reason.TOO_LARGE


def test_the_same_unrated_record_again_changes_nothing(billing: Billing, clock: FixedClock) -> None:
    first = unrated(billing, call("nobody"))
    before = everything(billing)
    clock.advance(timedelta(hours=1))

    assert billing.calls.settle(call("nobody")) == Unrated(first.entry, repeated=True)
    assert everything(billing) == before


def find_account(billing: Billing, shop: Chain) -> CallRecord:
    record = call("later")
    unrated(billing, record)
    billing.accounts.open_customer(shop.admin, number="later", rate_group="chain-customer")
    return record


def add_endpoint(billing: Billing, shop: Chain) -> CallRecord:
    record = call(user="4420")
    unrated(billing, record)
    billing.accounts.add_endpoint(shop.customer, user="4420")
    return record


def give_group(billing: Billing, shop: Chain) -> CallRecord:
    billing.accounts.change(shop.customer, rate_group=None)
    record = shop.call()
    unrated(billing, record)
    billing.accounts.change(shop.customer, rate_group="chain-customer")
    return record


def add_prefix(billing: Billing, shop: Chain) -> CallRecord:
    record = shop.call(number="33123")
    unrated(billing, record)
    offer(billing, shop.admin, "chain-customer", {"44": "0.06", "33": "0.05"}, valid_from=START)
    return record


def set_rate(billing: Billing, shop: Chain) -> CallRecord:
    billing.accounts.open_customer(shop.admin, number="euro", currency="EUR", rate_group="chain-customer")
    record = call("euro")
    unrated(billing, record)
    billing.prices.set_exchange_rate("EUR", "USD", "1.25", valid_from=START)
    return record


def name_carrier(billing: Billing, shop: Chain) -> CallRecord:
    record = shop.call(provider="other")
    unrated(billing, record)
    other = billing.accounts.open_provider("Other", number="other", currency="USD")
    offer(billing, other, "other", "0.02")
    billing.accounts.change(other, rate_group="other")
    return record


@pytest.mark.parametrize("repair", [find_account, add_endpoint, give_group, add_prefix, set_rate, name_carrier])
def test_once_the_cause_is_gone_a_retry_settles_the_record(billing: Billing, repair: Any) -> None:
    record = repair(billing, chain(billing))

    (result,) = billing.calls.retry()

    assert isinstance(result, Settled)
    assert not result.repeated
    assert (result.entry.reason, result.entry.detail) == (None, "")
    assert len(result.charges) == 1
    assert billing.calls.all() == [result.entry]
    assert billing.calls.settle(record) == Settled(result.entry, result.charges, repeated=True)
    assert billing.calls.retry() == []
    assert billing.ledger.reconcile().agrees


def test_a_retry_keeps_what_still_cannot_be_rated_with_the_newest_reason(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, rate_group=None)
    unrated(billing, shop.call(number="33123"))
    billing.accounts.change(shop.customer, rate_group="chain-customer")
    clock.advance(timedelta(hours=1))

    (result,) = billing.calls.retry()

    assert isinstance(result, Unrated)
    assert (result.entry.reason, result.entry.settled_at) == (Reason.NO_RATE, clock.now())
    assert billing.calls.all() == [result.entry]


def test_retried_records_come_oldest_first(billing: Billing) -> None:
    shop = chain(billing, rate_group=None)
    for hours in (2, 3, 1):
        unrated(billing, shop.call(started_at=START + timedelta(hours=hours), leg=str(hours)))
    billing.accounts.change(shop.customer, rate_group="chain-customer")

    assert [result.entry.record.leg_uuid for result in retried(billing)] == ["1", "2", "3"]


def test_the_storage_is_free_while_the_results_of_a_retry_are_looked_at(billing: Billing) -> None:
    shop = chain(billing, rate_group=None)
    unrated(billing, shop.call())
    billing.accounts.change(shop.customer, rate_group="chain-customer")

    assert [str(billing.ledger.balance(shop.customer)) for _ in billing.calls.retry()] == ["-0.06 USD"]


def test_what_somebody_else_settles_meanwhile_is_left_alone(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = chain(billing, rate_group=None)
    first, second = (unrated(billing, shop.call()).entry.key for _ in range(2))
    billing.accounts.change(shop.customer, rate_group="chain-customer")
    begin, begun = billing.storage.begin, []

    def let_another_one_in() -> Any:
        begun.append(1)
        if len(begun) == 1:
            somebody_else = Billing(billing.storage, billing.clock)
            assert [result.entry.key for result in retried(somebody_else)] == [first, second]
        return begin()

    monkeypatch.setattr(billing.storage, "begin", let_another_one_in)

    assert billing.calls.retry() == []
    assert str(billing.ledger.balance(shop.customer)) == "-0.12 USD"


def test_a_late_record_is_rated_by_what_held_when_the_call_started(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    unrated(billing, shop.call(leg="early", user="x", account=None))
    change = START + timedelta(days=10)
    offer(billing, shop.resellers[0], "chain-customer", "0.09", valid_from=change)
    clock.set(change + timedelta(days=1))
    billing.accounts.add_endpoint(shop.customer, user="x")

    (early,) = billing.calls.retry()
    late = settled(billing, shop.call(started_at=change - timedelta(microseconds=1)))
    new = settled(billing, shop.call(started_at=change))

    assert isinstance(early, Settled)
    assert [str(result.charges[0].amount) for result in (early, late, new)] == ["0.06 USD", "0.06 USD", "0.09 USD"]
    assert "version 1" in late.charges[0].detail
    assert "version 2" in new.charges[0].detail


def test_a_late_record_is_converted_by_the_exchange_rate_of_its_own_time(billing: Billing) -> None:
    billing.prices.set_exchange_rate("EUR", "USD", "1.25", valid_from=START)
    billing.prices.set_exchange_rate("EUR", "USD", "1.5", valid_from=START + timedelta(days=1))
    shop = chain(billing, price="0.06", billing=BillingType.POSTPAID, currency="USD")
    billing.accounts.open_customer(shop.admin, number="euro", currency="EUR", rate_group="chain-customer")

    then = settled(billing, call("euro", leg="1"))
    later = settled(billing, call("euro", leg="2", started_at=START + timedelta(days=1)))

    assert [str(result.charges[0].amount) for result in (then, later)] == ["0.048 EUR", "0.04 EUR"]


def test_a_commission_reseller_needs_no_group_for_what_it_passes_on(billing: Billing) -> None:
    shop = chain(billing, commission(10))

    assert settled(billing, shop.call()).charges
    assert unrated(billing, call(shop.resellers[0].number)).entry.reason is Reason.NO_RATE_GROUP
