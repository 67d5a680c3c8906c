"""Issuing documents inside a transaction: with a call, for a period that is due, and before an account leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from attrs import frozen

from astpp_billing.clock import to_epoch
from astpp_billing.hierarchy import Account, Path
from astpp_billing.invoicing import (
    Assembled,
    Document,
    DocumentKind,
    DuePeriod,
    InvoiceConfig,
    assemble,
    document_transfers,
    due_periods,
    make_document,
    number_of,
    worth_issuing,
)
from astpp_billing.ledger import Book, Charge, LedgerAccount, Posting, Reason, Transfer, fingerprint
from astpp_billing.periods import Period
from astpp_billing.ports import UnitOfWork


@frozen
class Draft:
    """A document that is worked out but has no number yet: who issues it to whom, and what it makes the ledger move."""

    kind: DocumentKind
    buyer: Account
    seller: Account
    config: InvoiceConfig
    assembled: Assembled
    period: Period | None
    issued_at: datetime

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """Tax and rounding."""
        return document_transfers(self.buyer, self.seller.id, self.assembled)

    def document(self, number: str) -> Document:
        """The document under a number."""
        return make_document(
            self.kind, self.buyer, self.seller.id, self.config, number, self.assembled, self.period, self.issued_at
        )


def draft(
    uow: UnitOfWork,
    kind: DocumentKind,
    path: Path,
    charges: Sequence[Charge],
    issued_at: datetime,
    period: Period | None = None,
) -> Draft:
    """Work out the document that puts `charges` before the account at the start of `path`."""
    assert len(path) > 1, f"nobody sells to {path[0].number}, so nothing can have been charged to it"
    buyer, seller = path[0], path[1]
    config = _config(uow, path)
    rounding = uow.balance(LedgerAccount(buyer.id, Book.ROUNDING, buyer.currency))
    assembled = assemble(charges, buyer.currency, config.tax, rounding)
    return Draft(kind, buyer, seller, config, assembled, period, issued_at)


def issue(uow: UnitOfWork, drafted: Draft, charge_ids: Sequence[int]) -> Document:
    """Give a draft its number and store it; its transfers must be posted in the same transaction."""
    number = number_of(drafted.config, drafted.kind, uow.take_number(drafted.config.account_id, drafted.kind))
    return uow.add_document(drafted.document(number), charge_ids)


def _config(uow: UnitOfWork, path: Path) -> InvoiceConfig:
    """What is printed: the parent's configuration, or its parent's where it uses the same credential."""
    issuer = next(account for account in path[1:] if not account.same_credential or account.parent_id is None)
    return uow.find_invoice_config(issuer.id) or InvoiceConfig.default(issuer)


def next_due(uow: UnitOfWork, account: Account, until: datetime) -> DuePeriod | None:
    """The oldest period of an account that has ended by `until` and was not billed yet."""
    return next(due_periods(account, _billed_until(uow, account), until), None)


def bill(uow: UnitOfWork, account: Account, due: DuePeriod, now: datetime) -> Document | None:
    """Bill one period: every charge from before its end that is on no document yet. None for nothing to bill."""
    charges = uow.unbilled(account.id, due.period.end)
    drafted = draft(uow, due.kind, uow.path(account.id), charges, now, due.period)
    uow.set_billed_until(account.id, due.period.end)
    if not worth_issuing(account, drafted.assembled):
        return None
    uow.add_posting(_posting(account, due, drafted))
    return issue(uow, drafted, [charge.id for charge in charges])


def settle_up(uow: UnitOfWork, account: Account, now: datetime) -> None:
    """Put all that an account was charged so far on documents, as it is billed now.

    It must be done before an account leaves its seller, is billed in another way, or is closed: nobody else could bill
    these charges, or nobody would. Periods that are due get their documents, the one in hand ends at `now`.
    """
    if account.parent_id is None:
        return
    while due := next_due(uow, account, now):
        bill(uow, account, due, now)
    since = _billed_until(uow, account)
    rest = uow.unbilled(account.id, datetime.max.replace(tzinfo=UTC))
    end = max(now, *(_after(instant) for instant in (since, *(charge.at for charge in rest))))
    if rest:
        kind = DocumentKind.INVOICE if account.is_postpaid else DocumentKind.RECEIPT
        bill(uow, account, DuePeriod(kind, Period(since, end)), now)
    else:
        uow.set_billed_until(account.id, max(since, now))


def _after(instant: datetime) -> datetime:
    """The next instant that can be told from one."""
    return instant + timedelta(microseconds=1)


def _billed_until(uow: UnitOfWork, account: Account) -> datetime:
    return uow.billed_until(account.id) or account.opened_at


def _posting(account: Account, due: DuePeriod, drafted: Draft) -> Posting:
    end = to_epoch(due.period.end)
    return Posting(
        key=f"{due.kind}:{account.id}:{end}",
        fingerprint=fingerprint(str(due.kind), account.id, end),
        at=drafted.issued_at,
        reason=Reason.INVOICE if due.kind is DocumentKind.INVOICE else Reason.RECEIPT,
        transfers=drafted.transfers,
    )
