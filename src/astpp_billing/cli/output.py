"""What the command writes: tables for people, JSON for programs, and messages beside them.

A command shows rows of plain values (`Money`, instants, numbers, texts). On a terminal they become a table that folds
what does not fit; in a pipe, columns of text that are never cut; with `--json`, one document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from astpp_billing.cli.tables import Row, printable, write_table
from astpp_billing.money import Money, minor_units, plain


class Advance(Protocol):
    """Tells a progress bar how far the work is."""

    def __call__(self, steps: int = 1) -> None:
        """Go on by so many steps."""
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
        case Mapping():
            return {str(key): json_value(item) for key, item in value.items()}
        case str() | bool() | int() | None:
            return str(value) if isinstance(value, str) else value
        case Iterable():
            return [json_value(item) for item in value]
        case _:
            return str(value)


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
        text_column = TextColumn("{task.description}", markup=False)
        columns = (SpinnerColumn(), text_column, BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        # lines of text go above the bar, but results that are read by another program must not go to the terminal
        above = sys.stdout.isatty()
        with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=above) as bar:
            task = bar.add_task(printable(text), total=total)

            def advance(steps: int = 1) -> None:
                bar.update(task, advance=steps)

            yield advance


def _no_progress(steps: int = 1) -> None:
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
