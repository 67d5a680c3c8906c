"""Orders in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import select, union, update

from astpp_billing.clock import to_epoch
from astpp_billing.errors import AlreadyExists, NotFound
from astpp_billing.ledger import Order, OrderStatus
from astpp_billing.pricing import Agreement
from astpp_billing.storage.sql import catalogue
from astpp_billing.storage.sql.engine import BrokenConstraint, Fault
from astpp_billing.storage.sql.part import Part
from astpp_billing.storage.sql.wire import Insert, Row, Say

_ORDER = ("id", "key", "buyer_id", "product_id", "version", "quantity", "at", "agreement", "status")


class Orders(Part):
    """The part of a unit of work that knows orders."""

    def add_orders(self, orders: Sequence[Order]) -> None:
        """See `ports.UnitOfWork`: one round trip."""
        found: list[Row] = [
            (
                one.id,
                one.key,
                one.buyer_id,
                one.product_id,
                one.version,
                one.quantity,
                to_epoch(one.at),
                one.agreement.to_json(),
                one.status.value,
            )
            for one in orders
        ]
        if not found:
            return
        try:
            self._send(Say("SAVEPOINT ordering"), Insert(catalogue.orders, _ORDER, found))
        except BrokenConstraint as error:
            self._send(Say("ROLLBACK TO SAVEPOINT ordering"))
            if error.fault is Fault.TAKEN:
                raise AlreadyExists(f"one of these orders exists already: {error}") from error
            raise NotFound(f"one of these orders refers to something that does not exist: {error}") from error

    def find_order(self, key: str) -> Order | None:
        """See `ports.UnitOfWork`."""
        row = self._first(select(catalogue.orders).where(catalogue.orders.c.key == key))
        return None if row is None else _order_of(row)

    def order(self, order_id: int) -> Order:
        """See `ports.UnitOfWork`."""
        row = self._first(select(catalogue.orders).where(catalogue.orders.c.id == order_id))
        if row is None:
            raise NotFound(f"no order has the id {order_id}")
        return _order_of(row)

    def orders(self, buyer_id: int | None = None) -> Sequence[Order]:
        """See `ports.UnitOfWork`."""
        orders = catalogue.orders
        query = select(orders).order_by(orders.c.at, orders.c.id)
        if buyer_id is not None:
            query = query.where(orders.c.buyer_id == buyer_id)
        return [_order_of(row) for row in self._all(query)]

    def buyers_of(
        self, product_ids: Collection[int], *, buyer_ids: Collection[int] | None = None
    ) -> AbstractSet[tuple[int, int]]:
        """See `ports.UnitOfWork`: one query, which reads all orders and subscriptions unless `buyer_ids` are given."""
        looks = []
        for table in (catalogue.orders, catalogue.subscriptions):
            look = select(table.c.product_id, table.c.buyer_id).where(table.c.product_id.in_(sorted(product_ids)))
            looks.append(look if buyer_ids is None else look.where(table.c.buyer_id.in_(sorted(buyer_ids))))
        return {(product_id, buyer_id) for product_id, buyer_id in self._connection.execute(union(*looks))}

    def set_order_status(self, order_id: int, status: OrderStatus) -> None:
        """See `ports.UnitOfWork`."""
        orders = catalogue.orders
        found = self._connection.execute(update(orders).where(orders.c.id == order_id).values(status=status.value))
        if found.rowcount != 1:
            raise NotFound(f"no order has the id {order_id}")


def _order_of(row: Mapping[Any, Any]) -> Order:
    return Order(
        **{name: row[name] for name in _ORDER}
        | {"agreement": Agreement.from_json(row["agreement"]), "status": OrderStatus(row["status"])}
    )
