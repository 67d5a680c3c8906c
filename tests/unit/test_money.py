"""Money: exact, in one currency, and never from a float."""

from copy import deepcopy
from decimal import Context, Decimal, Inexact, localcontext

import pytest

from astpp_billing.errors import InexactAmount, InvalidValue
from astpp_billing.money import (
    MAX_MICROS,
    Money,
    check_currency,
    check_micros,
    check_whole,
    currencies,
    exact,
    from_micros,
    minor_units,
    most_within,
    percent,
    plain,
    round_half_up,
    share_of,
    to_micros,
)


@pytest.mark.parametrize("amount", ["12.50", Decimal("12.5"), " 12.5 ", "1.25e1"])
def test_an_amount_is_given_as_text_or_decimal(amount: Decimal | str) -> None:
    assert Money(amount, "EUR").micros == 12_500_000


def test_an_amount_is_given_as_int() -> None:
    assert Money(12, "EUR") == Money("12", "EUR")


@pytest.mark.parametrize("amount", [0.1, 1.0, float("nan"), True, None, b"1", 1j])
def test_a_float_is_a_type_error(amount: object) -> None:
    with pytest.raises(InexactAmount, match="amount must be a Decimal, an int or a str"):
        Money(amount, "EUR")  # type: ignore[arg-type]  # that is what is tested


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity", Decimal("NaN"), Decimal("-Infinity")])
def test_nan_and_infinity_are_value_errors(amount: Decimal | str) -> None:
    with pytest.raises(InvalidValue, match="must be finite"):
        Money(amount, "EUR")


@pytest.mark.parametrize("amount", ["", "abc", "1,5", "1.2.3", "0x10"])
def test_a_text_that_is_no_number_is_a_value_error(amount: str) -> None:
    with pytest.raises(InvalidValue, match="is not a number"):
        Money(amount, "EUR")


@pytest.mark.parametrize("amount", ["1e19", "-1e19", "1e-19", "1e400", "1e999999"])
def test_a_number_out_of_range_is_a_value_error(amount: str) -> None:
    with pytest.raises(InvalidValue, match="out of range"):
        exact(amount)


def test_decimal_places_have_a_limit() -> None:
    assert exact("1.000000000000000001") == Decimal("1.000000000000000001")
    assert exact("1e18") == 10**18
    assert exact("1e-18") == Decimal("1e-18")
    with pytest.raises(InvalidValue, match="more than 18 decimal places"):
        exact("1.0000000000000000001")
    with pytest.raises(InvalidValue, match="more than 18 decimal places"):
        exact("0e-19")


def test_an_amount_finer_than_a_millionth_must_be_rounded_first() -> None:
    assert to_micros("0.000001") == 1
    with pytest.raises(InvalidValue, match="finer than a millionth"):
        to_micros("0.0000001")


def test_an_amount_fits_into_every_database() -> None:
    assert Money.from_micros(MAX_MICROS, "EUR").micros < 2**63
    assert check_micros(-MAX_MICROS) == -MAX_MICROS
    for beyond in (MAX_MICROS + 1, -MAX_MICROS - 1):
        with pytest.raises(InvalidValue, match="beyond the largest amount"):
            Money.from_micros(beyond, "EUR")
    with pytest.raises(InvalidValue, match="beyond the largest amount"):
        Money.from_micros(MAX_MICROS, "EUR") + Money("0.000001", "EUR")


@pytest.mark.parametrize("value", [1.0, "1", Decimal(1), True, None])
def test_micros_are_an_int(value: object) -> None:
    with pytest.raises(InexactAmount, match="must be a whole number"):
        check_micros(value)
    with pytest.raises(InexactAmount, match="weight must be a whole number"):
        check_whole(value, "weight")


@pytest.mark.parametrize("code", ["eur", "EURO", "", "XXX", None, 978, ["EUR"]])
def test_a_currency_is_one_of_iso_4217(code: object) -> None:
    with pytest.raises(InvalidValue, match="not a currency code"):
        check_currency(code)
    with pytest.raises(InvalidValue):
        Money(1, code)  # type: ignore[arg-type]  # that is what is tested


def test_minor_units() -> None:
    assert [minor_units(code) for code in ("EUR", "JPY", "KWD")] == [2, 0, 3]
    assert list(currencies()) == sorted(set(currencies()))
    assert {"EUR", "JPY", "KWD", "USD"} < set(currencies())


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [(1, 2, 1), (-1, 2, -1), (3, 2, 2), (-3, 2, -2), (1, 3, 0), (2, 3, 1), (-2, 3, -1), (0, 5, 0), (7, 1, 7)],
)
def test_a_half_goes_away_from_zero(numerator: int, denominator: int, expected: int) -> None:
    assert round_half_up(numerator, denominator) == expected


def test_what_rounds_to_a_limit() -> None:
    assert most_within(1, 1, 10) == 14  # 1.4 is rounded to 1, 1.5 to 2
    assert most_within(0, 1, 1) == 0
    assert most_within(5, 3, 1) == 1


