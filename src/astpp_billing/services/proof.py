"""The proof of one account: that its stored balances, charges and documents are what its transfers say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from astpp_billing.errors import InvalidValue
from astpp_billing.hierarchy import Account
from astpp_billing.invoicing import Document, LineKind
from astpp_billing.ledger import MATERIALISED, Book, Charge, Flow, LedgerAccount
from astpp_billing.money import from_micros, plain
from astpp_billing.ports import UnitOfWork


@frozen
class Discrepancy:
    """Something that the transfers do not prove: what it is, what is stored and what is proved, in micros.

    What cannot even be read has two zeros, and `what` says why.
    """

    what: str
    stored_micros: int
    proved_micros: int

    def __str__(self) -> str:
        if self.stored_micros == self.proved_micros:
            return self.what
        stored, proved = (plain(from_micros(micros)) for micros in (self.stored_micros, self.proved_micros))
        return f"{self.what}: {stored} is stored, {proved} is proved"


def discrepancies(uow: UnitOfWork, account: Account) -> Sequence[Discrepancy]:
    """All that is wrong with one account."""
    flows = uow.flows(account.id)
    return [*compare(_balances(uow, account, flows)), *prove_history(uow, account, flows).discrepancies]


@frozen
class History:
    """How many documents were compared, and what is wrong with them and the charges."""

    documents: int
    discrepancies: Sequence[Discrepancy]


def prove_history(uow: UnitOfWork, account: Account, flows: Mapping[Flow, int]) -> History:
    """Prove the charges and documents of an account by its `flows`."""
    try:
        documents = uow.documents(account.id)
        charges = uow.charges(account_id=account.id)
    except InvalidValue as error:  # a charge or a document that says of itself that it is not whole
        return History(0, [Discrepancy(f"history of account {account.number}: {error}", 0, 0)])
    return History(len(documents), compare(_history(account, flows, charges, documents)))


Check = tuple[str, int, int]


def compare(checks: Iterator[Check]) -> list[Discrepancy]:
    """The checks that fail."""
    return [Discrepancy(what, stored, proved) for what, stored, proved in checks if stored != proved]


def _balances(uow: UnitOfWork, account: Account, flows: Mapping[Flow, int]) -> Iterator[Check]:
    for book in sorted(MATERIALISED):
        stored = uow.balance(LedgerAccount(account.id, book, account.currency))
        proved = sum(micros for (own, _, code), micros in flows.items() if own is book and code == account.currency)
        yield f"{book} of account {account.number}", stored, proved


def _history(
    account: Account, flows: Mapping[Flow, int], charges: Sequence[Charge], documents: Sequence[Document]
) -> Iterator[Check]:
    """Every document stands for the charges that are on it; what was charged, taxed and rounded has left the wallet."""
    charged: dict[int | None, int] = {}
    for charge in charges:
        charged[charge.document_id] = charged.get(charge.document_id, 0) + charge.micros
    for document in documents:
        lines = sum(line.exact_micros for line in document.lines if line.kind is LineKind.CHARGES)
        yield f"charges on document {document.number}", lines, charged.get(document.id, 0)

    def left_wallet(*books: Book) -> int:
        return -sum(flows.get((Book.WALLET, book, account.currency), 0) for book in books)

    yield f"charges of account {account.number}", sum(charged.values()), left_wallet(Book.REVENUE)
    billed = sum(document.total_micros for document in documents) + charged.get(None, 0)
    moved = left_wallet(Book.REVENUE, Book.TAX, Book.ROUNDING)
    yield f"documents of account {account.number}", billed, moved
