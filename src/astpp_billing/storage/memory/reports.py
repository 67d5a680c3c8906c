"""What reports need, in memory: added up from all postings, one by one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Generator, Mapping, Sequence
from datetime import datetime

from astpp_billing.ledger import Book, Charge, Entry, FlowGroup, LedgerAccount, Posting
from astpp_billing.storage.memory.part import Part


class Reports(Part):
    """The part of a unit of work that adds up what was posted in spans of time."""

    def flows_between(
        self, account_ids: Collection[int], moments: Sequence[datetime], *, destinations: bool = False
    ) -> Mapping[FlowGroup, int]:
        """See `ports.UnitOfWork`."""
        charges = self._charges_by_posting() if destinations else {}
        wanted = set(account_ids)
        flows: dict[FlowGroup, int] = {}
        for posting in self._tables.postings.values():
            if not moments[0] <= posting.at < moments[-1]:
                continue
            since = moments[bisect_right(moments, posting.at) - 1]
            for one in posting.transfers:
                for own, other, micros in ((one.target, one.source, one.micros), (one.source, one.target, -one.micros)):
                    if own.account_id in wanted:
                        destination = _destination(own.account_id, posting, charges.get(posting.key, ()))
                        flow = (own.book, other.book, own.currency)
                        group = FlowGroup(own.account_id, since, destination, flow)
                        flows[group] = flows.get(group, 0) + micros
        return {group: micros for group, micros in flows.items() if micros}

    def balance_at(self, account: LedgerAccount, instant: datetime) -> int:
        """See `ports.UnitOfWork`."""
        before = (posting for posting in self._tables.postings.values() if posting.at < instant)
        return sum(
            one.micros * ((one.target == account) - (one.source == account))
            for posting in before
            for one in posting.transfers
        )

    def entries(self, account: LedgerAccount, since: datetime, until: datetime) -> Generator[Entry, None, None]:
        """See `ports.UnitOfWork`."""
        tables = self._tables
        within = [posting for posting in tables.postings.values() if since <= posting.at < until]
        for posting in sorted(within, key=lambda posting: (posting.at, tables.posting_ids[posting.key])):
            for position, one in enumerate(posting.transfers, 1):
                if account in (one.source, one.target):
                    incoming = one.target == account
                    charge = tables.charges.get((tables.posting_ids[posting.key], position))
                    yield Entry(
                        at=posting.at,
                        reason=posting.reason,
                        posting_key=posting.key,
                        position=position,
                        other=one.source if incoming else one.target,
                        micros=one.micros if incoming else -one.micros,
                        description=posting.note if charge is None else charge.description,
                        number="" if charge is None else charge.number,
                    )

    def _charges_by_posting(self) -> dict[str, list[Charge]]:
        by_posting: dict[str, list[Charge]] = {}
        for _, charge in sorted(self._tables.charges.items()):
            by_posting.setdefault(charge.posting_key, []).append(charge)
        return by_posting


def _destination(account_id: int, posting: Posting, charges: Sequence[Charge]) -> str | None:
    """What an account sold in a posting, or else bought; `charges` are in the order of their positions."""
    for charge in charges:
        paid = posting.transfers[charge.position - 1 : charge.position]
        ends = (end for one in paid for end in (one.source, one.target))
        if any(end.account_id == account_id and end.book is Book.REVENUE for end in ends):
            return charge.description
    return next((charge.description for charge in charges if charge.account_id == account_id), None)
