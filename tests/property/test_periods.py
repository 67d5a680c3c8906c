from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st

from astpp_billing.clock import from_epoch, to_epoch, utc
from astpp_billing.periods import BillingSchedule, Cadence, Period, day_of, local_date, midnight, month_of

# Zones whose midnight is skipped, comes twice or at which whole days are missing, and plain ones.
ODD = (
    "America/Sao_Paulo",
    "Asia/Beirut",
    "America/St_Johns",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Tehran",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Australia/Lord_Howe",
    "Africa/Monrovia",
)
PLAIN = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu")
ALL = sorted(name for name in available_timezones() if name not in {"localtime", "posixrules"})

zones = st.one_of(st.sampled_from(ODD), st.sampled_from(PLAIN), st.sampled_from(ALL))


@st.composite
def zones_and_instants(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and an instant, as often as not within two hours of a change of its clock."""
    zone = draw(zones)
    anywhere = draw(st.datetimes(datetime(1970, 1, 2), datetime(2037, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001 (as asked for)
    if draw(st.booleans()):
        return zone, anywhere
    return zone, change_after(zone, anywhere) + draw(
        st.one_of(st.timedeltas(timedelta(hours=-2), timedelta(hours=2)), st.just(timedelta(0)))
    )


def change_after(zone: str, instant: datetime) -> datetime:
    """The first instant with another offset within the next year, to the second; `instant` where there is none."""
    tz = ZoneInfo(zone)
    offset = instant.astimezone(tz).utcoffset()
    for days in range(1, 366):
        later = instant + timedelta(days=days)
        if later.astimezone(tz).utcoffset() != offset:
            earlier = later - timedelta(days=1)
            while later - earlier > timedelta(seconds=1):
                middle = earlier + (later - earlier) / 2
                if middle.astimezone(tz).utcoffset() == offset:
                    earlier = middle
                else:
                    later = middle
            return later.replace(microsecond=0)
    return instant


@st.composite
def schedules(draw: st.DrawFn) -> BillingSchedule:
    cadence = draw(st.sampled_from(Cadence))
    most = {Cadence.DAILY: 1, Cadence.WEEKLY: 7, Cadence.MONTHLY: 31}[cadence]
    return BillingSchedule(cadence, draw(st.one_of(st.integers(1, most), st.just(most))))


@given(schedules(), zones_and_instants())
def test_an_instant_belongs_to_one_period(schedule: BillingSchedule, case: tuple[str, datetime]) -> None:
    """Periods are half-open and touch: each instant is in exactly one."""
    zone, instant = case
    period = schedule.period_of(instant, zone)

    assert instant in period
    assert period.start in period
    assert period.end not in period
    assert schedule.period_of(period.start, zone) == period
    assert schedule.period_of(period.end - timedelta(microseconds=1), zone) == period
    assert schedule.period_of(period.end, zone).start == period.end
    assert schedule.period_of(period.start - timedelta(microseconds=1), zone).end == period.start


@given(zones_and_instants())
def test_a_local_day_begins_at_its_first_instant(case: tuple[str, datetime]) -> None:
    """A day begins at its first instant: where the clock skips midnight that is when it is moved on."""
    zone, instant = case
    tz = ZoneInfo(zone)
    start = day_of(instant, zone).start
    day = start.astimezone(tz).date()

    assert start.tzinfo is UTC
    assert (start - timedelta(microseconds=1)).astimezone(tz).date() < day
    assert midnight(day, zone) == start
    assert local_date(start, zone) == day


@given(zones_and_instants())
def test_days_fill_months(case: tuple[str, datetime]) -> None:
    """A month is its days, however long they are."""
    zone, instant = case
    month = month_of(instant, zone)
    days = BillingSchedule(Cadence.DAILY)
    length = timedelta(0)
    for day in days.due(month.start, month.end, zone):
        assert timedelta(hours=20) <= day.end - day.start <= timedelta(hours=28)
        length += day.end - day.start

    assert length == month.end - month.start


@given(schedules(), zones_and_instants(), st.integers(0, 12), st.timedeltas(timedelta(0), timedelta(days=40)))
def test_due_catches_up(schedule: BillingSchedule, case: tuple[str, datetime], missed: int, more: timedelta) -> None:
    """A run finds every period that has ended, oldest first, and none that has not; a missed day is caught up."""
    zone, since = case
    now = since + more
    found = list(islice(schedule.due(since, now, zone), 50))

    assert all(one.end == other.start for one, other in pairwise(found))
    assert all(period.end <= now for period in found)
    if found:
        assert since in found[0]
        assert now in schedule.period_of(found[-1].end, zone)
        again = list(schedule.due(found[min(missed, len(found) - 1)].start, now, zone))
        assert again == found[min(missed, len(found) - 1) :]
    else:
        assert now < schedule.period_of(since, zone).end


@given(st.integers(1, 31), zones_and_instants())
def test_billing_days_are_shortened_to_the_months_end(day: int, case: tuple[str, datetime]) -> None:
    """Monthly on day 1-31, shortened to the month's end."""
    zone, instant = case
    period = BillingSchedule(Cadence.MONTHLY, day).period_of(instant, zone)

    for edge in (period.start, period.end):
        local = local_date(edge, zone)
        following = (local.replace(day=1) + timedelta(days=32)).replace(day=1)
        last = (following - timedelta(days=1)).day
        skipped = zone in {"Pacific/Apia", "Pacific/Kwajalein", "Pacific/Enderbury", "Pacific/Fakaofo"}
        assert local.day == min(day, last) or skipped or "Kanton" in zone or "Kiritimati" in zone


@given(
    st.datetimes(
        datetime(1, 1, 2),  # noqa: DTZ001 (as asked for)
        datetime(9999, 12, 30),  # noqa: DTZ001 (as asked for)
        timezones=st.sampled_from([UTC, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns")]),
    )
)
def test_microseconds_since_the_epoch_are_exact(instant: datetime) -> None:
    """Instants go to whole microseconds and back without a float."""
    plain = utc(instant)

    assert plain.timestamp() == instant.timestamp()
    assert from_epoch(to_epoch(plain)) == plain
    assert to_epoch(instant) == to_epoch(plain)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)), st.integers(1, 10**9))  # noqa: DTZ001 (as asked for)
def test_a_period_is_half_open(start: datetime, microseconds: int) -> None:
    """The start is in a period, the end is not."""
    end = start + timedelta(microseconds=microseconds)
    period = Period(start, end)

    assert start in period
    assert end not in period
    assert end - timedelta(microseconds=1) in period
    assert start - timedelta(microseconds=1) not in period
