"""Exact money: whole millionths of one currency, and the one place where anything is rounded.

Amounts are kept in *micros*, whole millionths of a currency unit, because that is what every database stores
exactly in a 64-bit integer (rules, section 5). A float is refused wherever money is built; finer amounts than a
millionth must be rounded by their owner first, through `round_half_up`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from fractions import Fraction
from functools import total_ordering

from attrs import frozen

from astpp_billing.errors import CurrencyMismatch, InexactAmount, InvalidValue

MICROS = 1_000_000
"""Micros in one currency unit."""

PLACES = 6
"""The decimal places that an amount has at the most."""

MAX_MICROS = 9_000_000_000_000 * MICROS
"""The largest amount that is accepted anywhere: it fits a signed 64-bit integer."""

MAX_SCALE = 18
"""The decimal places that a price per minute, a percentage or an exchange rate has at the most."""

Exact = Decimal | int | str
"""What an exact number may be given as. A float is not one: `0.1` is not a tenth."""

EXACTLY = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Sums and products of decimals without rounding, whatever precision the caller's own context has."""

# ISO 4217, by minor units; the active currencies, without funds, metals and testing codes.
_WITH_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_3 = "BHD IQD JOD KWD LYD OMR TND"
_WITH_2 = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP"
    " CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES"
    " KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK"
    " NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB"
    " TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG"
)
_MINOR_UNITS = {code: units for units, codes in ((0, _WITH_0), (2, _WITH_2), (3, _WITH_3)) for code in codes.split()}

# micros in the smallest coin
_STEPS: dict[str, int] = {code: 10 ** (PLACES - units) for code, units in _MINOR_UNITS.items()}


def currencies() -> tuple[str, ...]:
    """The codes of all currencies that can be used, in alphabetical order (ISO 4217)."""
    return tuple(sorted(_MINOR_UNITS))


def check_currency(code: object) -> str:
    """Return `code` if it is the code of a currency in ISO 4217, else raise `InvalidValue`."""
    if not isinstance(code, str) or code not in _MINOR_UNITS:
        raise InvalidValue(f"not a currency code of ISO 4217: {code!r}")
    return code


def minor_units(code: str) -> int:
    """The decimal places of a currency's smallest coin: 2 for EUR, 0 for JPY, 3 for KWD (ISO 4217)."""
    return _MINOR_UNITS[check_currency(code)]


def minor_step(code: str) -> int:
    """The micros in a currency's smallest coin."""
    return _STEPS.get(code) or _STEPS[check_currency(code)]


