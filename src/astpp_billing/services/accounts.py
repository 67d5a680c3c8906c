"""Opening accounts and finding them."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import evolve

from astpp_billing.clock import Clock
from astpp_billing.errors import HierarchyError, InvalidValue, NotFound
from astpp_billing.hierarchy import (
    Account,
    BillingType,
    Endpoint,
    EndpointKind,
    Kind,
    Path,
    ReceiptMode,
    ResellerModel,
    Status,
    check_parent,
    check_path,
)
from astpp_billing.invoicing import InvoiceConfig
from astpp_billing.money import Exact, exact, to_micros
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.services.again import again
from astpp_billing.services.issuing import settle_up
from astpp_billing.services.once import Once

NUMBER_DIGITS = 10
"""The digits of a generated account number."""


_CHOICES: Mapping[str, type[BillingType | ReceiptMode | ResellerModel]] = {
    "billing": BillingType,
    "receipts": ReceiptMode,
    "model": ResellerModel,
}
_INHERITED = ("currency", "timezone", "locale")
_FIXED = frozenset({"id", "number", "kind", "parent_id", "currency", "opened_at", "status"})


class Accounts:
    """The use cases of accounts.

    Options that all `open_…` take by name: `number` (generated if not given), `name`, `timezone` (IANA), `locale`,
    `billing` (a `BillingType`), `credit_limit` (exact, in the account's currency), `rate_group`, `own_rate_group`,
    `loss_less_routing`, `schedule` (a `BillingSchedule`), `receipts` (a `ReceiptMode`), `zero_invoices`,
    `tax_number`, `same_credential`. What is not given comes from the parent (currency, time zone, locale), or is the
    default of `Account`.

    Everything that changes something also takes `key`, which makes the command unique (rules, section 5): the same
    command under the same key changes nothing more, and returns the same accounts, *as they are now*; another one under
    it is an `IdempotencyConflict`. Without a key a command is done each time it is given.
    """

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._once = Once(storage, clock)

    def open_admin(self, name: str, *, currency: str, key: str | None = None, **options: Any) -> Account:
        """Open the root of a tree. Its `rate_group` is what it pays its provider by."""
        return self._open(Kind.ADMIN, None, key, name=name, currency=currency, **options)

    def open_provider(self, name: str, *, currency: str, key: str | None = None, **options: Any) -> Account:
        """Open a carrier, to which the admin owes what termination costs."""
        return self._open(Kind.PROVIDER, None, key, name=name, currency=currency, **options)

    def open_reseller(
        self,
        parent: Account,
        *,
        model: ResellerModel,
        commission_percent: Exact = 0,
        key: str | None = None,
        **options: Any,
    ) -> Account:
        """Open a distributor or a commission reseller; the commission is the share of a call's price, in percent."""
        return self._open(Kind.RESELLER, parent, key, model=model, commission_percent=commission_percent, **options)

    def open_customer(self, parent: Account, *, key: str | None = None, **options: Any) -> Account:
        """Open an account that buys and does not sell."""
        return self._open(Kind.CUSTOMER, parent, key, **options)

    def _open(
        self, kind: Kind, parent: Account | None, key: str | None, *, number: str | None = None, **options: Any
    ) -> Account:
        if parent is not None:
            check_parent(kind, parent)
        fields = _fields(options)

        def do(uow: UnitOfWork) -> str:
            uow.lock_tree()
            seller = None if parent is None else uow.account(parent.id)
            inherited = {} if seller is None else {name: getattr(seller, name) for name in _INHERITED}
            account = Account(
                number=self._free_number(uow) if number is None else number,
                kind=kind,
                parent_id=None if seller is None else seller.id,
                opened_at=self._clock.now(),
                **inherited | fields,
            )
            if seller is not None:
                _check_place(uow, account, seller)
            return str(uow.add_account(account).id)

        return self._once(key, ("open", kind, None if parent is None else parent.id, number, fields), do, _show)

    def _free_number(self, uow: UnitOfWork) -> str:
        while True:
            number = str(secrets.choice(range(10 ** (NUMBER_DIGITS - 1), 10**NUMBER_DIGITS)))
            if uow.find_account(number) is None:
                return number

    @again
    def get(self, number: str) -> Account:
        """The account of a number; `NotFound` if there is none."""
        with self._storage.snapshot() as uow:
            return _found(uow, number)

    @again
    def all(self) -> Sequence[Account]:
        """All accounts, by the time they were opened."""
        with self._storage.snapshot() as uow:
            return uow.accounts()

    @again
    def path(self, account: Account) -> Path:
        """The account and its ancestors, up to the admin."""
        with self._storage.snapshot() as uow:
            return uow.path(account.id)

    def change(self, account: Account, *, key: str | None = None, **changes: Any) -> Account:
        """Change what an account was opened with, by the same names; number, kind, parent and currency stay.

        Where it changes how the account is billed (prepaid or postpaid, or when a prepaid one gets its receipts), what
        it was charged so far is put on documents first, the old way.
        """
        fixed = _FIXED & changes.keys()
        if fixed:
            raise TypeError(f"these fields of an account cannot be changed: {', '.join(sorted(fixed))}")
        fields = _fields(changes)

        def do(uow: UnitOfWork) -> str:
            uow.lock_tree()
            stored = _found(uow, account.number)
            changed = evolve(stored, **fields)
            if _way_of_billing(changed) != _way_of_billing(stored):
                settle_up(uow, [stored], self._clock.now())
            else:
                uow.lock([stored.id])
            uow.update_account(changed)
            return str(stored.id)

        return self._once(key, ("change", account.number, fields), do, _show)

    def move(self, account: Account, parent: Account, *, key: str | None = None) -> Account:
        """Put an account below another parent; past charges and documents stay where they were.

        The parent that it leaves first issues documents for all that it charged. For calls that were authorised before,
        the rates that were agreed then no longer hold. Raises `HierarchyError` where the move would close a cycle, or
        the parent cannot sell.
        """

        def do(uow: UnitOfWork) -> str:
            uow.lock_tree()
            stored = _found(uow, account.number)
            moved = stored.under(parent.id)
            _check_place(uow, moved, parent)
            if moved != stored:
                settle_up(uow, [stored], self._clock.now())
                uow.update_account(moved)
            return str(stored.id)

        return self._once(key, ("move", account.number, parent.id), do, _show)

    def close(self, *accounts: Account, key: str | None = None) -> Sequence[Account]:
        """Close accounts, all or none: they can no longer be charged, and their money history stays.

        What they were charged so far is put on documents first. Raises `HierarchyError` for an account with children
        that are open and not among those to be closed. One that is closed already stays so.
        """
        ids = tuple(account.id for account in accounts)

        def do(uow: UnitOfWork) -> str:
            uow.lock_tree()
            _check_children(uow, ids)
            leaving = [it for it in map(uow.account, dict.fromkeys(ids)) if it.status is Status.OPEN]
            if leaving:
                settle_up(uow, leaving, self._clock.now())
            for account in leaving:
                uow.update_account(evolve(account, status=Status.CLOSED))
            return ""

        return self._once(key, ("close", ids), do, lambda uow, _: [uow.account(account_id) for account_id in ids])

    def add_endpoint(
        self, account: Account, *, user: str | None = None, address: str | None = None, key: str | None = None
    ) -> None:
        """Let an account pay for the calls of a SIP user, or from a network address, that name no account.

        Raises `AlreadyExists` where a user or an address stands for an account already.
        """
        if user is None and address is None:
            raise InvalidValue(f"an endpoint of account {account.number} is a user or an address, and neither is given")

        def do(uow: UnitOfWork) -> str:
            for kind, value in ((EndpointKind.USER, user), (EndpointKind.ADDRESS, address)):
                if value is not None:
                    uow.add_endpoint(Endpoint(kind, value, account.id))
            return ""

        self._once(key, ("add endpoint", account.id, user, address), do, lambda uow, _: None)

    def configure_invoices(self, issuer: Account, *, key: str | None = None, **settings: Any) -> InvoiceConfig:
        """Set what an issuer prints on its documents, by the names of `InvoiceConfig`; the rest stays as it is.

        Returns the whole configuration, as it is now also for a repeat.
        """
        if "account_id" in settings:
            raise TypeError(f"account {issuer.number} is the issuer, and account_id is no setting")

        def do(uow: UnitOfWork) -> str:
            uow.lock_tree()
            uow.save_invoice_config(evolve(_config(uow, issuer), **settings))
            return ""

        content = ("configure invoices", issuer.id, settings)
        return self._once(key, content, do, lambda uow, _: _config(uow, issuer))


def _show(uow: UnitOfWork, account_id: str) -> Account:
    """What a command returns: the account that it was about, as it is now."""
    return uow.account(int(account_id))


def _config(uow: UnitOfWork, issuer: Account) -> InvoiceConfig:
    return uow.find_invoice_config(issuer.id) or InvoiceConfig.default(issuer)


def _check_children(uow: UnitOfWork, leaving: Collection[int]) -> None:
    """Raise `HierarchyError` where accounts that are to be closed have open children that stay."""
    accounts = uow.accounts()
    numbers = {account.id: account.number for account in accounts if account.id in leaving}
    for child in accounts:
        parent = numbers.get(child.parent_id or 0)
        if parent is not None and child.id not in leaving and child.status is Status.OPEN:
            raise HierarchyError(f"account {parent} cannot be closed: its child {child.number} is open")


def _found(uow: UnitOfWork, number: str) -> Account:
    account = uow.find_account(number)
    if account is None:
        raise NotFound(f"no account has the number {number!r}")
    return account


def _fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as fields of `Account`: choices may be given as text, the credit limit in units of the currency."""
    fields = dict(options)
    if "commission_percent" in fields:
        fields["commission_percent"] = exact(fields["commission_percent"], "commission rate")
    if "credit_limit" in fields:
        fields["credit_limit_micros"] = to_micros(fields.pop("credit_limit"), "credit limit")
    for name, choice in _CHOICES.items():
        value = fields.get(name)
        if value is not None:
            try:
                fields[name] = choice(value)
            except ValueError:
                raise InvalidValue(f"{name} is one of {', '.join(choice)}, not {value!r}") from None
    return fields


def _check_place(uow: UnitOfWork, account: Account, parent: Account) -> None:
    """Raise `HierarchyError` where an account cannot be below a parent."""
    path = check_path((account, *uow.path(parent.id)))
    for ancestor in path[1:]:
        if ancestor.status is Status.CLOSED:
            raise HierarchyError(f"nothing can be below {ancestor.number}, which is closed")


def _way_of_billing(account: Account) -> tuple[BillingType, ReceiptMode | None]:
    return account.billing, None if account.is_postpaid else account.receipts
