"""Half-open periods of time, and the local days, months and billing days they are made of.

A local day starts at its first instant in the zone: where the clock skips midnight that is the instant of the
skip, where midnight comes twice it is the first. Periods are therefore 23, 24 or 25 hours long and always touch.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from functools import cache

import pendulum
from attrs import field, frozen
from pendulum.tz.exceptions import InvalidTimezone

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue


@frozen
class Period:
    """The instants from `start` up to, but not including, `end`; both UTC."""

    start: datetime = field(converter=utc)
    end: datetime = field(converter=utc)

    @end.validator
    def _check_end(self, attribute: object, value: datetime) -> None:
        if value <= self.start:
            raise InvalidValue(f"a period must end after it starts, not at {value} (start {self.start})")

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


class Cadence(StrEnum):
    """How often an account is billed."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


_DAYS = {Cadence.DAILY: (1, 1), Cadence.WEEKLY: (1, 7), Cadence.MONTHLY: (1, 31)}


@frozen
class BillingSchedule:
    """When billing periods begin: each day, on a weekday (1 is Monday), or on a day of the month (1-31).

    A day that a month does not have is its last one: 31 means April 30.
    """

    cadence: Cadence = Cadence.MONTHLY
    day: int = 1

    def __attrs_post_init__(self) -> None:
        least, most = _DAYS[self.cadence]
        if type(self.day) is not int or not least <= self.day <= most:
            raise InvalidValue(f"the billing day of a {self.cadence} schedule is {least} to {most}, not {self.day!r}")

    def period_of(self, instant: datetime, timezone: str) -> Period:
        """The billing period that an instant belongs to, counted in an IANA time zone."""
        start = self._start_of(local_date(instant, timezone))
        while True:
            following = self._next(start)
            begin, end = midnight(start, timezone), midnight(following, timezone)
            if instant < end:
                return Period(begin, end)
            start = following

    def due(self, since: datetime, now: datetime, timezone: str) -> Iterator[Period]:
        """The periods that have ended by `now`, oldest first, from the one that `since` belongs to on."""
        period = self.period_of(since, timezone)
        while period.end <= now:
            yield period
            period = self.period_of(period.end, timezone)

    def _start_of(self, day: date) -> date:
        """The first day of the period that a local day belongs to."""
        match self.cadence:
            case Cadence.DAILY:
                return day
            case Cadence.WEEKLY:
                return pendulum.date(day.year, day.month, day.day).subtract(days=(day.isoweekday() - self.day) % 7)
            case Cadence.MONTHLY:
                month = pendulum.date(day.year, day.month, 1)
                start = self._in_month(month)
                return start if start <= day else self._in_month(month.subtract(months=1))

    def _next(self, start: date) -> date:
        first = pendulum.date(start.year, start.month, start.day)
        match self.cadence:
            case Cadence.DAILY:
                return first.add(days=1)
            case Cadence.WEEKLY:
                return first.add(weeks=1)
            case Cadence.MONTHLY:
                return self._in_month(first.add(months=1))

    def _in_month(self, month: pendulum.Date) -> date:
        return month.set(day=min(self.day, month.days_in_month))


def check_timezone(name: object) -> str:
    """Return `name` if it is an IANA time zone, else raise `InvalidValue`."""
    if not isinstance(name, str):
        raise InvalidValue(f"a time zone is named by a text, not {name!r}")
    _zone(name)
    return name


@cache
def _zone(name: str) -> tzinfo:
    try:
        return pendulum.timezone(name)
    except (InvalidTimezone, ValueError, OSError):
        raise InvalidValue(f"not an IANA time zone: {name!r}") from None


def local_date(instant: datetime, timezone: str) -> date:
    """The calendar day that an instant falls on in a time zone."""
    return utc(instant).astimezone(_zone(timezone)).date()


def midnight(day: date, timezone: str) -> datetime:
    """The first instant of a local day, in UTC."""
    # fold=0 is the earlier of two midnights, and in a gap the instant at which the clock is moved
    return utc(datetime(day.year, day.month, day.day, tzinfo=_zone(timezone), fold=0).astimezone(UTC))


def day_of(instant: datetime, timezone: str) -> Period:
    """The local day that an instant belongs to."""
    return BillingSchedule(Cadence.DAILY).period_of(instant, timezone)


def month_of(instant: datetime, timezone: str) -> Period:
    """The local calendar month that an instant belongs to."""
    return BillingSchedule(Cadence.MONTHLY, 1).period_of(instant, timezone)
