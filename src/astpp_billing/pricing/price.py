"""The price of a call at one level, and its exact inverse (rules, section 3).

```
seconds < 1            → 0
billable = seconds − included
billable ≤ 0           → connection fee
else  charged = initial + ceil(max(0, billable − initial) / increment) × increment
      price   = connection fee + per_minute × (1 + markup/100) × charged / 60
```

All of it is integer arithmetic over one common denominator, rounded once, at the end.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from math import floor, lcm

from attrs import frozen

from astpp_billing.errors import InvalidValue
from astpp_billing.money import (
    MAX_MICROS,
    MAX_SCALE,
    PLACES,
    Exact,
    check_whole,
    exact,
    from_units,
    most_within,
    round_half_up,
)
from astpp_billing.pricing.rates import Rate, RateGroup

LONGEST = 10**9
"""No call is longer: thirty years in seconds."""


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
        billable = check_length(seconds) - self.included
        if billable <= 0 or seconds < 1:
            return 0
        rest = billable - self.initial
        return self.initial if rest <= 0 else self.initial - (-rest // self.increment) * self.increment

    def units(self, seconds: int) -> int:
        """The price of `seconds` in units of 10^-`places`."""
        charged = self.charged_seconds(seconds)
        return round_half_up(self.fee + self.per_second * charged, self.denominator) if seconds else 0

    def micros(self, seconds: int) -> int:
        """The price of `seconds` in micros; `InvalidValue` for terms of more than six places."""
        return self.units(seconds) * self.micros_per_unit

    @property
    def micros_per_unit(self) -> int:
        """How many micros one unit of 10^-`places` is."""
        if self.places > PLACES:
            raise InvalidValue(f"a price of {self.places} places cannot be told in micros")
        scale: int = 10 ** (PLACES - self.places)
        return scale

    @cached_property
    def factors(self) -> tuple[int, int, int, int, int, int, int]:
        """All that a price takes, multiplied in advance.

        In this order: the included seconds, what a call within them costs, the seconds after which blocks begin, a
        block's length, the price up to there and that of a block, and by what their sum is divided in the end.
        """
        return (
            self.included,
            round_half_up(self.fee, self.denominator),
            self.included + self.initial,
            self.increment,
            2 * (self.fee + self.per_second * self.initial) + self.denominator,
            2 * self.per_second * self.increment,
            2 * self.denominator,
        )

    @cached_property
    def longest(self) -> int:
        """The longest call, up to thirty years, that comes to no more than the largest amount."""
        return self.max_seconds(MAX_MICROS // self.micros_per_unit, LONGEST)

    def max_seconds(self, funds: int, longest: int) -> int:
        """The most seconds, up to `longest`, whose price is at most `funds` units of 10^-`places`; 0 for none.

        A call of one second that costs more than `funds` gives 0, as do negative funds.
        """
        check_length(longest)
        if check_whole(funds, "funds") < 0:
            return 0
        most = most_within(funds, 1, self.denominator) - self.fee
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
    `Terms.in_group`. Raises `InvalidValue` for negative seconds, `InexactAmount` for seconds that are no int.
    """
    return from_units(_terms(rate, places).units(seconds), places)


def max_seconds(rate: Rate, funds: Exact, longest: int, places: int = PLACES) -> int:
    """The longest call, up to `longest` seconds, that `funds` pay for: the exact inverse of `price`.

    For the result n and funds from 0: `price(n) ≤ funds`, and `funds < price(n + 1)` unless n is `longest`. Where not
    even one second can be paid, 0.
    """
    terms = _terms(rate, places)
    units = floor(Fraction(exact(funds, "funds")) * 10**places)
    return terms.max_seconds(units, longest)


def check_length(seconds: object) -> int:
    """Return `seconds` if it is an int from 0; `InexactAmount` for a float, `InvalidValue` for a negative one."""
    whole = check_whole(seconds, "seconds")
    if whole < 0:
        raise InvalidValue(f"seconds must not be negative: {whole}")
    return whole


def _terms(rate: Rate, places: int) -> Terms:
    if not 0 <= check_whole(places, "places") <= MAX_SCALE:
        raise InvalidValue(f"places must be a whole number from 0 to {MAX_SCALE}, not {places!r}")
    return Terms.of(rate, places=places)
