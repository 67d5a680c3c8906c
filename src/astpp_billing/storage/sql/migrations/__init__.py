"""Alembic migrations: the history of the schema, and how a database gets to the newest revision."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection

from astpp_billing.errors import StorageError

NEWEST = "0003"
"""The revision that this release needs."""


def upgrade(connection: Connection, revision: str = NEWEST) -> None:
    """Bring a database, empty or older, to a revision, in the transaction that the connection has begun.

    Raises `StorageError` for a database whose revision this release does not know.
    """
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
    return MigrationContext.configure(connection).get_current_revision()
