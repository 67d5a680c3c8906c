"""The proof of one account: that its stored balances, charges and documents are what its transfers say.

It costs one query for each kind of thing, and looks at nothing of other accounts. `reconciling` proves everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from astpp_billing.errors import InvalidValue
from astpp_billing.hierarchy import Account
from astpp_billing.invoicing import Document, LineKind, line_name
from astpp_billing.ledger import MATERIALISED, Book, Charge, Flow, LedgerAccount
from astpp_billing.money import from_micros, plain
from astpp_billing.ports import UnitOfWork


@frozen
class Discrepancy:
    """Something that the transfers do not prove: what it is, what is stored and what is proved, in micros.

    Where it is no matter of an amount, or cannot even be read, both are the same, and `what` says what is wrong.
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
    """How many documents were compared, the charges if they can be read, and what is wrong with both."""

    documents: int
    charges: Sequence[Charge] | None
    discrepancies: Sequence[Discrepancy]


def prove_history(uow: UnitOfWork, account: Account, flows: Mapping[Flow, int]) -> History:
    """Prove the charges and documents of an account by its `flows`."""
    try:
        documents = uow.documents(account.id)
        charges = uow.charges(account_id=account.id)
    except InvalidValue as error:  # a charge or a document that says of itself that it is not whole
        return History(0, None, [Discrepancy(f"history of account {account.number}: {error}", 0, 0)])
    wrong = [*compare(_history(account, flows, charges, documents)), *_lines(account, charges, documents)]
    wrong += _credited(documents)
    return History(len(documents), charges, wrong)


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
    """What was charged, taxed and rounded has left the wallet, and is on documents or waits for one."""

    def left_wallet(*books: Book) -> int:
        return -sum(flows.get((Book.WALLET, book, account.currency), 0) for book in books)

    charged = sum(charge.micros for charge in charges)
    yield f"charges of account {account.number}", charged, left_wallet(Book.REVENUE)
    waiting = sum(charge.micros for charge in charges if charge.document_id is None)
    billed = sum(document.total_micros for document in documents) + waiting
    moved = left_wallet(Book.REVENUE, Book.TAX, Book.ROUNDING)
    yield f"documents of account {account.number}", billed, moved


@frozen
class _Sum:
    """What a line of a document says, or the charges that it stands for: how many, how long, how much."""

    charges: int = 0
    seconds: int = 0
    micros: int = 0

    def __add__(self, other: _Sum) -> _Sum:
        return _Sum(self.charges + other.charges, self.seconds + other.seconds, self.micros + other.micros)


def _lines(account: Account, charges: Sequence[Charge], documents: Sequence[Document]) -> Iterator[Discrepancy]:
    """Every line stands for exactly the charges on its document that have its name."""
    proved: dict[int, dict[str, _Sum]] = {}
    for charge in charges:
        if charge.document_id is not None:
            one = _Sum(1, charge.seconds, charge.micros)
            _add(proved.setdefault(charge.document_id, {}), line_name(charge), one)
    for document in documents:
        stored: dict[str, _Sum] = {}
        for line in document.lines:
            if line.kind is LineKind.CHARGES:
                _add(stored, line.description, _Sum(line.quantity, line.seconds, line.exact_micros))
        of_document = proved.pop(document.id, {})
        for name in sorted({*stored, *of_document}):
            says, are = stored.get(name, _Sum()), of_document.get(name, _Sum())
            if says != are:
                yield Discrepancy(_line_text(document, name, says, are), says.micros, are.micros)
    for document_id in proved:
        what = f"charges of account {account.number} are on document {document_id}, which is not its own"
        yield Discrepancy(what, 0, 0)


def _credited(documents: Sequence[Document]) -> Iterator[Discrepancy]:
    """Credit notes take back no more than what they are for has billed, of its charges, and of each tax."""
    billed: dict[tuple[int, LineKind, str], int] = {}
    credited: dict[tuple[int, LineKind, str], int] = {}
    for document in documents:
        sums, document_id, sign = billed, document.id, 1
        if document.corrects_id is not None:
            sums, document_id, sign = credited, document.corrects_id, -1
        for line in document.lines:
            if line.kind is not LineKind.ROUNDING:
                name = document_id, line.kind, "charges" if line.kind is LineKind.CHARGES else line.description
                sums[name] = sums.get(name, 0) + sign * line.exact_micros
    numbers = {document.id: document.number for document in documents}
    for (document_id, kind, what), micros in credited.items():
        there = billed.get((document_id, kind, what), 0)
        if micros > there:
            number = numbers.get(document_id, f"document {document_id}, which is not its own")
            yield Discrepancy(f"credit notes for {number}, {what}", micros, there)


def _add(sums: dict[str, _Sum], name: str, one: _Sum) -> None:
    sums[name] = sums.get(name, _Sum()) + one


def _line_text(document: Document, name: str, says: _Sum, are: _Sum) -> str:
    what = f"line {name!r} of document {document.number}"
    if (says.charges, says.seconds) == (are.charges, are.seconds):
        return what
    return f"{what} says {says.charges} charges of {says.seconds} seconds, and {are.charges} of {are.seconds} are on it"
