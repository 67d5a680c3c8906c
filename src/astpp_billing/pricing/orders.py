"""What an order, or a renewal of it, costs on every level: by the agreed prices, and the exchange rates in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Self

from attrs import frozen

from astpp_billing.errors import InvalidValue, MissingExchangeRate
from astpp_billing.fx import Conversion, ExchangeRates
from astpp_billing.hierarchy import Account
from astpp_billing.money import MAX_MICROS, Money, check_whole, part_of, share_of
from astpp_billing.pricing.priced import Bag
from astpp_billing.pricing.products import AgreedLevel, Agreement, NotOffered, NotOfferedReason

MAX_QUANTITY = 1_000_000
"""How many of a product one order has at the most."""

WHOLE = Fraction(1)
"""The whole price, and not a part of it."""


class NotSoldReason(StrEnum):
    """Why something is not sold; those of `NotOfferedReason` are the same here."""

    WITHDRAWN = NotOfferedReason.WITHDRAWN.value
    NOT_YET = NotOfferedReason.NOT_YET.value
    CLOSED = NotOfferedReason.CLOSED.value
    OWN = NotOfferedReason.OWN.value
    NOT_BELOW_OWNER = NotOfferedReason.NOT_BELOW_OWNER.value
    NOT_LISTED = NotOfferedReason.NOT_LISTED.value
    NOT_RESOLD = NotOfferedReason.NOT_RESOLD.value
    NOT_SOLD = NotOfferedReason.NOT_SOLD.value
    NO_PRICE = NotOfferedReason.NO_PRICE.value
    NO_EXCHANGE_RATE = "no exchange rate"
    TOO_LARGE = "amount too large"
    NO_MONEY = "no money"


@frozen
class NotSold:
    """Something that is not sold, and at whose level; nothing was changed. `detail` says more, as text."""

    reason: NotSoldReason
    account: Account
    detail: str

    @classmethod
    def unless_offered(cls, refusal: NotOffered) -> Self:
        """Not sold because it is not offered, in the same words."""
        return cls(NotSoldReason(refusal.reason.value), refusal.account, refusal.detail)


@frozen
class OrderLevel:
    """What one account pays another for an order: `price_micros` and `setup_micros`, each converted once.

    Both are without tax, in the currency of the payer's wallet.
    """

    payer: Account
    payee: Account
    agreed: AgreedLevel
    conversion: Conversion
    price_micros: int
    setup_micros: int

    @property
    def amount_micros(self) -> int:
        """The price and the setup fee together."""
        return self.price_micros + self.setup_micros

    @property
    def currency(self) -> str:
        """The currency of the payer's wallet."""
        return self.conversion.quote


@frozen
class OrderCommission:
    """What a seller pays a commission reseller for an order: `percent` of `pool_micros`, in the receiver's currency.

    The pool is in the currency `conversion.base`: what the level `source` pays, or, where that is None, what the payer
    itself is paid by the commission just before.
    """

    payer: Account
    receiver: Account
    percent: Decimal
    source: int | None
    conversion: Conversion
    pool_micros: int
    amount_micros: int

    @property
    def currency(self) -> str:
        """The currency of the receiver's wallet."""
        return self.conversion.quote


@frozen
class PricedOrder:
    """An order with its amount on every level, the buyer's first, and all commissions, within a run from the top down.

    `share` is the part of the agreed price that is paid: less than 1 where a period is not a whole one.
    """

    quantity: int
    share: Fraction
    levels: tuple[OrderLevel, ...]
    commissions: tuple[OrderCommission, ...]

    @property
    def total(self) -> Money:
        """What the buyer pays, without tax."""
        return Money.from_micros(self.levels[0].amount_micros, self.levels[0].currency)

    def profits(self) -> dict[int, Bag]:
        """What each seller is left with, by account id: earned in its child's currency, paid in its own."""
        bags: dict[int, Bag] = {level.payee.id: {} for level in self.levels}
        for account_id, currency, micros in self._flows():
            if account_id in bags:
                bags[account_id][currency] = bags[account_id].get(currency, 0) + micros
        return {account_id: {code: sum_ for code, sum_ in bag.items() if sum_} for account_id, bag in bags.items()}

    def _flows(self) -> Iterator[tuple[int, str, int]]:
        for level in self.levels:
            yield level.payee.id, level.currency, level.amount_micros
            yield level.payer.id, level.currency, -level.amount_micros
        for paid in self.commissions:
            yield paid.receiver.id, paid.currency, paid.amount_micros
            yield paid.payer.id, paid.currency, -paid.amount_micros


