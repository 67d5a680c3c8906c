"""Tables of plain values: for a terminal of any width, and for a pipe."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from astpp_billing.money import Money, plain

Row = Mapping[str, object]
"""What is shown of one thing: values by the names of its fields."""

_GAP = 2
"""The blanks between two columns of a table."""
_NARROW = 4
"""What no column gets narrower than, if it is not narrower by itself."""
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


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


def write_table(rows: Sequence[Row], columns: Mapping[str, str]) -> None:
    """Write a table to standard output: as wide as the terminal, or in a pipe as wide as it needs to be.

    `columns` are the headings by the names of the fields.
    """
    if sys.stdout.isatty():
        console = Console(file=sys.stdout, highlight=False)
        console.print(rich_table(rows, columns, console.width))
    else:
        for line in plain_table(rows, columns):
            click.echo(line.encode("utf-8", "replace"))


def rich_table(rows: Sequence[Row], columns: Mapping[str, str], width: int) -> Table:
    """A table of at most `width` columns; what is too wide for its cell goes on below, nothing is cut.

    Columns in which there is nothing are left out.
    """
    filled = {field: heading for field, heading in columns.items() if any(text_value(row.get(field)) for row in rows)}
    shown = filled or columns
    cells = [[text_value(row.get(field)) for field in shown] for row in rows]
    right = [_is_right(rows, field) for field in shown]
    least = [
        max(_longest_word([heading]), _longest_word(column, whole=is_right))
        for heading, column, is_right in zip(shown.values(), _transposed(cells, len(shown)), right, strict=True)
    ]
    natural = [max(map(width_of, column)) for column in _transposed([list(shown.values()), *cells], len(shown))]
    # the gaps are columns of their own: releases of rich differ in where they leave out a padding
    table = Table(box=None, header_style="bold", padding=0)
    for heading, fitted, is_right in zip(shown.values(), _fitted(natural, least, width), right, strict=True):
        if table.columns:
            table.add_column(width=_GAP)
        justify: Literal["right", "left"] = "right" if is_right else "left"
        table.add_column(Text(heading), justify=justify, overflow="fold", width=fitted)
    for line in cells:
        first, *others = map(Text, line)
        table.add_row(first, *(cell for other in others for cell in (Text(), other)))
    return table


def _transposed(cells: Sequence[Sequence[str]], columns: int) -> list[list[str]]:
    return [[line[index] for line in cells] for index in range(columns)]


def _longest_word(cells: Sequence[str], *, whole: bool = False) -> int:
    """The width of the longest word, with blanks before the first one; with `whole`, of the longest cell.

    So an amount and its currency stay together, and what is indented stays so.
    """
    return max((width_of(word) for cell in cells for word in ([cell] if whole else _words(cell))), default=0)


def _words(cell: str) -> Iterator[str]:
    first, *others = cell.lstrip().split() or [""]
    yield cell[: len(cell) - len(cell.lstrip())] + first
    yield from others


def _fitted(natural: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """How wide each column is to be, so that all fit: columns of several words give way first, then all."""
    widths = list(natural)
    excess = sum(widths) + _GAP * (len(widths) - 1) - width
    for limits in (least, [min(_NARROW, one) for one in natural]):
        while excess > 0:
            at = max(range(len(widths)), key=lambda index: widths[index] - limits[index])
            if widths[at] <= limits[at]:
                break
            widths[at] -= 1
            excess -= 1
    return widths


def plain_table(rows: Sequence[Row], columns: Mapping[str, str]) -> Iterator[str]:
    """The lines of a table as columns of text, as wide as they need to be."""
    cells = [list(columns.values()), *([text_value(row.get(field)) for field in columns] for row in rows)]
    widths = [max(map(width_of, column)) for column in _transposed(cells, len(columns))]
    right = [_is_right(rows, field) for field in columns]
    for line in cells:
        yield (" " * _GAP).join(map(_pad, line, widths, right)).rstrip()


def _is_right(rows: Sequence[Row], field: str) -> bool:
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
