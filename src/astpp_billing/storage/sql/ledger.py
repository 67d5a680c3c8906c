"""Postings, balances and calls in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, literal_column, select, update

from astpp_billing.calls import CallEntry, CallStatus
from astpp_billing.errors import InvalidValue
from astpp_billing.ledger import MATERIALISED, Book, Flow, LedgerAccount, Posting, movements
from astpp_billing.money import MAX_MICROS, check_micros
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.mapping import entry_of, entry_row, posting_of
from astpp_billing.storage.sql.part import Part


class Ledger(Part):
    """The part of a unit of work that knows the ledger and the calls."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._ids: dict[LedgerAccount, int] = {}

    def find_posting(self, key: str) -> Posting | None:
        """See `ports.UnitOfWork`."""
        row = self._first(select(tables.postings).where(tables.postings.c.key == key))
        if row is None:
            return None
        accounts, transfers = tables.ledger_accounts, tables.transfers
        source, target = accounts.alias(), accounts.alias()
        query = (
            select(
                transfers.c.micros,
                source.c.currency,
                source.c.account_id.label("source_account_id"),
                source.c.book.label("source_book"),
                target.c.account_id.label("target_account_id"),
                target.c.book.label("target_book"),
            )
            .join(source, source.c.id == transfers.c.source_id)
            .join(target, target.c.id == transfers.c.target_id)
            .where(transfers.c.posting_id == row["id"])
            .order_by(transfers.c.position)
        )
        return posting_of(row, self._all(query))

    def add_posting(self, posting: Posting) -> None:
        """See `ports.UnitOfWork`."""
        try:
            with self._whole():
                self._add_posting(posting)
        except BaseException:
            self._ids.clear()  # some of these ledger accounts may have just been undone
            raise

    def _add_posting(self, posting: Posting) -> None:
        row = {name: getattr(posting, name) for name in ("key", "fingerprint", "at", "reason", "corrects")}
        posting_id = self._insert(tables.postings, row, f"posting {posting.key}")
        moved = movements(posting.transfers)
        ids = {account: self._ledger_id(account) for account in moved}
        rows = [
            {
                "posting_id": posting_id,
                "position": position,
                "source_id": ids[transfer.source],
                "target_id": ids[transfer.target],
                "micros": transfer.micros,
            }
            for position, transfer in enumerate(posting.transfers, 1)
        ]
        if rows:
            self._connection.execute(insert(tables.transfers), rows)
        # the one lock order: ledger accounts by their id
        for account in sorted(moved, key=ids.__getitem__):
            if account.book in MATERIALISED and moved[account]:
                self._move(account, ids[account], moved[account])

    def _move(self, account: LedgerAccount, ledger_id: int, micros: int) -> None:
        """Move a materialised balance, which must not leave what 64 bits hold: SQLite would go on with a float."""
        check_micros(micros, f"movement of {account}")
        columns = tables.ledger_accounts.c
        room = (
            columns.balance_micros <= MAX_MICROS - micros
            if micros > 0
            else columns.balance_micros >= -MAX_MICROS - micros
        )
        query = update(tables.ledger_accounts).where(columns.id == ledger_id, room)
        if self._connection.execute(query.values(balance_micros=columns.balance_micros + micros)).rowcount != 1:
            raise InvalidValue(f"the balance of {account} would be beyond the largest amount, {MAX_MICROS} micros")

    def _ledger_id(self, account: LedgerAccount) -> int:
        """The key of a ledger account, which is made at its first use."""
        if account not in self._ids:
            accounts = tables.ledger_accounts
            found = self._connection.execute(select(accounts.c.id).where(*_is(account))).scalar_one_or_none()
            row = {
                "account_id": account.account_id,
                "book": account.book,
                "currency": account.currency,
                "balance_micros": 0 if account.book in MATERIALISED else None,
            }
            self._ids[account] = found or self._insert(accounts, row, f"ledger account {account}")
        return self._ids[account]

    def balance(self, account: LedgerAccount) -> int:
        """See `ports.UnitOfWork`."""
        query = select(tables.ledger_accounts.c.balance_micros).where(*_is(account))
        return self._connection.execute(query).scalar_one_or_none() or 0

    def balances(self) -> Mapping[LedgerAccount, int]:
        """See `ports.UnitOfWork`."""
        accounts = tables.ledger_accounts
        rows = self._all(select(accounts).where(accounts.c.balance_micros != 0).order_by(accounts.c.id))
        return {
            LedgerAccount(row["account_id"], Book(row["book"]), row["currency"]): row["balance_micros"] for row in rows
        }

    def proved_balances(self) -> Mapping[LedgerAccount, int]:
        """See `ports.UnitOfWork`."""
        accounts, transfers = tables.ledger_accounts, tables.transfers
        proved: dict[LedgerAccount, int] = {}
        for gains, end in ((1, "target_id"), (-1, "source_id")):
            sums = select(transfers.c[end].label("id"), *_sums()).group_by(transfers.c[end]).subquery()
            query = select(accounts, sums.c.high, sums.c.low).join(sums, sums.c.id == accounts.c.id)
            for row in self._all(query):
                account = LedgerAccount(row["account_id"], Book(row["book"]), row["currency"])
                proved[account] = proved.get(account, 0) + gains * _total(row)
        return {account: micros for account, micros in proved.items() if micros}

    def flows(self, account_id: int) -> Mapping[Flow, int]:
        """See `ports.UnitOfWork`."""
        accounts, transfers = tables.ledger_accounts, tables.transfers
        own, other = accounts.alias(), accounts.alias()
        flows: dict[Flow, int] = {}
        for gains, end, other_end in ((1, "target_id", "source_id"), (-1, "source_id", "target_id")):
            query = (
                select(own.c.book, other.c.book.label("other"), own.c.currency, *_sums())
                .select_from(transfers)
                .join(own, own.c.id == transfers.c[end])
                .join(other, other.c.id == transfers.c[other_end])
                .where(own.c.account_id == account_id)
                .group_by(own.c.book, other.c.book, own.c.currency)
            )
            for row in self._all(query):
                flow = (Book(row["book"]), Book(row["other"]), row["currency"])
                flows[flow] = flows.get(flow, 0) + gains * _total(row)
        return flows

    def find_call(self, key: str) -> CallEntry | None:
        """See `ports.UnitOfWork`."""
        row = self._first(select(tables.calls).where(tables.calls.c.key == key))
        return None if row is None else entry_of(row)

    def save_call(self, entry: CallEntry) -> None:
        """See `ports.UnitOfWork`."""
        row = entry_row(entry)
        with self._naming(f"call {entry.key}"):
            query = update(tables.calls).where(tables.calls.c.key == entry.key).values(row)
            replaced = self._connection.execute(query).rowcount
        if replaced == 0:
            self._insert(tables.calls, row, f"call {entry.key}")

    def calls(self, status: CallStatus | None = None) -> Sequence[CallEntry]:
        """See `ports.UnitOfWork`."""
        query = select(tables.calls).order_by(tables.calls.c.started_at, tables.calls.c.key)
        if status is not None:
            query = query.where(tables.calls.c.status == status)
        return [entry_of(row) for row in self._all(query)]


LOW_BITS = 20


def _sums() -> tuple[ColumnElement[int], ColumnElement[int]]:
    """The sum of transfers in two parts, their high and their low bits: in one it could be beyond 64 bits.

    Transfers are positive, and shifting is exact on every database, which dividing is not.
    """
    micros = tables.transfers.c.micros
    high = micros.op(">>")(literal_column(str(LOW_BITS)))
    low = micros.op("&")(literal_column(str((1 << LOW_BITS) - 1)))
    return func.sum(high).label("high"), func.sum(low).label("low")


def _total(row: RowMapping) -> int:
    return (int(row["high"]) << LOW_BITS) + int(row["low"])


def _is(account: LedgerAccount) -> tuple[ColumnElement[bool], ...]:
    columns = tables.ledger_accounts.c
    return (
        columns.account_id == account.account_id,
        columns.book == account.book,
        columns.currency == account.currency,
    )
