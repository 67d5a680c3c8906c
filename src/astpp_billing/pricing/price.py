"""The price of a call at one level, and its exact inverse (DESIGN section 3).

    seconds < 1            → 0
    billable = seconds − included
    billable ≤ 0           → connection fee
    else  charged = initial + ceil(max(0, billable − initial) / increment) × increment
          price   = connection fee + per_minute × (1 + markup/100) × charged / 60

All of it is integer arithmetic over one common denominator, rounded once, at the end.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import floor, lcm

from attrs import frozen

from astpp_billing.errors import InvalidValue
from astpp_billing.money import MAX_SCALE, PLACES, Exact, exact, from_micros, round_half_up
from astpp_billing.pricing.rates import Rate, RateGroup


@frozen
class Terms:
    """A rate worked out for charging: its markup and its group's defaults applied, all over one denominator.

    The price in units of 10^-`places` is `(fee + per_second × charged) / denominator`, rounded half-up.
    """

    included: int
    initial: int
    increment: int
    fee: int
    per_second: int
    denominator: int
    places: int

    @classmethod
    def of(
        cls, rate: Rate, *, markup: Decimal = Decimal(0), initial: int = 1, increment: int = 1, places: int = PLACES
    ) -> Terms:
        """The terms of `rate` with a markup in percent, where `initial` and `increment` are the group's defaults."""
        unit: int = 10**places
        fee = Fraction(rate.connection_fee) * unit
        per_second = Fraction(rate.price_per_minute) * (100 + Fraction(markup)) / 6000 * unit
        denominator = lcm(fee.denominator, per_second.denominator)
        return cls(
            included=rate.included_seconds,
            initial=initial if rate.initial_increment is None else rate.initial_increment,
            increment=increment if rate.increment is None else rate.increment,
            fee=fee.numerator * (denominator // fee.denominator),
            per_second=per_second.numerator * (denominator // per_second.denominator),
            denominator=denominator,
            places=places,
        )

    @classmethod
    def in_group(cls, rate: Rate, group: RateGroup) -> Terms:
        """The terms of `rate` as one of `group`'s."""
        return cls.of(
            rate,
            markup=group.markup_percent,
            initial=group.default_initial_increment,
            increment=group.default_increment,
            places=group.places,
        )

    def charged_seconds(self, seconds: int) -> int:
        """The seconds that are charged for a call of `seconds`: 0, or whole increments after the initial one."""
        billable = seconds - self.included
        if billable <= 0 or seconds < 1:
            return 0
        rest = billable - self.initial
        return self.initial if rest <= 0 else self.initial - (-rest // self.increment) * self.increment

    def units(self, seconds: int) -> int:
        """The price of `seconds` in units of 10^-`places`."""
        if seconds < 1:
            return 0
        return round_half_up(self.fee + self.per_second * self.charged_seconds(seconds), self.denominator)

    def micros(self, seconds: int) -> int:
        """The price of `seconds` in micros; for terms of at most six places."""
        units = self.units(seconds)
        return units if self.places == PLACES else units * 10 ** (PLACES - self.places)

    def max_seconds(self, funds: int, longest: int) -> int:
        """The most seconds, up to `longest`, whose price is at most `funds` units of 10^-`places`; 0 for none.

        A call of one second that costs more than `funds` gives 0, as do negative funds.
        """
        if funds < 0:
            return 0
        # round_half_up(n / d) ≤ funds  ⇔  2n + d < 2d(funds + 1)
        most = ((2 * funds + 1) * self.denominator - 1) // 2 - self.fee
        if most < 0:
            return 0
        if not self.per_second:
            return longest
        charged = most // self.per_second
        blocks = (charged - self.initial) // self.increment
        billable = self.initial + blocks * self.increment if charged >= self.initial else 0
        return min(longest, self.included + billable)


def price(rate: Rate, seconds: int, places: int = PLACES) -> Decimal:
    """The price of a call of `seconds` by one rate, in units of its currency, rounded half-up to `places`.

    The defaults of the rate's increments are 1, and there is no markup; a rate of a group is priced by
    `Terms.in_group`. Raises `InvalidValue` for seconds that are not a whole number from 0.
    """
    return from_units(_terms(rate, places).units(_whole_seconds(seconds, "seconds")), places)


def max_seconds(rate: Rate, funds: Exact, longest: int, places: int = PLACES) -> int:
    """The longest call, up to `longest` seconds, that `funds` pay for: the exact inverse of `price`.

    For 0 ≤ n < `longest`: `price(n) ≤ funds < price(n + 1)`. Where not even one second can be paid, 0.
    """
    units = floor(Fraction(exact(funds, "funds")) * 10**places)
    return _terms(rate, places).max_seconds(units, _whole_seconds(longest, "longest"))


def from_units(units: int, places: int) -> Decimal:
    """A whole number of 10^-`places` as a `Decimal`."""
    return from_micros(units) if places == PLACES else Decimal(units).scaleb(-places)


def _whole_seconds(value: object, name: str) -> int:
    if type(value) is not int or value < 0:
        raise InvalidValue(f"{name} must be a whole number of seconds from 0, not {value!r}")
    return value


def _terms(rate: Rate, places: int) -> Terms:
    if type(places) is not int or not 0 <= places <= MAX_SCALE:
        raise InvalidValue(f"places must be a whole number from 0 to {MAX_SCALE}, not {places!r}")
    return Terms.of(rate, places=places)
