"""`astpp-billing ledger`: refills, credits, debits and corrections by hand, balances, profits, and proofs."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import click

from astpp_billing.cli.app import App
from astpp_billing.cli.charged import correction_row
from astpp_billing.cli.params import INSTANT, NUMBER, key_option
from astpp_billing.hierarchy import SELLERS, Account
from astpp_billing.ledger import Book, Posting
from astpp_billing.money import Money
from astpp_billing.services.adjusting import Short
from astpp_billing.services.reconciling import Reconciliation


@click.group()
def ledger() -> None:
    """Refill wallets, credit, debit and correct them by hand, show the books, and prove them."""


@ledger.command()
@click.argument("number")
@click.argument("amount", type=NUMBER)
@click.option(
    "--key",
    required=True,
    help="What makes the refill unique, such as the bank's reference: once for each key, however often it is sent.",
)
@click.pass_obj
def refill(app: App, number: str, amount: Decimal, key: str) -> None:
    """Put AMOUNT, in the account's currency, into the wallet of account NUMBER."""
    account = app.account(number)
    _tell(app, account, app.billing.ledger.refill(account, Money(amount, account.currency), key=key))


_reason = click.option("--reason", required=True, help="Why, in one line; the statement shows it.")
_key = click.option("--key", required=True, help="What makes it unique: once for each key, however often it is sent.")


@ledger.command()
@click.argument("number")
@click.argument("amount", type=NUMBER)
@_reason
@_key
@click.pass_obj
def credit(app: App, number: str, amount: Decimal, reason: str, key: str) -> None:
    """Give account NUMBER AMOUNT, in its own currency, as goodwill: a cost of its parent, and no money that came in."""
    account = app.account(number)
    posting = app.billing.ledger.credit(account, Money(amount, account.currency), reason=reason, key=key)
    _tell(app, account, posting)


@ledger.command()
@click.argument("number")
@click.argument("amount", type=NUMBER)
@_reason
@_key
@click.option("--force", is_flag=True, help="Take more than is available, too.")
@click.pass_obj
def debit(app: App, number: str, amount: Decimal, reason: str, key: str, force: bool) -> None:
    """Charge account NUMBER AMOUNT, in its own currency, without tax; with tax it is on its receipt or invoice."""
    account = app.account(number)
    result = app.billing.ledger.debit(account, Money(amount, account.currency), reason=reason, key=key, force=force)
    if isinstance(result, Short):
        raise click.ClickException(f"nothing was charged: {result}")
    _tell(app, account, result)


@ledger.command()
@click.argument("posting_key")
@_reason
@click.pass_obj
def correct(app: App, posting_key: str, reason: str) -> None:
    """Take back what was wrong, on every level, once: the refill, credit, debit, call or renewal POSTING_KEY.

    What was billed gets credit notes. An order is refunded: see `orders refund`.
    """
    found = app.billing.ledger.correct(posting_key, reason=reason)
    wallets = {
        end.account_id for one in found.posting.transfers for end in (one.source, one.target) if end.book is Book.WALLET
    }
    accounts = [account for account in app.billing.accounts.all() if account.id in wallets]
    balances = [{"number": one.number, "balance": app.billing.ledger.balance(one)} for one in accounts]
    has = ", ".join(f"{one['number']} has {one['balance']}" for one in balances)
    done = "had been taken back" if found.repeated else "was taken back"
    app.output.result({**correction_row(app, found), "balances": balances}, f"{posting_key} {done}: {has}")


def _tell(app: App, account: Account, posting: Posting) -> None:
    balance = app.billing.ledger.balance(account)
    values = {"number": account.number, "key": posting.key, "at": posting.at, "balance": balance}
    app.output.result(values, f"{account.number} has {balance}")


@ledger.command()
@click.argument("until", type=INSTANT)
@key_option
@click.pass_obj
def close(app: App, until: datetime, key: str | None) -> None:
    """Close the books until an instant: nothing is posted before UNTIL any more, and this cannot be undone.

    What comes in late is posted at the present.
    """
    app.billing.ledger.close_period(until, key=key)
    app.output.result({"closed_until": until}, f"the books are closed until {until:%Y-%m-%d %H:%M:%S} UTC")


@ledger.command()
@click.pass_obj
def books(app: App) -> None:
    """Show the balance of every ledger account that is not zero, as the transfers prove it."""
    numbers = app.numbers()
    rows = [
        {"number": numbers[it.account_id], "book": it.book, "balance": balance}
        for it, balance in app.billing.ledger.books().items()
    ]
    rows.sort(key=lambda row: (str(row["number"]), str(row["book"])))
    app.output.rows("books", rows, {"number": "Account", "book": "Book", "balance": "Balance"})


@ledger.command()
@click.pass_obj
def profits(app: App) -> None:
    """Show what each seller has earned, in each currency: revenue less what it paid, and commissions."""
    rows = []
    for account in app.billing.accounts.all():
        if account.kind in SELLERS:
            bag = [profit for _, profit in sorted(app.billing.ledger.profits(account).items())]
            rows.append({"number": account.number, "name": account.name, "profit": bag})
    app.output.rows("profits", rows, {"number": "Account", "name": "Name", "profit": "Profit"})


@ledger.command()
@click.pass_context
def reconcile(ctx: click.Context) -> None:
    """Prove every balance, hold, charge, call and document; exit code 1 if something does not agree."""
    app: App = ctx.obj
    with app.output.progress("Proving the ledger"):
        proof = app.billing.ledger.reconcile()
    rows = [
        {
            "what": it.what,
            "stored_micros": it.stored_micros,
            "proved_micros": it.proved_micros,
            "difference_micros": it.stored_micros - it.proved_micros,
        }
        for it in proof.discrepancies
    ]
    counted = {"ledger_accounts": proof.ledger_accounts, "documents": proof.documents, "agrees": proof.agrees}
    if proof.agrees and not app.output.as_json:
        app.output.result(counted, proof_text(proof))
    else:
        columns = {
            "what": "What",
            "stored_micros": "Stored (micros)",
            "proved_micros": "Proved (micros)",
            "difference_micros": "Difference",
        }
        app.output.rows("discrepancies", rows, columns, **counted)
    if not proof.agrees:
        app.output.say(proof_text(proof))
        ctx.exit(1)


def proof_text(proof: Reconciliation) -> str:
    """The result of the proof in one line."""
    compared = f"{proof.ledger_accounts:,} balances and {proof.documents:,} documents compared with the transfers"
    if proof.agrees:
        return f"the ledger agrees: {compared}"
    return f"the ledger does not agree in {len(proof.discrepancies):,} places: {compared}"
