"""Sixteen processes that settle single calls under one reseller, against sixteen that have a reseller each.

Under one reseller every call moves the same wallet and numbers the same series, so the transactions lock one another
out between their locks and their commits. What they do before that, they do side by side.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from statistics import median
from time import perf_counter_ns
from typing import Any

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.hierarchy import BillingType, ResellerModel
from astpp_billing.testing.worlds import START, call, chain, distributor, offer
from bench.databases import postgres_databases
from bench.result import Result

FLOOR = 0.5
WRITERS = 16
CALLS = 60
ROUNDS = 3


def run() -> Result:
    pairs = []
    with postgres_databases() as make_database:
        url = make_database("resellers")
        open_shops(url)
        for index in range(ROUNDS):
            # by turns, so that what else the machine does falls on both
            ways: list[Callable[[int], str]] = [lambda writer: f"hot-{writer}", lambda writer: f"customer-{writer}"]
            order = (0, 1) if index % 2 else (1, 0)
            took = {way: settle_together(url, ways[way], f"{index}-{way}") for way in order}
            pairs.append((took[0], took[1]))
    one, many = (median(WRITERS * CALLS / took * 1e9 for took in way) for way in zip(*pairs, strict=True))
    return Result(
        "hot_reseller_postgres",
        median(many_ns / one_ns for one_ns, many_ns in pairs),
        FLOOR,
        {
            "processes, calls of each": f"{WRITERS}, {CALLS}",
            "under one reseller": f"{one:.0f} calls/s",
            "each under its own": f"{many:.0f} calls/s",
        },
    )


def open_shops(url: str) -> None:
    """One admin, and resellers that get invoices: nothing but its reseller is common to the calls of two customers."""
    with Billing.open(url, FixedClock(START)) as billing:
        postpaid: dict[str, Any] = {"billing": BillingType.POSTPAID, "credit_limit": 1000}
        hot = chain(billing, distributor("0.02", **postpaid), price="0.05")
        for writer in range(WRITERS):
            billing.accounts.open_customer(hot.resellers[0], number=f"hot-{writer}", rate_group="chain-customer")
            reseller = billing.accounts.open_reseller(
                hot.admin,
                model=ResellerModel.DISTRIBUTOR,
                number=f"reseller-{writer}",
                rate_group="chain-1",
                **postpaid,
            )
            offer(billing, reseller, f"retail-{writer}", "0.05")
            billing.accounts.open_customer(reseller, number=f"customer-{writer}", rate_group=f"retail-{writer}")


def settle_together(url: str, account: Callable[[int], str], mark: str) -> int:
    """The nanoseconds from when all begin until the last one is done."""
    context = multiprocessing.get_context("fork")
    ready, times = context.Barrier(WRITERS), context.SimpleQueue()
    writers = [
        context.Process(target=write, args=(url, account(writer), f"{mark}-{writer}", ready, times))
        for writer in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    spans = [times.get() for _ in writers]
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    begins, ends = zip(*spans, strict=True)
    return max(ends) - min(begins)


def write(url: str, account: str, mark: str, ready: Barrier, times: SimpleQueue[tuple[int, int]]) -> None:
    with Billing.open(url, FixedClock(START)) as billing:
        for index in range(3):  # until all that a process reads once is read
            billing.calls.settle(call(account, leg=f"warm-{mark}-{index}"))
        ready.wait()
        begin = perf_counter_ns()
        for index in range(CALLS):
            billing.calls.settle(call(account, leg=f"{mark}-{index}"))
        times.put((begin, perf_counter_ns()))
