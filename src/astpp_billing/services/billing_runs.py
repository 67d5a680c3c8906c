"""The billing run: finds every period that is due and gives each exactly one document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import evolve, frozen

from astpp_billing.clock import Clock, utc
from astpp_billing.errors import BillingError, StorageError
from astpp_billing.hierarchy import Account, Status
from astpp_billing.invoicing import Document, DuePeriod
from astpp_billing.ledger import Charge
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.services.again import again
from astpp_billing.services.issuing import bill, lock_for_billing, next_due
from astpp_billing.services.proof import discrepancies

NOT_ISSUED = "(not issued)"
"""What stands for the number on a document that a dry run shows."""


@frozen
class Billed:
    """A period that was due: the document it got, or None where there was nothing to bill.

    Where `problem` says why, the account was set aside: the period is still due, and no later one was billed.
    """

    account: Account
    due: DuePeriod
    document: Document | None
    problem: str = ""


class _SetAside(Exception):
    """Undoes the transaction in hand; says what could not be billed, and why."""

    def __init__(self, account: Account, due: DuePeriod, problem: str) -> None:
        super().__init__(problem)
        self.billed = Billed(account, due, None, problem)


class _Undo(Exception):
    """Ends a transaction without a trace."""


class BillingRuns:
    """The use cases of documents."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    def run(self, *, now: datetime | None = None, dry_run: bool = False) -> Sequence[Billed]:
        """Bill every period that has ended by `now` (the present, if not given) and was not billed yet.

        Each period is a transaction of its own: the run can be repeated, or killed and repeated, and no period gets two
        documents. A missed day is caught up. An account whose ledger does not prove what it was charged, or that cannot
        be billed for another reason, is set aside with the reason, and the others go on. With `dry_run` nothing is
        stored, and the documents that would come have no real number. (A document that was stored although the
        connection was lost over it is found by `documents`, and not among the results.)
        """
        until = self._clock.now() if now is None else utc(now, "now")
        bill_account = self._preview if dry_run else self._bill
        return [billed for account_id in self._open_accounts() for billed in bill_account(account_id, until)]

    @again
    def _open_accounts(self) -> Sequence[int]:
        with self._storage.snapshot() as uow:
            return [account.id for account in uow.accounts() if account.status is Status.OPEN]

    def _bill(self, account_id: int, until: datetime) -> Sequence[Billed]:
        done: list[Billed] = []
        try:
            while billed := self._bill_next(account_id, until, proved=bool(done)):
                done.append(billed)
        except _SetAside as aside:
            return [*done, aside.billed]
        return done

    @again
    def _bill_next(self, account_id: int, until: datetime, *, proved: bool) -> Billed | None:
        with self._storage.begin() as uow:
            return next(self._due(uow, account_id, until, proved=proved), None)

    @again
    def _preview(self, account_id: int, until: datetime) -> Sequence[Billed]:
        """The same as `_bill`, in one transaction, which is undone."""
        done: list[Billed] = []
        try:
            with self._storage.begin() as uow:
                for billed in self._due(uow, account_id, until, proved=False):
                    document = billed.document
                    done.append(evolve(billed, document=document and evolve(document, id=0, number=NOT_ISSUED)))
                raise _Undo
        except _Undo:
            return done
        except _SetAside as aside:
            return [*done, aside.billed]

    def _due(self, uow: UnitOfWork, account_id: int, until: datetime, *, proved: bool) -> Iterator[Billed]:
        """Bill the periods of an account that are due, the oldest first, one each time that it is asked."""
        account = uow.account(account_id)  # as it is now: it may have changed since the run began
        if account.status is not Status.OPEN or next_due(uow, account, until) is None:
            return  # and nobody had to wait
        desk = lock_for_billing(uow, account)
        while due := next_due(uow, account, until):  # what is due now: another run may have been here before the lock
            if not proved:
                wrong = discrepancies(uow, account)
                if wrong:
                    raise _SetAside(account, due, "; ".join(map(str, wrong)))
                proved = True
            try:
                document = bill(uow, desk, account, due, self._clock.now())
            except StorageError:
                raise
            except BillingError as error:
                raise _SetAside(account, due, str(error)) from error
            yield Billed(account, due, document)

    @again
    def documents(self, account: Account | None = None) -> Sequence[Document]:
        """The documents of one account, or all, in the order they were issued."""
        with self._storage.snapshot() as uow:
            return uow.documents(None if account is None else account.id)

    @again
    def charges(self, document: Document) -> Sequence[Charge]:
        """The charges that a document stands for."""
        with self._storage.snapshot() as uow:
            return uow.charges(document_id=document.id)
