"""What a unit of work knows of subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from astpp_billing.pricing.subscriptions import Subscription

Place = tuple[datetime, int]
"""Where a subscription is among those that are due: the end of what is paid, and its id."""


class Subscriptions(Protocol):
    """The part of `UnitOfWork` that keeps subscriptions."""

    def add_subscription(self, subscription: Subscription) -> Subscription:
        """Store a new subscription; returns it with its id. `NotFound` for a buyer that there is not."""
        ...

    def subscription(self, subscription_id: int) -> Subscription:
        """The subscription of an id; `NotFound` if there is none."""
        ...

    def subscriptions(self, *, buyer_id: int | None = None) -> Sequence[Subscription]:
        """The subscriptions of one buyer, or all, by id."""
        ...

    def due_subscriptions(self, until: datetime, count: int, *, after: Place | None = None) -> Sequence[Subscription]:
        """Active subscriptions whose paid period ends by an instant: the first `count` of them behind a place.

        They are in the order of that end, and of their ids.
        """
        ...

    def change_subscriptions(self, changed: Sequence[tuple[Subscription, Subscription]]) -> None:
        """Let subscriptions that were seen (the first of each pair) become others: all of them, or none.

        Buyer and order stay. `StorageBusy` where one is no longer at the revision that was seen, `NotFound` where there
        is none. Whoever has changed one keeps it locked, so they are to be changed in the order of their ids.
        """
        ...
