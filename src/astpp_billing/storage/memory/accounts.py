"""Accounts with their wallets, endpoints and invoice configurations in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from astpp_billing.clock import utc
from astpp_billing.errors import AlreadyExists, InvalidValue, StorageError
from astpp_billing.hierarchy import Account, Endpoint, EndpointKind, Path, check_path, walk_up
from astpp_billing.invoicing import InvoiceConfig
from astpp_billing.ledger import Wallet
from astpp_billing.storage.memory.part import Part


class Accounts(Part):
    """The part of a unit of work that knows accounts."""

    def lock_tree(self) -> None:
        """See `ports.UnitOfWork`."""
        self._check_changing()
        if self._locked_series is not None:
            raise StorageError("the tree is to be locked before any wallet")

    def add_account(self, account: Account) -> Account:
        """See `ports.UnitOfWork`."""
        self._check_account(evolve(account, id=0))
        stored = evolve(account, id=len(self._tables.accounts) + 1)
        above = None if stored.parent_id is None else self._tables.wallets[stored.parent_id]
        wallet = Wallet(
            account_id=stored.id,
            currency=stored.currency,
            credit_micros=stored.spendable_below_zero_micros,
            closed_until=None if above is None else above.closed_until,
        )
        self._put(self._tables.accounts, stored.id, stored)
        self._put(self._tables.wallets, stored.id, wallet)
        return stored

    def update_account(self, account: Account) -> None:
        """See `ports.UnitOfWork`."""
        self._need_account(account.id)
        self._check_account(account)
        wallet = self._tables.wallets[account.id]
        if account.currency != wallet.currency:
            raise InvalidValue(f"account {account.number} has a wallet in {wallet.currency}, not {account.currency}")
        credit = account.spendable_below_zero_micros
        self._put(self._tables.accounts, account.id, account)
        self._put(self._tables.wallets, account.id, evolve(wallet, credit_micros=credit, epoch=wallet.epoch + 1))

    def _check_account(self, account: Account) -> None:
        namesake = self.find_account(account.number)
        if namesake is not None and namesake.id != account.id:
            raise AlreadyExists(f"account {account.number} exists already")
        self._need_account(account.parent_id)

    def account(self, account_id: int) -> Account:
        """See `ports.UnitOfWork`."""
        self._need_account(account_id)
        return self._tables.accounts[account_id]

    def find_account(self, number: str) -> Account | None:
        """See `ports.UnitOfWork`."""
        return next((account for account in self._tables.accounts.values() if account.number == number), None)

    def path(self, account_id: int) -> Path:
        """See `ports.UnitOfWork`."""
        return check_path(walk_up(self._tables.accounts, account_id))

    def accounts(self) -> Sequence[Account]:
        """See `ports.UnitOfWork`."""
        return list(self._tables.accounts.values())

    def add_endpoint(self, endpoint: Endpoint) -> None:
        """See `ports.UnitOfWork`."""
        key = (endpoint.kind, endpoint.value)
        if key in self._tables.endpoints:
            raise AlreadyExists(f"endpoint {endpoint.kind} {endpoint.value} exists already")
        self._need_account(endpoint.account_id)
        self._put(self._tables.endpoints, key, endpoint.account_id)

    def find_endpoint(self, kind: EndpointKind, value: str) -> int | None:
        """See `ports.UnitOfWork`."""
        return self._tables.endpoints.get((kind, value))

    def save_invoice_config(self, config: InvoiceConfig) -> None:
        """See `ports.UnitOfWork`."""
        self._need_account(config.account_id)
        self._put(self._tables.invoice_configs, config.account_id, config)

    def find_invoice_config(self, account_id: int) -> InvoiceConfig | None:
        """See `ports.UnitOfWork`."""
        return self._tables.invoice_configs.get(account_id)

    def billed_until(self, account_id: int) -> datetime | None:
        """See `ports.UnitOfWork`."""
        self._need_account(account_id)
        return self._tables.billed_until.get(account_id)

    def set_billed_until(self, account_id: int, instant: datetime) -> None:
        """See `ports.UnitOfWork`."""
        self._need_account(account_id)
        self._put(self._tables.billed_until, account_id, utc(instant))
