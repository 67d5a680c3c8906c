"""Accounts, endpoints and invoice configurations in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve
from sqlalchemy import delete, select, update

from astpp_billing.errors import InvalidValue, NotFound
from astpp_billing.hierarchy import Account, Endpoint, EndpointKind, Path, check_path, walk_up
from astpp_billing.invoicing import InvoiceConfig
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.mapping import account_of, account_row, config_of, config_row
from astpp_billing.storage.sql.part import Part


class Accounts(Part):
    """The part of a unit of work that knows accounts."""

    def add_account(self, account: Account) -> Account:
        """See `ports.UnitOfWork`."""
        with self._whole():
            account_id = self._insert(tables.accounts, account_row(account), f"account {account.number}")
            if account.parent_id == account_id:  # it was not there when it was named
                raise NotFound(f"no account has the id {account_id}")
            self._add_wallet(account, account_id)
            return evolve(account, id=account_id)

    def update_account(self, account: Account) -> None:
        """See `ports.UnitOfWork`."""
        wallets = tables.wallets
        query = update(tables.accounts).where(tables.accounts.c.id == account.id).values(account_row(account))
        changed = {"credit_micros": account.spendable_below_zero_micros, "epoch": wallets.c.epoch + 1}
        with self._whole():
            # the wallet first: that is the order in which everybody locks
            same = (wallets.c.account_id == account.id, wallets.c.currency == account.currency)
            moved = self._connection.execute(update(wallets).where(*same).values(changed)).rowcount
            with self._naming(f"account {account.number}"):
                found = self._connection.execute(query).rowcount
            if found != 1:
                raise NotFound(f"no account has the id {account.id}")
            if moved != 1:
                raise InvalidValue(
                    f"account {account.number} keeps its currency: its wallet is not in {account.currency}"
                )

    def _add_wallet(self, account: Account, account_id: int) -> None:
        wallets = tables.wallets
        above = self._first(select(wallets.c.closed_until).where(wallets.c.account_id == account.parent_id))
        row = {
            "account_id": account_id,
            "currency": account.currency,
            "balance_micros": 0,
            "rounding_micros": 0,
            "held_micros": 0,
            "credit_micros": account.spendable_below_zero_micros,
            "epoch": 0,
            "closed_until": above and above["closed_until"],
        }
        self._insert(wallets, row, f"the wallet of account {account.number}")

    def account(self, account_id: int) -> Account:
        """See `ports.UnitOfWork`."""
        row = self._first(select(tables.accounts).where(tables.accounts.c.id == account_id))
        if row is None:
            raise NotFound(f"no account has the id {account_id}")
        return account_of(row)

    def find_account(self, number: str) -> Account | None:
        """See `ports.UnitOfWork`."""
        row = self._first(select(tables.accounts).where(tables.accounts.c.number == number))
        return None if row is None else account_of(row)

    def path(self, account_id: int) -> Path:
        """See `ports.UnitOfWork`: one query, whatever the depth."""
        accounts = tables.accounts
        walk = (
            select(accounts.c.id, accounts.c.parent_id).where(accounts.c.id == account_id).cte("walk", recursive=True)
        )
        # UNION, not UNION ALL, ends even where the parents form a cycle
        walk = walk.union(select(accounts.c.id, accounts.c.parent_id).where(accounts.c.id == walk.c.parent_id))
        found = {
            row["id"]: account_of(row)
            for row in self._all(select(accounts).where(accounts.c.id.in_(select(walk.c.id))))
        }
        return check_path(walk_up(found, account_id))

    def accounts(self) -> Sequence[Account]:
        """See `ports.UnitOfWork`."""
        return [account_of(row) for row in self._all(select(tables.accounts).order_by(tables.accounts.c.id))]

    def billed_until(self, account_id: int) -> datetime | None:
        """See `ports.UnitOfWork`."""
        row = self._first(select(tables.accounts.c.billed_until).where(tables.accounts.c.id == account_id))
        if row is None:
            raise NotFound(f"no account has the id {account_id}")
        instant: datetime | None = row["billed_until"]
        return instant

    def set_billed_until(self, account_id: int, instant: datetime) -> None:
        """See `ports.UnitOfWork`."""
        query = update(tables.accounts).where(tables.accounts.c.id == account_id).values(billed_until=instant)
        if self._connection.execute(query).rowcount != 1:
            raise NotFound(f"no account has the id {account_id}")

    def add_endpoint(self, endpoint: Endpoint) -> None:
        """See `ports.UnitOfWork`."""
        row = {"kind": endpoint.kind, "value": endpoint.value, "account_id": endpoint.account_id}
        self._insert(tables.endpoints, row, f"endpoint {endpoint.kind} {endpoint.value}")

    def find_endpoint(self, kind: EndpointKind, value: str) -> int | None:
        """See `ports.UnitOfWork`."""
        endpoints = tables.endpoints
        query = select(endpoints.c.account_id).where(endpoints.c.kind == kind, endpoints.c.value == value)
        return self._connection.execute(query).scalar_one_or_none()

    def save_invoice_config(self, config: InvoiceConfig) -> None:
        """See `ports.UnitOfWork`."""
        configs = tables.invoice_configs
        self._connection.execute(delete(configs).where(configs.c.account_id == config.account_id))
        self._insert(configs, config_row(config), f"the invoice configuration of account {config.account_id}")

    def find_invoice_config(self, account_id: int) -> InvoiceConfig | None:
        """See `ports.UnitOfWork`."""
        row = self._first(select(tables.invoice_configs).where(tables.invoice_configs.c.account_id == account_id))
        return None if row is None else config_of(row)
