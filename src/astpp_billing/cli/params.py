"""Types of options and arguments: instants, exact numbers, schedules, phone numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import click

from astpp_billing.errors import BillingError
from astpp_billing.money import check_currency, exact
from astpp_billing.periods import BillingSchedule, Cadence
from astpp_billing.pricing import Allowance, Direction, Recurrence, Unit


class _Type(click.ParamType):  # type: ignore[type-arg]  # it takes a type only since click 8.4, and 8.1 will do
    pass


class Instant(_Type):
    """An instant in ISO 8601; UTC if it names no offset."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The instant in UTC."""
        try:
            instant = datetime.fromisoformat(value)
            return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no instant in ISO 8601, such as 2026-12-01T00:00:00Z", param, ctx)


class Day(_Type):
    """A day in ISO 8601."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day."""
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no day in ISO 8601, such as 2026-12-01", param, ctx)


class DayOrInstant(Instant):
    """A day, which begins at midnight of some time zone, or an instant."""

    name = "day or instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A `date` for a day, a `datetime` in UTC for an instant."""
        try:
            return date.fromisoformat(value)
        except ValueError:
            return super().convert(value, param, ctx)


class Number(_Type):
    """An exact decimal number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """The number, unchanged."""
        try:
            return exact(value, "the number")
        except BillingError as error:
            self.fail(str(error), param, ctx)


class Currency(_Type):
    """The code of a currency."""

    name = "currency"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The code in capitals."""
        try:
            return check_currency(str(value).upper())
        except BillingError as error:
            self.fail(str(error), param, ctx)


class Schedule(_Type):
    """A billing schedule: `daily`, `weekly:5` (Friday), `monthly:15`."""

    name = "schedule"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> BillingSchedule:
        """The schedule; the day is 1 where none is given."""
        cadence, _, day = value.partition(":")
        try:
            return BillingSchedule(Cadence(cadence), int(day) if day else 1)
        except ValueError:  # also InvalidValue: a day that the cadence does not have
            self.fail(f"{value!r} is none of daily, weekly:1 to weekly:7, monthly:1 to monthly:31", param, ctx)


class Phone(_Type):
    """A phone number with its country code; `+`, spaces, dots, dashes and brackets are left out."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The digits."""
        digits = "".join(char for char in value.removeprefix("+") if char not in " .-()/")
        if not (digits.isascii() and digits.isdigit()):
            self.fail(f"{value!r} is no phone number", param, ctx)
        return str(digits)


class Every(_Type):
    """A recurrence: `days:30`, `months:1`."""

    name = "recurrence"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Recurrence:
        """The recurrence; one day or month where no number is given."""
        unit, _, every = value.partition(":")
        try:
            return Recurrence(int(every) if every else 1, Unit(unit))
        except ValueError:
            self.fail(f"{value!r} is none of days:1 to days:3660, months:1 to months:120", param, ctx)


class Included(_Type):
    """Included time: seconds, and where it is only for some calls, prefixes and direction: `3600:48,49:out`."""

    name = "included time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Allowance:
        """The included time; for calls that are made, to everywhere, where nothing else is said."""
        if isinstance(value, Allowance):
            return value
        seconds, _, rest = value.partition(":")
        prefixes, _, direction = rest.partition(":")
        try:
            return Allowance(seconds=int(seconds), prefixes=prefixes.split(","), direction=direction or Direction.OUT)
        except ValueError:
            self.fail(f"{value!r} is no included time, such as 3600:48,49:out", param, ctx)


INSTANT = Instant()
DAY = Day()
DAY_OR_INSTANT = DayOrInstant()
NUMBER = Number()
CURRENCY = Currency()
SCHEDULE = Schedule()
RECURRENCE = Every()
INCLUDED = Included()
PHONE = Phone()

key_option = click.option(
    "--key", help="What makes the command unique: sent again with the same key, it is not done a second time."
)
