"""What the parts of a unit of work in memory share: the tables, and how they are changed and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

from attrs import Factory, define

from astpp_billing.calls import CallEntry
from astpp_billing.errors import NotFound, StorageError
from astpp_billing.fx import ExchangeRate
from astpp_billing.hierarchy import Account, EndpointKind
from astpp_billing.invoicing import Document, DocumentKind, InvoiceConfig
from astpp_billing.ledger import Charge, Hold, Order, Posting, Used, UsedKey, Wallet
from astpp_billing.ledger.vouchers import Voucher, VoucherBatch
from astpp_billing.ports import Command, Series
from astpp_billing.pricing import Listing, Product, ProductVersion, Rate, RateGroup
from astpp_billing.pricing.allowances import Grant, MinutesUsed
from astpp_billing.pricing.subscriptions import Subscription

K = TypeVar("K")
V = TypeVar("V")


@define
class Tables:
    """All that is stored. Rows are never removed, so the next id of a table is its length + 1."""

    commands: dict[str, Command] = Factory(dict)
    accounts: dict[int, Account] = Factory(dict)
    wallets: dict[int, Wallet] = Factory(dict)  # one for each account
    billed_until: dict[int, datetime] = Factory(dict)
    endpoints: dict[tuple[EndpointKind, str], int] = Factory(dict)
    invoice_configs: dict[int, InvoiceConfig] = Factory(dict)
    last_numbers: dict[Series, int] = Factory(dict)
    rate_groups: dict[str, RateGroup] = Factory(dict)
    rates: dict[str, tuple[Rate, ...]] = Factory(dict)  # in the order in which they were imported
    exchange_rates: dict[int, ExchangeRate] = Factory(dict)
    products: dict[int, Product] = Factory(dict)
    product_versions: dict[tuple[int, int], ProductVersion] = Factory(dict)  # by product and version
    listings: dict[tuple[int, int, int], Listing] = Factory(dict)  # by product, seller and version
    price_version: dict[None, int] = Factory(dict)  # one row
    last_id: dict[None, int] = Factory(dict)  # one row: the last id that was reserved
    postings: dict[str, Posting] = Factory(dict)
    posting_ids: dict[str, int] = Factory(dict)
    calls: dict[str, CallEntry] = Factory(dict)
    used: dict[UsedKey, Used] = Factory(dict)
    holds: dict[str, Hold] = Factory(dict)
    grants: dict[int, Grant] = Factory(dict)
    minutes: dict[tuple[int, str], MinutesUsed] = Factory(dict)
    charges: dict[tuple[int, int], Charge] = Factory(dict)  # by the id of the posting, and the position in it
    documents: dict[int, Document] = Factory(dict)
    document_numbers: dict[tuple[int, DocumentKind, str], int] = Factory(dict)
    subscriptions: dict[int, Subscription] = Factory(dict)
    voucher_batches: dict[int, VoucherBatch] = Factory(dict)
    vouchers: dict[str, Voucher] = Factory(dict)  # by the digest of the code
    orders: dict[int, Order] = Factory(dict)


class Part:
    """One area of a unit of work; `may_change` is False for a snapshot."""

    def __init__(self, tables: Tables, *, may_change: bool = True) -> None:
        self._open_tables: Tables | None = tables
        self._may_change = may_change
        self._before: list[Callable[[], object]] = []
        self._locked_series: frozenset[Series] | None = None  # None until something was locked

    @property
    def _tables(self) -> Tables:
        if self._open_tables is None:
            raise StorageError("the transaction has ended")
        return self._open_tables

    def _check_changing(self) -> None:
        if not self._may_change:
            raise StorageError("nothing can be changed through a snapshot")

    def _put(self, table: dict[K, V], key: K, value: V) -> None:
        self._check_changing()
        restore = partial(table.__setitem__, key, table[key]) if key in table else partial(table.__delitem__, key)
        self._before.append(restore)
        table[key] = value

    def _need_account(self, *ids: int | None) -> None:
        for account_id in ids:
            if account_id is not None and account_id not in self._tables.accounts:
                raise NotFound(f"no account has the id {account_id}")


def picked(table: Mapping[K, V], keys: Iterable[K]) -> dict[K, V]:
    """The rows that have one of the keys."""
    return {key: table[key] for key in keys if key in table}
