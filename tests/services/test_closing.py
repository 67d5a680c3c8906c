"""Closed books: what was reported stays as it was, and what comes late is posted at the present."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from tests.services.books import at, balance, everything, settled

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock, SystemClock
from astpp_billing.errors import InvalidValue, PeriodClosed
from astpp_billing.hierarchy import BillingType
from astpp_billing.money import Money
from astpp_billing.testing.worlds import chain, distributor

TEN = Money("10", "USD")
FEBRUARY = at(2026, 2, 1)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture(params=["memory", "sqlite", "postgres", "mariadb"])
def billing(request: pytest.FixtureRequest, clock: FixedClock) -> Iterator[Billing]:
    servers = request.param in ("postgres", "mariadb")
    url = request.getfixturevalue(f"{request.param}_url") if servers else f"{request.param}://"
    with Billing.open(url, clock) as opened:
        yield opened


def test_nothing_is_posted_any_more_before_the_end_of_a_closed_period(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.03"))
    clock.set(FEBRUARY)
    assert billing.ledger.close_period(FEBRUARY) == FEBRUARY
    before = everything(billing)

    clock.set(FEBRUARY - MICROSECOND)
    for account in (shop.customer, shop.resellers[0]):
        with pytest.raises(PeriodClosed):
            billing.ledger.refill(account, TEN, key="r1")
    with pytest.raises(PeriodClosed):
        billing.calls.settle(shop.call())
    assert everything(billing) == before

    clock.set(FEBRUARY)
    billing.ledger.refill(shop.customer, TEN, key="r1")
    assert balance(billing, shop.customer) == "10.00 USD"


@pytest.mark.parametrize("ahead", [MICROSECOND, timedelta(days=40)])
def test_the_future_cannot_be_closed(billing: Billing, clock: FixedClock, ahead: timedelta) -> None:
    shop = chain(billing)

    with pytest.raises(InvalidValue, match="cannot be closed until 2026-"):
        billing.ledger.close_period(clock.now() + ahead)
    billing.ledger.refill(shop.customer, TEN, key="r1")
    assert balance(billing, shop.customer) == "10.00 USD"


def test_the_end_of_a_period_is_an_instant_with_a_time_zone(billing: Billing) -> None:
    with pytest.raises(InvalidValue, match="time zone"):
        billing.ledger.close_period(datetime(2025, 12, 1))  # noqa: DTZ001 - it is refused


def test_a_late_call_is_settled_and_posted_at_the_present(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06", billing=BillingType.POSTPAID)
    clock.set(at(2026, 2, 3))
    billing.ledger.close_period(FEBRUARY)

    late = shop.call(started_at=at(2026, 1, 20))
    (charge,) = settled(billing, late).charges

    assert charge.at == at(2026, 1, 20)
    assert billing.ledger.posting(late.key).at == at(2026, 2, 3)
    assert billing.ledger.reconcile().agrees


def test_a_period_that_is_closed_is_still_billed(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06", billing=BillingType.POSTPAID)
    settled(billing, shop.call())
    clock.set(at(2026, 2, 3))
    billing.ledger.close_period(FEBRUARY)

    (billed,) = billing.documents.run()

    assert billed.document is not None
    assert (str(billed.document.total), billed.document.issued_at) == ("0.06 USD", at(2026, 2, 3))


def test_what_is_closed_is_never_opened_again(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing)
    clock.set(FEBRUARY)
    billing.ledger.close_period(FEBRUARY)
    billing.ledger.close_period(at(2026, 1, 15))

    clock.set(at(2026, 1, 20))
    with pytest.raises(PeriodClosed):
        billing.ledger.refill(shop.customer, TEN, key="r1")
    assert billing.ledger.books() == {}


def test_who_comes_later_cannot_be_charged_in_the_closed_period_either(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing)
    clock.set(FEBRUARY)
    billing.ledger.close_period(FEBRUARY)
    new = billing.accounts.open_customer(shop.admin)

    clock.set(FEBRUARY - MICROSECOND)
    with pytest.raises(PeriodClosed):
        billing.ledger.refill(new, TEN, key="r1")
    assert billing.ledger.books() == {}


def test_accounts_are_changed_moved_and_closed_in_a_closed_year_without_postings(
    billing: Billing, clock: FixedClock
) -> None:
    shop = chain(billing, distributor("0.03"))
    clock.set(FEBRUARY)
    billing.ledger.close_period(FEBRUARY)
    clock.set(at(2026, 1, 20))

    billing.accounts.change(shop.customer, name="Jane")
    billing.accounts.move(shop.customer, shop.admin)
    (closed,) = billing.accounts.close(shop.customer)

    assert (closed.name, closed.parent_id, closed.status) == ("Jane", shop.admin.id, "closed")


def test_what_is_under_way_while_the_books_are_closed_is_posted_after_that(
    billing: Billing, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = chain(billing)
    clock.set(FEBRUARY)
    billing.ledger.close_period(FEBRUARY)
    instants = iter([FEBRUARY - MICROSECOND, FEBRUARY, FEBRUARY - MICROSECOND, FEBRUARY])
    monkeypatch.setattr(clock, "now", lambda: next(instants))

    call = shop.call()
    settled(billing, call)
    refill = billing.ledger.refill(shop.customer, TEN, key="r1")

    assert (billing.ledger.posting(call.key).at, refill.at) == (FEBRUARY, FEBRUARY)


@pytest.mark.slow
def test_the_books_can_be_closed_while_calls_are_settled(shared_url: str) -> None:
    with ExitStack() as stack:
        one, two, closer = (stack.enter_context(Billing.open(shared_url, SystemClock())) for _ in range(3))
        shop = chain(one, distributor("0.03"), price="0.06")
        records = [shop.call() for _ in range(60)]

        def close(_: int) -> datetime:
            return closer.ledger.close_period(closer.clock.now())

        with ThreadPoolExecutor(3) as pool:
            halves = [pool.submit(lambda b, own: [settled(b, it) for it in own], b, own)
                      for b, own in ((one, records[:30]), (two, records[30:]))]  # fmt: skip
            closed = list(pool.map(close, range(10)))
            charged = [result for half in halves for result in half.result()]

        assert len(charged) == 60
        assert closed == sorted(closed)
        assert str(one.ledger.balance(shop.customer)) == "-3.60 USD"
        assert one.ledger.reconcile().agrees
