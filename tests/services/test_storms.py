"""Many processes at once, on each kind of database: no money is spent twice, no call is lost, none is charged twice."""

from itertools import islice

import pytest
from tests.services.books import assert_no_gaps, in_any_order
from tests.services.storms import CENTS, PENCE, open_billing, open_shop, quiet, records, said, storm

from astpp_billing.testing.worlds import call

pytestmark = [pytest.mark.slow, pytest.mark.storm]

PROCESSES = 16
CALLS = 5


def test_money_for_few_calls_is_never_spent_twice(shared_url: str) -> None:
    """Whoever on the path is out of money first, and whatever runs at the same time: `available` is not below zero."""
    funds = ("40", "26", "13")
    with open_billing(shared_url) as billing:
        open_shop(billing, CENTS, *funds)

    with storm("admit", shared_url, PROCESSES, CALLS) as process:
        done = said(process)

    assert done["least"] >= 0
    assert done["refused"] > 0
    assert len(done["settled"]) + done["refused"] == PROCESSES * CALLS
    calls = [call("chain-customer", seconds, leg=leg) for leg, seconds in done["settled"]]
    with open_billing(shared_url) as billing, quiet(calls, CENTS, *funds) as expected:
        assert in_any_order(billing) == in_any_order(expected)
        assert billing.ledger.reconcile().agrees
        assert_no_gaps(billing)
        assert billing.calls.holds() == []


def test_the_same_records_in_all_processes_at_once_are_charged_once(shared_url: str) -> None:
    singles, batch = 6, 20
    with open_billing(shared_url) as billing:
        open_shop(billing, PENCE, "10")

    with storm("repeat", shared_url, PROCESSES, singles, batch) as process:
        done = said(process)

    assert done == {"charged": singles, "charged in batches": batch}
    calls = [*islice(records(), singles), *islice(records("batch "), batch)]
    with open_billing(shared_url) as billing, quiet(calls, PENCE, "10") as expected:
        assert in_any_order(billing) == in_any_order(expected)
        assert billing.ledger.reconcile().agrees
        assert_no_gaps(billing)
