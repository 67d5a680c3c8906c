"""`astpp-billing subscriptions`: what renews by itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import click

from astpp_billing.cli.app import App
from astpp_billing.cli.orders import refusal
from astpp_billing.cli.params import INSTANT, key_option
from astpp_billing.cli.tables import Row
from astpp_billing.money import Money
from astpp_billing.pricing.orders import NotSold
from astpp_billing.pricing.subscriptions import Subscription
from astpp_billing.services.renewing import Ended, Failed, NotRenewed, Released, Renewal, Renewed
from astpp_billing.services.subscriptions import BATCH_SIZE

_RESULTS = {
    Renewed: "renewed",
    Ended: "ended",
    Released: "released",
    NotRenewed: "not renewed",
    Failed: "failed",
}


@click.group()
def subscriptions() -> None:
    """List and renew subscriptions, remind of them, and cancel, pause, resume or change them."""


@subscriptions.command("list")
@click.option("--buyer", metavar="NUMBER", help="Only those of this account.")
@click.pass_obj
def list_(app: App, buyer: str | None) -> None:
    """List subscriptions, by id, whatever became of them."""
    numbers = app.numbers()
    found = app.billing.subscriptions.all(None if buyer is None else app.account(buyer))
    columns = {
        "id": "Id",
        "buyer": "Buyer",
        "description": "Product",
        "quantity": "Quantity",
        "every": "Renews",
        "paid_until": "Paid until (UTC)",
        "status": "Status",
    }
    app.output.rows("subscriptions", [_row(one, numbers) for one in found], columns)


def _row(one: Subscription, numbers: Mapping[int, str]) -> Row:
    return {
        "id": one.id,
        "order": one.order_id,
        "buyer": numbers[one.buyer_id],
        "description": one.description,
        "quantity": one.quantity,
        "every": str(one.recurrence),
        "timezone": one.timezone,
        "paid_from": one.period_start,
        "paid_until": one.period_end,
        "status": one.status.value,
        "cancel_at_end": one.cancel_at_end,
    }


@subscriptions.command()
@click.option("--at", type=INSTANT, help="What is due by this instant; by now, if not given.")
@click.option("--batch-size", type=click.IntRange(min=1), default=BATCH_SIZE, show_default=True, hidden=True)
@click.pass_obj
def renew(app: App, at: datetime | None, batch_size: int) -> None:
    """Renew what is due, and catch up the periods that were missed.

    To be run every hour or every day, from cron or a timer; several at once do no harm: each period is charged once.
    The exit code is 1 where a subscription could not be renewed and is still due.
    """
    numbers = app.numbers()
    found = list(app.billing.subscriptions.renew(now=at, batch_size=batch_size))
    columns = {
        "id": "Id",
        "buyer": "Buyer",
        "description": "Product",
        "result": "Result",
        "paid_until": "Paid until (UTC)",
        "amount": "Amount",
        "reason": "Reason",
    }
    app.output.rows("renewals", [_result(one, numbers) for one in found], columns)
    if any(isinstance(one, NotRenewed | Failed) for one in found):
        click.get_current_context().exit(1)


def _result(one: Renewal, numbers: Mapping[int, str]) -> Row:
    amount: Money | None = None
    reason: str | None = None
    account: str | None = None
    match one:
        case Renewed():
            own = [charge for charge in one.charges if charge.account_id == one.subscription.buyer_id]
            amount = own[0].amount if own else None
        case Released() | NotRenewed():
            reason, account = one.why.detail, one.why.account.number
        case Failed():
            reason = str(one.error)
        case Ended():
            reason = "cancelled"
    row = _row(one.subscription, numbers)
    return {**row, "result": _RESULTS[type(one)], "amount": amount, "reason": reason, "refused_by": account}


@subscriptions.command()
@click.option("--days", type=click.IntRange(min=1), default=7, show_default=True, help="How long before the renewal.")
@click.pass_obj
def remind(app: App, days: int) -> None:
    """List what will renew soon: each period of a subscription once, however often this is run."""
    numbers = app.numbers()
    found = list(app.billing.subscriptions.reminders(timedelta(days=days)))
    columns = {"id": "Id", "buyer": "Buyer", "description": "Product", "renews_at": "Renews at (UTC)"}
    rows: list[Row] = [{**_row(one.subscription, numbers), "renews_at": one.renews_at} for one in found]
    app.output.rows("reminders", rows, columns)


@subscriptions.command()
@click.argument("number", metavar="ID", type=int)
@click.option("--now", is_flag=True, help="At once, and not with the period that is paid.")
@click.option("--refund", is_flag=True, help="With --now: pay back what is left of the period, by days.")
@key_option
@click.pass_obj
def cancel(app: App, number: int, now: bool, refund: bool, key: str | None) -> None:
    """End subscription ID with the period that is paid."""
    found = app.billing.subscriptions.get(number)
    _show(app, app.billing.subscriptions.cancel(found, at_end=not now, refund=refund, key=key))


@subscriptions.command("change-plan")
@click.argument("number", metavar="ID", type=int)
@click.argument("code", metavar="PRODUCT")
@click.option("--now", is_flag=True, help="At once, prorated by days, and not with the next renewal.")
@key_option
@click.pass_obj
def change_plan(app: App, number: int, code: str, now: bool, key: str | None) -> None:
    """Let subscription ID be for PRODUCT from its next renewal on."""
    services = app.billing.subscriptions
    found = services.change_plan(services.get(number), app.billing.products.get(code), at_once=now, key=key)
    if isinstance(found, NotSold):
        raise refusal(found)
    _show(app, found)


@subscriptions.command()
@click.argument("number", metavar="ID", type=int)
@key_option
@click.pass_obj
def pause(app: App, number: int, key: str | None) -> None:
    """Charge nothing more for subscription ID until it is resumed."""
    _show(app, app.billing.subscriptions.pause(app.billing.subscriptions.get(number), key=key))


@subscriptions.command()
@click.argument("number", metavar="ID", type=int)
@key_option
@click.pass_obj
def resume(app: App, number: int, key: str | None) -> None:
    """Charge for subscription ID again; where what was paid has ended, its next period begins now."""
    _show(app, app.billing.subscriptions.resume(app.billing.subscriptions.get(number), key=key))


def _show(app: App, one: Subscription) -> None:
    ending = ", and ends then" if one.cancel_at_end else ""
    if one.next_plan is not None:
        ending += f", then it is for {one.next_plan.description!r}"
    text = f"subscription {one.id} is {one.status}: paid until {one.period_end:%Y-%m-%d %H:%M} UTC{ending}"
    app.output.result({**_row(one, app.numbers())}, text)
