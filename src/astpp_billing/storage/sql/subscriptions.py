"""Subscriptions in SQL: those that are due are found by an index, and claimed by a conditional update."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import evolve
from sqlalchemy import Boolean, RowMapping, String, Text, and_, or_, select, update

from astpp_billing.clock import to_epoch
from astpp_billing.errors import NotFound, StorageBusy
from astpp_billing.ports.subscriptions import Place
from astpp_billing.pricing.products import Recurrence, Unit
from astpp_billing.pricing.subscriptions import Plan, Subscription, SubscriptionStatus
from astpp_billing.storage.sql.catalogue import subscriptions as table
from astpp_billing.storage.sql.look import chunks
from astpp_billing.storage.sql.part import Part
from astpp_billing.storage.sql.wire import Say, Tell, parameter

_SAME = (
    "id",
    "order_id",
    "buyer_id",
    "product_id",
    "version",
    "quantity",
    "agreement",
    "description",
    "timezone",
    "release_unfunded",
    "anchor",
    "period_start",
    "period_end",
    "cancel_at_end",
    "reminded_until",
    "revision",
)
"""The columns that are what the fields of the same names are."""


class Subscriptions(Part):
    """The part of a unit of work that knows subscriptions."""

    def add_subscription(self, subscription: Subscription) -> Subscription:
        """See `ports.UnitOfWork`."""
        row = {name: getattr(subscription, name) for name in _SAME if name != "id"} | {
            "every": subscription.recurrence.every,
            "unit": subscription.recurrence.unit.value,
            "status": subscription.status.value,
            "next_plan": _text(subscription.next_plan),
        }
        what = f"a subscription of account {subscription.buyer_id}"
        return evolve(subscription, id=self._insert(table, row, what))

    def subscription(self, subscription_id: int) -> Subscription:
        """See `ports.UnitOfWork`."""
        row = self._first(select(table).where(table.c.id == subscription_id))
        if row is None:
            raise NotFound(f"no subscription has the id {subscription_id}")
        return _subscription_of(row)

    def subscriptions(self, *, buyer_id: int | None = None) -> Sequence[Subscription]:
        """See `ports.UnitOfWork`."""
        query = select(table).order_by(table.c.id)
        if buyer_id is not None:
            query = query.where(table.c.buyer_id == buyer_id)
        return [_subscription_of(row) for row in self._all(query)]

    def due_subscriptions(self, until: datetime, count: int, *, after: Place | None = None) -> Sequence[Subscription]:
        """See `ports.UnitOfWork`."""
        due = (table.c.status == SubscriptionStatus.ACTIVE.value, table.c.period_end <= until)
        query = select(table).where(*due).order_by(table.c.period_end, table.c.id).limit(count)
        if after is not None:
            end, last = after
            # the first condition is what an index can begin at
            behind = or_(table.c.period_end > end, and_(table.c.period_end == end, table.c.id > last))
            query = query.where(table.c.period_end >= end, behind)
        return [_subscription_of(row) for row in self._all(query)]

    def change_subscriptions(self, changed: Sequence[tuple[Subscription, Subscription]]) -> None:
        """See `ports.UnitOfWork`."""
        if not changed:
            return
        values = [_values(seen, new) for seen, new in changed]
        plans = [_plan_values(seen, new) for seen, new in changed if _plan_of(seen) != _plan_of(new)]
        steps = [Tell(_CHANGE_PLAN, plans)] if plans else []
        _, found, *planned = self._send(Say("SAVEPOINT changing"), Tell(_CHANGE, values), *steps)
        if found != len(changed) or sum(planned) != len(plans):
            self._send(Say("ROLLBACK TO SAVEPOINT changing"))
            self._check_there([seen.id for seen, _ in changed])
            raise StorageBusy("a subscription has changed meanwhile")

    def _check_there(self, ids: Sequence[int]) -> None:
        for some in chunks(ids):
            found = {row["id"] for row in self._all(select(table.c.id).where(table.c.id.in_(some)))}
            for subscription_id in some:
                if subscription_id not in found:
                    raise NotFound(f"no subscription has the id {subscription_id}")


def _subscription_of(row: RowMapping) -> Subscription:
    return Subscription(
        **{name: row[name] for name in _SAME},
        recurrence=Recurrence(row["every"], Unit(row["unit"])),
        status=SubscriptionStatus(row["status"]),
        next_plan=None if row["next_plan"] is None else Plan.from_json(row["next_plan"]),
    )


def _text(plan: Plan | None) -> str | None:
    return None if plan is None else plan.to_json()


def _values(seen: Subscription, new: Subscription) -> dict[str, Any]:
    return {
        "subscription": seen.id,
        "seen": seen.revision,
        "new_anchor": to_epoch(new.anchor),
        "new_start": to_epoch(new.period_start),
        "new_end": to_epoch(new.period_end),
        "new_status": new.status.value,
        "ending": new.cancel_at_end,
        "reminded": None if new.reminded_until is None else to_epoch(new.reminded_until),
        "changed": new.revision,
        "planned": _text(new.next_plan),
    }


def _plan_of(one: Subscription) -> tuple[object, ...]:
    return (
        one.product_id,
        one.version,
        one.agreement,
        one.description,
        one.recurrence,
        one.release_unfunded,
    )


def _plan_values(seen: Subscription, new: Subscription) -> dict[str, Any]:
    return {
        "subscription": seen.id,
        "seen": new.revision,
        "new_product": new.product_id,
        "new_version": new.version,
        "agreed": new.agreement,
        "called": new.description,
        "new_every": new.recurrence.every,
        "new_unit": new.recurrence.unit.value,
        "releasing": new.release_unfunded,
    }


_CHANGE = (
    update(table)
    .where(table.c.id == parameter("subscription"), table.c.revision == parameter("seen"))
    .values(
        next_plan=parameter("planned", Text()),
        anchor=parameter("new_anchor"),
        period_start=parameter("new_start"),
        period_end=parameter("new_end"),
        status=parameter("new_status", String()),
        cancel_at_end=parameter("ending", Boolean()),
        reminded_until=parameter("reminded"),
        revision=parameter("changed"),
    )
)

_CHANGE_PLAN = (
    update(table)
    .where(table.c.id == parameter("subscription"), table.c.revision == parameter("seen"))
    .values(
        product_id=parameter("new_product"),
        version=parameter("new_version"),
        agreement=parameter("agreed", Text()),
        description=parameter("called", Text()),
        every=parameter("new_every"),
        unit=parameter("new_unit", String()),
        release_unfunded=parameter("releasing", Boolean()),
    )
)
"""What few changes change besides; run after `_CHANGE`, so what it sees is the new revision."""
