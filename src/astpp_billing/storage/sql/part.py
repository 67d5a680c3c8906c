"""What the parts of a unit of work share: one connection inside one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Table, insert

from astpp_billing.errors import AlreadyExists, NotFound, StorageError
from astpp_billing.storage.sql.engine import BrokenConstraint, Fault, backend_of, reraise
from astpp_billing.storage.sql.shared import Shared
from astpp_billing.storage.sql.wire import Ask, Step, mappings


class Part:
    """One area of a unit of work."""

    def __init__(self, connection: Connection, shared: Shared) -> None:
        self._open_connection = connection
        self._shared = shared

    @property
    def _connection(self) -> Connection:
        if self._open_connection.closed:
            raise StorageError("the transaction has ended")
        return self._open_connection

    def _all(self, query: Select[Any]) -> Sequence[RowMapping]:
        return self._connection.execute(query).mappings().all()

    def _first(self, query: Select[Any]) -> RowMapping | None:
        return self._connection.execute(query).mappings().first()

    def _send(self, *steps: Step) -> list[Any]:
        """Run steps in one round trip, as far as the driver can; gives what each of them gives (see `wire`)."""
        connection = self._connection
        try:
            answers = backend_of(connection).send(connection.connection.driver_connection, connection.dialect, steps)
        except Exception as error:
            reraise(connection, error)
        return [
            mappings(connection.dialect, step.statement, answer) if isinstance(step, Ask) and not step.raw else answer
            for step, answer in zip(steps, answers, strict=True)
        ]

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Undo what a command of several statements has done if one of them fails, whoever catches the error."""
        with self._connection.begin_nested():
            yield

    @contextmanager
    def _naming(self, what: str) -> Iterator[None]:
        """Say `what` it is that is taken (`AlreadyExists`), or that refers to nothing (`NotFound`).

        Where a refused statement would end the whole transaction, only the statement is undone.
        """
        try:
            with self._whole() if backend_of(self._connection).undoes_all else nullcontext():
                yield
        except BrokenConstraint as error:
            if error.fault is Fault.TAKEN:
                raise AlreadyExists(f"{what} exists already") from error
            raise NotFound(f"{what} refers to something that does not exist") from error

    def _insert(self, table: Table, row: Mapping[str, Any], what: str) -> int:
        """Insert one row and return its key, 0 where it is not a number."""
        with self._naming(what):
            result = self._connection.execute(insert(table), [row])
        key = result.inserted_primary_key
        return int(key[0]) if key and isinstance(key[0], int) else 0
