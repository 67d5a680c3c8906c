"""Alembic migrations: the history of the schema, and how a database gets to the newest revision.

Alembic itself is imported only where there is something to upgrade: it takes as long as a good part of a short command.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect

from astpp_billing.errors import StorageError
from astpp_billing.storage.sql.engine import VERSION_TABLE

NEWEST = "0003"
"""The revision that this release needs."""


def upgrade(connection: Connection, revision: str = NEWEST) -> None:
    """Bring a database, empty or older, to a revision, in the transaction that the connection has begun.

    Raises `StorageError` for a database whose revision this release does not know.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "astpp_billing:storage/sql/migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        found = current_revision(connection)
        raise StorageError(f"the database is at revision {found}, which cannot be upgraded to {revision}") from error


def current_revision(connection: Connection) -> str | None:
    """The revision that a database is at; None if it was never migrated."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
    revision: str | None = found.scalar_one_or_none()
    return revision
