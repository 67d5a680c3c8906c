"""The contract on postings, balances and calls."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from astpp_billing.calls import MAX_TEXT, CallRecord, CallStatus, UnratedReason
from astpp_billing.errors import AlreadyExists, InvalidValue, NotFound
from astpp_billing.ledger import MATERIALISED, Book, LedgerAccount, Reason, Transfer
from astpp_billing.money import MAX_MICROS, MICROS
from astpp_billing.ports import Storage
from astpp_billing.testing.storage_contract.base import (
    AT,
    MICROSECOND,
    TEXTS,
    UNIT,
    Base,
    admin,
    call,
    customer,
    posting,
    revenue,
    wallet,
)


class LedgerContract(Base):
    """Postings, what they do to the balances, and calls."""

    def test_a_posting_comes_back_with_its_transfers(self, storage: Storage) -> None:
        """In the order they were given, equal ones too."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            one = Transfer(wallet(buyer), revenue(seller), 7)
            other = Transfer(LedgerAccount(seller.id, Book.COST, "EUR"), wallet(buyer, "EUR"), 5)
            stored = posting(
                "k" * 512, one, other, one, reason=Reason.CORRECTION, corrects="x" * 512, at=AT + MICROSECOND
            )
            empty = posting("émpty 🦊")
            work.add_posting(stored)
            work.add_posting(empty)
        with storage.begin() as work:
            assert work.find_posting(stored.key) == stored
            assert work.find_posting(empty.key) == empty
            assert work.find_posting("K" * 512) is None

    def test_the_key_of_a_posting_is_unique(self, storage: Storage) -> None:
        """The same key again raises `AlreadyExists` and moves nothing."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            work.add_posting(posting("k", Transfer(wallet(buyer), revenue(seller), 7)))
            before = (work.balances(), work.proved_balances())
            with pytest.raises(AlreadyExists):
                work.add_posting(posting("k", Transfer(revenue(seller), wallet(buyer, "USD"), 5)))

            assert (work.balances(), work.proved_balances()) == before
            assert work.balances() == {wallet(buyer): -7}

    def test_a_posting_for_an_unknown_account_is_refused(self, storage: Storage) -> None:
        """With `NotFound`; what was correct of it is not done either, and a correct one can follow."""
        with storage.begin() as work:
            seller = admin(work)
            nobody = LedgerAccount(seller.id + 1, Book.WALLET, "USD")
            right = Transfer(wallet(seller), revenue(seller), 5)
            with pytest.raises(NotFound):
                work.add_posting(posting("k", right, Transfer(nobody, revenue(seller), 7)))
            assert work.balance(wallet(seller)) == 0
            assert work.find_posting("k") is None
            work.add_posting(posting("k", right))
        with storage.begin() as work:
            assert work.balances() == {wallet(seller): -5}
            assert work.proved_balances() == {wallet(seller): -5, revenue(seller): 5}

    @pytest.mark.parametrize("micros", [1, 999_999, MICROS, 2**53 + 1, MAX_MICROS - 1, MAX_MICROS])
    def test_amounts_are_exact(self, storage: Storage, micros: int) -> None:
        """From one micro to nine billion units and more; wallets may be negative."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            work.add_posting(posting("k", Transfer(wallet(buyer), wallet(seller), micros)))
        with storage.begin() as work:
            assert work.balance(wallet(buyer)) == -micros
            assert work.balance(wallet(seller)) == micros
            assert type(work.balance(wallet(buyer))) is int
            assert work.proved_balances() == work.balances() == {wallet(buyer): -micros, wallet(seller): micros}

    def test_a_balance_never_leaves_what_can_be_stored_exactly(self, storage: Storage) -> None:
        """One that would raises `InvalidValue` and nothing moves; on both sides of zero."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            work.add_posting(posting("all", Transfer(wallet(buyer), revenue(seller), MAX_MICROS)))
            cash = LedgerAccount(seller.id, Book.CASH, "USD")
            with pytest.raises(InvalidValue):
                work.add_posting(posting("more", Transfer(wallet(buyer), revenue(seller), 1)))
            with pytest.raises(InvalidValue):
                work.add_posting(posting("twice", *[Transfer(wallet(seller), cash, MAX_MICROS)] * 2))
            work.add_posting(posting("back", Transfer(cash, wallet(buyer), MAX_MICROS)))
            work.add_posting(posting("up", Transfer(cash, wallet(buyer), MAX_MICROS)))
            with pytest.raises(InvalidValue):
                work.add_posting(posting("over", Transfer(cash, wallet(buyer), 1)))
        with storage.begin() as work:
            assert work.balances() == {wallet(buyer): MAX_MICROS}
            assert [work.find_posting(key) for key in ("more", "twice", "over")] == [None] * 3

    def test_sums_are_exact_however_large(self, storage: Storage) -> None:
        """The proof of a book that is not materialised may be beyond 64 bits, and comes to the last micro."""
        with storage.begin() as work:
            seller = admin(work)
            cash, cost = LedgerAccount(seller.id, Book.CASH, "USD"), LedgerAccount(seller.id, Book.COST, "USD")
            for index in range(30):
                work.add_posting(posting(f"k{index}", Transfer(cash, cost, MAX_MICROS - 1)))
            total = 30 * (MAX_MICROS - 1)

            assert work.proved_balances() == {cash: -total, cost: total}
            assert work.flows(seller.id) == {
                (Book.COST, Book.CASH, "USD"): total,
                (Book.CASH, Book.COST, "USD"): -total,
            }

    def test_only_wallets_and_rounding_are_materialised(self, storage: Storage) -> None:
        """`balance` is 0 for the other books, and before the first transfer."""
        with storage.begin() as work:
            seller = admin(work)
            books = [LedgerAccount(seller.id, book, "USD") for book in Book]
            assert [work.balance(book) for book in books] == [0] * len(books)
            cash = LedgerAccount(seller.id, Book.CASH, "EUR")
            for book in Book:
                if book is not Book.CASH:
                    work.add_posting(posting(book, Transfer(cash, LedgerAccount(seller.id, book, "EUR"), 3)))

            assert set(work.balances()) == {LedgerAccount(seller.id, book, "EUR") for book in MATERIALISED}
            assert work.balance(LedgerAccount(seller.id, Book.ROUNDING, "EUR")) == 3
            assert work.balance(LedgerAccount(seller.id, Book.TAX, "EUR")) == 0
            assert len(work.proved_balances()) == len(Book)

    def test_currencies_do_not_mix(self, storage: Storage) -> None:
        """A wallet in another currency is another ledger account."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            for currency, micros in (("USD", 5), ("EUR", 7)):
                moved = Transfer(wallet(buyer, currency), revenue(seller, currency), micros)
                work.add_posting(posting(currency, moved))

            assert work.balances() == {wallet(buyer, "USD"): -5, wallet(buyer, "EUR"): -7}

    def test_balances_of_zero_are_left_out(self, storage: Storage) -> None:
        """In both, after money has gone out and come back."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            out = Transfer(wallet(buyer), revenue(seller), 9)
            work.add_posting(posting("out", out, Transfer(revenue(seller), wallet(buyer), 4)))
            work.add_posting(posting("back", Transfer(revenue(seller), wallet(buyer), 5)))

            assert work.balances() == {}
            assert work.proved_balances() == {}

    def test_the_balances_are_what_the_transfers_prove(self, storage: Storage) -> None:
        """After any postings, in one transaction or many; and all that was proved adds up to nothing."""
        chance = random.Random(20250301)  # noqa: S311 - it guards nothing
        with storage.begin() as work:
            parties = [admin(work, f"a{index}") for index in range(4)]
        books = [LedgerAccount(party.id, book, "USD") for party in parties for book in Book]
        for number in range(40):
            with storage.begin() as work:
                for part in range(chance.randint(1, 3)):
                    transfers = [
                        Transfer(source, target, chance.choice((1, 10**6, 10**15)))
                        for source, target in (chance.sample(books, 2) for _ in range(chance.randint(0, 5)))
                    ]
                    work.add_posting(posting(f"k{number}.{part}", *transfers))
        with storage.begin() as work:
            proved = work.proved_balances()
            assert sum(proved.values()) == 0
            assert {book: micros for book, micros in proved.items() if book.book in MATERIALISED} == work.balances()

    def test_flows_say_what_went_between_two_books(self, storage: Storage) -> None:
        """In (positive) or out (negative) of each book of one account, by the book on the other side and currency."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            rounding = LedgerAccount(buyer.id, Book.ROUNDING, "USD")
            work.add_posting(posting("call", Transfer(wallet(buyer), revenue(seller), 30)))
            work.add_posting(posting("undo", Transfer(revenue(seller), wallet(buyer), 10)))
            work.add_posting(posting("euro", Transfer(wallet(buyer, "EUR"), revenue(seller, "EUR"), 5)))
            work.add_posting(posting("own", Transfer(wallet(buyer), rounding, 1)))

            assert work.flows(buyer.id) == {
                (Book.WALLET, Book.REVENUE, "USD"): -20,
                (Book.WALLET, Book.REVENUE, "EUR"): -5,
                (Book.WALLET, Book.ROUNDING, "USD"): -1,
                (Book.ROUNDING, Book.WALLET, "USD"): 1,
            }
            assert work.flows(seller.id) == {
                (Book.REVENUE, Book.WALLET, "USD"): 20,
                (Book.REVENUE, Book.WALLET, "EUR"): 5,
            }
            assert work.flows(buyer.id + 1) == {}

    def test_every_field_of_a_call_comes_back(self, storage: Storage) -> None:
        """In a later transaction; what is None stays None, and what is empty stays empty."""
        with storage.begin() as work:
            buyer = admin(work)
            full = call(
                "leg 🦊",
                CallStatus.UNRATED,
                account_id=buyer.id,
                reason=UnratedReason.NO_RATE,
                detail="no rate for 4812345",
                account="a",
                user="u",
                address="2001:db8::1",
                caller="+48 1",
                dialled="sip:é@example",
                hangup_cause="NORMAL_CLEARING",
                provider="p",
            )
            bare = call("bare", account="", user=None, address="", provider=None)
            work.save_call(full)
            work.save_call(bare)
        with storage.begin() as work:
            assert work.find_call(full.key) == full
            assert work.find_call(bare.key) == bare
            assert work.find_call("call:s1:other") is None

    def test_a_call_that_was_not_answered(self, storage: Storage) -> None:
        """It has no instant of answer."""
        record = CallRecord(switch_id="s", leg_uuid="l", number="1", started_at=AT, ended_at=AT, seconds=0)
        with storage.begin() as work:
            entry = call("x", account_id=admin(work).id)
            missed = type(entry)(record=record, status=CallStatus.RATED, settled_at=AT)
            work.save_call(missed)
            assert work.find_call(missed.key) == missed

    def test_a_call_is_replaced_by_its_key(self, storage: Storage) -> None:
        """There is one entry for each call, the last that was saved."""
        with storage.begin() as work:
            buyer = admin(work)
            work.save_call(call("leg", CallStatus.UNRATED, reason=UnratedReason.UNKNOWN_ACCOUNT, detail="who?"))
            settled = call("leg", CallStatus.RATED, account_id=buyer.id)
            work.save_call(settled)
            work.save_call(settled)
            with pytest.raises(NotFound):
                work.save_call(call("leg", account_id=buyer.id + 1))
            with pytest.raises(NotFound):
                work.save_call(call("new", account_id=buyer.id + 1))

            assert work.calls() == [settled]

    def test_calls_come_in_the_order_of_their_start(self, storage: Storage) -> None:
        """To the microsecond; at the same instant by key. Of one status, or all."""
        with storage.begin() as work:
            late = call("a", start=AT + MICROSECOND)
            second, first = call("c", CallStatus.UNRATED), call("b")
            for entry in (late, second, first):
                work.save_call(entry)

            assert work.calls() == [first, second, late]
            assert work.calls(CallStatus.RATED) == [first, late]
            assert work.calls(CallStatus.UNRATED) == [second]
            assert Counter(entry.record.leg_uuid for entry in work.calls()) == Counter("abc")

    @pytest.mark.parametrize("text", TEXTS)
    def test_texts_of_a_call_come_back_as_they_are(self, storage: Storage, text: str) -> None:
        """Whatever a switch has sent."""
        sent = text[:MAX_TEXT]
        entry = call("leg", detail=text, caller=sent, dialled=sent, user=sent)
        with storage.begin() as work:
            work.save_call(entry)
        with storage.begin() as work:
            assert work.calls() == [entry]

    def test_an_amount_of_many_units(self, storage: Storage) -> None:
        """Nine trillion units, to the micro, in and out again."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            cash = LedgerAccount(seller.id, Book.CASH, "USD")
            work.add_posting(posting("in", Transfer(cash, wallet(buyer), 9_000_000_000_000 * UNIT)))
            work.add_posting(posting("out", Transfer(wallet(buyer), cash, 1)))

            assert work.balance(wallet(buyer)) == 8_999_999_999_999_999_999
