"""Double entry: postings of transfers between ledger accounts, append-only (rules, section 5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from attrs import field, frozen

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue
from astpp_billing.money import check_currency, check_micros


class Book(StrEnum):
    """What a ledger account of one party records."""

    WALLET = "wallet"
    REVENUE = "revenue"
    COST = "cost"
    COMMISSION = "commission"
    TAX = "tax"
    CASH = "cash"
    PAYABLE = "payable"
    ROUNDING = "rounding"


MATERIALISED = frozenset({Book.WALLET, Book.ROUNDING})
"""The books whose balance is kept beside the transfers, because decisions need it."""


class Reason(StrEnum):
    """Why something was posted."""

    CALL = "call"
    REFILL = "refill"
    INVOICE = "invoice"
    RECEIPT = "receipt"
    CORRECTION = "correction"
    ORDER = "order"
    RENEWAL = "renewal"
    CREDIT = "credit"
    DEBIT = "debit"
    REFUND = "refund"


@frozen(cache_hash=True)
class LedgerAccount:
    """One book of one account in one currency."""

    account_id: int
    book: Book
    currency: str = field(converter=check_currency)


@frozen
class Transfer:
    """A positive amount that moves from one ledger account to another of the same currency."""

    source: LedgerAccount
    target: LedgerAccount
    micros: int

    def __attrs_post_init__(self) -> None:
        if check_micros(self.micros, "transfer") <= 0:
            raise InvalidValue(f"a transfer moves a positive amount, not {self.micros} micros")
        if self.source.currency != self.target.currency:
            raise InvalidValue(f"a transfer has one currency, not {self.source.currency} and {self.target.currency}")
        if self.source.account_id == self.target.account_id and self.source.book is self.target.book:
            raise InvalidValue(f"a transfer needs two ledger accounts, not {self.source} twice")


def check_key(value: object) -> str:
    """Give back an idempotency key; `InvalidValue` if it is none."""
    if not isinstance(value, str) or not value or len(value) > MAX_KEY:
        raise InvalidValue(f"an idempotency key is a text of 1 to {MAX_KEY} characters, not {value!r}")
    return value


MAX_KEY = 512
"""The most characters of an idempotency key."""


def key_about(what: str, key: str) -> str:
    """The key of what is posted at most once about the posting with a key: `what`, and that key.

    Where both together are too long for a key, a digest stands for the other one.
    """
    told = f"{what}:{key}"
    return told if len(told) <= MAX_KEY else f"{what}:{fingerprint(key)}"


@frozen(kw_only=True)
class Posting:
    """One business event with all its transfers, saved at once or not at all.

    `key` makes it unique; `fingerprint` stands for the content of the command that caused it, so that a repeat can be
    told from a conflict. `corrects` is the key of the posting that this one puts right, and `share` the part of it that
    is taken back, up to 1 (None where something was left of it beside all parts, such as a setup fee). `note` says in
    words why it was made, where no charge does.
    """

    key: str = field(converter=check_key)
    fingerprint: str
    at: datetime = field(converter=utc)
    reason: Reason
    transfers: tuple[Transfer, ...]
    corrects: str | None = None
    share: Fraction | None = None
    note: str = ""

    def __attrs_post_init__(self) -> None:
        if self.share is not None and (self.corrects is None or not 0 < self.share <= 1):
            raise InvalidValue(f"posting {self.key} takes back {self.share} of {self.corrects}: up to 1 of another one")


def transfer(source: LedgerAccount, target: LedgerAccount, micros: int) -> tuple[Transfer, ...]:
    """The transfer of `micros` from one ledger account to another, the other way if negative; none for zero."""
    if micros == 0:
        return ()
    return (Transfer(source, target, micros),) if micros > 0 else (Transfer(target, source, -micros),)


def movements(transfers: Iterable[Transfer]) -> dict[LedgerAccount, int]:
    """What each ledger account gains (positive) or loses by the transfers, in micros; they sum to zero."""
    moved: dict[LedgerAccount, int] = {}
    for one in transfers:
        moved[one.source] = moved.get(one.source, 0) - one.micros
        moved[one.target] = moved.get(one.target, 0) + one.micros
    return moved


_encode = json.JSONEncoder(ensure_ascii=False).encode


def fingerprint(*content: str | int | None) -> str:
    """A digest of a command's content: equal for equal content, else different (128 bits of SHA-256, in hex)."""
    text = _encode(content).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:32]
