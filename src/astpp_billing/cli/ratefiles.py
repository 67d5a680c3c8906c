"""Opening rate files: plain or compressed, from a path or from standard input, with the progress of reading."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from astpp_billing.cli.output import Advance
from astpp_billing.errors import RateFileError

STDIN = "-"
_GZIP = b"\x1f\x8b"


@contextmanager
def open_rates(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The bytes of a file, or of standard input for `-`, and how many there are, where that is known."""
    if name == STDIN:
        yield sys.stdin.buffer, None
        return
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(Path(name).open("rb"))
        except OSError as error:
            raise click.ClickException(f"{name}: {error.strerror}") from None
        yield raw, os.fstat(raw.fileno()).st_size


class RateLines:
    """The lines of a rate file, unpacked where it is compressed, whatever its name is.

    Iterating raises `RateFileError` where the compressed data are damaged or cut off. Afterwards `count` is the number
    of lines with something on them.
    """

    def __init__(self, raw: BinaryIO, advance: Advance) -> None:
        self._raw = raw
        self._advance = advance
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        counted = io.BufferedReader(_Counted(self._raw, self._advance))
        packed = counted.peek(2).startswith(_GZIP)
        text = io.TextIOWrapper(gzip.GzipFile(fileobj=counted) if packed else counted, encoding="utf-8", newline="")
        line = 0
        try:
            for content in text:
                line += 1
                self.count += bool(content.rstrip("\r\n"))
                yield content
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise RateFileError(f"the compressed file is damaged or cut off ({error})", line=line + 1) from None


class _Counted(io.RawIOBase):
    """Reads from a file and tells a progress bar how much."""

    def __init__(self, raw: BinaryIO, advance: Advance) -> None:
        self._raw = raw
        self._advance = advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # typeshed has no name for what this may be
        data = self._raw.read(len(view))
        view[: len(data)] = data
        self._advance(len(data))
        return len(data)
