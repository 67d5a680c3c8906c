"""Local days, months and billing days, with daylight saving right."""

from datetime import UTC, date, datetime, timedelta

import pytest

from astpp_billing.errors import InvalidValue
from astpp_billing.periods import (
    BillingSchedule,
    Cadence,
    Period,
    check_timezone,
    day_of,
    local_date,
    midnight,
    month_of,
)

HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestPeriod:
    def test_is_half_open(self) -> None:
        period = Period(at("2025-01-01"), at("2025-01-02"))

        assert at("2025-01-01") in period
        assert at("2025-01-02") - MICROSECOND in period
        assert at("2025-01-02") not in period
        assert at("2025-01-01") - MICROSECOND not in period

    @pytest.mark.parametrize("end", ["2025-01-01", "2024-12-31"])
    def test_ends_after_it_starts(self, end: str) -> None:
        with pytest.raises(InvalidValue, match="must end after it starts"):
            Period(at("2025-01-01"), at(end))

    def test_has_instants(self) -> None:
        with pytest.raises(InvalidValue, match="time zone"):
            Period(datetime(2025, 1, 1), at("2025-01-02"))  # noqa: DTZ001 (that is what is tested)


@pytest.mark.parametrize(
    ("instant", "zone", "start", "hours"),
    [
        ("2025-03-09 12:00", "America/New_York", "2025-03-09 05:00", 23),
        ("2025-11-02 12:00", "America/New_York", "2025-11-02 04:00", 25),
        ("2025-06-01 12:00", "America/New_York", "2025-06-01 04:00", 24),
        # the clock skips midnight: the day begins with 01:00
        ("2018-11-04 12:00", "America/Sao_Paulo", "2018-11-04 03:00", 23),
        ("2018-11-04 03:00", "America/Sao_Paulo", "2018-11-04 03:00", 23),
        ("2018-11-04 02:59", "America/Sao_Paulo", "2018-11-03 03:00", 24),
        ("2024-03-31 12:00", "Asia/Beirut", "2024-03-30 22:00", 23),
        # midnight comes twice: the day begins with the first, also for what is then again the evening before
        ("2010-11-07 02:31", "America/St_Johns", "2010-11-07 02:30", 25),
        ("2010-11-07 02:29", "America/St_Johns", "2010-11-06 02:30", 24),
        ("2024-10-26 20:59", "Asia/Beirut", "2024-10-25 21:00", 25),
        ("2024-10-26 21:30", "Asia/Beirut", "2024-10-25 21:00", 25),
        # the 30th of December 2011 is missing
        ("2011-12-30 09:59", "Pacific/Apia", "2011-12-29 10:00", 24),
        ("2011-12-30 10:00", "Pacific/Apia", "2011-12-30 10:00", 24),
    ],
)
def test_days_of_all_lengths(instant: str, zone: str, start: str, hours: int) -> None:
    assert day_of(at(instant), zone) == Period(at(start), at(start) + hours * HOUR)


def test_the_day_before_a_missing_one_is_followed_by_the_day_after() -> None:
    before = day_of(at("2011-12-29 12:00"), "Pacific/Apia")

    assert local_date(before.start, "Pacific/Apia") == date(2011, 12, 29)
    assert local_date(before.end, "Pacific/Apia") == date(2011, 12, 31)
    assert midnight(date(2011, 12, 30), "Pacific/Apia") == midnight(date(2011, 12, 31), "Pacific/Apia")


@pytest.mark.parametrize("day", [30, 31])
def test_a_billing_day_that_is_missing_is_billed_on_the_next(day: int) -> None:
    schedule = BillingSchedule(Cadence.MONTHLY, day)

    assert schedule.period_of(at("2012-01-01"), "Pacific/Apia").start == at("2011-12-30 10:00")
    assert schedule.period_of(at("2011-12-01 12:00"), "Pacific/Apia").end == at("2011-12-30 10:00")


def test_months() -> None:
    assert month_of(at("2024-02-29 12:00"), "UTC") == Period(at("2024-02-01"), at("2024-03-01"))
    assert month_of(at("2024-12-31 23:30"), "Europe/Berlin") == Period(at("2024-12-31 23:00"), at("2025-01-31 23:00"))


