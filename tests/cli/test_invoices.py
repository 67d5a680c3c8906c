"""`astpp-billing invoices`."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from tests.cli.conftest import LOOPBACK, SIP, Command

# a month after the calls and after the accounts were opened, whatever the date is today
LATER = (max(datetime.now(UTC), datetime(2026, 11, 23, tzinfo=UTC)) + timedelta(days=40)).isoformat()


@pytest.fixture
def billed(shop: Command) -> Command:
    """Two customers and their reseller with calls; the resellers' documents have a tax."""
    shop.run("invoices", "configure", "agent", "--company", "Agent & Co", "--tax", "VAT", "20", "--due-days", "7")
    shop.run("invoices", "configure", "agent", "--invoice-prefix", "A-", "--note", "Thanks", "--address", "1 Main St")
    shop.run("cdr", "ingest", LOOPBACK / "json_cdr_form.http")
    shop.run("cdr", "ingest", "--access-prefix", "bs", SIP)
    return shop


def test_what_is_due_is_billed_once(billed: Command) -> None:
    done = billed.json("invoices", "run", "--now", LATER)
    issued = [one for one in done["billed"] if one["document"]]

    assert {(one["account"], one["document"]) for one in issued} == {("agent", "INV-000001"), ("p4420", "A-000001")}
    assert not done["dry_run"]
    assert billed.json("invoices", "run", "--now", LATER)["billed"] == []


def test_a_dry_run_changes_nothing(billed: Command) -> None:
    result = billed.run("invoices", "run", "--now", LATER, "--dry-run")

    assert "(not issued)" in result.stdout
    assert "2 documents would be issued" in result.stderr
    assert [one["kind"] for one in billed.json("invoices", "list")["documents"]] == ["receipt"]
    assert len([one for one in billed.json("invoices", "run", "--now", LATER)["billed"] if one["document"]]) == 2


def test_nothing_is_due_before_its_day(billed: Command) -> None:
    result = billed.run("invoices", "run", "--now", "2026-01-01")

    assert "0 periods were due, 0 documents issued" in result.stderr


def test_an_account_that_is_not_proved_is_set_aside(billed: Command) -> None:
    with closing(sqlite3.connect(billed.database)) as database, database:
        database.execute("UPDATE charges SET micros = micros + 1 WHERE currency = 'EUR'")
    result = billed.run("invoices", "run", "--now", LATER, code=1)

    assert "account p4420 was set aside: charges of account p4420" in result.stderr
    assert "INV-000001" in result.stdout
    (aside,) = [one for one in billed.json("invoices", "run", "--now", LATER, code=1)["billed"] if one["problem"]]
    assert aside["account"] == "p4420"


def test_what_an_issuer_prints_is_kept(billed: Command) -> None:
    config = billed.json("invoices", "configure", "agent")

    assert config == {
        "account": "agent",
        "company": "Agent & Co",
        "address": "1 Main St",
        "tax_number": "",
        "invoice_prefix": "A-",
        "receipt_prefix": "RCP-",
        "credit_note_prefix": "CRN-",
        "note": "Thanks",
        "due_days": 7,
        "tax": {"name": "VAT", "percent": "20"},
    }
    text = billed.out("invoices", "configure", "agent", "--no-tax")
    assert text == "agent bills as Agent & Co, no tax, due in 7 days\n"
    assert billed.out("invoices", "configure", "agent", "--tax", "GST", "7.5").startswith(
        "agent bills as Agent & Co, GST 7.5 %"
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--tax", "VAT", "20", "--no-tax"), 2),
        (("--tax", "VAT", "much"), 2),
        (("--tax", "VAT", "101"), 1),
        (("--company", " "), 1),
        (("--due-days", "-1"), 2),
        (("--due-days", "99999"), 1),
    ],
)
def test_what_cannot_be_printed_is_refused(billed: Command, arguments: tuple[str, ...], code: int) -> None:
    assert "Error: " in billed.run("invoices", "configure", "agent", *arguments, code=code).stderr


