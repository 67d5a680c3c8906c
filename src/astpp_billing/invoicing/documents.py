"""Documents: receipts, invoices and credit notes as they were issued, and what an issuer prints on them (section 7)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen
from attrs.converters import optional

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue
from astpp_billing.hierarchy import Account
from astpp_billing.money import Money, check_currency, check_micros, minor_step, percent
from astpp_billing.periods import Period, check_timezone

MAX_PREFIX = 32
"""The most characters of a document number's prefix."""

MAX_DUE_DAYS = 3650
"""The most days that an invoice may give."""


class DocumentKind(StrEnum):
    """What a document is: the proof of what was paid in advance, a demand for what was used, or what takes one back."""

    RECEIPT = "receipt"
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class LineKind(StrEnum):
    """What a line of a document stands for."""

    CHARGES = "charges"
    TAX = "tax"
    ROUNDING = "rounding"


def _tax_percent(value: object) -> Decimal:
    return percent(value, "tax", most=100)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"what a document prints is text, not {value!r}")
    return value


def _needed(value: object) -> str:
    if not _text(value).strip():
        raise InvalidValue("the name of a company or a tax must not be empty")
    return _text(value)


def _prefix(value: object) -> str:
    text = _text(value)
    if len(text) > MAX_PREFIX or len(text.splitlines()) > 1 or text != text.strip():
        raise InvalidValue(f"a number's prefix is one line of at most {MAX_PREFIX} characters, not {value!r}")
    return text


def _whole(value: object, name: str, least: int = 0) -> int:
    if type(value) is not int or value < least:
        raise InvalidValue(f"{name} must be a whole number from {least}, not {value!r}")
    return value


@frozen
class Tax:
    """A tax that is added on top of what was charged: `Tax("VAT", Decimal(20))`. `percent` is from 0 to 100."""

    name: str = field(converter=_needed)
    percent: Decimal = field(converter=_tax_percent)


@frozen(kw_only=True)
class InvoiceConfig:
    """What one issuer prints on its documents, and how it numbers them.

    `account_id` is the issuer, whose series of numbers it is. `address` and `note` may have several lines. An
    invoice is due `due_days` local days after it was issued. Without a `tax`, none is added.
    """

    account_id: int
    company: str = field(converter=_needed)
    address: str = field(default="", converter=_text)
    tax_number: str = field(default="", converter=_text)
    invoice_prefix: str = field(default="INV-", converter=_prefix)
    receipt_prefix: str = field(default="RCP-", converter=_prefix)
    credit_note_prefix: str = field(default="CRN-", converter=_prefix)
    note: str = field(default="", converter=_text)
    due_days: int = 14
    tax: Tax | None = None

    def __attrs_post_init__(self) -> None:
        if _whole(self.due_days, "the days until an invoice is due") > MAX_DUE_DAYS:
            raise InvalidValue(f"an invoice is due within {MAX_DUE_DAYS} days, not {self.due_days}")

    @classmethod
    def default(cls, issuer: Account) -> InvoiceConfig:
        """What an issuer prints that has configured nothing: its name, or its number where it has none."""
        return cls(account_id=issuer.id, company=issuer.name.strip() or issuer.number, tax_number=issuer.tax_number)

    def prefix(self, kind: DocumentKind) -> str:
        """What the numbers of one kind of document begin with."""
        match kind:
            case DocumentKind.RECEIPT:
                return self.receipt_prefix
            case DocumentKind.INVOICE:
                return self.invoice_prefix
            case DocumentKind.CREDIT_NOTE:
                return self.credit_note_prefix


