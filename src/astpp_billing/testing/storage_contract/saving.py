"""The contract on `save` as a whole, and on closed books."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from attrs import evolve, frozen

from astpp_billing.calls import CallEntry, CallStatus
from astpp_billing.errors import AlreadyExists, BillingError, InvalidValue, NotFound, PeriodClosed, StorageBusy
from astpp_billing.hierarchy import Account
from astpp_billing.invoicing import Document, DocumentKind
from astpp_billing.ledger import Book, Hold, HoldState, LedgerAccount, Posting, Transfer, Used
from astpp_billing.money import MAX_MICROS
from astpp_billing.ports import Changes, Placed, Storage, UnitOfWork
from astpp_billing.testing.storage_contract.base import (
    AT,
    MICROSECOND,
    SECOND,
    Base,
    add_document,
    add_posting,
    admin,
    call,
    charge,
    charged,
    customer,
    document,
    everything,
    hold,
    place,
    posting,
    refill,
    reseller,
    revenue,
    save_call,
    wallet,
)

DAY = date(2025, 3, 1)


@frozen
class Business:
    """A seller and a buyer with one of everything that a save can meet."""

    seller: Account
    buyer: Account
    done: Posting
    printed: Document
    rated: CallEntry
    unrated: CallEntry
    open: Hold
    ended: Hold
    ids: tuple[int, ...]

    @classmethod
    def opened(cls, work: UnitOfWork) -> Business:
        """Store it."""
        seller = admin(work)
        buyer = customer(work, seller)
        refill(work, buyer, 1_000)
        done = posting("done", Transfer(wallet(buyer), revenue(seller), 100))
        add_posting(work, done)
        charged(work, buyer, "before", AT)
        printed = add_document(work, document(buyer, "INV-0"))
        rated, unrated = call("rated"), call("unrated", CallStatus.UNRATED)
        save_call(work, rated, unrated)
        first, second = hold("open", buyer, (buyer, 10), (seller, 0)), hold("ended", buyer, (buyer, 20))
        work.close_books(AT - timedelta(days=30))
        assert place(work, first)
        assert place(work, second)
        work.save(Changes(ended=[(second, HoldState.VOIDED)]))
        return cls(seller, buyer, done, printed, rated, unrated, first, second, tuple(work.reserve_ids(2)))

    def changes(self) -> Changes:
        """Something of everything, all of it right."""
        new = posting("new", Transfer(wallet(self.buyer), revenue(self.seller), 7))
        return Changes(
            postings=[new],
            charges=[charge(self.buyer, "new", 7, document_id=self.ids[0])],
            documents=[evolve(document(self.buyer, "INV-1"), id=self.ids[0])],
            placed=[Placed(self.ids[0], self.buyer.id, AT + SECOND, 1)],
            calls=[call("new", account_id=self.buyer.id, micros=7)],
            retried=[evolve(self.unrated, status=CallStatus.RATED)],
            used={(self.buyer.id, DAY): Used(7, 1, 60)},
            numbers={(self.seller.id, DocumentKind.INVOICE): 1},
            ended=[(self.open, HoldState.POSTED)],
        )

    @property
    def nobody(self) -> Account:
        """An account that there is not."""
        return evolve(self.buyer, id=self.buyer.id + 1)

    def second(self, buyer: Account, number: str = "INV-2") -> Document:
        """Another document."""
        return evolve(document(buyer, number), id=self.ids[1])


def _moving(source: LedgerAccount, micros: int = 1, key: str = "wrong", at: datetime = AT) -> Posting:
    return posting(key, Transfer(source, LedgerAccount(source.account_id, Book.CASH, source.currency), micros), at=at)


Errors = type[BillingError] | tuple[type[BillingError], ...]

WRONG: dict[str, tuple[Errors, Callable[[Business], Changes]]] = {
    "a posting again": (AlreadyExists, lambda b: Changes(postings=[b.done])),
    "a posting twice": (AlreadyExists, lambda b: Changes(postings=[posting("twice"), posting("twice")])),
    "a posting again of an unknown account": (
        AlreadyExists,
        lambda b: Changes(postings=[_moving(wallet(b.nobody), key="done")]),
    ),
    "a posting of an unknown account": (NotFound, lambda b: Changes(postings=[_moving(wallet(b.nobody))])),
    "a posting of an unknown book": (NotFound, lambda b: Changes(postings=[_moving(revenue(b.nobody))])),
    "a posting in another currency": (InvalidValue, lambda b: Changes(postings=[_moving(wallet(b.buyer, "EUR"))])),
    "a posting beyond the largest amount": (
        InvalidValue,
        lambda b: Changes(postings=[_moving(wallet(b.buyer), MAX_MICROS), _moving(wallet(b.buyer), 999, "more")]),
    ),
    "a posting into closed books": (
        PeriodClosed,
        lambda b: Changes(postings=[_moving(wallet(b.buyer), at=AT - timedelta(days=31))]),
    ),
    "a charge of an unknown posting": (NotFound, lambda b: Changes(charges=[charge(b.buyer, "none")])),
    "a charge twice": (AlreadyExists, lambda b: Changes(charges=[charge(b.buyer, "new", 8)])),
    "a document's number again": (AlreadyExists, lambda b: Changes(documents=[b.second(b.buyer, "INV-0")])),
    "a document's number twice": (AlreadyExists, lambda b: Changes(documents=[b.second(b.buyer, "INV-1")])),
    "a document to an unknown account": (NotFound, lambda b: Changes(documents=[b.second(b.nobody)])),
    "other charges than were seen": (
        StorageBusy,
        lambda b: Changes(placed=[Placed(b.printed.id, b.seller.id, AT, 1)]),
    ),
    "a call again": (AlreadyExists, lambda b: Changes(calls=[b.rated])),
    "a call twice": (AlreadyExists, lambda b: Changes(calls=[call("twice"), call("twice")])),
    "a call of an unknown account": (NotFound, lambda b: Changes(calls=[call("x", account_id=b.nobody.id)])),
    "a call settled by somebody else": (StorageBusy, lambda b: Changes(retried=[b.rated])),
    "a retried call that is not kept": (NotFound, lambda b: Changes(retried=[call("none")])),
    "what an unknown account has used": (NotFound, lambda b: Changes(used={(b.nobody.id, DAY): Used(1, 1, 1)})),
    "a hold that has ended": (StorageBusy, lambda b: Changes(ended=[(b.ended, HoldState.POSTED)])),
    "a hold that there is not": (
        (NotFound, StorageBusy),
        lambda b: Changes(ended=[(hold("none", b.buyer, (b.buyer, 1)), HoldState.POSTED)]),
    ),
}
"""What one wrong thing in a save does; each is saved together with everything that is right."""


def _together(one: Changes, other: Changes) -> Changes:
    return Changes(
        postings=one.postings + other.postings,
        charges=one.charges + other.charges,
        documents=one.documents + other.documents,
        placed=one.placed + other.placed,
        calls=one.calls + other.calls,
        retried=one.retried + other.retried,
        used=one.used | other.used,
        numbers=one.numbers | other.numbers,
        ended=one.ended + other.ended,
    )


class SavingContract(Base):
    """`save`: all of it or nothing; and nothing before what is closed."""

    def test_everything_can_be_saved_at_once(self, storage: Storage) -> None:
        """And all of it is there afterwards."""
        with storage.begin() as work:
            business = Business.opened(work)
        changes = business.changes()
        buyer = business.buyer
        with storage.begin() as work:
            work.lock([buyer.id, business.seller.id], changes.numbers)
            work.save(changes)
        with storage.begin() as work:
            assert work.find_posting("new") == changes.postings[0]
            assert [each.document_id for each in work.charges()] == [business.ids[0]] * 2
            assert changes.documents[0] in work.documents()
            assert [work.find_call(each.key) for each in changes.calls] == changes.calls
            assert work.find_call(business.unrated.key) == changes.retried[0]
            assert work.used(buyer.id, DAY, DAY + timedelta(days=1)) == {DAY: Used(7, 1, 60)}
            assert work.find_hold("open") == evolve(business.open, state=HoldState.POSTED)
            assert work.wallet(buyer.id).balance_micros == 1_000 - 100 - 7
            assert work.wallet(buyer.id).held_micros == 0
        with storage.begin() as work:
            assert work.lock([], changes.numbers).last_numbers == changes.numbers

    def test_nothing_can_be_saved(self, storage: Storage) -> None:
        """And changes nothing."""
        with storage.begin() as work:
            Business.opened(work)
            before = everything(work)
            work.save(Changes())

            assert everything(work) == before

    @pytest.mark.parametrize("what", WRONG)
    def test_one_wrong_thing_is_enough_that_nothing_is_saved(self, storage: Storage, what: str) -> None:
        """Also if the error is caught; the same without it can be saved in the same transaction."""
        error, wrong = WRONG[what]
        with storage.begin() as work:
            business = Business.opened(work)
        with storage.begin() as work:
            before = everything(work)
            right = business.changes()
            work.lock([business.buyer.id, business.seller.id], right.numbers)
            with pytest.raises(error):
                work.save(_together(right, wrong(business)))
            assert everything(work) == before
            assert work.find_hold("open") == business.open
            work.save(right)
        with storage.begin() as work:
            assert work.find_posting("new") == right.postings[0]
            assert work.lock([], right.numbers).last_numbers == right.numbers

    @pytest.mark.parametrize("what", WRONG)
    def test_one_wrong_thing_alone_is_refused_alike(self, storage: Storage, what: str) -> None:
        """And leaves the transaction as it was."""
        error, wrong = WRONG[what]
        with storage.begin() as work:
            business = Business.opened(work)
            add_posting(work, posting("new"))
            work.save(
                Changes(
                    documents=[evolve(document(business.buyer, "INV-1"), id=business.ids[0])],
                    postings=[posting("charged")],
                    charges=[charge(business.buyer, "charged")],
                )
            )
            before = everything(work)
            changes = wrong(business)
            if what == "a charge twice":
                changes = Changes(postings=[posting("c")], charges=[charge(business.buyer, "c")] * 2)
            with pytest.raises(error):
                work.save(changes)
            assert everything(work) == before
        with storage.begin() as work:
            assert everything(work) == before

    def test_nothing_is_posted_before_what_is_closed(self, storage: Storage) -> None:
        """`PeriodClosed`, to the microsecond; what is closed stays as it is."""
        with storage.begin() as work:
            seller = admin(work)
            refill(work, seller, key="open")
        with storage.begin() as work:
            work.close_books(AT)
        with storage.begin() as work:
            with pytest.raises(PeriodClosed):
                add_posting(work, _moving(wallet(seller), at=AT - MICROSECOND))
            assert work.find_posting("wrong") is None
            add_posting(work, _moving(wallet(seller), at=AT))

            assert work.wallet(seller.id).closed_until == AT

    def test_what_moves_no_wallet_needs_open_books_too(self, storage: Storage) -> None:
        """Those of all accounts in it; a posting without transfers is nobody's."""
        with storage.begin() as work:
            seller = admin(work)
            work.close_books(AT)
        early = AT - SECOND
        with storage.begin() as work:
            for book in (Book.REVENUE, Book.COST):
                with pytest.raises(PeriodClosed):
                    add_posting(work, _moving(LedgerAccount(seller.id, book, "EUR"), at=early))
            add_posting(work, posting("empty", at=early))
            assert work.proved_balances() == {}

    def test_closed_books_are_never_opened(self, storage: Storage) -> None:
        """An earlier instant changes nothing, a later one does; for every wallet, in UTC."""
        with storage.begin() as work:
            ids = [admin(work, number).id for number in ("one", "two")]
            assert [work.wallet(each).closed_until for each in ids] == [None, None]
        elsewhere = AT.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
        later = AT + timedelta(days=1)
        for until, expected in ((elsewhere, AT), (AT - SECOND, AT), (later, later), (AT, later)):
            with storage.begin() as work:
                work.close_books(until)
            with storage.begin() as work:
                found = [work.wallet(each).closed_until for each in ids]
                assert found == [expected] * 2
                assert found[0] is not None
                assert found[0].tzinfo is UTC
        with storage.begin() as work, pytest.raises(InvalidValue):
            work.close_books(datetime(2025, 3, 1))  # noqa: DTZ001 - this is what is refused

    def test_a_new_account_is_closed_as_far_as_its_parent(self, storage: Storage) -> None:
        """So that nothing can be posted through it into what is closed; an admin has no parent."""
        with storage.begin() as work:
            seller = admin(work)
            work.close_books(AT)
        with storage.begin() as work:
            agent = reseller(work, seller, "agent")
            buyer = customer(work, agent)
            other = admin(work, "other")

            assert [work.wallet(each.id).closed_until for each in (agent, buyer, other)] == [AT, AT, None]
            with pytest.raises(PeriodClosed):
                add_posting(work, _moving(wallet(buyer), at=AT - SECOND))

    def test_the_latest_of_several_wallets_counts(self, storage: Storage) -> None:
        """A posting that moves an open one and a closed one is refused."""
        with storage.begin() as work:
            closed = admin(work)
            work.close_books(AT)
        with storage.begin() as work:
            opened = admin(work, "open")
            early = AT - SECOND
            add_posting(work, posting("own", Transfer(wallet(opened), revenue(opened), 1), at=early))
            for pair in ((wallet(opened), wallet(closed)), (wallet(closed), wallet(opened))):
                with pytest.raises(PeriodClosed):
                    add_posting(work, posting("both", Transfer(*pair, 1), at=early))
            add_posting(work, posting("earned", Transfer(wallet(opened), revenue(closed), 1), at=early))

            assert work.balances() == {wallet(opened): -2}
