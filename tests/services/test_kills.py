"""Processes and servers that are killed at any moment: once everything was sent again, nobody can tell."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain as chained
from itertools import islice

import pytest
from tests.servers import Server, ServerNotInstalled, mariadb, postgres
from tests.services.books import assert_no_gaps, everything, in_any_order, without_ids
from tests.services.storms import PENCE, open_billing, open_shop, quiet, records, said, storm

from astpp_billing.calls import Settled

pytestmark = [pytest.mark.slow, pytest.mark.storm]


@pytest.mark.parametrize("batch_size", [1, 10], ids=["one by one", "in batches"])
def test_a_hundred_killed_processes_leave_what_an_undisturbed_one_does(shared_url: str, batch_size: int) -> None:
    """A hundred in all: 17 on each kind of database that settle one by one, and 17 that settle batches."""
    with open_billing(shared_url) as billing:
        open_shop(billing, PENCE, "10")

    with storm("kill", shared_url, 17, batch_size, batch_size) as process:
        done: int = said(process)["done"]

    calls = list(islice(records(), done + 2 * batch_size))
    with open_billing(shared_url) as billing, quiet(calls, PENCE, "10") as expected:
        results = list(billing.calls.settle_many(calls, batch_size=batch_size))
        assert all(isinstance(one, Settled) and one.repeated for one in results[:done])
        assert without_ids(everything(billing)) == without_ids(everything(expected))
        assert in_any_order(billing) == in_any_order(expected)
        assert billing.ledger.reconcile().agrees
        assert_no_gaps(billing)


@pytest.fixture(params=[postgres, mariadb], ids=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of our own, which may be stopped."""
    with ExitStack() as stack:
        try:
            started = stack.enter_context(request.param())
        except ServerNotInstalled as error:
            if os.environ.get("CI"):
                pytest.fail(f"{error} is not installed")
            pytest.skip(f"{error} is not installed")
        yield started


def test_a_server_that_crashes_and_one_that_is_restarted_lose_nothing(server: Server) -> None:
    processes = 4
    with open_billing(server.url) as billing:
        open_shop(billing, PENCE, "10")

    with storm("outlive", server.url, processes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for kill in (True, False):
            time.sleep(1)
            server.stop(kill=kill)
            server.start()
        time.sleep(1)
        done = said(process, "stop\n")

    assert done["again"] > 0
    assert all(settled > 0 for settled in done["settled"])
    calls = list(chained.from_iterable(islice(records(f"{n}-"), settled) for n, settled in enumerate(done["settled"])))
    with open_billing(server.url) as billing, quiet(calls, PENCE, "10") as expected:
        results = list(billing.calls.settle_many(calls))
        assert all(isinstance(one, Settled) and one.repeated for one in results)
        assert in_any_order(billing) == in_any_order(expected)
        assert billing.ledger.reconcile().agrees
        assert_no_gaps(billing)
