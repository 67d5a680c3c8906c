"""Databases to measure on: SQLite files, and servers that the environment names or that are thrown away afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import create_engine, make_url
from tests.servers import Server, ServerNotInstalled, mariadb, postgres

from bench.result import LeftOut

MakeDatabase = Callable[[str], str]
"""Makes an empty database of a name, and gives its URL."""


@contextmanager
def sqlite_files() -> Iterator[MakeDatabase]:
    with TemporaryDirectory() as directory:
        yield lambda name: f"sqlite:///{Path(directory, name)}.db"


@contextmanager
def postgres_databases() -> Iterator[MakeDatabase]:
    with _databases(postgres, "ASTPP_BILLING_TEST_POSTGRES", "") as make:
        yield make


@contextmanager
def mariadb_databases() -> Iterator[MakeDatabase]:
    with _databases(mariadb, "ASTPP_BILLING_TEST_MARIADB", " CHARACTER SET utf8mb4") as make:
        yield make


@contextmanager
def _databases(
    start: Callable[[], AbstractContextManager[Server]], variable: str, options: str
) -> Iterator[MakeDatabase]:
    """Databases on the server that an environment variable names, or on a throw-away one; they are gone afterwards."""
    if variable in os.environ:
        with _made_on(os.environ[variable], options) as make:
            yield make
        return
    try:
        running = start()
        server = running.__enter__()
    except ServerNotInstalled as error:
        raise LeftOut(f"{error} is not installed, and {variable} names no server") from error
    try:
        with _made_on(server.url, options) as make:
            yield make
    finally:
        running.__exit__(None, None, None)


@contextmanager
def _made_on(url: str, options: str) -> Iterator[MakeDatabase]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def say(sql: str) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(sql)

    def make(name: str) -> str:
        database = f"astpp_billing_bench_{name}"
        say(f"DROP DATABASE IF EXISTS {database}")
        say(f"CREATE DATABASE {database}{options}")
        made.append(database)
        return make_url(url).set(database=database).render_as_string(hide_password=False)

    try:
        yield make
    finally:
        for database in made:
            say(f"DROP DATABASE {database}")
        engine.dispose()
