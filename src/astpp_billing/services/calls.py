"""Settling calls: from a call record to one posting with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from astpp_billing.calls import (
    CallEntry,
    CallRecord,
    CallStatus,
    Settled,
    Settlement,
    Unrated,
    UnratedReason,
    call_charges,
    call_transfers,
    record_fingerprint,
)
from astpp_billing.clock import Clock, utc
from astpp_billing.errors import IdempotencyConflict, NotFound
from astpp_billing.hierarchy import Account, EndpointKind, Kind, Path, ReceiptMode, Status
from astpp_billing.invoicing import DocumentKind
from astpp_billing.ledger import Charge, Posting, Reason, Transfer
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.pricing import NotPriced, PricedCall
from astpp_billing.services.again import again
from astpp_billing.services.issuing import draft, issue
from astpp_billing.services.prices import PriceBook


class Calls:
    """The use cases of calls."""

    def __init__(self, storage: Storage, clock: Clock, book: PriceBook) -> None:
        self._storage = storage
        self._clock = clock
        self._book = book

    @again
    def settle(self, record: CallRecord) -> Settlement:
        """Charge a call on every level of its path, once.

        The same record again changes nothing and gives what the first one gave. A record that cannot be rated is kept
        with the reason (`Unrated`) and can be settled again by `retry`. A call that costs nothing on any level is kept
        as rated, without a posting. Raises `IdempotencyConflict` where another record had the same switch and leg.
        """
        with self._storage.begin() as uow:
            known = uow.find_call(record.key)
            if known is None:
                return self._settle(uow, record)
            if record_fingerprint(known.record) != record_fingerprint(record):
                raise IdempotencyConflict(f"{record.key} was another call before: {known.record}")
            if known.status is CallStatus.RATED:
                return Settled(known, tuple(uow.charges(posting_key=known.key)), repeated=True)
            return Unrated(known, repeated=True)

    def retry(self) -> Sequence[Settlement]:
        """Settle every unrated record again, oldest first, each in a transaction of its own; returns what came of them.

        A record is rated by the prices that held when its call started, and by the path that its account has now.
        """
        waiting = [entry.key for entry in self.all(CallStatus.UNRATED)]
        return [settled for key in waiting if (settled := self._retry(key)) is not None]

    @again
    def _retry(self, key: str) -> Settlement | None:
        with self._storage.begin() as uow:
            entry = uow.find_call(key)
            if entry is None or entry.status is CallStatus.RATED:  # somebody else settled it meanwhile
                return None
            return self._settle(uow, entry.record)

    @again
    def price(self, account: Account, number: str, seconds: int, at: datetime | None = None) -> PricedCall | NotPriced:
        """What a call by an account would cost on every level if it started at an instant (the present, if not given).

        Nothing is charged or kept.
        """
        with self._storage.begin() as uow:
            cascade = self._book.cascade(uow, uow.path(account.id))
        return cascade.price(number, seconds, self._clock.now() if at is None else utc(at))

    @again
    def get(self, key: str) -> CallEntry:
        """What became of the call with a key; `NotFound` if there is none."""
        with self._storage.begin() as uow:
            found = uow.find_call(key)
        if found is None:
            raise NotFound(f"no call has the key {key!r}")
        return found

    @again
    def charges(self, entry: CallEntry) -> Sequence[Charge]:
        """What each account on the path was charged for a call; the buyer first."""
        with self._storage.begin() as uow:
            return uow.charges(posting_key=entry.key)

    @again
    def all(self, status: CallStatus | None = None) -> Sequence[CallEntry]:
        """The calls that are kept, of one status or all, in the order of their start."""
        with self._storage.begin() as uow:
            return uow.calls(status)

    def _settle(self, uow: UnitOfWork, record: CallRecord) -> Settlement:
        now = self._clock.now()
        buyer = _buyer(uow, record)
        if not isinstance(buyer, Account):
            return _keep(uow, record, None, buyer, now)
        if not record.seconds:
            return _rated(uow, record, buyer, (), now)  # costs nothing, whatever the rates: there is nothing to look up
        path = uow.path(buyer.id)
        refused = _refusal(record, path)
        if refused is not None:
            return _keep(uow, record, buyer, refused, now)
        carrier = None if record.provider is None else uow.find_account(record.provider)
        if record.provider is not None and (carrier is None or carrier.kind is not Kind.PROVIDER):
            unknown = (UnratedReason.UNKNOWN_ACCOUNT, f"no provider has the number {record.provider!r}")
            return _keep(uow, record, buyer, unknown, now)
        cascade = self._book.cascade(uow, path, carrier)
        call = cascade.price(record.number, record.seconds, record.started_at)
        if isinstance(call, NotPriced):
            return _keep(uow, record, buyer, (UnratedReason(call.reason.value), call.detail), now)
        return _charge(uow, record, path, call, now)


_Refusal = tuple[UnratedReason, str]


def _buyer(uow: UnitOfWork, record: CallRecord) -> Account | _Refusal:
    """Who pays: the account that the record names, else the one that its user or address stands for."""
    buyer = _named(uow, record)
    if isinstance(buyer, Account) and buyer.kind is Kind.PROVIDER:
        return UnratedReason.UNKNOWN_ACCOUNT, f"account {buyer.number} is a provider, which pays for no calls"
    return buyer


def _named(uow: UnitOfWork, record: CallRecord) -> Account | _Refusal:
    if record.account is not None:
        named = uow.find_account(record.account)
        return named or (UnratedReason.UNKNOWN_ACCOUNT, f"no account has the number {record.account!r}")
    for kind, value in ((EndpointKind.USER, record.user), (EndpointKind.ADDRESS, record.address)):
        account_id = None if value is None else uow.find_endpoint(kind, value)
        if account_id is not None:
            return uow.account(account_id)
    detail = f"neither the user {record.user!r} nor the address {record.address!r} belongs to an account"
    return UnratedReason.UNKNOWN_ACCOUNT, detail


def _refusal(record: CallRecord, path: Path) -> _Refusal | None:
    for account in path:
        if account.status is Status.CLOSED:
            return UnratedReason.ACCOUNT_CLOSED, f"account {account.number} is closed"
    if not (record.number.isascii() and record.number.isdigit()):
        return UnratedReason.BAD_NUMBER, f"not a phone number: {record.number!r}"
    return None


def _keep(uow: UnitOfWork, record: CallRecord, buyer: Account | None, refused: _Refusal, now: datetime) -> Unrated:
    entry = CallEntry(
        record=record,
        status=CallStatus.UNRATED,
        account_id=None if buyer is None else buyer.id,
        reason=refused[0],
        detail=refused[1],
        settled_at=now,
    )
    uow.save_call(entry)
    return Unrated(entry)


def _charge(uow: UnitOfWork, record: CallRecord, path: Path, call: PricedCall, now: datetime) -> Settled:
    charges = call_charges(record, call)
    transfers: list[Transfer] = list(call_transfers(call))
    drafts = []
    for position, charge in enumerate(charges):
        start = next(index for index, account in enumerate(path) if account.id == charge.account_id)
        if not path[start].is_postpaid and path[start].receipts is ReceiptMode.EACH:
            drafted = draft(uow, DocumentKind.RECEIPT, path[start:], (charge,), now)
            drafts.append((position, drafted))
            transfers += drafted.transfers
    if not transfers:
        return _rated(uow, record, path[0], (), now)
    uow.add_posting(
        Posting(
            key=record.key,
            fingerprint=record_fingerprint(record),
            at=now,
            reason=Reason.CALL,
            transfers=tuple(transfers),
        )
    )
    stored: list[Charge] = list(uow.add_charges(charges))
    # from the root down, so that every transaction takes the issuers' series in the same order
    for position, drafted in reversed(drafts):
        document = issue(uow, drafted, (stored[position].id,))
        stored[position] = evolve(stored[position], document_id=document.id)
    return _rated(uow, record, path[0], stored, now)


def _rated(uow: UnitOfWork, record: CallRecord, buyer: Account, charges: Sequence[Charge], now: datetime) -> Settled:
    entry = CallEntry(record=record, status=CallStatus.RATED, account_id=buyer.id, settled_at=now)
    uow.save_call(entry)
    return Settled(entry, tuple(charges))
