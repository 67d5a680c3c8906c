"""The contract on postings and balances."""

from __future__ import annotations

import random

import pytest
from attrs import evolve

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
    add_posting,
    admin,
    customer,
    posting,
    revenue,
    wallet,
)


class LedgerContract(Base):
    """Postings, and what they do to the balances."""

    def test_a_posting_comes_back_with_its_transfers(self, storage: Storage) -> None:
        """In the order they were given, equal ones too."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            one = Transfer(wallet(buyer), revenue(seller), 7)
            other = Transfer(
                LedgerAccount(seller.id, Book.COST, "EUR"), LedgerAccount(buyer.id, Book.PAYABLE, "EUR"), 5
            )
            stored = posting(
                "k" * 512,
                one,
                other,
                one,
                reason=Reason.CORRECTION,
                at=AT + MICROSECOND,
                note=TEXTS[2],
            )
            empty = posting("émpty 🦊")
            add_posting(work, stored)
            add_posting(work, empty)
        with storage.begin() as work:
            assert work.find_posting(stored.key) == stored
            assert work.find_posting(empty.key) == empty
            assert work.find_posting("K" * 512) is None

    def test_the_key_of_a_posting_is_unique(self, storage: Storage) -> None:
        """The same key again raises `AlreadyExists` and moves nothing."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            add_posting(work, posting("k", Transfer(wallet(buyer), revenue(seller), 7)))
            before = (work.balances(), work.proved_balances())
            with pytest.raises(AlreadyExists):
                add_posting(work, posting("k", Transfer(revenue(seller), wallet(buyer), 5)))

            assert (work.balances(), work.proved_balances()) == before
            assert work.balances() == {wallet(buyer): -7}

    def test_a_posting_for_an_unknown_account_is_refused(self, storage: Storage) -> None:
        """With `NotFound`; what was correct of it is not done either, and a correct one can follow."""
        with storage.begin() as work:
            seller = admin(work)
            nobody = LedgerAccount(seller.id + 1, Book.WALLET, "USD")
            right = Transfer(wallet(seller), revenue(seller), 5)
            with pytest.raises(NotFound):
                add_posting(work, posting("k", right, Transfer(nobody, revenue(seller), 7)))
            assert work.balance(wallet(seller)) == 0
            assert work.find_posting("k") is None
            add_posting(work, posting("k", right))
        with storage.begin() as work:
            assert work.balances() == {wallet(seller): -5}
            assert work.proved_balances() == {wallet(seller): -5, revenue(seller): 5}

    @pytest.mark.parametrize("micros", [1, 999_999, MICROS, 2**53 + 1, MAX_MICROS - 1, MAX_MICROS])
    def test_amounts_are_exact(self, storage: Storage, micros: int) -> None:
        """From one micro to nine billion units and more; wallets may be negative."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            add_posting(work, posting("k", Transfer(wallet(buyer), wallet(seller), micros)))
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
            add_posting(work, posting("all", Transfer(wallet(buyer), revenue(seller), MAX_MICROS)))
            cash = LedgerAccount(seller.id, Book.CASH, "USD")
            with pytest.raises(InvalidValue):
                add_posting(work, posting("more", Transfer(wallet(buyer), revenue(seller), 1)))
            with pytest.raises(InvalidValue):
                add_posting(work, posting("twice", *[Transfer(wallet(seller), cash, MAX_MICROS)] * 2))
            add_posting(work, posting("back", Transfer(cash, wallet(buyer), MAX_MICROS)))
            add_posting(work, posting("up", Transfer(cash, wallet(buyer), MAX_MICROS)))
            with pytest.raises(InvalidValue):
                add_posting(work, posting("over", Transfer(cash, wallet(buyer), 1)))
        with storage.begin() as work:
            assert work.balances() == {wallet(buyer): MAX_MICROS}
            assert [work.find_posting(key) for key in ("more", "twice", "over")] == [None] * 3

    def test_sums_are_exact_however_large(self, storage: Storage) -> None:
        """The proof of a book that is not materialised may be beyond 64 bits, and comes to the last micro."""
        with storage.begin() as work:
            seller = admin(work)
            cash, cost = LedgerAccount(seller.id, Book.CASH, "USD"), LedgerAccount(seller.id, Book.COST, "USD")
            for index in range(30):
                add_posting(work, posting(f"k{index}", Transfer(cash, cost, MAX_MICROS - 1)))
            total = 30 * (MAX_MICROS - 1)

            assert work.proved_balances() == {cash: -total, cost: total}
            assert work.flows(seller.id) == {
                (Book.COST, Book.CASH, "USD"): total,
                (Book.CASH, Book.COST, "USD"): -total,
            }

    def test_only_wallets_and_rounding_are_materialised(self, storage: Storage) -> None:
        """`balance` is 0 for the other books, and before the first transfer."""
        with storage.begin() as work:
            seller = admin(work, currency="EUR")
            books = [LedgerAccount(seller.id, book, "EUR") for book in Book]
            assert [work.balance(book) for book in books] == [0] * len(books)
            cash = LedgerAccount(seller.id, Book.CASH, "EUR")
            for book in Book:
                if book is not Book.CASH:
                    add_posting(work, posting(book, Transfer(cash, LedgerAccount(seller.id, book, "EUR"), 3)))

            assert set(work.balances()) == {LedgerAccount(seller.id, book, "EUR") for book in MATERIALISED}
            assert work.balance(LedgerAccount(seller.id, Book.ROUNDING, "EUR")) == 3
            assert work.balance(LedgerAccount(seller.id, Book.TAX, "EUR")) == 0
            assert len(work.proved_balances()) == len(Book)

    def test_a_book_in_another_currency_is_another_book(self, storage: Storage) -> None:
        """Except for wallets and rounding, which an account has in its own currency only."""
        with storage.begin() as work:
            seller = admin(work)
            for currency, micros in (("USD", 5), ("EUR", 7)):
                cost = LedgerAccount(seller.id, Book.COST, currency)
                add_posting(work, posting(currency, Transfer(revenue(seller, currency), cost, micros)))

            assert work.balances() == {}
            assert work.proved_balances() == {
                revenue(seller, "USD"): -5,
                revenue(seller, "EUR"): -7,
                LedgerAccount(seller.id, Book.COST, "USD"): 5,
                LedgerAccount(seller.id, Book.COST, "EUR"): 7,
            }

    @pytest.mark.parametrize("book", sorted(MATERIALISED))
    def test_a_wallet_has_the_currency_of_its_account(self, storage: Storage, book: Book) -> None:
        """`InvalidValue` for a transfer to, or from, one in another currency; and there is nothing in such a one."""
        with storage.begin() as work:
            seller = admin(work, currency="EUR")
            wrong = LedgerAccount(seller.id, book, "USD")
            for moved in (Transfer(wrong, revenue(seller), 1), Transfer(revenue(seller), wrong, 1)):
                with pytest.raises(InvalidValue):
                    add_posting(work, posting("k", moved))
            add_posting(work, posting("k", Transfer(revenue(seller, "EUR"), evolve(wrong, currency="EUR"), 1)))

            assert work.balance(wrong) == 0
            assert work.balance(evolve(wrong, currency="EUR")) == 1

    def test_balances_of_zero_are_left_out(self, storage: Storage) -> None:
        """In both, after money has gone out and come back."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            out = Transfer(wallet(buyer), revenue(seller), 9)
            add_posting(work, posting("out", out, Transfer(revenue(seller), wallet(buyer), 4)))
            add_posting(work, posting("back", Transfer(revenue(seller), wallet(buyer), 5)))

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
                    add_posting(work, posting(f"k{number}.{part}", *transfers))
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
            add_posting(work, posting("call", Transfer(wallet(buyer), revenue(seller), 30)))
            add_posting(work, posting("undo", Transfer(revenue(seller), wallet(buyer), 10)))
            payable = LedgerAccount(buyer.id, Book.PAYABLE, "EUR")
            add_posting(work, posting("euro", Transfer(payable, revenue(seller, "EUR"), 5)))
            add_posting(work, posting("own", Transfer(wallet(buyer), rounding, 1)))

            assert work.flows(buyer.id) == {
                (Book.WALLET, Book.REVENUE, "USD"): -20,
                (Book.PAYABLE, Book.REVENUE, "EUR"): -5,
                (Book.WALLET, Book.ROUNDING, "USD"): -1,
                (Book.ROUNDING, Book.WALLET, "USD"): 1,
            }
            assert work.flows(seller.id) == {
                (Book.REVENUE, Book.WALLET, "USD"): 20,
                (Book.REVENUE, Book.PAYABLE, "EUR"): 5,
            }
            assert work.flows(buyer.id + 1) == {}

    def test_an_amount_of_many_units(self, storage: Storage) -> None:
        """Nine trillion units, to the micro, in and out again."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            cash = LedgerAccount(seller.id, Book.CASH, "USD")
            add_posting(work, posting("in", Transfer(cash, wallet(buyer), 9_000_000_000_000 * UNIT)))
            add_posting(work, posting("out", Transfer(wallet(buyer), cash, 1)))

            assert work.balance(wallet(buyer)) == 8_999_999_999_999_999_999

    def test_all_postings_can_be_read(self, storage: Storage) -> None:
        """Each of them once, whole, in no particular order."""
        with storage.begin() as work:
            seller = admin(work)
            cash = LedgerAccount(seller.id, Book.CASH, "USD")
            made = [posting(f"k{index}", *[Transfer(cash, wallet(seller), 1)] * (index % 4)) for index in range(50)]
            add_posting(work, *made[:20])
            add_posting(work, *made[20:])
        with storage.begin() as work:
            assert sorted(work.postings(), key=lambda each: int(each.key[1:])) == made

    def test_a_wallet_shows_the_balances_of_an_account(self, storage: Storage) -> None:
        """Of its wallet and its rounding, in its currency; `NotFound` for an account that there is not."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            rounding = LedgerAccount(buyer.id, Book.ROUNDING, "USD")
            transfers = (Transfer(wallet(buyer), revenue(seller), 30), Transfer(wallet(buyer), rounding, 2))
            add_posting(work, posting("k", *transfers))
            found = work.wallet(buyer.id)

            assert (found.account_id, found.currency) == (buyer.id, "USD")
            assert (found.balance_micros, found.rounding_micros, found.held_micros) == (-32, 2, 0)
            assert work.wallet(seller.id).balance_micros == 0
            with pytest.raises(NotFound):
                work.wallet(buyer.id + 1)

    def test_postings_of_one_save_move_a_wallet_together(self, storage: Storage) -> None:
        """What counts is the balance after all of them."""
        with storage.begin() as work:
            seller = admin(work)
            cash = LedgerAccount(seller.id, Book.CASH, "USD")
            most = posting("a", Transfer(cash, wallet(seller), MAX_MICROS))
            more = posting("b", Transfer(cash, wallet(seller), 5))
            add_posting(work, most, more, posting("c", Transfer(wallet(seller), cash, 6)))

            assert work.balance(wallet(seller)) == MAX_MICROS - 1
