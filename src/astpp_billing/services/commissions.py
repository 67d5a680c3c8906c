"""Commission statements: who paid an account commissions, and what it paid on to those below it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import date

from attrs import field, frozen

from astpp_billing.hierarchy import Account
from astpp_billing.hierarchy.export import safe_text
from astpp_billing.ledger import Book, Entry, Reason
from astpp_billing.money import Money, minor_units, plain
from astpp_billing.periods import Period

COLUMNS = ("at", "reason", "direction", "account", "amount", "currency", "posting_key")
"""The headings of the lines as CSV, in their order."""


@frozen(kw_only=True)
class CommissionRow:
    """What one account paid (`received`, a positive amount) or was paid (negative) for one kind of event.

    An amount of the other sign was given back. `day` is the first local day of the period; None where the statement
    has no periods.
    """

    day: date | None = None
    reason: Reason
    received: bool
    other: Account
    amount: Money


@frozen(kw_only=True)
class CommissionStatement:
    """An account's commissions in a period: `rows`, and what they add up to in each currency.

    `net` is `received` and `paid_on` together, which is the part of the profit that is commissions. `amount` is that in
    the account's currency, each amount by the exchange rate in force when it was posted, rounded once; `unconverted` is
    what is not in it, because no rate was known.
    """

    account: Account
    period: Period
    rows: tuple[CommissionRow, ...]
    received: tuple[Money, ...]
    paid_on: tuple[Money, ...]
    net: tuple[Money, ...]
    amount: Money
    unconverted: tuple[Money, ...] = ()


@frozen
class CommissionLine:
    """One commission: the posting that it comes from, and the amount, negative for what was paid on."""

    entry: Entry
    amount: Money

    @property
    def received(self) -> bool:
        """Whether the account was paid it; else it paid it on."""
        return self.entry.other.book is Book.COMMISSION


@frozen
class CommissionLines:
    """Every commission of an account in a period; `lines` can be read once, while it is open."""

    account: Account
    period: Period
    lines: Iterator[CommissionLine] = field(eq=False, repr=False)


def commission_lines(entries: Iterator[Entry]) -> Iterator[CommissionLine]:
    """The lines of entries."""
    for entry in entries:
        yield CommissionLine(entry, Money.from_micros(entry.micros, entry.other.currency))


def direction(received: bool) -> str:
    """What a statement calls it."""
    return "received" if received else "paid on"


def commissions_csv(opened: CommissionLines, numbers: Mapping[int, str]) -> Iterator[str]:
    """The lines as CSV (RFC 4180), each with its end of line (CR LF), the headings first.

    `numbers` are those of accounts, by id. As in `statement_csv`, lines are read as they are asked for, `at` is in ISO
    8601 and UTC, and no text can become a formula.
    """
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)  # the writer gives back what the file's write does: the line
    for line in opened.lines:
        it = line.entry
        yield writer.writerow(
            [
                it.at.isoformat(),
                it.reason,
                direction(line.received),
                safe_text(numbers.get(it.other.account_id, "")),
                plain(line.amount.amount, minor_units(line.amount.currency)),
                line.amount.currency,
                safe_text(it.posting_key),
            ]
        )


class _Line:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line
