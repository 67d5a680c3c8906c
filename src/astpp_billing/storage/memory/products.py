"""Products and listings in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import evolve

from astpp_billing.errors import AlreadyExists, NotFound
from astpp_billing.pricing import Listing, Product, ProductVersion
from astpp_billing.storage.memory.part import Part


class Products(Part):
    """The part of a unit of work that knows products."""

    def add_product(self, product: Product) -> Product:
        """See `ports.products`."""
        self._check_product(evolve(product, id=0))
        stored = evolve(product, id=len(self._tables.products) + 1)
        self._put(self._tables.products, stored.id, stored)
        return stored

    def update_product(self, product: Product) -> None:
        """See `ports.products`."""
        self.product(product.id)
        self._check_product(product)
        self._put(self._tables.products, product.id, product)

    def _check_product(self, product: Product) -> None:
        namesake = self.find_product(product.code)
        if namesake is not None and namesake.id != product.id:
            raise AlreadyExists(f"product {product.code!r} exists already")
        self._need_account(product.owner_id)

    def product(self, product_id: int) -> Product:
        """See `ports.products`."""
        try:
            return self._tables.products[product_id]
        except KeyError:
            raise NotFound(f"no product has the id {product_id}") from None

    def find_product(self, code: str) -> Product | None:
        """See `ports.products`."""
        return next((each for each in self._tables.products.values() if each.code == code), None)

    def products(self, owner_ids: Collection[int] | None = None) -> Sequence[Product]:
        """See `ports.products`."""
        found = (each for each in self._tables.products.values() if owner_ids is None or each.owner_id in owner_ids)
        return sorted(found, key=lambda each: each.code)

    def add_product_version(self, version: ProductVersion) -> None:
        """See `ports.products`."""
        self.product(version.product_id)
        key = (version.product_id, version.version)
        if key in self._tables.product_versions:
            raise AlreadyExists(f"version {version.version} of product {version.product_id} exists already")
        self._put(self._tables.product_versions, key, version)

    def product_versions(self, product_ids: Collection[int]) -> Sequence[ProductVersion]:
        """See `ports.products`."""
        found = (each for each in self._tables.product_versions.values() if each.product_id in product_ids)
        return sorted(found, key=lambda each: (each.product_id, each.version))

    def add_listing(self, listing: Listing) -> None:
        """See `ports.products`."""
        self.product(listing.product_id)
        self._need_account(listing.seller_id)
        key = (listing.product_id, listing.seller_id, listing.version)
        if key in self._tables.listings:
            raise AlreadyExists(
                f"version {listing.version} of the listing of account {listing.seller_id} exists already"
            )
        self._put(self._tables.listings, key, listing)

    def listings(
        self, *, product_ids: Collection[int] | None = None, seller_ids: Collection[int] | None = None
    ) -> Sequence[Listing]:
        """See `ports.products`."""
        found = [
            each
            for each in self._tables.listings.values()
            if (product_ids is None or each.product_id in product_ids)
            and (seller_ids is None or each.seller_id in seller_ids)
        ]
        return sorted(found, key=lambda each: (each.product_id, each.seller_id, each.version))
