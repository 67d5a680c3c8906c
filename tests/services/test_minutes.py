"""Included minutes: used before money, exactly to the second, by everybody that paid for them."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.services.books import settled, unrated
from tests.services.granting import MONTH, bought, charged, counters, give, grants, taken
from tests.services.holding import approved, attempt, extended, fund, held, held_by, refused

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord, RefusedReason, Settled
from astpp_billing.clock import FixedClock
from astpp_billing.errors import AlreadyExists, StorageBusy
from astpp_billing.money import Money
from astpp_billing.ports import Changes, Seen, UnitOfWork
from astpp_billing.pricing import Allowance, Category, Direction
from astpp_billing.pricing.allowances import NEVER
from astpp_billing.services import again, settling
from astpp_billing.services.minutes import grant_minutes, withdraw_minutes
from astpp_billing.testing.worlds import START, chain, commission, distributor, offer

HOUR = timedelta(hours=1)


# settling


def test_a_call_within_its_minutes_costs_nobody_anything(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06", admin={"rate_group": None})
    give(billing, bought(shop, 100))
    record = shop.call(60)

    result = settled(billing, record)

    assert (result.charges, result.entry.micros) == ((), 0)
    assert counters(billing, shop) == [(60, 0)]
    assert taken(billing, record) == [60]
    assert billing.ledger.reconcile().agrees


def test_a_call_beyond_its_minutes_is_charged_for_the_rest(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    give(billing, bought(shop, 30))

    result = settled(billing, shop.call(100))

    assert charged(result) == [(70, 70_000), (70, 35_000)]
    assert result.entry.micros == 70_000
    assert result.charges[0].detail.startswith("30 of 100 s are included\n")
    assert counters(billing, shop) == [(30, 0)]
    assert billing.ledger.reconcile().agrees


def test_increments_and_fees_are_those_of_the_rest(billing: Billing) -> None:
    """Rules, section 3: 70 s in blocks of 60 are two; no rest, no fee."""
    shop = chain(billing, price="0.06")
    offer(billing, shop.admin, "blocks", "0.06", default_initial_increment=60, default_increment=60)
    billing.accounts.change(shop.customer, rate_group="blocks")
    give(billing, bought(shop, 130))

    assert charged(settled(billing, shop.call(60))) == []
    assert charged(settled(billing, shop.call(140))) == [(70, 120_000)]


def test_who_was_sold_nothing_pays_for_the_whole_call(billing: Billing) -> None:
    """The minutes of a reseller's own product: it pays its own seller for all that its customer talks."""
    shop = chain(billing, distributor("0.02"), distributor("0.03"), price="0.06")
    give(billing, bought(shop, 30, levels=1))

    assert charged(settled(billing, shop.call(90))) == [(60, 60_000), (90, 45_000), (90, 30_000)]


def test_products_of_several_owners(billing: Billing) -> None:
    """Each level is charged for what was not sold to it: 100 s, of which 20 by one owner and 30 by another."""
    shop = chain(billing, distributor("0.02"), distributor("0.03"), price="0.06")
    give(billing, bought(shop, 20, levels=1, order_id=1, expires_at=START + HOUR))
    give(billing, bought(shop, 30, levels=2, order_id=2))

    assert charged(settled(billing, shop.call(100))) == [(50, 50_000), (70, 35_000), (100, 33_333)]


def test_a_commission_is_the_share_of_what_is_paid(billing: Billing) -> None:
    shop = chain(billing, commission(50), commission(10), price="0.06", admin={"rate_group": None})
    give(billing, bought(shop, 40))
    before = [billing.ledger.balance(account).micros for account in shop.resellers]

    result = settled(billing, shop.call(100))

    assert charged(result) == [(60, 60_000)] * 3
    moved = [billing.ledger.balance(account).micros for account in shop.resellers]
    assert [new - old for new, old in zip(moved, before, strict=True)] == [30_000 - 60_000, 3_000 - 60_000]


