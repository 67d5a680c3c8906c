"""Rate files in the CSV format that ASTPP imports and exports: origination and termination rates.

The first line names the columns. `Code` and `Cost / Min` are needed; an increment of 0 stands for the group's default.
A file is checked as a whole before anything of it is used: column by column, each different value once, which is what
makes a deck of forty thousand rows quick to read. Only where a check fails is the row looked for.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from attrs import frozen

from astpp_billing.errors import InvalidValue, RateFileError
from astpp_billing.money import check_currency
from astpp_billing.pricing.rates import (
    Rate,
    check_connection_fee,
    check_per_minute,
    check_prefix,
    check_seconds,
)

RateRow = tuple[str, str, str, str, int, int | None, int | None]
"""Prefix, destination, price per minute and connection fee as exact decimal texts, included seconds, initial increment,
increment; None is the group's default. Every value has passed the checks of `Rate`."""

MAX_DESTINATION = 1000
"""The most characters of a destination's name."""

_HEADING = re.compile(r"\s*(?P<name>.*?)\s*(?:\(\s*(?P<currency>[A-Za-z]{3})\s*\))?\s*")
_COLUMNS = {
    "code": "prefix",
    "prefix": "prefix",
    "destination": "destination",
    "connection cost": "connection_fee",
    "grace time": "included_seconds",
    "cost / min": "price_per_minute",
    "cost/min": "price_per_minute",
    "initial increment": "initial_increment",
    "increment": "increment",
}
# columns of ASTPP that say how a carrier is dialled, not what a call costs
_ROUTING = {"strip", "prepend"}
_DEFAULTS = {
    "destination": "",
    "connection_fee": "0",
    "included_seconds": "0",
    "initial_increment": "0",
    "increment": "0",
}


@frozen
class RateFile:
    """A rate file that has been read and checked: `currency` as its headings name it, or None, and its rows."""

    currency: str | None
    rows: tuple[RateRow, ...]

    def rates(self) -> Iterator[Rate]:
        """The rows as rates."""
        for prefix, destination, per_minute, fee, included, initial, increment in self.rows:
            yield Rate(prefix, per_minute, fee, included, initial, increment, destination)


def read_rate_file(lines: Iterable[str]) -> RateFile:
    """Read a rate file from its lines of text (a text file opened with `newline=""` will do).

    Raises `RateFileError` with line, column and value for anything that is not right: a column that is missing, unknown
    or there twice, a row with too few or too many values, a value that `Rate` refuses, a prefix that comes twice.
    """
    reader = csv.reader(lines, strict=True)
    numbers: list[int] = []
    rows: list[list[str]] = []
    try:
        headings = next(reader, None)
        for row in reader:
            if row:
                rows.append(row)
                numbers.append(reader.line_num)
    except csv.Error as error:
        raise RateFileError(f"not CSV: {error}", line=max(1, reader.line_num)) from None
    except UnicodeDecodeError as error:
        raise RateFileError(f"not UTF-8: {error.reason}", line=reader.line_num + 1) from None
    if headings is None:
        raise RateFileError("the file is empty", line=1)
    headings[0] = headings[0].removeprefix("\ufeff")
    fields, currency = _headings(headings)
    if set(map(len, rows)) - {len(headings)}:
        index = next(index for index, row in enumerate(rows) if len(row) != len(headings))
        raise RateFileError(f"{len(headings)} values are needed, not {len(rows[index])}", line=numbers[index])
    columns = dict(zip(fields, zip(*rows, strict=True), strict=True)) if rows else {}
    return RateFile(currency, tuple(_rows(columns, headings, fields, numbers)))


def _headings(headings: Sequence[str]) -> tuple[list[str], str | None]:
    """The field that each column fills, and the currency that the headings name."""
    fields: list[str] = []
    currencies: dict[str, str] = {}
    for heading in headings:
        match = _HEADING.fullmatch(heading)
        assert match is not None  # every part of the pattern may be empty
        name = match["name"].casefold()
        field = _COLUMNS.get(name) or (f"({name})" if name in _ROUTING else None)
        if field is None:
            raise RateFileError("unknown column", line=1, column=heading)
        if field in fields:
            raise RateFileError("the column is there twice", line=1, column=heading)
        fields.append(field)
        if match["currency"]:
            currencies[match["currency"].upper()] = heading
    for field, name in (("prefix", "Code"), ("price_per_minute", "Cost / Min")):
        if field not in fields:
            raise RateFileError(f"the column {name!r} is missing", line=1)
    for code, heading in currencies.items():
        if len(currencies) > 1:
            raise RateFileError(f"more than one currency: {', '.join(sorted(currencies))}", line=1, column=heading)
        try:
            check_currency(code)
        except InvalidValue as error:
            raise RateFileError(str(error), line=1, column=heading) from None
    return fields, next(iter(currencies), None)


def _rows(
    columns: dict[str, tuple[str, ...]], headings: Sequence[str], fields: Sequence[str], numbers: Sequence[int]
) -> Iterator[RateRow]:
    if not columns:
        return iter(())

    def checked(field: str, check: Callable[[str], Any]) -> Iterable[Any]:
        column = columns.get(field)
        if column is None:
            return (check(_DEFAULTS.get(field, "")),) * len(numbers)
        values: dict[str, Any] = {}
        for value in set(column):
            try:
                values[value] = check(value)
            except InvalidValue as error:
                row = column.index(value)
                heading = headings[fields.index(field)]
                raise RateFileError(str(error), line=numbers[row], column=heading, value=value) from None
        return map(values.__getitem__, column)

    prefixes = tuple(checked("prefix", _prefix))
    if len(set(prefixes)) < len(prefixes):
        last = {prefix: row for row, prefix in enumerate(prefixes)}
        row = max(last[prefix] for row, prefix in enumerate(prefixes) if last[prefix] != row)
        heading = headings[fields.index("prefix")]
        raise RateFileError("the prefix comes twice", line=numbers[row], column=heading, value=str(prefixes[row]))
    return zip(
        prefixes,
        checked("destination", _destination),
        checked("price_per_minute", _per_minute),
        checked("connection_fee", _connection_fee),
        checked("included_seconds", _included),
        checked("initial_increment", _increment),
        checked("increment", _increment),
        strict=True,
    )


def _prefix(value: str) -> str:
    return check_prefix(value.strip())


def _destination(value: str) -> str:
    if len(value) > MAX_DESTINATION or not value.isprintable():
        raise InvalidValue(f"a destination is at most {MAX_DESTINATION} printable characters")
    return value.strip()


def _per_minute(value: str) -> str:
    return _text(check_per_minute(value.strip()))


def _connection_fee(value: str) -> str:
    return _text(check_connection_fee(value.strip() or "0"))


def _included(value: str) -> int:
    return check_seconds(_whole(value), "grace time", 0)


def _increment(value: str) -> int | None:
    return check_seconds(_whole(value), "increment", 0) or None


def _whole(value: str) -> int:
    text = value.strip() or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidValue("whole seconds are needed")
    return int(text)


def _text(number: Decimal) -> str:
    return f"{number:f}"
