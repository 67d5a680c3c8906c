"""Pricing a call the plain way: a dict probe for each length of prefix, and Decimal arithmetic.

It knows the path of `bench.price_cascade` by heart and does no more than that needs: no dated rates, no cross rates, no
other currencies, no explanation. Like the library, it says who pays whom how much, and by which rate.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from astpp_billing.pricing import Rate

MICRO = Decimal("0.000001")

Payment = tuple[str, str, Rate, Decimal]
"""Who pays whom, by which rate, how much."""


class Deck:
    """Prices by prefix, and the markup on the price per minute."""

    def __init__(self, rates: Iterable[Rate], markup_percent: Decimal) -> None:
        self.factor = 1 + markup_percent / 100
        self.rates = {rate.prefix: rate for rate in rates}

    def find(self, number: str) -> Rate:
        for length in range(len(number), 0, -1):
            rate = self.rates.get(number[:length])
            if rate is not None:
                return rate
        raise LookupError(number)

    def price(self, rate: Rate, seconds: int) -> Decimal:
        if seconds < 1:
            return Decimal(0)
        billable = seconds - rate.included_seconds
        if billable <= 0:
            return rate.connection_fee.quantize(MICRO, ROUND_HALF_UP)
        charged = 1 if rate.initial_increment is None else rate.initial_increment
        if billable > charged:
            increment = 1 if rate.increment is None else rate.increment
            charged += -(-(billable - charged) // increment) * increment
        price = rate.connection_fee + rate.price_per_minute * self.factor * charged / 60
        return price.quantize(MICRO, ROUND_HALF_UP)


class Path:
    """Customer → commission reseller → sub-reseller → distributor with a wallet in EUR → admin → provider."""

    def __init__(self, decks: Mapping[str, Deck], commission_percent: Decimal, dollars_per_euro: Decimal) -> None:
        self.retail = decks["retail"]
        self.subreseller = decks["subreseller"]
        self.distributor = decks["distributor"]
        self.termination = decks["termination"]
        self.commission = commission_percent / 100
        self.dollars_per_euro = dollars_per_euro

    def price(self, number: str, seconds: int, _: datetime) -> tuple[list[Payment], Decimal]:
        """What each pays, from the customer to the admin, and the commission; whenever the call is."""
        sold = self.retail.find(number)
        bought = self.subreseller.find(number)
        wholesale = self.distributor.find(number)
        carried = self.termination.find(number)
        price = self.retail.price(sold, seconds)
        dollars = self.distributor.price(wholesale, seconds)
        payments = [
            ("customer", "agent", sold, price),
            ("agent", "subreseller", sold, price),
            ("subreseller", "distributor", bought, self.subreseller.price(bought, seconds)),
            ("distributor", "admin", wholesale, (dollars / self.dollars_per_euro).quantize(MICRO, ROUND_HALF_UP)),
            ("admin", "provider", carried, self.termination.price(carried, seconds)),
        ]
        return payments, (price * self.commission).quantize(MICRO, ROUND_HALF_UP)
