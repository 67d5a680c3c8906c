"""What the parts of a unit of work share: one connection inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Table, bindparam, insert
from sqlalchemy.exc import IntegrityError

from astpp_billing.errors import AlreadyExists


class Part:
    """One area of a unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _all(self, query: Select[Any]) -> Sequence[RowMapping]:
        return self._connection.execute(query).mappings().all()

    def _first(self, query: Select[Any]) -> RowMapping | None:
        return self._connection.execute(query).mappings().first()

    def _insert(self, table: Table, row: Mapping[str, Any], what: str) -> int:
        """Insert one row and return its key; `AlreadyExists` names `what` where it is taken."""
        try:
            result = self._connection.execute(insert(table), [row])
        except IntegrityError as error:
            raise AlreadyExists(f"{what} exists already, or what it refers to does not: {error.orig}") from error
        key = result.inserted_primary_key
        return int(key[0]) if key and isinstance(key[0], int) else 0

    def _insert_many(self, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows of values that need no conversion, by the driver's own `executemany`.

        SQLAlchemy would build a dictionary for each row and look at every value of it, which takes longer than
        the database does.
        """
        statement = insert(table).values({column: bindparam(column) for column in columns})
        compiled = statement.compile(self._connection)
        if compiled.positiontup is None:
            named = [dict(zip(columns, row, strict=True)) for row in rows]
            self._connection.exec_driver_sql(str(compiled), named)
        else:
            assert list(compiled.positiontup) == list(columns), "the statement has the columns in another order"
            self._connection.exec_driver_sql(str(compiled), list(rows))