@pytest.mark.parametrize(
    ("day", "instant", "start", "end"),
    [
        (1, "2025-01-31", "2025-01-01", "2025-02-01"),
        (15, "2025-01-14", "2024-12-15", "2025-01-15"),
        (15, "2025-01-15", "2025-01-15", "2025-02-15"),
        (29, "2025-02-28", "2025-02-28", "2025-03-29"),
        (29, "2024-02-28", "2024-01-29", "2024-02-29"),
        (30, "2025-02-27", "2025-01-30", "2025-02-28"),
        (31, "2025-02-28", "2025-02-28", "2025-03-31"),
        (31, "2025-04-29", "2025-03-31", "2025-04-30"),
        (31, "2025-05-01", "2025-04-30", "2025-05-31"),
        (31, "2025-12-31", "2025-12-31", "2026-01-31"),
    ],
)
def test_a_billing_day_is_shortened_to_the_months_end(day: int, instant: str, start: str, end: str) -> None:
    assert BillingSchedule(Cadence.MONTHLY, day).period_of(at(instant), "UTC") == Period(at(start), at(end))


@pytest.mark.parametrize(("day", "start"), [(1, "2025-01-06"), (3, "2025-01-08"), (4, "2025-01-02"), (7, "2025-01-05")])
def test_weeks_begin_on_a_weekday(day: int, start: str) -> None:
    # the 8th of January 2025 is a Wednesday
    period = BillingSchedule(Cadence.WEEKLY, day).period_of(at("2025-01-08 12:00"), "UTC")

    assert period == Period(at(start), at(start) + timedelta(days=7))


@pytest.mark.parametrize(
    ("cadence", "day"),
    [
        (Cadence.DAILY, 2),
        (Cadence.DAILY, 0),
        (Cadence.WEEKLY, 8),
        (Cadence.WEEKLY, 0),
        (Cadence.MONTHLY, 32),
        (Cadence.MONTHLY, 0),
        (Cadence.MONTHLY, 1.0),
        (Cadence.MONTHLY, True),
    ],
)
def test_a_billing_day_is_one_of_the_cadence(cadence: Cadence, day: int) -> None:
    with pytest.raises(InvalidValue, match=f"the billing day of a {cadence} schedule is 1 to"):
        BillingSchedule(cadence, day)


class TestDue:
    SCHEDULE = BillingSchedule(Cadence.MONTHLY, 31)

    def test_catches_up_with_all_that_were_missed(self) -> None:
        found = list(self.SCHEDULE.due(at("2025-01-10"), at("2025-05-01"), "UTC"))

        assert [period.end for period in found] == [
            at("2025-01-31"),
            at("2025-02-28"),
            at("2025-03-31"),
            at("2025-04-30"),
        ]
        assert found[0].start == at("2024-12-31")

    def test_a_period_is_due_as_soon_as_it_has_ended(self) -> None:
        assert list(self.SCHEDULE.due(at("2025-01-10"), at("2025-01-31") - MICROSECOND, "UTC")) == []
        assert len(list(self.SCHEDULE.due(at("2025-01-10"), at("2025-01-31"), "UTC"))) == 1

    def test_nothing_is_due_before_it_begins(self) -> None:
        assert list(self.SCHEDULE.due(at("2025-01-10"), at("2024-01-10"), "UTC")) == []


@pytest.mark.parametrize("name", ["", "Europe/Nowhere", "Europe", "../etc/passwd", "local", "+01:00", None, 1, "a\0b"])
def test_a_time_zone_is_one_of_iana(name: object) -> None:
    with pytest.raises(InvalidValue, match="time zone"):
        check_timezone(name)


def test_a_time_zone_comes_back_as_it_is() -> None:
    assert check_timezone("America/Argentina/Buenos_Aires") == "America/Argentina/Buenos_Aires"


@pytest.mark.parametrize("count", [local_date, day_of, month_of])
def test_an_instant_without_a_time_zone_has_no_local_day(count: object) -> None:
    assert callable(count)
    with pytest.raises(InvalidValue, match="time zone"):
        count(datetime(2025, 1, 1), "UTC")  # noqa: DTZ001 (that is what is tested)


def test_midnight_is_a_plain_datetime_in_utc() -> None:
    found = midnight(date(2025, 1, 1), "Europe/Berlin")

    assert type(found) is datetime
    assert found == at("2024-12-31 23:00")
