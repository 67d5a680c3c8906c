"""Products and listings in SQL."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import evolve
from sqlalchemy import Select, select, update

from astpp_billing.errors import NotFound
from astpp_billing.pricing import Allowance, Listing, Product, ProductVersion, Recurrence
from astpp_billing.storage.sql import catalogue
from astpp_billing.storage.sql.part import Part

_PRODUCT = ("code", "owner_id", "category", "currency", "status")
_VERSION = (
    "product_id",
    "version",
    "valid_from",
    "name",
    "description",
    "buy_cost_micros",
    "price_micros",
    "setup_fee_micros",
    "commission_percent",
    "can_resell",
    "can_purchase",
    "release_unfunded",
)
_ALLOWANCE = ("seconds", "prefixes", "direction", "carried_over", "description")
_LISTING = (
    "product_id",
    "seller_id",
    "version",
    "valid_from",
    "currency",
    "price_micros",
    "setup_fee_micros",
    "commission_percent",
    "can_resell",
    "can_purchase",
    "below_cost",
    "active",
)


class Products(Part):
    """The part of a unit of work that knows products."""

    def add_product(self, product: Product) -> Product:
        """See `ports.products`."""
        row = _row(product, _PRODUCT)
        return evolve(product, id=self._insert(catalogue.products, row, f"product {product.code!r}"))

    def update_product(self, product: Product) -> None:
        """See `ports.products`."""
        query = update(catalogue.products).where(catalogue.products.c.id == product.id)
        with self._naming(f"product {product.code!r}"):
            found = self._connection.execute(query.values(_row(product, _PRODUCT))).rowcount
        if found != 1:
            raise NotFound(f"no product has the id {product.id}")

    def product(self, product_id: int) -> Product:
        """See `ports.products`."""
        row = self._first(select(catalogue.products).where(catalogue.products.c.id == product_id))
        if row is None:
            raise NotFound(f"no product has the id {product_id}")
        return _product(row)

    def find_product(self, code: str) -> Product | None:
        """See `ports.products`."""
        row = self._first(select(catalogue.products).where(catalogue.products.c.code == code))
        return None if row is None else _product(row)

    def products(self, owner_ids: Collection[int] | None = None) -> Sequence[Product]:
        """See `ports.products`."""
        query = _among(select(catalogue.products), catalogue.products.c.owner_id, owner_ids)
        return [_product(row) for row in self._all(query.order_by(catalogue.products.c.code))]

    def add_product_version(self, version: ProductVersion) -> None:
        """See `ports.products`."""
        recurrence = version.recurrence
        row = _row(version, _VERSION) | {
            "recurs_every": None if recurrence is None else recurrence.every,
            "recurs_unit": None if recurrence is None else recurrence.unit.value,
            "allowances": json.dumps([_row(each, _ALLOWANCE) for each in version.allowances], ensure_ascii=False),
            "rate_groups": json.dumps(version.rate_groups, ensure_ascii=False),
        }
        self._insert(catalogue.product_versions, row, f"version {version.version} of product {version.product_id}")

    def product_versions(self, product_ids: Collection[int]) -> Sequence[ProductVersion]:
        """See `ports.products`."""
        versions = catalogue.product_versions
        query = _among(select(versions), versions.c.product_id, product_ids)
        return [_version(row) for row in self._all(query.order_by(versions.c.product_id, versions.c.version))]

    def add_listing(self, listing: Listing) -> None:
        """See `ports.products`."""
        what = f"version {listing.version} of the listing of account {listing.seller_id}"
        self._insert(catalogue.listings, _row(listing, _LISTING), what)

    def listings(
        self, *, product_ids: Collection[int] | None = None, seller_ids: Collection[int] | None = None
    ) -> Sequence[Listing]:
        """See `ports.products`."""
        columns = catalogue.listings.c
        query = _among(select(catalogue.listings), columns.product_id, product_ids)
        query = _among(query, columns.seller_id, seller_ids)
        rows = self._all(query.order_by(columns.product_id, columns.seller_id, columns.version))
        return [Listing(**{name: row[name] for name in _LISTING}) for row in rows]


def _among(query: Select[Any], column: Any, values: Collection[int] | None) -> Select[Any]:
    return query if values is None else query.where(column.in_(sorted(values)))


def _row(value: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _product(row: Mapping[Any, Any]) -> Product:
    return Product(id=row["id"], **{name: row[name] for name in _PRODUCT})


def _version(row: Mapping[Any, Any]) -> ProductVersion:
    return ProductVersion(
        **{name: row[name] for name in _VERSION},
        recurrence=None if row["recurs_every"] is None else Recurrence(row["recurs_every"], row["recurs_unit"]),
        allowances=tuple(Allowance(**each) for each in json.loads(row["allowances"])),
        rate_groups=tuple(json.loads(row["rate_groups"])),
    )
