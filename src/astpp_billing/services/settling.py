"""Settling calls, a batch in one transaction: look, decide, lock, compare, issue receipts, save.

Everything that a batch needs is read at once, before anything is locked. What was decided by it holds if the wallets,
once they are locked, still have the epochs they had: otherwise the whole batch is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve

from astpp_billing.calls import (
    CallRecord,
    CallStatus,
    Failed,
    Settled,
    Settlement,
    Unrated,
    party_numbers,
    payer_endpoints,
)
from astpp_billing.clock import Clock
from astpp_billing.errors import AlreadyExists, BillingError, StorageBusy, StorageError
from astpp_billing.ports import Locked, Seen, Storage, UnitOfWork
from astpp_billing.services.again import again
from astpp_billing.services.charging import Charging
from astpp_billing.services.collecting import uncollected
from astpp_billing.services.deciding import Decided, Decisions, Twin
from astpp_billing.services.issuing import Desk
from astpp_billing.services.prices import PriceBook

Result = Settlement | Failed
"""What became of one record of a batch."""


class Settling:
    """Settles batches of records, each batch in one transaction."""

    def __init__(self, storage: Storage, clock: Clock, book: PriceBook) -> None:
        self._storage = storage
        self._clock = clock
        self._book = book

    def settle(self, records: Sequence[CallRecord]) -> Sequence[Result]:
        """What became of each record, in their order. Raises only `StorageError`."""
        with uncollected():
            return self._one_by_one(self._settle, records)

    def retry(self, records: Sequence[CallRecord]) -> Sequence[Result]:
        """What became of those of the records that are kept as unrated, in their order; the others are left out."""
        with uncollected():
            return self._one_by_one(self._retry, records)

    def _one_by_one(
        self, do: Callable[[Sequence[CallRecord]], Sequence[Result]], records: Sequence[CallRecord]
    ) -> Sequence[Result]:
        """Do a batch; where it fails as a whole, its halves, until the record that is at fault stands alone."""
        try:
            return do(records)
        except StorageError:
            raise
        except BillingError as error:
            if len(records) == 1:
                return [Failed(records[0], error)]
        half = len(records) // 2
        return [*self._one_by_one(do, records[:half]), *self._one_by_one(do, records[half:])]

    @again
    def _settle(self, records: Sequence[CallRecord]) -> Sequence[Result]:
        with self._storage.begin() as uow:
            decisions = Decisions(uow, _look(uow, records), self._book, self._clock.now())
            for record in records:
                decisions.add(record)
            return _save(uow, decisions)

    @again
    def _retry(self, records: Sequence[CallRecord]) -> Sequence[Result]:
        with self._storage.begin() as uow:
            seen = _look(uow, records)
            decisions = Decisions(uow, seen, self._book, self._clock.now())
            for record in records:
                known = seen.calls.get(record.key)
                if known is not None and known.status is CallStatus.UNRATED:  # else somebody settled it meanwhile
                    decisions.add_again(known.record)
            return _save(uow, decisions)


def _look(uow: UnitOfWork, records: Sequence[CallRecord]) -> Seen:
    return uow.look(
        keys={record.key for record in records},
        numbers={number for record in records for number in party_numbers(record)},
        endpoints={endpoint for record in records for endpoint in payer_endpoints(record)},
        since=min(record.started_at for record in records),
    )


def _save(uow: UnitOfWork, decisions: Decisions) -> Sequence[Result]:
    """Do what was decided; what became of each record."""
    changes = decisions.changes
    if not (changes.calls or changes.retried):
        return [made for made in decisions.made if not isinstance(made, Decided | Twin)]
    wallets = decisions.wallets()
    locked = uow.lock(wallets, decisions.series()) if wallets else Locked({}, {})
    decisions.check(locked)
    receipts = decisions.count_receipts()
    charging = Charging(changes, Desk(locked), uow.reserve_ids(receipts) if receipts else (), decisions.now)
    results: list[Result] = []
    for made in decisions.made:
        if isinstance(made, Decided):
            results.append(_do(made, charging))
        elif isinstance(made, Twin):
            results.append(_repeated(results[made.first]))
        else:
            results.append(made)
    charging.finish()
    try:
        uow.save(changes)
    except AlreadyExists as error:
        raise StorageBusy(f"somebody else settled one of these calls: {error}") from error
    return results


def _do(decided: Decided, charging: Charging) -> Settlement:
    entry = decided.entry
    if entry.status is CallStatus.UNRATED:
        return Unrated(entry)
    return Settled(entry, () if decided.priced is None else charging.charge(entry.record, decided.priced))


def _repeated(result: Result) -> Result:
    assert not isinstance(result, Failed)  # for nothing was repeated
    return evolve(result, repeated=True)
