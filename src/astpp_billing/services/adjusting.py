"""Credits and debits by hand, and posting once for each key.

A credit is goodwill: the parent gives money that nobody paid in. It is a cost of the parent (`COST` → `WALLET`), not
cash, and not less revenue either: what was sold stays sold, and stays on its documents. A debit is a charge like any
other (`WALLET` → `REVENUE` of the parent), with its tax and its document.
"""

from __future__ import annotations

from attrs import evolve, frozen

from astpp_billing.clock import Clock
from astpp_billing.errors import (
    AlreadyExists,
    CurrencyMismatch,
    HierarchyError,
    IdempotencyConflict,
    InvalidValue,
    StorageBusy,
)
from astpp_billing.hierarchy import Account, Status
from astpp_billing.ledger import (
    Book,
    Charge,
    ChargeKind,
    LedgerAccount,
    Posting,
    Reason,
    Transfer,
    fingerprint,
    key_about,
    movements,
    transfer,
)
from astpp_billing.money import Money
from astpp_billing.ports import Changes, UnitOfWork
from astpp_billing.services.corrections import Command, Correction, Taken, told_again
from astpp_billing.services.issuing import Desk, form_for, has_receipts_at_once, lock_for_billing

MAX_NOTE = 1_000
"""The most characters of a reason."""


@frozen
class Short:
    """A refusal: the account has less `available` than is `needed`, which is the amount with its tax."""

    account: Account
    needed: Money
    available: Money

    def __str__(self) -> str:
        return f"account {self.account.number} needs {self.needed}, and has {self.available} available"


def check_adjustment(what: str, account: Account, amount: Money, reason: str, key: str) -> None:
    """Raise `InvalidValue` where a credit or debit says something that can never be right."""
    if not key:
        raise InvalidValue(f"a {what} of account {account.number} needs a key that no other {what} has")
    check_reason(what, reason)
    if amount.currency != account.currency:
        raise CurrencyMismatch(f"account {account.number} is in {account.currency}, not {amount.currency}")
    if amount.micros <= 0:
        raise InvalidValue(f"a {what} of account {account.number} is a positive amount, not {amount}")


def check_reason(what: str, reason: str) -> str:
    """Return the reason of something that is done by hand; `InvalidValue` unless it is one line of text."""
    if not reason.strip() or not reason.isprintable() or len(reason) > MAX_NOTE:
        raise InvalidValue(f"the reason of a {what} is one line of 1 to {MAX_NOTE:,} characters, not {reason!r}")
    return reason


CORRECTABLE = frozenset({Reason.REFILL, Reason.CREDIT, Reason.DEBIT, Reason.CALL, Reason.RENEWAL})
"""What can be taken back as a whole; an order is refunded, and documents take back only themselves."""


def correct(uow: UnitOfWork, clock: Clock, key: str, reason: str) -> Correction:
    """See `Ledger.correct`."""
    check_reason("correction", reason)
    posting_key = key_about("correction", key)
    mark = fingerprint("correction", key, reason)
    known = find_once(uow, posting_key, mark)
    if known is not None:
        return told_again(uow, known)
    taken = Taken(uow, key)
    if taken.posting.reason not in CORRECTABLE:
        raise InvalidValue(f"{key} is {taken.posting.reason}: that cannot be corrected, an order can be refunded")
    desk = Desk(uow.lock(taken.account_ids, taken.series))
    known = find_once(uow, posting_key, mark)  # which somebody may have done while this one waited
    if known is not None:
        return told_again(uow, known)
    changes = Changes()
    correction = taken.take(
        desk,
        changes,
        Command(
            key=posting_key,
            fingerprint=mark,
            at=clock.now(),
            reason=Reason.CORRECTION,
            note=reason,
        ),
    )
    save_once(uow, changes, posting_key)
    return correction


def credit(uow: UnitOfWork, clock: Clock, account: Account, amount: Money, reason: str, key: str) -> Posting:
    """See `Ledger.credit`."""
    uow.lock([account.id])  # who moves the account must have this lock, so from here on it stays where it is
    parent_id = _parent(uow.account(account.id))
    cost = LedgerAccount(parent_id, Book.COST, account.currency)
    posting = Posting(
        key=f"credit:{key}",
        fingerprint=fingerprint("credit", account.id, amount.micros, amount.currency, reason),
        at=clock.now(),
        reason=Reason.CREDIT,
        transfers=transfer(cost, LedgerAccount(account.id, Book.WALLET, account.currency), amount.micros),
        note=reason,
    )
    return post_once(uow, posting)


