"""The storage in memory and its unit of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from astpp_billing.ports import UnitOfWork
from astpp_billing.storage.memory.accounts import Accounts
from astpp_billing.storage.memory.commands import Commands
from astpp_billing.storage.memory.commissions import Commissions
from astpp_billing.storage.memory.holds import Holds
from astpp_billing.storage.memory.ledger import Ledger
from astpp_billing.storage.memory.orders import Orders
from astpp_billing.storage.memory.part import Tables
from astpp_billing.storage.memory.prices import Prices
from astpp_billing.storage.memory.products import Products
from astpp_billing.storage.memory.reports import Reports
from astpp_billing.storage.memory.saving import Saving
from astpp_billing.storage.memory.subscriptions import Subscriptions
from astpp_billing.storage.memory.vouchers import Vouchers
from astpp_billing.storage.serial import Turns


class MemoryUnitOfWork(
    Commands,
    Accounts,
    Prices,
    Ledger,
    Holds,
    Saving,
    Reports,
    Products,
    Orders,
    Vouchers,
    Subscriptions,
    Commissions,
):
    """One transaction in memory; see `ports.UnitOfWork`, which says what each method does."""

    def undo(self) -> None:
        """Put everything back to what it was when the transaction began."""
        while self._before:
            self._before.pop()()

    def end(self) -> None:
        """Let nothing more be done."""
        self._open_tables = None


class MemoryStorage:
    """Everything in the memory of one process, for tests, demonstrations, and a look at what others must do."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._turns = Turns()

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        """A transaction; see `ports.Storage`."""
        with self._turns.take():
            work = MemoryUnitOfWork(self._tables)
            try:
                yield work
            except BaseException:
                work.undo()
                raise
            finally:
                work.end()

    @contextmanager
    def snapshot(self) -> Iterator[UnitOfWork]:
        """A look at everything as it is at one moment; see `ports.Storage`.

        It waits for its turn here, as the tables have no other moment than the present.
        """
        with self._turns.take():
            work = MemoryUnitOfWork(self._tables, may_change=False)
            try:
                yield work
            finally:
                work.end()

    def close(self) -> None:
        """See `ports.Storage`."""
        self._turns.close()
