"""Short ways to have products that come by themselves with rate groups."""

from typing import Any

from tests.services.test_orders import package

from astpp_billing.billing import Billing
from astpp_billing.hierarchy import Account
from astpp_billing.pricing import Product
from astpp_billing.services.applying import Application, Applied, NotApplied
from astpp_billing.testing.worlds import Chain, chain, distributor


def shop_of(billing: Billing, **customer: Any) -> Chain:
    """Admin, distributor, and a customer who pays by the distributor's rate group `gold`."""
    shop = chain(billing, distributor("0.02"), **customer)
    billing.prices.add_group("gold", shop.resellers[0])
    return change_group(billing, shop, "gold")


def change_group(billing: Billing, shop: Chain, name: str | None) -> Chain:
    billing.accounts.change(shop.customer, rate_group=name)
    return shop


def coming(billing: Billing, owner: Account, *rate_groups: str, code: str = "welcome", **terms: Any) -> Product:
    """A product that comes by itself with rate groups, at 10 unless something else is said."""
    return package(billing, owner, code, rate_groups=rate_groups, **{"price": "10"} | terms)


def applied(billing: Billing, **options: Any) -> list[Application]:
    return list(billing.orders.apply(**options))


def told(results: list[Application]) -> list[tuple[str, str, str]]:
    """What became of it, the product's code, and the account's number."""
    return [(type(one).__name__, one.product.code, one.account.number) for one in results]


def order_of(result: Application) -> tuple[str, int, int]:
    """The order that was placed: its key, how many, and of which version."""
    assert isinstance(result, Applied), result
    order = result.purchased.order
    return order.key, order.quantity, order.version


def refusal_of(result: Application) -> tuple[str, str]:
    """Why nothing was ordered, and because of whom."""
    assert isinstance(result, NotApplied), result
    return result.why.reason.value, result.why.account.number
