"""The contract on charges and documents."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from astpp_billing.errors import AlreadyExists, InvalidValue, NotFound, StorageBusy
from astpp_billing.invoicing import DocumentKind
from astpp_billing.money import MAX_MICROS
from astpp_billing.periods import Period
from astpp_billing.ports import Changes, Placed, Storage
from astpp_billing.testing.storage_contract.base import (
    AT,
    MICROSECOND,
    SECOND,
    TEXTS,
    Base,
    add_document,
    add_posting,
    admin,
    charge,
    charged,
    customer,
    document,
    posting,
)


def _only(name: str, value: object) -> dict[str, Any]:
    return {name: value}


class DocumentsContract(Base):
    """Charges, and which documents they are on."""

    def test_every_field_of_a_charge_comes_back(self, storage: Storage) -> None:
        """In a later transaction, to the micro and the microsecond."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            more = {"description": "Ü", "detail": "a\nb", "number": "48", "seconds": 61, "currency": "KWD"}
            new = charge(buyer, "k", MAX_MICROS, position=3, **more)
            work.save(Changes(postings=[posting("k")], charges=[new]))
        with storage.begin() as work:
            assert list(work.charges(posting_keys=["k"])) == [new]

    def test_charges_come_by_posting_and_position(self, storage: Storage) -> None:
        """In whatever order they were saved; positions may be left out."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            new = [charge(buyer, "k", position=position) for position in (3, 1, 12)]
            other = charge(buyer, "a", position=2)
            work.save(Changes(postings=[posting("k"), posting("a")], charges=[other, *new]))

            assert list(work.charges()) == [new[1], new[0], new[2], other]

    def test_a_posting_has_one_charge_at_a_position(self, storage: Storage) -> None:
        """`AlreadyExists`, and nothing is saved."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            twice = [charge(buyer, "k"), charge(buyer, "k", 2)]
            with pytest.raises(AlreadyExists):
                work.save(Changes(postings=[posting("k")], charges=twice))

            assert list(work.charges()) == []
            assert work.find_posting("k") is None

    @pytest.mark.parametrize("text", TEXTS)
    def test_texts_of_a_charge_and_a_document_come_back(self, storage: Storage, text: str) -> None:
        """As they are."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            new = charge(buyer, "k", description=text, detail=text, number=text)
            work.save(Changes(postings=[posting("k")], charges=[new]))
            texts: dict[str, Any] = {"note": text, "issuer_address": text, "buyer_name": text, "issuer_name": text}
            printed = add_document(work, document(buyer, **texts))
        with storage.begin() as work:
            assert list(work.charges()) == [new]
            assert list(work.documents()) == [printed]
            assert printed.note == text

    def test_charges_need_their_posting(self, storage: Storage) -> None:
        """`NotFound` where it is neither there nor saved along with them, and none of the others is stored."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            with pytest.raises(NotFound):
                work.save(Changes(postings=[posting("k")], charges=[charge(buyer, "k"), charge(buyer, "other")]))

            assert list(work.charges()) == []
            assert work.find_posting("k") is None

    def test_charges_can_be_saved_on_their_document(self, storage: Storage) -> None:
        """They name the id that was reserved for it; others that are saved along wait."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            first, second = work.reserve_ids(2)
            printed = [evolve(document(buyer, f"R-{each}"), id=each) for each in (first, second)]
            on = [charge(buyer, "k", position=1, document_id=second), charge(buyer, "k", position=2)]
            on.append(charge(buyer, "k", position=3, document_id=first))
            work.save(Changes(postings=[posting("k")], charges=on, documents=printed))
        with storage.begin() as work:
            assert list(work.charges()) == on
            assert list(work.charges(document_id=first)) == [on[2]]
            assert list(work.unbilled(buyer.id, AT + SECOND)) == [on[1]]
            assert list(work.documents()) == printed

    def test_charges_of_a_posting_a_document_an_account(self, storage: Storage) -> None:
        """Two conditions must both hold; without any, all."""
        with storage.begin() as work:
            seller = admin(work)
            one, two = customer(work, seller, "one"), customer(work, seller, "two")
            late, early = charged(work, one, "k1", AT, AT - SECOND)
            (others,) = charged(work, two, "k2", AT - SECOND)
            (early_too,) = charged(work, one, "k3", AT - SECOND)
            printed = add_document(work, document(one), (AT, 2))
            early, early_too = (evolve(each, document_id=printed.id) for each in (early, early_too))

            assert list(work.charges()) == [late, early, others, early_too]
            assert list(work.charges(posting_keys=["k1"])) == [late, early]
            assert list(work.charges(document_id=printed.id)) == [early, early_too]
            assert list(work.charges(account_id=two.id)) == [others]
            assert list(work.charges(posting_keys=["k1"], document_id=printed.id)) == [early]
            assert list(work.charges(posting_keys=["k1"], account_id=two.id)) == []
            assert list(work.charges(posting_keys=["k3", "k1", "none", "k3"])) == [late, early, early_too]
            assert list(work.charges(posting_keys={"k2", "k3"}, account_id=one.id)) == [early_too]
            assert list(work.charges(posting_keys=())) == []
            assert work.charges(posting_keys=["none"]) == work.charges(document_id=printed.id + 1) == []

    def test_charges_of_very_many_postings(self, storage: Storage) -> None:
        """However many there are, whatever their keys, they come by posting and position."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            keys = [f"k{number}" for number in reversed(range(1_100))]
            new = [charge(buyer, key, position=position) for key in keys for position in (1, 2)]
            work.save(Changes(postings=[posting(key) for key in keys], charges=new))

            assert list(work.charges(posting_keys=sorted(keys))) == new
            assert list(work.charges(posting_keys=keys[1::2])) == [one for one in new if one.posting_key in keys[1::2]]

    def test_unbilled_charges_come_in_the_order_of_time(self, storage: Storage) -> None:
        """From before the instant, excluded to the microsecond; at the same instant by posting and position."""
        with storage.begin() as work:
            seller = admin(work)
            buyer, other = customer(work, seller), customer(work, seller, "other")
            instants = (AT, AT - MICROSECOND, AT - 2 * SECOND, AT - SECOND, AT - 2 * SECOND, AT + SECOND)
            at, just_before, early, middle, early_too, late = charged(work, buyer, "k", *instants)
            charged(work, other, "o", AT - SECOND)

            assert list(work.unbilled(buyer.id, AT)) == [early, early_too, middle, just_before]
            assert list(work.unbilled(buyer.id, AT + MICROSECOND)) == [early, early_too, middle, just_before, at]
            everything = [early, early_too, middle, just_before, at, late]
            assert list(work.unbilled(buyer.id, AT + timedelta(days=9))) == everything
            assert list(work.unbilled(buyer.id, AT - 2 * SECOND)) == []
            with pytest.raises(InvalidValue):
                work.unbilled(buyer.id, datetime(2025, 3, 1))  # noqa: DTZ001 - this is what is refused
            add_document(work, document(buyer), (AT - SECOND, 2))
            assert list(work.unbilled(buyer.id, AT)) == [middle, just_before]

    def test_every_field_of_a_document_comes_back(self, storage: Storage) -> None:
        """With its lines in order, its period or none, in a later transaction."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            invoice = add_document(
                work,
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
            )
            receipt = add_document(work, document(buyer, "R-1", 0, kind=DocumentKind.RECEIPT))
        with storage.begin() as work:
            assert list(work.documents()) == [invoice, receipt]
            assert list(work.documents(buyer.id)) == [invoice, receipt]
            assert list(work.documents(seller.id)) == []

    def test_documents_come_in_the_order_they_were_issued(self, storage: Storage) -> None:
        """By their instant, to the microsecond; those of the same instant by id."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            instants = (AT + MICROSECOND, AT, AT - SECOND, AT)
            late, one, early, two = (
                add_document(work, document(buyer, f"{index}", issued_at=at)) for index, at in enumerate(instants)
            )
            same = sorted((one, two), key=lambda each: each.id)

            assert list(work.documents()) == list(work.documents(buyer.id)) == [early, *same, late]

    def test_a_number_is_unique_for_its_issuer_and_kind(self, storage: Storage) -> None:
        """`AlreadyExists`, and the charges stay free."""
        with storage.begin() as work:
            seller = admin(work)
            one, two = customer(work, seller, "one"), customer(work, seller, "two")
            waiting = charged(work, two, "k", AT)
            add_document(work, document(one, "1"))
            add_document(work, document(one, "1", kind=DocumentKind.RECEIPT))
            add_document(work, document(one, "1", issuer_id=two.id))
            with pytest.raises(AlreadyExists):
                add_document(work, document(two, "1"), (AT + SECOND, 1))

            assert len(work.documents()) == 3
            assert list(work.unbilled(two.id, AT + SECOND)) == waiting

    @pytest.mark.parametrize("name", ["issuer_id", "seller_id", "account_id"])
    def test_a_document_needs_its_accounts(self, storage: Storage, name: str) -> None:
        """Issuer, seller and buyer; else `NotFound`."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            with pytest.raises(NotFound):
                add_document(work, evolve(document(buyer), **_only(name, buyer.id + 1)))

            assert list(work.documents()) == []

    def test_all_that_waits_is_placed_on_a_document(self, storage: Storage) -> None:
        """From before the instant, of this account, and on no other document yet."""
        with storage.begin() as work:
            seller = admin(work)
            buyer, other = customer(work, seller), customer(work, seller, "other")
            charged(work, buyer, "k", AT - SECOND, AT - MICROSECOND, AT)
            charged(work, other, "o", AT - SECOND)
            first = add_document(work, document(buyer, "1"), (AT - MICROSECOND, 1))
            second = add_document(work, document(buyer, "2"), (AT, 1))
        with storage.begin() as work:
            assert [each.document_id for each in work.charges()] == [first.id, second.id, None, None]
            third = add_document(work, document(buyer, "3"), (AT + SECOND, 1))
        with storage.begin() as work:
            assert [each.document_id for each in work.charges()] == [first.id, second.id, third.id, None]

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_as_many_charges_are_placed_as_were_seen(self, storage: Storage, count: int) -> None:
        """`StorageBusy` where another number of them waits; nothing is saved."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            waiting = charged(work, buyer, "k", AT, AT)
            with pytest.raises(StorageBusy):
                add_document(work, document(buyer), (AT + SECOND, count))
            assert list(work.documents()) == []
            assert list(work.unbilled(buyer.id, AT + SECOND)) == waiting
            add_document(work, document(buyer), (AT + SECOND, 2))
            assert list(work.unbilled(buyer.id, AT + SECOND)) == []

    def test_charges_are_placed_for_several_accounts_and_documents_at_once(self, storage: Storage) -> None:
        """Each document gets its own."""
        with storage.begin() as work:
            seller = admin(work)
            one, two = customer(work, seller, "one"), customer(work, seller, "two")
            charged(work, one, "k1", AT, AT)
            charged(work, two, "k2", AT)
            ids = work.reserve_ids(2)
            printed = [
                evolve(document(buyer, buyer.number), id=each) for buyer, each in zip((one, two), ids, strict=True)
            ]
            end = AT + SECOND
            placed = [Placed(ids[0], one.id, end, 2), Placed(ids[1], two.id, end, 1)]
            work.save(Changes(documents=printed, placed=placed))

            assert [each.document_id for each in work.charges()] == [ids[0], ids[0], ids[1]]

    def test_a_document_of_many_charges(self, storage: Storage) -> None:
        """1,200 charges and lines on one document."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            many = [charge(buyer, "k", position, position=position) for position in range(1, 1_201)]
            work.save(Changes(postings=[posting("k")], charges=many))
            (last,) = charged(work, buyer, "l", AT + SECOND)
        with storage.begin() as work:
            assert len(work.unbilled(buyer.id, AT + 2 * SECOND)) == 1_201
            printed = add_document(work, document(buyer, "most", 1_200), (AT + SECOND, 1_200))
        with storage.begin() as work:
            assert list(work.unbilled(buyer.id, AT + 2 * SECOND)) == [last]
            assert [each.micros for each in work.charges(document_id=printed.id)] == list(range(1, 1_201))
            assert work.documents()[-1] == printed

    def test_nothing_can_be_placed_on_a_document_that_there_is_not(self, storage: Storage) -> None:
        """`NotFound`; and a posting saved along is not there."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            waiting = charged(work, buyer, "k", AT)
            (nothing,) = work.reserve_ids(1)
            with pytest.raises(NotFound):
                work.save(Changes(postings=[posting("l")], placed=[Placed(nothing, buyer.id, AT + SECOND, 1)]))
            assert list(work.charges()) == waiting
            assert work.find_posting("l") is None
            add_posting(work, posting("l"))
