"""Subscriptions: what renews by itself, the periods that it is paid for, and the states that it can be in.

Periods are counted from an anchor, in whole local days or calendar months of one time zone, and always touch. The n-th
ends at the first instant of the local day that is n times the recurrence after the anchor's: a month that has no such
day ends on its last one, and the anchor is kept, so that 31 January is followed by 28 February and then by 31 March.
"""

from __future__ import annotations

import json
from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Self

from attrs import asdict, evolve, field, frozen

from astpp_billing.clock import to_epoch, utc
from astpp_billing.errors import InvalidValue
from astpp_billing.periods import Period, check_timezone, local_date, midnight
from astpp_billing.pricing.products import Recurrence, Unit


def next_renewal(anchor: datetime, after: datetime, recurrence: Recurrence, timezone: str) -> datetime:
    """The first renewal after an instant, which is not before the anchor.

    Raises `InvalidValue` for a renewal beyond the year 9999.
    """
    return period_of(anchor, after, recurrence, timezone).end


def period_of(anchor: datetime, at: datetime, recurrence: Recurrence, timezone: str) -> Period:
    """The period, of those that are counted from the anchor, in which an instant lies that is not before it."""
    first = local_date(anchor, timezone)
    # one less than may be right: where whole local days are missing, or a zone is far ahead, the next one holds
    count = max(1, _whole(first, local_date(at, timezone), recurrence))
    start = anchor if count == 1 else midnight(_later(first, count - 1, recurrence), timezone)
    while (end := midnight(_later(first, count, recurrence), timezone)) <= at:
        start, count = end, count + 1
    return Period(max(anchor, start), end)


def first_period(anchor: datetime, recurrence: Recurrence, timezone: str) -> Period:
    """The period that begins at the anchor."""
    return Period(anchor, next_renewal(anchor, anchor, recurrence, timezone))


def periods_due(
    anchor: datetime, paid_until: datetime, now: datetime, recurrence: Recurrence, timezone: str
) -> Iterator[Period]:
    """The periods that have begun by `now` and are not paid for, oldest first; what is paid ends at `paid_until`."""
    start = paid_until
    while start <= now:
        end = next_renewal(anchor, start, recurrence, timezone)
        yield Period(start, end)
        start = end


def share_left(period: Period, at: datetime, timezone: str) -> Fraction:
    """The part of a period that is left at an instant, by its local days.

    The day of the instant itself is left, so on the first day that is everything; after the end it is nothing. Raises
    `InvalidValue` for an instant before the period.
    """
    if at < period.start:
        raise InvalidValue(f"nothing is left of a period that begins at {period.start}, after {at}")
    first, end = local_date(period.start, timezone), local_date(period.end, timezone)
    if at >= period.end:
        return Fraction(0)
    return Fraction((end - local_date(at, timezone)).days, max(1, (end - first).days))


def _whole(first: date, day: date, recurrence: Recurrence) -> int:
    """How many renewals there have been by a day, or one less."""
    if recurrence.unit is Unit.DAYS:
        return (day - first).days // recurrence.every
    return (_month(day) - _month(first) - 1) // recurrence.every


def _later(first: date, count: int, recurrence: Recurrence) -> date:
    """The day that is `count` times the recurrence after `first`; a day that its month does not have is its last."""
    try:
        if recurrence.unit is Unit.DAYS:
            return first + timedelta(days=count * recurrence.every)
        year, month = divmod(_month(first) + count * recurrence.every, 12)
        return date(year, month + 1, min(first.day, monthrange(year, month + 1)[1]))
    except (ValueError, OverflowError):
        raise InvalidValue(f"{count} times {recurrence} after {first} is beyond the calendar") from None


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


class SubscriptionStatus(StrEnum):
    """What a subscription is."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    RELEASED = "released"


class Step(StrEnum):
    """What can happen to a subscription."""

    RENEW = "renew"
    PAUSE = "pause"
    RESUME = "resume"
    CHANGE_PLAN = "change its plan"
    CANCEL_AT_END = "cancel at the period's end"
    CANCEL = "cancel"
    RELEASE = "release"


LIFE: Mapping[tuple[SubscriptionStatus, Step], SubscriptionStatus] = MappingProxyType(
    {
        (SubscriptionStatus.ACTIVE, Step.RENEW): SubscriptionStatus.ACTIVE,
        (SubscriptionStatus.ACTIVE, Step.PAUSE): SubscriptionStatus.PAUSED,
        (SubscriptionStatus.ACTIVE, Step.CHANGE_PLAN): SubscriptionStatus.ACTIVE,
        (SubscriptionStatus.ACTIVE, Step.CANCEL_AT_END): SubscriptionStatus.ACTIVE,
        (SubscriptionStatus.ACTIVE, Step.CANCEL): SubscriptionStatus.CANCELLED,
        (SubscriptionStatus.ACTIVE, Step.RELEASE): SubscriptionStatus.RELEASED,
        (SubscriptionStatus.PAUSED, Step.RESUME): SubscriptionStatus.ACTIVE,
        (SubscriptionStatus.PAUSED, Step.CANCEL): SubscriptionStatus.CANCELLED,
    }
)
"""What becomes of a subscription in a state by a step; what is not here cannot be done."""


@frozen(kw_only=True)
class Plan:
    """What a subscription is for: a version of a product, at the prices of an agreement, as text."""

    product_id: int
    version: int
    agreement: str
    description: str
    recurrence: Recurrence
    release_unfunded: bool = False

    def terms(self) -> dict[str, Any]:
        """What a subscription to it is for, by the names of its fields."""
        return asdict(self, recurse=False)

    def to_json(self) -> str:
        """The plan as text, to be kept."""
        every, unit = self.recurrence.every, self.recurrence.unit.value
        return json.dumps(self.terms() | {"recurrence": [every, unit]})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The plan of a text that `to_json` gave."""
        found = json.loads(text)
        return cls(**found | {"recurrence": Recurrence(*found["recurrence"])})