def test_documents_are_listed(billed: Command) -> None:
    billed.run("invoices", "run", "--now", LATER)
    documents = billed.json("invoices", "list")["documents"]

    assert [one["number"] for one in documents] == ["RCP-000001", "INV-000001", "A-000001"]
    assert documents[0]["total"] == {"amount": "0.36", "currency": "USD"}
    assert documents[0]["due_at"] is None
    assert [one["account"] for one in billed.json("invoices", "list", "--account", "acc1")["documents"]] == ["acc1"]
    assert "0.36 USD" in billed.out("invoices", "list")


def test_a_receipt_is_shown_as_text(billed: Command) -> None:
    lines = billed.out("invoices", "show", "RCP-000001").splitlines()

    assert lines[0].startswith("RECEIPT RCP-000001")
    assert "from  Agent & Co" in lines
    assert "to    Prepaid Pat, account acc1" in lines
    amounts = [line.split() for line in lines if "$" in line]
    assert amounts == [["RU", "1", "×", "0:00:01", "$0.30"], ["VAT", "20", "%", "$0.06"], ["Total", "$0.36"]]
    assert lines[-1] == "Thanks"
    assert max(map(len, lines)) == 76


def test_an_invoice_is_shown_in_the_buyers_locale(billed: Command) -> None:
    billed.run("accounts", "change", "p4420", "--locale", "de_DE", "--tax-number", "DE 123")
    billed.run("invoices", "run", "--now", LATER)
    text = billed.out("invoices", "show", "A-000001")

    assert text.startswith("INVOICE A-000001")
    assert "Total due" in text
    assert "0,67\N{NO-BREAK SPACE}€" in text  # 0.56 and 20 %
    assert "to    p4420, DE 123, account p4420" in text
    assert " – " in text


def test_a_document_is_data_too(billed: Command) -> None:
    data = billed.json("invoices", "show", "RCP-000001")

    assert [(line["kind"], line["amount"]["amount"]) for line in data["lines"]] == [
        ("charges", "0.30"),
        ("tax", "0.06"),
    ]
    (call,) = data["charges"]
    assert (call["number"], call["destination"], call["amount"]["amount"]) == ("7771", "RU", "0.30")
    assert call["why"][0] == "rate 7 RU of group 'retail' version 1"


def test_a_document_is_written_as_a_page(billed: Command) -> None:
    path = billed.directory / "receipt.html"
    text = billed.out("invoices", "show", "RCP-000001", "--html", path)

    assert text == f"RCP-000001 written to {path}\n"
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "Agent &amp; Co" in page
    assert billed.json("invoices", "show", "RCP-000001", "--html", path)["html"] == str(path)


def test_a_page_that_cannot_be_written_is_told(billed: Command) -> None:
    path = billed.directory / "no" / "where.html"
    result = billed.run("invoices", "show", "RCP-000001", "--html", path, code=1)

    assert result.stderr == f"Error: {path}: No such file or directory\n"


def test_a_number_of_several_issuers_needs_the_issuer(billed: Command) -> None:
    billed.run("invoices", "configure", "agent", "--invoice-prefix", "INV-")
    billed.run("invoices", "run", "--now", LATER)
    result = billed.run("invoices", "show", "INV-000001", code=2)

    assert "several issuers have a document INV-000001: add --issuer, one of acme, agent" in result.stderr
    assert billed.json("invoices", "show", "INV-000001", "--issuer", "agent")["account"] == "p4420"
    assert billed.json("invoices", "show", "INV-000001", "--issuer", "acme")["account"] == "agent"


def test_a_document_that_is_not_there_is_told(billed: Command) -> None:
    assert "no document has the number 'X'" in billed.run("invoices", "show", "X", code=1).stderr
    assert "no account" in billed.run("invoices", "list", "--account", "nobody", code=1).stderr
