import sqlite3
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from attrs import evolve

from astpp_billing.errors import AlreadyExists, InvalidValue, StorageError
from astpp_billing.ports import Changes, Storage
from astpp_billing.storage import open_storage
from astpp_billing.storage.sql import migrations, tables
from astpp_billing.storage.sql.engine import make_engine
from astpp_billing.storage.sql.maintenance import check_database, database_revision, upgrade_database
from astpp_billing.storage.sql.migrations import NEWEST
from astpp_billing.storage.sql.storage import SqlStorage
from astpp_billing.testing.storage_contract import StorageContract
from astpp_billing.testing.storage_contract.base import TEXTS, admin, call, document, save_call


class TestFile(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[Storage]:
        storage = open_storage(f"sqlite:///{tmp_path}/billing.db")
        yield storage
        storage.close()


class TestInMemory(StorageContract):
    @pytest.fixture
    def storage(self) -> Iterator[Storage]:
        storage = open_storage("sqlite://")
        yield storage
        storage.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "billing.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def create(url: str) -> None:
    open_storage(url).close()


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def pragma(storage: Storage, name: str) -> object:
    assert isinstance(storage, SqlStorage)
    with storage.begin() as work:
        return work._connection.exec_driver_sql(f"PRAGMA {name}").scalar()


# what the tables are


def test_the_migrations_make_the_tables_that_the_code_uses(url: str) -> None:
    create(url)
    engine = make_engine(url)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, tables.metadata)
    engine.dispose()

    assert differences == []


def test_a_difference_would_be_found(url: str, path: Path) -> None:
    create(url)
    change(path, "ALTER TABLE accounts ADD COLUMN surprise TEXT", "DROP TABLE endpoints")
    engine = make_engine(url)
    with engine.begin() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    engine.dispose()

    assert {difference[0] for difference in differences} == {"add_table", "remove_column"}


def test_the_newest_revision_is_the_head_of_the_migrations() -> None:
    assert ScriptDirectory(str(Path(migrations.__file__).parent)).get_heads() == [NEWEST]


# opening


def test_a_new_file_gets_its_tables_and_is_found_again(url: str, path: Path) -> None:
    first = open_storage(url)
    with first.begin() as work:
        admin(work, TEXTS[2])
    first.close()
    again = open_storage(url)
    with again.begin() as work:
        assert [account.number for account in work.accounts()] == [TEXTS[2]]
    again.close()

    assert path.is_file()
    assert sorted(file.name for file in path.parent.iterdir()) == ["billing.db"]


def test_an_empty_file_is_a_new_database(url: str, path: Path) -> None:
    path.touch()
    create(url)

    assert database_revision(url) == NEWEST


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "not a database URL"),
        ("billing.db", "not a database URL"),
        ("memory:", "not a database URL"),
        ("postgresql+pg8000://user:secret@host/db", r"no storage for 'postgresql\+pg8000'"),
        ("sqlite+aiosqlite:///x.db", r"no storage for 'sqlite\+aiosqlite'"),
    ],
)
def test_a_url_that_nothing_can_be_done_with(url: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=words) as caught:
        open_storage(url)

    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused_and_left_alone(url: str, path: Path) -> None:
    content = b"Code,Destination\n48,Poland\n" * 100
    path.write_bytes(content)

    with pytest.raises(StorageError, match=r"billing\.db: file is not a database"):
        open_storage(url)
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", [".", "missing/billing.db", "billing.db/billing.db"])
def test_a_path_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "billing.db").touch()

    with pytest.raises(StorageError, match="unable to open database file"):
        open_storage(f"sqlite:///{tmp_path}/{name}")


def test_a_database_that_cannot_be_written_can_be_read(url: str, path: Path) -> None:
    create(url)
    storage = open_storage(f"sqlite:///file:{path}?mode=ro&uri=true")

    with pytest.raises(StorageError, match="readonly database"), storage.begin() as work:
        admin(work)
    with storage.begin() as work:
        assert list(work.accounts()) == []
    storage.close()


def test_the_database_of_something_else_is_refused_and_left_alone(url: str, path: Path) -> None:
    change(path, "CREATE TABLE songs (title TEXT)", "INSERT INTO songs VALUES ('So What')")
    before = path.read_bytes()

    for do in (open_storage, upgrade_database, check_database, database_revision):
        with pytest.raises(StorageError, match="tables of something else: songs"):
            do(url)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("revision", ["0000", "9999"])
def test_a_database_at_another_revision_is_refused_with_both_named(url: str, path: Path, revision: str) -> None:
    create(url)
    change(path, "DELETE FROM alembic_version", f"INSERT INTO alembic_version SELECT '{revision}'")

    for do in (open_storage, check_database, upgrade_database):
        with pytest.raises(StorageError, match=f"{revision}.*{NEWEST}"):
            do(url)
    assert database_revision(url) == revision


def test_a_database_that_has_lost_its_revision_is_refused(url: str, path: Path) -> None:
    create(url)
    change(path, "DELETE FROM alembic_version")

    with pytest.raises(StorageError, match=f"at revision None, this release needs {NEWEST}"):
        open_storage(url)


# looking after it


