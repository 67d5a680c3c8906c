"""Rules, sections 5 and 6: a hold is extended while its call is up, and ends once."""

from datetime import timedelta

import pytest
from attrs import evolve
from tests.services.books import balance, settled
from tests.services.holding import approved, attempt, extended, fund, held, held_by, not_extended, refused, wallet

from astpp_billing.billing import Billing
from astpp_billing.calls import RefusedReason
from astpp_billing.clock import FixedClock
from astpp_billing.errors import InvalidValue, NotFound
from astpp_billing.ledger import HoldState
from astpp_billing.money import Money
from astpp_billing.testing.worlds import START, chain, commission, distributor, offer

SECOND = timedelta(seconds=1)


# extending


def test_a_hold_is_extended_to_seconds_in_all(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    fund(billing, shop, "2")
    first = approved(billing, attempt(shop.call()))

    longer = extended(billing, first.hold.key, 1200)

    assert (longer.max_seconds, longer.hold.seconds, held_by(longer)) == (2000, 1200, [1_200_000, 600_000])
    assert held(billing, shop) == [1_200_000, 600_000]
    assert longer.hold.expires_at == first.hold.expires_at + 600 * SECOND
    assert billing.calls.find_hold(first.hold.key) == longer.hold


def test_extending_to_what_is_covered_changes_nothing(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "2")
    first = approved(billing, attempt(shop.call()))
    longer = extended(billing, first.hold.key, 1200)

    for seconds in (1200, 600, 1):
        assert extended(billing, first.hold.key, seconds) == evolve(longer, repeated=True)
    assert held(billing, shop) == [1_200_000]


def test_where_not_all_is_possible_the_most_that_is_possible_is_held(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "0.9")
    first = approved(billing, attempt(shop.call()))

    longer = extended(billing, first.hold.key, 1200)
    result = not_extended(billing, first.hold.key, 1200)

    assert (longer.max_seconds, longer.hold.seconds) == (900, 900)
    assert (result.reason, result.account) == (RefusedReason.NO_MONEY, shop.customer)
    assert held(billing, shop) == [900_000]


def test_a_refill_during_the_call_makes_it_longer(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "0.6")
    first = approved(billing, attempt(shop.call()))
    assert not_extended(billing, first.hold.key, 601).reason is RefusedReason.NO_MONEY
    billing.ledger.refill(shop.customer, Money("1", "USD"), key="more")

    assert extended(billing, first.hold.key, 900).max_seconds == 1600


def test_no_hold_is_extended_beyond_the_longest_call(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "1000")
    first = approved(billing, attempt(shop.call()))

    assert extended(billing, first.hold.key, 10**6).hold.seconds == 4 * 3600
    result = not_extended(billing, first.hold.key, 10**6)
    assert (result.reason, result.account) == (RefusedReason.TOO_LONG, None)


def test_more_is_held_at_the_price_that_was_agreed(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, commission(10), price="0.06")
    fund(billing, shop, "100")
    first = approved(billing, attempt(shop.call()))
    clock.advance(60 * SECOND)
    offer(billing, shop.admin, "chain-customer", "5")
    offer(billing, shop.admin, "dear", "7")
    billing.accounts.change(shop.customer, rate_group="dear")

    assert held_by(extended(billing, first.hold.key, 1200)) == [1_200_000, 1_200_000]


def test_a_hold_of_an_account_that_was_moved_or_closed_is_not_extended(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), distributor("0.04"), price="0.06")
    fund(billing, shop, "100")
    first = approved(billing, attempt(shop.call()))
    moved = billing.accounts.move(shop.customer, shop.resellers[0])

    result = not_extended(billing, first.hold.key, 1200)
    assert (result.reason, result.account) == (RefusedReason.MOVED, moved)

    billing.accounts.close(moved)
    assert not_extended(billing, first.hold.key, 1200).reason is RefusedReason.ACCOUNT_CLOSED
    assert held(billing, shop) == [600_000, 400_000, 300_000]


def test_a_hold_that_has_ended_is_not_extended(billing: Billing) -> None:
    shop = chain(billing)
    fund(billing, shop, "100")
    first, record = approved(billing, attempt(shop.call())), shop.call()
    billing.calls.void(first.hold.key)
    approved(billing, attempt(record))
    settled(billing, record)

    for key in (first.hold.key, record.key):
        result = not_extended(billing, key, 1200)
        assert (result.reason, result.account) == (RefusedReason.ENDED, shop.customer)
    with pytest.raises(NotFound, match="call:x:y"):
        billing.calls.extend("call:x:y", 60)


def test_a_call_is_extended_to_whole_seconds(billing: Billing) -> None:
    with pytest.raises(InvalidValue, match="whole number of seconds from 1"):
        billing.calls.extend("call:x:y", 0)


def test_who_has_spent_what_the_hold_reserves_gets_nothing_more(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "1")
    first = approved(billing, attempt(shop.call()))
    settled(billing, shop.call(600))  # it was not authorised, and is charged all the same

    assert wallet(billing, shop.customer).available_micros == -200_000
    assert not_extended(billing, first.hold.key, 601).reason is RefusedReason.NO_MONEY


# giving back


