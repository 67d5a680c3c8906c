"""Refills, credits and debits by hand, balances, profits and the proof of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from astpp_billing.clock import Clock, utc
from astpp_billing.errors import CurrencyMismatch, HierarchyError, InvalidValue, NotFound
from astpp_billing.hierarchy import Account
from astpp_billing.ledger import Book, LedgerAccount, Posting, Reason, fingerprint, profit, transfer
from astpp_billing.money import Money
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.services import adjusting
from astpp_billing.services.adjusting import Short, check_adjustment, post_once
from astpp_billing.services.again import again
from astpp_billing.services.corrections import Correction
from astpp_billing.services.once import Once
from astpp_billing.services.reconciling import Reconciliation, prove_all


class Ledger:
    """The use cases of the ledger."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._commands = Once(storage, clock)

    @again
    def refill(self, account: Account, amount: Money, *, key: str) -> Posting:
        """Put money that the parent received into an account's wallet, once for each `key`.

        Keys of refills have nothing to do with those of other commands. Raises `CurrencyMismatch` for another currency
        than the account's, `InvalidValue` for an amount that is not positive, `IdempotencyConflict` where the key stood
        for another refill, and `PeriodClosed` where the clock says a time that was closed.
        """
        if not key:
            raise InvalidValue(f"a refill of account {account.number} needs a key that no other refill has")
        if amount.currency != account.currency:
            raise CurrencyMismatch(f"account {account.number} is in {account.currency}, not {amount.currency}")
        if amount.micros <= 0:
            raise InvalidValue(f"a refill of account {account.number} is a positive amount, not {amount}")
        wallet = LedgerAccount(account.id, Book.WALLET, account.currency)
        with self._storage.begin() as uow:
            uow.lock([account.id])  # who moves the account must have this lock, so from here on it stays where it is
            parent_id = uow.account(account.id).parent_id
            if parent_id is None:
                raise HierarchyError(f"account {account.number} has no parent that could take its money")
            posting = Posting(
                key=f"refill:{key}",
                fingerprint=fingerprint("refill", account.id, amount.micros, amount.currency),
                at=self._clock.now(),
                reason=Reason.REFILL,
                transfers=transfer(LedgerAccount(parent_id, Book.CASH, account.currency), wallet, amount.micros),
            )
            return post_once(uow, posting)

    @again
    def credit(self, account: Account, amount: Money, *, reason: str, key: str) -> Posting:
        """Give an account money as goodwill: its parent's cost, as nobody paid anything in. Once for each `key`.

        `reason` is kept with the posting, and is on the statement. It is on no document: what was sold and charged
        stays as it was. Raises what `refill` does, and `InvalidValue` for a reason that is no text of one line.
        """
        check_adjustment("credit", account, amount, reason, key)
        with self._storage.begin() as uow:
            return adjusting.credit(uow, self._clock, account, amount, reason, key)

    @again
    def debit(self, account: Account, amount: Money, *, reason: str, key: str, force: bool = False) -> Posting | Short:
        """Charge an account by hand, as its parent's revenue: with tax and receipt or invoice, as for any other charge.

        `reason` is what the document says, and the statement. Once for each `key`; a `Short` has charged nothing and
        may be tried again. More than is available, with the tax, is taken only with `force`. Raises what `credit` does,
        and `HierarchyError` for an account that is closed.
        """
        check_adjustment("debit", account, amount, reason, key)
        with self._storage.begin() as uow:
            return adjusting.debit(uow, self._clock, account, amount, reason, key, force=force)

    @again
    def correct(self, posting_key: str, *, reason: str) -> Correction:
        """Take back what was wrong, as a whole and once, by a posting that points at it.

        That is a refill, a credit, a debit, a call or the renewal of a subscription. Every level gets its money back,
        and who was paid a commission loses it; what was billed gets credit notes, what was not comes with its refund on
        the next document. A wallet may go below zero by it, for the money was never there. The call stays among the
        calls, and in the used figures of its day. The same again changes nothing; with another reason it is an
        `IdempotencyConflict`. Raises `NotFound` for no such posting, `InvalidValue` for one that cannot be corrected:
        an order is refunded (`Orders.refund`).
        """
        with self._storage.begin() as uow:
            return adjusting.correct(uow, self._clock, posting_key, reason)

    def close_period(self, until: datetime, *, key: str | None = None) -> datetime:
        """Close the books up to an instant: nothing can be posted any more with an earlier one (`PeriodClosed`).

        What comes in late is posted at the present, as always; calls keep the time at which they started. What is
        closed is never opened again: an instant before the one that the books are closed until changes nothing.
        Returns `until`. Raises `InvalidValue` for an instant in the future, as nothing could be posted at the present.
        `key` is as in `Accounts`.
        """
        end = utc(until, "until")

        def do(uow: UnitOfWork) -> str:
            uow.lock_tree()  # no account is opened meanwhile that would stay open for the past
            now = self._clock.now()
            if end > now:
                raise InvalidValue(f"the books cannot be closed until {end}, as it is only {now}")
            uow.close_books(end)
            return ""

        return self._commands(key, ("close period", end), do, lambda uow, _: end)

    @again
    def balance(self, account: Account) -> Money:
        """What is in an account's wallet; negative for what it owes its parent."""
        with self._storage.snapshot() as uow:
            wallet = LedgerAccount(account.id, Book.WALLET, account.currency)
            return Money.from_micros(uow.balance(wallet), account.currency)

    @again
    def wallets(self) -> Mapping[int, Money]:
        """The balances of all wallets that are not empty, by the ids of their accounts."""
        with self._storage.snapshot() as uow:
            stored = uow.balances()
        wallets = {book: micros for book, micros in stored.items() if book.book is Book.WALLET}
        return {book.account_id: Money.from_micros(micros, book.currency) for book, micros in wallets.items()}

    @again
    def available(self, account: Account) -> Money:
        """What an account may still spend: its balance, and its credit limit if it is postpaid, less what is held."""
        with self._storage.snapshot() as uow:
            wallet = uow.wallet(account.id)
        return Money.from_micros(wallet.available_micros, wallet.currency)

    @again
    def posting(self, key: str) -> Posting:
        """The posting with a key; `NotFound` if there is none."""
        with self._storage.snapshot() as uow:
            found = uow.find_posting(key)
        if found is None:
            raise NotFound(f"no posting has the key {key!r}")
        return found

    @again
    def books(self) -> Mapping[LedgerAccount, Money]:
        """The balance of every ledger account that is not zero, as the transfers prove it."""
        with self._storage.snapshot() as uow:
            proved = uow.proved_balances()
        return {account: Money.from_micros(micros, account.currency) for account, micros in proved.items()}

    @again
    def profits(self, account: Account) -> Mapping[str, Money]:
        """What a seller earned in each currency: revenue and commissions, less what it paid for what it sold.

        What it paid is its own level of each call; refills and taxes are not profit.
        """
        with self._storage.snapshot() as uow:
            flows = uow.flows(account.id)
        return {currency: Money.from_micros(micros, currency) for currency, micros in profit(flows).items()}

    @again
    def reconcile(self) -> Reconciliation:
        """Prove every balance, hold, charge, call and document, as they are at one moment.

        Balances are proved from the transfers; what is held from the open holds; every charge from the transfer that it
        stands for, every rated call from its charge, and every document, line by line, from the charges on it.
        """
        with self._storage.snapshot() as uow:
            return prove_all(uow)
