"""Which documents are due: the periods that have ended, oldest first, so that a missed day is caught up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from attrs import frozen

from astpp_billing.hierarchy import Account, Kind, ReceiptMode, Status
from astpp_billing.invoicing.assembly import Assembled
from astpp_billing.invoicing.documents import DocumentKind
from astpp_billing.periods import BillingSchedule, Cadence, Period

_GATHERED = {
    ReceiptMode.DAILY: BillingSchedule(Cadence.DAILY),
    ReceiptMode.MONTHLY: BillingSchedule(Cadence.MONTHLY, 1),
}


@frozen
class DuePeriod:
    """A period that has ended, and the kind of document that it wants."""

    kind: DocumentKind
    period: Period


def due_periods(account: Account, since: datetime, now: datetime) -> Iterator[DuePeriod]:
    """The periods of an account that have ended by `now`, oldest first.

    `since` is the end of the last period that was billed, or else the opening of the account; the first period starts
    there, so that periods touch and never overlap, also after a change of schedule or time zone. A postpaid account
    gets invoices by its schedule; a prepaid one gets receipts by local day or calendar month, or none from here where
    each charge has its receipt at once. An account without a parent has nobody to bill it.
    """
    if account.kind in (Kind.ADMIN, Kind.PROVIDER):
        return
    kind, schedule = DocumentKind.INVOICE, account.schedule
    if not account.is_postpaid:
        if account.receipts is ReceiptMode.EACH:
            return
        kind, schedule = DocumentKind.RECEIPT, _GATHERED[account.receipts]
    for period in schedule.due(since, now, account.timezone):
        yield DuePeriod(kind, Period(max(period.start, since), period.end))


def worth_issuing(account: Account, assembled: Assembled) -> bool:
    """Whether a document is issued, or its charges (if any) wait for the next one.

    A receipt is issued as soon as there is a charge, whatever its amount. An invoice is issued if it bills something;
    one of zero only if the account wants such invoices, and, once the account is closed, only for charges.
    """
    if not account.is_postpaid:
        return bool(assembled.lines)
    if assembled.total_micros > 0:
        return True
    return account.zero_invoices and (account.status is Status.OPEN or bool(assembled.lines))
