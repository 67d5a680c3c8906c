"""Many processes on one database, some of which are killed: `storm` lets a task run, and gives what it has said.

A process of its own forks them, once everything is imported and nothing is open: that is cheap enough for hundreds.
"""

import json
import multiprocessing
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count, islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.services.holding import attempt, fund

from astpp_billing.billing import Billing
from astpp_billing.calls import Approved, CallRecord, Refused, RefusedReason, Settled
from astpp_billing.clock import FixedClock
from astpp_billing.errors import StorageBusy, StorageError
from astpp_billing.storage import open_storage
from astpp_billing.testing.worlds import START, call, chain, distributor

ROOT = Path(__file__).parents[2]
CUSTOMER = "chain-customer"
CALL_SECONDS = 120
"""How long the calls are at the most for which money is held."""

SPAN_SECONDS = 0.05
"""How long a process lives at the most, once it has done something, until it is killed."""

FORK = multiprocessing.get_context("fork")

PENCE = ("0.0333", "0.0555", "0.0777")
"""Prices per minute that leave fractions of a minor unit, from the top down."""

CENTS = ("0.60", "1.20", "1.80")
"""Prices per minute with which a second costs whole minor units, so that a receipt has no rounding."""

Work = Callable[[int, Callable[[], object]], Any]
"""What one of several processes does; it calls its second argument to wait until all are ready."""


def records(mark: str = "") -> Iterator[CallRecord]:
    """Calls that go on and on, always the same ones; most of their prices are not in whole minor units."""
    return (call(CUSTOMER, 1 + 37 * index % 600, leg=f"{mark}{index}") for index in count())


def open_billing(url: str) -> Billing:
    return Billing.open(url, FixedClock(START))


def open_shop(billing: Billing, prices: Sequence[str], *funds: str) -> None:
    """Open the row of resellers in which everything happens, and give money to them, from the customer up."""
    *dear, price = prices
    fund(billing, chain(billing, *map(distributor, dear), price=price), *funds)


@contextmanager
def quiet(records: Iterable[CallRecord], prices: Sequence[str], *funds: str) -> Iterator[Billing]:
    """The books of one process that settles the records one after the other."""
    with open_billing("memory://") as billing:
        open_shop(billing, prices, *funds)
        for record in records:
            billing.calls.settle(record)
        yield billing


