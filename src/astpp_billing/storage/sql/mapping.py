"""Rows to values and back, written out: frozen values cannot be mapped by an ORM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any

from astpp_billing.calls import CallEntry, CallRecord, CallStatus, UnratedReason
from astpp_billing.fx import ExchangeRate
from astpp_billing.hierarchy import Account, BillingType, Kind, ReceiptMode, ResellerModel, Status
from astpp_billing.invoicing import Document, DocumentKind, DocumentLine, InvoiceConfig, LineKind, Tax
from astpp_billing.ledger import (
    Book,
    Charge,
    ChargeKind,
    HeldLevel,
    HeldMinutes,
    Hold,
    HoldState,
    LedgerAccount,
    Posting,
    Reason,
    Transfer,
    Wallet,
)
from astpp_billing.periods import BillingSchedule, Cadence, Period
from astpp_billing.pricing import RateGroup

Row = dict[str, Any]

_ACCOUNT = [
    "number",
    "name",
    "kind",
    "parent_id",
    "model",
    "billing",
    "currency",
    "timezone",
    "locale",
    "rate_group",
    "own_rate_group",
    "credit_limit_micros",
    "commission_percent",
    "loss_less_routing",
    "receipts",
    "zero_invoices",
    "tax_number",
    "same_credential",
    "opened_at",
    "status",
]
_GROUP = [
    "name",
    "owner_id",
    "currency",
    "markup_percent",
    "default_initial_increment",
    "default_increment",
    "places",
    "version",
]
_CONFIG = [
    "account_id",
    "company",
    "address",
    "tax_number",
    "invoice_prefix",
    "receipt_prefix",
    "credit_note_prefix",
    "note",
    "due_days",
]
_RECORD = [
    "switch_id",
    "leg_uuid",
    "number",
    "started_at",
    "answered_at",
    "ended_at",
    "seconds",
    "account",
    "user",
    "address",
    "caller",
    "dialled",
    "hangup_cause",
    "provider",
]
_ENTRY = ["status", "account_id", "micros", "reason", "detail", "settled_at"]
_CHARGE = [
    "position",
    "account_id",
    "at",
    "kind",
    "description",
    "detail",
    "number",
    "seconds",
    "micros",
    "currency",
    "document_id",
]
_DOCUMENT = ["kind", "number", "issuer_id", "account_id", "issued_at", "due_at", "corrects_id", "total_micros"]
_LETTERHEAD = [
    "seller_id",
    "currency",
    "locale",
    "timezone",
    "issuer_name",
    "issuer_address",
    "issuer_tax_number",
    "buyer_number",
    "buyer_name",
    "buyer_tax_number",
    "note",
]
_LINE = ["kind", "description", "quantity", "seconds", "exact_micros", "micros"]
_WALLET = [
    "account_id",
    "currency",
    "balance_micros",
    "rounding_micros",
    "held_micros",
    "credit_micros",
    "epoch",
    "closed_until",
]
_HOLD = ["key", "account_id", "fingerprint", "placed_at", "expires_at", "state", "seconds", "terms"]


def _pick(value: object, names: Iterable[str]) -> Row:
    return {name: getattr(value, name) for name in names}


def _take(row: Mapping[Any, Any], names: Iterable[str]) -> Row:
    return {name: row[name] for name in names}


def account_row(account: Account) -> Row:
    """An account without its id."""
    return _pick(account, _ACCOUNT) | {"cadence": account.schedule.cadence, "billing_day": account.schedule.day}


def account_of(row: Mapping[Any, Any]) -> Account:
    """The account of a row."""
    return Account(
        id=row["id"],
        **_take(row, _ACCOUNT)
        | {
            "kind": Kind(row["kind"]),
            "model": ResellerModel(row["model"]) if row["model"] else None,
            "billing": BillingType(row["billing"]),
            "receipts": ReceiptMode(row["receipts"]),
            "status": Status(row["status"]),
            "schedule": BillingSchedule(Cadence(row["cadence"]), row["billing_day"]),
        },
    )


def group_row(group: RateGroup) -> Row:
    """A rate group without its id."""
    return _pick(group, _GROUP)


def group_of(row: Mapping[Any, Any]) -> RateGroup:
    """The rate group of a row."""
    return RateGroup(**_take(row, _GROUP))


def exchange_rate_of(row: Mapping[Any, Any]) -> ExchangeRate:
    """The exchange rate of a row."""
    return ExchangeRate(row["base"], row["quote"], row["rate"], row["valid_from"], row["source"])


def config_row(config: InvoiceConfig) -> Row:
    """An invoice configuration."""
    tax = config.tax
    return _pick(config, _CONFIG) | {"tax_name": tax and tax.name, "tax_percent": tax and tax.percent}


def config_of(row: Mapping[Any, Any]) -> InvoiceConfig:
    """The invoice configuration of a row."""
    tax = None if row["tax_name"] is None else Tax(row["tax_name"], row["tax_percent"])
    return InvoiceConfig(**_take(row, _CONFIG), tax=tax)


def entry_row(entry: CallEntry) -> Row:
    """A call without its id."""
    return _pick(entry.record, _RECORD) | _pick(entry, _ENTRY)


def entry_of(row: Mapping[Any, Any]) -> CallEntry:
    """The call of a row."""
    return CallEntry(
        record=CallRecord(**_take(row, _RECORD)),
        status=CallStatus(row["status"]),
        account_id=row["account_id"],
        micros=row["micros"],
        reason=UnratedReason(row["reason"]) if row["reason"] else None,
        detail=row["detail"],
        settled_at=row["settled_at"],
    )


def posting_of(row: Mapping[Any, Any], transfers: Iterable[Mapping[Any, Any]]) -> Posting:
    """The posting of a row, with what it corrects, and the rows of its transfers, which are in order."""
    return Posting(
        key=row["key"],
        fingerprint=row["fingerprint"],
        at=row["at"],
        reason=Reason(row["reason"]),
        corrects=row["corrects"],
        share=None if row["share"] is None else Fraction(row["share"]),
        note=row["note"] or "",
        transfers=tuple(
            Transfer(
                LedgerAccount(moved["source_account_id"], Book(moved["source_book"]), moved["currency"]),
                LedgerAccount(moved["target_account_id"], Book(moved["target_book"]), moved["currency"]),
                moved["micros"],
            )
            for moved in transfers
        ),
    )


def charge_of(row: Mapping[Any, Any]) -> Charge:
    """The charge of a row that also has its posting's key."""
    return Charge(posting_key=row["posting_key"], **_take(row, _CHARGE) | {"kind": ChargeKind(row["kind"])})


