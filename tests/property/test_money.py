from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from astpp_billing.errors import CurrencyMismatch, InexactAmount
from astpp_billing.money import (
    MAX_MICROS,
    MICROS,
    Money,
    exact,
    from_micros,
    from_units,
    minor_units,
    most_within,
    percent,
    plain,
    round_half_up,
    round_to_minor,
    share_of,
    to_micros,
)
from astpp_billing.testing import strategies as billing

LARGE = MAX_MICROS // 8


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20))
def test_rounding(numerator: int, denominator: int) -> None:
    """Rounding is half-up, away from zero, as Decimal's ROUND_HALF_UP is."""
    wide = Context(prec=120)
    quotient = wide.divide(Decimal(numerator), Decimal(denominator))

    assert round_half_up(numerator, denominator) == quotient.quantize(Decimal(1), ROUND_HALF_UP, wide)


@given(st.integers(-(10**12), 10**12))
def test_a_half_goes_away_from_zero(whole: int) -> None:
    """A half is rounded away from zero."""
    assert round_half_up(2 * whole + 1, 2) == (whole + 1 if whole >= 0 else whole)


@given(st.integers(0, 10**18), st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_inverse_of_rounding(limit: int, numerator: int, denominator: int) -> None:
    """`most_within` is the exact inverse of `round_half_up`."""
    most = most_within(limit, numerator, denominator)

    assert round_half_up(most * numerator, denominator) <= limit < round_half_up((most + 1) * numerator, denominator)


@given(billing.micros(least=-MAX_MICROS), st.integers(1, 40))
def test_micros_are_exact_whatever_the_callers_decimal_context_is(micros: int, precision: int) -> None:
    """Exact arithmetic throughout: the precision of the caller's decimal context changes no amount."""
    with localcontext(Context(prec=precision)):
        number = from_micros(micros)
        assert to_micros(number) == micros
        assert to_micros(plain(number)) == micros
    assert Fraction(number) == Fraction(micros, MICROS)


@given(st.integers(0, 10**60), st.integers(0, 18))
def test_units_are_exact(units: int, places: int) -> None:
    """A price of many digits is not rounded a second time."""
    number = from_units(units, places)

    assert Fraction(number) == Fraction(units, 10**places)
    assert number.as_tuple().exponent == -places


@given(st.one_of(st.floats(), st.booleans(), st.none(), st.binary(), st.complex_numbers(), st.fractions()))
def test_what_is_not_exact_is_no_amount(value: object) -> None:
    """No float comes near money; a float argument is a `TypeError`."""
    with pytest.raises(InexactAmount):
        exact(value)
    with pytest.raises(TypeError):
        Money(value, "EUR")  # type: ignore[arg-type]  # that is what is tested


@given(st.floats(), billing.money())
def test_money_does_not_calculate_with_floats(value: float, money: Money) -> None:
    """Money cannot be multiplied, added to or compared with a float."""
    with pytest.raises(TypeError):
        money * value
    with pytest.raises(TypeError):
        money + value
    with pytest.raises(TypeError):
        money < value  # noqa: B015 (that it raises)
    assert Money.__eq__(money, value) is NotImplemented


@given(billing.money(), billing.money())
def test_two_currencies_never_mix(one: Money, other: Money) -> None:
    """Amounts of two currencies are neither added, subtracted nor compared, and never equal."""
    assume(one.currency != other.currency)

    for calculate in (Money.__add__, Money.__sub__, Money.__lt__, Money.__le__, Money.__gt__, Money.__ge__):
        with pytest.raises(CurrencyMismatch):
            calculate(one, other)
    assert one != other


@given(billing.money("EUR", most=LARGE), billing.money("EUR", most=LARGE), st.integers(-4, 4))
def test_money_is_a_number_of_micros(one: Money, other: Money, factor: int) -> None:
    """Sums, differences, multiples and comparisons are those of the micros."""
    assert (one + other).micros == one.micros + other.micros
    assert (one - other).micros == one.micros - other.micros
    assert (-one).micros == -one.micros
    assert (one * factor).micros == (factor * one).micros == one.micros * factor
    assert (one < other, one <= other, one == other) == (
        one.micros < other.micros,
        one.micros <= other.micros,
        one.micros == other.micros,
    )
    assert Money.total([one, other, one], "EUR") == one + other + one
    assert bool(one) is (one.micros != 0)
    assert Money(one.amount, "EUR") == one == eval(repr(one))  # noqa: S307 (its own text)


@given(billing.money("EUR"), st.lists(st.integers(0, 10**6), min_size=1, max_size=8).filter(any))
def test_splitting_loses_nothing(money: Money, weights: list[int]) -> None:
    """The parts add up to the amount to the last micro, and each is less than a micro from its exact share."""
    parts = money.split(weights)

    assert Money.total(parts, "EUR") == money
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.micros - Fraction(money.micros * weight, sum(weights))) < 1


@given(billing.money("EUR"), st.integers(1, 9))
def test_equal_shares_differ_by_a_micro_at_the_most_and_the_first_get_it(money: Money, count: int) -> None:
    """A micro that cannot be divided goes to the first parts."""
    parts = [part.micros for part in money.split([1] * count)]

    assert parts == sorted(parts, reverse=True)
    assert parts[0] - parts[-1] <= 1


@given(billing.money())
def test_rounding_to_the_smallest_coin(money: Money) -> None:
    """An amount is rounded half-up to the minor unit of its currency."""
    step = Decimal(1).scaleb(-minor_units(money.currency))

    assert money.rounded().amount == money.amount.quantize(step, ROUND_HALF_UP)
    assert round_to_minor(money.micros, money.currency) == money.rounded().micros


@given(billing.micros(10**15), billing.percentages(), st.fractions(min_value=0, max_value=100))
def test_a_share_is_rounded_once(micros: int, percentage: Decimal, conversion: Fraction) -> None:
    """A commission is worked out and converted exactly, and rounded once."""
    expected = Fraction(micros) * Fraction(percentage) / 100 * conversion

    assert abs(share_of(micros, percentage, conversion) - expected) <= Fraction(1, 2)
    assert share_of(micros, percent(percentage, "share")) == round_half_up(micros * int(percentage * 10**4), 10**6)


@given(billing.exact_decimals(10**9, 18))
def test_plain_text_is_exact(number: Decimal) -> None:
    """A number as a text is the same number, without exponent."""
    text = plain(number, 2)

    assert Decimal(text) == number
    assert "E" not in text
    assert len(text.partition(".")[2]) >= 2
