"""The part of the storage port that keeps products and listings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from astpp_billing.pricing import Listing, Product, ProductVersion


class Products(Protocol):
    """Products, and the dated terms on which their owners and resellers sell them.

    Versions are only ever added; who adds one has the lock of the tree, so that nobody else counts up meanwhile.
    """

    def add_product(self, product: Product) -> Product:
        """Store a new product, without a version; returns it with its id."""
        ...

    def update_product(self, product: Product) -> None:
        """Replace the product that has this id."""
        ...

    def product(self, product_id: int) -> Product:
        """The product of an id."""
        ...

    def find_product(self, code: str) -> Product | None:
        """The product of a code."""
        ...

    def products(self, owner_ids: Collection[int] | None = None) -> Sequence[Product]:
        """The products of these owners, or all, by code."""
        ...

    def add_product_version(self, version: ProductVersion) -> None:
        """Store a version of a product; `AlreadyExists` where it has one of that number."""
        ...

    def product_versions(self, product_ids: Collection[int]) -> Sequence[ProductVersion]:
        """All versions of products, by product and version."""
        ...

    def add_listing(self, listing: Listing) -> None:
        """Store a version of a listing; `AlreadyExists` where the seller has one of that number for the product."""
        ...

    def listings(
        self, *, product_ids: Collection[int] | None = None, seller_ids: Collection[int] | None = None
    ) -> Sequence[Listing]:
        """All versions of the listings of these products (None: all) and sellers, by product, seller and version."""
        ...
