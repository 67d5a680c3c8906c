from collections.abc import Sequence
from datetime import datetime
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.property import reference

from astpp_billing.fx import ExchangeRates
from astpp_billing.pricing import Rate, RateGroup, RateTable, Tariff, Terms, explain, max_seconds, price
from astpp_billing.pricing.table import LAST
from astpp_billing.testing import strategies as billing


@st.composite
def rate_and_seconds(draw: st.DrawFn) -> tuple[Rate, RateGroup, int]:
    rate, group = draw(billing.rates()), draw(billing.rate_groups())
    return rate, group, draw(billing.call_seconds([Terms.in_group(rate, group)]))


def naive(rate: Rate, places: int, seconds: int) -> Fraction:
    """The price by a rate alone: no markup, and 1 for both increments where the rate has none."""
    per_second = Fraction(rate.price_per_minute) / 60
    initial = 1 if rate.initial_increment is None else rate.initial_increment
    charged = reference.charged_seconds(seconds, rate.included_seconds, initial, rate.increment or 1)
    exact = Fraction(rate.connection_fee) + per_second * charged
    return reference.half_up(exact, places) if seconds else Fraction(0)


@given(rate_and_seconds())
def test_the_price_of_a_group(case: tuple[Rate, RateGroup, int]) -> None:
    """price = connection fee + per_minute × (1 + markup/100) × charged / 60, rounded half-up to the group's places."""
    rate, group, seconds = case
    expected = reference.price(rate, group, seconds)
    terms = Terms.in_group(rate, group)

    assert Fraction(terms.micros(seconds), 10**6) == expected
    assert Fraction(terms.units(seconds), 10**group.places) == expected


@given(rate_and_seconds(), st.integers(0, 18), st.integers(1, 40))
def test_the_price_of_a_rate_alone(case: tuple[Rate, RateGroup, int], places: int, precision: int) -> None:
    """`price` is exact to any number of places, whatever the precision of the caller's decimal context."""
    rate, _, seconds = case

    with localcontext(Context(prec=precision)):
        result = price(rate, seconds, places)

    assert Fraction(result) == naive(rate, places, seconds)
    assert result.as_tuple().exponent == -places


@given(rate_and_seconds(), st.integers(0, 200))
def test_a_longer_call_never_costs_less(case: tuple[Rate, RateGroup, int], more: int) -> None:
    """The price never falls as the seconds grow."""
    rate, group, seconds = case
    terms = Terms.in_group(rate, group)

    assert terms.units(seconds) <= terms.units(seconds + more)
    assert price(rate, seconds) <= price(rate, seconds + more)


@given(rate_and_seconds(), billing.exact_decimals(places=18), st.integers(0, 7200), st.sampled_from([0, 2, 6, 18]))
def test_the_longest_call_that_funds_pay_for(
    case: tuple[Rate, RateGroup, int], funds: Decimal, longest: int, places: int
) -> None:
    """`price(n) ≤ funds < price(n + 1)`, including a longest-call bound."""
    rate, _, _ = case
    seconds = max_seconds(rate, funds, longest, places)

    assert 0 <= seconds <= longest
    assert price(rate, seconds, places) <= funds
    assert seconds == longest or funds < price(rate, seconds + 1, places)


@given(rate_and_seconds(), st.integers(-2, 2))
def test_funds_of_exactly_a_price_pay_for_the_call(case: tuple[Rate, RateGroup, int], more: int) -> None:
    """Authorising and charging agree at the edge: a unit less than the price does not pay for the call."""
    rate, group, seconds = case
    terms = Terms.in_group(rate, group)
    funds = terms.units(seconds) + more

    most = terms.max_seconds(funds, 10**6)

    assert (most >= seconds) is (seconds == 0 or more >= 0)
    assert funds < 0 or terms.units(most) <= funds
    assert most == 10**6 or funds < terms.units(most + 1)


@given(billing.rate_lists(), st.data())
def test_look_up(rates: Sequence[Rate], data: st.DataObject) -> None:
    """The longest matching prefix wins, then the rate that is valid at the start of the call; never the price."""
    table = RateTable(rates)
    number = data.draw(billing.numbers([rate.prefix for rate in rates]))
    at = data.draw(billing.instants())

    assert table.find(number, at) is reference.find(rates, number, at)
    assert table.find(number) is reference.find(rates, number)


