"""Products: what is sold besides calls, the terms on which each seller lists it, and what a buyer agrees to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Protocol, Self, TypeVar

from attrs import field, frozen

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue
from astpp_billing.hierarchy import Account
from astpp_billing.money import check_currency, check_micros, check_whole, percent, plain
from astpp_billing.pricing.rates import check_prefix

MAX_NAME = 255
"""The longest name of a product, in characters."""

MAX_ALLOWANCE_SECONDS = 100 * 366 * 24 * 3600
"""The longest time that a product includes: a hundred years."""


class Category(StrEnum):
    """What kind of thing a product is."""

    PACKAGE = "package"
    SUBSCRIPTION = "subscription"
    ONE_TIME = "one-time"
    REFILL = "refill"
    DID = "did"


class Direction(StrEnum):
    """Which calls included time is for: those that the account makes, those it is called by, or both."""

    IN = "in"
    OUT = "out"
    BOTH = "both"


class Unit(StrEnum):
    """What a recurrence is counted in; months are calendar months in the account's time zone."""

    DAYS = "days"
    MONTHS = "months"


class ProductStatus(StrEnum):
    """Whether a product is sold; what was sold before stays."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


_MOST = {Unit.DAYS: 3660, Unit.MONTHS: 120}


@frozen
class Recurrence:
    """How often a product is charged again: every so many days, or calendar months of the account's time zone."""

    every: int
    unit: Unit = field(converter=Unit)

    def __attrs_post_init__(self) -> None:
        most = _MOST[self.unit]
        if not 1 <= check_whole(self.every, "recurrence") <= most:
            raise InvalidValue(f"a product recurs every 1 to {most} {self.unit}, not every {self.every}")

    def __str__(self) -> str:
        return f"every {self.every} {self.unit}"


def check_text(value: object, name: str, *, least: int = 0, most: int | None = None) -> str:
    """Return `value` if it is a text that every database can hold, of `least` to `most` characters."""
    if not isinstance(value, str) or "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise InvalidValue(f"{name} is a text of Unicode, not {value!r:.80}")
    if len(value.strip()) < least or (most is not None and len(value) > most):
        upper = "" if most is None else f" and at most {most}"
        raise InvalidValue(f"{name} has at least {least}{upper} characters, unlike {value!r:.80}")
    return value


def _prefixes(value: Iterable[str]) -> tuple[str, ...]:
    prefixes = (value,) if isinstance(value, str) else tuple(value)
    if not prefixes:
        raise InvalidValue("included time is for one prefix at least; an empty one stands for everywhere")
    if len(set(prefixes)) < len(prefixes):
        raise InvalidValue(f"a prefix of included time is there twice: {', '.join(sorted(prefixes))}")
    return tuple(prefix if prefix == "" else check_prefix(prefix) for prefix in prefixes)


@frozen(kw_only=True)
class Allowance:
    """Time that a product includes: `seconds` of calls to numbers that begin with one of `prefixes`, for each period.

    An empty prefix stands for everywhere. `carried_over` lets what is left of one period be used in the next.
    """

    seconds: int
    prefixes: tuple[str, ...] = field(default=("",), converter=_prefixes)
    direction: Direction = field(default=Direction.OUT, converter=Direction)
    carried_over: bool = False
    description: str = ""

    def __attrs_post_init__(self) -> None:
        if not 1 <= check_whole(self.seconds, "included time") <= MAX_ALLOWANCE_SECONDS:
            raise InvalidValue(f"included time is 1 to {MAX_ALLOWANCE_SECONDS} seconds, not {self.seconds}")
        check_text(self.description, "the description of included time", most=MAX_NAME)


def check_code(value: object) -> str:
    """Return `value` if it can be the code of a product: 1 to 64 characters, no space around it."""
    code = check_text(value, "the code of a product", least=1, most=64)
    if code != code.strip():
        raise InvalidValue(f"the code of a product has no spaces around it: {code!r}")
    return code


@frozen(kw_only=True)
class Product:
    """Something that `owner_id` sells; what it costs and includes is in its versions, in `currency`.

    `code` is unique. `id` is 0 until the product is stored.
    """

    id: int = 0
    code: str = field(converter=check_code)
    owner_id: int
    category: Category = field(converter=Category)
    currency: str = field(converter=check_currency)
    status: ProductStatus = field(default=ProductStatus.ACTIVE, converter=ProductStatus)


