"""`astpp-billing fx`: exchange rates."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import click
from attrs import asdict

from astpp_billing.cli.app import App
from astpp_billing.cli.params import CURRENCY, INSTANT, NUMBER, key_option
from astpp_billing.cli.tables import Row
from astpp_billing.fx import ExchangeRate


@click.group()
def fx() -> None:
    """Set and list exchange rates.

    Inverse and cross rates follow from them; a rate that is missing refuses, and is never 1.
    """


@fx.command("set")
@click.argument("base", type=CURRENCY)
@click.argument("quote", type=CURRENCY)
@click.argument("rate", type=NUMBER)
@click.option("--valid-from", type=INSTANT, help="From when it holds; the present if not given.")
@click.option("--source", default="manual", show_default=True, help="Where it comes from; kept with every charge.")
@key_option
@click.pass_obj
def set_(
    app: App, base: str, quote: str, rate: Decimal, valid_from: datetime | None, source: str, key: str | None
) -> None:
    """Let one unit of BASE cost RATE units of QUOTE."""
    kept = app.billing.prices.set_exchange_rate(base, quote, rate, valid_from=valid_from, source=source, key=key)
    app.output.result(_row(kept), f"1 {base} = {rate:f} {quote} from {kept.valid_from:%Y-%m-%d %H:%M:%S} UTC on")


@fx.command("list")
@click.pass_obj
def list_(app: App) -> None:
    """List the exchange rates that were set."""
    rates = sorted(app.billing.prices.exchange_rates(), key=lambda it: (it.base, it.quote, it.valid_from))
    columns = {"base": "Base", "quote": "Quote", "rate": "Rate", "valid_from": "From (UTC)", "source": "Source"}
    app.output.rows("exchange_rates", map(_row, rates), columns)


def _row(rate: ExchangeRate) -> Row:
    return asdict(rate)
