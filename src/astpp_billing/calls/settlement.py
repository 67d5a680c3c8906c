"""What becomes of a call record: what is kept of it, and what settling it gives."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from astpp_billing.calls.record import CallRecord
from astpp_billing.clock import to_epoch, utc
from astpp_billing.errors import BillingError
from astpp_billing.ledger import Charge, fingerprint


class CallStatus(StrEnum):
    """What became of a record."""

    RATED = "rated"
    UNRATED = "unrated"


class UnratedReason(StrEnum):
    """Why a record could not be rated; it is kept and can be settled again."""

    UNKNOWN_ACCOUNT = "unknown account"
    ACCOUNT_CLOSED = "account closed"
    BAD_NUMBER = "not a phone number"
    NO_RATE_GROUP = "no rate group"
    NOT_OFFERED = "rate group not offered by the seller"
    NO_RATE = "no rate"
    NO_EXCHANGE_RATE = "no exchange rate"
    TOO_LARGE = "amount too large"


@frozen(kw_only=True)
class CallEntry:
    """A call record as it is kept, with what became of it.

    `account_id` is the buyer, as far as it is known, and `micros` what it was charged, in its currency, without tax. An
    unrated entry says why: `reason`, and `detail` in words.
    """

    record: CallRecord
    status: CallStatus
    account_id: int | None = None
    reason: UnratedReason | None = None
    detail: str = ""
    micros: int = 0
    settled_at: datetime = field(converter=utc)

    @property
    def key(self) -> str:
        """The idempotency key, which is also that of the call's posting."""
        return self.record.key


def record_fingerprint(record: CallRecord) -> str:
    """A digest of what a record's price depends on, so that a repeat is told from a conflict."""
    return fingerprint(
        record.account,
        record.user,
        record.address,
        record.number,
        to_epoch(record.started_at),
        None if record.answered_at is None else to_epoch(record.answered_at),
        to_epoch(record.ended_at),
        record.seconds,
        record.provider,
    )


@frozen
class Settled:
    """A record that was rated and charged; `repeated` where that had happened before."""

    entry: CallEntry
    charges: tuple[Charge, ...]
    repeated: bool = False


@frozen
class Unrated:
    """A record that was kept without a price; `repeated` where that had happened before."""

    entry: CallEntry
    repeated: bool = False


Settlement = Settled | Unrated
"""What settling a record gives."""


@frozen
class Failed:
    """A record that could not be settled, and of which nothing was kept; `error` says why.

    It is an `IdempotencyConflict` where another record had the same switch and leg.
    """

    record: CallRecord
    error: BillingError