def check_amount(micros: object, name: str) -> int:
    """Return `micros` if it is an amount of whole micros that is not negative."""
    amount = check_micros(micros, name)
    if amount < 0:
        raise InvalidValue(f"{name} must not be negative: {amount} micros")
    return amount


def _commission(value: object) -> Decimal:
    return percent(value, "commission rate", most=100)


def _some_commission(value: object) -> Decimal | None:
    return None if value is None else _commission(value)


def _allowances(value: Iterable[Allowance]) -> tuple[Allowance, ...]:
    return tuple(value)


def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _check_version(value: int) -> None:
    if check_whole(value, "version") < 1:
        raise InvalidValue(f"versions count from 1, not {value}")


@frozen(kw_only=True)
class ProductVersion:
    """What a product is from `valid_from` on; the owner sells it on these terms.

    Amounts are in micros of the product's currency, for one unit: what it costs the owner itself (`buy_cost_micros`),
    the price (of each period, where there is a `recurrence`; None: once), and the setup fee, which is charged the
    first time. `commission_percent` is the share of the price that the owner pays commission resellers directly below
    it. `can_purchase` lets the owner's children buy it, `can_resell` lets them list it for theirs. `release_unfunded`:
    a renewal for which there is no money ends the subscription. Accounts whose rate group is one of `rate_groups` get
    the product by itself (`Orders.apply`).
    """

    product_id: int
    version: int = 1
    valid_from: datetime = field(converter=utc)
    name: str
    description: str = ""
    buy_cost_micros: int = 0
    price_micros: int
    setup_fee_micros: int = 0
    commission_percent: Decimal = field(default=Decimal(0), converter=_commission)
    recurrence: Recurrence | None = None
    allowances: tuple[Allowance, ...] = field(default=(), converter=_allowances)
    can_resell: bool = True
    can_purchase: bool = True
    release_unfunded: bool = False
    rate_groups: tuple[str, ...] = field(default=(), converter=_names)

    def __attrs_post_init__(self) -> None:
        _check_version(self.version)
        check_text(self.name, "the name of a product", least=1, most=MAX_NAME)
        check_text(self.description, "the description of a product")
        check_amount(self.buy_cost_micros, "buy cost")
        check_amount(self.price_micros, "price")
        check_amount(self.setup_fee_micros, "setup fee")
        for name in self.rate_groups:
            check_text(name, "the name of a rate group", least=1, most=64)
        if len(set(self.rate_groups)) < len(self.rate_groups):
            raise InvalidValue(f"a rate group is there twice: {', '.join(self.rate_groups)}")


@frozen(kw_only=True)
class Listing:
    """The terms on which one reseller offers a product to its children, from `valid_from` on; `active` until it is not.

    Amounts are in micros of `currency`; None, which only a commission reseller has, stands for what the parent lists,
    whatever that is at the time, and so does a commission of None. `commission_percent` is the share that the seller
    pays commission resellers directly below it: of its own price, or, where it is one itself, of what it is paid.
    `below_cost` says that the seller means its price to be less than what it pays.
    """

    product_id: int
    seller_id: int
    version: int = 1
    valid_from: datetime = field(converter=utc)
    currency: str = field(converter=check_currency)
    price_micros: int | None = None
    setup_fee_micros: int | None = None
    commission_percent: Decimal | None = field(default=None, converter=_some_commission)
    can_resell: bool = True
    can_purchase: bool = True
    below_cost: bool = False
    active: bool = True

    def __attrs_post_init__(self) -> None:
        _check_version(self.version)
        if (self.price_micros is None) != (self.setup_fee_micros is None):
            raise InvalidValue("a listing has a price and a setup fee, or neither")
        if self.price_micros is not None:
            check_amount(self.price_micros, "price")
            check_amount(self.setup_fee_micros, "setup fee")


class _Dated(Protocol):
    @property
    def version(self) -> int: ...

    @property
    def valid_from(self) -> datetime: ...


D = TypeVar("D", bound=_Dated)