@contextmanager
def storm(task: str, url: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that does one of the tasks below."""
    command = [sys.executable, "-W", "error", "-m", "tests.services.storms", task, url, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str], told: str = "") -> Any:
    """What a task has said in the end, after it was told something."""
    output, _ = process.communicate(told, timeout=240)
    assert process.returncode == 0
    return json.loads(output)


def insist(command: Callable[[], Any]) -> Any:
    """Do it, however often it finds that others are in the way."""
    while True:
        try:
            return command()
        except StorageBusy:
            continue


def together(number: int, work: Work) -> list[Any]:
    """What `work` gives in as many processes at the same time."""
    ready = FORK.Barrier(number)
    found: list[Connection] = []
    for index in range(number):
        receiving, saying = FORK.Pipe(duplex=False)
        process = FORK.Process(target=_say, args=(saying, work, index, ready.wait), daemon=True)
        process.start()
        saying.close()
        found.append(receiving)
    return [receiving.recv() for receiving in found]


def _say(saying: Connection, work: Work, index: int, ready: Callable[[], object]) -> None:
    saying.send(work(index, ready))


def admit(url: str, processes: str, calls: str) -> dict[str, Any]:
    """Authorise and settle calls where money is short; one process more does nothing but look at the wallets."""

    def least_available(billing: Billing) -> int:
        with billing.storage.snapshot() as uow:
            customer = uow.find_account(CUSTOMER)
            assert customer is not None
            path = uow.path(customer.id)[:-1]
            return min(uow.wallet(account.id).available_micros for account in path)

    def work(index: int, ready: Callable[[], object]) -> Any:
        chance = random.Random(index)
        with open_billing(url) as billing:
            ready()
            if index == int(processes):
                return {"least": min(least_available(billing) for _ in range(50))}
            done: dict[str, Any] = {"settled": [], "refused": 0, "least": 0}
            for position in range(int(calls)):
                leg = f"{index}-{position}"
                admitted = insist(partial(billing.calls.authorize, attempt(call(CUSTOMER, leg=leg))))
                done["least"] = min(done["least"], least_available(billing))
                if isinstance(admitted, Refused):
                    assert admitted.reason is RefusedReason.NO_MONEY, admitted
                    done["refused"] += 1
                    continue
                assert isinstance(admitted, Approved)
                seconds = chance.randint(1, min(admitted.hold.seconds, CALL_SECONDS))
                settle_once(billing, call(CUSTOMER, seconds, leg=leg))
                done["settled"].append([leg, seconds])
            return done

    found = together(int(processes) + 1, work)
    return {
        "settled": [one for each in found for one in each.get("settled", ())],
        "refused": sum(each.get("refused", 0) for each in found),
        "least": min(each["least"] for each in found),
    }


def settle_once(billing: Billing, record: CallRecord) -> bool:
    """Settle a call; whether it had been settled before."""
    result = insist(lambda: billing.calls.settle(record))
    assert isinstance(result, Settled)
    return result.repeated


def repeat(url: str, processes: str, singles: str, batch: str) -> dict[str, Any]:
    """Settle the same records in all processes at once: some one by one, as many times as there are, then a batch."""

    def work(index: int, ready: Callable[[], object]) -> Any:
        with open_billing(url) as billing:
            charged = 0
            for record in islice(records(), int(singles)):
                ready()
                charged += not settle_once(billing, record)
            ready()
            many = list(islice(records("batch "), int(batch)))
            results = insist(lambda: list(billing.calls.settle_many(many)))
            return charged, sum(isinstance(one, Settled) and not one.repeated for one in results)

    found = together(int(processes), work)
    return {"charged": sum(one for one, _ in found), "charged in batches": sum(many for _, many in found)}


def kill(url: str, times: str, batch_size: str, seed: str) -> dict[str, Any]:
    """Settle calls in a process that is killed, and in another one from where it was, and so on."""
    chance = random.Random(int(seed))
    done = 0
    for _ in range(int(times)):
        receiving, saying = FORK.Pipe(duplex=False)
        victim = FORK.Process(target=feed, args=(url, done, int(batch_size), saying))
        victim.start()
        saying.close()
        done = receiving.recv()  # so that each of them gets somewhere
        time.sleep(chance.uniform(0, SPAN_SECONDS))
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        assert victim.exitcode == -signal.SIGKILL
        while receiving.poll():
            try:
                done = receiving.recv()
            except EOFError:
                break
        receiving.close()
    return {"done": done}


def feed(url: str, first: int, batch_size: int, saying: Connection) -> None:
    """Settle calls from the `first` one on, one by one or in batches, and say each time how many are done."""
    with open_billing(url) as billing:
        results = (
            map(billing.calls.settle, islice(records(), first, None))
            if batch_size == 1
            else billing.calls.settle_many(islice(records(), first, None), batch_size=batch_size)
        )
        for done, _ in enumerate(results, first + 1):
            saying.send(done)


def outlive(url: str, processes: str) -> dict[str, Any]:
    """Say when several processes are ready; let them settle calls until told to stop, whatever the server does."""
    told = os.dup(sys.stdin.fileno())  # which all of them can see, as nobody reads what is there

    def work(index: int, ready: Callable[[], object]) -> Any:
        settled, again = 0, 0
        with open_billing(url) as billing:
            ready()
            if index == 0:
                sys.stdout.write("ready\n")
                sys.stdout.flush()
            while not select.select([told], [], [], 0)[0]:
                some = list(islice(records(f"{index}-"), settled, settled + (1 if index % 2 else 10)))
                try:
                    list(billing.calls.settle_many(some))
                except StorageError:
                    again += 1
                    time.sleep(0.05)
                else:
                    settled += len(some)
        return settled, again

    found = together(int(processes), work)
    return {"settled": [settled for settled, _ in found], "again": sum(again for _, again in found)}


if __name__ == "__main__":
    tasks: dict[str, Callable[..., dict[str, Any]]] = {
        "admit": admit,
        "repeat": repeat,
        "kill": kill,
        "outlive": outlive,
    }
    open_storage(sys.argv[2]).close()  # which imports what every process would otherwise import again
    sys.stdout.write(json.dumps(tasks[sys.argv[1]](*sys.argv[2:])) + "\n")
