"""Several real processes on one database, some of which are killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.services.books import at, everything, without_ids

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.hierarchy import BillingType
from astpp_billing.periods import BillingSchedule, Cadence
from astpp_billing.testing.worlds import Chain, chain, distributor

pytestmark = pytest.mark.slow

SETTLE = """
import sys
from datetime import timedelta
from random import Random
from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.testing.worlds import START, call

url, first, last, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
legs = list(range(first, last))
if seed:
    Random(seed).shuffle(legs)
with Billing.open(url, FixedClock(START)) as billing:
    print("ready", flush=True)
    sys.stdin.readline()
    for leg in legs:
        result = billing.calls.settle(call("chain-customer", 60 + leg, leg=str(leg), started_at=START))
        print("charged" if not result.repeated else "repeated", flush=True)
"""

BILL = """
import sys
from datetime import UTC, datetime
from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock

with Billing.open(sys.argv[1], FixedClock(datetime(2026, 1, 21, tzinfo=UTC))) as billing:
    print("ready", flush=True)
    sys.stdin.readline()
    for billed in billing.documents.run():
        assert not billed.problem, billed.problem
        print(billed.document.number, flush=True)
"""

FORK = """
import os, sys
from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.testing.worlds import START, call

with Billing.open(sys.argv[1], FixedClock(START)) as billing:
    billing.calls.settle(call("chain-customer", 60, leg="before", started_at=START))
    print("ready", flush=True)
    sys.stdin.readline()
    children = []
    for child in "abc":
        process = os.fork()
        if not process:
            for leg in range(20):
                billing.calls.settle(call("chain-customer", 60, leg=f"{child}{leg}", started_at=START))
            os._exit(0)
        children.append(process)
    for leg in range(20):
        billing.calls.settle(call("chain-customer", 60, leg=f"parent{leg}", started_at=START))
    print(*(os.waitpid(process, 0)[1] for process in children))
"""


class Worker:
    """A Python process that says when it is ready, and starts when it is told to."""

    def __init__(self, code: str, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> None:
        """Until it is ready."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def finish(self) -> list[str]:
        """What it has said; it must have ended well."""
        output, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return output.split()

    def kill(self) -> list[str]:
        """What it had said before it was killed."""
        self.process.send_signal(signal.SIGKILL)
        output, _ = self.process.communicate(timeout=60)
        return output.split()


def together(*workers: Worker) -> list[list[str]]:
    for worker in workers:
        worker.wait()
    for worker in workers:
        worker.go()
    return [worker.finish() for worker in workers]


def open_shop(url: str, **customer: Any) -> Chain:
    with Billing.open(url, FixedClock(at(2026, 1, 1))) as billing:
        return chain(billing, distributor("0.0333"), price="0.0777", **customer)


def test_four_processes_that_settle_the_same_records_charge_each_once(shared_url: str) -> None:
    url = shared_url
    open_shop(url)

    said = together(*(Worker(SETTLE, url, 0, 200, seed) for seed in (1, 2, 3, 4)))

    assert sum(output.count("charged") for output in said) == 200
    assert sum(output.count("repeated") for output in said) == 600
    with Billing.open(url) as billing:
        assert billing.ledger.reconcile().agrees
        assert len(billing.calls.all()) == 200
        numbers = sorted(document.number for document in billing.documents.documents())
        assert numbers == sorted(2 * [f"RCP-{n:06}" for n in range(1, 201)])


def test_two_billing_runs_at_once_give_each_period_one_document(shared_url: str) -> None:
    url = shared_url
    schedule = BillingSchedule(Cadence.DAILY)
    shop = open_shop(url, billing=BillingType.POSTPAID, schedule=schedule, zero_invoices=True)
    with Billing.open(url, FixedClock(at(2026, 1, 1))) as billing:
        for position in range(4):
            billing.accounts.open_customer(
                shop.resellers[0],
                billing=BillingType.POSTPAID,
                schedule=schedule,
                zero_invoices=True,
                name=f"{position}",
            )

    said = together(Worker(BILL, url), Worker(BILL, url))

    assert sorted(number for output in said for number in output) == [f"INV-{n:06}" for n in range(1, 101)]
    with Billing.open(url) as billing:
        documents = billing.documents.documents()
        assert len({(document.account_id, document.period) for document in documents}) == len(documents) == 100
        assert billing.ledger.reconcile().agrees


def test_a_process_that_is_killed_and_started_again_leaves_what_an_undisturbed_one_does(
    shared_url: str,
    tmp_path: Path,
) -> None:
    """Whatever it was at when it was killed: everything is sent again, and nothing is lost or charged twice."""
    undisturbed, killed = f"sqlite:///{tmp_path}/undisturbed.db", shared_url
    for url in (undisturbed, killed):
        open_shop(url)
    pause = random.Random(7)
    victims = [Worker(SETTLE, killed, 0, 60, 0) for _ in range(3)]
    quiet, last = Worker(SETTLE, undisturbed, 0, 60, 0), Worker(SETTLE, killed, 0, 60, 0)

    done = 0
    for victim in victims:
        victim.wait()
        victim.go()
        time.sleep(pause.uniform(0, 0.2))
        done += victim.kill().count("charged")
    together(quiet)
    (said,) = together(last)

    with Billing.open(undisturbed) as one, Billing.open(killed) as other:
        assert without_ids(everything(other)) == without_ids(everything(one))
        assert other.ledger.reconcile().agrees
    assert said.count("charged") <= 60 - done  # what it had said was charged was never charged again


def test_processes_that_were_forked_share_neither_connections_nor_ids(shared_url: str) -> None:
    """A web server may open the storage and then fork its workers."""
    open_shop(shared_url)

    assert together(Worker(FORK, shared_url)) == [["0", "0", "0"]]

    with Billing.open(shared_url) as billing:
        assert billing.ledger.reconcile().agrees
        assert len(billing.calls.all()) == 81
        documents = billing.documents.documents()
        assert len({document.id for document in documents}) == len(documents) == 162


def test_the_processes_are_real() -> None:
    worker = Worker("import os, sys; print('ready', flush=True); sys.stdin.readline(); print(os.getpid())")

    assert together(worker) == [[str(worker.process.pid)]]
    assert worker.process.pid != os.getpid()
