"""What reports are made of: the movements of one ledger account, and what went through books in a span of time."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from astpp_billing.ledger.posting import LedgerAccount, Reason
from astpp_billing.ledger.profit import Flow


@frozen(kw_only=True)
class Entry:
    """One movement of one ledger account: a transfer, seen from one of its ends.

    `micros` is positive for what came in and negative for what went out, `other` the ledger account on the other side.
    `position` is that of the transfer in its posting, from 1. `description` and `number` are those of the charge that
    the transfer was made for; where it was made for none, the first one is the note of the posting.
    """

    at: datetime
    reason: Reason
    posting_key: str
    position: int
    other: LedgerAccount
    micros: int
    description: str = ""
    number: str = ""


@frozen(cache_hash=True)
class CommissionGroup:
    """Commissions that are summed up together, from one moment to the next: for one kind of event, in one currency.

    The account was paid them by another account (`received`), or paid them on to it.
    """

    since: datetime
    reason: Reason
    received: bool
    other_id: int
    currency: str


@frozen(cache_hash=True)
class FlowGroup:
    """Flows that are summed up together: of one account, from one moment to the next, to one destination.

    `since` is the moment that the span of time begins with. `destination` is None for what no charge stands for, and
    where destinations were not asked for.
    """

    account_id: int
    since: datetime
    destination: str | None
    flow: Flow
