"""The proof of everything: what each stored amount is proved by, and whatever differs, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from astpp_billing.calls import CallEntry, CallStatus
from astpp_billing.errors import InvalidValue
from astpp_billing.hierarchy import Account
from astpp_billing.ledger import MATERIALISED, Book, Charge, LedgerAccount, Posting, Reason, Transfer
from astpp_billing.ports import UnitOfWork
from astpp_billing.services.minutes_proof import prove_minutes
from astpp_billing.services.proof import Check, Discrepancy, compare, prove_history


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


def prove_all(uow: UnitOfWork) -> Reconciliation:
    """Prove balances, holds, charges, calls, documents and minutes; `uow` must not see what others change meanwhile."""
    accounts = uow.accounts()
    numbers = {account.id: account.number for account in accounts}
    compared, wrong = _balances(uow, numbers)
    wrong += compare(_held(uow, accounts))
    wrong += prove_minutes(uow, accounts)
    charges: dict[str, list[Charge]] = {}
    documents, unread = 0, False
    for account in accounts:
        proof = prove_history(uow, account, uow.flows(account.id))
        documents += proof.documents
        wrong += proof.discrepancies
        for charge in proof.charges or ():
            charges.setdefault(charge.posting_key, []).append(charge)
        unread = unread or proof.charges is None
    if not unread:  # else charges would seem to be missing that just cannot be read
        wrong += _prove_postings(uow, numbers, charges)
    return Reconciliation(compared, documents, tuple(wrong))


def _balances(uow: UnitOfWork, numbers: Mapping[int, str]) -> tuple[int, list[Discrepancy]]:
    proved = {book: micros for book, micros in uow.proved_balances().items() if book.book in MATERIALISED}
    stored = uow.balances()
    compared = sorted({*stored, *proved}, key=lambda it: (it.account_id, it.book, it.currency))
    checks = (
        (f"{it.book} of account {numbers[it.account_id]}", stored.get(it, 0), proved.get(it, 0)) for it in compared
    )
    return len(compared), compare(checks)


def _held(uow: UnitOfWork, accounts: Sequence[Account]) -> Iterator[Check]:
    """What is held in each wallet is what the open holds reserve there."""
    held: dict[int, int] = {}
    for hold in uow.holds():
        for level in hold.levels:
            held[level.account_id] = held.get(level.account_id, 0) + level.micros
    for account in accounts:
        yield f"held of account {account.number}", uow.wallet(account.id).held_micros, held.get(account.id, 0)


def _prove_postings(uow: UnitOfWork, numbers: Mapping[int, str], charges: dict[str, list[Charge]]) -> list[Discrepancy]:
    """Compare postings with `charges`, which are taken out by the keys of their postings, and with the calls."""
    wrong: list[Discrepancy] = []
    try:
        calls = {call.key: call for call in uow.calls()}
        for posting in uow.postings():
            of_posting = charges.pop(posting.key, [])
            wrong += _charges(posting, of_posting, numbers)
            call = calls.pop(posting.key, None)
            if posting.reason is Reason.CALL or call is not None:
                wrong += _call(posting, call)
    except InvalidValue as error:  # a call or a posting that says of itself that it is not whole
        return [*wrong, Discrepancy(f"calls and postings: {error}", 0, 0)]
    for key, of_nothing in charges.items():
        wrong += (
            Discrepancy(f"charge {one.position} of {key}, without a posting", one.micros, 0) for one in of_nothing
        )
    wrong += compare((f"call {call.key}, without a posting", call.micros, 0) for call in calls.values())
    return wrong


def _charges(posting: Posting, charges: Sequence[Charge], numbers: Mapping[int, str]) -> Iterator[Discrepancy]:
    """Each charge is one transfer between a wallet and a revenue, at its position; no such one is without a charge."""
    paid = {position: one for position, one in enumerate(posting.transfers, 1) if _is_charge(one) or _is_refund(one)}
    for charge in charges:
        name = f"charge {charge.position} of {posting.key}"
        transfer = paid.pop(charge.position, None)
        if transfer is None:
            yield Discrepancy(f"{name}, which no transfer stands for", charge.micros, 0)
            continue
        wallet, micros = (
            (transfer.source, transfer.micros) if _is_charge(transfer) else (transfer.target, -transfer.micros)
        )
        if charge.micros != micros:
            yield Discrepancy(name, charge.micros, micros)
        if wallet != LedgerAccount(charge.account_id, Book.WALLET, charge.currency):
            payer = f"{numbers[wallet.account_id]} in {wallet.currency}"
            said = f"{numbers[charge.account_id]} in {charge.currency}"
            yield Discrepancy(f"{name} is of account {said}, and was paid by {payer}", 0, 0)
    for position, transfer in paid.items():
        yield Discrepancy(f"transfer {position} of {posting.key}, without a charge", 0, transfer.micros)


def _is_charge(transfer: Transfer) -> bool:
    return transfer.source.book is Book.WALLET and transfer.target.book is Book.REVENUE


def _is_refund(transfer: Transfer) -> bool:
    return transfer.source.book is Book.REVENUE and transfer.target.book is Book.WALLET


def _call(posting: Posting, call: CallEntry | None) -> Iterator[Discrepancy]:
    """A call that was posted is rated, and cost its buyer what left that wallet; nothing else is posted as a call."""
    if call is None:
        yield Discrepancy(f"posting {posting.key}, which no call stands for", 0, 0)
        return
    if posting.reason is not Reason.CALL or call.status is not CallStatus.RATED:
        yield Discrepancy(f"call {call.key} is {call.status}, and was posted as {posting.reason}", 0, 0)
    first = next(filter(_is_charge, posting.transfers), None)  # the buyer's, unless it cost nothing
    paid = first.micros if first is not None and first.source.account_id == call.account_id else 0
    if call.micros != paid:
        yield Discrepancy(f"call {call.key}", call.micros, paid)
