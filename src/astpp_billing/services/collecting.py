"""Letting the garbage collector wait while a batch is worked on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Pause:
    """Keeps cyclic garbage from being looked for, until the last thread is done that asked for it.

    A batch makes tens of thousands of objects that all live until it is saved, and none of them in a cycle: to look
    through them, and through all rates in memory besides, again and again, finds nothing and takes as long as all the
    rest. Where the collector was off before, it stays off.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._threads = 0
        self._was_enabled = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Pause the collector while the block runs."""
        with self._lock:
            if not self._threads:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._threads += 1
        try:
            yield
        finally:
            with self._lock:
                self._threads -= 1
                if not self._threads and self._was_enabled:
                    gc.enable()


uncollected = Pause()
"""The one pause of this process."""
