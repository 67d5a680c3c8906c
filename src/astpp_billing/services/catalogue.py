"""Looking products up inside a transaction: what holds at an instant, who may buy or resell it, and on what terms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import frozen

from astpp_billing.hierarchy import Path
from astpp_billing.ports import UnitOfWork
from astpp_billing.pricing import Agreement, Listing, NotOffered, Product, ProductVersion
from astpp_billing.pricing.offers import Asked, Offer, agree, asked_above, offer
from astpp_billing.pricing.products import in_force


@frozen
class Terms:
    """A product as it is sold at one instant: its version, and the listings of sellers, by their account id."""

    product: Product
    version: ProductVersion | None
    listings: dict[int, Listing]

    def agree(self, path: Path) -> Agreement | NotOffered:
        """What is agreed when the first of a path buys it."""
        return agree(path, self.product, self.version, self.listings)

    def offer(self, path: Path, *, to_resell: bool = False) -> Offer | NotOffered:
        """What the first of a path is offered to buy or to resell."""
        return offer(path, self.product, self.version, self.listings, to_resell=to_resell)

    def asked(self, path: Path) -> tuple[Asked, ...] | NotOffered:
        """What the first of a path, and everybody above it, would pay for what the first one resells."""
        return asked_above(path, self.product, self.version, self.listings, to_resell=True)


def terms_of(uow: UnitOfWork, product: Product, path: Path, at: datetime) -> Terms:
    """On what terms a product is sold along a path at an instant; two queries, whatever else is sold."""
    return next(_terms(uow, (product,), [account.id for account in path], at))


def all_terms(uow: UnitOfWork, path: Path, at: datetime) -> Sequence[Terms]:
    """The same of all products that somebody above the first of a path owns, by code."""
    products = uow.products([account.id for account in path[1:]])
    return tuple(_terms(uow, products, [account.id for account in path], at)) if products else ()


def terms_of_all(uow: UnitOfWork, at: datetime) -> Sequence[Terms]:
    """The same of all products, with the listings of all sellers, by code; three queries."""
    products = uow.products()
    return tuple(_terms(uow, products, None, at)) if products else ()


def _terms(
    uow: UnitOfWork, products: Sequence[Product], seller_ids: Sequence[int] | None, at: datetime
) -> Iterator[Terms]:
    ids = [product.id for product in products]
    versions: dict[int, list[ProductVersion]] = {}
    for version in uow.product_versions(ids):
        versions.setdefault(version.product_id, []).append(version)
    listed: dict[int, dict[int, list[Listing]]] = {}
    for listing in uow.listings(product_ids=ids, seller_ids=seller_ids):
        listed.setdefault(listing.product_id, {}).setdefault(listing.seller_id, []).append(listing)
    for product in products:
        sellers = listed.get(product.id, {})
        held = {seller_id: in_force(each, at) for seller_id, each in sellers.items()}
        listings = {seller_id: listing for seller_id, listing in held.items() if listing is not None}
        yield Terms(product, in_force(versions.get(product.id, ()), at), listings)
