from collections.abc import Iterator

import pytest

from astpp_billing.errors import StorageError
from astpp_billing.ports import Storage
from astpp_billing.storage import MemoryStorage, open_storage
from astpp_billing.testing.storage_contract import StorageContract


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
