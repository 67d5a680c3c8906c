"""`astpp-billing holds`: money that is held for calls."""

from __future__ import annotations

from datetime import datetime

import click

from astpp_billing.calls import split_call_key
from astpp_billing.cli.app import App
from astpp_billing.cli.params import INSTANT
from astpp_billing.cli.tables import Row
from astpp_billing.hierarchy import Account
from astpp_billing.ledger import Hold
from astpp_billing.money import Money


@click.group()
def holds() -> None:
    """Show the money that is held for calls, and give back what nobody has asked for any more."""


@holds.command("list")
@click.option("--lapsed", is_flag=True, help="Only the holds that have lapsed and still reserve money.")
@click.pass_obj
def list_(app: App, lapsed: bool) -> None:
    """List the open holds, by the time at which they lapse."""
    billing = app.billing
    accounts = {account.id: account for account in billing.accounts.all()}
    opened = billing.calls.holds(lapsed_at=billing.clock.now() if lapsed else None)
    columns = {
        "expires_at": "Lapses (UTC)",
        "payer": "Payer",
        "seconds": "Seconds",
        "held": "Held of payer, and above",
        "leg": "Leg",
    }
    app.output.rows("holds", [_row(hold, accounts) for hold in opened], columns)


def _row(hold: Hold, accounts: dict[int, Account]) -> Row:
    switch_id, leg_uuid = split_call_key(hold.key) or (None, None)
    return {
        "key": hold.key,
        "switch": switch_id,
        "leg": leg_uuid,
        "payer": accounts[hold.account_id].number,
        "seconds": hold.seconds,
        "placed_at": hold.placed_at,
        "expires_at": hold.expires_at,
        "held": [Money.from_micros(level.micros, accounts[level.account_id].currency) for level in hold.levels],
    }


@holds.command()
@click.option("--at", type=INSTANT, help="The holds that have lapsed by this instant; by now, if not given.")
@click.pass_obj
def expire(app: App, at: datetime | None) -> None:
    """Give back what lapsed holds reserve.

    To be run every few minutes, from cron or a timer; several at once do no harm. A call whose hold has lapsed is
    charged all the same when its record comes.
    """
    count = app.billing.calls.expire_holds(at)
    app.output.result({"expired": count}, f"{count:,} holds ended")
