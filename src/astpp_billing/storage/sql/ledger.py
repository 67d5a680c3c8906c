"""Reading postings, balances, used figures and calls in SQL; closing the books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, func, literal_column, or_, select, update

from astpp_billing.calls import CallEntry, CallStatus, call_key, split_call_key
from astpp_billing.ledger import Book, Flow, LedgerAccount, Posting, Used, Wallet
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.look import chunks
from astpp_billing.storage.sql.mapping import entry_of, posting_of, wallet_of
from astpp_billing.storage.sql.part import Part


class Ledger(Part):
    """The part of a unit of work that knows the ledger and the calls."""

    def find_posting(self, key: str) -> Posting | None:
        """See `ports.UnitOfWork`."""
        row = self._first(all_postings().where(tables.postings.c.key == key))
        if row is None:
            return None
        query = moved_by().where(tables.transfers.c.posting_id == row["id"])
        return posting_of(row, self._all(query))

    def corrections(self, posting_key: str) -> Sequence[Posting]:
        """See `ports.UnitOfWork`."""
        postings, corrections = tables.postings, tables.corrections
        corrected = postings.alias()
        query = (
            select(postings.c.key)
            .join(corrections, corrections.c.posting_id == postings.c.id)
            .join(corrected, corrected.c.id == corrections.c.corrected_id)
            .where(corrected.c.key == posting_key)
            .order_by(postings.c.id)
        )
        found = (self.find_posting(row["key"]) for row in self._all(query))
        return [posting for posting in found if posting is not None]

    def balance(self, account: LedgerAccount) -> int:
        """See `ports.UnitOfWork`."""
        wallets = tables.wallets
        row = self._first(select(wallets).where(wallets.c.account_id == account.account_id))
        return 0 if row is None else _books(wallet_of(row)).get(account, 0)

    def balances(self) -> Mapping[LedgerAccount, int]:
        """See `ports.UnitOfWork`."""
        wallets = tables.wallets
        rows = self._all(select(wallets).order_by(wallets.c.account_id))
        return {account: micros for row in rows for account, micros in _books(wallet_of(row)).items() if micros}

    def proved_balances(self) -> Mapping[LedgerAccount, int]:
        """See `ports.UnitOfWork`."""
        accounts, transfers = tables.ledger_accounts, tables.transfers
        proved: dict[LedgerAccount, int] = {}
        for gains, end in ((1, "target_id"), (-1, "source_id")):
            moved = select(transfers.c[end].label("id"), *sums()).group_by(transfers.c[end]).subquery()
            query = select(accounts, moved.c.high, moved.c.low).join(moved, moved.c.id == accounts.c.id)
            for row in self._all(query):
                account = LedgerAccount(row["account_id"], Book(row["book"]), row["currency"])
                proved[account] = proved.get(account, 0) + gains * total(row)
        return {account: micros for account, micros in proved.items() if micros}

    def flows(self, account_id: int) -> Mapping[Flow, int]:
        """See `ports.UnitOfWork`."""
        accounts, transfers = tables.ledger_accounts, tables.transfers
        own, other = accounts.alias(), accounts.alias()
        flows: dict[Flow, int] = {}
        for gains, end, other_end in ((1, "target_id", "source_id"), (-1, "source_id", "target_id")):
            query = (
                select(own.c.book, other.c.book.label("other"), own.c.currency, *sums())
                .select_from(transfers)
                .join(own, own.c.id == transfers.c[end])
                .join(other, other.c.id == transfers.c[other_end])
                .where(own.c.account_id == account_id)
                .group_by(own.c.book, other.c.book, own.c.currency)
            )
            for row in self._all(query):
                flow = (Book(row["book"]), Book(row["other"]), row["currency"])
                flows[flow] = flows.get(flow, 0) + gains * total(row)
        return flows

    def find_call(self, key: str) -> CallEntry | None:
        """See `ports.UnitOfWork`."""
        split = split_call_key(key)
        if split is None:
            return None
        calls = tables.calls
        row = self._first(select(calls).where(calls.c.switch_id == split[0], calls.c.leg_uuid == split[1]))
        return None if row is None or call_key(*split) != key else entry_of(row)

    def calls(self, status: CallStatus | None = None) -> Sequence[CallEntry]:
        """See `ports.UnitOfWork`."""
        query = select(tables.calls)
        if status is not None:
            query = query.where(tables.calls.c.status == status)
        return sorted(map(entry_of, self._all(query)), key=lambda entry: (entry.record.started_at, entry.key))

    def used(self, account_id: int, since: date, until: date) -> Mapping[date, Used]:
        """See `ports.UnitOfWork`."""
        used = tables.used
        days = (used.c.day >= since.toordinal(), used.c.day < until.toordinal())
        rows = self._all(select(used).where(used.c.account_id == account_id, *days).order_by(used.c.day))
        return {date.fromordinal(row["day"]): Used(row["micros"], row["calls"], row["seconds"]) for row in rows}

    def close_books(self, until: datetime) -> None:
        """See `ports.UnitOfWork`."""
        wallets = tables.wallets
        # in the order of their accounts, as everybody locks them
        ids = [row["account_id"] for row in self._all(select(wallets.c.account_id).order_by(wallets.c.account_id))]
        for some in chunks(ids):
            named = wallets.c.account_id.in_(some)
            self._all(select(wallets.c.account_id).where(named).order_by(wallets.c.account_id).with_for_update())
            later = or_(wallets.c.closed_until.is_(None), wallets.c.closed_until < until)
            self._connection.execute(update(wallets).where(named, later).values(closed_until=until))


def all_postings() -> Select[Any]:
    """All postings, with what they correct."""
    postings, corrections = tables.postings, tables.corrections
    corrected = postings.alias()
    return (
        select(postings, corrected.c.key.label("corrects"), corrections.c.share)
        .outerjoin(corrections, corrections.c.posting_id == postings.c.id)
        .outerjoin(corrected, corrected.c.id == corrections.c.corrected_id)
    )


def moved_by() -> Select[Any]:
    """The transfers of postings, as `mapping.posting_of` reads them, in the order they were given."""
    accounts, transfers = tables.ledger_accounts, tables.transfers
    source, target = accounts.alias(), accounts.alias()
    return (
        select(
            transfers.c.posting_id,
            transfers.c.micros,
            source.c.currency,
            source.c.account_id.label("source_account_id"),
            source.c.book.label("source_book"),
            target.c.account_id.label("target_account_id"),
            target.c.book.label("target_book"),
        )
        .join(source, source.c.id == transfers.c.source_id)
        .join(target, target.c.id == transfers.c.target_id)
        .order_by(transfers.c.posting_id, transfers.c.position)
    )


LOW_BITS = 20


def sums(
    micros: ColumnElement[int] = tables.transfers.c.micros,
) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """The sum of transfers in two parts, their high and their low bits: in one it could be beyond 64 bits.

    Transfers are positive, and shifting is exact on every database, which dividing is not.
    """
    high = micros.op(">>")(literal_column(str(LOW_BITS)))
    low = micros.op("&")(literal_column(str((1 << LOW_BITS) - 1)))
    return func.sum(high).label("high"), func.sum(low).label("low")


def total(row: RowMapping) -> int:
    """A sum that was added up in the parts that `sums` made."""
    return (int(row["high"]) << LOW_BITS) + int(row["low"])


def _books(wallet: Wallet) -> dict[LedgerAccount, int]:
    return {
        LedgerAccount(wallet.account_id, Book.WALLET, wallet.currency): wallet.balance_micros,
        LedgerAccount(wallet.account_id, Book.ROUNDING, wallet.currency): wallet.rounding_micros,
    }
