"""Wallets: what is decided by, and locked, for one account; and what it has used on a day."""

from __future__ import annotations

from datetime import date, datetime

from attrs import frozen


@frozen(kw_only=True)
class Wallet:
    """The materialised state of one account, in micros of its currency.

    `balance_micros` is that of its `WALLET` book, `rounding_micros` that of its `ROUNDING` book. `held_micros` is what
    open holds reserve, `credit_micros` how far the balance may go below zero. `epoch` grows with every change of the
    account itself, so that a decision made by what the account was before can be told. Nothing can be posted with an
    instant before `closed_until`.
    """

    account_id: int
    currency: str
    balance_micros: int = 0
    rounding_micros: int = 0
    held_micros: int = 0
    credit_micros: int = 0
    epoch: int = 0
    closed_until: datetime | None = None

    @property
    def available_micros(self) -> int:
        """What may still be spent: balance, and credit, less what is held; negative where more was used already."""
        return self.balance_micros + self.credit_micros - self.held_micros


@frozen
class Used:
    """What one account was charged for the calls that started on one of its local days: money, calls, seconds."""

    micros: int = 0
    calls: int = 0
    seconds: int = 0

    def __add__(self, other: Used) -> Used:
        return Used(self.micros + other.micros, self.calls + other.calls, self.seconds + other.seconds)


UsedKey = tuple[int, date]
"""An account's id and one of its local days."""
