"""What a payer may spend, and what the price of a call takes of it with tax and rounding."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from astpp_billing.money import most_within, share_of


@frozen
class Purse:
    """What is available to one payer, in micros of its wallet's currency, and what is added to a price that it pays.

    `tax_percent` is the tax that comes on the price, at once or with a later document. Who gets a receipt at once pays
    in whole coins of `step_micros`; for all others, who pay the exact price until their document comes, it is 1.

    A receipt bills the exact amount less what earlier ones have billed too much, rounded half-up. Which of the calls
    that are up ends first, and so what is carried to this one, nobody knows; but it is never as much as half a coin
    that is still owed, so no receipt bills more than the exact amount rounded up to whole coins. That is what a price
    needs.
    """

    available_micros: int
    tax_percent: Decimal = Decimal(0)
    step_micros: int = 1

    def needed(self, price_micros: int) -> int:
        """What must be available for a price (≥ 0), and what is held for it, in micros: 0 for a price of 0."""
        exact = price_micros + share_of(price_micros, self.tax_percent)
        return -(-exact // self.step_micros) * self.step_micros

    @property
    def most(self) -> int:
        """The highest price that can be paid, in micros: the exact inverse of `needed`.

        Who has less than nothing can still pay a price of 0.
        """
        coins = max(0, self.available_micros) // self.step_micros
        numerator, denominator = self.tax_percent.as_integer_ratio()
        return most_within(coins * self.step_micros, 100 * denominator + numerator, 100 * denominator)