def round_half_up(numerator: int, denominator: int) -> int:
    """The whole number nearest to `numerator / denominator`; a half goes away from zero.

    This is the only rounding in the library: prices, conversions, commissions, taxes and document lines all end
    here, each of them once. `denominator` is positive.
    """
    if numerator >= 0:
        return (2 * numerator + denominator) // (2 * denominator)
    return -((2 * -numerator + denominator) // (2 * denominator))


def most_within(limit: int, numerator: int, denominator: int) -> int:
    """The largest `n` for which `round_half_up(n × numerator, denominator)` is at most `limit`.

    `numerator` and `denominator` are positive; for a negative limit, some negative number.
    """
    # round_half_up(x, d) ≤ limit  ⇔  2x + d < 2d(limit + 1)
    return ((2 * limit + 1) * denominator - 1) // (2 * numerator)


def exact(value: object, name: str = "amount") -> Decimal:
    """`value` as a finite `Decimal`, unchanged.

    Raises `InexactAmount` for a float (or anything else that is not a `Decimal`, an `int` or a text), and
    `InvalidValue` for a text that is no number, for NaN, an infinity, and more than `MAX_SCALE` decimal places.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise InexactAmount(f"{name} must be a Decimal, an int or a str, not {type(value).__name__} {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise InvalidValue(f"{name} is not a number: {value!r}") from None
    if not number.is_finite():
        raise InvalidValue(f"{name} must be finite, not {value!r}")
    if number and not -MAX_SCALE <= number.adjusted() <= MAX_SCALE:
        raise InvalidValue(f"{name} is out of range: {value!r}")
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # a finite Decimal has a whole exponent
    if exponent < -MAX_SCALE:
        raise InvalidValue(f"{name} has more than {MAX_SCALE} decimal places: {value!r}")
    return number


def to_micros(value: object, name: str = "amount") -> int:
    """An exact number of currency units as whole micros; `InvalidValue` if it is finer than a millionth."""
    number = exact(value, name)
    numerator, denominator = number.as_integer_ratio()
    micros, rest = divmod(numerator * MICROS, denominator)
    if rest:
        raise InvalidValue(f"{name} is finer than a millionth, round it first: {value!r}")
    return check_micros(micros, name)


def check_whole(value: object, name: str) -> int:
    """Return `value` if it is an int; `InexactAmount` for a float or anything else."""
    if type(value) is not int:
        raise InexactAmount(f"{name} must be a whole number, not {type(value).__name__} {value!r}")
    return value


def check_micros(micros: object, name: str = "amount") -> int:
    """Return `micros` if it is an int that every database can hold, else raise."""
    if type(micros) is int and -MAX_MICROS <= micros <= MAX_MICROS:
        return micros
    raise InvalidValue(f"{name} of {check_whole(micros, name)} micros is beyond the largest amount, {MAX_MICROS}")


def from_micros(micros: int) -> Decimal:
    """Micros as a `Decimal` of currency units with six decimal places."""
    return from_units(micros, PLACES)


def from_units(units: int, places: int) -> Decimal:
    """A whole number of 10^-`places` as a `Decimal` with as many decimal places."""
    return Decimal(units).scaleb(-places, context=EXACTLY)


def round_to_minor(micros: int, currency: str) -> int:
    """`micros` rounded half-up to the minor unit of `currency`, in micros again."""
    step = minor_step(currency)
    return round_half_up(micros, step) * step


@total_ordering
@frozen(init=False, order=False, repr=False)
class Money:
    """An exact amount in one currency: `Money("12.50", "EUR")`.

    `amount` is a `Decimal`, an `int` or a text in currency units, at most six decimal places. Amounts of one
    currency can be added, subtracted, compared, negated, multiplied by an `int`, and split; two currencies never mix
    (`CurrencyMismatch`), floats are refused (`InexactAmount`, a `TypeError`).
    """

    micros: int
    currency: str

    def __init__(self, amount: Exact, currency: str) -> None:
        self.__attrs_init__(to_micros(amount), check_currency(currency))

    @classmethod
    def from_micros(cls, micros: int, currency: str) -> Money:
        """The amount of `micros` millionths of the currency's unit."""
        money = cls.__new__(cls)
        money.__attrs_init__(check_micros(micros), check_currency(currency))
        return money

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in `currency`."""
        return cls.from_micros(0, currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """The sum of `amounts`, all of them in `currency`; zero where there are none."""
        result = cls.zero(currency)
        for amount in amounts:
            result += amount
        return result

    @property
    def amount(self) -> Decimal:
        """The amount in currency units, with six decimal places."""
        return from_micros(self.micros)

    def rounded(self) -> Money:
        """The amount rounded half-up to the currency's minor unit."""
        return Money.from_micros(round_to_minor(self.micros, self.currency), self.currency)

    def split(self, weights: Sequence[int]) -> tuple[Money, ...]:
        """The amount in parts proportional to `weights`, which add up to it to the last micro.

        A micro that cannot be divided goes to the parts with the largest remainders, the first ones first.
        """
        if not weights or any(type(weight) is not int or weight < 0 for weight in weights) or not sum(weights):
            raise InvalidValue(f"weights must be whole numbers from 0, not all 0: {weights!r}")
        total = sum(weights)
        floors, remainders = zip(*(divmod(self.micros * weight, total) for weight in weights), strict=True)
        parts = list(floors)
        by_remainder = sorted(range(len(parts)), key=lambda index: -remainders[index])
        for index in by_remainder[: self.micros - sum(parts)]:
            parts[index] += 1
        return tuple(Money.from_micros(part, self.currency) for part in parts)

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be mixed")
        return other.micros

    def __add__(self, other: object) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money.from_micros(self.micros + self._same(other), self.currency)

    def __sub__(self, other: object) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money.from_micros(self.micros - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money.from_micros(-self.micros, self.currency)

    def __mul__(self, factor: object) -> Money:
        if type(factor) is not int:
            return NotImplemented
        return Money.from_micros(self.micros * factor, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self.micros < self._same(other)

    def __bool__(self) -> bool:
        return self.micros != 0

    def __str__(self) -> str:
        return f"{plain(self.amount, minor_units(self.currency))} {self.currency}"

    def __repr__(self) -> str:
        return f"Money({plain(self.amount)!r}, {self.currency!r})"


def plain(number: Decimal, places: int = 0) -> str:
    """A number without exponent or trailing zeros, but with at least `places` decimal places."""
    whole, _, decimals = f"{number:f}".partition(".")
    decimals = decimals.rstrip("0").ljust(places, "0")
    return f"{whole}.{decimals}" if decimals else whole


def percent(value: object, name: str, *, least: int = 0, most: int | None = None) -> Decimal:
    """An exact percentage between `least` and `most`; `InvalidValue` outside."""
    number = exact(value, name)
    if number < least or (most is not None and number > most):
        upper = "" if most is None else f" and at most {most}"
        raise InvalidValue(f"{name} must be at least {least}{upper} percent, not {number}")
    return number


def part_of(micros: int, part: Fraction) -> int:
    """An exact part of an amount, or a multiple of it, rounded half-up to whole micros."""
    return round_half_up(micros * part.numerator, part.denominator)


def share_of(micros: int, percentage: Decimal, conversion: Fraction = Fraction(1)) -> int:
    """`percentage` percent of `micros`, converted, rounded once to whole micros."""
    numerator, denominator = percentage.as_integer_ratio()
    return round_half_up(micros * numerator * conversion.numerator, denominator * 100 * conversion.denominator)