def test_the_longest_prefix_is_used_first_and_then_what_expires_first(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, 10, order_id=1))
    give(billing, bought(shop, 10, order_id=2, expires_at=START + HOUR))
    give(billing, bought(shop, Allowance(seconds=10, prefixes=("4412",)), order_id=3, expires_at=START + 2 * MONTH))
    give(billing, bought(shop, Allowance(seconds=10, prefixes=("48",)), order_id=4))
    give(billing, bought(shop, Allowance(seconds=10, direction=Direction.IN), order_id=5))
    give(billing, bought(shop, 10, order_id=6, starts_at=START + HOUR))

    for seconds, used in ((7, (0, 0, 7)), (7, (0, 4, 10)), (7, (1, 10, 10)), (7, (8, 10, 10)), (7, (10, 10, 10))):
        settled(billing, shop.call(seconds))
        assert counters(billing, shop) == [*((each, 0) for each in used), (0, 0), (0, 0), (0, 0)]


def test_minutes_are_for_calls_that_begin_while_they_last(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, 1000, starts_at=START + HOUR, expires_at=START + 2 * HOUR))
    second = timedelta(seconds=1)

    for start, used in ((HOUR - second, 0), (HOUR, 60), (2 * HOUR - second, 120), (2 * HOUR, 120)):
        settled(billing, shop.call(60, started_at=START + start))
        assert counters(billing, shop) == [(used, 0)]


def test_a_call_is_settled_once(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, 30))
    record = shop.call(100)
    first = settled(billing, record)

    again = settled(billing, record)

    assert (again.repeated, again.charges) == (True, first.charges)
    assert counters(billing, shop) == [(30, 0)]


def test_the_calls_of_a_batch_take_one_after_the_other(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    other = chain(billing, price="0.06", name="other")
    give(billing, bought(shop, 100))
    give(billing, bought(other, 10, order_id=2))
    records = [shop.call(60), other.call(60), shop.call(60), shop.call(60)]

    results = list(billing.calls.settle_many([*records, records[2]]))

    assert [charged(one) for one in results if isinstance(one, Settled)] == [
        [],
        [(50, 50_000)],
        [(20, 20_000), (20, 10_000)],
        [(60, 60_000), (60, 30_000)],
        [(20, 20_000), (20, 10_000)],
    ]
    assert [taken(billing, record) for record in records] == [[60], [10], [40], []]
    assert billing.ledger.reconcile().agrees


def test_a_call_that_is_rated_later_takes_its_minutes_then(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, 30, expires_at=START + HOUR))
    record = shop.call(100, number="4812345")
    unrated(billing, record)
    assert counters(billing, shop) == [(0, 0)]
    offer(billing, shop.admin, "chain-customer", {"44": "0.06", "48": "0.06"})
    offer(billing, shop.provider, "chain-provider", {"44": "0.06", "48": "0.06"})

    (result,) = billing.calls.retry()

    assert isinstance(result, Settled)
    assert charged(result) == [(70, 70_000)]
    assert counters(billing, shop) == [(30, 0)]


def test_what_is_used_counts_as_used(billing: Billing) -> None:
    """The figures of local days have the whole call, and what it cost."""
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, 30))
    settled(billing, shop.call(100))

    with billing.storage.snapshot() as uow:
        (used,) = uow.used(shop.customer.id, START.date(), START.date() + timedelta(days=1)).values()
    assert (used.calls, used.seconds, used.micros) == (1, 100, 70_000)


# authorising


