"""`astpp-billing reports`: what sellers have earned, account statements, and what accounts have used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import click

from astpp_billing.cli.app import App
from astpp_billing.cli.params import DAY, DAY_OR_INSTANT
from astpp_billing.cli.tables import Row
from astpp_billing.hierarchy import Account
from astpp_billing.money import Money
from astpp_billing.periods import local_date, midnight
from astpp_billing.services.commissions import CommissionLine, commissions_csv, direction
from astpp_billing.services.reports import Every, Profit
from astpp_billing.services.statement import Statement, StatementLine, statement_csv

_EVERY = click.Choice([every.value for every in Every])
_MICROSECOND = timedelta(microseconds=1)

_since = click.option(
    "--since",
    type=DAY_OR_INSTANT,
    help="What was posted from this local day, or instant, on; from the beginning of this month if not given.",
)
_until = click.option(
    "--until", type=DAY_OR_INSTANT, help="Up to, and without, this local day, or instant; up to now if not given."
)


@click.group()
def reports() -> None:
    """Show what was earned, what moved a wallet, and what was used.

    Days and months are those of the account's time zone.
    """


@reports.command()
@click.argument("number", required=False)
@click.option("--below", metavar="NUMBER", help="Only this seller, and those below it; not with NUMBER.")
@_since
@_until
@click.option("--by", "every", type=_EVERY, help="A row for each day, or month, of account NUMBER.")
@click.option("--destinations", is_flag=True, help="A row for each destination that account NUMBER sold.")
@click.pass_obj
def profit(
    app: App,
    number: str | None,
    below: str | None,
    since: date | None,
    until: date | None,
    every: str | None,
    destinations: bool,
) -> None:
    """Show what account NUMBER has earned, in its own currency; without NUMBER, what each seller has.

    Amounts in other currencies are converted by the exchange rates in force when they were posted. Where there was
    none, they are shown by themselves. Without NUMBER and --below, days are those of UTC.
    """
    if number is None:
        if every is not None or destinations:
            raise click.UsageError("--by and --destinations are for one account: give its NUMBER")
        parent = None if below is None else app.account(below)
        first, end = _between(app, parent, since, until)
        profits = app.billing.reports.profits(first, end, parent=parent)
        columns = {"number": "Account", "name": "Name", "profit": "Profit", **_MORE}
        app.output.rows("profits", [_profit_row(one) for one in profits], columns, since=first, until=end)
        return
    if below is not None:
        raise click.UsageError("give NUMBER or --below, not both")
    account = app.account(number)
    first, end = _between(app, account, since, until)
    by = None if every is None else Every(every)
    report = app.billing.reports.profit(account, first, end, every=by, destinations=destinations)
    total = _profit_row(report.total)
    rows = [_profit_row(one, by) for one in report.rows]
    columns = {"period": (every or "period").capitalize()} if every else {}
    columns |= {"destination": "Destination"} if destinations else {}
    if not columns:
        rows, columns = [], {"number": "Account"}
    if not app.output.as_json:
        rows.append({**total, next(iter(columns)): "Total" if rows else number})
    more = {"number": number, "since": first, "until": end, "total": total}
    app.output.rows("rows", rows, columns | {"profit": "Profit", **_MORE}, **more)


_MORE = {"earned": "Earned as", "unconverted": "Without a rate"}


def _profit_row(one: Profit, every: Every | None = None) -> Row:
    return {
        "number": one.account.number,
        "name": one.account.name,
        "period": None if one.day is None or every is None else _period(one.day, every),
        "destination": one.destination,
        "profit": one.amount,
        "earned": list(one.earned),
        "unconverted": list(one.unconverted),
    }


def _period(day: date, every: Every) -> str:
    return day.isoformat() if every is Every.DAY else f"{day:%Y-%m}"


@reports.command()
@click.argument("number")
@_since
@_until
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV (RFC 4180, UTF-8), one line for each movement.")
@click.pass_obj
def statement(app: App, number: str, since: date | None, until: date | None, as_csv: bool) -> None:
    """Show every movement of the wallet of account NUMBER, with the balance after it."""
    if as_csv and app.output.as_json:
        raise click.UsageError("--csv and --json cannot be had together")
    account = app.account(number)
    numbers = app.numbers()
    first, end = _between(app, account, since, until)
    with app.billing.reports.statement(account, first, end) as opened:
        if as_csv:
            for text in statement_csv(opened, numbers):
                sys.stdout.buffer.write(text.encode("utf-8", "replace"))
            sys.stdout.buffer.flush()
            return
        with app.output.stream("movements") as stream:
            if stream is None:
                app.output.rows("movements", _statement_rows(opened, numbers), _STATEMENT)
                return
            for line in opened.lines:
                stream.add(_line_row(line, numbers))
            stream.set(number=number, since=first, until=end, opening=opened.opening, closing=opened.closing)


_STATEMENT = {
    "at": "Time (UTC)",
    "reason": "Reason",
    "description": "Description",
    "phone": "Number",
    "other": "From or to",
    "amount": "Amount",
    "balance": "Balance",
    "key": "Key",
}


def _statement_rows(opened: Statement, numbers: dict[int, str]) -> Sequence[Row]:
    first: Row = {"at": opened.period.start, "reason": "opening", "balance": opened.opening}
    last: Row = {"at": opened.period.end, "reason": "closing", "balance": opened.closing}
    return [first, *(_line_row(line, numbers) for line in opened.lines), last]


def _line_row(line: StatementLine, numbers: dict[int, str]) -> Row:
    it = line.entry
    return {
        "at": it.at,
        "reason": it.reason,
        "description": it.description,
        "phone": it.number,
        "other": f"{numbers.get(it.other.account_id, '?')} {it.other.book}",
        "amount": line.amount,
        "balance": line.balance,
        "key": it.posting_key,
    }


@reports.command()
@click.argument("number")
@_since
@_until
@click.option("--by", "every", type=_EVERY, help="Rows for each day, or month.")
@click.option("--lines", is_flag=True, help="Every single commission, with the key of its posting.")
@click.option("--csv", "as_csv", is_flag=True, help="Write every single commission as CSV (RFC 4180, UTF-8).")
@click.pass_obj
def commissions(
    app: App,
    number: str,
    since: date | None,
    until: date | None,
    every: str | None,
    lines: bool,
    as_csv: bool,
) -> None:
    """Show who paid account NUMBER commissions, and what it paid on to those below it."""
    if as_csv and app.output.as_json:
        raise click.UsageError("--csv and --json cannot be had together")
    if every is not None and (lines or as_csv):
        raise click.UsageError("--by is not for single commissions")
    account = app.account(number)
    numbers = app.numbers()
    first, end = _between(app, account, since, until)
    if not (lines or as_csv):
        _commission_rows(app, account, first, end, None if every is None else Every(every))
        return
    with app.billing.reports.commission_lines(account, first, end) as opened:
        if as_csv:
            for text in commissions_csv(opened, numbers):
                sys.stdout.buffer.write(text.encode("utf-8", "replace"))
            sys.stdout.buffer.flush()
            return
        with app.output.stream("commissions") as stream:
            if stream is None:
                rows = [_commission_line(line, numbers) for line in opened.lines]
                app.output.rows("commissions", rows, {"at": "Time (UTC)", **_COMMISSIONS, "key": "Key"})
                return
            for line in opened.lines:
                stream.add(_commission_line(line, numbers))
            stream.set(number=number, since=first, until=end)


_COMMISSIONS = {"reason": "For", "direction": "Direction", "account": "From or to", "amount": "Amount"}


def _commission_rows(app: App, account: Account, first: datetime, end: datetime, every: Every | None) -> None:
    report = app.billing.reports.commissions(account, first, end, every=every)
    rows: list[Row] = [
        {
            "period": None if one.day is None or every is None else _period(one.day, every),
            "reason": one.reason.value,
            "direction": direction(one.received),
            "account": one.other.number,
            "amount": one.amount,
        }
        for one in report.rows
    ]
    if not app.output.as_json:
        rows.append({"direction": "net", "amount": report.amount})
    bags = {"received": report.received, "paid_on": report.paid_on, "net": report.net}
    more = {"number": account.number, "since": first, "until": end, "amount": report.amount}
    columns = ({} if every is None else {"period": every.value.capitalize()}) | _COMMISSIONS
    app.output.rows("commissions", rows, columns, **more, **bags, unconverted=report.unconverted)


def _commission_line(line: CommissionLine, numbers: dict[int, str]) -> Row:
    it = line.entry
    return {
        "at": it.at,
        "reason": it.reason.value,
        "direction": direction(line.received),
        "account": numbers.get(it.other.account_id, "?"),
        "amount": line.amount,
        "key": it.posting_key,
    }


@reports.command()
@click.argument("number")
@click.option("--since", type=DAY, help="From this local day on; from the beginning of this month if not given.")
@click.option("--until", type=DAY, help="Up to, and without, this local day; up to today, and with it, if not given.")
@click.option("--by", "every", type=_EVERY, default=Every.DAY.value, show_default=True, help="A row for each.")
@click.pass_obj
def used(app: App, number: str, since: date | None, until: date | None, every: str) -> None:
    """Show what account NUMBER was charged for the calls that started on each of its days, or in each month."""
    account = app.account(number)
    today = local_date(app.billing.clock.now(), account.timezone)
    first, end = since or today.replace(day=1), until or today + timedelta(days=1)
    by = Every(every)
    rows: list[Row] = []
    amount, calls, seconds = Money.zero(account.currency), 0, 0
    for one in app.billing.reports.used(account, first, end, every=by):
        rows.append({"period": _period(one.day, by), "amount": one.amount, "calls": one.calls, "seconds": one.seconds})
        amount, calls, seconds = amount + one.amount, calls + one.calls, seconds + one.seconds
    total: Row = {"period": "Total", "amount": amount, "calls": calls, "seconds": seconds}
    columns = {"period": every.capitalize(), "amount": "Used", "calls": "Calls", "seconds": "Seconds"}
    more = {"number": number, "since": first, "until": end, "total": total}
    app.output.rows("used", rows if app.output.as_json else [*rows, total], columns, **more)


def _between(app: App, account: Account | None, since: date | None, until: date | None) -> tuple[datetime, datetime]:
    """The instants that were asked for; days are those of the account, or of UTC."""
    timezone = "UTC" if account is None else account.timezone
    now = app.billing.clock.now()
    first = local_date(now, timezone).replace(day=1) if since is None else since
    # what was posted right now belongs to it
    return _instant(first, timezone), now + _MICROSECOND if until is None else _instant(until, timezone)


def _instant(value: date, timezone: str) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        return midnight(value, timezone)
    except OverflowError:  # a day at the end of all time begins beyond it in some time zones
        raise click.UsageError(f"{value} does not begin in {timezone}") from None
