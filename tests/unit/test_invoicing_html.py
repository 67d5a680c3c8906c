"""The printed document."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from attrs import evolve

from astpp_billing.errors import CurrencyMismatch, InvalidValue
from astpp_billing.hierarchy import Account, BillingType, Kind
from astpp_billing.invoicing import Document, DocumentKind, InvoiceConfig, Tax, assemble, assemble_credit, make_document
from astpp_billing.invoicing.html import render_html
from astpp_billing.invoicing.labels import ENGLISH
from astpp_billing.ledger import Charge, ChargeKind
from astpp_billing.periods import Period

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 2, 1, tzinfo=UTC)
VOID = {"meta"}


class Page(HTMLParser):
    """The text of every element and its attributes; fails where tags do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] != "style":
            self.texts.append((self.open[-1], data.strip()))

    def all_text(self) -> str:
        return " ".join(text for _, text in self.texts)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def charge(micros: int, **changes: Any) -> Charge:
    values: dict[str, Any] = {
        "account_id": 3,
        "posting_key": "call:1",
        "at": START + timedelta(hours=9),
        "description": "Germany",
        "number": "+4930123456",
        "seconds": 65,
        "micros": micros,
        "currency": "EUR",
    }
    return Charge(**(values | changes))


def document(
    charges: Sequence[Charge],
    *,
    kind: DocumentKind = DocumentKind.INVOICE,
    tax: Tax | None = None,
    period: Period | None = None,
    buyer: dict[str, Any] | None = None,
    **config: Any,
) -> Document:
    account = Account(
        **{
            "id": 3,
            "number": "1000000003",
            "name": "Blue Harbour",
            "kind": Kind.CUSTOMER,
            "parent_id": 2,
            "billing": BillingType.POSTPAID,
            "currency": "EUR",
            **(buyer or {}),
        }
    )
    issuer = InvoiceConfig(**{"account_id": 1, "company": "Acme", **config})
    assembled = assemble(charges, account.currency, tax, 0)
    return make_document(kind, account, 2, issuer, "INV-000042", assembled, period, END + timedelta(minutes=5))


def page(charges: Sequence[Charge], details: Sequence[Charge] = (), **changes: Any) -> Page:
    return Page(render_html(document(charges, **changes), details))


def test_an_invoice_shows_who_when_what_and_how_much() -> None:
    shown = page(
        [charge(1_234_567)],
        tax=Tax("VAT", Decimal(20)),
        period=Period(START, END),
        address="Road 1\nTown",
        tax_number="AT 1",
        note="Thank you",
    )

    assert [text for _, text in shown.texts] == [
        *("Invoice INV-000042", "Invoice", "INV-000042"),
        *("Issued", "February 1, 2026", "Due", "February 15, 2026"),
        *("Period", "January 1, 2026", "–", "January 31, 2026", "Currency", "EUR"),
        *("From", "Acme", "Road 1\nTown", "Tax number", "AT 1"),
        *("To", "Blue Harbour", "Account number", "1000000003"),
        *("Charges", "Description", "Count", "Duration", "Amount"),
        *("Germany", "1", "0:01:05", "€1.23"),
        *("VAT 20 %", "€0.25", "Total due", "€1.48"),
        *("Note", "Thank you"),
    ]


def test_a_receipt_is_called_one_and_has_nothing_due() -> None:
    shown = page([charge(1_000_000)], kind=DocumentKind.RECEIPT, buyer={"name": ""})

    text = shown.all_text()
    assert "Receipt" in text
    assert "Due" not in text
    assert "Period" not in text
    assert ("p", "Blue Harbour") not in shown.texts
    assert text.count("1000000003") == 2  # instead of the name, and as the account's number


