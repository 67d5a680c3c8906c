"""Included minutes of subscriptions: bought, used, and renewed with what is left."""

from tests.services.books import settled
from tests.services.granting import MONTH, charged, counters, grants
from tests.services.holding import fund

from astpp_billing.billing import Billing
from astpp_billing.pricing import Allowance, Category, Recurrence, Unit
from astpp_billing.services.renewing import Renewed
from astpp_billing.testing.worlds import START, chain, distributor

FEBRUARY = START + MONTH


def test_what_an_order_includes_is_used_before_money(billing: Billing) -> None:
    """And renewing the subscription gives as much again, with what is left, for the same levels."""
    shop = chain(billing, distributor("0.02"), distributor("0.03"), price="0.06")
    fund(billing, shop, "100")
    included = (Allowance(seconds=50, carried_over=True), Allowance(seconds=10, prefixes=("4412",)))
    monthly = Recurrence(1, Unit.MONTHS)
    dealer, seller = shop.resellers
    product = billing.products.create(
        dealer, "plan", name="Plan", price="5", category=Category.SUBSCRIPTION, recurrence=monthly, allowances=included
    )
    billing.products.opt_in(seller, product, price="7")

    billing.orders.purchase(shop.customer, product, 2, key="o")

    assert [(one.seconds, one.levels, one.expires_at) for one in grants(billing, shop)] == [
        (100, (shop.customer.id, seller.id), FEBRUARY),
        (20, (shop.customer.id, seller.id), FEBRUARY),
    ]
    # the dealer owns the product: it was sold no minutes, and pays the admin for the whole call
    assert charged(settled(billing, shop.call(90))) == [(90, 30_000)]
    assert counters(billing, shop) == [(70, 0), (20, 0)]
    assert [type(one) for one in billing.subscriptions.renew(now=FEBRUARY)] == [Renewed]
    assert charged(settled(billing, shop.call(200, started_at=FEBRUARY))) == [
        (50, 50_000),
        (50, 25_000),
        (200, 66_667),
    ]
    assert counters(billing, shop) == [(100, 0), (20, 0), (100, 0), (20, 0)]
    assert billing.ledger.reconcile().agrees


def test_a_free_plan_includes_minutes_each_time(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    product = billing.products.create(
        shop.admin,
        "free",
        name="Free",
        price="0",
        category=Category.SUBSCRIPTION,
        recurrence=Recurrence(1, Unit.MONTHS),
        allowances=(Allowance(seconds=60),),
    )
    billing.orders.purchase(shop.customer, product, key="a")

    list(billing.subscriptions.renew(now=FEBRUARY))
    list(billing.subscriptions.renew(now=FEBRUARY))

    assert [one.starts_at for one in grants(billing, shop)] == [START, FEBRUARY]
