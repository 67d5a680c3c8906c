from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property import reference

from astpp_billing.errors import MissingExchangeRate
from astpp_billing.fx import ExchangeRate, ExchangeRates
from astpp_billing.money import Money
from astpp_billing.testing import strategies as billing

CODES = ("AUD", "CHF", "EUR", "GBP", "JPY", "USD")

any_code = st.sampled_from(CODES)


@st.composite
def sparse_rates(draw: st.DrawFn) -> list[ExchangeRate]:
    """Rates between some of the currencies, so that some pairs have no route, and others several."""
    pairs = draw(
        st.lists(
            st.tuples(any_code, any_code, st.sampled_from(billing.CHANGES)).filter(lambda each: each[0] != each[1]),
            max_size=12,
            unique_by=lambda each: (frozenset(each[:2]), each[2]),
        )
    )
    return [ExchangeRate(base, quote, draw(billing.exact_decimals().filter(bool)), at) for base, quote, at in pairs]


@given(sparse_rates(), any_code, any_code, billing.instants())
def test_a_conversion_goes_by_the_shortest_route_of_rates_in_force(
    known: Sequence[ExchangeRate], base: str, quote: str, at: datetime
) -> None:
    """Inverse and cross rates are derived, and a missing rate refuses: it is never 1."""
    table = ExchangeRates(known)
    expected = reference.factor(known, base, quote, at)

    for _ in range(2):  # as found, and as remembered
        if expected is None:
            with pytest.raises(MissingExchangeRate, match=f"from {base} to {quote}"):
                table.find(base, quote, at)
        else:
            assert table.find(base, quote, at).factor == expected


@given(billing.exchange_rates(CODES), any_code, any_code, billing.instants())
def test_the_way_back_is_the_inverse(table: ExchangeRates, base: str, quote: str, at: datetime) -> None:
    """Both directions take the same route, so that one factor is the inverse of the other."""
    there, back = table.find(base, quote, at), table.find(quote, base, at)

    assert there.factor * back.factor == 1
    assert there.steps == back.steps[::-1]


@given(billing.exchange_rates(CODES), any_code, any_code, billing.instants())
def test_a_conversion_names_the_rates_it_was_made_of(table: ExchangeRates, base: str, quote: str, at: datetime) -> None:
    """Pair, rate and source are kept with the charge."""
    conversion = table.find(base, quote, at)
    code, factor = base, Fraction(1)

    for step in conversion.steps:
        assert step in set(table)
        assert step.valid_from <= at
        forwards = step.base == code
        factor *= Fraction(step.rate) if forwards else 1 / Fraction(step.rate)
        code = step.quote if forwards else step.base
        assert step.source in conversion.source.split("+")
    assert (code, factor) == (quote, conversion.factor)


@given(billing.exchange_rates(CODES), any_code, any_code, billing.instants(), billing.micros(10**12))
def test_a_conversion_is_rounded_half_up_once(
    table: ExchangeRates, base: str, quote: str, at: datetime, micros: int
) -> None:
    """A price is converted by the rate in force, and rounded half-up to six places."""
    conversion = table.find(base, quote, at)
    expected = reference.half_up(Fraction(micros) * conversion.factor, 0)

    assert conversion.apply(micros) == expected
    assert conversion.apply(-micros) == -expected
    assert table.convert(Money.from_micros(micros, base), quote, at) == Money.from_micros(int(expected), quote)


@given(billing.exchange_rates(CODES), any_code, any_code, billing.instants(), billing.micros(10**12))
def test_the_most_that_an_amount_pays_for(
    table: ExchangeRates, base: str, quote: str, at: datetime, micros: int
) -> None:
    """`most` is the exact inverse of a conversion."""
    conversion = table.find(base, quote, at)
    most = conversion.most(micros)

    assert conversion.apply(most) <= micros < conversion.apply(most + 1)


@given(billing.exchange_rates(CODES), any_code, any_code)
def test_no_rate_is_in_force_before_its_instant(table: ExchangeRates, base: str, quote: str) -> None:
    """A rate holds from its instant on, not a microsecond earlier."""
    before = billing.CHANGES[0] - timedelta(microseconds=1)

    if base == quote:
        assert table.find(base, quote, before).factor == 1
    else:
        with pytest.raises(MissingExchangeRate):
            table.find(base, quote, before)


@given(st.permutations([1, 2, 3]))
def test_of_one_pair_the_later_rate_holds_whatever_the_order_they_were_given_in(order: list[int]) -> None:
    """Of two rates of one pair, whichever way round they were given, the later one in force holds."""
    known = {
        1: ExchangeRate("EUR", "USD", Decimal(2), billing.CHANGES[0]),
        2: ExchangeRate("USD", "EUR", Decimal(4), billing.CHANGES[1]),
        3: ExchangeRate("EUR", "USD", Decimal(8), billing.CHANGES[2]),
    }
    table = ExchangeRates([known[index] for index in order])

    assert [table.find("EUR", "USD", at).factor for at in billing.CHANGES] == [2, Fraction(1, 4), 8]