def check_quantity(quantity: object) -> int:
    """Return how many are ordered; `InexactAmount` for what is no whole number, `InvalidValue` outside the range."""
    whole = check_whole(quantity, "the quantity of an order")
    if not 1 <= whole <= MAX_QUANTITY:
        raise InvalidValue(f"an order is for 1 to {MAX_QUANTITY} of a product, not {whole}")
    return whole


def price_order(
    agreement: Agreement,
    accounts: Mapping[int, Account],
    quantity: int,
    rates: ExchangeRates,
    at: datetime,
    *,
    setup: bool = True,
    share: Fraction = WHOLE,
) -> PricedOrder | NotSold:
    """What is paid on every level for `quantity` of what was agreed, at an instant.

    Price and setup fee of a level are multiplied and then converted into the payer's currency, rounded half-up once
    each. A pool is the percentage of all that its level pays, the setup fee included. `setup` says whether the setup
    fee is paid (the first time), `share` which part of the price. `accounts` has all of the agreement, by id.
    """
    try:
        levels = tuple(
            _level(agreed, accounts, quantity * share, quantity if setup else 0, rates, at)
            for agreed in agreement.levels
        )
        return PricedOrder(quantity, share, levels, _commissions(agreement, levels, accounts, rates, at))
    except _Refused as refused:
        return refused.why


def _level(
    agreed: AgreedLevel,
    accounts: Mapping[int, Account],
    prices: Fraction,
    setup_fees: int,
    rates: ExchangeRates,
    at: datetime,
) -> OrderLevel:
    payer = accounts[agreed.payer_id]
    conversion = _convert(rates, agreed.currency, payer.currency, at, payer)
    if conversion.steps:
        price = part_of(agreed.price_micros, prices * conversion.factor)
        setup = part_of(agreed.setup_fee_micros, setup_fees * conversion.factor)
    else:  # the same without multiplying fractions, which takes longer than all the rest
        price, setup = part_of(agreed.price_micros, prices), setup_fees * agreed.setup_fee_micros
    _check_size(price + setup, payer, conversion.quote)
    return OrderLevel(payer, accounts[agreed.payee_id], agreed, conversion, price, setup)


def _commissions(
    agreement: Agreement,
    levels: tuple[OrderLevel, ...],
    accounts: Mapping[int, Account],
    rates: ExchangeRates,
    at: datetime,
) -> tuple[OrderCommission, ...]:
    # each pool is a share of what its run passes on at the top, or of the pool just before
    found: list[OrderCommission] = []
    for agreed in agreement.commissions:
        payer, receiver = accounts[agreed.payer_id], accounts[agreed.receiver_id]
        if agreed.source is None:
            pool, base = found[-1].amount_micros, found[-1].currency
        else:
            pool, base = levels[agreed.source].amount_micros, levels[agreed.source].currency
        conversion = _convert(rates, base, receiver.currency, at, receiver)
        amount = share_of(pool, agreed.percent, conversion.factor)
        _check_size(amount, receiver, conversion.quote)
        found.append(OrderCommission(payer, receiver, agreed.percent, agreed.source, conversion, pool, amount))
    return tuple(found)


def _convert(rates: ExchangeRates, base: str, quote: str, at: datetime, account: Account) -> Conversion:
    try:
        return rates.find(base, quote, at)
    except MissingExchangeRate as error:
        raise _Refused(NotSold(NotSoldReason.NO_EXCHANGE_RATE, account, str(error))) from None


def _check_size(micros: int, account: Account, currency: str) -> None:
    if micros > MAX_MICROS:
        detail = f"account {account.number} would pay or be paid more than the largest amount in {currency}"
        raise _Refused(NotSold(NotSoldReason.TOO_LARGE, account, detail))


class _Refused(Exception):
    def __init__(self, why: NotSold) -> None:
        super().__init__(why.detail)
        self.why = why
