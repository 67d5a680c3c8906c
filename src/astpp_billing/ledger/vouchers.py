"""Refill cards: their codes, and what is known of them.

A code is eighteen random characters and two that check them, in groups of five. The alphabet has 31 characters, none of
which looks like another one, and 31 is a prime: so the two check characters, one plain sum and one sum that is weighted
by the places, find any two wrong characters and any two that changed places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue
from astpp_billing.money import Money, check_currency, check_micros

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""What codes are written in: no 0 and O, no 1, I and L."""

RANDOM = 18
"""The random characters of a code: 89 bits."""

MAX_CARDS = 100_000
"""The most cards of one batch."""

MAX_NAME = 64
"""The most characters of a batch's name."""

_GROUP = 5
_VALUES = {char: value for value, char in enumerate(ALPHABET)}


def make_code(numbers: Sequence[int]) -> str:
    """The code of `RANDOM` random numbers below 31, with its check characters: `XXXXX-XXXXX-XXXXX-XXXXX`."""
    if len(numbers) != RANDOM:
        raise InvalidValue(f"a code is made of {RANDOM} numbers, not of {len(numbers)}")
    text = "".join(ALPHABET[number] for number in (*numbers, *_checks(numbers)))
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def read_code(text: str) -> str | None:
    """The characters of a code as somebody typed it: in small letters, with blanks or without dashes.

    None where it is none, because a character is missing or wrong: that can be told without knowing which codes exist.
    """
    typed = "".join(char for char in text.upper() if char not in " -\t")
    values = [_VALUES.get(char, -1) for char in typed]
    if len(values) != RANDOM + 2 or min(values) < 0:
        return None
    return typed if _checks(values[:RANDOM]) == tuple(values[RANDOM:]) else None


def _checks(values: Sequence[int]) -> tuple[int, int]:
    size = len(ALPHABET)
    return sum(values) % size, sum(place * value for place, value in enumerate(values, 1)) % size


def code_digest(code: str) -> str:
    """What is stored of a code that `read_code` gave: its SHA-256, in hex.

    A slow or salted hash is for secrets that people choose, of which there are few enough to try. Of these codes there
    are 31 ** 18, which are all equally likely: who has the hashes finds none of them by trying, however fast it is.
    """
    return hashlib.sha256(f"refill card {code}".encode()).hexdigest()


class VoucherState(StrEnum):
    """What can be done with a card: it leaves `OPEN` for good when it is redeemed."""

    OPEN = "open"
    BLOCKED = "blocked"
    REDEEMED = "redeemed"


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > MAX_NAME:
        raise InvalidValue(f"the name of a batch is one line of 1 to {MAX_NAME} characters, not {value!r}")
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_CARDS:
        raise InvalidValue(f"a batch has 1 to {MAX_CARDS:,} cards, not {value!r}")
    return value


def _optional_instant(value: datetime | None) -> datetime | None:
    return None if value is None else utc(value)


@frozen(kw_only=True)
class VoucherBatch:
    """Cards that were made together: who sells them, and what each is worth, in micros.

    From `expires_at` on (None: never) none of them is redeemed any more, nor while the whole batch is `blocked`. The
    name is the seller's own. `id` is 0 until it is stored.
    """

    id: int = 0
    seller_id: int
    name: str = field(converter=_name)
    currency: str = field(converter=check_currency)
    micros: int
    count: int = field(converter=_count)
    made_at: datetime = field(converter=utc)
    expires_at: datetime | None = field(default=None, converter=_optional_instant)
    blocked: bool = False

    def __attrs_post_init__(self) -> None:
        if check_micros(self.micros, "refill card") <= 0:
            raise InvalidValue(f"a refill card is worth a positive amount, not {self.micros} micros")
        if self.expires_at is not None and self.expires_at <= self.made_at:
            raise InvalidValue(f"the cards of {self.name} expire at {self.expires_at}, before they are made")

    @property
    def amount(self) -> Money:
        """What one card is worth."""
        return Money.from_micros(self.micros, self.currency)

    def is_valid_at(self, instant: datetime) -> bool:
        """Whether its cards can be redeemed at an instant."""
        return not self.blocked and (self.expires_at is None or instant < self.expires_at)


@frozen(kw_only=True)
class Voucher:
    """One card, without its code: `serial` counts those of a batch from 1.

    What it was redeemed for, when, and by the posting of which key, is None until then.
    """

    batch_id: int
    serial: int
    blocked: bool = False
    account_id: int | None = None
    redeemed_at: datetime | None = None
    posting_key: str | None = None

    @property
    def state(self) -> VoucherState:
        """What became of the card itself, whatever its batch is."""
        if self.account_id is not None:
            return VoucherState.REDEEMED
        return VoucherState.BLOCKED if self.blocked else VoucherState.OPEN
