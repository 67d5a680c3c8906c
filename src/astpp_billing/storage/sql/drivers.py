"""How each driver sends several statements at once, and many rows: psycopg's pipeline and COPY, PyMySQL's packets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from sqlalchemy import Dialect

from astpp_billing.storage.sql.wire import Ask, Insert, Say, Step, compiled, insertion

Send = Callable[[Any, Dialect, Sequence[Step]], list[Any]]
"""Runs steps on a connection of the driver; gives fetched rows for an `Ask`, else how many rows there were."""

IDLE = 0
"""The state of a connection to PostgreSQL that has no transaction in hand, as libpq has it."""

BULK = 100
"""From how many rows on an insert is sent by itself, in the fastest way there is."""


MOST_CHARACTERS = 250_000
"""How long one statement of rows gets: the smallest packet that a server of MySQL takes by default is 4 MB."""


def _is_bulk(step: Step) -> bool:
    return isinstance(step, Insert) and len(step.rows) >= BULK


# SQLite: there is no way to go, so statements are run one by one


def send_sqlite(connection: Any, dialect: Dialect, steps: Sequence[Step]) -> list[Any]:
    """See `Send`."""
    return [_run_sqlite(connection, dialect, step) for step in steps]


def _run_sqlite(connection: Any, dialect: Dialect, step: Step) -> Any:
    if isinstance(step, Insert):
        connection.executemany(_insert_standard(dialect, step), step.rows)
        return len(step.rows)
    if isinstance(step, Say):
        return connection.execute(step.sql).rowcount
    text = compiled(dialect, step.statement)
    if isinstance(step, Ask):
        return connection.execute(text.sql, text.fill(step.values)).fetchall()
    return connection.executemany(text.sql, [text.fill(values) for values in step.values]).rowcount


def _insert_standard(dialect: Dialect, step: Insert) -> str:
    """An insertion as SQLite and PostgreSQL put it."""
    ending = ""
    if step.adding is not None:
        name = step.table.name
        added = ", ".join(f"{column} = {name}.{column} + excluded.{column}" for column in step.adding)
        keys = ", ".join(column.name for column in step.table.primary_key)
        ending = f" ON CONFLICT ({keys}) DO UPDATE SET {added}" if added else " ON CONFLICT DO NOTHING"
    return insertion(dialect, step.table, tuple(step.columns), ending)


# PostgreSQL


def send_postgres(connection: Any, dialect: Dialect, steps: Sequence[Step]) -> list[Any]:
    """See `Send`: one pipeline for all that lies between two bulks, which are copied."""
    answers: list[Any] = []
    for bulk, together in groupby(steps, _is_bulk):
        if bulk:
            answers += [_copy(connection, dialect, step) for step in together if isinstance(step, Insert)]
        else:
            answers += _pipeline(connection, dialect, list(together))
    return answers


def _copy(connection: Any, dialect: Dialect, step: Insert) -> int:
    with connection.cursor() as cursor:
        if step.adding is not None:
            cursor.executemany(_insert_standard(dialect, step), step.rows)
            return len(step.rows)
        quote = dialect.identifier_preparer.quote
        names = ", ".join(quote(name) for name in step.columns)
        with cursor.copy(f"COPY {quote(step.table.name)} ({names}) FROM STDIN") as copy:
            for row in step.rows:
                copy.write_row(row)
    return len(step.rows)


def begin_late(connection: Any) -> None:
    """Let the driver begin the next transaction with its first statement, as it does unless `_pipeline` was faster."""
    if connection.autocommit:
        connection.autocommit = False


@contextmanager
def _one_error(connection: Any) -> Iterator[None]:
    """A pipeline that raises the first error.

    Whatever follows it is refused, too. Where that is found while an error leaves the pipeline, the driver logs a
    warning; so the error waits until the pipeline has ended.
    """
    first: Exception | None = None
    try:
        with connection.pipeline():
            try:
                yield
            except Exception as error:
                first = error
    except Exception:
        if first is None:
            raise
    if first is not None:
        raise first


def _pipeline(connection: Any, dialect: Dialect, steps: Sequence[Step]) -> list[Any]:
    cursors = []
    # the driver would wait for the answer to a BEGIN of its own
    beginning = not connection.autocommit and connection.info.transaction_status == IDLE
    if beginning:
        connection.autocommit = True
    with _one_error(connection):
        if beginning:
            connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        for step in steps:
            cursor = connection.cursor()
            cursors.append(cursor)
            if isinstance(step, Insert):
                cursor.executemany(_insert_standard(dialect, step), step.rows)
                continue
            if isinstance(step, Say):
                cursor.execute(step.sql)
                continue
            text = compiled(dialect, step.statement)
            if isinstance(step, Ask):
                cursor.execute(text.sql, text.fill(step.values))
            else:
                cursor.executemany(text.sql, [text.fill(values) for values in step.values])
    return [
        cursor.fetchall() if isinstance(step, Ask) else cursor.rowcount
        for step, cursor in zip(steps, cursors, strict=True)
    ]


# MySQL and MariaDB


def send_mysql(connection: Any, dialect: Dialect, steps: Sequence[Step]) -> list[Any]:
    """See `Send`: one packet for all that lies between two bulks, which come in packets of a limited size."""
    answers: list[Any] = []
    for bulk, together in groupby(steps, _is_bulk):
        if bulk:
            with connection.cursor() as cursor:
                for step in together:
                    assert isinstance(step, Insert)
                    for sql in _insert_mysql(connection, dialect, step):
                        cursor.execute(sql)
                    answers.append(len(step.rows))
        else:
            answers += _packet(connection, dialect, list(together))
    return answers


def _insert_mysql(connection: Any, dialect: Dialect, step: Insert) -> Iterator[str]:
    """Insertions of as many rows as a packet takes.

    The driver would do the same, and take twice as long: most of the values are whole numbers, which need no escape.
    """
    ending = ""
    if step.adding is not None:
        added = [f"{column} = {column} + VALUES({column})" for column in step.adding]
        key = next(iter(step.table.primary_key)).name
        ending = f" ON DUPLICATE KEY UPDATE {', '.join(added) or f'{key} = {key}'}"
    beginning = insertion(dialect, step.table, tuple(step.columns), "").partition(" VALUES ")[0] + " VALUES "
    escape = connection.escape
    rows: list[str] = []
    size = 0
    for row in step.rows:
        values = [str(value) if type(value) is int else "NULL" if value is None else escape(value) for value in row]
        text = f"({','.join(values)})"
        size += len(text)
        if size > MOST_CHARACTERS and rows:
            yield beginning + ",".join(rows) + ending
            rows, size = [], len(text)
        rows.append(text)
    if rows:
        yield beginning + ",".join(rows) + ending


def _packet(connection: Any, dialect: Dialect, steps: Sequence[Step]) -> list[Any]:
    with connection.cursor() as cursor:
        texts: list[list[str]] = [_texts(connection, cursor, dialect, step) for step in steps]
        flat = [text for of_step in texts for text in of_step]
        if flat:
            cursor.execute(";\n".join(flat))
        answers: list[Any] = []
        first = True
        for step, of_step in zip(steps, texts, strict=True):
            found = 0
            for _ in of_step:
                if not first:
                    cursor.nextset()
                first = False
                found += cursor.rowcount
                if isinstance(step, Ask):
                    answers.append(cursor.fetchall())
            if isinstance(step, Insert):
                answers.append(len(step.rows))
            elif not isinstance(step, Ask):
                answers.append(found)
    return answers


def _texts(connection: Any, cursor: Any, dialect: Dialect, step: Step) -> list[str]:
    if isinstance(step, Insert):
        return list(_insert_mysql(connection, dialect, step))
    if isinstance(step, Say):
        return [step.sql]
    text = compiled(dialect, step.statement)
    if isinstance(step, Ask):
        return [cursor.mogrify(text.sql, text.fill(step.values))]
    return [cursor.mogrify(text.sql, text.fill(values)) for values in step.values]
