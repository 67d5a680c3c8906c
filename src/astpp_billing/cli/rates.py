"""`astpp-billing rates`: price lists, and why a call costs what it costs."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import click
from attrs import asdict

from astpp_billing.cli.app import App
from astpp_billing.cli.params import CURRENCY, INSTANT, NUMBER, PHONE, key_option
from astpp_billing.cli.payments import of_price, payment_lines
from astpp_billing.cli.ratefiles import RateLines, open_rates
from astpp_billing.cli.tables import Row
from astpp_billing.errors import InvalidValue
from astpp_billing.fx import Conversion
from astpp_billing.money import Money
from astpp_billing.pricing import NotPriced, Rate, RateGroup
from astpp_billing.pricing.explain import Explanation, explain


@click.group()
def rates() -> None:
    """Keep price lists, and explain prices."""


@rates.command()
@click.argument("name")
@click.option("--owner", metavar="NUMBER", required=True, help="The account that offers it: a seller or a provider.")
@click.option("--currency", type=CURRENCY, help="Of its prices; the owner's if not given.")
@click.option("--markup-percent", type=NUMBER, default="0", help="Added to every price per minute.")
@click.option("--initial-increment", type=int, default=1, show_default=True, help="Default first block, in seconds.")
@click.option("--increment", type=int, default=1, show_default=True, help="Default block, in seconds.")
@click.option("--places", type=int, default=6, show_default=True, help="Decimal places of a call's price.")
@key_option
@click.pass_obj
def group(
    app: App,
    name: str,
    owner: str,
    currency: str | None,
    markup_percent: Decimal,
    initial_increment: int,
    increment: int,
    places: int,
    key: str | None,
) -> None:
    """Open a rate group: a named price list that one account offers."""
    opened = app.billing.prices.add_group(
        name,
        app.account(owner),
        currency=currency,
        markup_percent=markup_percent,
        default_initial_increment=initial_increment,
        default_increment=increment,
        places=places,
        key=key,
    )
    app.output.result(_group_row(opened, owner), f"rate group {name!r} of {owner} in {opened.currency}")


@rates.command("import")
@click.argument("file", metavar="FILE")
@click.option("--group", "name", metavar="GROUP", required=True, help="The rate group that the rates are for.")
@click.option(
    "--valid-from",
    type=INSTANT,
    help="From when they hold; the present if not given, and always for the first import of a group.",
)
@key_option
@click.pass_obj
def import_(app: App, file: str, name: str, valid_from: datetime | None, key: str | None) -> None:
    """Let the rates of FILE be those of a rate group, as its next version.

    FILE is CSV as ASTPP imports and exports it, plain or compressed with gzip; "-" is standard input. The first line
    names the columns; Code and "Cost / Min" are needed. If anything is wrong, nothing is imported.
    """
    app.group(name)
    with open_rates(file) as (raw, size), app.output.progress(f"Importing {file}", size) as advance:
        lines = RateLines(raw, advance)
        try:
            imported = app.billing.prices.import_file(name, lines, valid_from=valid_from, key=key)
        except InvalidValue as error:
            raise click.ClickException(f"{file}: {error}") from None
    count = lines.count - 1  # without the headings
    app.output.result(
        {"file": file, "group": name, "version": imported.version, "rates": count},
        f"{count:,} rates imported into {name!r}, version {imported.version}",
    )


@rates.command("list")
@click.option("--group", "name", metavar="GROUP", help="List the rates of this group, and not the groups.")
@click.option("--prefix", default="", help="Only rates whose prefix begins with this.")
@click.pass_obj
def list_(app: App, name: str | None, prefix: str) -> None:
    """List the rate groups, or the rates of one."""
    if name is None:
        _list_groups(app)
        return
    columns = {
        "prefix": "Prefix",
        "destination": "Destination",
        "connection_fee": "Fee",
        "price_per_minute": "Per min",
        "included_seconds": "Free s",
        "initial_increment": "First s",
        "increment": "Next s",
        "valid_from": "From (UTC)",
        "valid_until": "Until (UTC)",
    }
    chosen = (_rate_row(rate) for rate in app.billing.prices.rates(name) if rate.prefix.startswith(prefix))
    app.output.rows("rates", chosen, columns)


def _list_groups(app: App) -> None:
    numbers = app.numbers()
    rows = [_group_row(group, numbers[group.owner_id]) for group in app.billing.prices.groups()]
    columns = {
        "name": "Rate group",
        "owner": "Offered by",
        "currency": "Currency",
        "markup_percent": "Markup %",
        "version": "Version",
    }
    app.output.rows("rate_groups", rows, columns)


@rates.command("explain")
@click.argument("number", type=PHONE)
@click.option("--group", "name", metavar="GROUP", help="Explain the price that a rate group has.")
@click.option("--account", metavar="NUMBER", help="Explain what everybody pays if this account calls.")
@click.option("--seconds", type=click.IntRange(0), default=60, show_default=True, help="How long the call is.")
@click.option("--at", type=INSTANT, help="When it starts; the present if not given.")
@click.pass_obj
def explain_(app: App, number: str, name: str | None, account: str | None, seconds: int, at: datetime | None) -> None:
    """Explain what a call to NUMBER costs, step by step."""
    if name is not None and account is None:
        _explain_group(app, name, number, seconds, at)
    elif account is not None and name is None:
        _explain_account(app, account, number, seconds, at)
    else:
        raise click.UsageError("give either --group or --account")


def _explain_group(app: App, name: str, number: str, seconds: int, at: datetime | None) -> None:
    app.group(name)
    found = app.billing.prices.find(name, number, at)
    if found is None:
        raise click.ClickException(f"rate group {name!r} has no rate for {number}")
    explanation = explain(*found, seconds)
    app.output.result({"number": number, **explanation_row(explanation)}, f"{number}, {explanation.text()}")


def _explain_account(app: App, account: str, number: str, seconds: int, at: datetime | None) -> None:
    call = app.billing.calls.price(app.account(account), number, seconds, at)
    if isinstance(call, NotPriced):
        raise click.ClickException(f"{call.reason}: {call.detail}")
    payments = of_price(call)
    row = {"number": number, "seconds": seconds, "payments": [payment.row() for payment in payments]}
    app.output.result(row, "\n".join(line for payment in payments for line in payment_lines(payment)))


def explanation_row(it: Explanation) -> Row:
    """An explanation as data."""
    return {
        "group": it.group.name,
        "version": it.rate.version,
        "prefix": it.rate.prefix,
        "destination": it.rate.destination,
        "seconds": it.seconds,
        "billable_seconds": it.billable_seconds,
        "initial_increment": it.initial_increment,
        "increment": it.increment,
        "blocks": it.blocks,
        "charged_seconds": it.charged_seconds,
        "connection_fee": it.rate.connection_fee,
        "per_minute": it.per_minute,
        "price": Money(it.price, it.group.currency),
        "amount": Money(it.amount, it.conversion.quote),
        "exchange_rates": _steps(it.conversion),
        "text": it.text().splitlines(),
    }


def _steps(conversion: Conversion) -> list[Row]:
    return [asdict(step) for step in conversion.steps]


def _group_row(group: RateGroup, owner: str) -> Row:
    return {
        "name": group.name,
        "owner": owner,
        "currency": group.currency,
        "markup_percent": group.markup_percent,
        "default_initial_increment": group.default_initial_increment,
        "default_increment": group.default_increment,
        "places": group.places,
        "version": group.version,
    }


def _rate_row(rate: Rate) -> Row:
    return asdict(rate)
