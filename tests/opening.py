"""Storages on SQLite that are opened quickly: thousands of tests and examples open a new one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from sqlalchemy import Connection

from astpp_billing.storage.sql import storage
from astpp_billing.storage.sql.migrations import upgrade


@contextmanager
def tables_made_once() -> Iterator[None]:
    """Let the migrations make the tables of the first new SQLite database of this process; others are given the same.

    That is some ten times as fast. Commands that look after a database, other processes and servers are left alone.
    """
    made: list[str] = []

    def give(connection: Connection) -> None:
        raw = connection.connection.driver_connection
        if not isinstance(raw, sqlite3.Connection) or not made:
            upgrade(connection)
        if isinstance(raw, sqlite3.Connection):
            for statement in made:
                raw.execute(statement)
            if not made:
                made.extend(each for each in raw.iterdump() if each not in ("BEGIN TRANSACTION;", "COMMIT;"))

    with mock.patch.object(storage, "upgrade", give):
        yield
