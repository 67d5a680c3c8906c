"""Orders in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet

from attrs import evolve

from astpp_billing.errors import AlreadyExists, NotFound
from astpp_billing.ledger import Order, OrderStatus
from astpp_billing.storage.memory.part import Part


class Orders(Part):
    """The part of a unit of work that knows orders."""

    def add_orders(self, orders: Sequence[Order]) -> None:
        """See `ports.UnitOfWork`."""
        self._check_changing()
        ids, keys = set(self._tables.orders), {one.key for one in self._tables.orders.values()}
        for one in orders:
            if one.id in ids or one.key in keys:
                raise AlreadyExists(f"order {one.id} or the key {one.key!r} exists already")
            ids.add(one.id)
            keys.add(one.key)
        self._need_account(*(one.buyer_id for one in orders))
        for one in orders:
            self._put(self._tables.orders, one.id, one)

    def find_order(self, key: str) -> Order | None:
        """See `ports.UnitOfWork`."""
        return next((one for one in self._tables.orders.values() if one.key == key), None)

    def order(self, order_id: int) -> Order:
        """See `ports.UnitOfWork`."""
        found = self._tables.orders.get(order_id)
        if found is None:
            raise NotFound(f"no order has the id {order_id}")
        return found

    def orders(self, buyer_id: int | None = None) -> Sequence[Order]:
        """See `ports.UnitOfWork`."""
        wanted = (one for one in self._tables.orders.values() if buyer_id in (None, one.buyer_id))
        return sorted(wanted, key=lambda one: (one.at, one.id))

    def buyers_of(
        self, product_ids: Collection[int], *, buyer_ids: Collection[int] | None = None
    ) -> AbstractSet[tuple[int, int]]:
        """See `ports.UnitOfWork`."""
        had = {(one.product_id, one.buyer_id) for one in self._tables.orders.values()}
        had |= {(one.product_id, one.buyer_id) for one in self._tables.subscriptions.values()}
        return {each for each in had if each[0] in product_ids and (buyer_ids is None or each[1] in buyer_ids)}

    def set_order_status(self, order_id: int, status: OrderStatus) -> None:
        """See `ports.UnitOfWork`."""
        self._check_changing()
        self._put(self._tables.orders, order_id, evolve(self.order(order_id), status=status))
