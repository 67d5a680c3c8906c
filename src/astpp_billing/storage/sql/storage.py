"""The storage on a SQL database: schema and transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import inspect, select

from astpp_billing.storage.serial import Turns
from astpp_billing.storage.sql.accounts import Accounts
from astpp_billing.storage.sql.documents import Documents
from astpp_billing.storage.sql.engine import backend_of, check_ours, make_engine
from astpp_billing.storage.sql.ledger import Ledger
from astpp_billing.storage.sql.maintenance import check_revision
from astpp_billing.storage.sql.migrations import upgrade
from astpp_billing.storage.sql.prices import Prices
from astpp_billing.storage.sql.tables import price_versions


class SqlUnitOfWork(Accounts, Prices, Ledger, Documents):
    """One transaction on a SQL database; see `ports.UnitOfWork`."""


class SqlStorage:
    """Everything in one SQL database. A new, empty database gets its tables at once; an older one is refused."""

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url)
        self._turns = Turns()
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        # one transaction: of two processes that open a new database at once, the second finds the tables of the first
        with self._engine.begin() as connection, backend_of(connection).alone(connection):
            found = inspect(connection).get_table_names()
            check_ours(found)
            if not found:
                upgrade(connection)
            check_revision(connection)

    @contextmanager
    def begin(self) -> Iterator[SqlUnitOfWork]:
        """A transaction; see `ports.Storage`."""
        with self._turns.take(), self._engine.begin() as connection:
            # transactions are serial: on a server, each waits here until the one before has ended
            connection.execute(select(price_versions.c.version).with_for_update())
            yield SqlUnitOfWork(connection)

    def close(self) -> None:
        """Close all connections."""
        self._turns.close()
        self._engine.dispose()