@frozen(kw_only=True)
class Subscription:
    """What one order renews, as it is at one moment.

    `agreement` are the prices of every level, as text, at which it renews; `description`, `recurrence` and
    `release_unfunded` are those of the product's version, and `timezone` was the buyer's, when it was ordered: nothing
    of it changes with the product or the account. `period_start` and `period_end` are those of the last period that is
    paid; an active subscription is due from `period_end` on. `reminded_until` is the last `period_end` of which the
    buyer was reminded. `next_plan` takes the place of what it is for when the period that is paid ends. `id` is 0 until
    it is stored; `revision` grows with every change.
    """

    id: int = 0
    order_id: int
    buyer_id: int
    product_id: int
    version: int
    quantity: int
    agreement: str
    description: str
    recurrence: Recurrence
    timezone: str = field(converter=check_timezone)
    release_unfunded: bool = False
    anchor: datetime = field(converter=utc)
    period_start: datetime = field(converter=utc)
    period_end: datetime = field(converter=utc)
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    cancel_at_end: bool = False
    reminded_until: datetime | None = None
    next_plan: Plan | None = None
    revision: int = 0

    def __attrs_post_init__(self) -> None:
        if type(self.quantity) is not int or self.quantity < 1:
            raise InvalidValue(f"a subscription is for a quantity from 1, not {self.quantity!r}")
        if self.period_end < self.period_start:
            raise InvalidValue(f"a period ends at {self.period_end}, before it starts at {self.period_start}")

    @property
    def period(self) -> Period:
        """The last period that is paid."""
        return Period(self.period_start, self.period_end)

    def due(self, now: datetime) -> Iterator[Period]:
        """The periods that have begun by `now` and are not paid for, oldest first; none unless it is active."""
        if self.status is SubscriptionStatus.ACTIVE:
            yield from periods_due(self.anchor, self.period_end, now, self.recurrence, self.timezone)

    def renewal_key(self, period: Period) -> str:
        """The key of the posting that pays for a period."""
        return f"renewal:{self.id}:{to_epoch(period.start)}"

    def renewed(self, period: Period) -> Subscription:
        """The subscription with its next period paid."""
        return self._changed(Step.RENEW, period_start=period.start, period_end=period.end)

    def changing(self, plan: Plan) -> Subscription:
        """The subscription that is for something else from the end of what is paid on."""
        return self._changed(Step.CHANGE_PLAN, next_plan=plan)

    def changed(self) -> Subscription:
        """The subscription as it renews: with its next plan, if it has one, whose periods are counted from here on."""
        plan = self.next_plan
        return self if plan is None else evolve(self, anchor=self.period_end, next_plan=None, **plan.terms())

    def switched(self, plan: Plan, now: datetime) -> Subscription:
        """The subscription that is for something else from now on, within a period that is paid.

        What recurs alike goes on until the end of that period; else a new one begins, and is counted from now on. No
        two periods begin at the same instant, so it is a microsecond later where the one that is paid begins now.
        """
        if now >= self.period_end:
            raise InvalidValue(f"subscription {self.id} is paid until {self.period_end}: renew it first")
        start = max(now, self.period_start + timedelta(microseconds=1))
        period, anchor = Period(start, self.period_end), self.anchor
        if plan.recurrence != self.recurrence:
            period, anchor = first_period(start, plan.recurrence, self.timezone), start
        return self._changed(
            Step.CHANGE_PLAN,
            anchor=anchor,
            period_start=period.start,
            period_end=period.end,
            next_plan=None,
            **plan.terms(),
        )

    def paused(self) -> Subscription:
        """The subscription that is not charged; the period that is paid runs on."""
        return self._changed(Step.PAUSE)

    def resumed(self, now: datetime) -> Subscription:
        """The subscription that is charged again: from the end of what is paid, or if that has ended, from now on."""
        if now <= self.period_end:
            return self._changed(Step.RESUME)
        return self._changed(Step.RESUME, anchor=now, period_start=now, period_end=now)

    def cancelled(self, *, at_end: bool) -> Subscription:
        """The subscription that ends: at once, or with the period that is paid; a paused one ends at once."""
        if at_end and self.status is not SubscriptionStatus.PAUSED:
            return self._changed(Step.CANCEL_AT_END, cancel_at_end=True)
        return self._changed(Step.CANCEL)

    def released(self) -> Subscription:
        """The subscription that has ended because there was no money for its next period."""
        return self._changed(Step.RELEASE)

    def reminded(self) -> Subscription:
        """The subscription whose buyer was reminded of the next renewal."""
        return evolve(self, reminded_until=self.period_end, revision=self.revision + 1)

    def _changed(self, step: Step, **changes: Any) -> Subscription:
        status = LIFE.get((self.status, step))
        if status is None:
            raise InvalidValue(f"subscription {self.id} is {self.status}: it cannot {step}")
        return evolve(self, status=status, revision=self.revision + 1, **changes)
