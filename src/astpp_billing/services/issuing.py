"""Issuing documents inside a transaction: with a call, for a period that is due, and before an account leaves.

The order is always the same: `lock_for_billing` (or, with calls, the settling itself) does the transaction's one lock,
and everything that is issued after it gets its numbers and its rounding from the `Desk`, which knows what was given out
since.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from astpp_billing.clock import to_epoch
from astpp_billing.errors import StorageBusy
from astpp_billing.hierarchy import Account, Path, ReceiptMode
from astpp_billing.invoicing import (
    Assembled,
    Document,
    DocumentBooks,
    DocumentKind,
    DuePeriod,
    InvoiceConfig,
    assemble,
    due_periods,
    make_document,
    number_of,
    worth_issuing,
)
from astpp_billing.ledger import Charge, Posting, Reason, Transfer, fingerprint
from astpp_billing.periods import Period
from astpp_billing.ports import Changes, Locked, Placed, Series, UnitOfWork


class Desk:
    """Where one transaction issues documents: it counts the numbers and carries the rounding from one to the next."""

    def __init__(self, locked: Locked) -> None:
        self._last = dict(locked.last_numbers)
        self._rounding = {account_id: wallet.rounding_micros for account_id, wallet in locked.wallets.items()}
        self._given: dict[Series, int] = {}

    def rounding(self, account_id: int) -> int:
        """What an account's documents have billed beyond the ledger so far, in micros."""
        return self._rounding[account_id]

    def carry(self, account_id: int, micros: int) -> None:
        """Note that a document has billed as much more beyond the ledger."""
        self._rounding[account_id] += micros

    def number(self, series: Series) -> int:
        """The next number of a series."""
        self._last[series] += 1
        self._given[series] = self._given.get(series, 0) + 1
        return self._last[series]

    def given(self) -> dict[Series, int]:
        """How many numbers were given out since this was last asked, for `Changes.numbers`."""
        given, self._given = self._given, {}
        return given


class Form:
    """What all documents of one kind that one account gets have in common, and how they are drawn up.

    It is for the account at the start of `path`, by the configuration of `issuer_of(path)`. `series` is the one that
    the documents have their numbers from.
    """

    __slots__ = ("_books", "_config", "_seller_id", "buyer", "kind", "series")

    def __init__(self, path: Path, config: InvoiceConfig) -> None:
        self.buyer = path[0]
        self.kind = kind_of(self.buyer)
        self.series: Series = (config.account_id, self.kind)
        self._seller_id = path[1].id
        self._config = config
        self._books = DocumentBooks(self.buyer, self._seller_id)

    def assemble(self, desk: Desk, charges: Sequence[Charge]) -> Assembled:
        """The lines, tax and rounding of the next document."""
        buyer = self.buyer
        return assemble(charges, buyer.currency, self._config.tax, desk.rounding(buyer.id))

    def issue(
        self, desk: Desk, assembled: Assembled, document_id: int, now: datetime, period: Period | None = None
    ) -> tuple[Document, tuple[Transfer, ...]]:
        """The next document under its number, and what is to be posted with it."""
        buyer, config = self.buyer, self._config
        number = number_of(config, self.kind, desk.number(self.series))
        desk.carry(buyer.id, assembled.rounding_micros)
        document = make_document(
            self.kind, buyer, self._seller_id, config, number, assembled, period, now, document_id=document_id
        )
        return document, self._books.transfers(assembled)


def kind_of(account: Account) -> DocumentKind:
    """Which documents an account gets."""
    return DocumentKind.INVOICE if account.is_postpaid else DocumentKind.RECEIPT


def has_receipts_at_once(account: Account) -> bool:
    """Whether an account gets a receipt for each charge as it is applied; else its charges wait for a document."""
    return not account.is_postpaid and account.receipts is ReceiptMode.EACH


def issuer_of(path: Path) -> Account:
    """Whose configuration the documents of the account at the start of a path have.

    It is the parent, or the next one above that does not use its own parent's credential.
    """
    assert len(path) > 1, f"nobody sells to {path[0].number}, so nothing can have been charged to it"
    for account in path[1:]:
        if not account.same_credential:
            return account
    return path[-1]


