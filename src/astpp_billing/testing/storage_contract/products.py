"""The contract on products, their versions and listings."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from astpp_billing.errors import AlreadyExists, NotFound
from astpp_billing.hierarchy import Account
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.pricing import (
    Allowance,
    Category,
    Direction,
    Listing,
    Product,
    ProductStatus,
    ProductVersion,
    Recurrence,
    Unit,
)
from astpp_billing.testing.storage_contract.base import AT, MICROSECOND, TEXTS, UNIT, Base, admin, fail, reseller


def product(work: UnitOfWork, owner: Account, code: str = "fibre", **more: Any) -> Product:
    """Store a product without a version."""
    values: dict[str, Any] = {"category": Category.PACKAGE, "currency": "USD"} | more
    return work.add_product(Product(code=code, owner_id=owner.id, **values))


def version(of: Product, number: int = 1, **more: Any) -> ProductVersion:
    """A version that is not stored yet."""
    values: dict[str, Any] = {"valid_from": AT, "name": "Fibre", "price_micros": 100 * UNIT} | more
    return ProductVersion(product_id=of.id, version=number, **values)


def listing(of: Product, seller: Account, number: int = 1, **more: Any) -> Listing:
    """A version of a listing that is not stored yet."""
    values: dict[str, Any] = {"valid_from": AT, "currency": "USD"} | more
    return Listing(product_id=of.id, seller_id=seller.id, version=number, **values)


class ProductsContract(Base):
    """Products, versions, listings."""

    def test_products_are_found_by_id_code_and_owner(self, storage: Storage) -> None:
        """With every field; lists are by code, capitals first."""
        with storage.begin() as work:
            owner = admin(work)
            other = reseller(work, owner, "other")
            beta = product(work, owner, "beta", category=Category.DID, currency="EUR")
            alpha = product(work, other, "alpha", status=ProductStatus.WITHDRAWN)
            upper = product(work, owner, "Beta")
        with storage.begin() as work:
            assert work.products() == [upper, alpha, beta]
            assert work.products([owner.id]) == [upper, beta]
            assert work.products([]) == []
            assert [work.find_product(each.code) for each in (upper, alpha, beta)] == [upper, alpha, beta]
            assert work.find_product("BETA") is None
            assert work.product(alpha.id) == alpha
            with pytest.raises(NotFound):
                work.product(beta.id + 10)

    def test_the_code_of_a_product_is_unique(self, storage: Storage) -> None:
        """Of a new one, and of one that is changed; what was refused has changed nothing."""
        with storage.begin() as work:
            owner = admin(work)
            first, second = product(work, owner, "first"), product(work, owner, "second")
            with pytest.raises(AlreadyExists):
                product(work, owner, "first")
            with pytest.raises(AlreadyExists):
                work.update_product(evolve(second, code="first"))
            with pytest.raises(NotFound):
                work.add_product(evolve(first, code="third", owner_id=owner.id + 10))
            with pytest.raises(NotFound):
                work.update_product(evolve(first, id=first.id + 10, code="fourth"))

            assert work.products() == [first, second]

    def test_a_product_can_be_changed(self, storage: Storage) -> None:
        """It keeps its id; the same again is no error."""
        with storage.begin() as work:
            sold = product(work, admin(work))
            withdrawn = evolve(sold, status=ProductStatus.WITHDRAWN)
            work.update_product(withdrawn)
            work.update_product(withdrawn)
        with storage.begin() as work:
            assert work.products() == [withdrawn]

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_version_comes_back_with_every_field(self, storage: Storage, text: str) -> None:
        """Texts, exact numbers, recurrence, included time and rate groups."""
        with storage.begin() as work:
            sold = product(work, admin(work))
            full = version(
                sold,
                description=text,
                name=text[:200] if text.strip() else "Fibre",
                valid_from=AT + MICROSECOND,
                buy_cost_micros=1,
                price_micros=9_000_000_000_000 * UNIT,
                setup_fee_micros=2,
                commission_percent="12.345678901234567890"[:20],
                recurrence=Recurrence(3, Unit.MONTHS),
                allowances=(
                    Allowance(seconds=60, prefixes=("48", "4822"), direction=Direction.BOTH, description=text[:200]),
                    Allowance(seconds=10**9, carried_over=True, direction=Direction.IN),
                ),
                can_resell=False,
                can_purchase=False,
                release_unfunded=True,
                rate_groups=("retail", "Ünï", "a,b"),
            )
            plain = version(sold, 2, recurrence=None, rate_groups=())
            work.add_product_version(plain)
            work.add_product_version(full)
        with storage.begin() as work:
            assert work.product_versions([sold.id]) == [full, plain]
            assert work.product_versions([sold.id + 10]) == []
            assert work.product_versions([]) == []

    def test_a_version_is_there_once(self, storage: Storage) -> None:
        """`AlreadyExists` for a number that is taken, `NotFound` for a product that is not there."""
        with storage.begin() as work:
            owner = admin(work)
            one, two = product(work, owner, "one"), product(work, owner, "two")
            stored = [version(one), version(two), version(two, 2)]
            for each in reversed(stored):
                work.add_product_version(each)
            with pytest.raises(AlreadyExists):
                work.add_product_version(version(one, price_micros=1))
            with pytest.raises(NotFound):
                work.add_product_version(evolve(version(one), product_id=two.id + 10))

            assert work.product_versions([one.id, two.id]) == stored

    def test_listings_are_found_by_product_and_seller(self, storage: Storage) -> None:
        """With every field, also those that a commission reseller leaves to its parent; by product, seller, version."""
        with storage.begin() as work:
            owner = admin(work)
            sellers = [reseller(work, owner, "one"), reseller(work, owner, "two")]
            sold = [product(work, owner, "b"), product(work, owner, "a")]
            stored = [
                listing(
                    each,
                    seller,
                    number,
                    valid_from=AT + number * MICROSECOND,
                    price_micros=None if number == 1 else 5,
                    setup_fee_micros=None if number == 1 else 6,
                    commission_percent=None if number == 1 else "0.5",
                    can_resell=number == 1,
                    can_purchase=seller is sellers[0],
                    below_cost=number == 2,
                    active=each is sold[0],
                )
                for each in sold
                for seller in sellers
                for number in (1, 2)
            ]
            for new in reversed(stored):
                work.add_listing(new)
        with storage.begin() as work:
            assert work.listings() == stored
            assert work.listings(product_ids=[sold[0].id]) == stored[:4]
            assert work.listings(seller_ids=[sellers[1].id]) == [*stored[2:4], *stored[6:]]
            assert work.listings(product_ids=[sold[1].id], seller_ids=[sellers[0].id]) == stored[4:6]
            assert work.listings(product_ids=[]) == work.listings(seller_ids=[]) == []

    def test_a_version_of_a_listing_is_there_once(self, storage: Storage) -> None:
        """`AlreadyExists` for a number that is taken, `NotFound` for a product or a seller that is not there."""
        with storage.begin() as work:
            owner = admin(work)
            sold, seller = product(work, owner), reseller(work, owner, "seller")
            first = listing(sold, seller)
            work.add_listing(first)
            with pytest.raises(AlreadyExists):
                work.add_listing(evolve(first, active=False))
            with pytest.raises(NotFound):
                work.add_listing(evolve(first, product_id=sold.id + 10))
            with pytest.raises(NotFound):
                work.add_listing(evolve(first, seller_id=seller.id + 10))

            assert work.listings() == [first]

    def test_a_transaction_that_fails_leaves_no_product(self, storage: Storage) -> None:
        """Neither products nor versions nor listings, and what it changed is as before."""
        with storage.begin() as work:
            owner = admin(work)
            seller, kept = reseller(work, owner, "seller"), product(work, owner, "kept")

        def change(work: UnitOfWork) -> None:
            lost = product(work, owner, "lost")
            work.add_product_version(version(kept))
            work.add_listing(listing(lost, seller))
            work.update_product(evolve(kept, status=ProductStatus.WITHDRAWN))

        with pytest.raises(ZeroDivisionError):
            fail(storage, change)
        with storage.begin() as work:
            assert work.products() == [kept]
            assert work.product_versions([kept.id]) == []
            assert work.listings() == []
