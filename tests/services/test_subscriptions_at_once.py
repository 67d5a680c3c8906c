"""Several that renew the same subscriptions at the same time, and one that is killed while it does."""

import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from tests.services.books import assert_no_gaps, at, everything
from tests.services.subscribing import subscribe

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import StorageBusy
from astpp_billing.money import Money
from astpp_billing.services.renewing import Renewal, Renewed
from astpp_billing.testing.worlds import Chain, chain, distributor

pytestmark = pytest.mark.slow

SUBSCRIPTIONS = 30
MONTHS = 3

RENEW = """
import sys
from datetime import UTC, datetime
from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock

with Billing.open(sys.argv[1], FixedClock(datetime(2026, 4, 1, tzinfo=UTC))) as billing:
    for result in billing.subscriptions.renew(batch_size=4):
        print(type(result).__name__, flush=True)
"""


def open_shop(billing: Billing) -> Chain:
    shop = chain(billing, distributor("0.02"), distributor("0.04"))
    for account in shop.path[:-1]:
        billing.ledger.refill(account, Money(10_000, "USD"), key=account.number)
    for _ in range(SUBSCRIPTIONS):
        subscribe(billing, shop.path, "12.345", "11", "10")
    return shop


def renew(billing: Billing, batch_size: int) -> list[Renewal]:
    found: list[Renewal] = []
    while True:  # nobody else renews for ever
        try:
            found += billing.subscriptions.renew(batch_size=batch_size)
        except StorageBusy:
            continue
        return found


def assert_renewed_once(billing: Billing, shop: Chain) -> None:
    """Each period of each subscription was paid for, once, on every level."""
    stored = everything(billing)
    assert Counter(charge.posting_key for charge in stored["charges"]) == {
        f"renewal:{one.id}:{int(at(2026, month, 1).timestamp())}000000": 3
        for one in billing.subscriptions.all()
        for month in range(2, 2 + MONTHS)
    }
    assert {one.period_end for one in billing.subscriptions.all()} == {at(2026, 5, 1)}
    paid = sum(charge.micros for charge in stored["charges"] if charge.account_id == shop.customer.id)
    assert paid == SUBSCRIPTIONS * MONTHS * 12_345_000
    assert billing.ledger.reconcile().discrepancies == ()
    assert_no_gaps(billing)


def test_several_at_once_renew_each_period_once(shared_url: str) -> None:
    """Rules, section 5: whoever comes second finds nothing that is due, and each result is told once."""
    with ExitStack() as stack:
        clock = FixedClock(at(2026, 4, 1))
        several = [stack.enter_context(Billing.open(shared_url, clock)) for _ in range(3)]
        shop = open_shop(several[0])
        with ThreadPoolExecutor(len(several)) as pool:
            jobs = [pool.submit(partial(renew, one, size)) for one, size in zip(several, (3, 4, 50), strict=True)]
            results = [result for job in jobs for result in job.result()]

        assert len(results) == SUBSCRIPTIONS * MONTHS
        assert {type(result) for result in results} == {Renewed}
        assert_renewed_once(several[0], shop)


def test_one_that_is_killed_leaves_whole_batches(shared_url: str) -> None:
    """The next run does what it has not done, and nobody can tell."""
    with Billing.open(shared_url, FixedClock(at(2026, 4, 1))) as billing:
        shop = open_shop(billing)
    command = [sys.executable, "-W", "error", "-c", RENEW, shared_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        for _ in range(10):
            assert process.stdout.readline() == "Renewed\n"
        process.send_signal(signal.SIGKILL)

    with Billing.open(shared_url, FixedClock(at(2026, 4, 1))) as billing:
        assert 10 <= SUBSCRIPTIONS * MONTHS - len(renew(billing, 7)) < SUBSCRIPTIONS * MONTHS
        assert_renewed_once(billing, shop)
