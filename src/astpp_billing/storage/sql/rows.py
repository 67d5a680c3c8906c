"""Values as rows for the driver itself: tuples of whole numbers and texts, in the order of their columns.

Everything that grows with every call goes through here, so it is written for speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from astpp_billing.calls import CallEntry
from astpp_billing.clock import to_epoch
from astpp_billing.invoicing import Document
from astpp_billing.ledger import Charge, Posting, Used, UsedKey
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.mapping import lines_text
from astpp_billing.storage.sql.wire import Insert, Row

_POSTING = ("id", "key", "fingerprint", "at", "reason", "note")
_TRANSFER = ("posting_id", "position", "source_id", "target_id", "micros")
_DOCUMENT = (
    "id",
    "kind",
    "number",
    "issuer_id",
    "account_id",
    "letterhead_id",
    "period_start",
    "period_end",
    "issued_at",
    "due_at",
    "total_micros",
    "lines",
)
_CHARGE = (
    "posting_id",
    "position",
    "account_id",
    "document_id",
    "at",
    "kind",
    "description",
    "detail",
    "number",
    "seconds",
    "micros",
    "currency",
)
_RECORD = ("account", "user", "address", "caller", "dialled", "hangup_cause", "provider")
_CALL = (
    "leg_uuid",
    "switch_id",
    "status",
    "account_id",
    "micros",
    "reason",
    "detail",
    "settled_at",
    "number",
    "started_at",
    "answered_at",
    "ended_at",
    "seconds",
    *_RECORD,
)
_record = attrgetter(*_RECORD)


def _epoch(instant: Any) -> int | None:
    return None if instant is None else to_epoch(instant)


def postings(values: Sequence[Posting], ids: Mapping[str, int]) -> Insert:
    """The rows of postings."""
    found: list[Row] = [
        (
            ids[one.key],
            one.key,
            one.fingerprint,
            to_epoch(one.at),
            one.reason.value,
            one.note or None,
        )
        for one in values
    ]
    return Insert(tables.postings, _POSTING, found)


def corrections(values: Sequence[Posting], ids: Mapping[str, int]) -> Insert:
    """Which of them corrects which one."""
    found: list[Row] = [
        (ids[one.key], ids[one.corrects], None if one.share is None else str(one.share))
        for one in values
        if one.corrects is not None
    ]
    return Insert(tables.corrections, ("posting_id", "corrected_id", "share"), found)


def transfers(values: Sequence[Posting], ids: Mapping[str, int], ledger_ids: Mapping[int, int]) -> Insert:
    """The rows of their transfers; ledger accounts are told apart by their identity."""
    found: list[Row] = []
    for posting in values:
        posting_id = ids[posting.key]
        for position, one in enumerate(posting.transfers, 1):
            found.append((posting_id, position, ledger_ids[id(one.source)], ledger_ids[id(one.target)], one.micros))
    return Insert(tables.transfers, _TRANSFER, found)


def documents(values: Sequence[Document], letterhead_ids: Sequence[int]) -> Insert:
    """The rows of documents."""
    found: list[Row] = [
        (
            one.id,
            one.kind.value,
            one.number,
            one.issuer_id,
            one.account_id,
            letterhead_id,
            None if one.period is None else to_epoch(one.period.start),
            None if one.period is None else to_epoch(one.period.end),
            to_epoch(one.issued_at),
            _epoch(one.due_at),
            one.total_micros,
            lines_text(one),
        )
        for one, letterhead_id in zip(values, letterhead_ids, strict=True)
    ]
    return Insert(tables.documents, _DOCUMENT, found)


def credit_notes(values: Sequence[Document]) -> Insert:
    """Which of them takes something back of which one."""
    found: list[Row] = [(one.id, one.corrects_id) for one in values if one.corrects_id is not None]
    return Insert(tables.credit_notes, ("document_id", "corrected_id"), found)


def charges(values: Sequence[Charge], ids: Mapping[str, int]) -> Insert:
    """The rows of charges."""
    found: list[Row] = [
        (
            ids[one.posting_key],
            one.position,
            one.account_id,
            one.document_id,
            to_epoch(one.at),
            one.kind.value,
            one.description,
            one.detail,
            one.number,
            one.seconds,
            one.micros,
            one.currency,
        )
        for one in values
    ]
    return Insert(tables.charges, _CHARGE, found)


def calls(values: Sequence[CallEntry]) -> Insert:
    """The rows of calls."""
    found: list[Row] = []
    for entry in values:
        record = entry.record
        found.append(
            (
                record.leg_uuid,
                record.switch_id,
                entry.status.value,
                entry.account_id,
                entry.micros,
                None if entry.reason is None else entry.reason.value,
                entry.detail,
                to_epoch(entry.settled_at),
                record.number,
                to_epoch(record.started_at),
                _epoch(record.answered_at),
                to_epoch(record.ended_at),
                record.seconds,
                *_record(record),
            )
        )
    return Insert(tables.calls, _CALL, found)


def retried_values(entry: CallEntry) -> dict[str, Any]:
    """What became of a call that was unrated, as the parameters of an update."""
    return {
        "leg": entry.record.leg_uuid,
        "switch": entry.record.switch_id,
        "became": entry.status.value,
        "payer": entry.account_id,
        "charged": entry.micros,
        "why": None if entry.reason is None else entry.reason.value,
        "details": entry.detail,
        "settled": to_epoch(entry.settled_at),
    }


def used(values: Mapping[UsedKey, Used]) -> Insert:
    """The figures of local days, which are added to those that are there; in the order of their keys."""
    found: list[Row] = [
        (account_id, day.toordinal(), one.micros, one.calls, one.seconds)
        for (account_id, day), one in sorted(values.items())
    ]
    return Insert(
        tables.used, ("account_id", "day", "micros", "calls", "seconds"), found, adding=("micros", "calls", "seconds")
    )
