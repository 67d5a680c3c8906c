"""Subscriptions in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from astpp_billing.clock import utc
from astpp_billing.errors import NotFound, StorageBusy
from astpp_billing.ports.subscriptions import Place
from astpp_billing.pricing.subscriptions import Subscription, SubscriptionStatus
from astpp_billing.storage.memory.part import Part


class Subscriptions(Part):
    """The part of a unit of work that knows subscriptions."""

    def add_subscription(self, subscription: Subscription) -> Subscription:
        """See `ports.UnitOfWork`."""
        self._check_changing()
        self._need_account(subscription.buyer_id)
        stored = evolve(subscription, id=len(self._tables.subscriptions) + 1)
        self._put(self._tables.subscriptions, stored.id, stored)
        return stored

    def subscription(self, subscription_id: int) -> Subscription:
        """See `ports.UnitOfWork`."""
        found = self._tables.subscriptions.get(subscription_id)
        if found is None:
            raise NotFound(f"no subscription has the id {subscription_id}")
        return found

    def subscriptions(self, *, buyer_id: int | None = None) -> Sequence[Subscription]:
        """See `ports.UnitOfWork`."""
        return [one for one in self._tables.subscriptions.values() if buyer_id in (None, one.buyer_id)]

    def due_subscriptions(self, until: datetime, count: int, *, after: Place | None = None) -> Sequence[Subscription]:
        """See `ports.UnitOfWork`."""
        end = utc(until)
        due = (
            one
            for one in self._tables.subscriptions.values()
            if one.status is SubscriptionStatus.ACTIVE
            and one.period_end <= end
            and (after is None or (one.period_end, one.id) > after)
        )
        return sorted(due, key=lambda one: (one.period_end, one.id))[:count]

    def change_subscriptions(self, changed: Sequence[tuple[Subscription, Subscription]]) -> None:
        """See `ports.UnitOfWork`."""
        self._check_changing()
        for seen, _ in changed:
            if self.subscription(seen.id).revision != seen.revision:
                raise StorageBusy(f"subscription {seen.id} has changed meanwhile")
        for seen, new in changed:
            self._put(self._tables.subscriptions, seen.id, new)