def test_a_call_may_last_longer_by_its_minutes(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    fund(billing, shop, "0.1", "10")
    give(billing, bought(shop, 50))

    result = approved(billing, attempt(shop.call()))

    assert (result.max_seconds, held_by(result)) == (150, [100_000, 50_000])
    assert counters(billing, shop) == [(0, 50)]


def test_without_money_a_call_lasts_as_long_as_its_minutes(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    give(billing, bought(shop, 50))

    result = approved(billing, attempt(shop.call()))

    assert (result.max_seconds, held_by(result)) == (50, [0, 0])


def test_who_was_sold_nothing_must_have_the_money(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    give(billing, bought(shop, 50, levels=1))

    result = refused(billing, attempt(shop.call()))

    assert (result.reason, result.account) == (RefusedReason.NO_MONEY, shop.resellers[0])


def test_minutes_are_promised_to_one_call_only(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, 900))
    first = approved(billing, attempt(shop.call()))
    second = approved(billing, attempt(shop.call()))

    assert (first.hold.seconds, second.hold.seconds) == (600, 300)
    assert (first.max_seconds, second.max_seconds) == (900, 300)
    assert refused(billing, attempt(shop.call())).reason is RefusedReason.NO_MONEY
    billing.calls.void(second.hold.key)
    assert counters(billing, shop) == [(0, 600)]
    assert approved(billing, attempt(shop.call())).max_seconds == 300


def test_who_has_less_than_nothing_may_use_its_minutes(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    settled(billing, shop.call(60))
    give(billing, bought(shop, 50))

    result = approved(billing, attempt(shop.call()))

    assert (result.max_seconds, held_by(result)) == (50, [0, 0])


def test_minutes_that_came_free_do_not_make_a_seller_pay_more_than_is_held(billing: Billing) -> None:
    """The first grant was sold by the reseller, who pays for what is used of it; the second one by the admin."""
    shop = chain(billing, distributor("0.03"), price="0.06")
    fund(billing, shop, "0", "0.3")
    give(billing, bought(shop, 600, levels=1), bought(shop, 600, order_id=2))
    first, record = approved(billing, attempt(shop.call())), shop.call(600)
    second = approved(billing, attempt(record))
    assert (held_by(first), held_by(second)) == ([0, 300_000], [0, 0])
    billing.calls.void(first.hold.key)
    billing.ledger.debit(shop.resellers[0], Money("0.3", "USD"), reason="spent", key="spent")

    assert charged(settled(billing, record)) == []
    assert counters(billing, shop) == [(0, 0), (600, 0)]


def test_a_record_of_another_number_takes_what_is_for_that(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, Allowance(seconds=100, prefixes=("441",)), Allowance(seconds=100, prefixes=("442",))))
    record = shop.call(60, number="4420")
    approved(billing, attempt(record, number="4410"))
    assert counters(billing, shop) == [(0, 100), (0, 0)]

    assert charged(settled(billing, record)) == []
    assert counters(billing, shop) == [(0, 0), (60, 0)]


def test_a_longer_hold_takes_more_minutes_and_then_money(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "1")
    give(billing, bought(shop, 900))
    first = approved(billing, attempt(shop.call()))

    longer = extended(billing, first.hold.key, 1000)

    assert (longer.max_seconds, longer.hold.seconds, held_by(longer)) == (1900, 1000, [100_000])
    assert counters(billing, shop) == [(0, 900)]


def test_minutes_that_were_bought_meanwhile_make_a_call_longer(billing: Billing) -> None:
    """What it has is kept, though the new ones are for a longer prefix."""
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, 600))
    first = approved(billing, attempt(shop.call()))
    give(billing, bought(shop, Allowance(seconds=700, prefixes=("44",)), order_id=2))

    longer = extended(billing, first.hold.key, 800)

    assert (longer.max_seconds, longer.hold.seconds) == (1300, 800)
    assert counters(billing, shop) == [(0, 600), (0, 200)]


def test_a_settled_call_gives_back_what_it_did_not_take(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "1")
    give(billing, bought(shop, 700))
    record, other = shop.call(100), shop.call(50)
    approved(billing, attempt(record))
    approved(billing, attempt(other))
    assert (counters(billing, shop), held(billing, shop)) == ([(0, 700)], [500_000])

    assert charged(settled(billing, record)) == []
    assert (counters(billing, shop), held(billing, shop)) == ([(100, 100)], [500_000])
    assert charged(settled(billing, other)) == []
    assert (counters(billing, shop), held(billing, shop)) == ([(150, 0)], [0])
    assert billing.ledger.reconcile().agrees


def test_a_call_takes_the_minutes_that_were_held_for_it_and_no_others(billing: Billing) -> None:
    """Those of another call that is up are not there for it, however long it was."""
    shop = chain(billing, price="0.06")
    fund(billing, shop, "10")
    give(billing, bought(shop, 700))
    record = shop.call(650)
    approved(billing, attempt(record))
    approved(billing, attempt(shop.call()))

    assert charged(settled(billing, record)) == [(50, 50_000)]


