"""Rates and rate groups: what a seller charges for calls to the numbers that begin with a prefix."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

from attrs import field, frozen

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue
from astpp_billing.money import PLACES, check_currency, check_whole, exact, percent

MAX_BLOCK_SECONDS = 24 * 3600
"""The longest increment, initial increment and included time: a day."""

_PREFIX = re.compile(r"[0-9]{1,18}", re.ASCII)


def check_prefix(value: object) -> str:
    """Return `value` if it is a prefix, 1 to 18 digits, else raise `InvalidValue`."""
    if not isinstance(value, str) or not _PREFIX.fullmatch(value):
        raise InvalidValue(f"a prefix is 1 to 18 digits, not {value!r}")
    return value


def _price(value: object, name: str) -> Decimal:
    number = exact(value, name)
    if number.is_signed() and number:
        raise InvalidValue(f"{name} must not be negative: {number}")
    return number.copy_abs()  # for -0; abs() would round to the precision of the caller's context


def check_per_minute(value: object) -> Decimal:
    """`value` as an exact price per minute, not negative."""
    return _price(value, "price per minute")


def check_connection_fee(value: object) -> Decimal:
    """`value` as an exact connection fee, not negative."""
    return _price(value, "connection fee")


def check_seconds(value: object, name: str, least: int) -> int:
    """Return `value` if it is a whole number of seconds from `least` to a day.

    Raises `InexactAmount` for a float and anything else that is not an int, `InvalidValue` for one out of range.
    """
    if not least <= check_whole(value, name) <= MAX_BLOCK_SECONDS:
        raise InvalidValue(f"{name} must be whole seconds from {least} to {MAX_BLOCK_SECONDS}, not {value!r}")
    return check_whole(value, name)


def _instant(value: datetime | None) -> datetime | None:
    return None if value is None else utc(value)


@frozen
class Rate:
    """The price of calls to one prefix, in the currency of the group that it belongs to.

    Prices are exact numbers (`Decimal`, `int` or text) of currency units; `included_seconds` at the start of a call
    cost the connection fee only. The first block is `initial_increment` seconds long (0: there is no first block), the
    following ones `increment`; None takes the group's default. The rate is in force from `valid_from` up to,
    not including, `valid_until`, where given. `version` is that of the group whose import brought it.
    """

    prefix: str = field(converter=check_prefix)
    price_per_minute: Decimal = field(converter=check_per_minute)
    connection_fee: Decimal = field(default=Decimal(0), converter=check_connection_fee)
    included_seconds: int = 0
    initial_increment: int | None = None
    increment: int | None = None
    destination: str = ""
    valid_from: datetime | None = field(default=None, converter=_instant)
    valid_until: datetime | None = field(default=None, converter=_instant)
    version: int = 0

    def __attrs_post_init__(self) -> None:
        check_seconds(self.included_seconds, "included seconds", 0)
        if self.initial_increment is not None:
            check_seconds(self.initial_increment, "initial increment", 0)
        if self.increment is not None:
            check_seconds(self.increment, "increment", 1)
        if self.valid_from and self.valid_until and self.valid_until <= self.valid_from:
            raise InvalidValue(f"the rate of prefix {self.prefix} ends at {self.valid_until}, before it is in force")

    def in_force(self, at: datetime) -> bool:
        """Whether the rate holds for a call that starts at an instant."""
        begun = self.valid_from is None or self.valid_from <= at
        return begun and (self.valid_until is None or at < self.valid_until)


def _markup(value: object) -> Decimal:
    return percent(value, "markup", least=-100)


@frozen(kw_only=True)
class RateGroup:
    """A named price list that one seller offers.

    `markup_percent` is added to every price per minute; `places` are the decimal places that a call's price is
    rounded to, half-up; `version` counts the imports, so that a price can name the list it came from.
    """

    name: str
    owner_id: int
    currency: str = field(converter=check_currency)
    markup_percent: Decimal = field(default=Decimal(0), converter=_markup)
    default_initial_increment: int = 1
    default_increment: int = 1
    places: int = PLACES
    version: int = 0

    def __attrs_post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > 64:
            raise InvalidValue(f"the name of a rate group is a text of 1 to 64 characters, not {self.name!r}")
        check_seconds(self.default_initial_increment, "default initial increment", 0)
        check_seconds(self.default_increment, "default increment", 1)
        if not 0 <= check_whole(self.places, "places") <= PLACES:
            raise InvalidValue(f"a rate group rounds to 0 to {PLACES} decimal places, not {self.places!r}")
