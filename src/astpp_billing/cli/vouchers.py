"""`astpp-billing vouchers`: refill cards."""

from __future__ import annotations

import sys
from datetime import datetime
from decimal import Decimal

import click

from astpp_billing.cli.app import App
from astpp_billing.cli.params import CURRENCY, INSTANT, NUMBER, key_option
from astpp_billing.cli.tables import Row
from astpp_billing.ledger.vouchers import VoucherBatch
from astpp_billing.money import Money
from astpp_billing.services.vouchers import CardRefused, vouchers_csv


@click.group()
def vouchers() -> None:
    """Make, redeem, block and list refill cards."""


@vouchers.command()
@click.argument("seller", metavar="NUMBER")
@click.argument("amount", type=NUMBER)
@click.option("--count", type=int, required=True, help="How many cards.")
@click.option("--name", required=True, help="What the batch is called; the seller has no other of this name.")
@click.option("--currency", type=CURRENCY, help="The currency of the cards; the seller's own if not given.")
@click.option("--expires", type=INSTANT, help="From when on no card is redeemed any more; never if not given.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV (RFC 4180, UTF-8), one line for each card.")
@key_option
@click.pass_obj
def generate(
    app: App,
    seller: str,
    amount: Decimal,
    count: int,
    name: str,
    currency: str | None,
    expires: datetime | None,
    as_csv: bool,
    key: str | None,
) -> None:
    """Make cards worth AMOUNT each, which account NUMBER sells to all below it.

    The codes are shown now and never again: only their hashes are kept. Block a batch whose codes were lost.
    """
    if as_csv and app.output.as_json:
        raise click.UsageError("--csv and --json cannot be had together")
    account = app.account(seller)
    money = Money(amount, currency or account.currency)
    made = app.billing.vouchers.generate(account, money, count, name=name, expires_at=expires, key=key)
    if not made.codes:
        app.output.say(f"batch {made.batch.id} was made before, and its codes were shown then")
    if as_csv:
        for text in vouchers_csv(made):
            sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
        return
    rows: list[Row] = [{"serial": serial, "code": code} for serial, code in enumerate(made.codes, 1)]
    batch = _batch_row(made.batch, {account.id: account.number})
    app.output.rows("cards", rows, {"serial": "Serial", "code": "Code"}, batch=batch)


@vouchers.command()
@click.argument("number")
@click.argument("code")
@click.option("--key", required=True, help="What makes it unique: once for each key, however often it is sent.")
@click.pass_obj
def redeem(app: App, number: str, code: str, key: str) -> None:
    """Refill the wallet of account NUMBER by the card with CODE; with "-", the code is read from standard input."""
    account = app.account(number)
    typed = sys.stdin.readline() if code == "-" else code
    result = app.billing.vouchers.redeem(account, typed.strip(), key=key)
    if isinstance(result, CardRefused):
        raise click.ClickException(str(result))
    balance = app.billing.ledger.balance(account)
    values = {"number": number, "key": result.key, "at": result.at, "balance": balance}
    app.output.result(values, f"{number} has {balance}")


@vouchers.command(name="list")
@click.argument("batch", required=False, type=int)
@click.option("--seller", metavar="NUMBER", help="Only the batches of this account.")
@click.pass_obj
def list_(app: App, batch: int | None, seller: str | None) -> None:
    """List all batches, or the cards of BATCH; the codes are nowhere."""
    numbers = app.numbers()
    if batch is None:
        found = app.billing.vouchers.batches(None if seller is None else app.account(seller))
        app.output.rows("batches", [_batch_row(one, numbers) for one in found], _BATCHES)
        return
    if seller is not None:
        raise click.UsageError("give BATCH or --seller, not both")
    rows = [
        {
            "serial": one.serial,
            "state": one.state.value,
            "account": None if one.account_id is None else numbers[one.account_id],
            "redeemed_at": one.redeemed_at,
            "key": one.posting_key,
        }
        for one in app.billing.vouchers.cards(batch)
    ]
    app.output.rows("cards", rows, _CARDS)


_BATCHES = {
    "batch": "Batch",
    "seller": "Seller",
    "name": "Name",
    "amount": "Amount",
    "cards": "Cards",
    "expires_at": "Expires (UTC)",
    "blocked": "Blocked",
}
_CARDS = {
    "serial": "Serial",
    "state": "State",
    "account": "Account",
    "redeemed_at": "Redeemed (UTC)",
    "key": "Key",
}


def _batch_row(batch: VoucherBatch, numbers: dict[int, str]) -> Row:
    return {
        "batch": batch.id,
        "seller": numbers[batch.seller_id],
        "name": batch.name,
        "amount": batch.amount,
        "cards": batch.count,
        "made_at": batch.made_at,
        "expires_at": batch.expires_at,
        "blocked": batch.blocked,
    }


@vouchers.command()
@click.argument("batch", type=int)
@click.option("--serial", type=int, help="Only this card; the whole batch if not given.")
@click.option("--undo", is_flag=True, help="Unblock instead: a batch and its cards have each a mark of its own.")
@key_option
@click.pass_obj
def block(app: App, batch: int, serial: int | None, undo: bool, key: str | None) -> None:
    """Let no card of BATCH be redeemed, or only one card not; what was redeemed stays so."""
    do = app.billing.vouchers.unblock if undo else app.billing.vouchers.block
    do(batch, serial=serial, key=key)
    what = f"batch {batch}" if serial is None else f"card {serial} of batch {batch}"
    app.output.result({"batch": batch, "serial": serial, "blocked": not undo}, f"{what} is {'un' * undo}blocked")