def test_a_call_at_the_end_of_a_period_keeps_what_was_held_for_it(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, 600, expires_at=START + HOUR))
    clock.set(START + HOUR - timedelta(seconds=1))
    record = shop.call(60, started_at=START + HOUR + timedelta(seconds=4))
    approved(billing, attempt(record))

    assert charged(settled(billing, record)) == []
    assert counters(billing, shop) == [(60, 0)]


def test_what_a_lapsed_hold_has_reserved_is_free_again(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, 600))
    approved(billing, attempt(shop.call()))
    clock.set(START + HOUR)

    assert billing.calls.expire_holds() == 1

    assert counters(billing, shop) == [(0, 0)]
    assert billing.ledger.reconcile().agrees


# granting


def test_what_is_left_goes_on_where_it_is_carried_over(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    kept = Allowance(seconds=100, carried_over=True)
    give(billing, bought(shop, kept, 100))
    settled(billing, shop.call(30))
    periods: dict[str, Any] = {"starts_at": START + MONTH, "expires_at": START + 2 * MONTH, "renewed": True}
    give(billing, bought(shop, kept, 100, **periods))
    with pytest.raises(AlreadyExists):
        give(billing, bought(shop, kept, 100, **periods))

    late = settled(billing, shop.call(50))
    second = settled(billing, shop.call(400, started_at=START + MONTH))
    third = settled(billing, shop.call(60, started_at=START + 2 * MONTH))

    # the late call takes of what is not carried over, which expires first; 70 s of the first month go on
    assert [charged(one) for one in (late, second, third)] == [[], [(130, 130_000)], [(60, 60_000)]]
    assert counters(billing, shop) == [(100, 0), (50, 0), (100, 0), (100, 0)]


def test_periods_that_were_missed_are_granted_at_once(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    kept = Allowance(seconds=100, carried_over=True)
    months = [START + month * MONTH for month in range(4)]

    give(
        billing,
        *(
            bought(shop, kept, quantity=2, starts_at=start, expires_at=end, renewed=start > START)
            for start, end in pairwise(months)
        ),
    )

    assert [(one.seconds, one.expires_at) for one in grants(billing, shop)] == [(200, months[-1])] * 3


def test_withdrawn_minutes_are_used_no_more(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, 100))
    settled(billing, shop.call(30))
    with billing.storage.begin() as uow:
        changes = Changes()
        withdraw_minutes(changes, 1, shop.customer.id, START + HOUR)
        uow.lock([shop.customer.id])
        uow.save(changes)

    assert charged(settled(billing, shop.call(60, started_at=START + HOUR))) == [(60, 60_000)]
    assert charged(settled(billing, shop.call(60, started_at=START))) == []


def test_nothing_is_done_for_what_includes_nothing(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    give(billing, bought(shop, renewed=True))

    assert grants(billing, shop) == []


# what is bought


def test_what_is_bought_once_lasts_for_good(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "100")
    product = billing.products.create(
        shop.admin, "pack", name="Pack", price="5", category=Category.PACKAGE, allowances=(Allowance(seconds=60),)
    )
    for key in ("a", "a", "b"):
        billing.orders.purchase(shop.customer, product, key=key)

    assert charged(settled(billing, shop.call(150, started_at=START + 100 * MONTH))) == [(30, 30_000)]
    assert [one.expires_at for one in grants(billing, shop)] == [NEVER, NEVER]


# at the same time


def test_minutes_that_come_between_look_and_lock_are_not_missed(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has decided without them that a call costs money is told to decide again."""
    shop = chain(billing, price="0.06")
    look = settling._look

    def too_early(uow: UnitOfWork, records: Sequence[CallRecord]) -> Seen:
        seen = look(uow, records)
        changes = Changes()
        grant_minutes(uow, changes, [bought(shop, 99)])
        uow.save(changes)
        return seen

    monkeypatch.setattr(settling, "_look", too_early)
    monkeypatch.setattr(again, "ATTEMPTS", 1)

    with pytest.raises(StorageBusy):
        billing.calls.settle(shop.call(60))
