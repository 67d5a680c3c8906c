"""What all transactions of one storage share: ids in stock, and the ids of what never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from astpp_billing.ledger import LedgerAccount
from astpp_billing.storage.sql import tables

BLOCK = 5_000
"""How many ids a process takes at once; what is left of them when it ends is lost."""

Name = LedgerAccount | int | tuple[int | str, ...]
"""What has an id that never changes: a ledger account, a letterhead, an account (the id itself).

A series has none: of it, it is only known that it is there.
"""

KNOWN = 1_000_000
"""How many names are kept before all are forgotten, and read again when they are needed."""


class Shared:
    """Ids, for all threads of a process."""

    def __init__(self, engine: Engine, *, serial: bool) -> None:
        self._engine = engine
        self._serial = serial
        self._lock = Lock()
        self._stock: range = range(0)
        self._ids: dict[Name, int] = {}
        self.accounts: dict[tuple[Any, ...], Any] = {}

    def take(self, connection: Connection, count: int) -> Sequence[int]:
        """Ids that nobody else gets.

        On a server they come in blocks, which a transaction of its own has taken: the row that counts them would
        otherwise stay locked until the caller's ends. Where only one transaction at a time can write, it is that one.
        """
        if self._serial:
            return _block(connection, count)
        with self._lock:
            if len(self._stock) < count:
                with self._engine.begin() as other:
                    self._stock = _block(other, BLOCK + count)
            taken, self._stock = self._stock[:count], self._stock[count:]
            return taken

    def known(self, names: Iterable[Name]) -> dict[Name, int]:
        """The ids of those that this process knows."""
        ids = self._ids
        return {name: ids[name] for name in names if name in ids}

    def learn(self, ids: Mapping[Name, int]) -> None:
        """Keep ids, which must have been committed."""
        if len(self._ids) + len(ids) > KNOWN:
            self._ids = {}
        self._ids.update(ids)


def _block(connection: Connection, count: int) -> range:
    blocks = tables.id_blocks
    connection.execute(update(blocks).values(last_id=blocks.c.last_id + count))
    last: int = connection.execute(select(blocks.c.last_id)).scalar_one()
    return range(last - count + 1, last + 1)
