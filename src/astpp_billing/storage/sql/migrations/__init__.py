"""Alembic migrations: the history of the schema, and how a database gets to the newest revision."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine

NEWEST = "0001"
"""The revision that this release needs."""


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring a database, empty or older, to a revision; in one transaction where the database can."""
    config = Config()
    config.set_main_option("script_location", "astpp_billing:storage/sql/migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def current_revision(connection: Connection) -> str | None:
    """The revision that a database is at; None if it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()
