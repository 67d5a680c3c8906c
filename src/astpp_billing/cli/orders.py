"""`astpp-billing orders`: what a product costs on every level, buying it, by hand or by itself, and refunding it."""

from __future__ import annotations

import secrets
from datetime import datetime

import click

from astpp_billing.cli.app import App
from astpp_billing.cli.charged import charged_of, correction_row
from astpp_billing.cli.output import Output
from astpp_billing.cli.params import INSTANT, key_option
from astpp_billing.cli.tables import Row, printable
from astpp_billing.money import Money
from astpp_billing.pricing.orders import NotSold
from astpp_billing.services.applying import Application, Applied, Failed, NotApplied
from astpp_billing.services.orders import Quote

_quantity = click.option("--quantity", type=int, default=1, show_default=True, help="How many.")


@click.group()
def orders() -> None:
    """Tell what a product costs on every level, buy it, and refund it."""


@orders.command()
@click.argument("buyer", metavar="NUMBER")
@click.argument("code")
@_quantity
@click.pass_obj
def quote(app: App, buyer: str, code: str, quantity: int) -> None:
    """Tell what account NUMBER, and everybody above it, would pay for the product CODE; nothing is changed."""
    product = app.billing.products.get(code)
    found = app.billing.orders.quote(app.account(buyer), product, quantity)
    if isinstance(found, NotSold):
        raise refusal(found)
    _show_quote(app.output, code, found)


def _show_quote(output: Output, code: str, found: Quote) -> None:
    numbers = {account.id: account.number for level in found.levels for account in (level.payer, level.payee)}
    rows: list[Row] = []
    for level in found.levels:
        rows.append(
            {
                "payer": level.payer.number,
                "payee": level.payee.number,
                "what": "order",
                "price": level.price,
                "setup_fee": level.setup_fee,
                "tax": level.tax,
                "total": level.total,
            }
        )
    for paid in found.commissions:
        amount = Money.from_micros(paid.amount_micros, paid.currency)
        rows.append(
            {"payer": paid.payer.number, "payee": paid.receiver.number, "what": "commission", "total": amount}
            | dict.fromkeys(("price", "setup_fee", "tax"))
        )
    profits = [
        {"number": numbers[account_id], "profit": [Money.from_micros(micros, it) for it, micros in bag.items()]}
        for account_id, bag in found.profits.items()
    ]
    columns = {
        "payer": "Payer",
        "payee": "Payee",
        "what": "What",
        "price": "Price",
        "setup_fee": "Setup fee",
        "tax": "Tax",
        "total": "Total",
    }
    lacking = None if found.lacking is None else found.lacking.detail
    more = {"product": code, "version": found.version.version, "quantity": found.quantity}
    output.rows("payments", rows, columns, **more, at=found.at, profits=profits, lacking=lacking)
    if lacking is not None:
        output.say(f"it would be refused now: {lacking}")


@orders.command()
@click.argument("buyer", metavar="NUMBER")
@click.argument("code")
@_quantity
@click.option("--key", required=True, help="What makes the order unique: once for each key, however often it is sent.")
@click.pass_obj
def buy(app: App, buyer: str, code: str, quantity: int, key: str) -> None:
    """Let account NUMBER buy the product CODE; everybody above it pays its price, too, or nobody does."""
    product = app.billing.products.get(code)
    found = app.billing.orders.purchase(app.account(buyer), product, quantity, key=key)
    if isinstance(found, NotSold):
        raise refusal(found)
    order = found.order
    paid = charged_of(found.charges)
    numbers = app.numbers()
    receipts = [{"number": one.number, "buyer": one.buyer_number, "total": one.total} for one in found.documents]
    values: Row = {
        "key": order.key,
        "buyer": buyer,
        "product": code,
        "version": order.version,
        "quantity": order.quantity,
        "at": order.at,
        "repeated": found.repeated,
        "charged": [{"number": numbers[account_id], "amount": amount} for account_id, amount in paid.items()],
        "receipts": receipts,
    }
    charged = paid.get(order.buyer_id)
    price = "for nothing" if charged is None else f"for {charged} without tax"
    done = "had bought" if found.repeated else "has bought"
    app.output.result(values, f"{buyer} {done} {order.quantity} of {code!r} {price}")


