"""Explanations: how a price came about, as data and as text."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from attrs import frozen

from astpp_billing.fx import Conversion, same_currency
from astpp_billing.money import EXACTLY, PLACES, from_micros, from_units
from astpp_billing.pricing.price import Terms
from astpp_billing.pricing.priced import Level
from astpp_billing.pricing.rates import Rate, RateGroup
from astpp_billing.pricing.table import Tariff
from astpp_billing.pricing.wording import Wording


@frozen
class Explanation:
    """Every step from the seconds of a call to its price at one level.

    `blocks` is how often the increment was charged after the initial one; `unrounded` is the exact price in the
    group's currency before the one rounding to `group.places`; `price` is after it. `amount` is in the payer's
    currency, by `conversion`.
    """

    group: RateGroup
    rate: Rate
    seconds: int
    billable_seconds: int
    initial_increment: int
    increment: int
    blocks: int
    charged_seconds: int
    per_minute: Decimal
    unrounded: Fraction
    price: Decimal
    conversion: Conversion
    amount: Decimal

    def text(self) -> str:
        """The explanation in a few lines of English."""
        wording = Wording(self.rate, self.group, Terms.in_group(self.rate, self.group))
        return wording.text(self.seconds, self.conversion, int(self.amount.scaleb(PLACES, context=EXACTLY)))


def explain(tariff: Tariff, rate: Rate, seconds: int, conversion: Conversion | None = None) -> Explanation:
    """Explain the price of a call of `seconds` by one rate of a tariff, in the currency `conversion` leads to."""
    group = tariff.group
    terms = tariff.terms(rate)
    charged = terms.charged_seconds(seconds)
    per_minute = tariff.per_minute(rate)
    if conversion is None:
        conversion = same_currency(group.currency)
    fee = Fraction(rate.connection_fee) if seconds >= 1 else Fraction(0)
    return Explanation(
        group=group,
        rate=rate,
        seconds=seconds,
        billable_seconds=max(0, seconds - rate.included_seconds),
        initial_increment=terms.initial,
        increment=terms.increment,
        blocks=max(0, charged - terms.initial) // terms.increment,
        charged_seconds=charged,
        per_minute=per_minute,
        unrounded=fee + Fraction(per_minute) * charged / 60,
        price=from_units(terms.units(seconds), group.places),
        conversion=conversion,
        amount=from_micros(conversion.apply(terms.micros(seconds))),
    )


def explain_level(level: Level) -> Explanation:
    """Explain what one level of a priced call costs."""
    return explain(level.terms.tariff, level.terms.rate, level.seconds, level.terms.conversion)
