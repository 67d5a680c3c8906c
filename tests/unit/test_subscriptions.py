"""Periods of subscriptions, what is left of them, and the states that a subscription goes through."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import islice

import pytest
from attrs import evolve

from astpp_billing.errors import InvalidValue
from astpp_billing.periods import Period, local_date
from astpp_billing.pricing.products import Recurrence, Unit
from astpp_billing.pricing.subscriptions import (
    LIFE,
    Step,
    Subscription,
    SubscriptionStatus,
    first_period,
    next_renewal,
    periods_due,
    share_left,
)

MONTHLY = Recurrence(1, Unit.MONTHS)
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def renewals(anchor: str, recurrence: Recurrence, timezone: str, count: int) -> list[str]:
    found, instant = [], at(anchor)
    for _ in range(count):
        instant = next_renewal(at(anchor), instant, recurrence, timezone)
        found.append(f"{instant:%Y-%m-%d %H:%M}")
    return found


def subscription(**more: object) -> Subscription:
    values: dict[str, object] = {
        "id": 7,
        "order_id": 1,
        "buyer_id": 3,
        "product_id": 2,
        "version": 1,
        "quantity": 1,
        "agreement": "{}",
        "description": "Package",
        "recurrence": MONTHLY,
        "timezone": "UTC",
        "anchor": at("2026-01-31T14:35"),
        "period_start": at("2026-01-31T14:35"),
        "period_end": at("2026-02-28"),
    }
    return Subscription(**values | more)  # type: ignore[arg-type]


class TestRenewals:
    def test_a_month_without_the_day_renews_on_its_last_one_and_the_anchor_is_kept(self) -> None:
        assert renewals("2026-01-31T14:35", MONTHLY, "UTC", 4) == [
            "2026-02-28 00:00",
            "2026-03-31 00:00",
            "2026-04-30 00:00",
            "2026-05-31 00:00",
        ]

    def test_a_leap_year_has_its_29th(self) -> None:
        assert renewals("2028-01-30", MONTHLY, "UTC", 2) == ["2028-02-29 00:00", "2028-03-30 00:00"]
        assert renewals("2028-02-29", Recurrence(12, Unit.MONTHS), "UTC", 4)[-1] == "2032-02-29 00:00"

    def test_sixteen_months_in_berlin_are_sixteen_local_midnights(self) -> None:
        """23:00 UTC in winter, 22:00 in summer."""
        found = renewals("2025-10-15T10:00", MONTHLY, "Europe/Berlin", 16)

        assert [text[-5:] for text in found] == (
            5 * ["23:00"]  # November to March
            + 7 * ["22:00"]  # April to October
            + 4 * ["23:00"]
        )
        assert {local_date(at(text), "Europe/Berlin").day for text in found} == {15}

    def test_days_are_local_days_however_long(self) -> None:
        """The clock of Berlin went forward on 2026-03-29."""
        found = renewals("2026-03-28T12:00", Recurrence(1, Unit.DAYS), "Europe/Berlin", 3)

        assert found == ["2026-03-28 23:00", "2026-03-29 22:00", "2026-03-30 22:00"]

    def test_the_local_day_of_the_anchor_counts_not_that_of_utc(self) -> None:
        assert renewals("2026-01-31T23:30", MONTHLY, "Asia/Tokyo", 1) == ["2026-02-28 15:00"]  # 1 March there

    def test_a_day_that_a_zone_has_left_out_is_no_period(self) -> None:
        """There was no 2011-12-30 in Samoa."""
        found = renewals("2011-12-29T12:00", Recurrence(1, Unit.DAYS), "Pacific/Apia", 3)

        assert found == ["2011-12-30 10:00", "2011-12-31 10:00", "2012-01-01 10:00"]

    def test_the_first_period_begins_at_the_anchor(self) -> None:
        assert first_period(at("2026-01-31T14:35"), MONTHLY, "UTC") == Period(at("2026-01-31T14:35"), at("2026-02-28"))

    def test_beyond_the_calendar_is_refused(self) -> None:
        with pytest.raises(InvalidValue, match="beyond the calendar"):
            next_renewal(at("9999-12-31"), at("9999-12-31"), MONTHLY, "UTC")

    def test_missed_periods_are_due_one_after_the_other(self) -> None:
        due = list(periods_due(at("2026-01-31"), at("2026-02-28"), at("2026-04-30"), MONTHLY, "UTC"))

        assert [(f"{one.start:%m-%d}", f"{one.end:%m-%d}") for one in due] == [
            ("02-28", "03-31"),
            ("03-31", "04-30"),
            ("04-30", "05-31"),
        ]

    def test_nothing_is_due_before_the_end_of_what_is_paid(self) -> None:
        assert list(periods_due(at("2026-01-31"), at("2026-02-28"), at("2026-02-27T23:59"), MONTHLY, "UTC")) == []


class TestProration:
    PERIOD = Period(at("2026-04-01"), at("2026-05-01"))

    @pytest.mark.parametrize(
        ("instant", "left"),
        [
            ("2026-04-01", 30),
            ("2026-04-01T23:59", 30),
            ("2026-04-02", 29),
            ("2026-04-30T23:59", 1),
            ("2026-05-01", 0),
            ("2026-06-01", 0),
        ],
    )
    def test_the_day_that_has_begun_is_left(self, instant: str, left: int) -> None:
        assert share_left(self.PERIOD, at(instant), "UTC") == Fraction(left, 30)

    def test_the_days_are_those_of_the_zone(self) -> None:
        april = Period(at("2026-03-31T22:00"), at("2026-04-30T22:00"))
        assert share_left(april, at("2026-04-01T22:00"), "Europe/Berlin") == Fraction(29, 30)

    def test_refuses_what_has_not_begun(self) -> None:
        with pytest.raises(InvalidValue, match="begins at"):
            share_left(self.PERIOD, at("2026-03-31"), "UTC")


class TestLife:
    def test_only_an_active_one_is_due(self) -> None:
        now = at("2026-03-01")
        one = subscription()

        assert len(list(one.due(now))) == 1
        for other in (one.paused(), one.cancelled(at_end=False), one.released()):
            assert list(other.due(now)) == []

    def test_a_renewal_moves_the_period_and_nothing_else(self) -> None:
        one = subscription()
        (period,) = one.due(at("2026-03-01"))

        assert one.renewed(period) == evolve(
            one, period_start=at("2026-02-28"), period_end=at("2026-03-31"), revision=1
        )

    def test_resumed_within_what_is_paid_it_goes_on_as_before(self) -> None:
        one = subscription()

        assert one.paused().resumed(at("2026-02-10")) == evolve(one, revision=2)

    def test_resumed_later_its_next_period_begins_at_once(self) -> None:
        one = subscription().paused().resumed(at("2026-05-05T09:00"))

        assert list(islice(one.due(at("2026-05-05T09:00")), 1)) == [Period(at("2026-05-05T09:00"), at("2026-06-05"))]

    def test_cancelled_at_the_end_it_is_active_until_then(self) -> None:
        one = subscription().cancelled(at_end=True)

        assert (one.status, one.cancel_at_end) == (SubscriptionStatus.ACTIVE, True)

    def test_a_paused_one_is_cancelled_at_once(self) -> None:
        assert subscription().paused().cancelled(at_end=True).status is SubscriptionStatus.CANCELLED

    def test_what_has_ended_cannot_be_changed(self) -> None:
        for ended in (SubscriptionStatus.CANCELLED, SubscriptionStatus.RELEASED):
            assert [step for status, step in LIFE if status is ended] == []
        with pytest.raises(InvalidValue, match="subscription 7 is cancelled: it cannot pause"):
            subscription().cancelled(at_end=False).paused()

    def test_every_step_is_possible_from_somewhere(self) -> None:
        assert {step for _, step in LIFE} == set(Step)

    @pytest.mark.parametrize("quantity", [0, -1, True, 1.0])
    def test_is_for_a_quantity_from_one(self, quantity: object) -> None:
        with pytest.raises(InvalidValue, match="quantity from 1"):
            subscription(quantity=quantity)

    def test_names_its_postings_by_the_period(self) -> None:
        one = subscription()

        assert one.renewal_key(one.period) == f"renewal:7:{1769870100}000000"
