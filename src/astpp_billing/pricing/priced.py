"""What pricing a call gives: every level, commission and the provider's cost; or the reason why there is no price."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

from attrs import frozen

from astpp_billing.fx import Conversion, ExchangeRates
from astpp_billing.hierarchy import Account
from astpp_billing.pricing.price import Terms
from astpp_billing.pricing.rates import Rate
from astpp_billing.pricing.table import Tariff

Bag = dict[str, int]
"""Amounts in micros by currency; a currency whose sum is zero is left out."""


class NotPricedReason(StrEnum):
    """Why a call has no price."""

    NO_RATE_GROUP = "no rate group"
    NOT_OFFERED = "rate group not offered by the seller"
    NO_RATE = "no rate"
    NO_EXCHANGE_RATE = "no exchange rate"
    TOO_LARGE = "amount too large"


@frozen
class NotPriced:
    """A call that cannot be priced, and on whose level; a value, because the call is kept all the same."""

    reason: NotPricedReason
    account: Account
    detail: str


@frozen
class LevelTerms:
    """By what one account pays another for a call, before its length is known.

    `payee` is the payer's parent, or the provider on the last level, where the admin pays for termination.
    """

    payer: Account
    payee: Account
    tariff: Tariff
    rate: Rate
    conversion: Conversion

    @property
    def terms(self) -> Terms:
        """The rate, worked out for charging."""
        return self.tariff.terms(self.rate)

    def max_seconds(self, funds_micros: int, longest: int) -> int:
        """The longest call, up to `longest` seconds, that `funds_micros` pay for, in the currency of the payment.

        The exact inverse of what a call is charged on this level; 0 where not even one second can be paid.
        """
        return self.terms.max_seconds(self.conversion.most(funds_micros) // self.terms.micros_per_unit, longest)


@frozen
class Level:
    """What one account pays another for a call, and by what.

    `price_micros` is in the currency of the tariff's group, `amount_micros` in that of the payer's wallet (on the
    termination level: the provider's).
    """

    terms: LevelTerms
    seconds: int
    price_micros: int
    amount_micros: int

    @property
    def payer(self) -> Account:
        """Who pays."""
        return self.terms.payer

    @property
    def payee(self) -> Account:
        """Who is paid: the payer's parent, or the provider."""
        return self.terms.payee

    @property
    def currency(self) -> str:
        """The currency of `amount_micros`."""
        return self.terms.conversion.quote


@frozen
class CommissionTerms:
    """By what a seller pays a commission reseller below it.

    The pool is what `source` says: the level whose price is shared, or None for what the payer itself is
    paid, which is the commission listed just before.
    """

    payer: Account
    receiver: Account
    source: int | None
    conversion: Conversion

    @property
    def factor(self) -> Fraction:
        """What is paid for each micro of the pool: the receiver's percentage, converted into its currency."""
        return Fraction(self.receiver.commission_percent) / 100 * self.conversion.factor


@frozen
class Commission:
    """What a seller pays a commission reseller: `amount_micros` in the receiver's currency."""

    terms: CommissionTerms
    amount_micros: int

    @property
    def payer(self) -> Account:
        """The seller, or the commission reseller above the receiver."""
        return self.terms.payer

    @property
    def receiver(self) -> Account:
        """The commission reseller that is paid."""
        return self.terms.receiver


@frozen
class PathTerms:
    """The terms of every level of one path for one range of numbers, while no rate and no exchange rate changes."""

    levels: tuple[LevelTerms, ...]
    commissions: tuple[CommissionTerms, ...]
    termination: LevelTerms | None

    @property
    def payments(self) -> tuple[LevelTerms, ...]:
        """All levels, with that of the termination last where there is one."""
        return self.levels if self.termination is None else (*self.levels, self.termination)

    def losses(self, rates: ExchangeRates, at: datetime) -> tuple[Account, ...]:
        """The resellers that pay more per minute than they are paid, which only loss-less routing allows.

        Both prices per minute are after markup and compared exactly, in the currency of the one that is paid.
        A commission reseller passes its price on and so never sells at a loss. Raises `MissingExchangeRate` where
        the currencies of the two rate groups cannot be compared.
        """
        losing = []
        for sold, bought in pairwise(self.levels):
            factor = rates.find(sold.tariff.group.currency, bought.tariff.group.currency, at).factor
            paid, earned = (Fraction(level.tariff.per_minute(level.rate)) for level in (bought, sold))
            if paid > earned * factor:
                losing.append(bought.payer)
        return tuple(losing)


@frozen(slots=False)  # built for every call, and attrs builds it faster so
class PricedCall:
    """A call with its amount on every level, in micros of each payer's currency.

    `amounts` goes along `terms.levels`, with the termination level last where there is one; `shares` goes along
    `terms.commissions`, in each receiver's currency. The properties give the same as objects.
    """

    terms: PathTerms
    seconds: int
    amounts: tuple[int, ...]
    shares: tuple[int, ...]

    @property
    def levels(self) -> tuple[Level, ...]:
        """What each account on the path pays to its parent; the buyer first."""
        return tuple(self._level(index, terms) for index, terms in enumerate(self.terms.levels))

    @property
    def commissions(self) -> tuple[Commission, ...]:
        """What each commission reseller is paid, by whom; within a run from the top down."""
        return tuple(map(Commission, self.terms.commissions, self.shares))

    @property
    def termination(self) -> Level | None:
        """What the admin pays the provider, where that is known."""
        terms = self.terms.termination
        return None if terms is None else self._level(len(self.amounts) - 1, terms)

    def seconds_at(self, index: int) -> int:
        """The seconds that the `index`-th of `amounts` pays for."""
        return self.seconds

    def _level(self, index: int, terms: LevelTerms) -> Level:
        seconds = self.seconds_at(index)
        return Level(terms, seconds, terms.terms.micros(seconds), self.amounts[index])

    def profits(self) -> dict[int, Bag]:
        """What each seller on the path is left with, by account id: earned in its child's currency, paid in its own.

        An admin that calls by itself is one too.
        """
        termination = self.terms.termination
        bags: dict[int, Bag] = {} if termination is None else {termination.payer.id: {}}
        bags.update({level.payee.id: {} for level in self.terms.levels})
        for account_id, currency, micros in self._flows():
            if account_id in bags:
                bags[account_id][currency] = bags[account_id].get(currency, 0) + micros
        return {account_id: {code: sum_ for code, sum_ in bag.items() if sum_} for account_id, bag in bags.items()}

    def _flows(self) -> Iterator[tuple[int, str, int]]:
        for level, amount in zip(self.terms.payments, self.amounts, strict=True):
            yield level.payee.id, level.conversion.quote, amount
            yield level.payer.id, level.conversion.quote, -amount
        for share, amount in zip(self.terms.commissions, self.shares, strict=True):
            yield share.receiver.id, share.receiver.currency, amount
            yield share.payer.id, share.receiver.currency, -amount

    def losses(self, rates: ExchangeRates, at: datetime) -> tuple[Account, ...]:
        """The resellers that sell this call below what they pay for it, as `PathTerms.losses` says."""
        return self.terms.losses(rates, at)


@frozen(slots=False)
class CoveredCall(PricedCall):
    """A call of which included minutes cover a part: `rests` are the seconds that each of `amounts` pays for."""

    rests: tuple[int, ...]

    def seconds_at(self, index: int) -> int:
        """The seconds that the `index`-th of `amounts` pays for."""
        return self.rests[index]
