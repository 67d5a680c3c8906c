"""Refills, balances, profits and the proof of the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from astpp_billing.clock import Clock
from astpp_billing.errors import CurrencyMismatch, HierarchyError, IdempotencyConflict, InvalidValue, NotFound
from astpp_billing.hierarchy import Account
from astpp_billing.invoicing import Document, LineKind
from astpp_billing.ledger import (
    MATERIALISED,
    Book,
    Charge,
    LedgerAccount,
    Posting,
    Reason,
    fingerprint,
    profit,
    transfer,
)
from astpp_billing.money import Money
from astpp_billing.ports import Storage, UnitOfWork


@frozen
class Discrepancy:
    """Something that the transfers do not prove: what it is, what is stored and what is proved, in micros."""

    what: str
    stored_micros: int
    proved_micros: int


@frozen
class Reconciliation:
    """What was compared, and what differed."""

    ledger_accounts: int
    documents: int
    discrepancies: tuple[Discrepancy, ...]

    @property
    def agrees(self) -> bool:
        """Whether everything is proved."""
        return not self.discrepancies


class Ledger:
    """The use cases of the ledger."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    def refill(self, account: Account, amount: Money, *, key: str) -> Posting:
        """Put money that the parent received into an account's wallet, once for each `key`.

        Raises `CurrencyMismatch` for another currency than the account's, `InvalidValue` for an amount that is not
        positive, and `IdempotencyConflict` where the key stood for another refill.
        """
        if amount.currency != account.currency:
            raise CurrencyMismatch(f"account {account.number} is in {account.currency}, not {amount.currency}")
        if amount.micros <= 0:
            raise InvalidValue(f"a refill is a positive amount, not {amount}")
        if account.parent_id is None:
            raise HierarchyError(f"account {account.number} has no parent that could take its money")
        cash = LedgerAccount(account.parent_id, Book.CASH, account.currency)
        posting = Posting(
            key=f"refill:{key}",
            fingerprint=fingerprint("refill", account.id, amount.micros, amount.currency),
            at=self._clock.now(),
            reason=Reason.REFILL,
            transfers=transfer(cash, LedgerAccount(account.id, Book.WALLET, account.currency), amount.micros),
        )
        with self._storage.begin() as uow:
            return _once(uow, posting)

    def balance(self, account: Account) -> Money:
        """What is in an account's wallet; negative for what it owes its parent."""
        with self._storage.begin() as uow:
            wallet = LedgerAccount(account.id, Book.WALLET, account.currency)
            return Money.from_micros(uow.balance(wallet), account.currency)

    def wallets(self) -> Mapping[int, Money]:
        """The balances of all wallets that are not empty, by the ids of their accounts."""
        with self._storage.begin() as uow:
            stored = uow.balances()
        wallets = {book: micros for book, micros in stored.items() if book.book is Book.WALLET}
        return {book.account_id: Money.from_micros(micros, book.currency) for book, micros in wallets.items()}

    def available(self, account: Account) -> Money:
        """What an account may still spend: its balance, and its credit limit if it is postpaid."""
        limit = Money.from_micros(account.spendable_below_zero_micros, account.currency)
        return self.balance(account) + limit

    def posting(self, key: str) -> Posting:
        """The posting with a key; `NotFound` if there is none."""
        with self._storage.begin() as uow:
            found = uow.find_posting(key)
        if found is None:
            raise NotFound(f"no posting has the key {key!r}")
        return found

    def books(self) -> Mapping[LedgerAccount, Money]:
        """The balance of every ledger account that is not zero, as the transfers prove it."""
        with self._storage.begin() as uow:
            proved = uow.proved_balances()
        return {account: Money.from_micros(micros, account.currency) for account, micros in proved.items()}

    def profits(self, account: Account) -> Mapping[str, Money]:
        """What a seller earned in each currency: revenue and commissions, less what it paid for what it sold.

        What it paid is its own level of each call; refills and taxes are not profit.
        """
        with self._storage.begin() as uow:
            flows = uow.flows(account.id)
        return {currency: Money.from_micros(micros, currency) for currency, micros in profit(flows).items()}

    def reconcile(self) -> Reconciliation:
        """Prove every materialised balance, every charge and every document from the transfers."""
        with self._storage.begin() as uow:
            proved = {a: micros for a, micros in uow.proved_balances().items() if a.book in MATERIALISED}
            stored = uow.balances()
            compared = sorted({*stored, *proved}, key=lambda a: (a.account_id, a.book, a.currency))
            documents = uow.documents()
            checks = [
                *((f"{a.book} of account {a.account_id}", stored.get(a, 0), proved.get(a, 0)) for a in compared),
                *_check_documents(documents, uow.charges()),
                *(check for account in uow.accounts() for check in _check_account(uow, account, documents)),
            ]
        wrong = tuple(Discrepancy(*check) for check in checks if check[1] != check[2])
        return Reconciliation(len(compared), len(documents), wrong)


_Check = tuple[str, int, int]


def _check_documents(documents: Sequence[Document], charges: Sequence[Charge]) -> Iterator[_Check]:
    """Every document stands for the charges that are on it."""
    on_document: dict[int | None, int] = {}
    for charge in charges:
        on_document[charge.document_id] = on_document.get(charge.document_id, 0) + charge.micros
    for document in documents:
        lines = sum(line.exact_micros for line in document.lines if line.kind is LineKind.CHARGES)
        yield f"charges on document {document.number}", lines, on_document.get(document.id, 0)


def _check_account(uow: UnitOfWork, account: Account, documents: Sequence[Document]) -> Iterator[_Check]:
    """What left the wallet is what was charged; with tax and rounding it is what the documents bill, or is unbilled."""
    flows = uow.flows(account.id)

    def left_wallet(*books: Book) -> int:
        return -sum(flows.get((Book.WALLET, book, account.currency), 0) for book in books)

    charges = uow.charges(account_id=account.id)
    charged = sum(charge.micros for charge in charges)
    yield f"charges of account {account.number}", charged, left_wallet(Book.REVENUE)
    billed = sum(document.total_micros for document in documents if document.account_id == account.id)
    unbilled = sum(charge.micros for charge in charges if charge.document_id is None)
    moved = left_wallet(Book.REVENUE, Book.TAX, Book.ROUNDING)
    yield f"documents of account {account.number}", billed + unbilled, moved


def _once(uow: UnitOfWork, posting: Posting) -> Posting:
    """Append a posting, unless it is there; `IdempotencyConflict` where its key stood for something else."""
    known = uow.find_posting(posting.key)
    if known is None:
        uow.add_posting(posting)
        return posting
    if known.fingerprint != posting.fingerprint:
        raise IdempotencyConflict(f"the key {posting.key!r} was used before, for something else")
    return known
