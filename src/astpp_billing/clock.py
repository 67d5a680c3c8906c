"""Instants: always aware datetimes in UTC, always given by somebody; nothing here reads the clock by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from astpp_billing.errors import InvalidValue

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""1970-01-01 00:00 UTC."""


class Clock(Protocol):
    """Where the services take the time from."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present instant."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is moved: for tests, demos and re-runs of a past day."""

    def __init__(self, now: datetime) -> None:
        self._now = utc(now, "now")

    def now(self) -> datetime:
        """The instant at which the clock stands."""
        return self._now

    def set(self, now: datetime) -> None:
        """Move the clock to an instant."""
        self._now = utc(now, "now")

    def advance(self, by: timedelta) -> None:
        """Move the clock on (or back, if negative)."""
        self._now += by


def utc(value: object, name: str = "instant") -> datetime:
    """`value` in UTC as a plain `datetime`; `InvalidValue` if it is naive or no datetime.

    Subclasses such as `pendulum.DateTime` come back as plain datetimes, which database drivers need.
    """
    if type(value) is datetime and value.tzinfo is UTC:
        return value
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidValue(f"{name} must be a datetime with a time zone, not {value!r}")
    moved = value.astimezone(UTC)
    return datetime(
        moved.year, moved.month, moved.day, moved.hour, moved.minute, moved.second, moved.microsecond, tzinfo=UTC
    )


def from_epoch(microseconds: int) -> datetime:
    """The instant `microseconds` after 1970-01-01 00:00 UTC, exactly (no float on the way)."""
    return EPOCH + timedelta(microseconds=microseconds)


def to_epoch(instant: datetime) -> int:
    """Microseconds from 1970-01-01 00:00 UTC to `instant`, exactly."""
    since = instant - EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
