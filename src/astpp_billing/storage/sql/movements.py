"""What a transaction does to wallets: worked out from its postings, as one conditional update for each wallet."""

from __future__ import annotations

from typing import Any

from attrs import define
from sqlalchemy import String, bindparam, or_, type_coerce, update

from astpp_billing.clock import to_epoch
from astpp_billing.errors import CurrencyMismatch
from astpp_billing.ledger import MATERIALISED, Book, LedgerAccount
from astpp_billing.money import MAX_MICROS
from astpp_billing.ports import Changes
from astpp_billing.storage.sql.tables import wallets
from astpp_billing.storage.sql.types import Id

FOREVER = 2**62
"""An instant, in microseconds, that is after all others."""


@define
class Movement:
    """What happens to one wallet: amounts in micros, and the earliest instant that something is posted at."""

    currency: str = ""
    balance: int = 0
    rounding: int = 0
    released: int = 0
    at: int = FOREVER

    def values(self, account_id: int) -> dict[str, int | str]:
        """The parameters of `MOVE`: the bounds keep a balance from leaving what 64 bits hold."""
        return {
            "account": account_id,
            "code": self.currency,
            "balance": self.balance,
            "rounding": self.rounding,
            "released": self.released,
            "balance_least": -MAX_MICROS - min(0, self.balance),
            "balance_most": MAX_MICROS - max(0, self.balance),
            "rounding_least": -MAX_MICROS - min(0, self.rounding),
            "rounding_most": MAX_MICROS - max(0, self.rounding),
            "posted_at": self.at,
        }


def _number(name: str) -> Any:
    return bindparam(name, type_=Id, required=True)


_columns = wallets.c
_code: Any = bindparam("code", type_=String(), required=True)

# SQLite would go on with a float where an amount leaves 64 bits, so the condition comes before the addition
MOVE = (
    update(wallets)
    .where(
        _columns.account_id == _number("account"),
        or_(_code == "", _columns.currency == _code),
        type_coerce(_columns.balance_micros, Id).between(_number("balance_least"), _number("balance_most")),
        type_coerce(_columns.rounding_micros, Id).between(_number("rounding_least"), _number("rounding_most")),
        type_coerce(_columns.held_micros, Id) >= _number("released"),
        or_(_columns.closed_until.is_(None), type_coerce(_columns.closed_until, Id) <= _number("posted_at")),
    )
    .values(
        balance_micros=type_coerce(_columns.balance_micros, Id) + _number("balance"),
        rounding_micros=type_coerce(_columns.rounding_micros, Id) + _number("rounding"),
        held_micros=type_coerce(_columns.held_micros, Id) - _number("released"),
    )
)
"""Moves one wallet, unless the balance would be too large, the currency is another, or the period is closed."""


def wallet_movements(changes: Changes) -> dict[int, Movement]:
    """What happens to each wallet, in the order of their accounts."""
    moved: dict[int, Movement] = {}

    def of(account_id: int, at: int) -> Movement:
        movement = moved.get(account_id)
        if movement is None:
            movement = moved[account_id] = Movement()
        if at < movement.at:
            movement.at = at
        return movement

    for posting in changes.postings:
        at = to_epoch(posting.at)
        touched = False
        for transfer in posting.transfers:
            for end, micros in ((transfer.source, -transfer.micros), (transfer.target, transfer.micros)):
                if end.book in MATERIALISED:
                    touched = True
                    _move(of(end.account_id, at), end, micros)
        if not touched:  # some wallet must say whether the period is closed
            for account_id in {end.account_id for one in posting.transfers for end in (one.source, one.target)}:
                of(account_id, at)
    for hold, _ in changes.ended:
        for level in hold.levels:
            of(level.account_id, FOREVER).released += level.micros
    return dict(sorted(moved.items()))


def _move(movement: Movement, account: LedgerAccount, micros: int) -> None:
    if movement.currency not in ("", account.currency):
        raise CurrencyMismatch(f"account {account.account_id} has one wallet, not in {movement.currency} and {account}")
    movement.currency = account.currency
    if account.book is Book.WALLET:
        movement.balance += micros
    else:
        movement.rounding += micros
