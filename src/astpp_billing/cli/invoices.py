"""`astpp-billing invoices`: billing runs, and the documents that they and the calls have brought about."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from attrs import asdict

from astpp_billing.cli.app import App
from astpp_billing.cli.documents import document_lines, document_row, line_row
from astpp_billing.cli.params import INSTANT, NUMBER, key_option
from astpp_billing.cli.tables import Row
from astpp_billing.invoicing import Document, Tax
from astpp_billing.money import Money
from astpp_billing.services.billing_runs import Billed


@click.group()
def invoices() -> None:
    """Bill what is due, and look at invoices, receipts and credit notes."""


@invoices.command()
@click.option("--dry-run", is_flag=True, help="Show what would come; nothing is stored.")
@click.option("--now", type=INSTANT, help="Bill what was due by then; the present if not given.")
@click.pass_context
def run(ctx: click.Context, dry_run: bool, now: datetime | None) -> None:
    """Bill every period that has ended and was not billed yet. Can be repeated, or killed and repeated.

    An account that cannot be billed is set aside with the reason, and the others go on; the exit code is 1 then.
    """
    app: App = ctx.obj
    with app.output.progress("Billing"):
        done = app.billing.documents.run(now=now, dry_run=dry_run)
    rows = [_billed_row(billed) for billed in done]
    issued = [row for row in rows if row["document"] is not None]
    columns = {
        "account": "Account",
        "kind": "Kind",
        "period_start": "From (UTC)",
        "period_end": "Until (UTC)",
        "document": "Document",
        "total": "Total",
    }
    app.output.rows("billed", rows, columns, dry_run=dry_run)
    what = "would be issued" if dry_run else "issued"
    app.output.say(f"{len(rows):,} periods were due, {len(issued):,} documents {what}")
    aside = [billed for billed in done if billed.problem]
    for billed in aside:
        app.output.say(f"account {billed.account.number} was set aside: {billed.problem}")
    if aside:
        ctx.exit(1)


def _billed_row(billed: Billed) -> Row:
    document = billed.document
    return {
        "account": billed.account.number,
        "kind": billed.due.kind,
        "period_start": billed.due.period.start,
        "period_end": billed.due.period.end,
        "document": None if document is None else document.number,
        "total": None if document is None else document.total,
        "problem": billed.problem or None,
    }


@invoices.command()
@click.argument("number")
@click.option("--company", help="The name on the documents.")
@click.option("--address", help="The address; may have several lines.")
@click.option("--tax-number", help="The issuer's tax number.")
@click.option("--invoice-prefix", help="What invoice numbers begin with.")
@click.option("--receipt-prefix", help="What receipt numbers begin with.")
@click.option("--credit-note-prefix", help="What the numbers of credit notes begin with.")
@click.option("--note", help="A text below the lines.")
@click.option("--due-days", type=click.IntRange(0), help="The days in which an invoice is to be paid.")
@click.option("--tax", type=(str, NUMBER), metavar="NAME PERCENT", help="A tax that is added, such as VAT 20.")
@click.option("--no-tax", is_flag=True, help="Add no tax.")
@key_option
@click.pass_obj
def configure(
    app: App, /, number: str, key: str | None, tax: tuple[str, Decimal] | None, no_tax: bool, **options: Any
) -> None:
    """Say what account NUMBER prints on the documents that it issues; what is not given stays as it is."""
    if tax is not None and no_tax:
        raise click.UsageError("--tax and --no-tax cannot be had together")
    settings = {name: value for name, value in options.items() if value is not None}
    if tax is not None or no_tax:
        settings["tax"] = None if tax is None else Tax(*tax)
    config = app.billing.accounts.configure_invoices(app.account(number), key=key, **settings)
    row = {"account": number, **asdict(config)}
    del row["account_id"]
    taxed = "no tax" if config.tax is None else f"{config.tax.name} {config.tax.percent:f} %"
    app.output.result(row, f"{number} bills as {config.company}, {taxed}, due in {config.due_days} days")


@invoices.command("list")
@click.option("--account", metavar="NUMBER", help="Only the documents of this buyer.")
@click.pass_obj
def list_(app: App, account: str | None) -> None:
    """List invoices, receipts and credit notes, in the order they were issued."""
    buyer = None if account is None else app.account(account)
    found = app.billing.documents.documents(buyer)
    numbers = {one.id: one.number for one in found}  # what is credited is of the same buyer
    rows = [document_row(one, None if one.corrects_id is None else numbers[one.corrects_id]) for one in found]
    columns = {
        "number": "Number",
        "kind": "Kind",
        "corrects": "For",
        "issuer": "Issuer",
        "account": "Account",
        "issued_at": "Issued (UTC)",
        "due_at": "Due (UTC)",
        "total": "Total",
    }
    app.output.rows("documents", rows, columns)


@invoices.command()
@click.argument("number")
@click.option("--issuer", metavar="NUMBER", help="The issuer's account number, where several have such a document.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file, as a web page.")
@click.pass_obj
def show(app: App, number: str, issuer: str | None, html: Path | None) -> None:
    """Show the invoice, receipt or credit note NUMBER with the calls on it."""
    document, corrected = _find(app, number, issuer)
    charges = app.billing.documents.charges(document)
    corrects = None if corrected is None else corrected.number
    calls = [
        {
            "at": charge.at,
            "number": charge.number,
            "destination": charge.description,
            "seconds": charge.seconds,
            "amount": Money.from_micros(charge.micros, charge.currency),
            "why": charge.detail.splitlines(),
        }
        for charge in sorted(charges, key=lambda charge: (charge.at, charge.posting_key, charge.position))
    ]
    row = {
        **document_row(document, corrects),
        "lines": [line_row(line, document.currency) for line in document.lines],
        "charges": calls,
    }
    if html is not None:
        write_html(document, charges, html, corrected)
        row = {**row, "html": str(html)}
        app.output.result(row, f"{number} written to {html}")
        return
    app.output.result(row, "\n".join(document_lines(document, corrects)))


def write_html(document: Document, charges: Any, path: Path, corrected: Document | None = None) -> None:
    """Write a document as a web page; a credit note with what it takes something back of."""
    from astpp_billing.invoicing.html import render_html  # needs Jinja2, which other commands can do without

    page = render_html(document, charges, corrected=corrected)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None


def _find(app: App, number: str, issuer: str | None) -> tuple[Document, Document | None]:
    """The document of a number, and the one that it takes something back of."""
    issuer_id = None if issuer is None else app.account(issuer).id
    known = app.billing.documents.documents()
    found = [document for document in known if document.number == number and issuer_id in (None, document.issuer_id)]
    if not found:
        raise click.ClickException(f"no document has the number {number!r}")
    if len(found) > 1:
        numbers = app.numbers()
        issuers = ", ".join(numbers[document.issuer_id] for document in found)
        raise click.UsageError(f"several issuers have a document {number}: add --issuer, one of {issuers}")
    (document,) = found
    return document, next((one for one in known if one.id == document.corrects_id), None)