def credited() -> tuple[Document, Document]:
    """An invoice, and a credit note for a part of it."""
    invoice = evolve(document([charge(1_234_567)], tax=Tax("VAT", Decimal(20))), id=7)
    refund = charge(-234_567, kind=ChargeKind.REFUND, seconds=0)
    buyer = Account(id=3, number="1000000003", name="Blue", kind=Kind.CUSTOMER, parent_id=2, currency="EUR")
    config = InvoiceConfig(account_id=1, company="Acme")
    assembled = assemble_credit([refund], invoice, (), 0)
    kind = DocumentKind.CREDIT_NOTE
    return invoice, make_document(kind, buyer, 2, config, "CRN-000001", assembled, None, END, corrects_id=7)


def test_a_credit_note_says_what_it_is_for_and_takes_back() -> None:
    invoice, note = credited()

    assert [text for _, text in Page(render_html(note, corrected=invoice)).texts] == [
        *("Credit note CRN-000001", "Credit note", "CRN-000001"),
        *("Issued", "February 1, 2026", "For document", "INV-000042", "Currency", "EUR"),
        *("From", "Acme", "To", "Blue", "Account number", "1000000003"),
        *("Charges", "Description", "Count", "Duration", "Amount"),
        *("Germany, refunded", "1", "0:00:00", "-€0.23", "VAT 20 %", "-€0.05", "Total", "-€0.28"),
    ]
    assert "For document" not in render_html(note)


def test_a_document_names_no_other_one_than_it_takes_something_back_of() -> None:
    invoice, note = credited()

    for one, other in ((note, note), (note, evolve(invoice, id=8)), (invoice, invoice)):
        with pytest.raises(InvalidValue, match=f"{one.number} takes nothing back of {other.number}"):
            render_html(one, corrected=other)


def test_rounding_is_shown_as_a_line() -> None:
    text = page([charge(4_000, description=name) for name in "ABC"]).all_text()

    assert "Rounding, carried forward €0.01 Total due €0.01" in text


def test_a_call_detail_is_exact_and_says_how_it_came_about() -> None:
    call = charge(1_365, detail="65 s, charged 66 s\n0.00124 x 66 s / 60", at=datetime(2026, 1, 10, 23, 30, tzinfo=UTC))

    shown = page([call], [call], buyer={"timezone": "Europe/Berlin", "locale": "en_GB"})

    assert shown.texts.count(("td", "€0.001365")) == 2  # the call, and the sum of the only call
    assert ("th", "11 Jan 2026, 00:30:00") in shown.texts
    assert ("bdi", "+4930123456") in shown.texts
    assert ("bdi", "65 s, charged 66 s\n0.00124 x 66 s / 60") in shown.texts
    assert ("bdi", "Europe/Berlin") in shown.texts


def test_call_details_come_in_the_order_of_time_with_their_sum() -> None:
    later, earlier = charge(2, position=1, at=START + timedelta(2), number="22"), charge(1, position=2, number="11")

    text = page([later, earlier], [later, earlier]).all_text()

    assert text.index("11 Germany") < text.index("22 Germany")
    assert text.endswith("Sum 0:02:10 €0.000003")


def test_without_charges_there_are_no_details() -> None:
    assert "Call details" not in page([charge(1_000_000)]).all_text()


def test_many_calls_get_pages_of_their_own() -> None:
    few, many = [charge(1)] * 5, [charge(1)] * 6

    assert "scrolled annex" not in render_html(document(few), few)
    assert "scrolled annex" in render_html(document(many), many)


@pytest.mark.parametrize(
    ("currency", "total", "exact"),
    [("JPY", "¥2", "¥1.500000"), ("KWD", "KWD\xa01.500", "KWD\xa01.500000"), ("EUR", "€1.50", "€1.500000")],
)
def test_amounts_have_the_currencys_places(currency: str, total: str, exact: str) -> None:
    call = charge(1_500_000, currency=currency)

    texts = page([call], [call], buyer={"currency": currency}).texts

    assert ("td", total) in texts
    assert ("td", exact) in texts


