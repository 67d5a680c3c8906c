"""The storage on a SQL database: schema and transactions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import StaticPool, inspect

from astpp_billing.storage.serial import Turns
from astpp_billing.storage.sql.accounts import Accounts
from astpp_billing.storage.sql.allowances import Allowances
from astpp_billing.storage.sql.commands import Commands
from astpp_billing.storage.sql.commissions import Commissions
from astpp_billing.storage.sql.documents import Documents
from astpp_billing.storage.sql.engine import READING, backend_of, check_ours, make_engine
from astpp_billing.storage.sql.holds import Holds
from astpp_billing.storage.sql.ledger import Ledger
from astpp_billing.storage.sql.maintenance import check_revision
from astpp_billing.storage.sql.migrations import upgrade
from astpp_billing.storage.sql.orders import Orders
from astpp_billing.storage.sql.products import Products
from astpp_billing.storage.sql.reports import Reports
from astpp_billing.storage.sql.shared import Shared
from astpp_billing.storage.sql.subscriptions import Subscriptions
from astpp_billing.storage.sql.vouchers import Vouchers


class SqlUnitOfWork(
    Holds,
    Accounts,
    Ledger,
    Documents,
    Commands,
    Reports,
    Products,
    Orders,
    Vouchers,
    Subscriptions,
    Allowances,
    Commissions,
):
    """One transaction on a SQL database; see `ports.UnitOfWork`."""


class SqlStorage:
    """Everything in one SQL database. A new, empty database gets its tables at once; an older one is refused."""

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url)
        self._start(serial=True)
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
            serial = backend_of(connection).serial
        self._start(serial=serial)

    def _start(self, *, serial: bool) -> None:
        self._process = os.getpid()
        self._turns = Turns(serial=serial, reading_in_turn=isinstance(self._engine.pool, StaticPool))
        self._shared = Shared(self._engine, serial=serial)

    def _check_process(self) -> None:
        """Share neither connections nor ids with the process that this one was forked from."""
        if os.getpid() != self._process:
            self._engine.dispose(close=False)
            self._start(serial=self._turns.serial)

    @contextmanager
    def begin(self) -> Iterator[SqlUnitOfWork]:
        """A transaction; see `ports.Storage`."""
        self._check_process()
        with self._turns.take():
            with self._engine.begin() as connection:
                work = SqlUnitOfWork(connection, self._shared)
                yield work
            self._shared.learn(work.found)

    @contextmanager
    def snapshot(self) -> Iterator[SqlUnitOfWork]:
        """A look at one moment; see `ports.Storage`."""
        self._check_process()
        with self._turns.take(reading=True), self._engine.connect() as fresh:
            connection = fresh.execution_options(**{READING: True})
            with connection.begin(), backend_of(connection).snapshot(connection):
                yield SqlUnitOfWork(connection, self._shared)

    def close(self) -> None:
        """Close all connections."""
        self._turns.close()
        self._engine.dispose()
