"""The words of an explanation, prepared once for each rate, because every charge has some."""

from __future__ import annotations

from astpp_billing.fx import Conversion
from astpp_billing.money import MICROS, plain
from astpp_billing.pricing.price import Terms
from astpp_billing.pricing.rates import Rate, RateGroup


class Wording:
    """What is said of every price by one rate of a group, whatever the length of the call.

    `text` is the explanation in a few lines of English.
    """

    __slots__ = ("_begin", "_fee_only", "_head", "_included", "_result", "_then", "terms")

    def __init__(self, rate: Rate, group: RateGroup, terms: Terms) -> None:
        version = f" version {rate.version}" if rate.version else ""
        where = f" {rate.destination}" if rate.destination else ""
        markup = f" + {plain(group.markup_percent)} % markup" if group.markup_percent else ""
        fee = f"{plain(rate.connection_fee)} connection + " if rate.connection_fee else ""
        self.terms = terms
        self._head = f"rate {rate.prefix}{where} of group {group.name!r}{version}"
        self._fee_only = f" s, {terms.included} s included: only the connection fee"
        self._included = f" s - {terms.included} s included = " if terms.included else " s = "
        self._begin = f" s, charged {terms.initial} s"
        self._then = f"{fee}{plain(rate.price_per_minute)}{markup} per minute x "
        self._result = f" {group.currency} ({group.places} places)"

    def text(self, seconds: int, conversion: Conversion, amount_micros: int) -> str:
        """How a call of `seconds` came to `amount_micros` in the currency that `conversion` leads to."""
        if seconds < 1:
            return f"{self._head}\n0 s: not answered, nothing is charged"
        terms = self.terms
        charged = terms.charged_seconds(seconds)
        if charged:
            blocks = (charged - terms.initial) // terms.increment
            steps = f" + {blocks} x {terms.increment} s = {charged}" if blocks else f" = {charged}"
            length = f"{self._included}{seconds - terms.included}{self._begin}{steps} s"
        else:
            length = self._fee_only
        price = _plain(terms.micros(seconds) if conversion.steps else amount_micros)
        text = f"{self._head}\n{seconds}{length}\n{self._then}{charged} s / 60 = {price}{self._result}"
        if not conversion.steps:
            return text
        return f"{text}\n{price} {conversion.base} = {_plain(amount_micros)} {conversion.quote} by {conversion.told}"


def _plain(micros: int) -> str:
    """The same as `plain(from_micros(micros))` for what is not negative."""
    whole, rest = divmod(micros, MICROS)
    return f"{whole}.{rest:06}".rstrip("0") if rest else str(whole)
