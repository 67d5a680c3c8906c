"""Dated exchange rates, with the inverse and cross rates that follow from them. A missing rate is never 1."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache, cached_property

from attrs import field, frozen

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue, MissingExchangeRate
from astpp_billing.money import Money, check_currency, exact, most_within, plain, round_half_up


def _positive(value: object) -> Decimal:
    number = exact(value, "exchange rate")
    if number <= 0:
        raise InvalidValue(f"an exchange rate must be above zero, not {number}")
    return number


@frozen
class ExchangeRate:
    """One unit of `base` costs `rate` units of `quote` from `valid_from` on, as `source` says."""

    base: str = field(converter=check_currency)
    quote: str = field(converter=check_currency)
    rate: Decimal = field(converter=_positive)
    valid_from: datetime = field(converter=utc)
    source: str = "manual"

    def __attrs_post_init__(self) -> None:
        if self.base == self.quote:
            raise InvalidValue(f"an exchange rate needs two currencies, not {self.base} twice")


@frozen
class Conversion:
    """The factor from `base` to `quote` at one instant, exact, and the dated rates it was made of.

    No `steps` and the factor 1 mean that both are the same currency.
    """

    base: str
    quote: str
    factor: Fraction
    steps: tuple[ExchangeRate, ...] = ()

    def apply(self, micros: int) -> int:
        """`micros` of `base` in micros of `quote`, rounded half-up once."""
        if not self.steps:
            return micros
        return round_half_up(micros * self.factor.numerator, self.factor.denominator)

    def most(self, micros: int) -> int:
        """The most micros of `base` that come to at most `micros` (≥ 0) of `quote`: the inverse of `apply`."""
        return most_within(micros, self.factor.numerator, self.factor.denominator)

    @cached_property
    def told(self) -> str:
        """The dated rates in words, for explanations."""
        return ", ".join(
            f"1 {step.base} = {plain(step.rate)} {step.quote} from {step.valid_from:%Y-%m-%d} ({step.source})"
            for step in self.steps
        )

    @property
    def source(self) -> str:
        """Where the rates came from, joined by `+` for a cross rate."""
        return "+".join(dict.fromkeys(step.source for step in self.steps))


@cache
def same_currency(code: str) -> Conversion:
    """The conversion of a currency into itself, which changes nothing."""
    return Conversion(check_currency(code), code, Fraction(1))


class ExchangeRates:
    """An immutable table of dated rates: direct ones, their inverses, and crosses over other currencies.

    The route with the fewest steps wins; of routes with as many, the one whose currencies come first in the
    alphabet, read from the pair's first in the alphabet: both directions take the same route. Of two rates of one
    pair, whichever way round they were given, the later one in force holds.
    """

    def __init__(self, rates: Iterable[ExchangeRate] = ()) -> None:
        self._by_pair: dict[tuple[str, str], list[ExchangeRate]] = {}
        self._neighbours: dict[str, list[str]] = {}
        for rate in sorted(rates, key=lambda rate: rate.valid_from):
            pair = _pair(rate.base, rate.quote)
            known = self._by_pair.setdefault(pair, [])
            if known and known[-1].valid_from == rate.valid_from:
                raise InvalidValue(f"two exchange rates for {pair[0]}/{pair[1]} from {rate.valid_from}")
            known.append(rate)
        for one, other in self._by_pair:
            self._neighbours.setdefault(one, []).append(other)
            self._neighbours.setdefault(other, []).append(one)
        for neighbours in self._neighbours.values():
            neighbours.sort()
        # between two of these instants no rate changes, so neither does any conversion
        self.changes = tuple(sorted({rate.valid_from for rate in self}))
        self._found: dict[tuple[str, str, int], Conversion] = {}

    def __iter__(self) -> Iterator[ExchangeRate]:
        for known in self._by_pair.values():
            yield from known

    def find(self, base: str, quote: str, at: datetime) -> Conversion:
        """The conversion in force at an instant; raises `MissingExchangeRate` where no route exists."""
        if base == quote:
            return same_currency(base)
        key = (base, quote, bisect_right(self.changes, at))
        found = self._found.get(key)
        if found is None:
            route = self._search(*_pair(base, quote), at)
            if route is None:
                raise MissingExchangeRate(f"no exchange rate from {base} to {quote} at {at:%Y-%m-%d %H:%M:%S} UTC")
            factor, steps = route
            if base > quote:
                factor, steps = 1 / factor, steps[::-1]
            found = self._found[key] = Conversion(base, quote, factor, steps)
        return found

    def _search(self, base: str, quote: str, at: datetime) -> tuple[Fraction, tuple[ExchangeRate, ...]] | None:
        routes: list[tuple[str, Fraction, tuple[ExchangeRate, ...]]] = [(base, Fraction(1), ())]
        seen = {base}
        while routes:
            reached = []
            for currency, factor, steps in routes:
                for neighbour in self._neighbours.get(currency, ()):
                    rate = None if neighbour in seen else self._in_force(currency, neighbour, at)
                    if rate is None:
                        continue
                    step = Fraction(rate.rate) if rate.base == currency else 1 / Fraction(rate.rate)
                    if neighbour == quote:
                        return factor * step, (*steps, rate)
                    seen.add(neighbour)
                    reached.append((neighbour, factor * step, (*steps, rate)))
            routes = reached
        return None

    def _in_force(self, base: str, quote: str, at: datetime) -> ExchangeRate | None:
        known = self._by_pair[_pair(base, quote)]
        index = bisect_right(known, at, key=lambda rate: rate.valid_from)
        return known[index - 1] if index else None

    def convert(self, money: Money, currency: str, at: datetime) -> Money:
        """`money` in another currency by the rate in force at an instant, rounded half-up to six places."""
        return Money.from_micros(self.find(money.currency, currency, at).apply(money.micros), currency)


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
