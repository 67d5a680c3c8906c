"""An explanation says how a price came about, as data and as text."""

from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext
from fractions import Fraction

import pytest

from astpp_billing.errors import InexactAmount, InvalidValue
from astpp_billing.fx import ExchangeRate, ExchangeRates
from astpp_billing.pricing import Rate, RateGroup, RateTable, Tariff, explain

JANUARY = datetime(2025, 1, 1, tzinfo=UTC)

RATE = Rate("4420", "0.60", "0.05", 10, 30, 6, "London", version=3)
PLAIN = Rate("1", "0.60")
GROUP = RateGroup(name="retail", owner_id=1, currency="EUR", markup_percent="12.5", places=2)
NO_MARKUP = RateGroup(name="plain", owner_id=1, currency="EUR")


def test_tells_every_step_as_data() -> None:
    it = explain(Tariff(GROUP, RateTable([RATE])), RATE, 47)

    assert (it.group, it.rate, it.seconds) == (GROUP, RATE, 47)
    assert (it.billable_seconds, it.initial_increment, it.increment, it.blocks) == (37, 30, 6, 2)
    assert it.charged_seconds == 42
    assert it.per_minute == Decimal("0.675")
    assert it.unrounded == Fraction("0.05") + Fraction("0.675") * 42 / 60
    assert str(it.price) == "0.52"
    assert str(it.amount) == "0.520000"
    assert it.conversion.factor == 1


def test_tells_every_step_as_text() -> None:
    assert explain(Tariff(GROUP, RateTable([RATE])), RATE, 47).text() == (
        "rate 4420 London of group 'retail' version 3\n"
        "47 s - 10 s included = 37 s, charged 30 s + 2 x 6 s = 42 s\n"
        "0.05 connection + 0.6 + 12.5 % markup per minute x 42 s / 60 = 0.52 EUR (2 places)"
    )


def test_leaves_out_what_there_is_not() -> None:
    assert explain(Tariff(NO_MARKUP, RateTable([PLAIN])), PLAIN, 1).text() == (
        "rate 1 of group 'plain'\n1 s = 1 s, charged 1 s = 1 s\n0.6 per minute x 1 s / 60 = 0.01 EUR (6 places)"
    )


def test_a_call_within_the_included_time_costs_the_connection_fee() -> None:
    it = explain(Tariff(GROUP, RateTable([RATE])), RATE, 10)

    assert (it.billable_seconds, it.blocks, it.charged_seconds) == (0, 0, 0)
    assert it.text().splitlines()[1:] == [
        "10 s, 10 s included: only the connection fee",
        "0.05 connection + 0.6 + 12.5 % markup per minute x 0 s / 60 = 0.05 EUR (2 places)",
    ]


def test_a_call_that_was_not_answered_costs_nothing_not_even_the_connection() -> None:
    it = explain(Tariff(GROUP, RateTable([RATE])), RATE, 0)

    assert it.price == it.amount == it.unrounded == 0
    assert it.text().splitlines()[1:] == ["0 s: not answered, nothing is charged"]


def test_names_the_exchange_rates() -> None:
    rates = ExchangeRates(
        [ExchangeRate("EUR", "USD", "1.10", JANUARY, "ecb"), ExchangeRate("GBP", "USD", "1.25", JANUARY, "bank")]
    )

    it = explain(Tariff(NO_MARKUP, RateTable([PLAIN])), PLAIN, 60, rates.find("EUR", "GBP", JANUARY))

    assert str(it.amount) == "0.528000"
    assert it.text().splitlines()[-1] == (
        "0.6 EUR = 0.528 GBP by 1 EUR = 1.1 USD from 2025-01-01 (ecb), 1 GBP = 1.25 USD from 2025-01-01 (bank)"
    )


@pytest.mark.parametrize("precision", [3, 28])
def test_is_exact_whatever_the_callers_decimal_context_is(precision: int) -> None:
    digits = "123456789012.123456789012345678"
    group = RateGroup(name="fine", owner_id=1, currency="EUR", markup_percent=digits)
    rate = Rate("1", digits)

    with localcontext(Context(prec=precision)):
        it = explain(Tariff(group, RateTable([rate])), rate, 60)

    assert Fraction(it.per_minute) == Fraction(digits) * (100 + Fraction(digits)) / 100


def test_seconds_are_whole_and_not_negative() -> None:
    tariff = Tariff(GROUP, RateTable([RATE]))

    with pytest.raises(InvalidValue, match="negative"):
        explain(tariff, RATE, -1)
    with pytest.raises(InexactAmount, match="whole"):
        explain(tariff, RATE, 1.5)  # type: ignore[arg-type]  # that is what is tested
