"""What settling a call does: its transfers, its charges, and what is kept of it. Decisions only, no I/O."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from astpp_billing.calls.record import CallRecord
from astpp_billing.clock import to_epoch, utc
from astpp_billing.ledger import Book, Charge, LedgerAccount, Transfer, fingerprint, transfer
from astpp_billing.pricing import Level, PricedCall, explain_level


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

    `account_id` is the buyer, as far as it is known. An unrated entry says why: `reason`, and `detail` in words.
    """

    record: CallRecord
    status: CallStatus
    account_id: int | None = None
    reason: UnratedReason | None = None
    detail: str = ""
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


def call_transfers(call: PricedCall) -> tuple[Transfer, ...]:
    """Everything that moves because of a call: what each level pays, each commission, and the provider's cost."""
    moved: list[Transfer] = []
    for level in call.levels:
        wallet = LedgerAccount(level.payer.id, Book.WALLET, level.currency)
        moved += transfer(wallet, LedgerAccount(level.payee.id, Book.REVENUE, level.currency), level.amount_micros)
    for share in call.commissions:
        currency = share.receiver.currency
        paid_from = LedgerAccount(share.payer.id, Book.COMMISSION, currency)
        moved += transfer(paid_from, LedgerAccount(share.receiver.id, Book.WALLET, currency), share.amount_micros)
    end = call.termination
    if end is not None:
        cost = LedgerAccount(end.payer.id, Book.COST, end.currency)
        moved += transfer(cost, LedgerAccount(end.payee.id, Book.PAYABLE, end.currency), end.amount_micros)
    return tuple(moved)


def call_charges(record: CallRecord, call: PricedCall) -> tuple[Charge, ...]:
    """What stands on each payer's next document: one charge for every level that costs something; the buyer first."""
    return tuple(_charge(record, level) for level in call.levels if level.amount_micros)


def _charge(record: CallRecord, level: Level) -> Charge:
    rate = level.terms.rate
    return Charge(
        account_id=level.payer.id,
        posting_key=record.key,
        at=record.started_at,
        description=rate.destination or rate.prefix,
        detail=explain_level(level).text(),
        number=record.number,
        seconds=record.seconds,
        micros=level.amount_micros,
        currency=level.currency,
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
