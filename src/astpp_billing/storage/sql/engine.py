"""The engine of a SQL database: how it is connected to, how it begins a transaction, and what its errors become.

This is the one module that knows what is special about a database: everything else is the same SQL for all of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from typing import Any, NoReturn

from attrs import frozen
from sqlalchemy import URL, Connection, Dialect, Engine, StaticPool, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from astpp_billing.errors import BillingError, InvalidValue, StorageBusy, StorageError
from astpp_billing.storage.sql.drivers import Send, begin_late, send_mysql, send_postgres, send_sqlite

BUSY_SECONDS = 30
"""How long a transaction waits for another one to end; for SQLite, `?timeout=` in the URL says otherwise."""

VERSION_TABLE = "alembic_version"
"""The table in which Alembic keeps the revision; a database without it is empty or somebody else's."""

READING = "astpp_billing_reading"
"""The execution option of a connection that begins a snapshot."""

MOST_CONNECTIONS = 32
"""How many connections to a server one storage has at the most; who needs one more waits for it."""

ALONE = 4_201_173
"""The lock of whoever makes or changes the tables on a server; any number, but the same for ever."""


class Fault(StrEnum):
    """What a database refused."""

    TAKEN = "taken"
    MISSING = "missing"
    BUSY = "busy"
    OTHER = "other"


class BrokenConstraint(StorageError):
    """The database refused what would break a constraint; `Part` says what that means."""

    fault: Fault


@frozen
class Backend:
    """What is special about one kind of database.

    `fault` says what an error of the driver means. `alone` keeps others from making the tables at the same time. `send`
    runs several statements in one round trip. `snapshot` lets a transaction that has just begun see one moment, and
    change nothing. `undoes_all` tells whether one refused statement ends the whole transaction, `serial`
    whether only one transaction at a time can write.
    """

    make: Callable[[URL], Engine]
    fault: Callable[[BaseException], Fault]
    alone: Callable[[Connection], AbstractContextManager[object]]
    send: Send
    snapshot: Callable[[Connection], AbstractContextManager[object]]
    undoes_all: bool = False
    serial: bool = False


def make_engine(url: str) -> Engine:
    """The engine for a URL; `InvalidValue` if it is none, or of a kind that there is no storage for.

    Raises `StorageError` where the driver is not installed; the message names the extra that brings it.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidValue(f"not a database URL: {url!r}") from None
    backend = _BACKENDS.get(parsed.drivername)
    if backend is None:
        known = "memory://, sqlite:///, postgresql+psycopg:// and mysql+pymysql://"
        raise InvalidValue(f"no storage for {parsed.drivername!r}; there are {known}")
    try:
        engine = backend.make(parsed)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        extra = "postgresql" if backend is _POSTGRES else "mysql"
        raise StorageError(f"{parsed.drivername} needs a driver: install astpp-billing[{extra}]") from error
    event.listen(engine, "handle_error", _translate)
    return engine


def check_ours(tables: Collection[str]) -> None:
    """Raise `StorageError` where a database has tables, and they are somebody else's."""
    if tables and VERSION_TABLE not in tables:
        raise StorageError(f"the database has tables of something else: {', '.join(sorted(tables))}")


def backend_of(connection: Connection) -> Backend:
    """What is special about the database of a connection."""
    return _BACKENDS[connection.engine.url.drivername]


# SQLite


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
        if not connection.get_execution_options().get(READING):
            # take the write lock at once, so that what is read cannot change before it is written
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _set_up(raw: sqlite3.Connection) -> None:
    # the driver must not begin transactions by itself: it would do so too late, at the first write
    raw.isolation_level = None
    tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    check_ours(tables)
    # only now: the journal mode is written into the file
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        raw.execute(f"PRAGMA {pragma}").close()


@contextmanager
def _snapshot_of_sqlite(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("PRAGMA query_only = ON")
    try:
        connection.exec_driver_sql("BEGIN")
        yield
    finally:
        connection.exec_driver_sql("PRAGMA query_only = OFF")


_SQLITE_FAULTS = {
    "SQLITE_CONSTRAINT_UNIQUE": Fault.TAKEN,
    "SQLITE_CONSTRAINT_PRIMARYKEY": Fault.TAKEN,
    "SQLITE_CONSTRAINT_FOREIGNKEY": Fault.MISSING,
    "SQLITE_BUSY": Fault.BUSY,
    "SQLITE_LOCKED": Fault.BUSY,
}


def _sqlite_fault(error: BaseException) -> Fault:
    return _SQLITE_FAULTS.get(getattr(error, "sqlite_errorname", ""), Fault.OTHER)


# PostgreSQL


def _postgres(url: URL) -> Engine:
    options = f"-c lock_timeout={BUSY_SECONDS}s"
    engine = _server(url, {"options": options})

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        begin_late(connection.connection.driver_connection)

    return engine


def _server(url: URL, connect_args: dict[str, Any]) -> Engine:
    # A connection that was lost is noticed when it is used, and the command tried again: asking first whether it still
    # works would cost every transaction a round trip. So would undoing what has just been committed.
    return create_engine(
        url,
        isolation_level="READ COMMITTED",
        connect_args=connect_args,
        max_overflow=MOST_CONNECTIONS - 5,
        pool_timeout=BUSY_SECONDS,
        pool_reset_on_return=None,
    )


@contextmanager
def _alone_on_postgres(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ALONE})")
    yield


