"""Taking back what was charged: on every level, with the commissions, and with credit notes for what was billed.

What goes back is a part of a posting, as a posting of its own that points at it. A charge that is on no document yet
gets a refund beside it, which comes on the same document; one that was billed gets a credit note at once, from whom
and about what it was billed, whatever its payer is now. `Taken` is made before the transaction's one lock, which has
its `account_ids` and `series`, and used after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction

from attrs import evolve, frozen

from astpp_billing.errors import InvalidValue, NotFound, StorageBusy
from astpp_billing.invoicing import (
    Document,
    DocumentBooks,
    DocumentKind,
    InvoiceConfig,
    assemble_credit,
    make_document,
    number_of,
)
from astpp_billing.ledger import (
    Book,
    Charge,
    ChargeKind,
    LedgerAccount,
    Posting,
    Reason,
    Reversed,
    Transfer,
    rest_of,
    reversal,
)
from astpp_billing.ports import Changes, Series, UnitOfWork
from astpp_billing.services.issuing import Desk

_WHOLE: Mapping[int, Fraction] = {}


@frozen
class Correction:
    """What has taken something back: the posting, what each charge got back, and the credit notes; the buyer's first.

    `repeated` says that nothing was done, because the same was taken back under this key before.
    """

    posting: Posting
    charges: tuple[Charge, ...]
    documents: tuple[Document, ...]
    repeated: bool = False


@frozen(kw_only=True)
class Command:
    """What is to be taken back: a `part` of 1, under a key, at an instant, because of a reason that is said in words.

    Without a part it is all that is left. `weights` are those of `ledger.reversal`.
    """

    key: str
    fingerprint: str
    at: datetime
    reason: Reason
    note: str
    part: Fraction | None = None
    weights: Mapping[int, Fraction] = _WHOLE


class Taken:
    """A posting with its charges and their documents, and how much of it was taken back."""

    def __init__(self, uow: UnitOfWork, key: str) -> None:
        posting = uow.find_posting(key)
        if posting is None:
            raise NotFound(f"no posting has the key {key!r}")
        self.posting = posting
        self.charges = uow.charges(posting_keys=[key])
        ids = {charge.document_id for charge in self.charges if charge.document_id is not None}
        self._documents = {document.id: document for document in uow.documents(ids=ids)} if ids else {}
        self._uow = uow

    @property
    def account_ids(self) -> set[int]:
        """Whose wallets are moved."""
        ends = (end for one in self.posting.transfers for end in (one.source, one.target))
        return {end.account_id for end in ends if end.book is Book.WALLET}

    @property
    def series(self) -> set[Series]:
        """What the credit notes are numbered from."""
        return {(document.issuer_id, DocumentKind.CREDIT_NOTE) for document in self._documents.values()}

    @property
    def before(self) -> Fraction:
        """How much of it was taken back already; 1 also where something is left that was not part of what was."""
        shares = (one.share or Fraction(1) for one in self._uow.corrections(self.posting.key))
        return min(sum(shares, start=Fraction(0)), Fraction(1))

    @property
    def rest(self) -> tuple[Reversed, ...]:
        """What takes back all that is left of it."""
        return rest_of(self.posting.transfers, self._micros_taken())

    def _micros_taken(self) -> dict[int, int]:
        """How many micros of each transfer were taken back already, by its position.

        Each is found by its ends, and two between the same ends by what their charges are called.
        """
        corrections = self._uow.corrections(self.posting.key)
        if not corrections:
            return {}
        refunds = self._uow.charges(posting_keys=[one.key for one in corrections])
        called = {(one.posting_key, one.position): one.description for one in refunds}
        taken: dict[tuple[LedgerAccount, LedgerAccount, str | None], int] = {}
        for correction in corrections:
            for position, one in enumerate(correction.transfers, 1):
                name = one.target, one.source, called.get((correction.key, position))
                taken[name] = taken.get(name, 0) + one.micros
        names = {one.position: one.description for one in self.charges}
        return {
            position: taken.get((one.source, one.target, names.get(position)), 0)
            for position, one in enumerate(self.posting.transfers, 1)
        }

    def take(self, desk: Desk, changes: Changes, command: Command) -> Correction:
        """Add to what a transaction saves that a part is taken back; everything must be locked.

        Raises `InvalidValue` for more than is left, or where nothing is, and `StorageBusy` where a charge was billed
        since it was seen.
        """
        if self._uow.charges(posting_keys=[self.posting.key]) != self.charges:
            raise StorageBusy(f"what {self.posting.key} has charged was billed meanwhile")
        before = self.before
        if command.part is None:
            reversed_, share = self.rest, 1 - before or None
            if not reversed_:
                raise InvalidValue(f"nothing is left of {self.posting.key}")
        else:
            reversed_, share = reversal(self.posting.transfers, before, command.part, command.weights), command.part
        refunds = self._refunds(reversed_, command, "the rest of " if before and command.part is None else "")
        documents, moved = self._credit(desk, refunds, command.at)
        placed = {document.corrects_id: document.id for document in documents}
        charges = tuple(evolve(one, document_id=placed.get(billed)) for one, billed in refunds)
        posting = Posting(
            key=command.key,
            fingerprint=command.fingerprint,
            at=command.at,
            reason=command.reason,
            transfers=(*(one.transfer for one in reversed_), *moved),
            corrects=self.posting.key,
            share=share,
            note=command.note,
        )
        changes.postings.append(posting)
        changes.charges += charges
        changes.documents += documents
        for series, count in desk.given().items():
            changes.numbers[series] = changes.numbers.get(series, 0) + count
        return Correction(posting, charges, tuple(documents))

    def _refunds(self, reversed_: Sequence[Reversed], command: Command, part: str) -> list[tuple[Charge, int | None]]:
        """What each charge gets back, with the id of the document that has billed it."""
        places = {one.position: (place, one.transfer.micros) for place, one in enumerate(reversed_, 1)}
        refunds = []
        for charge in self.charges:
            if charge.position not in places:
                continue
            place, micros = places[charge.position]
            refund = Charge(
                account_id=charge.account_id,
                posting_key=command.key,
                position=place,
                at=charge.at if charge.document_id is None else command.at,  # so that both are billed together
                kind=ChargeKind.REFUND,
                description=charge.description,
                detail=_told(charge, command, part),
                number=charge.number,
                micros=-micros,
                currency=charge.currency,
            )
            refunds.append((refund, charge.document_id))
        return refunds

    def _credit(
        self, desk: Desk, refunds: Sequence[tuple[Charge, int | None]], at: datetime
    ) -> tuple[list[Document], list[Transfer]]:
        """The credit notes for what was billed, and what is posted with them."""
        by_document: dict[int, list[Charge]] = {}
        for refund, document_id in refunds:
            if document_id is not None:
                by_document.setdefault(document_id, []).append(refund)
        if not by_document:
            return [], []
        credited = self._uow.documents(corrects=by_document)
        ids = iter(self._uow.reserve_ids(len(by_document)))
        documents: list[Document] = []
        moved: list[Transfer] = []
        for billed_id, charges in by_document.items():
            billed = self._documents[billed_id]
            earlier = [one for one in credited if one.corrects_id == billed_id]
            document, transfers = self._credit_note(desk, charges, billed, earlier, next(ids), at)
            documents.append(document)
            moved += transfers
        return documents, moved

    def _credit_note(
        self,
        desk: Desk,
        charges: Sequence[Charge],
        billed: Document,
        earlier: Sequence[Document],
        document_id: int,
        at: datetime,
    ) -> tuple[Document, tuple[Transfer, ...]]:
        buyer = self._uow.account(billed.account_id)
        issuer = self._uow.account(billed.issuer_id)
        config = self._uow.find_invoice_config(issuer.id) or InvoiceConfig.default(issuer)
        assembled = assemble_credit(charges, billed, earlier, desk.rounding(buyer.id))
        kind = DocumentKind.CREDIT_NOTE
        number = number_of(config, kind, desk.number((issuer.id, kind)))
        desk.carry(buyer.id, assembled.rounding_micros)
        document = make_document(
            kind,
            buyer,
            billed.seller_id,
            config,
            number,
            assembled,
            None,
            at,
            document_id=document_id,
            corrects_id=billed.id,
        )
        return document, DocumentBooks(buyer, billed.seller_id).transfers(assembled)


def _told(charge: Charge, command: Command, part: str) -> str:
    if command.part is not None and command.part != 1:
        part = f"{command.part} of "
    return f"{command.note}: {part}{charge.amount} of {charge.at:%Y-%m-%d %H:%M} UTC"


def told_again(uow: UnitOfWork, posting: Posting) -> Correction:
    """What was taken back by a posting, as it was told the first time."""
    charges = uow.charges(posting_keys=[posting.key])
    ids = {charge.document_id for charge in charges if charge.document_id is not None}
    notes = {one.id: one for one in uow.documents(ids=ids) if one.corrects_id is not None} if ids else {}
    # what came on a document later waited for it then
    told = tuple(one if one.document_id in notes else evolve(one, document_id=None) for one in charges)
    documents = dict.fromkeys(one.document_id for one in told if one.document_id is not None)
    return Correction(posting, told, tuple(notes[one] for one in documents), repeated=True)
