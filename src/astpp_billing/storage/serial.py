"""Turns: transactions of one process one after the other, or at least one at a time in each thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from astpp_billing.errors import StorageError


class Turns:
    """Says so where something would wait for itself for ever: on a second transaction within the first.

    Where transactions are `serial`, each waits for the one before. Those that only read need not, unless they are
    `reading_in_turn` because all share one connection.
    """

    def __init__(self, *, serial: bool = True, reading_in_turn: bool = True) -> None:
        self.serial = serial
        self._reading_in_turn = reading_in_turn
        self._lock = threading.Lock()
        self._here = threading.local()
        self._closed = False

    @contextmanager
    def take(self, *, reading: bool = False) -> Iterator[None]:
        """Wait for one's turn, and keep it for the block; `StorageError` within another, and after `close`."""
        if getattr(self._here, "busy", False):
            raise StorageError("this thread has a transaction in hand already")
        alone = self.serial and (self._reading_in_turn or not reading)
        with self._lock if alone else nullcontext():
            if self._closed:
                raise StorageError("the storage is closed")
            self._here.busy = True
            try:
                yield
            finally:
                self._here.busy = False

    def close(self) -> None:
        """Let nobody have another turn."""
        self._closed = True