@contextmanager
def _snapshot_of_postgres(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    yield


_POSTGRES_FAULTS = {
    "23505": Fault.TAKEN,
    "23503": Fault.MISSING,
    "40001": Fault.BUSY,  # serialization failure
    "40P01": Fault.BUSY,  # deadlock
    "55P03": Fault.BUSY,  # lock time-out
    "57P01": Fault.BUSY,  # the server is going down, has crashed, or is coming up
    "57P02": Fault.BUSY,
    "57P03": Fault.BUSY,
}


def _postgres_fault(error: BaseException) -> Fault:
    return _POSTGRES_FAULTS.get(getattr(error, "sqlstate", None) or "", Fault.OTHER)


# MySQL and MariaDB


FOUND_ROWS = 1 << 1
MULTI_STATEMENTS = 1 << 16


def _mysql(url: URL) -> Engine:
    connect_args = {
        "charset": "utf8mb4",
        # rows that a condition has found count, also those that an update leaves as they were; several statements may
        # come in one packet
        "client_flag": FOUND_ROWS | MULTI_STATEMENTS,
        # strict: no value is cut or changed to make it fit
        "init_command": f"SET SESSION sql_mode = 'TRADITIONAL', innodb_lock_wait_timeout = {BUSY_SECONDS}",
    }
    return _server(url, connect_args)


@contextmanager
def _alone_on_mysql(connection: Connection) -> Iterator[None]:
    # tables are not made in a transaction here, so the lock is the session's
    if connection.exec_driver_sql(f"SELECT GET_LOCK('astpp-billing-{ALONE}', {BUSY_SECONDS})").scalar() != 1:
        raise StorageBusy("another process has been making the tables for too long")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"SELECT RELEASE_LOCK('astpp-billing-{ALONE}')")


@contextmanager
def _snapshot_of_mysql(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    yield


_MYSQL_FAULTS = {
    1062: Fault.TAKEN,
    1451: Fault.MISSING,
    1452: Fault.MISSING,
    1205: Fault.BUSY,  # lock wait time-out
    1213: Fault.BUSY,  # deadlock
    1020: Fault.BUSY,  # the record has changed since it was read
    1305: Fault.BUSY,  # no such savepoint: a deadlock has undone the whole transaction
}


def _mysql_fault(error: BaseException) -> Fault:
    number = error.args[0] if error.args else None
    return _MYSQL_FAULTS.get(number, Fault.OTHER) if isinstance(number, int) else Fault.OTHER


_SQLITE = Backend(
    _sqlite,
    _sqlite_fault,
    nullcontext,  # its transactions are alone anyway
    send_sqlite,
    _snapshot_of_sqlite,
    serial=True,
)
_MYSQL = Backend(
    _mysql,
    _mysql_fault,
    _alone_on_mysql,
    send_mysql,
    _snapshot_of_mysql,
)
_POSTGRES = Backend(
    _postgres,
    _postgres_fault,
    _alone_on_postgres,
    send_postgres,
    _snapshot_of_postgres,
    undoes_all=True,
)
_BACKENDS = {
    "sqlite": _SQLITE,
    "sqlite+pysqlite": _SQLITE,
    "postgresql+psycopg": _POSTGRES,
    "mysql+pymysql": _MYSQL,
    "mariadb+pymysql": _MYSQL,
}


def reraise(connection: Connection, error: Exception) -> NoReturn:
    """Raise what an error of a driver is in our tree. Where a connection was lost, all others are taken to be, too."""
    engine = connection.engine
    raw = None if connection.invalidated else connection.connection.driver_connection
    if engine.dialect.is_disconnect(error, raw, None):  # type: ignore[arg-type]
        connection.invalidate()
        engine.dispose(close=False)
        raise StorageBusy(f"{engine.url.render_as_string()}: the connection was lost: {error}") from error
    _raise_ours(error, engine.url)


def _translate(context: ExceptionContext) -> None:
    """Raise what an error of the database, or of its driver, is in our tree: nothing else leaves the storage."""
    cause = context.original_exception
    running = context.execution_context
    if running is not None and running.execution_options.get("skip_user_error_events"):
        return  # SQLAlchemy asks whether a table is there, and takes the error for an answer
    url = context.engine.url if context.engine else None
    if not isinstance(cause, Exception):
        return  # an interruption stays one
    if context.is_disconnect and url is not None:
        raise StorageBusy(f"{url.render_as_string()}: the connection was lost: {cause}") from cause
    _raise_ours(cause, url)


def _raise_ours(cause: Exception, url: URL | None) -> NoReturn:
    if isinstance(cause, BillingError):  # a value that a column type has refused
        raise cause
    fault = _BACKENDS[url.drivername].fault(cause) if url is not None else Fault.OTHER
    where = "the database" if url is None else url.render_as_string()
    if fault is Fault.BUSY:
        raise StorageBusy(f"{where}: {cause}") from cause
    if fault is Fault.OTHER:
        raise StorageError(f"{where}: {cause}") from cause
    broken = BrokenConstraint(f"{where}: {cause}")
    broken.fault = fault
    raise broken from cause
