"""The contract on what corrects postings, and takes back what documents billed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from attrs import evolve

from astpp_billing.errors import NotFound
from astpp_billing.invoicing import Document, DocumentKind
from astpp_billing.ledger import ChargeKind, Transfer
from astpp_billing.ports import Changes, Storage
from astpp_billing.testing.storage_contract.base import (
    AT,
    SECOND,
    UNIT,
    Base,
    add_document,
    add_posting,
    admin,
    charge,
    customer,
    document,
    posting,
    revenue,
    wallet,
)


def credit_note(invoice: Document, number: str, **more: Any) -> Document:
    """A credit note of one unit for a document."""
    line = evolve(invoice.lines[0], exact_micros=-UNIT, micros=-UNIT)
    values: dict[str, Any] = {"kind": DocumentKind.CREDIT_NOTE, "number": number, "corrects_id": invoice.id} | more
    return evolve(invoice, lines=(line,), total_micros=-UNIT, **values)


class CorrectionsContract(Base):
    """Which posting corrects which one, and which document takes something back of which one."""

    def test_what_a_posting_corrects_comes_back(self, storage: Storage) -> None:
        """With the exact part, if one is said, also where the corrected one is saved along with it."""
        with storage.begin() as work:
            add_posting(work, posting("x" * 512))
            part = posting("b", corrects="x" * 512, share=Fraction(2, 3))
            rest = posting("a", corrects="x" * 512, share=Fraction(1, 3))
            together = (posting("wrong"), posting("right", corrects="wrong"))
            add_posting(work, part)
            add_posting(work, rest)
            work.save(Changes(postings=list(together)))
        with storage.begin() as work:
            assert work.find_posting("b") == part
            assert work.corrections("x" * 512) == [part, rest]
            assert work.corrections("wrong") == [together[1]]
            assert work.corrections("b") == work.corrections("nothing") == []
            assert {one.key: one.corrects for one in work.postings()} == {
                "x" * 512: None,
                "b": "x" * 512,
                "a": "x" * 512,
                "wrong": None,
                "right": "wrong",
            }

    def test_nothing_corrects_a_posting_that_there_is_not(self, storage: Storage) -> None:
        """`NotFound`, and nothing is saved."""
        with storage.begin() as work:
            with pytest.raises(NotFound, match="'missing'"):
                add_posting(work, posting("k", corrects="missing"))
            assert work.find_posting("k") is None

    def test_a_refund_gives_back(self, storage: Storage) -> None:
        """A charge of a negative amount, which waits for a document as others do."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            paid = charge(buyer, "k", 5)
            refunded = charge(buyer, "r", -3, kind=ChargeKind.REFUND)
            moved = (Transfer(wallet(buyer), revenue(seller), 5), Transfer(revenue(seller), wallet(buyer), 3))
            postings = [posting("k", moved[0]), posting("r", moved[1], corrects="k", share=Fraction(3, 5))]
            work.save(Changes(postings=postings, charges=[paid, refunded]))
        with storage.begin() as work:
            assert work.unbilled(buyer.id, AT + SECOND) == [paid, refunded]
            assert work.balance(wallet(buyer)) == -2

    def test_the_credit_notes_of_a_document(self, storage: Storage) -> None:
        """They are found by what they take something back of, and have numbers of their own."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            invoice = add_document(work, document(buyer, "1", 2))
            other = add_document(work, document(buyer, "2"))
            one = add_document(work, credit_note(invoice, "1"))
            two = add_document(work, credit_note(invoice, "2", issued_at=AT + SECOND))
        with storage.begin() as work:
            assert (
                work.documents(corrects=[invoice.id]) == work.documents(corrects=[invoice.id, other.id]) == [one, two]
            )
            assert work.documents(corrects=[other.id]) == work.documents(corrects=[]) == []
            assert work.documents(ids=[one.id]) == [one]
            assert set(work.documents(buyer.id)) == {invoice, other, one, two}

    def test_a_credit_note_needs_its_document(self, storage: Storage) -> None:
        """`NotFound`; one that is saved along will do."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            first, second = work.reserve_ids(2)
            invoice = document(buyer, "1", id=first)
            note = credit_note(invoice, "1", id=second)
            with pytest.raises(NotFound):
                work.save(Changes(documents=[note]))
            assert work.documents() == []
            work.save(Changes(documents=[invoice, note]))
            assert work.documents(corrects=[first]) == [note]
