"""A document as one HTML page: to look at, to print, or to turn into a PDF.

Jinja2 comes with the extra `documents`, and is imported by the first page. The template escapes whatever it prints;
names, numbers and notes also stand in elements of their own (`bdi`), so that marks of writing direction in them
cannot turn the text around them. The page needs nothing from elsewhere, and its content policy forbids it to try.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from astpp_billing import l10n
from astpp_billing.errors import CurrencyMismatch, InvalidValue
from astpp_billing.invoicing.documents import Document, LineKind
from astpp_billing.invoicing.labels import ENGLISH, Labels
from astpp_billing.ledger import Charge
from astpp_billing.money import check_currency
from astpp_billing.periods import Period

if TYPE_CHECKING:
    from jinja2 import Template

# Code points that HTML does not allow, or that UTF-8 cannot write: they can come in with a switch's records.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def render_html(
    document: Document,
    charges: Sequence[Charge] = (),
    labels: Labels = ENGLISH,
    *,
    corrected: Document | None = None,
) -> str:
    """The document as a complete page of HTML 5, and below it the details of `charges`, if there are any.

    A credit note names the document that it takes something back of, where it is given as `corrected`.

    Amounts, dates and times are written in the document's locale and time zone, with the words of `labels`; the lines
    in the currency's minor unit, the details with all six decimal places, in the order of time. Characters that
    cannot be shown are replaced by U+FFFD.

    Raises `InvalidValue` for a locale that is not known, for charges that are not the document's and for another
    `corrected` document than it has, `CurrencyMismatch` for charges in another currency, and `ModuleNotFoundError`
    without Jinja2.
    """
    _check_charges(document, charges)
    if corrected is not None and corrected.id != document.corrects_id:
        raise InvalidValue(f"{document.kind} {document.number} takes nothing back of {corrected.number}")
    l10n.check_locale(document.locale)
    page = _template().render(
        document=document,
        corrected=corrected,
        charges=sorted(charges, key=lambda charge: (charge.at, charge.posting_key, charge.position)),
        details={
            "seconds": sum(charge.seconds for charge in charges),
            "micros": sum(charge.micros for charge in charges),
        },
        labels=labels,
        text=_Formats(document),
        LineKind=LineKind,
    )
    return _UNPRINTABLE.sub("\ufffd", page)


def _check_charges(document: Document, charges: Sequence[Charge]) -> None:
    for charge in charges:
        if charge.currency != document.currency:
            raise CurrencyMismatch(f"a document in {document.currency} has no charge in {charge.currency}")
        if charge.account_id != document.account_id or charge.document_id not in (None, document.id):
            raise InvalidValue(f"charge {charge.position} of {charge.posting_key} is not on {document.number}")


class _Formats:
    """How a document's values are written, in its locale and time zone."""

    def __init__(self, document: Document) -> None:
        self._locale = document.locale
        self._timezone = document.timezone
        self._currency = check_currency(document.currency)

    @property
    def language(self) -> str:
        return l10n.language_tag(self._locale)

    @property
    def direction(self) -> str:
        return l10n.text_direction(self._locale)

    def money(self, micros: int) -> str:
        return l10n.format_money(micros, self._currency, self._locale)

    def exact_money(self, micros: int) -> str:
        return l10n.format_exact_money(micros, self._currency, self._locale)

    def count(self, number: int) -> str:
        return l10n.format_number(number, self._locale)

    def duration(self, seconds: int) -> str:
        return l10n.format_duration(seconds, self._locale)

    def date(self, instant: datetime) -> str:
        return l10n.format_date(instant, self._locale, self._timezone)

    def time(self, instant: datetime) -> str:
        return l10n.format_datetime(instant, self._locale, self._timezone)

    def last_day(self, period: Period) -> str:
        """The last local day of a period; its end is the first instant that no longer belongs to it."""
        return self.date(period.end - timedelta(microseconds=1))


@cache
def _template() -> Template:
    try:
        import jinja2
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "printing documents needs Jinja2: install astpp-billing[documents]", name="jinja2"
        ) from error
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.PackageLoader("astpp_billing.invoicing"),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("document.html.j2")