def test_upgrading_an_empty_database_makes_its_tables(url: str, path: Path) -> None:
    path.touch()

    assert database_revision(url) is None
    with pytest.raises(StorageError, match="at revision None"):
        check_database(url)
    assert upgrade_database(url) == NEWEST
    assert check_database(url) == database_revision(url) == NEWEST


def test_upgrading_the_newest_changes_nothing(url: str) -> None:
    storage = open_storage(url)
    with storage.begin() as work:
        stored = admin(work)
    storage.close()

    assert upgrade_database(url) == NEWEST
    storage = open_storage(url)
    with storage.begin() as work:
        assert work.accounts() == [stored]
    storage.close()


def test_an_upgrade_that_fails_leaves_nothing(url: str, path: Path) -> None:
    # an empty version table makes the database ours, and this table is in the way of the migration
    change(path, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)", "CREATE TABLE rates (x TEXT)")

    with pytest.raises(StorageError, match="table rates already exists"):
        upgrade_database(url)
    engine = make_engine(url)
    with engine.begin() as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
    engine.dispose()
    assert sorted(names) == ["alembic_version", "rates"]


def test_nothing_is_made_where_there_is_no_database(url: str, path: Path) -> None:
    for do in (check_database, upgrade_database, database_revision):
        with pytest.raises(StorageError, match="there is no database"):
            do(url)
    assert not path.exists()


# how it works


def test_a_commit_is_on_the_disk_before_it_returns(url: str) -> None:
    storage = open_storage(url)
    found = [pragma(storage, name) for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")]
    storage.close()

    assert found == ["wal", 2, 1, 30_000]  # 2 is FULL


def test_the_pragmas_hold_for_every_connection(url: str) -> None:
    storage = open_storage(url)
    assert isinstance(storage, SqlStorage)
    with storage.begin(), storage._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as second:
        found = [second.connection.cursor().execute(f"PRAGMA {name}").fetchone() for name in ("synchronous",)]
    storage.close()

    assert found == [(2,)]


def test_every_error_of_the_driver_is_one_of_ours(url: str, path: Path) -> None:
    storage = open_storage(url)
    change(path, "DROP TABLE calls", "DROP TABLE endpoints")

    with pytest.raises(StorageError, match="no such table: calls") as caught, storage.begin() as work:
        work.calls()
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert str(path) in str(caught.value)
    with storage.begin() as work:
        assert list(work.accounts()) == []
    storage.close()


def test_a_text_that_is_no_unicode_is_refused(url: str) -> None:
    storage = open_storage(url)

    with pytest.raises(StorageError, match="surrogates not allowed"), storage.begin() as work:
        save_call(work, call("leg", detail="\ud800"))
    with storage.begin() as work:
        assert work.calls() == []
    storage.close()


def test_a_number_beyond_64_bits_is_refused(url: str) -> None:
    storage = open_storage(url)
    with storage.begin() as work:
        issuer = admin(work)
        wrong = evolve(document(issuer), id=2**63, issuer_id=issuer.id, seller_id=issuer.id)
        with pytest.raises(StorageError, match="too large"):
            work.save(Changes(documents=[wrong]))
        assert list(work.documents()) == []
    storage.close()


def test_a_transaction_that_has_ended_can_do_nothing_more(url: str) -> None:
    storage = open_storage(url)
    with storage.begin() as work:
        pass

    with pytest.raises(StorageError, match="the transaction has ended"):
        work.price_version()
    storage.close()


def test_a_transaction_within_a_transaction_is_refused_and_harms_nothing(url: str) -> None:
    storage = open_storage(url)
    with storage.begin() as work:
        with pytest.raises(StorageError, match="in hand already"), storage.begin():
            pass
        admin(work)
    with storage.begin() as work:
        assert len(work.accounts()) == 1
    storage.close()


def test_a_storage_that_is_closed_begins_nothing(url: str) -> None:
    storage = open_storage(url)
    storage.close()

    with pytest.raises(StorageError, match="the storage is closed"), storage.begin():
        pass


def test_errors_of_other_databases_pass_through(url: str) -> None:
    storage = open_storage(url)
    with pytest.raises(sqlite3.ProgrammingError), storage.begin():
        raise sqlite3.ProgrammingError("the caller's own")
    storage.close()


def test_what_breaks_a_constraint_says_what_it_is(url: str) -> None:
    storage = open_storage(url)
    with storage.begin() as work:
        admin(work, "4711")
        with pytest.raises(AlreadyExists, match="account 4711 exists already"):
            admin(work, "4711")
    storage.close()


def test_a_constraint_that_nobody_expected_is_a_storage_error(url: str, path: Path) -> None:
    storage = open_storage(url)
    change(path, "CREATE TRIGGER no BEFORE INSERT ON accounts BEGIN SELECT RAISE(ABORT, 'not on Sundays'); END")

    with pytest.raises(StorageError, match="not on Sundays"), storage.begin() as work:
        admin(work)
    storage.close()


def test_an_interruption_stays_one(url: str) -> None:
    engine = make_engine(url)
    connection = engine.connect()
    broken = mock.patch.object(engine.dialect, "do_execute", side_effect=KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt), broken:
        connection.exec_driver_sql("SELECT 1")
    connection.close()
    engine.dispose()
