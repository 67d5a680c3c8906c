"""What the command writes: tables for people, JSON for programs, and messages beside them.

A command shows rows of plain values (`Money`, instants, numbers, texts). On a terminal they become a table that folds
what does not fit; in a pipe, columns of text that are never cut; with `--json`, one document.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Protocol, TextIO

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from astpp_billing.money import Money, minor_units, plain

_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

Row = Mapping[str, object]
"""What is shown of one thing: values by the names of its fields."""


class Advance(Protocol):
    """Tells a progress bar how far the work is."""

    def __call__(self, steps: int = 1, text: str | None = None) -> None:
        """Go on by so many steps, and perhaps say what is being done now."""
        ...


def json_value(value: object) -> object:
    """A value as JSON has it: amounts and other decimals are texts, so that no reader makes floats of them."""
    match value:
        case Money():
            return {"amount": plain(value.amount, minor_units(value.currency)), "currency": value.currency}
        case Decimal():
            return plain(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): json_value(item) for key, item in value.items()}
        case str() | bool() | int() | None:
            return str(value) if isinstance(value, str) else value
        case Iterable():
            return [json_value(item) for item in value]
        case _:
            return str(value)


def text_value(value: object) -> str:
    """A value as a table has it, on one line and without characters that could move the terminal's cursor."""
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case Decimal():
            text = plain(value)
        case datetime():
            text = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case list() | tuple():
            text = ", ".join(map(text_value, value))
        case _:
            text = str(value)
    return printable(text)


def printable(text: str) -> str:
    """`text` with control characters, marks of writing direction and half surrogates replaced.

    Names and numbers come from outside; none of them may move the cursor or turn the text around it.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if _is_unprintable(char) else char for char in text)


def _is_unprintable(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _DIRECTIONS


def _is_number(value: object) -> bool:
    return isinstance(value, Money | Decimal | int) and not isinstance(value, bool)


class Output:
    """Where a command writes to: results to standard output, all else to standard error."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def say(self, text: str) -> None:
        """A message for people, on standard error; nothing may depend on it."""
        click.echo(printable(text), err=True)

    def result(self, values: Row, text: str) -> None:
        """The result of a command that has one: a line for people, an object for programs."""
        if self.as_json:
            self._write_json(values)
        else:
            for line in text.splitlines():
                click.echo(printable(line).encode("utf-8", "replace"))

    def rows(self, name: str, rows: Iterable[Row], columns: Mapping[str, str], **more: object) -> None:
        """A table of `columns`, the headings by field; as JSON all fields of all rows, in a list called `name`.

        `more` are fields of the JSON document beside the list.
        """
        if self.as_json:
            self._write_json({name: list(rows), **more})
        else:
            write_table(list(rows), columns)

    def _write_json(self, values: Row) -> None:
        click.echo(json.dumps(json_value(values), indent=2, ensure_ascii=False).encode("utf-8", "replace"))

    @contextmanager
    def stream(self, name: str) -> Iterator[JsonStream | None]:
        """A JSON document whose list `name` is written item by item, so that it may be long; None without `--json`."""
        if not self.as_json:
            yield None
            return
        stream = JsonStream(name)
        yield stream
        stream.end()

    @contextmanager
    def progress(self, text: str, total: int | None = None) -> Iterator[Advance]:
        """A progress bar on standard error while the block runs, if that is a terminal."""
        if not sys.stderr.isatty():
            yield _no_progress
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
        known = (*columns, MofNCompleteColumn()) if total is not None else columns
        with Progress(*known, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(printable(text), total=total)

            def advance(steps: int = 1, text: str | None = None) -> None:
                bar.update(task, advance=steps, description=None if text is None else printable(text))

            yield advance


def _no_progress(steps: int = 1, text: str | None = None) -> None:
    pass


class JsonStream:
    """Writes `{"name": [item, item, …], "more": …}` as the items come."""

    def __init__(self, name: str) -> None:
        self._more: dict[str, object] = {}
        self._first = True
        click.echo(f"{{\n  {json.dumps(name)}: [", nl=False)

    def add(self, row: Row) -> None:
        """Write one more item."""
        text = json.dumps(json_value(row), ensure_ascii=False).encode("utf-8", "replace")
        click.echo((b"\n    " if self._first else b",\n    ") + text, nl=False)
        self._first = False

    def set(self, **more: object) -> None:
        """Fields that follow the list."""
        self._more.update(more)

    def end(self) -> None:
        """Write what follows the list."""
        click.echo("\n  ]" if not self._first else "]", nl=False)
        for name, value in self._more.items():
            click.echo(f",\n  {json.dumps(name)}: {json.dumps(json_value(value), ensure_ascii=False)}", nl=False)
        click.echo("\n}")


def write_table(rows: Sequence[Row], columns: Mapping[str, str], file: TextIO | None = None) -> None:
    """Write a table to standard output: with rules and colours on a terminal, else as plain columns."""
    out = sys.stdout if file is None else file
    if out.isatty():
        Console(file=out, highlight=False).print(rich_table(rows, columns))
    else:
        for line in plain_table(rows, columns):
            click.echo(line.encode("utf-8", "replace"), file=None if file is None else out)


def rich_table(rows: Sequence[Row], columns: Mapping[str, str]) -> Table:
    """The table for a terminal; what is too wide goes on in the next line, nothing is cut."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0), collapse_padding=True)
    for field, heading in columns.items():
        right = _right(rows, field)
        table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for row in rows:
        table.add_row(*(Text(text_value(row.get(field))) for field in columns))
    return table


def plain_table(rows: Sequence[Row], columns: Mapping[str, str]) -> Iterator[str]:
    """The lines of a table as columns of text, as wide as they need to be."""
    cells = [list(columns.values()), *([text_value(row.get(field)) for field in columns] for row in rows)]
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    right = [_right(rows, field) for field in columns]
    for line in cells:
        yield "  ".join(map(_pad, line, widths, right)).rstrip()


def _right(rows: Sequence[Row], field: str) -> bool:
    values = [row.get(field) for row in rows if row.get(field) is not None]
    return bool(values) and all(map(_is_number, values))


def _pad(cell: str, width: int, right: bool) -> str:
    space = " " * (width - width_of(cell))
    return space + cell if right else cell + space


def width_of(text: str) -> int:
    """The columns that a text takes on a terminal: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
