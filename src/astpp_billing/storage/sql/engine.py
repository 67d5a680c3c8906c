"""The engine of a SQL database: how it is connected to, how it begins a transaction, and what its errors become."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, StaticPool, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, IntegrityError

from astpp_billing.errors import BillingError, InvalidValue, StorageError

BUSY_SECONDS = 30
"""How long SQLite waits for another process to end its transaction; `?timeout=` in the URL says otherwise."""

VERSION_TABLE = "alembic_version"
"""The table in which Alembic keeps the revision; a database without it is empty or somebody else's."""


class BrokenConstraint(StorageError):
    """The database refused what would break a constraint; `Part` says what that means."""


def make_engine(url: str) -> Engine:
    """The engine for a URL; `InvalidValue` if it is none, or of a kind that there is no storage for."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidValue(f"not a database URL: {url!r}") from None
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise InvalidValue(f"no storage for {parsed.drivername!r}; there are sqlite:/// and memory://")
    return _sqlite(parsed)


def _sqlite(url: URL) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    connect_args: dict[str, Any] = {"check_same_thread": False}  # a connection is used by one thread at a time
    if "timeout" not in url.query:
        connect_args["timeout"] = BUSY_SECONDS
    engine = create_engine(url, connect_args=connect_args, **options)

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, record: object, arguments: list[Any], options: dict[str, Any]) -> sqlite3.Connection:
        raw: sqlite3.Connection = sqlite3.connect(*arguments, **options)
        try:
            _set_up(raw)
        except BaseException:
            raw.close()
            raise
        return raw

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # take the write lock at once, so that what is read cannot change before it is written
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "handle_error", _translate)
    return engine


def _set_up(raw: sqlite3.Connection) -> None:
    # the driver must not begin transactions by itself: it would do so too late, at the first write
    raw.isolation_level = None
    tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and VERSION_TABLE not in tables:
        raise StorageError(f"the database has tables of something else: {', '.join(sorted(tables))}")
    # only now: the journal mode is written into the file
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        raw.execute(f"PRAGMA {pragma}").close()


def _translate(context: ExceptionContext) -> None:
    """Raise what an error of the database, or of its driver, is in our tree: nothing else leaves the storage."""
    cause = context.original_exception
    if isinstance(cause, BillingError):  # a value that a column type has refused
        raise cause
    if isinstance(cause, Exception):
        error = BrokenConstraint if isinstance(context.sqlalchemy_exception, IntegrityError) else StorageError
        where = context.engine.url.render_as_string() if context.engine else "the database"
        raise error(f"{where}: {cause}") from cause
