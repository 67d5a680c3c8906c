"""Charging the calls of a batch, once wallets and series are locked: postings, charges, receipts, and what was used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from astpp_billing.calls import CallRecord, call_charges, record_fingerprint
from astpp_billing.ledger import Charge, Posting, Reason, Transfer, Used, UsedKey
from astpp_billing.periods import local_date
from astpp_billing.ports import Changes
from astpp_billing.services.deciding import Priced
from astpp_billing.services.issuing import Desk


class Charging:
    """Charges calls one after the other, and notes in `changes` what is to be saved because of them.

    Receipts are numbered in the order of the calls, and carry their rounding from one to the next. `ids` are for the
    documents: as many as there are receipts.
    """

    def __init__(self, changes: Changes, desk: Desk, ids: Sequence[int], now: datetime) -> None:
        self._changes = changes
        self._desk = desk
        self._ids = iter(ids)
        self._now = now
        self._used: dict[UsedKey, list[int]] = {}

    def charge(self, record: CallRecord, priced: Priced) -> tuple[Charge, ...]:
        """Charge one call; what each account that pays was charged, the buyer first."""
        self._use(record, priced)
        transfers = priced.books.transfers(priced.call)
        if not transfers:
            return ()
        forms = {form.buyer.id: form for form in priced.receipts}
        # from the root down, which is how the numbers of one call follow each other
        document_ids = {account_id: next(self._ids) for account_id in reversed(forms)}
        charges = tuple(call_charges(record, priced.call, document_ids))
        issued: list[tuple[Transfer, ...]] = []
        for charge in reversed(charges):
            if charge.document_id is not None:
                form = forms[charge.account_id]
                assembled = form.assemble(self._desk, (charge,))
                document, moved = form.issue(self._desk, assembled, charge.document_id, self._now)
                self._changes.documents.append(document)
                issued.append(moved)
        for moved in reversed(issued):
            transfers += moved
        self._changes.charges += charges
        self._changes.postings.append(
            Posting(
                key=record.key,
                fingerprint=record_fingerprint(record),
                at=self._now,
                reason=Reason.CALL,
                transfers=tuple(transfers),
            )
        )
        return charges

    def _use(self, record: CallRecord, priced: Priced) -> None:
        days: dict[str, date] = {}
        call = priced.call
        for level, micros in zip(call.terms.levels, call.amounts, strict=False):
            payer = level.payer
            day = days.get(payer.timezone)
            if day is None:
                day = days[payer.timezone] = local_date(record.started_at, payer.timezone)
            sums = self._used.setdefault((payer.id, day), [0, 0, 0])
            sums[0] += micros
            sums[1] += 1
            sums[2] += call.seconds

    def finish(self) -> None:
        """Note the sums over all calls that were charged."""
        self._changes.used = {key: Used(*sums) for key, sums in self._used.items()}
        self._changes.numbers = self._desk.given()
