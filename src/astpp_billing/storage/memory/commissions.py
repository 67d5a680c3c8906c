"""Commissions, in memory: added up from all postings, one by one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Mapping, Sequence
from datetime import datetime

from astpp_billing.ledger import Book, CommissionGroup, Entry
from astpp_billing.storage.memory.part import Part

_BOOKS = {Book.WALLET, Book.COMMISSION}


class Commissions(Part):
    """The part of a unit of work that adds up commissions."""

    def commissions_between(self, account_id: int, moments: Sequence[datetime]) -> Mapping[CommissionGroup, int]:
        """See `ports.CommissionWork`."""
        sums: dict[CommissionGroup, int] = {}
        for entry in self.commission_entries(account_id, moments[0], moments[-1]):
            since = moments[bisect_right(moments, entry.at) - 1]
            received = entry.other.book is Book.COMMISSION
            group = CommissionGroup(since, entry.reason, received, entry.other.account_id, entry.other.currency)
            sums[group] = sums.get(group, 0) + entry.micros
        return {group: micros for group, micros in sums.items() if micros}

    def commission_entries(self, account_id: int, since: datetime, until: datetime) -> Generator[Entry, None, None]:
        """See `ports.CommissionWork`."""
        tables = self._tables
        within = [posting for posting in tables.postings.values() if since <= posting.at < until]
        for posting in sorted(within, key=lambda posting: (posting.at, tables.posting_ids[posting.key])):
            for position, one in enumerate(posting.transfers, 1):
                if {one.source.book, one.target.book} != _BOOKS:
                    continue
                for own, other, micros in ((one.target, one.source, one.micros), (one.source, one.target, -one.micros)):
                    if own.account_id == account_id:
                        yield Entry(
                            at=posting.at,
                            reason=posting.reason,
                            posting_key=posting.key,
                            position=position,
                            other=other,
                            micros=micros,
                            description=posting.note,
                        )
