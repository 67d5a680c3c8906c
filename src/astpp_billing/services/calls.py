"""Calls: what they cost, what became of them, and settling them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice

from astpp_billing.calls import CallEntry, CallRecord, CallStatus, Failed, HoldPolicy, Settlement
from astpp_billing.clock import Clock, utc
from astpp_billing.errors import InvalidValue, NotFound
from astpp_billing.hierarchy import Account
from astpp_billing.ledger import Charge
from astpp_billing.ports import Storage
from astpp_billing.pricing import NotPriced, PricedCall
from astpp_billing.services.admission import POLICY, Admission
from astpp_billing.services.again import again
from astpp_billing.services.prices import PriceBook
from astpp_billing.services.settling import Settling

BATCH_SIZE = 1000
"""How many records are settled in one transaction where nobody says otherwise."""


class Calls(Admission):
    """The use cases of calls; how much is held for one is the `policy`."""

    def __init__(self, storage: Storage, clock: Clock, book: PriceBook, policy: HoldPolicy = POLICY) -> None:
        super().__init__(storage, clock, book, policy)
        self._settling = Settling(storage, clock, book)

    def settle(self, record: CallRecord) -> Settlement:
        """Charge a call on every level of its path, once.

        The same record again changes nothing and gives what the first one gave. A record that cannot be rated is kept
        with the reason (`Unrated`) and can be settled again by `retry`. A call that costs nothing on any level is kept
        as rated, without a posting. What was held for the call is given back. Raises `IdempotencyConflict` where
        another record had the same switch and leg.
        """
        (result,) = self._settling.settle([record])
        if isinstance(result, Failed):
            raise result.error
        return result

    def settle_many(
        self, records: Iterable[CallRecord], *, batch_size: int = BATCH_SIZE
    ) -> Iterator[Settlement | Failed]:
        """Settle many calls, as `settle` does each of them, with one transaction for every `batch_size` records.

        What came of each is given in the order of the records, as soon as its batch is committed; no more records
        are taken than the batch in hand. A record that `settle` would raise for comes as `Failed` with the error, and
        does not keep the others from being settled; only a `StorageError` ends everything, and what was given before
        is settled.
        """
        return chain.from_iterable(map(self._settling.settle, _batches(records, batch_size)))

    def retry(self, *, batch_size: int = BATCH_SIZE) -> Sequence[Settlement | Failed]:
        """Settle every unrated record again, oldest first, in transactions of `batch_size`; returns what came of them.

        A record is rated by the prices that held when its call started, and by the path that its account has now.
        """
        waiting = _batches((entry.record for entry in self.all(CallStatus.UNRATED)), batch_size)
        return list(chain.from_iterable(map(self._settling.retry, waiting)))

    @again
    def price(self, account: Account, number: str, seconds: int, at: datetime | None = None) -> PricedCall | NotPriced:
        """What a call by an account would cost on every level if it started at an instant (the present, if not given).

        Nothing is charged or kept.
        """
        with self._storage.snapshot() as uow:
            cascade = self._book.cascade(uow, uow.path(account.id))
        return cascade.price(number, seconds, self._clock.now() if at is None else utc(at))

    @again
    def get(self, key: str) -> CallEntry:
        """What became of the call with a key; `NotFound` if there is none."""
        with self._storage.snapshot() as uow:
            found = uow.find_call(key)
        if found is None:
            raise NotFound(f"no call has the key {key!r}")
        return found

    @again
    def charges(self, entry: CallEntry) -> Sequence[Charge]:
        """What each account on the path was charged for a call; the buyer first."""
        with self._storage.snapshot() as uow:
            return uow.charges(posting_keys=[entry.key])

    @again
    def all(self, status: CallStatus | None = None) -> Sequence[CallEntry]:
        """The calls that are kept, of one status or all, in the order of their start."""
        with self._storage.snapshot() as uow:
            return uow.calls(status)


def _batches(records: Iterable[CallRecord], size: int) -> Iterator[Sequence[CallRecord]]:
    """The records, `size` at a time, which are taken when they are asked for."""
    if type(size) is not int or size < 1:
        raise InvalidValue(f"a batch has a whole number of records from 1, not {size!r}")
    left = iter(records)
    return iter(lambda: list(islice(left, size)), [])
