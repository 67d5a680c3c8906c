"""`astpp-billing demo`: a small reseller business, billed from real call records, and told as a story."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from astpp_billing import Billing, FixedClock
from astpp_billing.calls import CallStatus, Failed, Settled
from astpp_billing.cli.app import App
from astpp_billing.cli.demo_calls import explain_calls
from astpp_billing.cli.demo_files import DemoFolder
from astpp_billing.cli.demo_proof import prove
from astpp_billing.cli.demo_world import BILLING_DAY, CALL_DAY, MIDNIGHT_BERLIN, World, import_rates, open_accounts
from astpp_billing.cli.documents import document_lines, document_row
from astpp_billing.cli.ingest import Ingested, Result, find_files, ingest, unrated_detail
from astpp_billing.cli.invoices import write_html
from astpp_billing.cli.output import Output
from astpp_billing.cli.samples import LOOPBACK, SIP, call_records
from astpp_billing.cli.story import Story
from astpp_billing.cli.tables import Row
from astpp_billing.errors import MalformedRecord
from astpp_billing.freeswitch import ReadOptions, read_file
from astpp_billing.invoicing import Document, DocumentKind

_DECK_OWNERS = {
    "termination": "what the carrier charges Acme",
    "distributor": "what Acme charges Europe Voice",
    "subreseller": "what Europe Voice charges City Phone",
    "retail": "what City Phone charges its customers",
    "city-special": "City Phone's own rates, asked first",
    "4420-special": "Postpaid Paul's own rates, asked first",
}


@click.command(short_help="Bill a small reseller business from real data.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("astpp-billing-demo"),
    show_default=True,
    help="Where the database and the documents go. Files of an earlier demo there are removed first, no others.",
)
@click.pass_obj
def demo(app: App, directory: Path) -> None:
    """Bill a small reseller business from real rate decks and call records, and tell who paid whom and why."""
    started = time.monotonic()
    if "?" in str(directory):
        raise click.UsageError("the directory's name must not contain a question mark")
    folder = DemoFolder(directory)
    folder.start_afresh()
    clock = FixedClock(MIDNIGHT_BERLIN)
    with Billing.open(folder.url, clock) as billing:
        result = _Demo(billing, clock, folder, app.output).run()
    if app.output.as_json:
        app.output.result(result, "")
    sys.stdout.flush()  # before the next line, which goes to standard error
    app.output.say(f"(the demo took {time.monotonic() - started:.1f} s)")


class _Demo:
    def __init__(self, billing: Billing, clock: FixedClock, folder: DemoFolder, output: Output) -> None:
        self._billing = billing
        self._clock = clock
        self._folder = folder
        self._output = output
        self._story = Story(silent=output.as_json)

    def run(self) -> Row:
        """The whole story; returns what it came to."""
        world = open_accounts(self._billing, self._clock)
        self._tell_accounts(world)
        self._prices()
        self._clock.set(CALL_DAY)
        read = self._calls(world)
        call_rows = explain_calls(self._billing, self._story, world)
        self._clock.set(BILLING_DAY)
        documents = self._documents()
        proof = prove(self._billing, self._story, world)
        self._next_steps(documents, call_rows)
        return {
            "directory": str(self._folder.path),
            "database": self._folder.url,
            "files": [done.row() for done in read],
            "calls": call_rows,
            "documents": [document_row(document) for document in documents],
            **proof,
        }

    def _tell_accounts(self, world: World) -> None:
        story = self._story
        story.chapter(
            "The business",
            "A carrier ends the calls. Acme buys from it and sells down a chain of resellers to two customers.",
        )
        depth = {world.provider.id: 0, world.admin.id: 0}
        rows = []
        for account in world.accounts:
            depth.setdefault(account.id, depth.get(account.parent_id or 0, 0) + 1)
            percent = f"{account.commission_percent:f} % " if account.commission_percent else ""
            rows.append(
                {
                    "account": f"{'  ' * depth[account.id]}{account.number}",
                    "name": account.name,
                    "role": f"{percent}{account.model or account.kind}",
                    "currency": account.currency,
                    "billing": account.billing if account.parent_id else "",
                    "zone": account.timezone,
                }
            )
        columns = {"account": "Account", "name": "Name", "role": "Role", "currency": "Wallet", "billing": "Billing"}
        story.table(rows, {**columns, "zone": "Time zone"})
        story.text("Acc1 has refilled 10.00 USD. City Phone adds 20 % VAT. 1 EUR is 1.10 USD.")

    def _prices(self) -> None:
        counts = import_rates(self._billing, self._output)
        rows: list[Row] = []
        with self._output.progress("Building the price tables", len(counts)) as advance:
            for group, count in counts.items():
                found = {prefix: self._billing.prices.find(group, prefix) for prefix in ("1234", "7771")}
                rates = {n: hit and f"{hit[1].price_per_minute:f}" for n, hit in found.items()}
                rows.append({"group": group, "rates": f"{count:,}", "whose": _DECK_OWNERS[group], **rates})
                advance()
        self._story.chapter("The prices", "Six price lists, in USD. The last two are for one account each.")
        columns = {"group": "Rate group", "rates": "Rates", "whose": "Whose price"}
        self._story.table(rows, {**columns, "1234": "1234 per min", "7771": "7771 per min"})

    def _calls(self, world: World) -> list[Ingested]:
        story, billing = self._story, self._billing
        story.chapter(
            "The calls",
            "A FreeSWITCH has posted 22 records, each call as JSON and as XML: some in captured requests, some with "
            "all legs of a call. Only one leg of a call is charged, and each call once.",
        )
        with call_records() as folder:
            read = []
            columns = {"call": "Call", "result": "Result", "detail": ""}
            for name, options in ((LOOPBACK, ReadOptions()), (SIP, ReadOptions(access_prefixes=("bs",)))):
                done = self._ingest(folder / name, options)
                story.table([_file_row(one, folder / name) for one in done], {"file": f"{name}/", **columns})
                read += done
            _show_damage(story, next(find_files([str(folder / SIP / "busy_call")])))
        waiting = billing.calls.all(CallStatus.UNRATED)
        story.gap()
        story.text(
            f"{len(waiting)} calls wait: nobody has told that the SIP user 4420 is Postpaid Paul. They are kept, "
            "and rated as soon as the endpoint is known:"
        )
        reasons = {entry.key: entry.detail for entry in waiting}
        billing.accounts.add_endpoint(world.postpaid, user="4420")
        rows: list[Row] = []
        for settlement in billing.calls.retry():
            assert not isinstance(settlement, Failed)  # nothing in this world is beyond the largest amount
            record = settlement.entry.record
            charged = Result.CHARGED if isinstance(settlement, Settled) else unrated_detail(settlement)
            call = f"{record.user} to {record.number}, {record.seconds} s"
            rows.append({"call": call, "why": reasons[settlement.entry.key], "result": charged})
        story.table(rows, {"call": "Call", "why": "Why it waited", "result": "Retried"})
        return read

    def _ingest(self, path: Path, options: ReadOptions) -> list[Ingested]:
        names = list(find_files([str(path)]))
        done = []
        with self._output.progress(f"Reading {path.name}", len(names)) as advance:
            for one in ingest(self._billing, names, options):
                done.append(one)
                advance()
        return done

    def _documents(self) -> list[Document]:
        story, billing = self._story, self._billing
        billed = list(billing.documents.run())
        documents = list(billing.documents.documents())
        story.chapter(
            "The documents",
            f"{sum(1 for it in documents if it.kind is DocumentKind.RECEIPT)} receipts came with the prepaid "
            "customer's charges. "
            f"On the billing day, December 1, {len(billed)} periods were due, and "
            f"{sum(1 for it in billed if it.document)} invoices were issued. Lines are rounded to whole cents; what "
            "that leaves is carried to the next document, so that all together bill what the ledger has.",
        )
        columns = {"number": "Document", "issuer": "Issuer", "buyer": "Buyer", "issued_at": "Issued (UTC)"}
        story.table([document_row(it) for it in documents], {**columns, "total": "Total"})
        for kind, buyer in ((DocumentKind.RECEIPT, "acc1"), (DocumentKind.INVOICE, "4420")):
            story.gap()
            document = next(it for it in documents if (it.kind, it.buyer_number) == (kind, buyer))
            story.lines(list(document_lines(document)), indent=4)
        for document in documents:
            write_html(document, billing.documents.charges(document), self._folder.add(f"{document.number}.html"))
        return documents

    def _next_steps(self, documents: Sequence[Document], calls: Sequence[Row]) -> None:
        program = f"{program_name()} --database {shlex.quote(self._folder.url)}"
        story = self._story
        story.chapter(
            "Try it yourself",
            f"The database and {len(documents)} documents as web pages are in {self._folder.path}. These work on it:",
        )
        invoice = next(it for it in documents if it.kind is DocumentKind.INVOICE and it.buyer_number == "4420")
        dearest = max(calls, key=lambda row: len(str(row["payments"])))
        story.commands(
            program,
            (
                "accounts list",
                "rates explain --account 4420 --seconds 95 '+1 212 555 0100'",
                f"cdr explain {str(dearest['key']).rpartition(':')[2]}",
                f"invoices show {invoice.number}",
                "ledger reconcile",
                "--json ledger profits",
            ),
        )


def program_name() -> str:
    """The command as it can be typed here: its name, or its path where the shell would not find it."""
    return "astpp-billing" if shutil.which("astpp-billing") else shlex.quote(sys.argv[0])


def _file_row(done: Ingested, folder: Path) -> Row:
    record = done.record
    detail = done.detail
    if done.result is Result.UNRATED:
        detail = detail.partition(":")[0]
    elif done.result is Result.REPEATED:
        detail = "the same leg again"
    elif done.result is Result.CHARGED:
        detail = str(done.amount or "nothing, 10 s are included")
    return {
        "file": Path(done.file).relative_to(folder).as_posix(),
        "call": "" if record is None else f"{record.account or record.user} to {record.number}, {record.seconds} s",
        "result": done.result,
        "detail": detail,
    }


def _show_damage(story: Story, name: str) -> None:
    """What becomes of a record that was cut off."""
    data = Path(name).read_bytes()
    try:
        read_file(data[: len(data) // 2])
    except MalformedRecord as error:
        story.gap()
        story.text(f"Half of a record is refused, with the reason: {error}")
