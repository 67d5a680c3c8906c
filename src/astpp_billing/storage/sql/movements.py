"""What a transaction does to wallets: worked out from its postings, as one conditional update for each wallet."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define
from sqlalchemy import String, or_, update

from astpp_billing.clock import to_epoch
from astpp_billing.errors import CurrencyMismatch
from astpp_billing.ledger import MATERIALISED, Book, LedgerAccount, Posting
from astpp_billing.money import MAX_MICROS
from astpp_billing.ports import Changes
from astpp_billing.storage.sql.tables import wallets
from astpp_billing.storage.sql.wire import parameter, plain

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


_columns = wallets.c
_code = parameter("code", String())

# SQLite would go on with a float where an amount leaves 64 bits, so the condition comes before the addition
MOVE = (
    update(wallets)
    .where(
        _columns.account_id == parameter("account"),
        or_(_code == "", _columns.currency == _code),
        plain(_columns.balance_micros).between(parameter("balance_least"), parameter("balance_most")),
        plain(_columns.rounding_micros).between(parameter("rounding_least"), parameter("rounding_most")),
        plain(_columns.held_micros) >= parameter("released"),
        or_(_columns.closed_until.is_(None), plain(_columns.closed_until) <= parameter("posted_at")),
    )
    .values(
        balance_micros=plain(_columns.balance_micros) + parameter("balance"),
        rounding_micros=plain(_columns.rounding_micros) + parameter("rounding"),
        held_micros=plain(_columns.held_micros) - parameter("released"),
    )
)
"""Moves one wallet, unless the balance would be too large, the currency is another, or the period is closed."""


@define
class Ends:
    """The ledger accounts between which a transaction moves money.

    Those of a batch are a few hundred objects that stand in ten thousand transfers, so they are told apart by their
    identity first: that is faster than comparing them. `objects` keeps them alive, and the identities theirs.
    """

    objects: dict[int, LedgerAccount]
    gained: dict[int, int]
    earliest: dict[int, int]
    untouched: list[Posting]

    @classmethod
    def of(cls, postings: Sequence[Posting]) -> Ends:
        """All ends of the transfers of postings: what each gains, and when first. `untouched` move no wallet."""
        objects: dict[int, LedgerAccount] = {}
        gained: dict[int, int] = {}
        earliest: dict[int, int] = {}
        untouched = []
        for posting in postings:
            at = to_epoch(posting.at)
            touched = False
            for transfer in posting.transfers:
                micros = transfer.micros
                for end, moved in ((transfer.source, -micros), (transfer.target, micros)):
                    name = id(end)
                    if name in gained:
                        gained[name] += moved
                        if at < earliest[name]:
                            earliest[name] = at
                    else:
                        objects[name] = end
                        gained[name] = moved
                        earliest[name] = at
                    touched = touched or end.book in MATERIALISED
            if not touched:
                untouched.append(posting)
        return cls(objects, gained, earliest, untouched)


def wallet_movements(ends: Ends, changes: Changes) -> dict[int, Movement]:
    """What happens to each wallet, in the order of their accounts."""
    moved: dict[int, Movement] = {}

    def of(account_id: int, at: int) -> Movement:
        movement = moved.setdefault(account_id, Movement())
        movement.at = min(movement.at, at)
        return movement

    for name, end in ends.objects.items():
        if end.book in MATERIALISED:
            _move(of(end.account_id, ends.earliest[name]), end, ends.gained[name])
    for posting in ends.untouched:  # some wallet must say whether the period is closed
        for account_id in {end.account_id for one in posting.transfers for end in (one.source, one.target)}:
            of(account_id, to_epoch(posting.at))
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
