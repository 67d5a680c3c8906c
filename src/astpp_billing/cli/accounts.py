"""`astpp-billing accounts`: open, change and list accounts, and say who pays for which calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import click

from astpp_billing.cli.app import App
from astpp_billing.cli.params import CURRENCY, NUMBER, SCHEDULE, key_option
from astpp_billing.cli.tables import Row
from astpp_billing.hierarchy import Account, BillingType, Kind, ReceiptMode, ResellerModel
from astpp_billing.hierarchy.export import AccountRow, accounts_csv
from astpp_billing.money import Money


def _choice(choices: type[StrEnum]) -> click.Choice:  # type: ignore[type-arg]  # as in params: a type only since 8.2
    """One of the values, by which click has always known them; newer ones would show their names."""
    return click.Choice([choice.value for choice in choices])


_CHANGEABLE: Sequence[Callable[[Any], Any]] = (
    click.option("--name", help="What the account is called."),
    click.option("--timezone", help="IANA time zone in which its days and months are counted."),
    click.option("--locale", help="How its amounts and dates are written, such as en_US."),
    click.option("--billing", type=_choice(BillingType), help="Pays before, or after by invoice."),
    click.option("--credit-limit", type=NUMBER, help="How far a postpaid account may go below zero."),
    click.option("--rate-group", help="The price list it pays by; a provider's for the admin."),
    click.option("--own-rate-group", help="A price list for this account alone, which is asked first."),
    click.option("--schedule", type=SCHEDULE, help="daily, weekly:1 to weekly:7 (Sunday), monthly:1 to monthly:31."),
    click.option("--receipts", type=_choice(ReceiptMode), help="When a prepaid account gets receipts."),
    click.option("--zero-invoices/--no-zero-invoices", default=None, help="Whether it gets invoices of 0."),
    click.option("--loss-less-routing/--no-loss-less-routing", default=None, help="Allow calls at a loss."),
    click.option("--same-credential/--no-same-credential", default=None, help="Bill in the parent's name."),
    click.option("--tax-number", help="Its tax number, as documents print it."),
)


def _changeable(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_CHANGEABLE):
        command = option(command)
    return command


_identity = click.option("--number", help="A free account number; ten digits are made up if not given.")
_currency = click.option("--currency", type=CURRENCY, help="Of its wallet; the parent's if not given.")
_needed_currency = click.option("--currency", type=CURRENCY, required=True, help="Of its wallet.")
_parent = click.option("--parent", metavar="NUMBER", required=True, help="The account that sells to it.")


@click.group()
def accounts() -> None:
    """Open, change and list accounts."""


@accounts.group("open")
def open_() -> None:
    """Open an account. What is not given comes from the parent: currency, time zone, locale."""


@open_.command("admin")
@_identity
@_needed_currency
@_changeable
@key_option
@click.pass_obj
def open_admin(app: App, /, **options: Any) -> None:
    """Open the root of a tree; --rate-group is what it pays its provider by."""
    _show(app, app.billing.accounts.open_admin(**{"name": "", **_given(app, options)}))


@open_.command("provider")
@_identity
@_needed_currency
@_changeable
@key_option
@click.pass_obj
def open_provider(app: App, /, **options: Any) -> None:
    """Open a carrier, which offers the price list of termination."""
    _show(app, app.billing.accounts.open_provider(**{"name": "", **_given(app, options)}))


@open_.command("reseller")
@_parent
@click.option(
    "--model",
    type=_choice(ResellerModel),
    required=True,
    help="Sells at its own prices, or at its parent's for a share.",
)
@click.option("--commission-percent", type=NUMBER, help="The share of a call's price, for a commission reseller.")
@_identity
@_currency
@_changeable
@key_option
@click.pass_obj
def open_reseller(app: App, /, parent: str, model: ResellerModel, **options: Any) -> None:
    """Open a distributor or a commission reseller."""
    seller = app.account(parent)
    _show(app, app.billing.accounts.open_reseller(seller, model=model, **_given(app, options)))


@open_.command("customer")
@_parent
@_identity
@_currency
@_changeable
@key_option
@click.pass_obj
def open_customer(app: App, /, parent: str, **options: Any) -> None:
    """Open an account that buys and does not sell."""
    _show(app, app.billing.accounts.open_customer(app.account(parent), **_given(app, options)))


@accounts.command()
@click.argument("number")
@click.option("--commission-percent", type=NUMBER, help="The share of a call's price, for a commission reseller.")
@_changeable
@key_option
@click.pass_obj
def change(app: App, /, number: str, key: str | None, **options: Any) -> None:
    """Change an account; what is not given stays as it is."""
    changes = _given(app, options)
    if not changes:
        raise click.UsageError("say what to change")
    _show(app, app.billing.accounts.change(app.account(number), key=key, **changes))


@accounts.command()
@click.argument("number")
@click.argument("parent")
@key_option
@click.pass_obj
def move(app: App, number: str, parent: str, key: str | None) -> None:
    """Put account NUMBER below PARENT; what it was charged so far is billed by the old one first."""
    _show(app, app.billing.accounts.move(app.account(number), app.account(parent), key=key))


@accounts.command()
@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True)
@key_option
@click.pass_obj
def close(app: App, numbers: tuple[str, ...], key: str | None) -> None:
    """Close accounts, all of them or none; what they were charged so far is billed first."""
    closed = app.billing.accounts.close(*map(app.account, numbers), key=key)
    parents = app.numbers()
    wallets = app.billing.ledger.wallets()
    rows = [account_row(a, parents.get(a.parent_id or 0), wallets.get(a.id, Money.zero(a.currency))) for a in closed]
    app.output.rows("accounts", rows, {"number": "Number", "status": "Status", "balance": "Balance"})


@accounts.command()
@click.argument("number")
@click.option("--user", help="A SIP user whose calls the account pays for.")
@click.option("--address", help="A network address whose calls the account pays for.")
@key_option
@click.pass_obj
def endpoint(app: App, number: str, user: str | None, address: str | None, key: str | None) -> None:
    """Say whose calls an account pays for, where the switch sends no account number."""
    if user is None and address is None:
        raise click.UsageError("give --user, --address, or both")
    app.billing.accounts.add_endpoint(app.account(number), user=user, address=address, key=key)
    named = " and ".join(filter(None, (user and f"the user {user}", address and f"the address {address}")))
    app.output.result({"number": number, "user": user, "address": address}, f"{number} pays for calls of {named}")


@accounts.command("list")
@click.option("--kind", type=_choice(Kind), help="Only accounts of a kind.")
@click.option("--parent", metavar="NUMBER", help="Only the accounts that this one sells to.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV (RFC 4180, UTF-8) of the accounts that were asked for.")
@click.pass_obj
def list_(app: App, kind: Kind | None, parent: str | None, as_csv: bool) -> None:
    """List accounts with what is in their wallets."""
    if as_csv and app.output.as_json:
        raise click.UsageError("--csv and --json cannot be had together")
    parent_id = None if parent is None else app.account(parent).id
    known = app.billing.accounts.all()
    chosen = [a for a in known if kind in (None, a.kind) and parent_id in (None, a.parent_id)]
    numbers: dict[int | None, str] = {account.id: account.number for account in known}
    wallets = app.billing.ledger.wallets()
    if as_csv:
        out = sys.stdout.buffer
        micros = {account_id: balance.micros for account_id, balance in wallets.items()}
        rows = (AccountRow(a, numbers.get(a.parent_id, ""), micros.get(a.id, 0)) for a in chosen)
        for line in accounts_csv(rows):
            out.write(line.encode("utf-8", "replace"))
        out.flush()
        return
    shown = [account_row(a, numbers.get(a.parent_id), wallets.get(a.id, Money.zero(a.currency))) for a in chosen]
    app.output.rows(
        "accounts",
        shown,
        {
            "number": "Number",
            "name": "Name",
            "role": "Role",
            "parent": "Parent",
            "billing": "Billing",
            "balance": "Balance",
            "rate_group": "Rate group",
        },
    )


def account_row(account: Account, parent: str | None, balance: Money) -> Row:
    """What is shown of an account."""
    role = account.kind if account.model is None else account.model
    commission = f" {account.commission_percent:f} %" if account.commission_percent else ""
    return {
        "number": account.number,
        "name": account.name,
        "role": f"{role}{commission}",
        "kind": account.kind,
        "model": account.model,
        "parent": parent,
        "status": account.status,
        "billing": account.billing,
        "currency": account.currency,
        "balance": balance,
        "credit_limit": Money.from_micros(account.credit_limit_micros, account.currency),
        "timezone": account.timezone,
        "locale": account.locale,
        "rate_group": account.rate_group,
        "own_rate_group": account.own_rate_group,
        "commission_percent": account.commission_percent,
        "schedule": f"{account.schedule.cadence}:{account.schedule.day}",
        "receipts": account.receipts,
        "zero_invoices": account.zero_invoices,
        "loss_less_routing": account.loss_less_routing,
        "same_credential": account.same_credential,
        "tax_number": account.tax_number,
        "opened_at": account.opened_at,
    }


def _given(app: App, options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given; a rate group must exist."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in ("rate_group", "own_rate_group"):
        app.group(given.get(name))
    return given


def _show(app: App, account: Account) -> None:
    row = account_row(account, app.numbers().get(account.parent_id or 0), app.billing.ledger.balance(account))
    name = f" {account.name!r}" if account.name else ""
    app.output.result(row, f"{account.kind} {account.number}{name} in {account.currency}, {account.billing}")