def test_voiding_gives_everything_back_once(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    fund(billing, shop, "100")
    first = approved(billing, attempt(shop.call()))

    voided = billing.calls.void(first.hold.key)

    assert voided == evolve(first.hold, state=HoldState.VOIDED)
    assert held(billing, shop) == [0, 0]
    assert billing.calls.void(first.hold.key) == voided
    assert held(billing, shop) == [0, 0]
    assert not billing.calls.holds()
    with pytest.raises(NotFound, match="call:x:y"):
        billing.calls.void("call:x:y")


def test_voiding_a_call_that_was_charged_gives_nothing_back(billing: Billing) -> None:
    shop = chain(billing)
    fund(billing, shop, "1")
    record = shop.call(60)
    approved(billing, attempt(record))
    settled(billing, record)

    assert billing.calls.void(record.key).state is HoldState.POSTED
    assert balance(billing, shop.customer) == "0.94 USD"


def test_a_hold_lapses_some_time_after_what_it_pays_for(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing)
    fund(billing, shop, "100")
    first = approved(billing, attempt(shop.call()))
    assert first.hold.expires_at == START + (600 + 300) * SECOND

    clock.set(first.hold.expires_at - timedelta(microseconds=1))
    assert (billing.calls.expire_holds(), held(billing, shop)) == (0, [600_000])
    clock.set(first.hold.expires_at)
    assert (billing.calls.expire_holds(), held(billing, shop)) == (1, [0])
    assert billing.calls.expire_holds() == 0
    hold = billing.calls.find_hold(first.hold.key)
    assert hold is not None
    assert hold.state is HoldState.EXPIRED


def test_all_lapsed_holds_end_however_many_they_are(billing: Billing) -> None:
    shop = chain(billing)
    fund(billing, shop, "1000")
    for _ in range(120):
        approved(billing, attempt(shop.call()))
    longer = extended(billing, attempt(shop.call(leg="chain-customer-1")).key, 1200)

    end = START + timedelta(minutes=15)
    assert len(billing.calls.holds(lapsed_at=end)) == 119
    assert billing.calls.expire_holds(end) == 119
    assert list(billing.calls.holds()) == [longer.hold]
    assert held(billing, shop) == [1_200_000]


def test_money_that_lapsed_holds_reserve_is_there_for_who_needs_it(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "0.6")
    approved(billing, attempt(shop.call()))
    assert refused(billing, attempt(shop.call(leg="new"))).reason is RefusedReason.NO_MONEY
    clock.advance(timedelta(hours=1))

    assert approved(billing, attempt(shop.call(leg="new"))).max_seconds == 600
    assert held(billing, shop) == [600_000]


# settling what was authorised


def test_settling_releases_the_hold_and_charges_what_the_call_costs(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    fund(billing, shop, "100")
    record = shop.call(60)
    approved(billing, attempt(record))

    settled(billing, record)

    assert held(billing, shop) == [0, 0]
    assert [balance(billing, account) for account in shop.path[:-1]] == ["99.94 USD", "99.97 USD"]
    hold = billing.calls.find_hold(record.key)
    assert hold is not None
    assert hold.state is HoldState.POSTED


def test_the_prices_of_when_the_call_was_authorised_count(billing: Billing, clock: FixedClock) -> None:
    """Rules, section 6: all levels are charged by the rates fixed at authorisation."""
    shop = chain(billing, commission(10), price="0.06")
    fund(billing, shop, "100")
    record = shop.call(60, started_at=START + 60 * SECOND)
    approved(billing, attempt(record))
    clock.advance(30 * SECOND)
    offer(billing, shop.admin, "chain-customer", "5")
    offer(billing, shop.admin, "dear", "7")
    billing.accounts.change(shop.customer, rate_group="dear")
    billing.accounts.change(shop.resellers[0], commission_percent=50)

    charges = settled(billing, record).charges

    assert [charge.micros for charge in charges] == [60_000, 60_000]
    assert billing.ledger.profits(shop.resellers[0]) == {"USD": Money("0.006", "USD")}


def test_a_buyer_that_was_moved_pays_on_its_new_path(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), distributor("0.04"), price="0.06")
    fund(billing, shop, "100")
    offer(billing, shop.resellers[0], "direct", "0.05")
    record = shop.call(60)
    approved(billing, attempt(record))
    billing.accounts.move(shop.customer, shop.resellers[0])
    billing.accounts.change(shop.customer, rate_group="direct")

    charges = settled(billing, record).charges

    assert [(charge.account_id, charge.micros) for charge in charges] == [
        (shop.customer.id, 50_000),
        (shop.resellers[0].id, 30_000),
    ]
    assert held(billing, shop) == [0, 0, 0]


@pytest.mark.parametrize("ending", ["void", "lapse"])
def test_a_call_that_did_happen_is_charged_whatever_became_of_its_hold(
    billing: Billing, clock: FixedClock, ending: str
) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "1")
    record = shop.call(60)
    approved(billing, attempt(record))
    if ending == "void":
        billing.calls.void(record.key)
    else:
        clock.advance(timedelta(days=1))
        assert billing.calls.expire_holds() == 1

    settled(billing, record)

    assert balance(billing, shop.customer) == "0.94 USD"
    assert held(billing, shop) == [0]
