"""Commands that were done, and postings in bulk, in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import select

from astpp_billing.ledger import Posting
from astpp_billing.ports import Command
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.ledger import all_postings, moved_by
from astpp_billing.storage.sql.mapping import posting_of
from astpp_billing.storage.sql.part import Part

POSTINGS_AT_ONCE = 5_000
"""How many postings are read into memory at a time."""


class Commands(Part):
    """The part of a unit of work that knows what was done."""

    def find_command(self, key: str) -> Command | None:
        """See `ports.UnitOfWork`."""
        row = self._first(select(tables.commands).where(tables.commands.c.key == key))
        if row is None:
            return None
        return Command(key=row["key"], fingerprint=row["fingerprint"], at=row["at"], result=row["result"])

    def add_command(self, command: Command) -> None:
        """See `ports.UnitOfWork`."""
        row = {"key": command.key, "fingerprint": command.fingerprint, "at": command.at, "result": command.result}
        self._insert(tables.commands, row, f"command {command.key}")

    def postings(self) -> Iterator[Posting]:
        """See `ports.UnitOfWork`: by their ids, so many at a time, in two queries."""
        postings = tables.postings
        last = -1
        while rows := self._all(
            all_postings().where(postings.c.id > last).order_by(postings.c.id).limit(POSTINGS_AT_ONCE)
        ):
            first, last = rows[0]["id"], rows[-1]["id"]
            query = moved_by().where(tables.transfers.c.posting_id.between(first, last))
            moved = {
                posting_id: list(of_posting)
                for posting_id, of_posting in groupby(self._all(query), key=lambda row: row["posting_id"])
            }
            for row in rows:
                yield posting_of(row, moved.get(row["id"], []))
