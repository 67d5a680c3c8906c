"""Accounts as CSV (RFC 4180): for a spreadsheet that opens it, or a program that reads it.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula, quoted or
not, so that a customer's name could run something on the reader's machine. Such a text gets an apostrophe in front,
which spreadsheets take for "this is text". Columns that hold the library's own numbers have nothing of the kind to
fear, and `-12.50` stays a number there.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from decimal import Decimal

from attrs import frozen

from astpp_billing.hierarchy.account import Account
from astpp_billing.money import from_micros, minor_units, plain

COLUMNS = (
    "number",
    "name",
    "kind",
    "model",
    "parent",
    "status",
    "billing",
    "currency",
    "balance",
    "credit_limit",
    "rate_group",
    "own_rate_group",
    "commission_percent",
    "timezone",
    "locale",
    "schedule",
    "receipts",
    "zero_invoices",
    "loss_less_routing",
    "same_credential",
    "tax_number",
    "opened_at",
)
"""The headings, in their order."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@frozen
class AccountRow:
    """An account to be exported, with its parent's number and what is in its wallet, in its own currency."""

    account: Account
    parent: str
    balance_micros: int


def accounts_csv(rows: Iterable[AccountRow]) -> Iterator[str]:
    """The lines of the file, each with its end of line (CR LF), the headings first.

    The rows are read one by one, as the lines are asked for. Amounts are in the account's currency, and have as many
    decimal places as they need, at least those of the currency; `opened_at` is in ISO 8601 and UTC.
    """
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)  # the writer gives back what the file's write does: the line
    for row in rows:
        yield writer.writerow(_cells(row))


def safe_text(text: str) -> str:
    """`text` as a cell that no spreadsheet takes for a formula: with an apostrophe in front where it would."""
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Line:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


def _cells(row: AccountRow) -> list[str]:
    it = row.account
    places = minor_units(it.currency)

    def amount(number: Decimal) -> str:
        return plain(number, places)

    return [
        safe_text(it.number),
        safe_text(it.name),
        it.kind,
        it.model or "",
        safe_text(row.parent),
        it.status,
        it.billing,
        it.currency,
        amount(from_micros(row.balance_micros)),
        amount(from_micros(it.credit_limit_micros)),
        safe_text(it.rate_group or ""),
        safe_text(it.own_rate_group or ""),
        plain(it.commission_percent),
        safe_text(it.timezone),
        safe_text(it.locale),
        f"{it.schedule.cadence}:{it.schedule.day}",
        it.receipts,
        _yes_no(it.zero_invoices),
        _yes_no(it.loss_less_routing),
        _yes_no(it.same_credential),
        safe_text(it.tax_number),
        it.opened_at.isoformat(),
    ]


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"
