"""Businesses in which everybody lists a product on terms of its own."""

from typing import Any

from hypothesis import strategies as st
from tests.property.commerce import Business, percents

from astpp_billing.billing import Billing
from astpp_billing.money import Money
from astpp_billing.pricing import Category, Product
from astpp_billing.testing.worlds import Chain

amounts = st.decimals(0, 50, places=3, allow_nan=False).map(str)


def open_shop(billing: Billing, business: Business, data: st.DataObject) -> tuple[Chain, Product]:
    """A business, with a product that everybody lists on terms of its own, and with money."""
    shop = business.open(billing)
    product = sell(billing, shop, data, "package", category=Category.PACKAGE)
    for account in shop.path[:-1]:
        micros = data.draw(st.integers(0, 200_000_000) | st.just(10**12))
        if micros:
            billing.ledger.refill(account, Money.from_micros(micros, account.currency), key=account.number)
    return shop, product


def sell(billing: Billing, shop: Chain, data: st.DataObject, code: str, **terms: Any) -> Product:
    """A product that everybody lists on terms of its own."""
    product = billing.products.create(
        shop.admin,
        code,
        name=f"A {code}",
        price=data.draw(amounts),
        setup_fee=data.draw(amounts),
        commission_percent=data.draw(percents),
        **terms,
    )
    for seller in shop.resellers:
        own: dict[str, Any] = {"commission_percent": data.draw(percents)}
        if not seller.is_commission_reseller:
            own |= {"price": data.draw(amounts), "setup_fee": data.draw(amounts), "below_cost": True}
        billing.products.opt_in(seller, product, **own)
    return product
