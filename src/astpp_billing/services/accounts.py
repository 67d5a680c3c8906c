"""Opening accounts and finding them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve

from astpp_billing.clock import Clock
from astpp_billing.errors import NotFound
from astpp_billing.hierarchy import (
    Account,
    BillingType,
    Endpoint,
    EndpointKind,
    Kind,
    Path,
    ResellerModel,
    check_parent,
    check_path,
)
from astpp_billing.invoicing import InvoiceConfig
from astpp_billing.money import Exact, exact, to_micros
from astpp_billing.ports import Storage, UnitOfWork

NUMBER_DIGITS = 10
"""The digits of a generated account number."""


class Accounts:
    """The use cases of accounts.

    Options that all `open_…` take by name: `number` (generated if not given), `name`, `timezone` (IANA), `locale`,
    `billing` (a `BillingType`), `credit_limit` (exact, in the account's currency), `rate_group`, `own_rate_group`,
    `loss_less_routing`, `schedule` (a `BillingSchedule`), `receipts` (a `ReceiptMode`), `zero_invoices`,
    `tax_number`, `same_credential`. What is not given comes from the parent (currency, time zone, locale), or is the
    default of `Account`.
    """

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    def open_admin(self, name: str, *, currency: str, **options: Any) -> Account:
        """Open the root of a tree. Its `rate_group` is what it pays its provider by."""
        return self._open(Kind.ADMIN, None, name=name, currency=currency, **options)

    def open_provider(self, name: str, *, currency: str, **options: Any) -> Account:
        """Open a carrier, to which the admin owes what termination costs."""
        return self._open(Kind.PROVIDER, None, name=name, currency=currency, **options)

    def open_reseller(
        self, parent: Account, *, model: ResellerModel, commission_percent: Exact = 0, **options: Any
    ) -> Account:
        """Open a distributor or a commission reseller; the commission is the share of a call's price, in percent."""
        return self._open(Kind.RESELLER, parent, model=model, commission_percent=commission_percent, **options)

    def open_customer(self, parent: Account, **options: Any) -> Account:
        """Open an account that buys and does not sell."""
        return self._open(Kind.CUSTOMER, parent, **options)

    def _open(
        self,
        kind: Kind,
        parent: Account | None,
        *,
        number: str | None = None,
        credit_limit: Exact = 0,
        billing: BillingType = BillingType.PREPAID,
        **options: Any,
    ) -> Account:
        if parent is not None:
            check_parent(kind, parent)
            options = {name: getattr(parent, name) for name in ("currency", "timezone", "locale")} | options
        options["commission_percent"] = exact(options.get("commission_percent", 0), "commission rate")
        with self._storage.begin() as uow:
            account = Account(
                number=self._free_number(uow) if number is None else number,
                kind=kind,
                parent_id=None if parent is None else parent.id,
                billing=BillingType(billing),
                credit_limit_micros=to_micros(credit_limit, "credit limit"),
                opened_at=self._clock.now(),
                **options,
            )
            if parent is not None:
                check_path((account, *uow.path(parent.id)))
            return uow.add_account(account)

    def _free_number(self, uow: UnitOfWork) -> str:
        while True:
            number = str(secrets.choice(range(10 ** (NUMBER_DIGITS - 1), 10**NUMBER_DIGITS)))
            if uow.find_account(number) is None:
                return number

    def get(self, number: str) -> Account:
        """The account of a number; `NotFound` if there is none."""
        with self._storage.begin() as uow:
            return _found(uow, number)

    def all(self) -> Sequence[Account]:
        """All accounts, by the time they were opened."""
        with self._storage.begin() as uow:
            return uow.accounts()

    def path(self, account: Account) -> Path:
        """The account and its ancestors, up to the admin."""
        with self._storage.begin() as uow:
            return uow.path(account.id)

    def change(self, account: Account, **changes: Any) -> Account:
        """Change fields of an account, by their names in `Account`; number, kind, parent and currency stay."""
        fixed = {"id", "number", "kind", "parent_id", "currency", "opened_at"} & changes.keys()
        if fixed:
            raise TypeError(f"these fields of an account cannot be changed: {', '.join(sorted(fixed))}")
        return self._change(account.number, lambda stored: evolve(stored, **changes))

    def move(self, account: Account, parent: Account) -> Account:
        """Put an account below another parent; past charges and documents stay where they were.

        Raises `HierarchyError` where that would close a cycle, or the parent cannot sell.
        """
        with self._storage.begin() as uow:
            moved = _found(uow, account.number).under(parent.id)
            check_path((moved, *uow.path(parent.id)))
            uow.update_account(moved)
            return moved

    def _change(self, number: str, change: Callable[[Account], Account]) -> Account:
        with self._storage.begin() as uow:
            changed = change(_found(uow, number))
            uow.update_account(changed)
            return changed

    def add_endpoint(self, account: Account, *, user: str | None = None, address: str | None = None) -> None:
        """Let an account pay for the calls of a SIP user, or from a network address, that name no account."""
        with self._storage.begin() as uow:
            for kind, value in ((EndpointKind.USER, user), (EndpointKind.ADDRESS, address)):
                if value is not None:
                    uow.add_endpoint(Endpoint(kind, value, account.id))

    def configure_invoices(self, issuer: Account, **settings: Any) -> InvoiceConfig:
        """Set what an issuer prints on its documents, by the names of `InvoiceConfig`; the rest stays as it is."""
        with self._storage.begin() as uow:
            known = uow.find_invoice_config(issuer.id) or InvoiceConfig.default(issuer)
            config = evolve(known, **settings)
            uow.save_invoice_config(config)
            return config


def _found(uow: UnitOfWork, number: str) -> Account:
    account = uow.find_account(number)
    if account is None:
        raise NotFound(f"no account has the number {number!r}")
    return account