def lock_for_billing(uow: UnitOfWork, *accounts: Account) -> Desk:
    """Do the transaction's one lock: the wallets of accounts, and the series of who issues documents to them.

    Raises `StorageBusy` where an account is no longer what it was when it was read, or has another issuer now. What
    else was read before (what is due, what waits to be billed) must be read again.
    """
    before = _issuers(uow, accounts)
    kinds = {account.id: kind_of(account) for account in accounts}
    series = {(issuer_id, kinds[account_id]) for account_id, issuer_id in before.items() if issuer_id is not None}
    locked = uow.lock(kinds.keys(), series)
    for account in accounts:
        if uow.account(account.id) != account:
            raise StorageBusy(f"account {account.number} has changed meanwhile")
    if _issuers(uow, accounts) != before:
        raise StorageBusy("who issues documents has changed meanwhile")
    return Desk(locked)


def _issuers(uow: UnitOfWork, accounts: Sequence[Account]) -> dict[int, int | None]:
    """Who issues documents to accounts, by id; None for those to which nobody sells."""
    return {
        account.id: None if account.parent_id is None else issuer_of(uow.path(account.id)).id for account in accounts
    }


def next_due(uow: UnitOfWork, account: Account, until: datetime) -> DuePeriod | None:
    """The oldest period of an account that has ended by `until` and was not billed yet."""
    return next(due_periods(account, _billed_until(uow, account), until), None)


def bill(uow: UnitOfWork, desk: Desk, account: Account, due: DuePeriod, now: datetime) -> Document | None:
    """Bill one period: every charge from before its end that is on no document yet. None for nothing to bill.

    The account must have been locked by `lock_for_billing`, which gave the desk.
    """
    charges = uow.unbilled(account.id, due.period.end)
    form = form_for(uow, account)
    assembled = form.assemble(desk, charges)
    uow.set_billed_until(account.id, due.period.end)
    if not worth_issuing(account, assembled):
        return None
    (document_id,) = uow.reserve_ids(1)
    document, transfers = form.issue(desk, assembled, document_id, now, due.period)
    changes = Changes(postings=[_posting(account, due, now, transfers)], documents=[document], numbers=desk.given())
    if charges:
        changes.placed.append(Placed(document_id, account.id, due.period.end, len(charges)))
    uow.save(changes)
    return document


def form_for(uow: UnitOfWork, account: Account) -> Form:
    """How the documents of an account are drawn up now."""
    path = uow.path(account.id)
    issuer = issuer_of(path)
    return Form(path, uow.find_invoice_config(issuer.id) or InvoiceConfig.default(issuer))


def settle_up(uow: UnitOfWork, accounts: Sequence[Account], now: datetime) -> None:
    """Put all that accounts were charged so far on documents, as they are billed now; locks them first.

    It must be done before an account leaves its seller, is billed in another way, or is closed: nobody else could bill
    these charges, or nobody would. Periods that are due get their documents, the one in hand ends at `now`. It does the
    transaction's one lock; raises `StorageBusy` where an account is no longer what it was when it was read.
    """
    desk = lock_for_billing(uow, *accounts)
    for account in accounts:
        if account.parent_id is not None:
            _settle_up(uow, desk, account, now)


def _settle_up(uow: UnitOfWork, desk: Desk, account: Account, now: datetime) -> None:
    while due := next_due(uow, account, now):
        bill(uow, desk, account, due, now)
    since = _billed_until(uow, account)
    rest = uow.unbilled(account.id, datetime.max.replace(tzinfo=UTC))
    end = max(now, *(_after(instant) for instant in (since, *(charge.at for charge in rest))))
    if rest:
        bill(uow, desk, account, DuePeriod(kind_of(account), Period(since, end)), now)
    else:
        uow.set_billed_until(account.id, max(since, now))


def _after(instant: datetime) -> datetime:
    """The next instant that can be told from one."""
    return instant + timedelta(microseconds=1)


def _billed_until(uow: UnitOfWork, account: Account) -> datetime:
    return uow.billed_until(account.id) or account.opened_at


def _posting(account: Account, due: DuePeriod, now: datetime, transfers: tuple[Transfer, ...]) -> Posting:
    end = to_epoch(due.period.end)
    return Posting(
        key=f"{due.kind}:{account.id}:{end}",
        fingerprint=fingerprint(str(due.kind), account.id, end),
        at=now,
        reason=Reason.INVOICE if due.kind is DocumentKind.INVOICE else Reason.RECEIPT,
        transfers=transfers,
    )
