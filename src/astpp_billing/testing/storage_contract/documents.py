"""The contract on charges, documents and their numbers."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest
from attrs import evolve

from astpp_billing.errors import AlreadyExists, InvalidValue, NotFound
from astpp_billing.invoicing import DocumentKind
from astpp_billing.money import MAX_MICROS
from astpp_billing.periods import Period
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.testing.storage_contract.base import (
    AT,
    MICROSECOND,
    SECOND,
    TEXTS,
    Base,
    admin,
    charge,
    charged,
    customer,
    document,
    fail,
    posting,
)


def _take(issuer_id: int, kind: DocumentKind, taken: list[int], work: UnitOfWork) -> None:
    taken.append(work.take_number(issuer_id, kind))


class DocumentsContract(Base):
    """Charges, which documents they are on, and gapless numbers."""

    def test_charges_get_ids_in_their_order(self, storage: Storage) -> None:
        """`add_charges` takes any iterable and returns the charges with their ids, which grow."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            work.add_posting(posting("k"))
            new = [charge(buyer, "k", micros) for micros in (3, 1, 2)]
            stored = work.add_charges(iter(new))

            assert [each.id for each in stored] == sorted({each.id for each in stored})
            assert [evolve(each, id=0) for each in stored] == new
            assert list(work.charges()) == list(stored)
            assert list(work.add_charges([])) == []

    def test_every_field_of_a_charge_comes_back(self, storage: Storage) -> None:
        """In a later transaction, to the micro and the microsecond."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            work.add_posting(posting("k"))
            new = charge(
                buyer, "k", MAX_MICROS, description="Ü", detail="a\nb", number="48", seconds=61, currency="KWD"
            )
            (stored,) = work.add_charges([new])
        with storage.begin() as work:
            assert list(work.charges(posting_key="k")) == [stored]
            assert evolve(stored, id=0) == new

    @pytest.mark.parametrize("text", TEXTS)
    def test_texts_of_a_charge_and_a_document_come_back(self, storage: Storage, text: str) -> None:
        """As they are."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            work.add_posting(posting("k"))
            (stored,) = work.add_charges([charge(buyer, "k", description=text, detail=text, number=text)])
            new = document(buyer, note=text, issuer_address=text, buyer_name=text, issuer_name=text)
            printed = work.add_document(new, [])
        with storage.begin() as work:
            assert list(work.charges()) == [stored]
            assert list(work.documents()) == [printed]
            assert printed.note == text

    def test_charges_need_their_posting_and_their_account(self, storage: Storage) -> None:
        """`NotFound`, and none of the others is stored."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            work.add_posting(posting("k"))
            right = charge(buyer, "k")
            for wrong in (
                charge(buyer, "other"),
                charge(evolve(buyer, id=buyer.id + 1), "k"),
                charge(buyer, "k", document_id=1),
            ):
                with pytest.raises(NotFound):
                    work.add_charges([right, wrong])

            assert list(work.charges()) == []

    def test_charges_of_a_posting_a_document_an_account(self, storage: Storage) -> None:
        """By id; two conditions must both hold; without any, all."""
        with storage.begin() as work:
            seller = admin(work)
            one, two = customer(work, seller, "one"), customer(work, seller, "two")
            first, second = charged(work, one, "k1", AT, AT)
            (third,) = charged(work, two, "k2", AT - SECOND)
            (fourth,) = charged(work, one, "k3", AT - SECOND)
            printed = work.add_document(document(one), [fourth, first])

            def ids(**which: object) -> list[int]:
                return [each.id for each in work.charges(**which)]  # type: ignore[arg-type]  # a mixture of types

            assert ids() == [first, second, third, fourth]
            assert ids(posting_key="k1") == [first, second]
            assert ids(document_id=printed.id) == [first, fourth]
            assert ids(account_id=two.id) == [third]
            assert ids(posting_key="k1", document_id=printed.id) == [first]
            assert ids(posting_key="k1", account_id=two.id) == []
            assert ids(posting_key="none") == ids(document_id=printed.id + 1) == []

    def test_unbilled_charges_come_in_the_order_of_time(self, storage: Storage) -> None:
        """From before the instant, which is excluded to the microsecond; at the same instant by id."""
        with storage.begin() as work:
            seller = admin(work)
            buyer, other = customer(work, seller), customer(work, seller, "other")
            instants = (AT, AT - MICROSECOND, AT - 2 * SECOND, AT - SECOND, AT - 2 * SECOND, AT + SECOND)
            at, just_before, early, middle, early_too, late = charged(work, buyer, "k", *instants)
            charged(work, other, "o", AT - SECOND)

            def ids(before: datetime) -> list[int]:
                return [each.id for each in work.unbilled(buyer.id, before)]

            assert ids(AT) == [early, early_too, middle, just_before]
            assert ids(AT + MICROSECOND) == [early, early_too, middle, just_before, at]
            assert ids(AT + timedelta(days=9)) == [early, early_too, middle, just_before, at, late]
            assert ids(AT - 2 * SECOND) == []
            with pytest.raises(InvalidValue):
                ids(datetime(2025, 3, 1))  # noqa: DTZ001 - this is what is refused
            work.add_document(document(buyer), [middle, just_before])
            assert ids(AT) == [early, early_too]

    def test_every_field_of_a_document_comes_back(self, storage: Storage) -> None:
        """With its lines in order, its period or none, in a later transaction."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            invoice = work.add_document(
                document(
                    buyer,
                    "INV-1",
                    12,
                    locale="de_CH",
                    timezone="Asia/Kathmandu",
                    period=Period(AT - SECOND, AT),
                    due_at=AT + SECOND,
                    issuer_name="Acme",
                    issuer_address="a\nb",
                    issuer_tax_number="T",
                    buyer_number="c",
                    buyer_name="C",
                    buyer_tax_number="U",
                    note="n",
                ),
                [],
            )
            receipt = work.add_document(document(buyer, "R-1", 0, kind=DocumentKind.RECEIPT), [])
        with storage.begin() as work:
            assert 0 < invoice.id < receipt.id
            assert list(work.documents()) == [invoice, receipt]
            assert list(work.documents(buyer.id)) == [invoice, receipt]
            assert list(work.documents(seller.id)) == []

    def test_a_number_is_unique_for_its_issuer_and_kind(self, storage: Storage) -> None:
        """`AlreadyExists`, and the charges stay free."""
        with storage.begin() as work:
            seller = admin(work)
            one, two = customer(work, seller, "one"), customer(work, seller, "two")
            ids = charged(work, two, "k", AT)
            work.add_document(document(one, "1"), [])
            work.add_document(document(one, "1", kind=DocumentKind.RECEIPT), [])
            work.add_document(document(one, "1", issuer_id=two.id), [])
            with pytest.raises(AlreadyExists):
                work.add_document(document(two, "1"), ids)

            assert len(work.documents()) == 3
            assert [each.id for each in work.unbilled(two.id, AT + SECOND)] == ids

    def test_a_document_needs_its_accounts(self, storage: Storage) -> None:
        """Issuer, seller and buyer; else `NotFound`."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            missing = buyer.id + 1
            right = document(buyer)
            for wrong in (
                evolve(right, issuer_id=missing),
                evolve(right, seller_id=missing),
                evolve(right, account_id=missing),
            ):
                with pytest.raises(NotFound):
                    work.add_document(wrong, [])

            assert list(work.documents()) == []

    def test_a_charge_is_on_one_document_at_the_most(self, storage: Storage) -> None:
        """`AlreadyExists` for one that is billed or named twice, `NotFound` for an unknown one; nothing is stored."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            first, second = charged(work, buyer, "k", AT, AT)
            printed = work.add_document(document(buyer, "1"), [first])
            for ids, error in (
                ([second, first], AlreadyExists),
                ([second, second], AlreadyExists),
                ([second, second + 1], NotFound),
            ):
                with pytest.raises(error):
                    work.add_document(document(buyer, "2"), ids)
            assert list(work.documents()) == [printed]
            assert [each.document_id for each in work.charges()] == [printed.id, None]
            again = work.add_document(document(buyer, "2"), iter([second]))
        with storage.begin() as work:
            assert [each.document_id for each in work.charges()] == [printed.id, again.id]

    def test_a_document_of_many_charges(self, storage: Storage) -> None:
        """1,200 charges and lines on one document; and when the last charge is billed already, none of them."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            work.add_posting(posting("k"))
            ids = [each.id for each in work.add_charges(charge(buyer, "k", 1 + index) for index in range(1_201))]
            work.add_document(document(buyer, "first"), ids[-1:])
        with storage.begin() as work:
            with pytest.raises(AlreadyExists):
                work.add_document(document(buyer, "all"), ids)
            assert len(work.unbilled(buyer.id, AT + SECOND)) == 1_200
            many = work.add_document(document(buyer, "most", 1_200), ids[:-1])
        with storage.begin() as work:
            assert work.unbilled(buyer.id, AT + SECOND) == []
            assert [each.id for each in work.charges(document_id=many.id)] == ids[:-1]
            assert work.documents()[-1] == many

    def test_numbers_count_from_one(self, storage: Storage) -> None:
        """Without gaps, for each issuer and kind by itself; `NotFound` for an unknown issuer."""
        with storage.begin() as work:
            one, two = admin(work, "one"), admin(work, "two")
            assert [work.take_number(one.id, DocumentKind.INVOICE) for _ in range(3)] == [1, 2, 3]
            assert work.take_number(one.id, DocumentKind.RECEIPT) == 1
            assert work.take_number(two.id, DocumentKind.INVOICE) == 1
            with pytest.raises(NotFound):
                work.take_number(two.id + 1, DocumentKind.INVOICE)
        with storage.begin() as work:
            assert work.take_number(one.id, DocumentKind.INVOICE) == 4

    def test_a_number_is_given_back_if_the_transaction_fails(self, storage: Storage) -> None:
        """So that the next document gets it."""
        with storage.begin() as work:
            issuer = admin(work)
            assert work.take_number(issuer.id, DocumentKind.INVOICE) == 1
        for kind, expected in ((DocumentKind.INVOICE, 2), (DocumentKind.RECEIPT, 1)):
            taken: list[int] = []
            with pytest.raises(ZeroDivisionError):
                fail(storage, partial(_take, issuer.id, kind, taken))
            assert taken == [expected]
            with storage.begin() as work:
                assert work.take_number(issuer.id, kind) == expected
