"""The words that a document prints around its data."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Labels:
    """The words of a printed document; the defaults are English.

    For another language, evolve them: `attrs.evolve(ENGLISH, language="de", invoice="Rechnung", …)`. `language` is
    the words' own (a tag of BCP 47), so that a screen reader pronounces them rightly beside a buyer's other locale.
    """

    language: str = "en"
    invoice: str = "Invoice"
    receipt: str = "Receipt"
    credit_note: str = "Credit note"
    corrects: str = "For document"
    issuer: str = "From"
    buyer: str = "To"
    account_number: str = "Account number"
    tax_number: str = "Tax number"
    number: str = "Number"
    issued: str = "Issued"
    due: str = "Due"
    period: str = "Period"
    currency: str = "Currency"
    lines: str = "Charges"
    description: str = "Description"
    quantity: str = "Count"
    duration: str = "Duration"
    amount: str = "Amount"
    total: str = "Total"
    total_due: str = "Total due"
    note: str = "Note"
    details: str = "Call details"
    times_in: str = "times in"
    exact_amounts: str = "exact amounts before tax, and how they came about"
    time: str = "Time"
    called_number: str = "Number"
    destination: str = "Destination"
    sum: str = "Sum"


ENGLISH = Labels()
"""The words that are used unless others are given."""
