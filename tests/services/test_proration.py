"""Within a period that is paid: another plan, or the end, and what is left of it to the local day."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.services.books import assert_no_gaps, at, balance, everything
from tests.services.conftest import on_every_storage
from tests.services.holding import approved, attempt
from tests.services.subscribing import MONTHLY, renew, shop_of

from astpp_billing.billing import Billing
from astpp_billing.calls import Settled
from astpp_billing.clock import FixedClock
from astpp_billing.errors import InvalidValue
from astpp_billing.hierarchy import BillingType, ReceiptMode
from astpp_billing.invoicing import DocumentKind, Tax
from astpp_billing.money import Money
from astpp_billing.pricing import Allowance, Category, Product, Recurrence, Unit
from astpp_billing.pricing.orders import NotSold, NotSoldReason
from astpp_billing.pricing.subscriptions import Subscription, SubscriptionStatus
from astpp_billing.services.orders import Purchased
from astpp_billing.services.renewing import Renewed
from astpp_billing.testing.worlds import START, Chain, chain, commission, distributor

billing = on_every_storage


def plan(billing: Billing, shop: Chain, code: str, prices: tuple[str, ...], **terms: Any) -> Product:
    """What the admin sells by the month at the last of the prices, and each reseller below at the one before."""
    *resold, price = prices
    known: dict[str, Any] = {"category": Category.SUBSCRIPTION, "name": code.title(), "recurrence": MONTHLY}
    product = billing.products.create(shop.admin, code, price=price, **known | terms)
    for seller, own in zip(shop.resellers, reversed(resold), strict=True):
        billing.products.opt_in(seller, product, price=own)
    return product


def subscribed(billing: Billing, shop: Chain, product: Product) -> Subscription:
    result = billing.orders.purchase(shop.customer, product, key="o1")
    assert isinstance(result, Purchased), result
    (one,) = billing.subscriptions.all(shop.customer)
    return one


def switched(billing: Billing, one: Subscription, product: Product, key: str | None = None) -> Subscription:
    result = billing.subscriptions.change_plan(one, product, at_once=True, key=key)
    assert isinstance(result, Subscription), result
    return result


@pytest.fixture
def shop(billing: Billing) -> Chain:
    """Admin → D1 → D2 → customer, all prepaid with 1,000; it is 1 January."""
    return shop_of(billing)


def test_what_is_left_goes_back_and_as_many_days_are_paid(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """From 11 January on 21 of 31 days: of 31.00 it is 21.00 back, of 62.00 it is 42.00; on every level alike."""
    small = plan(billing, shop, "small", ("31", "15.5", "6.2"), setup_fee=0)
    large = plan(billing, shop, "large", ("62", "31", "12.4"), setup_fee=0)
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 1, 11, 12))

    new = switched(billing, one, large, key="c1")

    assert (new.product_id, new.period_end, new.anchor) == (large.id, at(2026, 2, 1), at(2026, 1, 1))
    assert [balance(billing, account) for account in shop.path[:-1]] == ["948.00 USD", "974.00 USD", "989.60 USD"]
    assert switched(billing, one, large, key="c1") == new
    clock.set(at(2026, 2, 1))
    renew(billing)
    assert balance(billing, shop.customer) == "886.00 USD"
    assert billing.ledger.reconcile().discrepancies == ()
    assert_no_gaps(billing)


def test_changed_again_only_what_was_paid_is_left(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """31 → 62 on the 11th → 31 again on the 21st: 10 days at 1.00, 10 at 2.00, 11 at 1.00."""
    small = plan(billing, shop, "small", ("31", "15.5", "6.2"))
    large = plan(billing, shop, "large", ("62", "31", "12.4"))
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 1, 11))
    one = switched(billing, one, large)
    clock.set(at(2026, 1, 21))
    one = switched(billing, one, small)

    assert balance(billing, shop.customer) == "959.00 USD"
    one = switched(billing, one, large)
    one = switched(billing, one, small)  # at the same instant, as often as one likes
    assert balance(billing, shop.customer) == "959.00 USD"
    assert billing.ledger.reconcile().discrepancies == ()


def test_setup_fees_are_paid_once_and_stay_paid(billing: Billing, clock: FixedClock) -> None:
    """Also of a commission only the part that was for the period goes back."""
    shop = chain(billing, commission(10))
    for account in shop.path[:-1]:
        billing.ledger.refill(account, Money(1000, "USD"), key=account.number)
    terms: dict[str, Any] = {"setup_fee": "10", "commission_percent": 10}
    small, large = (
        billing.products.create(
            shop.admin, code, category=Category.SUBSCRIPTION, name=code, price=price, recurrence=MONTHLY, **terms
        )
        for code, price in (("small", "31"), ("large", "62"))
    )
    for product in (small, large):
        billing.products.opt_in(shop.resellers[0], product)
    one = subscribed(billing, shop, small)
    assert [balance(billing, each) for each in shop.path[:-1]] == ["959.00 USD", "963.10 USD"]
    clock.set(at(2026, 1, 11))

    switched(billing, one, large)

    # 21.00 of 31.00 goes back, and 2.10 of 4.10 that were commission; 52.00 are paid, of which 5.20 are commission
    assert [balance(billing, each) for each in shop.path[:-1]] == ["928.00 USD", "935.20 USD"]
    assert billing.ledger.reconcile().discrepancies == ()


def test_what_recurs_otherwise_begins_anew(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """A whole year is paid from now on, and renews a year from now."""
    monthly = plan(billing, shop, "monthly", ("31", "15.5", "6.2"))
    yearly = plan(billing, shop, "yearly", ("300", "150", "60"), recurrence=Recurrence(12, Unit.MONTHS))
    one = subscribed(billing, shop, monthly)
    clock.set(at(2026, 1, 11))

    new = switched(billing, one, yearly)

    assert (new.anchor, new.period_end) == (at(2026, 1, 11), at(2027, 1, 11))
    assert balance(billing, shop.customer) == "690.00 USD"


def test_included_minutes_are_those_of_the_days(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """The old ones end; 21 of 31 days of 310 minutes are 210."""
    small = plan(
        billing, shop, "small", ("31", "15.5", "6.2"), allowances=[Allowance(seconds=6_000, carried_over=True)]
    )
    large = plan(billing, shop, "large", ("62", "31", "12.4"), allowances=[Allowance(seconds=310 * 60)])
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 1, 11))

    switched(billing, one, large)

    with billing.storage.snapshot() as uow:
        old, new = uow.grants(shop.customer.id)
    assert (old.expires_at, new.starts_at) == (at(2026, 1, 11), at(2026, 1, 11))
    assert (new.seconds, new.expires_at) == (210 * 60, at(2026, 2, 1))


def test_taxes_go_back_and_are_paid(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """The prepaid get a credit note and a receipt; what the postpaid have not been billed for is on one invoice."""
    for seller in (shop.admin, *shop.resellers):
        billing.accounts.configure_invoices(seller, tax=Tax("VAT", Decimal(20)))
    small, large = (
        plan(billing, shop, "small", ("31", "15.5", "6.2")),
        plan(billing, shop, "large", ("62", "31", "12.4")),
    )
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 1, 11))

    switched(billing, one, large)

    found = [(each.kind, str(each.total)) for each in billing.documents.documents(shop.customer)]
    assert sorted(found) == [
        (DocumentKind.CREDIT_NOTE, "-25.20 USD"),
        (DocumentKind.RECEIPT, "37.20 USD"),
        (DocumentKind.RECEIPT, "50.40 USD"),
    ]
    assert balance(billing, shop.customer) == "937.60 USD"
    assert billing.ledger.reconcile().discrepancies == ()
    assert_no_gaps(billing)


def test_what_goes_back_is_there_to_pay_with(billing: Billing, clock: FixedClock) -> None:
    """10.00 are left and 21.00 come back: enough for 31.00, and not for 42.00, which changes nothing."""
    shop = shop_of(billing, funds="41")
    small = plan(billing, shop, "small", ("31", "15.5", "6.2"))
    alike = plan(billing, shop, "alike", ("45.76", "16", "7"))
    large = plan(billing, shop, "large", ("62", "31", "12.4"))
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 1, 11))
    before = everything(billing)

    refused = billing.subscriptions.change_plan(one, large, at_once=True)

    assert isinstance(refused, NotSold)
    assert (refused.reason, refused.account) == (NotSoldReason.NO_MONEY, shop.customer)
    assert everything(billing) == before
    assert billing.subscriptions.get(one.id) == one
    switched(billing, one, alike)
    assert balance(billing, shop.customer) == "0.00 USD"


def test_what_is_due_is_renewed_first(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    small, large = (plan(billing, shop, code, ("31", "15.5", "6.2")) for code in ("small", "large"))
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 2, 1))
    before = everything(billing)

    with pytest.raises(InvalidValue, match="is paid until 2026-02-01 00:00:00\\+00:00: renew it first"):
        billing.subscriptions.change_plan(one, large, at_once=True)
    assert everything(billing) == before


def test_cancelled_at_once_the_rest_goes_back(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """Where it is asked for: 21 of 31 days; the minutes end, and nothing renews. Once for each key."""
    small = plan(billing, shop, "small", ("31", "15.5", "6.2"), allowances=[Allowance(seconds=6_000)])
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 1, 11))
    with pytest.raises(InvalidValue, match="leaves nothing to refund"):
        billing.subscriptions.cancel(one, refund=True)

    ended = billing.subscriptions.cancel(one, at_end=False, refund=True, key="x")

    assert ended.status is SubscriptionStatus.CANCELLED
    assert [balance(billing, each) for each in shop.path[:-1]] == ["990.00 USD", "995.00 USD", "998.00 USD"]
    assert billing.subscriptions.cancel(one, at_end=False, refund=True, key="x") == ended
    with billing.storage.snapshot() as uow:
        (grant,) = uow.grants(shop.customer.id)
    assert grant.expires_at == at(2026, 1, 11)
    clock.set(at(2026, 3, 1))
    assert renew(billing) == []
    assert billing.ledger.reconcile().discrepancies == ()


def test_a_renewed_period_goes_back_by_its_own_days(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """14 of 28 days of February; one that was corrected already has nothing left."""
    small = plan(billing, shop, "small", ("28", "14", "7"))
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 2, 15))
    renew(billing)
    assert balance(billing, shop.customer) == "944.00 USD"

    billing.subscriptions.cancel(one, at_end=False, refund=True)

    assert balance(billing, shop.customer) == "958.00 USD"
    assert billing.ledger.reconcile().discrepancies == ()


def test_what_was_corrected_has_nothing_left(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    small = plan(billing, shop, "small", ("28", "14", "7"))
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 2, 15))
    renew(billing)
    renewed = billing.subscriptions.get(one.id)
    billing.ledger.correct(renewed.renewal_key(renewed.period), reason="by mistake")
    assert balance(billing, shop.customer) == "972.00 USD"

    billing.subscriptions.cancel(renewed, at_end=False, refund=True)

    assert balance(billing, shop.customer) == "972.00 USD"


prices = st.decimals("0", "60", places=3).map(str)


@settings(max_examples=25)
@given(
    data=st.data(),
    receipts=st.sampled_from(ReceiptMode),
    kind=st.sampled_from(BillingType),
    percent=st.integers(0, 30),
    days=st.lists(st.integers(1, 7), min_size=1, max_size=4),
)
def test_whatever_changes_each_day_is_paid_once(
    data: st.DataObject, receipts: ReceiptMode, kind: BillingType, percent: int, days: list[int]
) -> None:
    """Whatever plans a subscription goes through, its buyer has paid for each local day what that day's plan costs.

    That is up to the rounding of each credit and charge to a micro. Everybody's books are proved, and what the buyer
    has paid is what those above it are left with.
    """
    with Billing.open("memory://", FixedClock(START)) as opened:
        shop = chain(opened, distributor("0.03"), commission(10), receipts=receipts, billing=kind, credit_limit=10_000)
        opened.accounts.configure_invoices(shop.admin, tax=Tax("VAT", Decimal(percent)))
        opened.ledger.refill(shop.customer, Money(100_000, "USD"), key="r")
        opened.ledger.refill(shop.resellers[1], Money(100_000, "USD"), key="s")
        opened.ledger.refill(shop.resellers[0], Money(100_000, "USD"), key="t")
        costs = {}
        plans = []
        for code in ("a", "b", "c"):
            price = data.draw(prices)
            product = opened.products.create(
                shop.admin, code, category=Category.SUBSCRIPTION, name=code, price="1", recurrence=MONTHLY
            )
            opened.products.opt_in(shop.resellers[0], product, price=price, below_cost=True, commission_percent=20)
            opened.products.opt_in(shop.resellers[1], product)
            plans.append(product)
            costs[product.id] = Decimal(price)
        current = data.draw(st.sampled_from(plans))
        one = subscribed(opened, shop, current)
        expected, day = Decimal(0), START
        for step in days:
            expected += costs[current.id] * step / 31
            day += timedelta(days=step)
            opened.clock.set(day)  # type: ignore[attr-defined]
            current = data.draw(st.sampled_from(plans))
            one = switched(opened, one, current)
        opened.subscriptions.cancel(one, at_end=False, refund=True)

        with opened.storage.snapshot() as uow:
            charged = sum(charge.micros for charge in uow.charges(account_id=shop.customer.id))
        assert abs(Decimal(charged) / 1_000_000 - expected) <= Decimal(len(days) + 1) / 1_000_000
        assert opened.ledger.reconcile().discrepancies == ()
        earned = sum(money.micros for seller in shop.path[1:] for money in opened.ledger.profits(seller).values())
        assert earned == charged


def test_a_change_is_for_one_that_is_active(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    small, large = (plan(billing, shop, code, ("31", "15.5", "6.2")) for code in ("small", "large"))
    one = subscribed(billing, shop, small)
    billing.subscriptions.pause(one)

    with pytest.raises(InvalidValue, match="is paused: it cannot change its plan"):
        billing.subscriptions.change_plan(one, large, at_once=True)
    assert billing.subscriptions.get(one.id) == one.paused()


def test_what_lapsed_holds_reserve_is_there_to_renew_and_to_change(billing: Billing, clock: FixedClock) -> None:
    """As for a purchase: nobody is released, or refused, for money that nothing holds any more."""
    shop = shop_of(billing, funds="93")
    small = plan(billing, shop, "small", ("31", "31", "31"), release_unfunded=True)
    large = plan(billing, shop, "large", ("62", "62", "62"))
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 1, 31))
    first = approved(billing, attempt(shop.call(started_at=clock.now()))).hold
    clock.set(max(first.expires_at, at(2026, 2, 1)))

    (renewed,) = renew(billing)

    assert isinstance(renewed, Renewed)
    assert not billing.calls.holds()
    held = approved(billing, attempt(shop.call(started_at=clock.now()))).hold
    refused = billing.subscriptions.change_plan(one, large, at_once=True)
    assert isinstance(refused, NotSold)
    assert refused.reason is NotSoldReason.NO_MONEY
    clock.set(held.expires_at)
    switched(billing, one, large)
    assert balance(billing, shop.customer) == "0.00 USD"


def test_who_has_moved_gets_the_rest_back_from_those_it_was_paid_to(
    billing: Billing, clock: FixedClock, shop: Chain
) -> None:
    """And pays for the new plan along its new path."""
    small = plan(billing, shop, "small", ("31", "15.5", "6.2"))
    large = plan(billing, shop, "large", ("62", "31", "12.4"))
    one = subscribed(billing, shop, small)
    billing.accounts.move(shop.customer, shop.resellers[0])
    clock.set(at(2026, 1, 11))

    switched(billing, one, large)

    # to its new seller the customer pays 31 for the month; the old one is no longer on the way
    assert [balance(billing, account) for account in shop.path[:-1]] == ["969.00 USD", "995.00 USD", "989.60 USD"]
    assert billing.ledger.reconcile().discrepancies == ()


@pytest.mark.parametrize("length", [498, 506])
def test_an_order_with_the_longest_key_can_be_changed(
    billing: Billing, clock: FixedClock, shop: Chain, length: int
) -> None:
    """What goes back has a key of its own, which has room for no more than any other."""
    small = plan(billing, shop, "small", ("31", "15.5", "6.2"))
    large = plan(billing, shop, "large", ("62", "31", "12.4"))
    billing.orders.purchase(shop.customer, small, key="k" * length)
    (one,) = billing.subscriptions.all(shop.customer)
    clock.set(at(2026, 1, 11))

    switched(billing, one, large)

    assert balance(billing, shop.customer) == "948.00 USD"
    assert billing.ledger.reconcile().discrepancies == ()


def test_what_was_renewed_early_goes_back_and_the_present_period_runs_on(
    billing: Billing, clock: FixedClock, shop: Chain
) -> None:
    """January stays paid, and so do its minutes; those that February would have carried over end with it."""
    allowance = Allowance(seconds=6_000, carried_over=True)
    small = plan(billing, shop, "small", ("31", "15.5", "6.2"), allowances=[allowance])
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 1, 11))
    assert len(list(billing.subscriptions.renew(now=at(2026, 2, 1)))) == 1

    billing.subscriptions.cancel(one, at_end=False, refund=True)

    assert balance(billing, shop.customer) == "969.00 USD"
    with billing.storage.snapshot() as uow:
        january, february = uow.grants(shop.customer.id)
    assert (january.starts_at, january.expires_at) == (START, at(2026, 2, 1))
    assert february.starts_at == february.expires_at
    assert billing.ledger.reconcile().discrepancies == ()


def test_what_goes_back_names_the_day_of_the_subscriber(billing: Billing, clock: FixedClock) -> None:
    """In Auckland 11 January has begun at 11:00 UTC of the 10th: 21 of 31 days are left."""
    shop = shop_of(billing, timezone="Pacific/Auckland")
    clock.set(at(2025, 12, 31, 11))
    small = plan(billing, shop, "small", ("31", "15.5", "6.2"))
    one = subscribed(billing, shop, small)
    clock.set(at(2026, 1, 10, 11))

    billing.subscriptions.cancel(one, at_end=False, refund=True)

    with billing.storage.snapshot() as uow:
        charged, back = uow.charges(account_id=shop.customer.id)
    assert back.detail.startswith("Small until 2026-01-11: 21/31 of 31.00 USD of ")
    assert (charged.micros, back.micros) == (31_000_000, -21_000_000)


@pytest.mark.parametrize(("seconds", "back"), [(0, "21.00"), (1_000, "21.00"), (1_550, "15.50"), (3_100, "0.00")])
def test_nothing_goes_back_for_minutes_that_were_used(
    billing: Billing, clock: FixedClock, seconds: int, back: str
) -> None:
    """Of 31.00 for 3,100 s: on the 11th 21 of 31 days are left, or less of the price, if less is left of the time."""
    shop = shop_of(billing, price="0.06")
    talk = Allowance(seconds=3_100)
    small = plan(billing, shop, "small", ("31", "15.5", "6.2"), allowances=[talk])
    one = subscribed(billing, shop, small)
    if seconds:
        assert isinstance(billing.calls.settle(shop.call(seconds)), Settled)
    clock.set(at(2026, 1, 11))

    billing.subscriptions.cancel(one, at_end=False, refund=True)

    assert billing.ledger.balance(shop.customer) == Money("969", "USD") + Money(back, "USD")
    assert billing.ledger.reconcile().discrepancies == ()


def test_who_has_used_up_a_plan_pays_for_it_again(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """Changing to the same plan at once, or to another and back, gives no minutes for nothing."""
    small = plan(billing, shop, "small", ("31", "15.5", "6.2"), allowances=[Allowance(seconds=3_100)])
    one = subscribed(billing, shop, small)
    assert isinstance(billing.calls.settle(shop.call(3_100)), Settled)

    switched(billing, one, small)

    assert balance(billing, shop.customer) == "938.00 USD"
    assert billing.ledger.reconcile().discrepancies == ()
