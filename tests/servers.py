"""Throw-away database servers: started from the installed binaries on a free port, gone with their folder.

They write as they would for anybody, but do not wait for the disk: what they have written outlives a server that
is killed, which is as much as a test can do to it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from attrs import define
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from astpp_billing.storage import open_storage
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.engine import MULTI_STATEMENTS

START_SECONDS = 60
"""How long a server may take until it answers."""


_SEEDED = {"price_versions": "version", "id_blocks": "last_id", "locks": None}
"""The tables that have rows from the beginning, and what these count."""

_MADE: set[str] = set()
"""The databases that have all their tables."""


class ServerNotInstalled(Exception):
    """The binaries of a server are not on this machine."""


@define
class Server:
    """A running server: its URL, and how to stop and start it in mid-test."""

    url: str
    command: Sequence[str]
    options: dict[str, Any]
    port: int
    process: subprocess.Popen[bytes] | None = None
    end: signal.Signals = signal.SIGTERM
    """What lets it end in good order, without waiting for its clients."""

    def start(self) -> None:
        """Start it and wait until it lets clients in."""
        self.process = subprocess.Popen(self.command, **self.options)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.command[0]} ended with {self.process.returncode}")
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                break
            time.sleep(0.05)
        engine = create_engine(self.url)
        try:
            while time.monotonic() < deadline:
                with suppress(DBAPIError), engine.connect():
                    return
                time.sleep(0.05)
        finally:
            engine.dispose()
        raise RuntimeError(f"{self.command[0]} does not answer on port {self.port}")

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, or kill it as a crash would."""
        if self.process is not None:
            if kill:
                self.process.kill()
            else:
                self.process.send_signal(self.end)
            self.process.wait(timeout=START_SECONDS)
            self.process = None


@contextmanager
def postgres() -> Iterator[Server]:
    """A PostgreSQL cluster of its own, with an empty database `billing`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [
        Path(p).parent for p in (shutil.which("initdb"),) if p
    ]
    if not found:
        raise ServerNotInstalled("PostgreSQL (Debian: postgresql)")
    binaries = found[-1]
    with _folder("postgres") as (folder, options):
        data = folder / "data"
        setup = [binaries / "initdb", "--pgdata", data, "--auth=trust", "--username=billing", "--encoding=UTF8"]
        subprocess.run([*map(str, setup), "--locale=C", "--no-instructions", "--no-sync"], check=True, **options)
        port = _free_port()
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder), "-h", "127.0.0.1"]
        command += ["-c", "fsync=off"]
        url = f"postgresql+psycopg://billing@127.0.0.1:{port}/postgres"
        server = Server(url, command, options, port, end=signal.SIGINT)
        with _running(server):
            yield server


@contextmanager
def mariadb() -> Iterator[Server]:
    """A MariaDB server of its own, with an empty database `billing`."""
    binary, install = shutil.which("mariadbd") or "/usr/sbin/mariadbd", shutil.which("mariadb-install-db")
    if install is None or not Path(binary).exists():
        raise ServerNotInstalled("MariaDB (Debian: mariadb-server)")
    with _folder("mysql") as (folder, options):
        data = folder / "data"
        subprocess.run(
            [
                install,
                "--no-defaults",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            **options,
        )
        (folder / "init.sql").write_text("CREATE DATABASE IF NOT EXISTS billing CHARACTER SET utf8mb4;")
        port = _free_port()
        command = [
            binary,
            "--no-defaults",
            f"--datadir={data}",
            f"--port={port}",
            f"--socket={folder / 'socket'}",
            f"--pid-file={folder / 'pid'}",
            f"--init-file={folder / 'init.sql'}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=2",
        ]
        server = Server(f"mysql+pymysql://root@127.0.0.1:{port}/billing", command, options, port)
        with _running(server):
            yield server


@contextmanager
def _folder(owner: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A folder for a server, and how to run it: as its own user where we are root, which servers refuse to run as."""
    with tempfile.TemporaryDirectory(prefix="astpp-billing-") as name:
        folder = Path(name)
        options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        if os.geteuid() == 0:
            shutil.chown(folder, owner, owner)
            options |= {"user": owner, "group": owner}
        yield folder, options


@contextmanager
def _running(server: Server) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop(kill=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def empty(url: str) -> str:
    """Drop everything in the database of a URL, and return the URL."""
    _MADE.discard(url)
    engine = _engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        else:
            name = engine.url.database
            connection.execute(text(f"DROP DATABASE {name}"))
            connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
    engine.dispose()
    return url


def fresh(url: str, *, count_on: bool = False) -> str:
    """Let a database have all its tables and nothing in them, and return the URL.

    Ids begin with 1, unless it is said that they may count on, which is faster. Who changes the tables themselves
    begins and ends with `empty`.
    """
    if url in _MADE:
        wipe(url)
        if not count_on:
            _run(url, _RESTARTS)
        return url
    open_storage(empty(url)).close()
    _MADE.add(url)
    return url


def wipe(url: str) -> str:
    """Empty all tables of a database, which is much faster than to make them anew, and return the URL.

    What the database counts by itself goes on. Nobody may have the database open.
    """
    _run(url, _WIPES)
    return url


def _run(url: str, scripts: Mapping[str, str]) -> None:
    """Run the statements for the kind of database that a URL names."""
    engine = _engine(url)
    with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(scripts[engine.dialect.name])
        while cursor.nextset():
            pass
        connection.commit()


@cache
def _engine(url: str) -> Engine:
    """A way to a database beside what is tested; it stays open, as a test needs it only for a moment."""
    parsed = make_url(url)
    flags = {"client_flag": MULTI_STATEMENTS} if parsed.get_backend_name() == "mysql" else {}
    return create_engine(parsed, connect_args=flags)


_FILLED = [table.name for table in reversed(tables.metadata.sorted_tables) if table.name not in _SEEDED]
_EMPTIED = [
    *(f"DELETE FROM {name}" for name in _FILLED),  # noqa: S608 - all of it is above
    *(f"UPDATE {name} SET {column} = 0" for name, column in _SEEDED.items() if column is not None),  # noqa: S608 - so is this
]
_WIPES = {
    "postgresql": f"DO $$ BEGIN {'; '.join(_EMPTIED)}; END $$",
    # it would look at each row by itself, and find the parents of accounts gone
    "mysql": "; ".join(["SET foreign_key_checks = 0", *_EMPTIED, "SET foreign_key_checks = 1"]),
}
_COUNTED = [
    table.name
    for table in tables.metadata.sorted_tables
    if table.autoincrement_column is not None and table.name not in _SEEDED
]
_RESTARTS = {
    "postgresql": "SELECT setval(oid::regclass, 1, false) FROM pg_class"
    " WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace",
    "mysql": "; ".join(f"ALTER TABLE {name} AUTO_INCREMENT = 1" for name in _COUNTED),
}