class TestMoney:
    def test_shows_its_amount_with_the_currencys_decimal_places(self) -> None:
        assert str(Money("1234.5", "EUR")) == "1234.50 EUR"
        assert str(Money("0.000001", "EUR")) == "0.000001 EUR"
        assert str(Money(7, "JPY")) == "7 JPY"
        assert str(Money("-0.1", "KWD")) == "-0.100 KWD"
        assert repr(Money("1234.50", "EUR")) == "Money('1234.5', 'EUR')"

    def test_is_a_value(self) -> None:
        money = Money("1.5", "EUR")
        assert hash(money) == hash(Money("1.50", "EUR"))
        assert deepcopy(money) == money
        with pytest.raises(AttributeError):
            money.micros = 2  # type: ignore[misc]  # that is what is tested

    def test_is_not_equal_to_the_same_number_of_another_currency(self) -> None:
        assert Money(1, "EUR") != Money(1, "USD")
        assert Money(1, "EUR").__eq__(1_000_000) is NotImplemented

    @pytest.mark.parametrize("other", [1, "1", Decimal(1), None])
    def test_calculates_with_money_only(self, other: object) -> None:
        money = Money(1, "EUR")
        for calculate in (money.__add__, money.__sub__, money.__lt__):
            assert calculate(other) is NotImplemented

    @pytest.mark.parametrize("factor", [True, "2", Decimal(2), 2.0, None])
    def test_is_multiplied_by_ints_only(self, factor: object) -> None:
        assert Money(1, "EUR") * 2 == 2 * Money(1, "EUR") == Money(2, "EUR")
        assert Money(1, "EUR").__mul__(factor) is NotImplemented

    def test_total_of_nothing_is_zero(self) -> None:
        assert Money.total([], "EUR") == Money.zero("EUR")
        assert not Money.zero("EUR")
        assert Money("0.000001", "EUR")

    def test_splits_by_weights(self) -> None:
        parts = Money("10", "EUR").split([1, 1, 1])
        assert [str(part) for part in parts] == ["3.333334 EUR", "3.333333 EUR", "3.333333 EUR"]
        assert [part.micros for part in Money.from_micros(-5, "EUR").split([1, 0, 1])] == [-2, 0, -3]
        # the largest remainder first: 7 × 2/5 = 2.8, 7 × 3/5 = 4.2
        assert [part.micros for part in Money.from_micros(7, "EUR").split([2, 3])] == [3, 4]
        assert [part.micros for part in Money.from_micros(7, "EUR").split([3, 2])] == [4, 3]

    @pytest.mark.parametrize("weights", [[], [0, 0], [-1, 2], [0.5, 0.5], [True]])
    def test_refuses_weights_that_are_none(self, weights: list[int]) -> None:
        with pytest.raises(InvalidValue, match="weights must be whole numbers"):
            Money(1, "EUR").split(weights)

    def test_rounds_to_the_smallest_coin(self) -> None:
        assert Money("0.005", "EUR").rounded() == Money("0.01", "EUR")
        assert Money("-0.005", "EUR").rounded() == Money("-0.01", "EUR")
        assert Money("0.499999", "JPY").rounded() == Money(0, "JPY")
        assert Money("0.0005", "KWD").rounded() == Money("0.001", "KWD")

    def test_is_exact_in_a_context_of_few_digits_that_traps_what_is_not(self) -> None:
        with localcontext(Context(prec=3, traps=[Inexact])):
            assert str(Money("1234567.891234", "EUR")) == "1234567.891234 EUR"
            assert Money("1234567.891234", "EUR").amount == Decimal("1234567.891234")


def test_amounts_have_six_decimal_places() -> None:
    assert str(from_micros(1_500_000)) == "1.500000"
    assert from_micros(-1) == Decimal("-0.000001")


@pytest.mark.parametrize(
    ("number", "places", "expected"),
    [("1.500", 0, "1.5"), ("100", 0, "100"), ("1E+3", 0, "1000"), ("1.5", 3, "1.500"), ("0E-6", 2, "0.00")],
)
def test_plain_text(number: str, places: int, expected: str) -> None:
    assert plain(Decimal(number), places) == expected


def test_a_percentage_has_bounds() -> None:
    assert percent("12.5", "share", most=100) == Decimal("12.5")
    assert percent(100, "share", most=100) == 100
    assert percent(-100, "markup", least=-100) == -100
    assert percent(1000, "markup") == 1000
    for value, most in (("-0.1", None), ("100.01", 100)):
        with pytest.raises(InvalidValue, match="share must be at least 0"):
            percent(value, "share", most=most)
    with pytest.raises(InexactAmount):
        percent(0.5, "share")


def test_a_share_is_rounded_half_up() -> None:
    assert share_of(5, Decimal(10)) == 1
    assert share_of(4, Decimal(10)) == 0
    assert share_of(-5, Decimal(10)) == -1
