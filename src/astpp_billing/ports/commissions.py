"""The part of the storage port that adds up commissions."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from astpp_billing.ledger import CommissionGroup, Entry


class CommissionWork(Protocol):
    """What a unit of work tells of commissions: what moved between a `COMMISSION` book and a wallet."""

    def commissions_between(self, account_id: int, moments: Sequence[datetime]) -> Mapping[CommissionGroup, int]:
        """What an account was paid (positive) or has paid on from each of `moments` (ascending) up to the next.

        What was given back has the other sign. Sums that are zero are left out.
        """
        ...

    def commission_entries(self, account_id: int, since: datetime, until: datetime) -> Generator[Entry, None, None]:
        """What `commissions_between` adds up, one by one, in the order of time; read bit by bit, as `entries` is."""
        ...
