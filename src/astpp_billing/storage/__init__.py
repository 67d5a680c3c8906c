"""Storages: memory, which is the reference, and SQL."""

from __future__ import annotations

from astpp_billing.ports import Storage
from astpp_billing.storage.memory import MemoryStorage

__all__ = ["MemoryStorage", "open_storage"]

MEMORY = "memory://"


def open_storage(url: str) -> Storage:
    """The storage of a URL: `memory://`, or one of SQLAlchemy's, such as `sqlite:///billing.db`.

    A new, empty database gets its tables. Raises `InvalidValue` for a URL that is none or of no known kind, and
    `StorageError` for a database that cannot be opened, is at another revision, or is somebody else's.
    """
    if url == MEMORY:
        return MemoryStorage()
    from astpp_billing.storage.sql.storage import SqlStorage  # takes long to import, and memory does not need it

    return SqlStorage(url)
