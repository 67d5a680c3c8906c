"""Documents: what is due, taxes, receipts and invoices."""

from astpp_billing.invoicing.assembly import (
    ROUNDING_DESCRIPTION,
    Assembled,
    DocumentBooks,
    assemble,
    document_transfers,
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
    "document_transfers",
    "due_periods",
    "make_document",
    "number_of",
    "worth_issuing",
]
