"""Orders in the storage port."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from astpp_billing.ledger import Order, OrderStatus


class OrderWork(Protocol):
    """The part of a unit of work that knows orders."""

    def add_orders(self, orders: Sequence[Order]) -> None:
        """Store orders under ids from `reserve_ids`.

        `AlreadyExists` where an id or a key is taken, `NotFound` where there is no such buyer or version of a product.
        """
        ...

    def find_order(self, key: str) -> Order | None:
        """The order with a key."""
        ...

    def order(self, order_id: int) -> Order:
        """The order of an id."""
        ...

    def orders(self, buyer_id: int | None = None) -> Sequence[Order]:
        """The orders of one buyer, or all, in the order of time, and then of their ids."""
        ...

    def buyers_of(
        self, product_ids: Collection[int], *, buyer_ids: Collection[int] | None = None
    ) -> AbstractSet[tuple[int, int]]:
        """Who has ever had products, as pairs of a product's id and a buyer's: of all buyers, or of these.

        By an order, whatever became of it, or by a subscription that was changed to the product.
        """
        ...

    def set_order_status(self, order_id: int, status: OrderStatus) -> None:
        """Note what became of an order."""
        ...
