"""Account statements: every movement of a wallet, with the balance after it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping

from attrs import field, frozen

from astpp_billing.hierarchy import Account
from astpp_billing.hierarchy.export import safe_text
from astpp_billing.ledger import Entry
from astpp_billing.money import Money, minor_units, plain
from astpp_billing.periods import Period

COLUMNS = (
    "at",
    "reason",
    "description",
    "number",
    "other_account",
    "other_book",
    "amount",
    "balance",
    "currency",
    "posting_key",
)
"""The headings of a statement as CSV, in their order."""


@frozen
class StatementLine:
    """One movement, and the balance after it; both in the currency of the wallet."""

    entry: Entry
    amount: Money
    balance: Money


@frozen
class Statement:
    """What moved an account's wallet in a period: `closing` is `opening` and all movements.

    `lines` can be read once, while the statement is open; they come bit by bit, as there may be very many.
    """

    account: Account
    period: Period
    opening: Money
    closing: Money
    lines: Iterator[StatementLine] = field(eq=False, repr=False)


def running(opening: Money, entries: Iterator[Entry]) -> Iterator[StatementLine]:
    """The lines of a statement that begins with a balance."""
    balance = opening
    for entry in entries:
        amount = Money.from_micros(entry.micros, opening.currency)
        balance += amount
        yield StatementLine(entry, amount, balance)


def statement_csv(statement: Statement, numbers: Mapping[int, str]) -> Iterator[str]:
    """The lines of a statement as CSV (RFC 4180), each with its end of line (CR LF), the headings first.

    `numbers` are those of accounts, by id. They are read one by one, as the lines are asked for; opening and closing
    balance are not among them. Amounts have as many decimal places as they need, at least those of the currency; `at`
    is in ISO 8601 and UTC. A text that a spreadsheet would take for a formula has an apostrophe in front.
    """
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)  # the writer gives back what the file's write does: the line
    places = minor_units(statement.account.currency)
    for line in statement.lines:
        it = line.entry
        yield writer.writerow(
            [
                it.at.isoformat(),
                it.reason,
                safe_text(it.description),
                safe_text(it.number),
                safe_text(numbers.get(it.other.account_id, "")),
                it.other.book,
                plain(line.amount.amount, places),
                plain(line.balance.amount, places),
                line.amount.currency,
                safe_text(it.posting_key),
            ]
        )


class _Line:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line