@orders.command()
@click.argument("order_key", metavar="KEY")
@click.option("--quantity", type=int, help="How many; all that are left if not given.")
@click.option("--reason", required=True, help="Why, in one line; the statement shows it.")
@key_option
@click.pass_obj
def refund(app: App, order_key: str, quantity: int | None, reason: str, key: str | None) -> None:
    """Give back what the order KEY has cost, to everybody who paid; commissions are taken back.

    What was billed gets credit notes, what was not comes with its refund on the next document. An order that renews is
    refunded as a whole, and ends.
    """
    order = app.billing.orders.get(order_key)
    key = secrets.token_hex(16) if key is None else key
    found = app.billing.orders.refund(order, quantity, reason=reason, key=key)
    charged = charged_of(found.charges).get(order.buyer_id)
    amount = "nothing" if charged is None else f"{-charged} without tax"
    buyer = app.numbers()[order.buyer_id]
    done = "had been refunded" if found.repeated else "was refunded"
    status = app.billing.orders.get(order_key).status
    values: Row = {"order": order_key, "buyer": buyer, "status": status, **correction_row(app, found)}
    app.output.result(values, f"{buyer} {done} {amount} for the order {order_key!r}")


@orders.command("apply")
@click.option("--at", type=INSTANT, help="By the terms of this instant, and with it as the orders'; now, if not given.")
@click.pass_obj
def apply_(app: App, at: datetime | None) -> None:
    """Order what comes by itself with rate groups, for every account that has not had it yet.

    To be run every hour or every day, from cron or a timer, or after rate groups were changed; several at once do no
    harm: each account gets each product once. The exit code is 1 where something could not be ordered and is still due.
    """
    found = list(app.billing.orders.apply(now=at))
    columns = {"product": "Product", "buyer": "Buyer", "result": "Result", "amount": "Amount", "reason": "Reason"}
    app.output.rows("orders", [_applied(one) for one in found], columns)
    if any(isinstance(one, NotApplied | Failed) for one in found):
        click.get_current_context().exit(1)


def _applied(one: Application) -> Row:
    row: dict[str, object] = {"product": one.product.code, "buyer": one.account.number}
    row |= dict.fromkeys(("key", "amount", "reason", "refused_by"))
    match one:
        case Applied():
            order, paid = one.purchased.order, charged_of(one.purchased.charges)
            return row | {"result": "ordered", "key": order.key, "amount": paid.get(order.buyer_id)}
        case NotApplied():
            return row | {"result": "not ordered", "reason": one.why.detail, "refused_by": one.why.account.number}
        case Failed():
            return row | {"result": "failed", "reason": str(one.error)}


@orders.command("list")
@click.option("--buyer", metavar="NUMBER", help="Only what this account has bought.")
@click.pass_obj
def list_(app: App, buyer: str | None) -> None:
    """List the orders, in the order of time, with what the buyer agreed to pay for one unit."""
    account = None if buyer is None else app.account(buyer)
    numbers = app.numbers()
    codes = {product.id: product.code for product in app.billing.products.all()}
    rows: list[Row] = []
    for order in app.billing.orders.orders(account):
        agreed = order.agreement.levels[0]
        rows.append(
            {
                "key": order.key,
                "at": order.at,
                "buyer": numbers[order.buyer_id],
                "product": codes[order.product_id],
                "version": order.version,
                "quantity": order.quantity,
                "price": Money.from_micros(agreed.price_micros, agreed.currency),
                "setup_fee": Money.from_micros(agreed.setup_fee_micros, agreed.currency),
                "status": order.status,
            }
        )
    columns = {
        "at": "At (UTC)",
        "key": "Key",
        "buyer": "Buyer",
        "product": "Product",
        "quantity": "Quantity",
        "price": "Price",
        "setup_fee": "Setup fee",
        "status": "Status",
    }
    app.output.rows("orders", rows, columns)


def refusal(why: NotSold) -> click.ClickException:
    """What is said of something that is not sold."""
    return click.ClickException(printable(f"{why.reason}: {why.detail}"))
