"""The storage on a SQL database: engine, schema and transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from astpp_billing.errors import InvalidValue, StorageError
from astpp_billing.storage.sql.accounts import Accounts
from astpp_billing.storage.sql.documents import Documents
from astpp_billing.storage.sql.ledger import Ledger
from astpp_billing.storage.sql.migrations import NEWEST, current_revision, upgrade
from astpp_billing.storage.sql.prices import Prices

BUSY_SECONDS = 30
"""How long SQLite waits for another process to end its transaction."""


class SqlUnitOfWork(Accounts, Prices, Ledger, Documents):
    """One transaction on a SQL database; see `ports.UnitOfWork`."""


class SqlStorage:
    """Everything in one SQL database. A new, empty database gets its tables at once; an older one is refused."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        try:
            with self._engine.connect() as connection:
                empty = not inspect(connection).get_table_names()
            if empty:
                upgrade(self._engine)
            with self._engine.connect() as connection:
                found = current_revision(connection)
        except DBAPIError as error:
            raise StorageError(f"the database {self._engine.url!s} cannot be opened: {error.orig}") from error
        if found != NEWEST:
            raise StorageError(f"the database is at revision {found}, this release needs {NEWEST}")

    @contextmanager
    def begin(self) -> Iterator[SqlUnitOfWork]:
        """A transaction; see `ports.Storage`."""
        with self._engine.begin() as connection:
            yield SqlUnitOfWork(connection)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidValue(f"not a database URL: {url!r}") from None
    if parsed.get_backend_name() != "sqlite":
        raise InvalidValue(f"no storage for {parsed.get_backend_name()!r}; there are sqlite:/// and memory://")
    return _sqlite(parsed)


def _sqlite(url: URL) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    connect = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(url, connect_args=connect, **options)

    @event.listens_for(engine, "connect")
    def set_up(raw: Any, record: object) -> None:
        # the driver must not begin transactions by itself: it would do so too late, at the first write
        raw.isolation_level = None
        for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL"):
            raw.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # take the write lock at once, so that what is read cannot change before it is written
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
