"""The contract on real servers: PostgreSQL and MariaDB."""

import logging
import sys
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from tests.servers import empty, fresh

from astpp_billing.errors import AlreadyExists, StorageError
from astpp_billing.ports import Changes, Storage
from astpp_billing.storage import open_storage
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.engine import make_engine
from astpp_billing.storage.sql.maintenance import check_database, database_revision, upgrade_database
from astpp_billing.storage.sql.migrations import NEWEST
from astpp_billing.testing.storage_contract import StorageContract
from astpp_billing.testing.storage_contract.base import admin, charge, customer, posting


class TestPostgres(StorageContract):
    @pytest.fixture
    def storage(self, postgres_server: str) -> Iterator[Storage]:
        storage = open_storage(fresh(postgres_server, count_on=True))
        yield storage
        storage.close()


class TestMariadb(StorageContract):
    @pytest.fixture
    def storage(self, mariadb_server: str) -> Iterator[Storage]:
        storage = open_storage(fresh(mariadb_server, count_on=True))
        yield storage
        storage.close()


@pytest.mark.parametrize("count", [1, 2, 50, 99, 150])
def test_what_is_refused_leaves_no_warning(postgres_url: str, caplog: pytest.LogCaptureFixture, count: int) -> None:
    """However much was sent along with it, and after it: the error says all; and the transaction can go on."""
    caplog.set_level(logging.DEBUG)
    storage = open_storage(postgres_url)
    with storage.begin() as work:
        buyer = customer(work, admin(work))
        work.save(Changes(postings=[posting("0")]))
        keys = [str(number) for number in range(count)]
        changes = Changes(postings=[posting(key) for key in keys], charges=[charge(buyer, key) for key in keys])
        with pytest.raises(AlreadyExists):
            work.save(changes)
        with pytest.raises(AlreadyExists):
            work.save(changes)
        work.save(Changes(postings=[posting("new")]))
    with storage.begin() as work:
        assert {one.key for one in work.postings()} == {"0", "new"}
        assert list(work.charges()) == []
    storage.close()

    assert [record.getMessage() for record in caplog.records if record.name.startswith("psycopg")] == []


@pytest.fixture(params=["postgres", "mariadb"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database without tables, which may be left with any."""
    url: str = request.getfixturevalue(f"{request.param}_server")
    yield empty(url)
    empty(url)


def test_the_migrations_make_the_tables_that_the_code_uses(url: str) -> None:
    open_storage(url).close()
    engine = make_engine(url)
    with engine.begin() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    engine.dispose()

    # MariaDB makes an index for each foreign key by itself
    assert [difference for difference in differences if difference[0] != "remove_index"] == []


def test_a_server_is_looked_after_like_a_file(url: str) -> None:
    assert database_revision(url) is None
    assert upgrade_database(url) == NEWEST
    assert check_database(url) == NEWEST
    open_storage(url).close()


def test_the_database_of_something_else_is_refused(url: str) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE songs (title INTEGER)")
    engine.dispose()

    with pytest.raises(StorageError, match="tables of something else: songs"):
        open_storage(url)


def test_a_server_that_does_not_answer_is_named(url: str) -> None:
    nobody = url.replace("127.0.0.1:", "127.0.0.2:")

    with pytest.raises(StorageError, match=r"127\.0\.0\.2"):
        open_storage(nobody)


def test_a_driver_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for driver, url, extra in (
        ("psycopg", "postgresql+psycopg://nobody@127.0.0.1/nothing", "postgresql"),
        ("pymysql", "mysql+pymysql://nobody@127.0.0.1/nothing", "mysql"),
    ):
        monkeypatch.setitem(sys.modules, driver, None)
        with pytest.raises(StorageError, match=rf"install astpp-billing\[{extra}\]"):
            open_storage(url)
