"""What reports need, in SQL: the database adds up, and gives long lists bit by bit."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from astpp_billing.ledger import Book, Entry, FlowGroup, LedgerAccount, Reason
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.ledger import sums, total
from astpp_billing.storage.sql.look import chunks
from astpp_billing.storage.sql.part import Part

SPANS = 256
"""How many spans of time one query tells apart at the most."""

ENTRIES_AT_ONCE = 1_000
"""How many movements are fetched at once."""

ENDS = ((1, "target_id", "source_id"), (-1, "source_id", "target_id"))
"""What a transfer is for either of its ends: gain or loss, the end, and the other one."""


class Reports(Part):
    """The part of a unit of work that adds up what was posted in spans of time."""

    def flows_between(
        self, account_ids: Collection[int], moments: Sequence[datetime], *, destinations: bool = False
    ) -> Mapping[FlowGroup, int]:
        """See `ports.UnitOfWork`."""
        flows: dict[FlowGroup, int] = {}
        for some in chunks(sorted(set(account_ids))):
            for first in range(0, len(moments) - 1, SPANS):
                spans = moments[first : first + SPANS + 1]
                for gains, end, other_end in ENDS:
                    for row in self._all(_flows(some, spans, end, other_end, destinations)):
                        flow = (Book(row["book"]), Book(row["other"]), row["currency"])
                        group = FlowGroup(row["account_id"], spans[row["span"]], row["destination"], flow)
                        flows[group] = flows.get(group, 0) + gains * total(row)
        return {group: micros for group, micros in flows.items() if micros}

    def balance_at(self, account: LedgerAccount, instant: datetime) -> int:
        """See `ports.UnitOfWork`."""
        account_id = self._ledger_account(account)
        if account_id is None:
            return 0
        transfers, postings = tables.transfers, tables.postings
        balance = 0
        added: Sequence[ColumnElement[Any]] = sums()
        for gains, end, _ in ENDS:
            query = (
                select(*added)
                .select_from(transfers)
                .join(postings, postings.c.id == transfers.c.posting_id)
                .where(transfers.c[end] == account_id, postings.c.at < instant)
            )
            row = self._first(query)
            if row is not None and row["high"] is not None:  # it is None where there is nothing to add up
                balance += gains * total(row)
        return balance

    def entries(self, account: LedgerAccount, since: datetime, until: datetime) -> Generator[Entry, None, None]:
        """See `ports.UnitOfWork`: one query, whose rows are fetched as they are asked for."""
        account_id = self._ledger_account(account)
        if account_id is None:
            return
        yield from entries_of(self._connection, _entries(account_id, since, until))

    def _ledger_account(self, account: LedgerAccount) -> int | None:
        known = tables.ledger_accounts.c
        row = self._first(
            select(known.id).where(
                known.account_id == account.account_id,
                known.book == account.book.value,
                known.currency == account.currency,
            )
        )
        return None if row is None else int(row["id"])


def entries_of(connection: Connection, query: Select[Any]) -> Generator[Entry, None, None]:
    """The movements that a query finds, whose rows are fetched as they are asked for.

    Where a movement has no description of its own, the note of its posting is one.
    """
    bit_by_bit = {"stream_results": True, "yield_per": ENTRIES_AT_ONCE}
    with connection.execute(query, execution_options=bit_by_bit) as result:
        for row in result.mappings():
            yield Entry(
                at=row["at"],
                reason=Reason(row["reason"]),
                posting_key=row["key"],
                position=row["position"],
                other=LedgerAccount(row["other_id"], Book(row["other_book"]), row["currency"]),
                micros=row["gains"] * row["micros"],
                description=(row["note"] or "") if row["description"] is None else row["description"],
                number=row["number"] or "",
            )


def _entries(account_id: int, since: datetime, until: datetime) -> Select[Any]:
    transfers, postings, charges, others = tables.transfers, tables.postings, tables.charges, tables.ledger_accounts
    ends = [
        select(
            postings.c.at,
            postings.c.reason,
            postings.c.key,
            postings.c.note,
            transfers.c.posting_id,
            transfers.c.position,
            transfers.c.micros,
            transfers.c[other_end].label("other_end"),
            literal_column(str(gains)).label("gains"),
        )
        .join(postings, postings.c.id == transfers.c.posting_id)
        .where(transfers.c[end] == account_id, postings.c.at >= since, postings.c.at < until)
        for gains, end, other_end in ENDS
    ]
    moved = union_all(*ends).subquery()
    charge_of = and_(charges.c.posting_id == moved.c.posting_id, charges.c.position == moved.c.position)
    return (
        select(
            moved,
            others.c.account_id.label("other_id"),
            others.c.book.label("other_book"),
            others.c.currency,
            charges.c.description,
            charges.c.number,
        )
        .join(others, others.c.id == moved.c.other_end)
        .outerjoin(charges, charge_of)
        .order_by(moved.c.at, moved.c.posting_id, moved.c.position)
    )


def _flows(
    account_ids: Sequence[int], moments: Sequence[datetime], end: str, other_end: str, destinations: bool
) -> Select[Any]:
    """Sums of what came into, or went out of, the books of accounts; `span` is the place of the moment in `moments`."""
    transfers, postings = tables.transfers, tables.postings
    own, other = tables.ledger_accounts.alias(), tables.ledger_accounts.alias()
    source: FromClause = (
        transfers.join(own, own.c.id == transfers.c[end])
        .join(other, other.c.id == transfers.c[other_end])
        .join(postings, postings.c.id == transfers.c.posting_id)
    )
    destination: ColumnElement[Any] = null()
    if destinations:
        charges = tables.charges
        sold, bought = _sold(account_ids, moments), _bought(account_ids, moments)
        named = and_(
            charges.c.posting_id == transfers.c.posting_id,
            charges.c.position == func.coalesce(sold.c.position, bought.c.position),
        )
        for one in (sold, bought):
            same = and_(one.c.posting_id == transfers.c.posting_id, one.c.account_id == own.c.account_id)
            source = source.outerjoin(one, same)
        source = source.outerjoin(charges, named)
        destination = charges.c.description
    # the parameters of a span are not the same ones where it is named again, so a server would not know it for the same
    moved = (
        select(
            own.c.account_id,
            span_of(moments, 0, len(moments) - 1).label("span"),
            destination.label("destination"),
            own.c.book,
            other.c.book.label("other"),
            own.c.currency,
            transfers.c.micros,
        )
        .select_from(source)
        .where(own.c.account_id.in_(account_ids), *_within(moments))
        .subquery()
    )
    groups = [moved.c[name] for name in ("account_id", "span", "destination", "book", "other", "currency")]
    return select(*groups, *sums(moved.c.micros)).group_by(*groups)


def _sold(account_ids: Sequence[int], moments: Sequence[datetime]) -> FromClause:
    """The first charge in each posting that was paid into the revenue of each account, or refunded from it."""
    transfers, charges, postings, sellers = tables.transfers, tables.charges, tables.postings, tables.ledger_accounts
    paid = and_(charges.c.posting_id == transfers.c.posting_id, charges.c.position == transfers.c.position)
    return (
        select(transfers.c.posting_id, sellers.c.account_id, func.min(transfers.c.position).label("position"))
        .join(sellers, or_(sellers.c.id == transfers.c.target_id, sellers.c.id == transfers.c.source_id))
        .join(charges, paid)
        .join(postings, postings.c.id == transfers.c.posting_id)
        .where(sellers.c.account_id.in_(account_ids), sellers.c.book == Book.REVENUE.value, *_within(moments))
        .group_by(transfers.c.posting_id, sellers.c.account_id)
        .subquery()
    )


def _bought(account_ids: Sequence[int], moments: Sequence[datetime]) -> FromClause:
    """The first charge of each account in each posting."""
    charges, postings = tables.charges, tables.postings
    return (
        select(charges.c.posting_id, charges.c.account_id, func.min(charges.c.position).label("position"))
        .join(postings, postings.c.id == charges.c.posting_id)
        .where(charges.c.account_id.in_(account_ids), *_within(moments))
        .group_by(charges.c.posting_id, charges.c.account_id)
        .subquery()
    )


def _within(moments: Sequence[datetime]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    at = tables.postings.c.at
    return at >= moments[0], at < moments[-1]


def span_of(moments: Sequence[datetime], first: int, end: int) -> ColumnElement[Any]:
    """Which of the spans from `first` up to `end` a posting lies in: found by halving them, as a binary search does."""
    if end - first == 1:
        return literal_column(str(first))
    middle = (first + end) // 2
    earlier = tables.postings.c.at < moments[middle]
    return case((earlier, span_of(moments, first, middle)), else_=span_of(moments, middle, end))
