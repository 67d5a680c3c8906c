"""Transactions of one process, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from astpp_billing.errors import StorageError


class Turns:
    """A lock that says so, where a plain one would wait for ever: on a second transaction within the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None
        self._closed = False

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for one's turn, and keep it for the block; `StorageError` within another, and after `close`."""
        me = threading.get_ident()
        if self._holder == me:
            raise StorageError("this thread has a transaction in hand already")
        with self._lock:
            if self._closed:
                raise StorageError("the storage is closed")
            self._holder = me
            try:
                yield
            finally:
                self._holder = None

    def close(self) -> None:
        """Let nobody have another turn."""
        self._closed = True