@frozen(kw_only=True)
class DocumentLine:
    """One line: the charges of one description, a tax, or what rounding carries forward.

    `position` counts from 1. `quantity` is the number of charges and `seconds` the sum of theirs, both 0 on lines of
    tax and rounding. `exact_micros` is the amount as the ledger has it (0 on a line of rounding, which stands for no
    charge), `micros` what is billed: whole minor units of the document's currency. Thus the exact amounts of a
    document's lines add up to what the ledger has, and the billed ones to the document's total.
    """

    position: int
    kind: LineKind
    description: str = field(converter=_text)
    quantity: int
    seconds: int
    exact_micros: int
    micros: int

    def __attrs_post_init__(self) -> None:
        _whole(self.position, "the position of a line", least=1)
        _whole(self.quantity, "the quantity of a line")
        _whole(self.seconds, "the seconds of a line")
        check_micros(self.exact_micros, "the exact amount of a line")
        check_micros(self.micros, "the amount of a line")
        if (self.kind is LineKind.CHARGES) != (self.quantity > 0):
            raise InvalidValue(f"a line of charges, and only such a line, has a quantity; {self.kind}: {self.quantity}")


@frozen(kw_only=True)
class Document:
    """One receipt, invoice or credit note as it was issued; it never changes (credit notes and payments relate to it).

    `id` is 0 until it is stored. `issuer_id` is the account whose configuration and series of numbers it has,
    `seller_id` the buyer's parent, `account_id` the buyer. `period` is None for a receipt of a single charge, and
    only an invoice has a `due_at`. The other texts are copies of what issuer and buyer were called at the time.
    `total_micros` is the sum of the lines' `micros`, never negative but on a credit note, where it is never positive:
    so the totals of all documents of an account add up to what it was billed. A credit note, and only that, has in
    `corrects_id` the id of the document of which it takes something back.
    """

    id: int = 0
    kind: DocumentKind
    number: str = field(converter=_text)
    issuer_id: int
    seller_id: int
    account_id: int
    currency: str = field(converter=check_currency)
    locale: str = "en_US"
    timezone: str = field(default="UTC", converter=check_timezone)
    period: Period | None = None
    issued_at: datetime = field(converter=utc)
    due_at: datetime | None = field(default=None, converter=optional(utc))
    corrects_id: int | None = None
    lines: tuple[DocumentLine, ...]
    total_micros: int
    issuer_name: str = field(default="", converter=_text)
    issuer_address: str = field(default="", converter=_text)
    issuer_tax_number: str = field(default="", converter=_text)
    buyer_number: str = field(default="", converter=_text)
    buyer_name: str = field(default="", converter=_text)
    buyer_tax_number: str = field(default="", converter=_text)
    note: str = field(default="", converter=_text)

    def __attrs_post_init__(self) -> None:
        if not self.number.strip():
            raise InvalidValue("a document has a number")
        if self.kind is not DocumentKind.INVOICE and self.due_at is not None:
            raise InvalidValue(
                f"{self.kind} {self.number}: it asks for no payment, so it cannot be due ({self.due_at})"
            )
        self._check_lines(minor_step(self.currency))
        check_micros(self.total_micros, "the total of a document")
        if self.kind is DocumentKind.CREDIT_NOTE:
            if self.total_micros > 0:
                raise InvalidValue(f"credit note {self.number}: its total is positive, {self.total_micros} micros")
        elif self.total_micros < 0:
            raise InvalidValue(f"document {self.number}: its total is negative, {self.total_micros} micros")
        if (self.kind is DocumentKind.CREDIT_NOTE) != (self.corrects_id is not None):
            raise InvalidValue(f"document {self.number}: a credit note, and only that, takes back another document")

    def _check_lines(self, step: int) -> None:
        total = 0
        for position, line in enumerate(self.lines, 1):
            if line.position != position:
                raise InvalidValue(f"document {self.number}: line {position} has the position {line.position}")
            if line.micros % step:
                raise InvalidValue(
                    f"document {self.number}: line {position} is not in whole minor units of {self.currency}: "
                    f"{line.micros} micros"
                )
            total += line.micros
        if self.total_micros != total:
            raise InvalidValue(
                f"document {self.number}: its total of {self.total_micros} micros is not the sum of its lines"
            )

    @property
    def total(self) -> Money:
        """What the document bills."""
        return Money.from_micros(self.total_micros, self.currency)