@given(billing.rate_lists(), st.text("0199:;#*+a\U0010ffff", max_size=5), billing.instants())
def test_look_up_of_what_is_no_number(rates: Sequence[Rate], text: str, at: datetime) -> None:
    """Whatever is dialled, a rate is found if and only if its prefix is the beginning of it."""
    assert RateTable(rates).find(text, at) is reference.find(rates, text, at)


@given(billing.rate_lists(), st.text("0129:a", max_size=4), st.text("0129:a", max_size=4))
def test_ranges_are_disjoint(rates: Sequence[Rate], one: str, other: str) -> None:
    """A prefix index is a sorted table of disjoint number ranges: two numbers share all of theirs or none."""
    table = RateTable(rates)
    start, end, node = table.range_of(one)

    assert start <= one < end <= LAST
    assert (start <= other < end) is (table.range_of(other) == (start, end, node))


@given(billing.rate_lists(max_size=30))
def test_a_table_gives_its_rates_back(rates: Sequence[Rate]) -> None:
    """A table has each of its rates once, by prefix, and the newest first."""
    listed = list(RateTable(rates))

    assert len(RateTable(rates)) == len(listed) == len(rates)
    assert set(listed) == set(rates)
    for one, following in pairwise(listed):
        assert one.prefix <= following.prefix
        if one.prefix == following.prefix:
            assert one.valid_from is not None
            assert following.valid_from is None or one.valid_from > following.valid_from


@given(rate_and_seconds(), billing.exchange_rates(), st.sampled_from(billing.WALLETS), billing.instants())
def test_an_explanation_agrees_with_the_price(
    case: tuple[Rate, RateGroup, int], exchange: ExchangeRates, wallet: str, at: datetime
) -> None:
    """The steps of an explanation lead from the seconds to exactly the price that is charged."""
    rate, group, seconds = case
    conversion = exchange.find(group.currency, wallet, at)

    it = explain(Tariff(group, RateTable([rate])), rate, seconds, conversion)

    assert it.charged_seconds == (it.initial_increment + it.blocks * it.increment if it.charged_seconds else 0)
    assert it.billable_seconds == max(0, seconds - rate.included_seconds)
    assert Fraction(it.per_minute) == Fraction(rate.price_per_minute) * (1 + Fraction(group.markup_percent) / 100)
    fee = Fraction(rate.connection_fee) if seconds else 0
    assert it.unrounded == fee + Fraction(it.per_minute) * it.charged_seconds / 60
    assert Fraction(it.price) == reference.half_up(it.unrounded, group.places)
    assert Fraction(it.price) == reference.price(rate, group, seconds)
    expected = (
        Fraction(it.price) if group.currency == wallet else reference.half_up(Fraction(it.price) * conversion.factor)
    )
    assert Fraction(it.amount) == expected
    assert it.text() == reference.text(it)


@given(billing.exact_decimals(10**9, 18), billing.exact_decimals(10**9, 18), st.integers(1, 40))
def test_an_explanation_is_exact_however_many_digits_it_takes(
    per_minute: Decimal, markup: Decimal, precision: int
) -> None:
    """The markup is told exactly, where 28 digits would not do."""
    rate = Rate("1", per_minute)
    group = RateGroup(name="fine", owner_id=1, currency="USD", markup_percent=markup)

    with localcontext(Context(prec=precision)):
        it = explain(Tariff(group, RateTable([rate])), rate, 60)

    assert Fraction(it.per_minute) == Fraction(per_minute) * (1 + Fraction(markup) / 100)


@given(billing.rates(), billing.rate_groups())
def test_terms_are_those_of_the_rate_asked_for(rate: Rate, group: RateGroup) -> None:
    """A tariff's terms are its group's, also for rates that come and go."""
    tariff = Tariff(group, RateTable([rate]))

    for included in range(3):
        assert tariff.terms(rate) == Terms.in_group(rate, group)
        passing = Rate("7", rate.price_per_minute, included_seconds=included)
        assert tariff.terms(passing) == Terms.in_group(passing, group)
        del passing
