"""Rate files in the CSV format that ASTPP imports and exports: origination and termination rates.

The first line names the columns. `Code` and `Cost / Min` are needed; an increment of 0 stands for the group's default.
A file is checked as a whole before anything of it is used. There are two ways to the same result. The quick one looks
at whole columns, and is content only with values that need no change; that is what makes a deck of forty thousand rows
quick to read. Whatever else it finds, it leaves to the thorough one, which goes row by row and names the first fault.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import StringIO
from itertools import islice
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

MAX_PREFIX = 18
"""The most digits of a prefix, as `Rate` has it."""

MAX_SHOWN = 200
"""The most characters of a broken line that an error shows."""

FEW = 400
"""How many rows are read at a time: fewer than the objects after which the garbage collector looks around."""

_PLAIN = re.compile(r"[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18}", re.ASCII)
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
    """Read a rate file from its text, or from its lines (a text file opened with `newline=""` will do).

    Raises `RateFileError` with line, column and value for the first thing that is not right: a column that is missing,
    unknown or there twice, a row with too few or too many values, a value that `Rate` refuses or that is not written in
    plain digits, a prefix that has come before. The line is the one that the row begins on.
    """
    text = _lines(StringIO(lines, newline="") if isinstance(lines, str) else lines)
    return _read_quickly(text) or _read_thoroughly(text)


def _lines(lines: Iterable[str]) -> list[str]:
    text: list[str] = []
    try:
        for line in lines:
            text.append(line)
    except UnicodeDecodeError as error:
        # the decoder is ahead of the lines: it fails on a whole block of bytes
        line_number = len(text) + len((error.object[: error.start] + b".").splitlines())
        value = error.object[error.start : error.end].decode("ascii", "backslashreplace")
        raise RateFileError(f"not {error.encoding}: {error.reason}", line=line_number, value=value) from None
    if text:
        text[0] = text[0].removeprefix("\ufeff")
    return text


# The quick way: column by column.


def _read_quickly(text: Sequence[str]) -> RateFile | None:
    """The file, if no value of it needs a change; None if one does, or is not right."""
    reader = filter(None, csv.reader(text, strict=True))
    try:
        fields, currency = _headings(next(reader, []), 1)
        columns: dict[str, list[str]] = {field: [] for field in fields}
        # few rows at a time: forty thousand lists at once would keep the garbage collector busier than the reader
        while rows := list(islice(reader, FEW)):
            for column, values in zip(columns.values(), zip(*rows, strict=True), strict=True):
                column.extend(values)
        count = len(columns["prefix"])
        checked = [_quick_column(columns, field, count) for field in _FIELDS]
    except (csv.Error, ValueError):  # a `RateFileError` is one, too
        return None
    if not count or None in checked or len(set(columns["prefix"])) < count:
        return None
    return RateFile(currency, tuple(zip(*checked, strict=True)))


def _quick_column(columns: Mapping[str, Sequence[str]], field: str, rows: int) -> Iterable[Any] | None:
    column = columns.get(field)
    check, plain = _FIELDS[field]
    if column is None:
        return (check(""),) * rows
    if plain is not None:
        return column if plain(column) else None
    values = {value: check(value) for value in set(column)}
    return map(values.__getitem__, column)


def _plain_prefixes(column: Sequence[str]) -> bool:
    digits = "".join(column)
    return digits.isascii() and digits.isdigit() and min(map(len, column)) >= 1 and max(map(len, column)) <= MAX_PREFIX


def _plain_numbers(column: Sequence[str]) -> bool:
    return all(map(_PLAIN.fullmatch, set(column)))


def _plain_texts(column: Sequence[str]) -> bool:
    different = set(column)
    return (
        all(map(str.isprintable, different))
        and different == set(map(str.strip, different))
        and (max(map(len, different)) <= MAX_DESTINATION)
    )


# The thorough way: row by row.


def _read_thoroughly(text: Sequence[str]) -> RateFile:
    """The file; raises `RateFileError` for the first fault."""
    numbered = _numbered(text)
    line, headings = next(numbered, (1, []))
    if not headings:
        raise RateFileError("the file is empty", line=line)
    fields, currency = _headings(headings, line)
    rows: dict[str, RateRow] = {}
    for line, row in numbered:
        if len(row) != len(headings):
            reason = f"{len(headings)} values are needed, not {len(row)}"
            raise RateFileError(reason, line=line, value=_shown(text, line))
        values = {field: check("") for field, (check, _) in _FIELDS.items() if field not in fields}
        for field, heading, value in zip(fields, headings, row, strict=True):
            try:
                values[field] = _FIELDS[field][0](value) if field in _FIELDS else value
                if field == "prefix" and values[field] in rows:
                    raise InvalidValue("the prefix comes twice")
            except InvalidValue as error:
                raise RateFileError(str(error), line=line, column=heading, value=value) from None
        rows[values["prefix"]] = tuple(map(values.__getitem__, _FIELDS))
    return RateFile(currency, tuple(rows.values()))


def _numbered(text: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line that it begins on."""
    reader = csv.reader(text, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise RateFileError(f"not CSV: {error}", line=line, value=_shown(text, line)) from None
        if row:
            yield line, row


def _shown(text: Sequence[str], line: int) -> str:
    return text[line - 1].rstrip("\r\n")[:MAX_SHOWN]


def _headings(headings: Sequence[str], line: int) -> tuple[list[str], str | None]:
    """The field that each column fills, and the currency that the headings name."""
    fields: list[str] = []
    currencies: dict[str, str] = {}
    for heading in headings:
        match = _HEADING.fullmatch(heading)
        name = match["name"].casefold() if match else ""
        field = _COLUMNS.get(name) or (f"({name})" if name in _ROUTING else None)
        if match is None or field is None:
            raise RateFileError("unknown column", line=line, column=heading)
        if field in fields:
            raise RateFileError("the column is there twice", line=line, column=heading)
        fields.append(field)
        if match["currency"]:
            currencies[match["currency"].upper()] = heading
    for field, name in (("prefix", "Code"), ("price_per_minute", "Cost / Min")):
        if field not in fields:
            raise RateFileError("the column is missing", line=line, column=name)
    for code, heading in currencies.items():
        if len(currencies) > 1:
            reason = f"more than one currency: {', '.join(sorted(currencies))}"
            raise RateFileError(reason, line=line, column=list(currencies.values())[1], value=list(currencies)[1])
        try:
            check_currency(code)
        except InvalidValue as error:
            raise RateFileError(str(error), line=line, column=heading, value=code) from None
    return fields, next(iter(currencies), None)


def _prefix(value: str) -> str:
    return check_prefix(value.strip())


def _destination(value: str) -> str:
    if len(value) > MAX_DESTINATION or not value.isprintable():
        raise InvalidValue(f"a destination is at most {MAX_DESTINATION} printable characters")
    return value.strip()


def _per_minute(value: str) -> str:
    check_per_minute(value.strip())
    return _plain_number(value.strip())


def _connection_fee(value: str) -> str:
    fee = value.strip() or "0"
    check_connection_fee(fee)
    return _plain_number(fee)


def _plain_number(text: str) -> str:
    if not _PLAIN.fullmatch(text):
        raise InvalidValue("a price is written in plain digits, at most 18 on each side of the point")
    return text


def _included(value: str) -> int:
    return check_seconds(_whole(value), "grace time", 0)


def _increment(value: str) -> int | None:
    return check_seconds(_whole(value), "increment", 0) or None


def _whole(value: str) -> int:
    text = value.strip() or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidValue("whole seconds are needed")
    return int(text)


Check = Callable[[str], Any]
Plain = Callable[[Sequence[str]], bool]

_FIELDS: dict[str, tuple[Check, Plain | None]] = {
    "prefix": (_prefix, _plain_prefixes),
    "destination": (_destination, _plain_texts),
    "price_per_minute": (_per_minute, _plain_numbers),
    "connection_fee": (_connection_fee, _plain_numbers),
    "included_seconds": (_included, None),
    "initial_increment": (_increment, None),
    "increment": (_increment, None),
}
"""The fields in the order of a `RateRow`: what makes a value of a text ("" where there is no such column), and what
tells of a whole column that its texts are the values; None where they never are."""
