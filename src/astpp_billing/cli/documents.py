"""A document as text, in its own locale and time zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from astpp_billing import l10n
from astpp_billing.cli.tables import Row, printable, width_of
from astpp_billing.invoicing import Document, DocumentLine, LineKind
from astpp_billing.money import Money

_WIDTH = 76


def document_row(document: Document, corrects: str | None = None) -> Row:
    """What is shown of a document; of a credit note, with the number of what it takes something back of."""
    period = document.period
    return {
        "number": document.number,
        "kind": document.kind,
        "issuer": document.issuer_name,
        "corrects": corrects,
        "account": document.buyer_number,
        "buyer": document.buyer_name,
        "issued_at": document.issued_at,
        "due_at": document.due_at,
        "period_start": period and period.start,
        "period_end": period and period.end,
        "currency": document.currency,
        "total": document.total,
    }


def line_row(line: DocumentLine, currency: str) -> Row:
    """One line of a document as data."""
    return {
        "position": line.position,
        "kind": line.kind,
        "description": line.description,
        "quantity": line.quantity,
        "seconds": line.seconds,
        "exact_amount": Money.from_micros(line.exact_micros, currency),
        "amount": Money.from_micros(line.micros, currency),
    }


def document_lines(it: Document, corrects: str | None = None) -> Iterator[str]:
    """The document in lines of at most 76 columns (descriptions that are longer go on); `corrects` as above."""
    yield _both(f"{it.kind.replace('_', ' ').upper()} {it.number}", f"issued {_date(it, it.issued_at)}")
    if corrects is not None:
        yield _both("", f"for document {corrects}")
    if it.due_at is not None:
        yield _both("", f"due {_date(it, it.due_at)}")
    if it.period is not None:
        last = it.period.end - timedelta(microseconds=1)
        yield _both("", f"{_date(it, it.period.start)} – {_date(it, last)}")
    yield printable(f"from  {_party(it.issuer_name, it.issuer_tax_number)}")
    yield printable(f"to    {_party(it.buyer_name or it.buyer_number, it.buyer_tax_number)}, account {it.buyer_number}")
    yield "─" * _WIDTH
    for line in it.lines:
        calls = ""
        if line.kind is LineKind.CHARGES:
            calls = f"{line.quantity} × {l10n.format_duration(line.seconds, it.locale)}"
        yield _both(f"{line.description}  {calls}".rstrip(), l10n.format_money(line.micros, it.currency, it.locale))
    yield "─" * _WIDTH
    yield _both("Total due" if it.due_at else "Total", l10n.format_money(it.total_micros, it.currency, it.locale))
    for text in it.note.splitlines():
        yield printable(text)


def _date(it: Document, instant: datetime) -> str:
    return l10n.format_date(instant, it.locale, it.timezone)


def _party(name: str, tax_number: str) -> str:
    return f"{name}, {tax_number}" if tax_number else name


def _both(left: str, right: str) -> str:
    left, right = printable(left), printable(right)
    return left + " " * max(2, _WIDTH - width_of(left) - width_of(right)) + right