Letterhead = tuple[int | str, ...]
"""What is the same on very many documents: who issues them to whom, and what both are called."""

letterhead: Callable[[Document], Letterhead] = attrgetter(*_LETTERHEAD)
"""The letterhead of a document."""


def letterhead_text(head: Letterhead) -> str:
    """A letterhead as text."""
    return json.dumps(head, ensure_ascii=False)


def lines_text(document: Document) -> str:
    """The lines of a document, as JSON; written out, because that is four times as fast."""
    lines = [
        f'["{line.kind.value}", {encode_basestring(line.description)}, {line.quantity}, {line.seconds},'
        f" {line.exact_micros}, {line.micros}]"
        for line in document.lines
    ]
    return f"[{', '.join(lines)}]"


def document_of(row: Mapping[Any, Any]) -> Document:
    """The document of a row that also has the content of its letterhead, and what it takes something back of."""
    period = None if row["period_start"] is None else Period(row["period_start"], row["period_end"])
    values = (dict(zip(_LINE, line, strict=True)) for line in json.loads(row["lines"]))
    return Document(
        id=row["id"],
        **_take(row, _DOCUMENT) | {"kind": DocumentKind(row["kind"])},
        **dict(zip(_LETTERHEAD, json.loads(row["content"]), strict=True)),
        period=period,
        lines=tuple(
            DocumentLine(position=position, **line | {"kind": LineKind(line["kind"])})
            for position, line in enumerate(values, 1)
        ),
    )


def wallet_of(row: Mapping[Any, Any]) -> Wallet:
    """The wallet of a row."""
    return Wallet(**_take(row, _WALLET))


def levels_text(hold: Hold) -> str:
    """What a hold reserves, as text: the levels, or an object that has them and the included minutes."""
    levels = [[level.account_id, level.micros] for level in hold.levels]
    if not hold.minutes:
        return json.dumps(levels)
    return json.dumps({"levels": levels, "minutes": [[one.grant_id, one.seconds] for one in hold.minutes]})


def hold_of(row: Mapping[Any, Any]) -> Hold:
    """The hold of a row."""
    reserved = json.loads(row["levels"])
    if isinstance(reserved, list):
        reserved = {"levels": reserved, "minutes": ()}
    levels = tuple(HeldLevel(*level) for level in reserved["levels"])
    minutes = tuple(HeldMinutes(*one) for one in reserved["minutes"])
    return Hold(**_take(row, _HOLD) | {"state": HoldState(row["state"])}, levels=levels, minutes=minutes)
