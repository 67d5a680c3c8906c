"""The rules of resale: who owns and lists products, and that nobody sells below cost without saying so."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from astpp_billing.errors import BelowCost, InvalidValue, NotListed
from astpp_billing.fx import ExchangeRates
from astpp_billing.hierarchy import SELLERS, Account, Kind, Status
from astpp_billing.money import Money
from astpp_billing.ports import UnitOfWork
from astpp_billing.pricing import Listing, NotOffered, Product, ProductStatus
from astpp_billing.services.catalogue import terms_of

OF_PRICE = frozenset({"price_micros", "setup_fee_micros", "currency"})
"""The fields of a listing that a commission reseller's has from its parent's."""


def unsaid(seller: Account) -> dict[str, Any]:
    """The terms of a listing where nothing is said of them, besides those that follow the parent's."""
    return {} if seller.is_commission_reseller else {"setup_fee_micros": 0, "commission_percent": Decimal(0)}


def check_owner(owner: Account) -> None:
    """Raise `InvalidValue` for an account that cannot own products."""
    if owner.kind not in SELLERS or owner.is_commission_reseller:
        raise InvalidValue(f"a product is owned by an admin or a distributor, and account {owner.number!r} is neither")
    _check_open(owner)


def check_reseller(seller: Account, fields: Mapping[str, Any]) -> None:
    """Raise `InvalidValue` for an account that lists nothing, or not on such terms."""
    if seller.kind is not Kind.RESELLER:
        raise InvalidValue(f"only a reseller lists what others own, and account {seller.number!r} is none")
    _check_open(seller)
    if seller.is_commission_reseller and (OF_PRICE & fields.keys() or fields.get("below_cost")):
        raise InvalidValue(
            f"account {seller.number!r} is a commission reseller: price, setup fee and currency are its parent's"
        )
    if not seller.is_commission_reseller and fields.get("commission_percent", 0) is None:
        raise InvalidValue(f"account {seller.number!r} is a distributor, and names the commission that it pays itself")


def _check_open(account: Account) -> None:
    if account.status is Status.CLOSED:
        raise InvalidValue(f"account {account.number!r} is closed")


def check_sold(product: Product) -> None:
    """Raise `InvalidValue` for a product that is withdrawn."""
    if product.status is ProductStatus.WITHDRAWN:
        raise InvalidValue(f"the product {product.code!r} is withdrawn")


def listed_before(seller: Account, product: Product, listing: Listing | None) -> Listing:
    """The listing that is to be changed; `NotListed` where there is none, or the seller has opted out."""
    if listing is None or not listing.active:
        raise NotListed(f"account {seller.number!r} does not list the product {product.code!r} then")
    return listing


def check_cost(uow: UnitOfWork, seller: Account, product: Product, listing: Listing) -> None:
    """Raise `NotListed` where a product is not offered to a reseller, `BelowCost` where it would sell it for less."""
    path = uow.path(seller.id)
    asked = terms_of(uow, product, path, listing.valid_from).asked(path)
    if isinstance(asked, NotOffered):
        raise NotListed(f"account {seller.number!r} cannot list the product {product.code!r}: {asked.detail}")
    if listing.price_micros is None or listing.setup_fee_micros is None or listing.below_cost:
        return
    cost = asked[0]
    conversion = ExchangeRates(uow.exchange_rates()).find(cost.currency, listing.currency, listing.valid_from)
    for name, sold, paid in (
        ("price", listing.price_micros, conversion.apply(cost.price_micros)),
        ("setup fee", listing.setup_fee_micros, conversion.apply(cost.setup_fee_micros)),
    ):
        if sold < paid:
            asks, pays = (Money.from_micros(micros, listing.currency) for micros in (sold, paid))
            raise BelowCost(
                f"account {seller.number!r} would sell the product {product.code!r} below its cost:"
                f" the {name} is '{asks}', and it pays '{pays}'"
            )
