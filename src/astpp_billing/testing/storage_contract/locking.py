"""The contract on locks, numbers and ids: what was locked is nobody else's until the transaction ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from threading import Event
from typing import TypeVar

import pytest

from astpp_billing.errors import NotFound
from astpp_billing.invoicing import DocumentKind
from astpp_billing.ledger import Transfer
from astpp_billing.ports import Changes, Series, Storage, UnitOfWork
from astpp_billing.services.again import again
from astpp_billing.testing.storage_contract.base import (
    MOMENT,
    PATIENCE,
    Base,
    add_document,
    add_posting,
    admin,
    customer,
    document,
    fail,
    hold,
    place,
    posting,
    refill,
    revenue,
    wallet,
)

Result = TypeVar("Result")


def take(work: UnitOfWork, *wanted: Series) -> list[int]:
    """Take the next number of each series."""
    locked = work.lock([], wanted)
    work.save(Changes(numbers=dict.fromkeys(wanted, 1)))
    return [locked.last_numbers[series] + 1 for series in wanted]


class LockingContract(Base):
    """`lock_tree`, `lock`, numbers, and `reserve_ids`."""

    def test_a_lock_tells_what_is_locked(self, storage: Storage) -> None:
        """Each wallet as it is, named once or twice, in any order; and the last number of each series."""
        with storage.begin() as work:
            seller = admin(work)
            buyer, other = customer(work, seller), customer(work, seller, "other")
            refill(work, buyer)
            assert place(work, hold("h", buyer, (buyer, 7)))
        invoices, receipts = (seller.id, DocumentKind.INVOICE), (seller.id, DocumentKind.RECEIPT)
        with storage.begin() as work:
            assert take(work, invoices) == [1]
        with storage.begin() as work:
            locked = work.lock([other.id, buyer.id, other.id], [receipts, invoices])

            assert locked.wallets == {each.id: work.wallet(each.id) for each in (buyer, other)}
            assert locked.wallets[buyer.id].held_micros == 7
            assert locked.last_numbers == {invoices: 1, receipts: 0}

    def test_nothing_can_be_locked(self, storage: Storage) -> None:
        """And it tells nothing."""
        with storage.begin() as work:
            locked = work.lock([])

            assert not locked.wallets
            assert not locked.last_numbers

    def test_what_there_is_not_cannot_be_locked(self, storage: Storage) -> None:
        """`NotFound` for the wallet of an account that there is not."""
        with storage.begin() as work:
            missing = admin(work).id + 1
        with storage.begin() as work, pytest.raises(NotFound):
            work.lock([missing - 1, missing])

    def test_what_is_new_in_a_transaction_can_be_locked_in_it(self, storage: Storage) -> None:
        """An account that it has added itself."""
        with storage.begin() as work:
            work.lock_tree()
            new = admin(work)

            assert work.lock([new.id], [(new.id, DocumentKind.RECEIPT)]).wallets == {new.id: work.wallet(new.id)}

    def test_who_locks_what_is_locked_waits_and_sees_what_was_done(self, storage: Storage) -> None:
        """Until the first transaction has ended, and then with its balance."""
        with storage.begin() as work:
            buyer = admin(work)

        def balance(work: UnitOfWork) -> int:
            return work.lock([buyer.id]).wallets[buyer.id].balance_micros

        def lock_and_move(work: UnitOfWork) -> None:
            work.lock([buyer.id])
            refill(work, buyer, 5)

        assert self._first_and_second(storage, lock_and_move, balance) == 5

    def test_who_waits_for_a_transaction_that_fails_sees_nothing_of_it(self, storage: Storage) -> None:
        """It goes on as if the first had not been."""
        with storage.begin() as work:
            buyer = admin(work)

        def lock_and_move(work: UnitOfWork) -> None:
            work.lock([buyer.id])
            refill(work, buyer, 5)

        def balance(work: UnitOfWork) -> int:
            return work.lock([buyer.id]).wallets[buyer.id].balance_micros

        assert self._first_and_second(storage, lock_and_move, balance, fails=True) == 0

    def test_who_changes_accounts_does_so_one_by_one(self, storage: Storage) -> None:
        """The second one that locks the tree waits, and sees the accounts of the first."""
        with storage.begin() as work:
            admin(work)

        def numbers(work: UnitOfWork) -> list[str]:
            work.lock_tree()
            return [account.number for account in work.accounts()]

        def add(work: UnitOfWork) -> None:
            work.lock_tree()
            admin(work, "new")

        assert self._first_and_second(storage, add, numbers) == ["admin", "new"]

    def test_a_series_is_locked_also_before_its_first_number(self, storage: Storage) -> None:
        """The second one waits, and gets the next number."""
        with storage.begin() as work:
            series = (admin(work).id, DocumentKind.INVOICE)

        def number(work: UnitOfWork) -> list[int]:
            return take(work, series)

        assert self._first_and_second(storage, number, number) == [2]

    def _first_and_second(
        self,
        storage: Storage,
        first: Callable[[UnitOfWork], object],
        second: Callable[[UnitOfWork], Result],
        *,
        fails: bool = False,
    ) -> Result:
        """Do the second while the transaction of the first is open, and see that it waits; gives what it returns."""
        ready = Event()

        @again
        def do_second() -> Result:
            ready.set()
            with storage.begin() as work:
                return second(work)

        with ThreadPoolExecutor(1) as threads:
            with suppress(ZeroDivisionError), storage.begin() as work:
                first(work)
                waiting = threads.submit(do_second)
                assert ready.wait(PATIENCE)
                assert not wait([waiting], MOMENT.total_seconds()).done
                if fails:
                    raise ZeroDivisionError("on purpose")
            return waiting.result(PATIENCE)

    def test_what_was_decided_under_a_lock_holds(self, storage: Storage) -> None:
        """Eight threads that read, think and write at the same time lose no amount and no number."""
        with storage.begin() as work:
            seller = admin(work)
            refill(work, seller, 1)
        series = (seller.id, DocumentKind.INVOICE)

        @again
        def double(index: int) -> int:
            with storage.begin() as work:
                locked = work.lock([seller.id], [series])
                before = locked.wallets[seller.id].balance_micros
                moved = posting(f"k{index}", Transfer(revenue(seller), wallet(seller), before))
                work.save(Changes(postings=[moved], numbers={series: 1}))
                return locked.last_numbers[series] + 1

        with ThreadPoolExecutor(8) as threads:
            numbers = list(threads.map(double, range(32)))
        with storage.begin() as work:
            assert sorted(numbers) == list(range(1, 33))
            assert work.balance(wallet(seller)) == 2**32

    def test_locks_of_several_wallets_do_not_get_in_each_others_way(self, storage: Storage) -> None:
        """Threads that lock the same wallets, named in another order each time, all come to an end."""
        with storage.begin() as work:
            parties = [admin(work, f"a{index}") for index in range(4)]

        @again
        def move(index: int) -> None:
            source, target = parties[index % 4], parties[(index * 7 + 1 + index // 4) % 4]
            if source != target:
                with storage.begin() as work:
                    work.lock([source.id, target.id])
                    add_posting(work, posting(f"k{index}", Transfer(wallet(source), wallet(target), 1)))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(move, range(40)))
        with storage.begin() as work:
            assert sum(work.balances().values()) == 0
            assert work.balances() == work.proved_balances()

    def test_numbers_count_from_one(self, storage: Storage) -> None:
        """Without gaps, for each issuer and kind by itself."""
        with storage.begin() as work:
            one, two = admin(work, "one"), admin(work, "two")
        first, receipts, second = (
            (one.id, DocumentKind.INVOICE),
            (one.id, DocumentKind.RECEIPT),
            (two.id, DocumentKind.INVOICE),
        )
        for series, expected in (((first,), [1]), ((first, receipts), [2, 1]), ((second, first), [1, 3])):
            with storage.begin() as work:
                assert take(work, *series) == expected

    def test_numbers_of_one_transaction_add_up(self, storage: Storage) -> None:
        """Over all that it saves."""
        with storage.begin() as work:
            series = (admin(work).id, DocumentKind.INVOICE)
        with storage.begin() as work:
            work.lock([], [series])
            work.save(Changes(numbers={series: 2}))
            work.save(Changes(numbers={series: 3}))
        with storage.begin() as work:
            assert take(work, series) == [6]

    def test_a_number_is_given_back_if_the_transaction_fails(self, storage: Storage) -> None:
        """So that the next document gets it."""
        with storage.begin() as work:
            issuer = admin(work)
        invoices, receipts = (issuer.id, DocumentKind.INVOICE), (issuer.id, DocumentKind.RECEIPT)
        with storage.begin() as work:
            assert take(work, invoices) == [1]
        for series, expected in ((invoices, [2]), (receipts, [1])):
            taken: list[int] = []

            def take_one(work: UnitOfWork, series: Series = series, taken: list[int] = taken) -> None:
                taken.extend(take(work, series))

            with pytest.raises(ZeroDivisionError):
                fail(storage, take_one)
            assert taken == expected
            with storage.begin() as work:
                assert take(work, series) == expected

    def test_reserved_ids_are_nobody_elses(self, storage: Storage) -> None:
        """Over transactions and threads, also while those that reserved others are not at their end."""

        @again
        def reserve(count: int) -> list[int]:
            with storage.begin() as work:
                return [*work.reserve_ids(count), *work.reserve_ids(1)]

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(reserve, range(24)))
        ids = [each for some in found for each in some]

        assert [len(some) for some in found] == [count + 1 for count in range(24)]
        assert len(set(ids)) == len(ids)
        assert min(ids) > 0

    def test_an_id_is_a_documents_own(self, storage: Storage) -> None:
        """Documents of many threads all are there, each under its id."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))

        @again
        def issue(index: int) -> int:
            with storage.begin() as work:
                return add_document(work, document(buyer, f"INV-{index}")).id

        with ThreadPoolExecutor(4) as threads:
            ids = list(threads.map(issue, range(12)))
        with storage.begin() as work:
            assert sorted(ids) == sorted(each.id for each in work.documents())
            assert len(set(ids)) == 12
