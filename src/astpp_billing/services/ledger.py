"""Refills, balances, profits and the proof of the ledger."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from astpp_billing.clock import Clock
from astpp_billing.errors import CurrencyMismatch, HierarchyError, IdempotencyConflict, InvalidValue, NotFound
from astpp_billing.hierarchy import Account
from astpp_billing.ledger import (
    MATERIALISED,
    Book,
    LedgerAccount,
    Posting,
    Reason,
    fingerprint,
    profit,
    transfer,
)
from astpp_billing.money import Money
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.services.again import again
from astpp_billing.services.proof import Discrepancy, compare, prove_history


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

    @again
    def refill(self, account: Account, amount: Money, *, key: str) -> Posting:
        """Put money that the parent received into an account's wallet, once for each `key`.

        Raises `CurrencyMismatch` for another currency than the account's, `InvalidValue` for an amount that is not
        positive, and `IdempotencyConflict` where the key stood for another refill.
        """
        if not key:
            raise InvalidValue(f"a refill of account {account.number} needs a key that no other refill has")
        if amount.currency != account.currency:
            raise CurrencyMismatch(f"account {account.number} is in {account.currency}, not {amount.currency}")
        if amount.micros <= 0:
            raise InvalidValue(f"a refill of account {account.number} is a positive amount, not {amount}")
        wallet = LedgerAccount(account.id, Book.WALLET, account.currency)
        with self._storage.begin() as uow:
            parent_id = uow.account(account.id).parent_id  # as it is now, wherever the account was moved
            if parent_id is None:
                raise HierarchyError(f"account {account.number} has no parent that could take its money")
            posting = Posting(
                key=f"refill:{key}",
                fingerprint=fingerprint("refill", account.id, amount.micros, amount.currency),
                at=self._clock.now(),
                reason=Reason.REFILL,
                transfers=transfer(LedgerAccount(parent_id, Book.CASH, account.currency), wallet, amount.micros),
            )
            return _once(uow, posting)

    @again
    def balance(self, account: Account) -> Money:
        """What is in an account's wallet; negative for what it owes its parent."""
        with self._storage.begin() as uow:
            wallet = LedgerAccount(account.id, Book.WALLET, account.currency)
            return Money.from_micros(uow.balance(wallet), account.currency)

    @again
    def wallets(self) -> Mapping[int, Money]:
        """The balances of all wallets that are not empty, by the ids of their accounts."""
        with self._storage.begin() as uow:
            stored = uow.balances()
        wallets = {book: micros for book, micros in stored.items() if book.book is Book.WALLET}
        return {book.account_id: Money.from_micros(micros, book.currency) for book, micros in wallets.items()}

    @again
    def available(self, account: Account) -> Money:
        """What an account may still spend: its balance, and its credit limit if it is postpaid."""
        with self._storage.begin() as uow:
            stored = uow.account(account.id)  # its limit as it is now
            balance = uow.balance(LedgerAccount(stored.id, Book.WALLET, stored.currency))
        return Money.from_micros(balance + stored.spendable_below_zero_micros, stored.currency)

    @again
    def posting(self, key: str) -> Posting:
        """The posting with a key; `NotFound` if there is none."""
        with self._storage.begin() as uow:
            found = uow.find_posting(key)
        if found is None:
            raise NotFound(f"no posting has the key {key!r}")
        return found

    @again
    def books(self) -> Mapping[LedgerAccount, Money]:
        """The balance of every ledger account that is not zero, as the transfers prove it."""
        with self._storage.begin() as uow:
            proved = uow.proved_balances()
        return {account: Money.from_micros(micros, account.currency) for account, micros in proved.items()}

    @again
    def profits(self, account: Account) -> Mapping[str, Money]:
        """What a seller earned in each currency: revenue and commissions, less what it paid for what it sold.

        What it paid is its own level of each call; refills and taxes are not profit.
        """
        with self._storage.begin() as uow:
            flows = uow.flows(account.id)
        return {currency: Money.from_micros(micros, currency) for currency, micros in profit(flows).items()}

    @again
    def reconcile(self) -> Reconciliation:
        """Prove every materialised balance, every charge and every document from the transfers."""
        with self._storage.begin() as uow:
            proved = {a: micros for a, micros in uow.proved_balances().items() if a.book in MATERIALISED}
            stored = uow.balances()
            compared = sorted({*stored, *proved}, key=lambda a: (a.account_id, a.book, a.currency))
            accounts = {account.id: account for account in uow.accounts()}
            wrong = compare(
                (f"{a.book} of account {accounts[a.account_id].number}", stored.get(a, 0), proved.get(a, 0))
                for a in compared
            )
            documents = 0
            for account in accounts.values():
                proof = prove_history(uow, account, uow.flows(account.id))
                documents += proof.documents
                wrong += proof.discrepancies
        return Reconciliation(len(compared), documents, tuple(wrong))


def _once(uow: UnitOfWork, posting: Posting) -> Posting:
    """Append a posting, unless it is there; `IdempotencyConflict` where its key stood for something else."""
    known = uow.find_posting(posting.key)
    if known is None:
        uow.add_posting(posting)
        return posting
    if known.fingerprint != posting.fingerprint:
        raise IdempotencyConflict(f"the key {posting.key!r} was used before, for something else")
    return known