def in_force(versions: Iterable[D], at: datetime) -> D | None:
    """The version that holds at an instant: the newest of those that have begun; None before the first one.

    So a version ends all older ones, also those that would have begun later than it.
    """
    return max((each for each in versions if each.valid_from <= at), key=lambda each: each.version, default=None)


@frozen
class AgreedLevel:
    """What one account on the path of an order pays the next one, for one unit, in micros of `currency`."""

    payer_id: int
    payee_id: int
    price_micros: int
    setup_fee_micros: int
    currency: str = field(converter=check_currency)

    def __attrs_post_init__(self) -> None:
        check_amount(self.price_micros, "price")
        check_amount(self.setup_fee_micros, "setup fee")


@frozen
class AgreedCommission:
    """The share, in percent, that a seller pays a commission reseller below it.

    The pool is what `source` says: the index of the level whose price is shared, or None for what the payer itself
    is paid, which is the commission listed just before.
    """

    payer_id: int
    receiver_id: int
    percent: Decimal = field(converter=_commission)
    source: int | None


def _levels(value: Iterable[AgreedLevel]) -> tuple[AgreedLevel, ...]:
    return tuple(value)


def _shares(value: Iterable[AgreedCommission]) -> tuple[AgreedCommission, ...]:
    return tuple(value)


@frozen
class Agreement:
    """What every level of an order pays, and who is paid a share: kept by the order, which renews at it.

    `levels` go from the buyer up to the product's owner; within a run of commission resellers, `commissions` go from
    the top down.
    """

    levels: tuple[AgreedLevel, ...] = field(converter=_levels)
    commissions: tuple[AgreedCommission, ...] = field(default=(), converter=_shares)

    def __attrs_post_init__(self) -> None:
        if not self.levels:
            raise InvalidValue("an agreement has one level at least")
        for below, above in pairwise(self.levels):
            if below.payee_id != above.payer_id:
                raise InvalidValue(f"account {below.payee_id} is paid on one level, {above.payer_id} pays on the next")
        for index, share in enumerate(self.commissions):
            if share.source is None and (not index or self.commissions[index - 1].receiver_id != share.payer_id):
                raise InvalidValue(f"account {share.payer_id} shares with {share.receiver_id} what it is not paid")
            if share.source is not None and not 0 <= share.source < len(self.levels):
                raise InvalidValue(f"a commission shares the price of level {share.source}, which there is not")

    @property
    def buyer_id(self) -> int:
        """The account that buys."""
        return self.levels[0].payer_id

    @property
    def owner_id(self) -> int:
        """The owner of the product."""
        return self.levels[-1].payee_id

    @property
    def account_ids(self) -> tuple[int, ...]:
        """The buyer, and everybody above it up to the owner."""
        return (*(level.payer_id for level in self.levels), self.owner_id)

    def to_json(self) -> str:
        """The agreement as text, to be kept."""
        levels = [
            [one.payer_id, one.payee_id, one.price_micros, one.setup_fee_micros, one.currency] for one in self.levels
        ]
        shares = [[one.payer_id, one.receiver_id, plain(one.percent), one.source] for one in self.commissions]
        return json.dumps({"levels": levels, "commissions": shares})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The agreement of a text; `InvalidValue` for one that is none."""
        try:
            found = json.loads(text)
            levels = tuple(AgreedLevel(*each) for each in found["levels"])
            return cls(levels, tuple(AgreedCommission(*each) for each in found["commissions"]))
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise InvalidValue(f"not an agreement: {text!r:.80}") from error


class NotOfferedReason(StrEnum):
    """Why an account cannot buy a product."""

    WITHDRAWN = "product withdrawn"
    NOT_YET = "product not in force yet"
    CLOSED = "account closed"
    OWN = "product of its own"
    NOT_BELOW_OWNER = "not below the owner"
    NOT_LISTED = "not listed by the seller"
    NOT_RESOLD = "not to be resold"
    NOT_SOLD = "not to be purchased"
    NO_PRICE = "no price"


@frozen
class NotOffered:
    """A product that an account cannot buy, and because of whose terms; a value, as refusals are."""

    reason: NotOfferedReason
    account: Account
    detail: str
