"""The front door: `Billing.open(url)` wires storage, clock and services together."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from astpp_billing.calls import HoldPolicy
from astpp_billing.clock import Clock, SystemClock
from astpp_billing.ports import Storage
from astpp_billing.services.accounts import Accounts
from astpp_billing.services.admission import POLICY
from astpp_billing.services.billing_runs import BillingRuns
from astpp_billing.services.calls import Calls
from astpp_billing.services.included import Minutes
from astpp_billing.services.ledger import Ledger
from astpp_billing.services.minutes import include
from astpp_billing.services.orders import Orders
from astpp_billing.services.prices import PriceBook, Prices
from astpp_billing.services.products import Products
from astpp_billing.services.reports import Reports
from astpp_billing.services.subscriptions import Subscriptions, start
from astpp_billing.services.vouchers import Vouchers
from astpp_billing.storage import open_storage


class Billing:
    """Everything that can be done, by subject.

    `accounts` opens and finds accounts, `prices` keeps rate groups and exchange rates, `products` what else is sold and
    who lists it, `calls` authorises calls and settles their records, `documents` runs the billing and finds documents,
    `ledger` refills wallets and proves them, `vouchers` makes refill cards, `orders` sells products, `subscriptions`
    renews them, `minutes` shows what they include.
    `policy` says how much is held for a call. One object may be used from several threads. Close it, or use it as a
    context manager.
    """

    def __init__(self, storage: Storage, clock: Clock | None = None, *, policy: HoldPolicy = POLICY) -> None:
        self.storage = storage
        self.clock: Clock = SystemClock() if clock is None else clock
        book = PriceBook()
        self.accounts = Accounts(storage, self.clock)
        self.prices = Prices(storage, self.clock, book)
        self.calls = Calls(storage, self.clock, book, policy)
        self.documents = BillingRuns(storage, self.clock)
        self.ledger = Ledger(storage, self.clock)
        self.orders = Orders(storage, self.clock, book, [start, include])
        self.subscriptions = Subscriptions(storage, self.clock, book)
        self.minutes = Minutes(storage)
        self.reports = Reports(storage)
        self.vouchers = Vouchers(storage, self.clock)
        self.products = Products(storage, self.clock)

    @classmethod
    def open(cls, url: str, clock: Clock | None = None, *, policy: HoldPolicy = POLICY) -> Self:
        """Open a storage by its URL, and make the tables where there are none.

        `memory://`, `sqlite:///billing.db`, `postgresql+psycopg://user@host/database` (PostgreSQL) or
        `mysql+pymysql://user@host/database` (MariaDB). Raises `InvalidValue` for a URL that names no known storage,
        `StorageError` for a database that cannot be opened or is not at the revision that this release needs.
        """
        return cls(open_storage(url), clock, policy=policy)

    def close(self) -> None:
        """Give back connections and files."""
        self.storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
