from collections.abc import Callable, Iterator

import pytest
from attrs import evolve

from astpp_billing.errors import InvalidValue, StorageError
from astpp_billing.invoicing import DocumentKind
from astpp_billing.ports import Changes, Storage, UnitOfWork
from astpp_billing.storage import MemoryStorage, open_storage
from astpp_billing.testing.storage_contract import StorageContract
from astpp_billing.testing.storage_contract.base import AT, admin


class TestMemory(StorageContract):
    @pytest.fixture
    def storage(self) -> Iterator[Storage]:
        storage = open_storage("memory://")
        yield storage
        storage.close()


def test_a_url_of_memory_opens_a_new_storage_each_time() -> None:
    one, other = open_storage("memory://"), open_storage("memory://")

    assert isinstance(one, MemoryStorage)
    assert one is not other


def test_a_transaction_that_has_ended_can_do_nothing_more() -> None:
    storage = MemoryStorage()
    with storage.begin() as work:
        pass

    with pytest.raises(StorageError, match="has ended"):
        work.price_version()


def test_a_snapshot_that_has_ended_shows_nothing_more() -> None:
    storage = MemoryStorage()
    with storage.snapshot() as work:
        pass

    with pytest.raises(StorageError, match="has ended"):
        work.price_version()


def test_a_transaction_within_a_transaction_is_refused_and_harms_nothing() -> None:
    storage = MemoryStorage()
    with storage.begin() as work:
        with pytest.raises(StorageError, match="in hand already"), storage.begin():
            pass
        assert work.price_version() == 0
    with storage.begin() as work:
        assert work.price_version() == 0


def test_a_storage_that_is_closed_begins_nothing() -> None:
    storage = MemoryStorage()
    storage.close()

    with pytest.raises(StorageError, match="closed"), storage.begin():
        pass


# the order of locks, which memory needs for nothing, but checks for all that others must keep


def lock(work: UnitOfWork) -> None:
    work.lock([])


def lock_tree(work: UnitOfWork) -> None:
    work.lock_tree()


def close_books(work: UnitOfWork) -> None:
    work.close_books(AT)


@pytest.mark.parametrize("first", [lock, close_books])
@pytest.mark.parametrize("second", [lock, close_books, lock_tree])
def test_wallets_are_locked_once_and_the_tree_before_them(
    first: Callable[[UnitOfWork], None], second: Callable[[UnitOfWork], None]
) -> None:
    storage = MemoryStorage()
    with storage.begin() as work:
        work.lock_tree()
        first(work)
        with pytest.raises(StorageError, match="lock"):
            second(work)


@pytest.mark.parametrize("locked", [False, True])
def test_numbers_are_given_out_from_series_that_were_locked(locked: bool) -> None:
    storage = MemoryStorage()
    with storage.begin() as work:
        issuer = admin(work)
        if locked:
            work.lock([issuer.id], [(issuer.id, DocumentKind.RECEIPT)])
        with pytest.raises(StorageError, match="not locked"):
            work.save(Changes(numbers={(issuer.id, DocumentKind.INVOICE): 1}))


@pytest.mark.parametrize("change", [lock, lock_tree])
def test_nothing_is_locked_through_a_snapshot(change: Callable[[UnitOfWork], None]) -> None:
    storage = MemoryStorage()
    with storage.snapshot() as work, pytest.raises(StorageError, match="snapshot"):
        change(work)


def test_an_account_keeps_the_currency_of_its_wallet() -> None:
    storage = MemoryStorage()
    with storage.begin() as work:
        account = admin(work)
        with pytest.raises(InvalidValue, match="wallet in USD"):
            work.update_account(evolve(account, currency="EUR"))

        assert work.account(account.id) == account
