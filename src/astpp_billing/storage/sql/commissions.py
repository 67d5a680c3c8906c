"""Commissions in SQL: the database adds up, and gives long lists bit by bit."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, literal_column, null, or_, select, union_all

from astpp_billing.ledger import Book, CommissionGroup, Entry, Reason
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.ledger import sums, total
from astpp_billing.storage.sql.part import Part
from astpp_billing.storage.sql.reports import ENDS, SPANS, entries_of, span_of

_own, _other = tables.ledger_accounts.alias("own"), tables.ledger_accounts.alias("other")


class Commissions(Part):
    """The part of a unit of work that adds up commissions."""

    def commissions_between(self, account_id: int, moments: Sequence[datetime]) -> Mapping[CommissionGroup, int]:
        """See `ports.CommissionWork`."""
        found: dict[CommissionGroup, int] = {}
        for first in range(0, len(moments) - 1, SPANS):
            spans = moments[first : first + SPANS + 1]
            for gains, end, other_end in ENDS:
                for row in self._all(_added_up(account_id, spans, end, other_end)):
                    received = row["book"] == Book.WALLET
                    reason = Reason(row["reason"])
                    group = CommissionGroup(spans[row["span"]], reason, received, row["other_id"], row["currency"])
                    found[group] = found.get(group, 0) + gains * total(row)
        return {group: micros for group, micros in found.items() if micros}

    def commission_entries(self, account_id: int, since: datetime, until: datetime) -> Generator[Entry, None, None]:
        """See `ports.CommissionWork`: one query, whose rows are fetched as they are asked for."""
        postings, transfers = tables.postings.c, tables.transfers.c
        ends = [
            _moved(
                [
                    postings.at,
                    postings.reason,
                    postings.key,
                    postings.note,
                    transfers.posting_id,
                    transfers.position,
                    transfers.micros,
                    literal_column(str(gains)).label("gains"),
                    _other.c.account_id.label("other_id"),
                    _other.c.book.label("other_book"),
                    _other.c.currency,
                ],
                account_id,
                (since, until),
                end,
                other_end,
            )
            for gains, end, other_end in ENDS
        ]
        moved = union_all(*ends).subquery()
        query = select(moved, null().label("description"), null().label("number"))
        yield from entries_of(self._connection, query.order_by(moved.c.at, moved.c.posting_id, moved.c.position))


def _moved(
    columns: Sequence[ColumnElement[Any]], account_id: int, moments: Sequence[datetime], end: str, other_end: str
) -> Select[Any]:
    """Columns of what moved between a commission of one account and a wallet of another; `account_id` is at `end`."""
    postings, transfers = tables.postings, tables.transfers
    wallet, commission = Book.WALLET.value, Book.COMMISSION.value
    return (
        select(*columns)
        .select_from(transfers)
        .join(_own, _own.c.id == transfers.c[end])
        .join(_other, _other.c.id == transfers.c[other_end])
        .join(postings, postings.c.id == transfers.c.posting_id)
        .where(
            _own.c.account_id == account_id,
            or_(
                and_(_own.c.book == wallet, _other.c.book == commission),
                and_(_own.c.book == commission, _other.c.book == wallet),
            ),
            postings.c.at >= moments[0],
            postings.c.at < moments[-1],
        )
    )


def _added_up(account_id: int, moments: Sequence[datetime], end: str, other_end: str) -> Select[Any]:
    columns = [
        span_of(moments, 0, len(moments) - 1).label("span"),
        tables.postings.c.reason,
        _own.c.book,
        _other.c.account_id.label("other_id"),
        _own.c.currency,
        tables.transfers.c.micros,
    ]
    moved = _moved(columns, account_id, moments, end, other_end).subquery()
    groups = [moved.c[name] for name in ("span", "reason", "book", "other_id", "currency")]
    return select(*groups, *sums(moved.c.micros)).group_by(*groups)
