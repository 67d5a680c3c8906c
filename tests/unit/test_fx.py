"""Exchange rates: dated, with inverses and crosses; a missing one is never 1."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from astpp_billing.errors import InexactAmount, InvalidValue, MissingExchangeRate
from astpp_billing.fx import ExchangeRate, ExchangeRates, same_currency
from astpp_billing.money import Money

JANUARY = datetime(2025, 1, 1, tzinfo=UTC)
JUNE = datetime(2025, 6, 1, tzinfo=UTC)

TABLE = ExchangeRates(
    [
        ExchangeRate("EUR", "USD", Decimal("1.10"), JANUARY, "ecb"),
        ExchangeRate("EUR", "USD", Decimal("1.20"), JUNE, "ecb"),
        ExchangeRate("EUR", "GBP", Decimal("0.80"), JANUARY, "bank"),
    ]
)


@pytest.mark.parametrize("rate", [0, -1, "NaN", "abc"])
def test_a_rate_is_above_zero(rate: int | str) -> None:
    with pytest.raises(InvalidValue):
        ExchangeRate("EUR", "USD", rate, JANUARY)


def test_a_rate_is_exact() -> None:
    with pytest.raises(InexactAmount):
        ExchangeRate("EUR", "USD", 1.1, JANUARY)


def test_a_rate_needs_two_currencies() -> None:
    with pytest.raises(InvalidValue, match="two currencies"):
        ExchangeRate("EUR", "EUR", 1, JANUARY)
    with pytest.raises(InvalidValue, match="not a currency code"):
        ExchangeRate("EUR", "XYZ", 1, JANUARY)


def test_a_rate_has_an_instant() -> None:
    with pytest.raises(InvalidValue, match="time zone"):
        ExchangeRate("EUR", "USD", 1, datetime(2025, 1, 1))  # noqa: DTZ001 (that is what is tested)


def test_two_rates_of_one_pair_cannot_begin_together() -> None:
    with pytest.raises(InvalidValue, match="two exchange rates for EUR/USD"):
        ExchangeRates([ExchangeRate("EUR", "USD", 1, JANUARY), ExchangeRate("USD", "EUR", 1, JANUARY)])


def test_the_rate_in_force_holds() -> None:
    assert TABLE.find("EUR", "USD", JUNE - timedelta(microseconds=1)).factor == Fraction("1.1")
    assert TABLE.find("EUR", "USD", JUNE).factor == Fraction("1.2")
    assert TABLE.find("USD", "EUR", JUNE).factor == Fraction(5, 6)


def test_a_cross_rate_is_derived_and_names_its_sources() -> None:
    cross = TABLE.find("USD", "GBP", JUNE)

    assert cross.factor == Fraction("0.8") / Fraction("1.2")
    assert cross.source == "ecb+bank"
    assert [step.quote for step in cross.steps] == ["USD", "GBP"]
    assert (cross.base, cross.quote) == ("USD", "GBP")


def test_of_two_routes_both_directions_take_the_same() -> None:
    pairs = [("AUD", "EUR"), ("EUR", "JPY"), ("JPY", "USD"), ("AUD", "GBP"), ("GBP", "CHF"), ("CHF", "USD")]
    table = ExchangeRates(
        ExchangeRate(one, other, Decimal(index), JANUARY) for index, (one, other) in enumerate(pairs, start=2)
    )

    assert table.find("AUD", "USD", JUNE).factor == 2 * 3 * 4
    assert table.find("USD", "AUD", JUNE).factor == Fraction(1, 2 * 3 * 4)


def test_of_two_routes_the_first_in_the_alphabet_is_taken_whatever_the_order_of_the_rates() -> None:
    pairs = [("AUD", "GBP", 2), ("GBP", "USD", 3), ("AUD", "EUR", 5), ("EUR", "USD", 7)]
    for order in (pairs, pairs[::-1]):
        table = ExchangeRates(ExchangeRate(one, other, factor, JANUARY) for one, other, factor in order)

        assert table.find("AUD", "USD", JUNE).factor == 5 * 7


def test_the_same_currency_changes_nothing() -> None:
    same = TABLE.find("JPY", "JPY", JANUARY)

    assert same is same_currency("JPY")
    assert same.factor == 1
    assert not same.steps
    assert not same.source
    assert same.apply(7) == same.most(7) == 7
    with pytest.raises(InvalidValue, match="not a currency code"):
        TABLE.find("XYZ", "XYZ", JANUARY)


@pytest.mark.parametrize(
    ("base", "quote", "at"),
    [("EUR", "JPY", JUNE), ("JPY", "EUR", JUNE), ("EUR", "USD", JANUARY - timedelta(microseconds=1))],
)
def test_a_missing_rate_is_never_1(base: str, quote: str, at: datetime) -> None:
    with pytest.raises(MissingExchangeRate, match=f"no exchange rate from {base} to {quote} at {at:%Y-%m-%d}"):
        TABLE.find(base, quote, at)
    with pytest.raises(MissingExchangeRate):
        ExchangeRates().find(base, quote, at)


def test_money_is_converted_half_up_to_six_places() -> None:
    assert TABLE.convert(Money("0.000001", "USD"), "EUR", JUNE) == Money("0.000001", "EUR")
    assert TABLE.convert(Money(1, "USD"), "EUR", JUNE) == Money("0.833333", "EUR")
    assert TABLE.convert(Money(-1, "USD"), "EUR", JANUARY) == Money("-0.909091", "EUR")


def test_a_table_gives_its_rates_back() -> None:
    assert sorted(rate.rate for rate in TABLE) == [Decimal("0.80"), Decimal("1.10"), Decimal("1.20")]
    assert TABLE.changes == (JANUARY, JUNE)
