"""Properties of the periods of subscriptions."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.property.test_periods import zones_and_instants

from astpp_billing.periods import local_date, midnight
from astpp_billing.pricing.products import Recurrence, Unit
from astpp_billing.pricing.subscriptions import first_period, next_renewal, period_of, periods_due, share_left

recurrences = st.one_of(
    st.builds(Recurrence, st.integers(1, 40), st.just(Unit.DAYS)),
    st.builds(Recurrence, st.integers(1, 25), st.just(Unit.MONTHS)),
)
places = zones_and_instants()
gaps = st.timedeltas(timedelta(0), timedelta(days=900))


@given(places, recurrences)
def test_periods_touch_and_begin_with_local_days(place: tuple[str, datetime], recurrence: Recurrence) -> None:
    """Each period ends where the next one begins, at the first instant of a local day; none is empty."""
    zone, anchor = place
    due = list(islice(periods_due(anchor, anchor, datetime.max.replace(tzinfo=UTC), recurrence, zone), 16))

    assert due[0] == first_period(anchor, recurrence, zone)
    assert all(one.end == following.start for one, following in pairwise(due))
    for period in due:
        assert local_date(period.end - timedelta(microseconds=1), zone) < local_date(period.end, zone)


@given(places, st.integers(1, 25))
def test_months_keep_the_day_of_the_anchor(place: tuple[str, datetime], every: int) -> None:
    """Whatever months lie between, a renewal is on the anchor's day, or on the last one of a month without it."""
    zone, anchor = place
    day = local_date(anchor, zone).day
    for period in islice(
        periods_due(anchor, anchor, datetime.max.replace(tzinfo=UTC), Recurrence(every, Unit.MONTHS), zone), 16
    ):
        on = local_date(period.end, zone)
        last = (on.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        wanted = on.replace(day=min(day, last.day))
        # a day that the zone has left out begins where the next one does
        assert on in (wanted, local_date(midnight(on - timedelta(days=1), zone), zone))


@given(places, recurrences, gaps, gaps)
def test_catching_up_in_two_steps_or_in_one_is_the_same(
    place: tuple[str, datetime], recurrence: Recurrence, one: timedelta, other: timedelta
) -> None:
    """Whenever somebody looks, the periods that are due are the same ones."""
    zone, anchor = place
    end = anchor + one + other
    whole = list(periods_due(anchor, anchor, end, recurrence, zone))
    first = list(periods_due(anchor, anchor, anchor + one, recurrence, zone))

    assert whole == first + list(periods_due(anchor, first[-1].end, end, recurrence, zone))


@given(places, recurrences, gaps)
def test_the_next_renewal_is_the_first_after(
    place: tuple[str, datetime], recurrence: Recurrence, gap: timedelta
) -> None:
    """There is no renewal between an instant and the next renewal after it."""
    zone, anchor = place
    found = next_renewal(anchor, anchor + gap, recurrence, zone)
    every = (one.end for one in periods_due(anchor, anchor, anchor + gap, recurrence, zone))

    assert found > anchor + gap
    assert found == next(end for end in every if end > anchor + gap)


@given(places, recurrences, gaps)
def test_every_instant_lies_in_one_period(place: tuple[str, datetime], recurrence: Recurrence, gap: timedelta) -> None:
    """That which has begun, and has not ended."""
    zone, anchor = place
    at = anchor + gap
    every = periods_due(anchor, anchor, at, recurrence, zone)

    assert period_of(anchor, at, recurrence, zone) == next(one for one in every if one.start <= at < one.end)


@given(places, recurrences, gaps, gaps)
def test_what_is_left_shrinks_from_everything_to_nothing(
    place: tuple[str, datetime], recurrence: Recurrence, one: timedelta, other: timedelta
) -> None:
    """All is left at the start, nothing from the end on, and never more later than before."""
    zone, anchor = place
    period = first_period(anchor, recurrence, zone)
    left = [share_left(period, at, zone) for at in (period.start, period.start + one, period.start + one + other)]

    assert left[0] == 1
    assert left == sorted(left, reverse=True)
    assert share_left(period, period.end, zone) == 0
