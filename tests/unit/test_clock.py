"""Instants are UTC, and given by somebody."""

from datetime import UTC, datetime, timedelta, timezone

import pendulum
import pytest

from astpp_billing.clock import EPOCH, FixedClock, SystemClock, from_epoch, to_epoch, utc
from astpp_billing.errors import InvalidValue

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


def test_an_instant_is_moved_to_utc() -> None:
    moved = utc(datetime(2025, 1, 1, 13, 30, 0, 123456, tzinfo=timezone(timedelta(hours=1, minutes=30))))

    assert moved == NOON.replace(microsecond=123456)
    assert moved.tzinfo is UTC


def test_an_instant_is_a_plain_datetime() -> None:
    moved = utc(pendulum.datetime(2025, 1, 1, 7, tz="America/New_York"))

    assert type(moved) is datetime
    assert moved == NOON


@pytest.mark.parametrize("value", [datetime(2025, 1, 1), "2025-01-01T00:00:00Z", 0, None, NOON.date()])  # noqa: DTZ001 (that is what is tested)
def test_what_has_no_time_zone_is_no_instant(value: object) -> None:
    with pytest.raises(InvalidValue, match="began must be a datetime with a time zone"):
        utc(value, "began")


def test_microseconds_since_the_epoch() -> None:
    assert to_epoch(EPOCH) == 0
    assert to_epoch(NOON) == 1_735_732_800_000_000
    assert from_epoch(-1) == EPOCH - timedelta(microseconds=1)


def test_a_fixed_clock_stands_still_until_it_is_moved() -> None:
    clock = FixedClock(NOON)
    assert clock.now() == clock.now() == NOON

    clock.advance(timedelta(minutes=5))
    assert clock.now() == NOON + timedelta(minutes=5)
    clock.advance(timedelta(minutes=-10))
    assert clock.now() == NOON - timedelta(minutes=5)
    clock.set(NOON)
    assert clock.now() == NOON


def test_a_fixed_clock_shows_utc() -> None:
    with pytest.raises(InvalidValue, match="now must be"):
        FixedClock(datetime(2025, 1, 1))  # noqa: DTZ001 (that is what is tested)
    with pytest.raises(InvalidValue, match="now must be"):
        FixedClock(NOON).set(datetime(2025, 1, 1))  # noqa: DTZ001 (that is what is tested)


def test_the_system_clock_shows_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()

    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC
