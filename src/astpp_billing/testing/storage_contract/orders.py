"""What a storage must do about orders."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from astpp_billing.errors import AlreadyExists, NotFound, StorageError
from astpp_billing.ledger import Order, OrderStatus
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.pricing import AgreedCommission, AgreedLevel, Agreement
from astpp_billing.testing.storage_contract.base import AT, SECOND, TEXTS, UNIT, Base, admin, customer
from astpp_billing.testing.storage_contract.subscriptions import subscription


def order(buyer_id: int, seller_id: int, key: str = "o1", **more: Any) -> Order:
    """An order of 2 of something, at 10 and a setup fee of 5."""
    agreement = Agreement((AgreedLevel(buyer_id, seller_id, 10 * UNIT, 5 * UNIT, "USD"),))
    known: dict[str, Any] = {
        "id": 1,
        "key": key,
        "buyer_id": buyer_id,
        "product_id": 7,
        "version": 3,
        "quantity": 2,
        "at": AT,
        "agreement": agreement,
    }
    return Order(**known | more)


class OrdersContract(Base):
    """Orders are kept as they were placed, under ids and keys of their own."""

    def test_an_order_is_found_by_its_id_and_its_key(self, storage: Storage) -> None:
        """All of it comes back, with the prices and shares that were agreed."""
        levels = (AgreedLevel(2, 1, 10 * UNIT, 0, "EUR"), AgreedLevel(1, 3, 9, 8, "JPY"))
        shares = (AgreedCommission(3, 1, Decimal("12.5"), 1), AgreedCommission(1, 2, Decimal(3), None))
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            placed = order(buyer.id, seller.id, "Ünï 🦊", agreement=Agreement(levels, shares))
            (order_id,) = work.reserve_ids(1)
            work.add_orders([evolve(placed, id=order_id)])
        with storage.snapshot() as work:
            assert work.find_order("Ünï 🦊") == work.order(order_id) == evolve(placed, id=order_id)
            assert work.find_order("ünï 🦊") is None
            with pytest.raises(NotFound):
                work.order(order_id + 1)

    def test_orders_are_listed_in_the_order_of_time(self, storage: Storage) -> None:
        """All of them, or those of one buyer; of one instant by their ids."""
        with storage.begin() as work:
            seller = admin(work)
            one, other = customer(work, seller), customer(work, seller, "other")
            late = order(one.id, seller.id, "a", id=1, at=AT + SECOND)
            second, first = order(other.id, seller.id, "b", id=3), order(one.id, seller.id, "c", id=2)
            work.add_orders([late, second])
            work.add_orders([])
            work.add_orders([first])
            assert list(work.orders()) == [first, second, late]
            assert list(work.orders(one.id)) == [first, late]
            assert list(work.orders(seller.id)) == []

    def test_very_many_orders_are_stored_at_once(self, storage: Storage) -> None:
        """In one command, and texts are texts."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            keys = [*filter(str.strip, (text[:500].replace("\0", "") for text in TEXTS)), *map(str, range(300))]
            many = [order(buyer.id, seller.id, key, id=position) for position, key in enumerate(keys, 1)]
            work.add_orders(many)
            assert list(work.orders()) == many

    @pytest.mark.parametrize("taken", [{"id": 1, "key": "other"}, {"id": 2, "key": "o1"}], ids=["id", "key"])
    def test_what_is_taken_is_refused(self, storage: Storage, taken: dict[str, Any]) -> None:
        """Nothing of the command is stored, and the transaction goes on."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            work.add_orders([order(buyer.id, seller.id)])
            with pytest.raises(AlreadyExists):
                work.add_orders([order(buyer.id, seller.id, "new", id=9), order(buyer.id, seller.id, **taken)])
            assert len(work.orders()) == 1

    def test_a_buyer_that_does_not_exist_is_refused(self, storage: Storage) -> None:
        """Nothing of the command is stored."""
        with storage.begin() as work:
            seller = admin(work)
            with pytest.raises(NotFound):
                work.add_orders([order(seller.id, seller.id, "a", id=8), order(seller.id + 1, seller.id)])
            assert list(work.orders()) == []

    def test_what_became_of_an_order_is_noted(self, storage: Storage) -> None:
        """All else stays as it was."""
        with storage.begin() as work:
            seller = admin(work)
            placed = order(customer(work, seller).id, seller.id)
            work.add_orders([placed])
            work.set_order_status(1, OrderStatus.REFUNDED)
            assert work.order(1) == evolve(placed, status=OrderStatus.REFUNDED)
            with pytest.raises(NotFound):
                work.set_order_status(2, OrderStatus.REFUNDED)

    def test_who_has_ever_had_a_product_is_known(self, storage: Storage) -> None:
        """By an order, also one that was refunded, or by a subscription that is for the product now; each pair once."""
        with storage.begin() as work:
            seller = admin(work)
            one, other = customer(work, seller), customer(work, seller, "other")
            orders = [
                order(one.id, seller.id, "a", id=1),
                order(one.id, seller.id, "b", id=2),
                order(other.id, seller.id, "c", id=3),
                order(other.id, seller.id, "d", id=4, product_id=9),
            ]
            work.add_orders(orders)
            work.set_order_status(3, OrderStatus.REFUNDED)
            work.add_subscription(subscription(one, product_id=8))
            work.add_subscription(subscription(one, product_id=7))
            assert work.buyers_of([7]) == {(7, one.id), (7, other.id)}
            assert work.buyers_of([8, 9, 5]) == {(8, one.id), (9, other.id)}
            assert work.buyers_of([7, 8, 9], buyer_ids=[other.id, seller.id]) == {(7, other.id), (9, other.id)}
            assert work.buyers_of([8], buyer_ids=[other.id]) == work.buyers_of([]) == set()
            assert work.buyers_of([7], buyer_ids=[]) == set()
        with storage.snapshot() as work:
            assert work.buyers_of(range(1000)) == {(7, one.id), (7, other.id), (8, one.id), (9, other.id)}

    @pytest.mark.parametrize(
        "change",
        [
            lambda work: work.add_orders([order(2, 1, "new", id=9)]),
            lambda work: work.set_order_status(1, OrderStatus.REFUNDED),
        ],
        ids=["add", "status"],
    )
    def test_a_snapshot_changes_no_orders(self, storage: Storage, change: Callable[[UnitOfWork], None]) -> None:
        """It only looks."""
        with storage.begin() as work:
            seller = admin(work)
            placed = order(customer(work, seller).id, seller.id)
            work.add_orders([placed])
        with pytest.raises(StorageError), storage.snapshot() as work:
            change(work)
        with storage.snapshot() as work:
            assert list(work.orders()) == [placed]
