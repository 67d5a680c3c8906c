"""Documents: what is due, taxes, receipts, invoices and credit notes."""

from astpp_billing.invoicing.assembly import (
    ROUNDING_DESCRIPTION,
    Assembled,
    DocumentBooks,
    assemble,
    assemble_credit,
    document_transfers,
    line_name,
    make_document,
    number_of,
)
from astpp_billing.invoicing.documents import Document, DocumentKind, DocumentLine, InvoiceConfig, LineKind, Tax
from astpp_billing.invoicing.due import DuePeriod, due_periods, worth_issuing

__all__ = [
    "ROUNDING_DESCRIPTION",
    "Assembled",
    "Document",
    "DocumentBooks",
    "DocumentKind",
    "DocumentLine",
    "DuePeriod",
    "InvoiceConfig",
    "LineKind",
    "Tax",
    "assemble",
    "assemble_credit",
    "document_transfers",
    "due_periods",
    "line_name",
    "make_document",
    "number_of",
    "worth_issuing",
]
