"""Telling a story on standard output: headings, sentences and tables, at most 100 columns wide."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

import click
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from astpp_billing.cli.tables import Row, printable, rich_table

WIDTH = 100


class Story:
    """Prints, unless it is told to be silent."""

    def __init__(self, *, silent: bool = False) -> None:
        # as wide in a pipe as on a large terminal, so that what is kept in a file looks the same everywhere
        width = min(WIDTH, Console(file=sys.stdout).width) if sys.stdout.isatty() else WIDTH
        self._console = Console(file=sys.stdout, width=width, highlight=False)
        self._silent = silent
        self._chapter = 0

    def chapter(self, title: str, text: str = "") -> None:
        """Begin a chapter, with a sentence or two below its title."""
        self._chapter += 1
        self.gap()
        self._print(Text(f"{self._chapter}. {title}", style="bold cyan"))
        self.text(text)

    def text(self, text: str) -> None:
        """A paragraph."""
        if text:
            self._print(Text(printable(text)))

    def lines(self, lines: Iterable[str], indent: int = 2, style: str = "") -> None:
        """Lines as they are; one that is too long goes on below, indented as it is."""
        for line in lines:
            text = Text(printable(line), style=style, overflow="fold")
            self._print(Padding(text, (0, 0, 0, indent), expand=False))

    def table(self, rows: Sequence[Row], columns: Mapping[str, str]) -> None:
        """A table."""
        self._print(Padding(rich_table(rows, columns, self._console.width - 2), (0, 0, 0, 2), expand=False))

    def commands(self, program: str, commands: Iterable[str]) -> None:
        """Commands of a program that can be copied as they are: a long one has its end of line escaped."""
        for command in commands:
            joined = f"  {program} {command}"
            for line in (joined,) if len(joined) <= self._console.width else (f"  {program} \\", f"      {command}"):
                self._print(Text(printable(line)), soft_wrap=True)

    def gap(self) -> None:
        """An empty line."""
        self._print(Text())

    def _print(self, what: RenderableType, *, soft_wrap: bool = False) -> None:
        if self._silent:
            return
        with self._console.capture() as captured:
            self._console.print(what, soft_wrap=soft_wrap)
        for line in captured.get().splitlines():
            click.echo(line.rstrip().encode("utf-8", "replace"))