def test_the_page_says_its_language_and_direction() -> None:
    arabic = page([charge(1)], buyer={"locale": "ar"})
    english = page([charge(1)], buyer={"locale": "en_GB"})

    assert arabic.attributes("html") == [{"lang": "ar", "dir": "rtl"}]
    assert english.attributes("html") == [{"lang": "en-GB", "dir": "ltr"}]
    assert arabic.attributes("h1") == [{"lang": "en"}]


def test_words_of_the_pages_own_language_do_not_repeat_it() -> None:
    german = evolve(ENGLISH, language="de", invoice="Rechnung")

    shown = Page(render_html(document([charge(1)], buyer={"locale": "de_AT"}), labels=german))

    assert ("h1", "Rechnung") in shown.texts
    assert shown.attributes("h1") == [{}]


def test_tables_can_be_read_by_ear() -> None:
    call = charge(1, detail="why")
    shown = page([call], [call])

    assert len(shown.attributes("caption")) == len(shown.attributes("table")) == 2
    assert all(heading.get("scope") in {"col", "row", "rowgroup"} for heading in shown.attributes("th"))
    assert shown.attributes("div")[-1]["aria-labelledby"] == "details"


def test_the_page_needs_nothing_from_elsewhere() -> None:
    html = render_html(document([charge(1)]), [charge(1)])

    assert "default-src 'none'" in html
    for reference in ("src=", "href=", "url(", "@import", "<script", "http:", "https:"):
        assert reference not in html


HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp; \u202eRTL {{ 7*7 }}"


def test_what_people_typed_is_text_and_nothing_else() -> None:
    call = charge(1, description=HOSTILE, detail=HOSTILE, number=HOSTILE)
    hostile = document(
        [call],
        tax=Tax(HOSTILE, Decimal(1)),
        company=HOSTILE,
        address=HOSTILE,
        tax_number=HOSTILE,
        note=HOSTILE,
        buyer={"name": HOSTILE, "number": HOSTILE[:20], "tax_number": HOSTILE},
    )

    shown = Page(render_html(evolve(hostile, number=HOSTILE), [call]))

    assert {tag for tag, _ in shown.elements}.isdisjoint({"script", "img"})
    # everywhere in an element that keeps marks of direction inside; only the title has none
    assert [tag for tag, text in shown.texts if HOSTILE in text] == ["title", *["bdi"] * 12]


def test_what_cannot_be_shown_is_replaced() -> None:
    html = render_html(document([charge(1, description="a\x00b\x1b\ud800c\u0085")]))

    assert "a\ufffdb\ufffd\ufffdc\ufffd" in html
    assert html.encode("utf-8")


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"currency": "USD"}, CurrencyMismatch), ({"account_id": 4}, InvalidValue), ({"document_id": 9}, InvalidValue)],
)
def test_charges_of_another_document_are_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        render_html(document([charge(1)]), [charge(1, **changes)])


def test_an_unknown_locale_is_refused() -> None:
    with pytest.raises(InvalidValue, match="locale"):
        render_html(evolve(document([charge(1)]), locale="xx"))


def test_without_jinja2_the_error_names_the_extra() -> None:
    code = """
import sys
sys.modules["jinja2"] = None
from datetime import UTC, datetime
from astpp_billing.invoicing import Document, DocumentKind
from astpp_billing.invoicing.html import render_html
now = datetime(2026, 1, 1, tzinfo=UTC)
try:
    render_html(Document(kind=DocumentKind.RECEIPT, number="1", issuer_id=1, seller_id=1, account_id=2,
                         currency="EUR", issued_at=now, lines=(), total_micros=0))
except ModuleNotFoundError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert found.stdout == "printing documents needs Jinja2: install astpp-billing[documents]\n"


def test_jinja2_is_loaded_by_the_first_page_only() -> None:
    code = "import sys, astpp_billing.invoicing.html; sys.exit('jinja2' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
