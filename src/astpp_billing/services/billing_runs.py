"""The billing run: finds every period that is due and gives each exactly one document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import frozen

from astpp_billing.clock import Clock, to_epoch, utc
from astpp_billing.hierarchy import Account, Status
from astpp_billing.invoicing import Document, DocumentKind, DuePeriod, due_periods, worth_issuing
from astpp_billing.ledger import Charge, Posting, Reason, fingerprint
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.services.issuing import Draft, draft, issue


@frozen
class Billed:
    """A period that was due: the document it got, or None where there was nothing to bill."""

    account: Account
    due: DuePeriod
    document: Document | None


class BillingRuns:
    """The use cases of documents."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    def run(self, *, now: datetime | None = None, dry_run: bool = False) -> Iterator[Billed]:
        """Bill every period that has ended by `now` (the present, if not given) and was not billed yet.

        Each period is a transaction of its own: the run can be repeated, or killed and repeated, and no period gets two
        documents. A missed day is caught up. With `dry_run` nothing is stored, and the documents that would
        come have no real number.
        """
        until = self._clock.now() if now is None else utc(now, "now")
        with self._storage.begin() as uow:
            accounts = [account for account in uow.accounts() if account.status is Status.OPEN]
        for account in accounts:
            yield from self._preview(account, until) if dry_run else self._bill(account, until)

    def _bill(self, account: Account, until: datetime) -> Iterator[Billed]:
        while True:
            with self._storage.begin() as uow:
                since = uow.billed_until(account.id) or account.opened_at
                due = next(due_periods(account, since, until), None)
                if due is None:
                    return
                charges, drafted = _due(uow, account, due, self._clock.now())
                document = None
                if worth_issuing(account, drafted.assembled):
                    uow.add_posting(_posting(account, due, drafted))
                    document = issue(uow, drafted, [charge.id for charge in charges])
                uow.set_billed_until(account.id, due.period.end)
            yield Billed(account, due, document)

    def _preview(self, account: Account, until: datetime) -> Iterator[Billed]:
        with self._storage.begin() as uow:
            since = uow.billed_until(account.id) or account.opened_at
            billed: set[int] = set()
            for due in due_periods(account, since, until):
                charges, drafted = _due(uow, account, due, self._clock.now(), billed)
                document = None
                if worth_issuing(account, drafted.assembled):
                    billed |= {charge.id for charge in charges}
                    document = drafted.document("(not issued)")
                yield Billed(account, due, document)

    def documents(self, account: Account | None = None) -> Sequence[Document]:
        """The documents of one account, or all, in the order they were issued."""
        with self._storage.begin() as uow:
            return uow.documents(None if account is None else account.id)

    def charges(self, document: Document) -> Sequence[Charge]:
        """The charges that a document stands for."""
        with self._storage.begin() as uow:
            return uow.charges(document_id=document.id)


def _due(
    uow: UnitOfWork, account: Account, due: DuePeriod, now: datetime, billed: set[int] | frozenset[int] = frozenset()
) -> tuple[Sequence[Charge], Draft]:
    unbilled = uow.unbilled(account.id, due.period.end)
    charges = [charge for charge in unbilled if charge.id not in billed]
    return charges, draft(uow, due.kind, uow.path(account.id), charges, now, due.period)


def _posting(account: Account, due: DuePeriod, drafted: Draft) -> Posting:
    end = to_epoch(due.period.end)
    return Posting(
        key=f"{due.kind}:{account.id}:{end}",
        fingerprint=fingerprint(str(due.kind), account.id, end),
        at=drafted.issued_at,
        reason=Reason.INVOICE if due.kind is DocumentKind.INVOICE else Reason.RECEIPT,
        transfers=drafted.transfers,
    )