def debit(
    uow: UnitOfWork, clock: Clock, account: Account, amount: Money, reason: str, key: str, *, force: bool
) -> Posting | Short:
    """See `Ledger.debit`."""
    account = uow.account(account.id)
    parent_id = _parent(account)
    desk = lock_for_billing(uow, account)
    posting_key = f"debit:{key}"
    mark = fingerprint("debit", account.id, amount.micros, amount.currency, reason)
    known = find_once(uow, posting_key, mark)
    if known is not None:
        return known
    if account.status is Status.CLOSED:
        raise HierarchyError(f"account {account.number} is closed, and cannot be charged")
    now = clock.now()  # with the locks, so that the books are not closed meanwhile
    charge = Charge(
        account_id=account.id,
        posting_key=posting_key,
        at=now,
        kind=ChargeKind.DEBIT,
        description=reason,
        micros=amount.micros,
        currency=amount.currency,
    )
    (document_id,) = uow.reserve_ids(1) if has_receipts_at_once(account) else (None,)
    changes, moved, tax = _billed(uow, desk, charge, account, document_id)
    # what is billed later takes its tax later, but must be affordable now
    needed = amount.micros + (tax if document_id is None else _leaving(moved, account))
    wallet = uow.wallet(account.id)
    if needed > wallet.available_micros and not force:
        available = Money.from_micros(wallet.available_micros, account.currency)
        return Short(account, Money.from_micros(needed, account.currency), available)
    paid = transfer(
        LedgerAccount(account.id, Book.WALLET, account.currency),
        LedgerAccount(parent_id, Book.REVENUE, account.currency),
        amount.micros,
    )
    posting = Posting(
        key=posting_key,
        fingerprint=mark,
        at=now,
        reason=Reason.DEBIT,
        transfers=(*paid, *moved),
        note=reason,
    )
    changes.postings.append(posting)
    save_once(uow, changes, posting_key)
    return posting


def _billed(
    uow: UnitOfWork, desk: Desk, charge: Charge, account: Account, document_id: int | None
) -> tuple[Changes, tuple[Transfer, ...], int]:
    """A charge with its receipt, if it gets one at once; what that moves; and the tax, whenever it is billed."""
    form = form_for(uow, account)
    assembled = form.assemble(desk, (charge,))
    if document_id is None:
        return Changes(charges=[charge]), (), assembled.tax_micros

    document, moved = form.issue(desk, assembled, document_id, charge.at)
    placed = evolve(charge, document_id=document_id)
    changes = Changes(charges=[placed], documents=[document], numbers=desk.given())
    return changes, moved, assembled.tax_micros


def _leaving(transfers: tuple[Transfer, ...], account: Account) -> int:
    """What transfers take out of the wallet of an account, in micros."""
    gained = movements(transfers)
    return -gained.get(LedgerAccount(account.id, Book.WALLET, account.currency), 0)


def _parent(account: Account) -> int:
    if account.parent_id is None:
        raise HierarchyError(f"account {account.number} has no parent that could take its money")
    return account.parent_id


def find_once(uow: UnitOfWork, key: str, mark: str) -> Posting | None:
    """The posting with a key, if there is one; `IdempotencyConflict` where its fingerprint is not `mark`."""
    known = uow.find_posting(key)
    if known is not None and known.fingerprint != mark:
        raise IdempotencyConflict(f"the key {key!r} was used before, for something else")
    return known


def post_once(uow: UnitOfWork, posting: Posting) -> Posting:
    """Append a posting, unless it is there; `IdempotencyConflict` where its key stood for something else."""
    known = find_once(uow, posting.key, posting.fingerprint)
    if known is None:
        save_once(uow, Changes(postings=[posting]), posting.key)
        return posting
    return known


def save_once(uow: UnitOfWork, changes: Changes, key: str) -> None:
    """Save what has the posting of a key; raises `StorageBusy` where somebody posted it meanwhile."""
    try:
        uow.save(changes)
    except AlreadyExists as error:  # for another account, whose lock this one did not wait for
        raise StorageBusy(f"somebody posted {key!r} meanwhile") from error
