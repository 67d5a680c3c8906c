"""`astpp-billing cdr`: call records, from the switch to what was charged."""

from __future__ import annotations

import sys
from collections import Counter

import click

from astpp_billing.calls import CallEntry, CallStatus, Failed, Settlement
from astpp_billing.cli.app import App
from astpp_billing.cli.ingest import Result, buyer_amount, find_files, ingest, summary, unrated_detail
from astpp_billing.cli.payments import payment_lines, payments_of
from astpp_billing.cli.tables import Row, printable, text_value
from astpp_billing.freeswitch import ReadOptions


@click.group()
def cdr() -> None:
    """Charge call records, each once."""


@cdr.command("ingest")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--access-prefix",
    "access_prefixes",
    multiple=True,
    metavar="DIGITS",
    help="What a billed number starts with, and is taken off; calls to other numbers are not billed. Repeatable.",
)
@click.option(
    "--international-prefix",
    "international_prefixes",
    multiple=True,
    metavar="DIGITS",
    default=("+",),
    show_default=True,
    help="What stands before a country code, such as 00. Repeatable.",
)
@click.option("--context", "contexts", multiple=True, help="Bill only calls in this dialplan context. Repeatable.")
@click.option("-v", "--verbose", is_flag=True, help="A line for every file.")
@click.pass_context
def ingest_(ctx: click.Context, /, files: tuple[str, ...], verbose: bool, **options: tuple[str, ...]) -> None:
    """Charge the calls in each FILE, as mod_json_cdr and mod_xml_cdr write or post them.

    In a directory all files are read, also in those below it, hidden ones left out; "-" is one record on standard
    input. A file that is no call record is reported by name, the others go on, and the exit code is 1. A call that
    cannot be rated is kept, see "cdr list --unrated" and "cdr retry".
    """
    app: App = ctx.obj
    counted: Counter[Result] = Counter()
    billing = app.billing
    read_options = ReadOptions(**options)  # type: ignore[arg-type]  # the names are those of the options
    total = sum(1 for _ in find_files(files)) if sys.stderr.isatty() else None
    with app.output.stream("files") as stream, app.output.progress("Reading call records", total) as advance:
        for done in ingest(billing, find_files(files), read_options):
            counted[done.result] += 1
            if stream is not None:
                stream.add(done.row())
            elif verbose:
                click.echo(_line(done.row()))
            if done.result in (Result.BAD, Result.UNRATED):
                app.output.say(f"{done.file}: {done.result}: {done.detail}")
            advance()
        if stream is not None:
            stream.set(summary={result: counted[result] for result in Result})
    if stream is None:
        click.echo(summary(counted))
    if counted[Result.BAD]:
        ctx.exit(1)


def _line(row: Row) -> str:
    fields = ("result", "payer", "number", "seconds", "amount", "detail")
    texts = [text_value(row[name]) for name in fields if row[name] not in (None, "")]
    return f"{printable(str(row['file']))}: {', '.join(texts)}"


@cdr.command("list")
@click.option("--unrated", is_flag=True, help="Only the calls that could not be rated.")
@click.pass_obj
def list_(app: App, unrated: bool) -> None:
    """List the calls that are kept, in the order of their start."""
    rows = map(_entry_row, app.billing.calls.all(CallStatus.UNRATED if unrated else None))
    columns = {
        "started_at": "Started (UTC)",
        "payer": "Payer",
        "number": "Number",
        "seconds": "Seconds",
        "status": "Status",
        **({"detail": "Why"} if unrated else {}),
        "leg": "Leg",
    }
    app.output.rows("calls", rows, columns)


def _entry_row(entry: CallEntry) -> Row:
    record = entry.record
    return {
        "key": entry.key,
        "switch": record.switch_id,
        "leg": record.leg_uuid,
        "started_at": record.started_at,
        "payer": record.account or record.user or record.address,
        "account": record.account,
        "user": record.user,
        "address": record.address,
        "number": record.number,
        "dialled": record.dialled,
        "seconds": record.seconds,
        "hangup_cause": record.hangup_cause,
        "status": entry.status,
        "reason": entry.reason,
        "detail": entry.detail,
        "settled_at": entry.settled_at,
    }


@cdr.command()
@click.pass_context
def retry(ctx: click.Context) -> None:
    """Try again to rate the calls that could not be rated, oldest first.

    A call that can be rated, but not charged, is reported, stays as it is, and the exit code is 1.
    """
    app: App = ctx.obj
    with app.output.progress("Rating again"):
        results = app.billing.calls.retry()
    settled = [result for result in results if not isinstance(result, Failed)]
    failed = [result for result in results if isinstance(result, Failed)]
    counted = Counter(settlement.entry.status for settlement in settled)
    rows = map(_retried_row, settled)
    columns = {"payer": "Payer", "number": "Number", "seconds": "Seconds", "status": "Status", "amount": "Amount"}
    app.output.rows("calls", rows, {**columns, "detail": "Why", "leg": "Leg"})
    for one in failed:
        app.output.say(f"{one.record.key}: {one.error}")
    app.output.say(
        f"{counted[CallStatus.RATED]:,} calls rated, {counted[CallStatus.UNRATED] + len(failed):,} still not"
    )
    if failed:
        ctx.exit(1)


def _retried_row(settlement: Settlement) -> Row:
    amount = buyer_amount(settlement)
    detail = unrated_detail(settlement)
    return {**_entry_row(settlement.entry), "amount": amount, "detail": detail}


@cdr.command()
@click.argument("key")
@click.pass_obj
def explain(app: App, key: str) -> None:
    """Explain who paid whom for a call, and why; KEY is its key or the uuid of its leg, see "cdr list"."""
    entry = _find(app, key)
    if entry.status is CallStatus.UNRATED:
        text = f"not rated, {entry.reason}: {entry.detail}"
        app.output.result({**_entry_row(entry), "payments": []}, text)
        return
    payments = payments_of(app.billing, entry, app.numbers())
    lines = [line for payment in payments for line in payment_lines(payment)]
    row = {**_entry_row(entry), "payments": [payment.row() for payment in payments]}
    app.output.result(row, "\n".join(lines) or "nothing was charged")


def _find(app: App, key: str) -> CallEntry:
    if key.startswith("call:"):
        return app.billing.calls.get(key)
    found = [entry for entry in app.billing.calls.all() if entry.record.leg_uuid == key]
    if not found:
        raise click.ClickException(f"no call has the key or leg {key!r}")
    if len(found) > 1:
        keys = ", ".join(entry.key for entry in found)
        raise click.UsageError(f"several switches have a leg {key}: give one of {keys}")
    return found[0]
