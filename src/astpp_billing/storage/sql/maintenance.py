"""What an operator does to a database between two releases: look at its revision, upgrade it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from astpp_billing.errors import StorageError
from astpp_billing.storage.sql.engine import make_engine
from astpp_billing.storage.sql.migrations import NEWEST, current_revision, upgrade


def database_revision(url: str) -> str | None:
    """The revision that a database is at; None for an empty one."""
    with _transaction(url) as connection:
        return current_revision(connection)


def check_database(url: str) -> str:
    """The revision of a database, if it is the one that this release needs; `StorageError` if it is not."""
    with _transaction(url) as connection:
        return check_revision(connection)


def upgrade_database(url: str) -> str:
    """Bring a database to the revision that this release needs, in one transaction, and return that.

    Raises `StorageError` for a database that is not there, is somebody else's, or is at a revision that this release
    does not know; it is then left as it was.
    """
    with _transaction(url) as connection:
        upgrade(connection)
        return check_revision(connection)


def check_revision(connection: Connection) -> str:
    """The revision of a database, if it is the one that this release needs; `StorageError` if it is not."""
    found = current_revision(connection)
    if found != NEWEST:
        where = connection.engine.url.render_as_string()
        raise StorageError(f"the database {where} is at revision {found}, this release needs {NEWEST}")
    return NEWEST


@contextmanager
def _transaction(url: str) -> Iterator[Connection]:
    engine = make_engine(url)
    path = engine.url.database
    if (
        engine.dialect.name == "sqlite" and path and not Path(path).is_file()
    ):  # SQLite would make one, out of a mistyped name
        raise StorageError(f"there is no database {path}")
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
