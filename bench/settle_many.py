"""Settling 10,000 calls on four levels of prepaid accounts, against `executemany` of the very same rows.

The plain way gets the rows that our run has written. It rates nothing, checks nothing, locks nothing, numbers nothing,
and moves neither wallets nor the figures of used money: it only writes, by the bare driver, into the same tables, in as
many transactions.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from statistics import median
from time import perf_counter_ns
from typing import Any

import psycopg
import pymysql  # type: ignore[import-untyped]
from attrs import frozen
from pymysql.constants.CLIENT import FOUND_ROWS  # type: ignore[import-untyped]
from sqlalchemy import Column, Connection, Engine, Table, create_engine, make_url, select

from astpp_billing.billing import Billing
from astpp_billing.calls import Settled
from astpp_billing.clock import FixedClock
from astpp_billing.storage.sql import tables
from bench.databases import MakeDatabase, mariadb_databases, postgres_databases, sqlite_files
from bench.result import Result
from bench.shops import AT, LEVELS, open_shop, prefixes, records

RECORDS = 10_000
BATCH_SIZE = 1_000
ROUNDS = 3

Row = tuple[Any, ...]


@frozen
class Written:
    """A table that our run has written to: the column that says which rows are newer, and whether they are its own."""

    table: Table
    order: tuple[Column[Any], ...]
    given: bool = True  # whether the key was given, or made by the database

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        return tuple(self.table.columns if self.given else list(self.table.columns)[1:])


WRITTEN = (
    Written(tables.postings, (tables.postings.c.id,)),
    Written(tables.transfers, (tables.transfers.c.posting_id, tables.transfers.c.position)),
    Written(tables.documents, (tables.documents.c.id,)),
    Written(tables.charges, (tables.charges.c.posting_id, tables.charges.c.position)),
    Written(tables.calls, (tables.calls.c.id,), given=False),
)
"""In the order in which they are written; what refers to others comes after them."""


def run_sqlite() -> Result:
    return run("settle_many_sqlite", 0.25, sqlite_files, connect_sqlite)


def run_postgres() -> Result:
    return run("settle_many_postgres", 0.5, postgres_databases, connect_postgres)


def run_mariadb() -> Result:
    return run("settle_many_mariadb", 0.5, mariadb_databases, connect_mariadb)


def run(
    name: str,
    floor: float,
    databases: Callable[[], AbstractContextManager[MakeDatabase]],
    connect: Callable[[str], Any],
) -> Result:
    pairs = []
    with databases() as make_database:
        ours, plain = make_database("ours"), make_database("plain")
        Billing.open(plain).close()  # it makes the tables
        engine = create_engine(ours)
        with Billing.open(ours, FixedClock(AT)) as billing, closing(connect(plain)) as connection:
            open_shop(billing)
            # the decks are loaded once, when the process starts
            known = prefixes()
            assert all(isinstance(one, Settled) for one in billing.calls.settle_many(records(known, 100, seed=0)))
            for seed in range(1, ROUNDS + 1):
                before = newest(engine)
                calls = list(records(known, RECORDS, seed=seed))
                ours_ns = settle(billing, calls)
                batches = list(read_back(engine, before))
                pairs.append((ours_ns, write(connection, batches, engine)))
        engine.dispose()
    rows = sum(len(rows) for batch in batches for rows in batch)
    ours_ns, plain_ns = (median(times) for times in zip(*pairs, strict=True))
    return Result(
        name,
        median(plain_ns / ours_ns for ours_ns, plain_ns in pairs),
        floor,
        {
            "records, paying levels, records at once": f"{RECORDS}, {LEVELS}, {BATCH_SIZE}",
            "settled": f"{RECORDS / ours_ns * 1e9:.0f} calls/s",
            "rows that a call writes": f"{rows / RECORDS:.1f}",
            "settled, in rows": f"{rows / ours_ns * 1e9:.0f} rows/s",
            "executemany of these rows": f"{rows / plain_ns * 1e9:.0f} rows/s",
            "ratio in the first round": f"{pairs[0][1] / pairs[0][0]:.2f}",
        },
    )


def settle(billing: Billing, calls: Sequence[Any]) -> int:
    """The nanoseconds that it takes to settle calls."""
    gc.collect()
    begin = perf_counter_ns()
    results = list(billing.calls.settle_many(calls, batch_size=BATCH_SIZE))
    took = perf_counter_ns() - begin
    odd = [one for one in results if not (isinstance(one, Settled) and len(one.charges) == LEVELS)]
    assert not odd, (len(odd), odd[0])
    return took


def newest(engine: Engine) -> dict[str, int]:
    """The largest key in each table."""
    with engine.connect() as connection:
        return {
            one.table.name: connection.execute(select(one.order[0]).order_by(one.order[0].desc()).limit(1)).scalar_one()
            for one in WRITTEN
        }


def read_back(engine: Engine, before: dict[str, int]) -> Iterator[list[list[Row]]]:
    """What was written after that, as the driver has it: for each transaction the rows of each table."""
    with engine.connect() as connection:
        found = [read(connection, one, before[one.table.name]) for one in WRITTEN]
    assert len(found[0]) == len(found[-1]) == RECORDS  # postings, calls
    for start in range(0, RECORDS, BATCH_SIZE):
        first, last = found[0][start][0], found[0][start + BATCH_SIZE - 1][0]
        batch = []
        for one, rows in zip(WRITTEN, found, strict=True):
            if one.order[0].name == "posting_id":
                batch.append([row for row in rows if first <= row[0] <= last])
            else:
                each = len(rows) // RECORDS
                batch.append(rows[start * each : (start + BATCH_SIZE) * each])
        yield batch


def read(connection: Connection, written: Written, after: int) -> list[Row]:
    query = select(*written.columns).where(written.order[0] > after).order_by(*written.order)
    sql = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
    return [tuple(row) for row in connection.exec_driver_sql(sql)]


def write(connection: Any, batches: Sequence[Sequence[list[Row]]], engine: Engine) -> int:
    """The nanoseconds that it takes to write the rows of each batch and commit them."""
    statements = [insertion(one, engine) for one in WRITTEN]
    gc.collect()
    begin = perf_counter_ns()
    for batch in batches:
        cursor = connection.cursor()
        for statement, rows in zip(statements, batch, strict=True):
            cursor.executemany(statement, rows)
        cursor.close()
        connection.commit()
    return perf_counter_ns() - begin


def insertion(written: Written, engine: Engine) -> str:
    quote = engine.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in written.columns)
    marker = "?" if engine.dialect.paramstyle == "qmark" else "%s"
    values = ", ".join(marker for _ in written.columns)
    return f"INSERT INTO {written.table.name} ({names}) VALUES ({values})"  # noqa: S608 - all names are our own


def connect_sqlite(url: str) -> sqlite3.Connection:
    connection = sqlite3.connect(make_url(url).database or "")
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    return connection


def connect_postgres(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"))


def connect_mariadb(url: str) -> Any:
    parsed = make_url(url)
    return pymysql.connect(
        host=parsed.host,
        port=parsed.port or 0,
        user=parsed.username,
        password=parsed.password or "",
        database=parsed.database,
        charset="utf8mb4",
        client_flag=FOUND_ROWS,
        init_command="SET SESSION sql_mode = 'TRADITIONAL'",
    )
