"""What an account sees of its included minutes."""

from collections.abc import Iterator

import pytest
from tests.services.books import settled
from tests.services.granting import MONTH, bought, give
from tests.services.holding import approved, attempt, fund
from tests.services.test_orders import package

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.pricing import Allowance, Recurrence, Unit
from astpp_billing.pricing.allowances import NEVER
from astpp_billing.services.included import Included
from astpp_billing.testing.worlds import START, chain


@pytest.fixture(params=["memory", "sqlite", "postgres", "mariadb"])
def anywhere(request: pytest.FixtureRequest, clock: FixedClock) -> Iterator[Billing]:
    """A business on each kind of storage."""
    if request.param in ("postgres", "mariadb"):
        url: str = request.getfixturevalue(f"{request.param}_url")
    else:
        url = f"{request.param}://"
    with Billing.open(url, clock) as opened:
        yield opened


def counted(found: list[Included]) -> list[tuple[int, int, int, int]]:
    """Included, used, held and left seconds of each."""
    grants = [one.grant for one in found]
    return [(one.seconds, one.used_seconds, one.held_seconds, one.left_seconds) for one in grants]


def test_it_shows_what_is_left_and_what_it_came_with(anywhere: Billing) -> None:
    """Each period of what was ordered, the oldest first, with what calls have taken and what is held for others."""
    shop = chain(anywhere)
    fund(anywhere, shop, "100")
    allowances = [Allowance(seconds=3600, prefixes=("44",)), Allowance(seconds=60, prefixes=("1",))]
    monthly = package(anywhere, shop.admin, price="5", recurrence=Recurrence(1, Unit.MONTHS), allowances=allowances)
    extra = package(anywhere, shop.admin, "extra", price="1", allowances=[Allowance(seconds=30, prefixes=("7",))])
    for product in (monthly, extra):
        anywhere.orders.purchase(shop.customer, product, key=product.code)
    settled(anywhere, shop.call(100))
    approved(anywhere, attempt(shop.call(1)))
    list(anywhere.subscriptions.renew(now=START + MONTH))

    found = list(anywhere.minutes.all(shop.customer))

    held = 600  # the first slice of the call that is up
    assert counted(found) == [
        (3600, 100, held, 2900),
        (60, 0, 0, 60),
        (30, 0, 0, 30),
        (3600, 0, 0, 3600),
        (60, 0, 0, 60),
    ]
    order, other = anywhere.orders.get("package"), anywhere.orders.get("extra")
    assert [one.order for one in found] == [order, order, other, order, order]
    assert [one.grant.prefixes for one in found] == [("44",), ("1",), ("7",), ("44",), ("1",)]
    assert [one.grant.starts_at for one in found] == [START] * 3 + [START + MONTH] * 2
    assert [one.grant.expires_at for one in found[:3]] == [START + MONTH, START + MONTH, NEVER]
    assert list(anywhere.minutes.all(shop.admin)) == []


def test_what_came_with_no_order_is_shown(billing: Billing) -> None:
    shop = chain(billing)
    give(billing, bought(shop, 90))

    (found,) = billing.minutes.all(shop.customer)

    assert (found.grant.seconds, found.order) == (90, None)
