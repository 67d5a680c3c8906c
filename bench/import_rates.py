"""Importing a deck of 41,213 rates into SQLite, against `csv.reader` and a bare table that checks nothing."""

import csv
import gc
import gzip
import sqlite3
from importlib.resources import files
from io import StringIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter_ns

from astpp_billing.hierarchy import Account, Kind
from astpp_billing.pricing import RateGroup, RateTable
from astpp_billing.pricing.ratefile import read_rate_file
from astpp_billing.storage import open_storage
from bench.result import Result

FLOOR = 0.25
DECK = "distributor_az.csv.gz"
ROUNDS = 15
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")


def run() -> Result:
    text = gzip.decompress(files("astpp_billing").joinpath("data", "rates", DECK).read_bytes()).decode()
    pairs = []
    loads = []
    with TemporaryDirectory() as directory:
        for index in range(ROUNDS):
            one, other = Path(directory, f"ours{index}.db"), Path(directory, f"plain{index}.db")
            # by turns, so that what else the machine does falls on both
            if index % 2:
                plain_ns = plain(text, other)
                ours_ns, load_ns = ours(text, one)
            else:
                ours_ns, load_ns = ours(text, one)
                plain_ns = plain(text, other)
            pairs.append((ours_ns, plain_ns))
            loads.append(load_ns)
    return Result(
        "import_rates_sqlite",
        median(plain_ns / ours_ns for ours_ns, plain_ns in pairs),
        FLOOR,
        {
            "rates": f"{text.count(chr(10)) - 1}",
            "read, checked, imported and committed": f"{median(ours_ns for ours_ns, _ in pairs) / 1e6:.0f} ms",
            "csv.reader and executemany alone": f"{median(plain_ns for _, plain_ns in pairs) / 1e6:.0f} ms",
            "loaded again, as an index of prefixes": f"{median(loads) / 1e6:.0f} ms",
        },
    )


def ours(text: str, path: Path) -> tuple[int, int]:
    """The nanoseconds of an import, and of loading what it has brought."""
    storage = open_storage(f"sqlite:///{path}")
    with storage.begin() as uow:
        admin = uow.add_account(Account(number="admin", kind=Kind.ADMIN, currency="USD"))
        uow.add_rate_group(RateGroup(name="deck", owner_id=admin.id, currency="USD"))
    gc.collect()
    begin = perf_counter_ns()
    rates = read_rate_file(StringIO(text, newline=""))
    with storage.begin() as uow:
        uow.import_rates("deck", rates.rows, None)
    imported = perf_counter_ns()
    with storage.begin() as uow:
        table = RateTable(uow.rates("deck"))
    loaded = perf_counter_ns()
    assert len(table) == len(rates.rows)
    storage.close()
    return imported - begin, loaded - imported


def plain(text: str, path: Path) -> int:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()
    connection.execute("CREATE TABLE bare (a, b, c, d, e, f, g)")
    gc.collect()
    begin = perf_counter_ns()
    rows = csv.reader(StringIO(text, newline=""))
    next(rows)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute("COMMIT")
    took = perf_counter_ns() - begin
    connection.close()
    return took
