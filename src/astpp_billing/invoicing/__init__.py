"""Documents: what is due, taxes, receipts and invoices."""
