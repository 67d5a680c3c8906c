"""Saving what a transaction adds to the books, in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from sqlalchemy import ColumnElement, String, Text, select, update

from astpp_billing.calls import CallEntry, CallStatus
from astpp_billing.clock import to_epoch
from astpp_billing.errors import (
    AlreadyExists,
    BillingError,
    CurrencyMismatch,
    NotFound,
    PeriodClosed,
    StorageBusy,
    StorageError,
)
from astpp_billing.ledger import HoldState
from astpp_billing.money import check_micros
from astpp_billing.ports import Changes
from astpp_billing.storage.minutes import moved_minutes
from astpp_billing.storage.sql import rows, tables
from astpp_billing.storage.sql.allowances import (
    grant_rows,
    granting_steps,
    minutes_rows,
    taking_step,
    telling_step,
    told_accounts,
)
from astpp_billing.storage.sql.catalogue import grants
from astpp_billing.storage.sql.engine import BrokenConstraint, Fault
from astpp_billing.storage.sql.look import chunks
from astpp_billing.storage.sql.mapping import letterhead, levels_text
from astpp_billing.storage.sql.movements import MOVE, Ends, Movement, wallet_movements
from astpp_billing.storage.sql.names import Names
from astpp_billing.storage.sql.wire import Insert, Say, Step, Tell, parameter, plain

Check = Callable[[int], None]
"""Raises if a step has not found as many rows as it must."""

Checked = tuple[Step, Check | None]


class Save(Names):
    """The part of a unit of work that writes to the books."""

    def reserve_ids(self, count: int) -> Sequence[int]:
        """See `ports.UnitOfWork`."""
        return self._shared.take(self._connection, count)

    def save(self, changes: Changes) -> None:
        """See `ports.UnitOfWork`."""
        ends = Ends.of(changes.postings)
        moved = wallet_movements(ends, changes)
        for movement in moved.values():
            check_micros(movement.balance, "the movement of a wallet")
            check_micros(movement.rounding, "the movement of a wallet")
        try:
            posting_ids = self._references(changes, ends, moved)
        except NotFound:
            self._refuse_taken(changes)
            raise
        steps: list[Checked] = [
            (Say("SAVEPOINT saving"), None),
            *self._locked_steps(changes, moved),
            *((step, None) for step in granting_steps(changes)),
            *((insert, None) for insert in self._inserts(changes, ends, posting_ids) if insert.rows),
            *self._kept_steps(changes),
        ]
        try:
            answers = self._send(*(step for step, _ in steps))
        except BrokenConstraint as error:
            self._send(Say("ROLLBACK TO SAVEPOINT saving"))
            if error.fault is Fault.TAKEN:
                raise AlreadyExists(f"something of what is to be saved exists already: {error}") from error
            raise NotFound(f"something of what is to be saved refers to what does not exist: {error}") from error
        try:
            # wallets come first and are checked last: what else is wrong says more
            for (_, check), answer in reversed(list(zip(steps, answers, strict=True))):
                if check is not None:
                    check(answer)
        except BillingError:
            self._send(Say("ROLLBACK TO SAVEPOINT saving"))
            raise
        if self._locked_series is not None:
            for series, count in changes.numbers.items():
                self._locked_series[series] += count

    def _references(self, changes: Changes, ends: Ends, moved: Mapping[int, Movement]) -> dict[str, int]:
        """The ids of postings by their keys, new and known; `NotFound` where something refers to nothing."""
        accounts = set(moved)
        accounts.update(end.account_id for end in ends.objects.values())
        for document in changes.documents:
            accounts.update((document.issuer_id, document.seller_id, document.account_id))
        accounts.update(charge.account_id for charge in changes.charges)
        accounts.update(entry.account_id for entry in changes.calls + changes.retried if entry.account_id is not None)
        accounts.update(account_id for account_id, _ in changes.used)
        accounts.update(told_accounts(changes))
        self._check_accounts(accounts)
        made = {document.id for document in changes.documents}
        named = {charge.document_id for charge in changes.charges} | {one.document_id for one in changes.placed}
        named |= {document.corrects_id for document in changes.documents}
        self._check_documents(sorted(one for one in named - made if one is not None))
        keys = [posting.key for posting in changes.postings]
        ids = dict(zip(keys, self.reserve_ids(len(keys)) if keys else (), strict=True))
        referred = {charge.posting_key for charge in changes.charges}
        referred.update(posting.corrects for posting in changes.postings if posting.corrects is not None)
        return ids | self._stored_postings(referred - ids.keys())

    def _check_documents(self, document_ids: Sequence[int]) -> None:
        documents = tables.documents
        for some in chunks(document_ids):
            found = {row["id"] for row in self._all(select(documents.c.id).where(documents.c.id.in_(some)))}
            for document_id in some:
                if document_id not in found:
                    raise NotFound(f"no document has the id {document_id}")

    def _stored_postings(self, keys: set[str]) -> dict[str, int]:
        postings = tables.postings
        found: dict[str, int] = {}
        for some in chunks(sorted(keys)):
            for row in self._all(select(postings.c.id, postings.c.key).where(postings.c.key.in_(some))):
                found[row["key"]] = row["id"]
        for key in keys:
            if key not in found:
                raise NotFound(f"no posting has the key {key!r}")
        return found

    def _refuse_taken(self, changes: Changes) -> None:
        """Raise `AlreadyExists` where something that must be unique is taken, whatever else is wrong."""
        for posting in changes.postings:
            if self._first(select(tables.postings.c.id).where(tables.postings.c.key == posting.key)):
                raise AlreadyExists(f"posting {posting.key} exists already")
        for entry in changes.calls:
            if self._first(select(tables.calls.c.id).where(*_call_is(entry))):
                raise AlreadyExists(f"call {entry.key} exists already")
        documents = tables.documents.c
        for one in changes.documents:
            same = (documents.issuer_id == one.issuer_id, documents.kind == one.kind, documents.number == one.number)
            if self._first(select(documents.id).where(*same)):
                raise AlreadyExists(f"document {one.number} exists already")

    # what was locked: wallets, series, holds

    def _locked_steps(self, changes: Changes, moved: Mapping[int, Movement]) -> Iterator[Checked]:
        if moved:
            values = [movement.values(account_id) for account_id, movement in moved.items()]
            yield Tell(MOVE, values), partial(self._check_moved, moved)
        telling = telling_step(changes)
        if telling is not None:
            yield telling, None
        for (issuer_id, kind), count in changes.numbers.items():
            if (issuer_id, kind) not in (self._locked_series or {}):
                raise StorageError("numbers are given out only from a series that was locked")
            assert self._locked_series is not None
            last = self._locked_series[issuer_id, kind]
            given = {"issuer": issuer_id, "series": kind.value, "last": last, "count": count}
            yield Tell(_GIVE_OUT, [given]), partial(_check_found, 1, f"the series {kind} of account {issuer_id}")
        for hold, state in changes.ended:
            given = {"hold": hold.key, "became": state.value, "as_seen": levels_text(hold)}
            yield Tell(_END_HOLD, [given]), partial(self._check_ended, hold.key)

    def _check_moved(self, moved: Mapping[int, Movement], found: int) -> None:
        if found == len(moved):
            return
        for account_id, movement in moved.items():
            wallet = self.wallet(account_id)
            if movement.currency not in ("", wallet.currency):
                raise CurrencyMismatch(
                    f"the wallet of account {account_id} is in {wallet.currency}, not {movement.currency}"
                )
            if wallet.closed_until is not None and to_epoch(wallet.closed_until) > movement.at:
                raise PeriodClosed(f"the books of account {account_id} are closed until {wallet.closed_until}")
            check_micros(wallet.balance_micros + movement.balance, f"the balance of account {account_id}")
            check_micros(wallet.rounding_micros + movement.rounding, f"the rounding of account {account_id}")
        raise StorageBusy("a wallet has changed, or less is held in it than is to be given back")

    def _check_ended(self, key: str, found: int) -> None:
        if found != 1:
            if self._first(select(tables.holds.c.id).where(tables.holds.c.key == key)) is None:
                raise NotFound(f"no hold has the key {key!r}")
            raise StorageBusy(f"hold {key} has changed, or ended, since it was seen")

    # what is appended

    def _inserts(self, changes: Changes, ends: Ends, posting_ids: Mapping[str, int]) -> Iterator[Insert]:
        """The rows of postings and all that belongs to them; parents first."""
        names = self._ledger_ids(set(ends.objects.values()))
        ledger_ids = {name: names[end] for name, end in ends.objects.items()}
        heads = [letterhead(document) for document in changes.documents]
        head_ids = self._letterhead_ids(set(heads))
        yield rows.postings(changes.postings, posting_ids)
        yield rows.corrections(changes.postings, posting_ids)
        yield rows.transfers(changes.postings, posting_ids, ledger_ids)
        yield rows.documents(changes.documents, [head_ids[head] for head in heads])
        yield rows.credit_notes(changes.documents)
        yield rows.charges(changes.charges, posting_ids)
        yield rows.calls(changes.calls)
        yield rows.used(changes.used)
        yield grant_rows(changes.granted)
        yield minutes_rows(changes.minutes)

    def _kept_steps(self, changes: Changes) -> Iterator[Checked]:
        """What changes rows that are there: charges that come on a document, unrated calls that were rated."""
        for placed in changes.placed:
            given = {
                "document": placed.document_id,
                "payer": placed.account_id,
                "before": to_epoch(placed.before),
            }
            yield Tell(_PLACE, [given]), partial(_check_found, placed.count, f"charges of account {placed.account_id}")
        taking = taking_step(changes)
        if taking is not None:
            yield taking, partial(self._check_taken, changes, len(taking.values))
        if changes.retried:
            values = [rows.retried_values(entry) for entry in changes.retried]
            yield Tell(_RETRY, values), partial(self._check_retried, changes.retried)

    def _check_taken(self, changes: Changes, wanted: int, found: int) -> None:
        if found != wanted:
            for grant_id in moved_minutes(changes):
                if self._first(select(grants.c.id).where(grants.c.id == grant_id)) is None:
                    raise NotFound(f"no included minutes have the id {grant_id}")
            raise StorageBusy("somebody else has taken included minutes meanwhile")

    def _check_retried(self, entries: Sequence[CallEntry], found: int) -> None:
        if found != len(entries):
            for entry in entries:
                if self._first(select(tables.calls.c.id).where(*_call_is(entry))) is None:
                    raise NotFound(f"no call has the key {entry.key!r}")
            raise StorageBusy("an unrated call has been settled meanwhile")


def _check_found(expected: int, what: str, found: int) -> None:
    if found != expected:
        raise StorageBusy(f"{what}: {expected} expected, {found} found: another transaction was faster")


def _call_is(entry: CallEntry) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    calls = tables.calls.c
    return calls.leg_uuid == entry.record.leg_uuid, calls.switch_id == entry.record.switch_id


_series = tables.series
_GIVE_OUT = (
    update(_series)
    .where(
        _series.c.issuer_id == parameter("issuer"),
        _series.c.kind == parameter("series", String()),
        _series.c.last_number == parameter("last"),
    )
    .values(last_number=_series.c.last_number + parameter("count"))
)

_END_HOLD = (
    update(tables.holds)
    .where(
        tables.holds.c.key == parameter("hold", String()),
        tables.holds.c.state == HoldState.OPEN.value,
        tables.holds.c.levels == parameter("as_seen", Text()),
    )
    .values(state=parameter("became", String()))
)

_PLACE = (
    update(tables.charges)
    .where(
        tables.charges.c.account_id == parameter("payer"),
        tables.charges.c.document_id.is_(None),
        plain(tables.charges.c.at) < parameter("before"),
    )
    .values(document_id=parameter("document"))
)

_RETRY = (
    update(tables.calls)
    .where(
        tables.calls.c.leg_uuid == parameter("leg", String()),
        tables.calls.c.switch_id == parameter("switch", String()),
        tables.calls.c.status == CallStatus.UNRATED.value,
    )
    .values(
        status=parameter("became", String()),
        account_id=parameter("payer"),
        micros=parameter("charged"),
        reason=parameter("why", String()),
        detail=parameter("details", Text()),
        settled_at=parameter("settled"),
    )
)
