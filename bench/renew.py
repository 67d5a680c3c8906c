"""Renewing 10,000 subscriptions on three levels of prepaid accounts, against `executemany` of the very same rows.

The plain way gets the rows that our run has written. It prices nothing, checks nothing, locks nothing, numbers nothing,
and moves neither wallets nor subscriptions: it only writes, by the bare driver, into the same tables, in as many
transactions.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from statistics import median
from time import perf_counter_ns
from typing import Any

from sqlalchemy import Engine, create_engine, func, select

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.hierarchy import Account, Kind, ResellerModel
from astpp_billing.ledger import Book, LedgerAccount, Posting, Reason, Transfer
from astpp_billing.ports import Changes, UnitOfWork
from astpp_billing.pricing import AgreedLevel, Agreement, Recurrence, Unit
from astpp_billing.pricing.subscriptions import Subscription, first_period
from astpp_billing.services.renewing import Renewed
from astpp_billing.storage.sql import catalogue, tables
from bench.databases import postgres_databases
from bench.result import Result
from bench.settle_many import Row, Written, connect_postgres, insertion, read

SUBSCRIPTIONS = 10_000
BATCH_SIZE = 1_000
PRICES = (20_000_000, 15_000_000, 10_000_000)
"""What each level pays, in micros, the buyer first."""

ROUNDS = 3
MONTHLY = Recurrence(1, Unit.MONTHS)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

WRITTEN = (
    Written(tables.postings, (tables.postings.c.id,)),
    Written(tables.transfers, (tables.transfers.c.posting_id, tables.transfers.c.position)),
    Written(tables.documents, (tables.documents.c.id,)),
    Written(tables.charges, (tables.charges.c.posting_id, tables.charges.c.position)),
)
"""In the order in which they are written."""


def run_postgres() -> Result:
    pairs = []
    with postgres_databases() as make_database:
        ours, plain = make_database("ours"), make_database("plain")
        Billing.open(plain).close()  # it makes the tables
        engine = create_engine(ours)
        clock = FixedClock(BEGIN)
        with Billing.open(ours, clock) as billing, closing(connect_postgres(plain)) as connection:
            open_shop(billing, engine)
            clock.set(datetime(2026, 2, 1, tzinfo=UTC))
            renew(billing)  # series and letterheads are there from then on
            for month in range(3, 3 + ROUNDS):
                clock.set(datetime(2026, month, 1, tzinfo=UTC))
                before = newest(engine)
                ours_ns = renew(billing)
                batches = list(read_back(engine, before))
                pairs.append((ours_ns, write(connection, batches, engine)))
        engine.dispose()
    rows = sum(len(rows) for batch in batches for rows in batch)
    ours_ns, plain_ns = (median(times) for times in zip(*pairs, strict=True))
    return Result(
        "renew_postgres",
        median(plain_ns / ours_ns for ours_ns, plain_ns in pairs),
        0.333,
        {
            "subscriptions, paying levels, at once": f"{SUBSCRIPTIONS}, {len(PRICES)}, {BATCH_SIZE}",
            "renewed": f"{SUBSCRIPTIONS / ours_ns * 1e9:.0f} subscriptions/s",
            "rows that a renewal writes": f"{rows / SUBSCRIPTIONS:.1f}",
            "renewed, in rows": f"{rows / ours_ns * 1e9:.0f} rows/s",
            "executemany of these rows": f"{rows / plain_ns * 1e9:.0f} rows/s",
        },
    )


def open_shop(billing: Billing, engine: Engine) -> None:
    """Admin → distributor → distributor → 10,000 customers, each with money and one subscription."""
    with billing.storage.begin() as work:
        admin = work.add_account(Account(number="admin", kind=Kind.ADMIN, currency="USD"))
        upper = add(work, "d1", admin, Kind.RESELLER)
        lower = add(work, "d2", upper, Kind.RESELLER)
        buyer = add(work, "c", lower, Kind.CUSTOMER)
        one = work.add_subscription(subscription((buyer, lower, upper, admin)))
        work.save(Changes(postings=[refill(account, admin) for account in (upper, lower, buyer)]))
    with engine.begin() as connection:
        copies = f"generate_series({buyer.id + 1}, {buyer.id + SUBSCRIPTIONS - 1}) AS n"
        for table, changed in (
            (tables.accounts, {"id": "n", "number": "'c' || n"}),
            (tables.wallets, {"account_id": "n"}),
            (catalogue.subscriptions, {"id": "n", "buyer_id": "n", "agreement": AGREED.format(buyer.id)}),
        ):
            names = [f'"{column.name}"' for column in table.columns]
            values = [changed.get(column.name, f'it."{column.name}"') for column in table.columns]
            key = next(iter(table.primary_key)).name
            first = one.id if table is catalogue.subscriptions else buyer.id
            connection.exec_driver_sql(
                f"INSERT INTO {table.name} ({', '.join(names)}) "  # noqa: S608 - all names are our own
                f"SELECT {', '.join(values)} FROM {table.name} AS it, {copies} WHERE it.{key} = {first}"
            )


AGREED = """replace(it.agreement, '"levels": [[{},', '"levels": [[' || n || ',')"""
"""The agreement of the first buyer with another one in its place."""


def add(work: UnitOfWork, number: str, parent: Account, kind: Kind) -> Account:
    model = ResellerModel.DISTRIBUTOR if kind is Kind.RESELLER else None
    return work.add_account(Account(number=number, kind=kind, model=model, parent_id=parent.id, currency="USD"))


def refill(account: Account, admin: Account) -> Posting:
    cash, wallet = LedgerAccount(admin.id, Book.CASH, "USD"), LedgerAccount(account.id, Book.WALLET, "USD")
    money = (Transfer(cash, wallet, 10**13),)
    return Posting(key=f"refill:{account.id}", fingerprint="", at=BEGIN, reason=Reason.REFILL, transfers=money)


def subscription(path: Sequence[Account]) -> Subscription:
    pairs = zip(path, path[1:], PRICES, strict=False)
    levels = tuple(AgreedLevel(payer.id, payee.id, micros, 0, "USD") for payer, payee, micros in pairs)
    period = first_period(BEGIN, MONTHLY, "UTC")
    return Subscription(
        order_id=1,
        buyer_id=path[0].id,
        product_id=1,
        version=1,
        quantity=1,
        agreement=Agreement(levels).to_json(),
        description="Package",
        recurrence=MONTHLY,
        timezone="UTC",
        anchor=BEGIN,
        period_start=period.start,
        period_end=period.end,
    )


def renew(billing: Billing) -> int:
    """The nanoseconds that it takes to renew everything once."""
    gc.collect()
    begin = perf_counter_ns()
    results = list(billing.subscriptions.renew(batch_size=BATCH_SIZE))
    took = perf_counter_ns() - begin
    assert len(results) == SUBSCRIPTIONS
    odd = [one for one in results if not (isinstance(one, Renewed) and len(one.charges) == len(PRICES))]
    assert not odd, (len(odd), odd[0])
    return took


def newest(engine: Engine) -> dict[str, int]:
    """The largest key in each table."""
    with engine.connect() as connection:
        return {one.table.name: connection.execute(select(func.max(one.order[0]))).scalar_one() for one in WRITTEN}


def read_back(engine: Engine, before: dict[str, int]) -> Iterator[list[list[Row]]]:
    """What was written after that, as the driver has it: for each transaction the rows of each table."""
    with engine.connect() as connection:
        found = [read(connection, one, before[one.table.name]) for one in WRITTEN]
    assert len(found[0]) == SUBSCRIPTIONS
    for start in range(0, SUBSCRIPTIONS, BATCH_SIZE):
        batch = []
        for rows in found:
            each = len(rows) // SUBSCRIPTIONS
            assert each * SUBSCRIPTIONS == len(rows)
            batch.append(rows[start * each : (start + BATCH_SIZE) * each])
        yield batch


def write(connection: Any, batches: Sequence[Sequence[list[Row]]], engine: Engine) -> int:
    """The nanoseconds that it takes to write the rows of each batch and commit them."""
    statements = [insertion(one, engine) for one in WRITTEN]
    gc.collect()
    begin = perf_counter_ns()
    for batch in batches:
        with connection.cursor() as cursor:
            for statement, rows in zip(statements, batch, strict=True):
                cursor.executemany(statement, rows)
        connection.commit()
    return perf_counter_ns() - begin
