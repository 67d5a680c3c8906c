"""Everything at the same time: accounts change, move and are billed while their calls are settled."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import pytest
from tests.services.books import at, everything

from astpp_billing.billing import Billing
from astpp_billing.calls import CallStatus
from astpp_billing.clock import FixedClock
from astpp_billing.errors import StorageBusy
from astpp_billing.hierarchy import BillingType, ReceiptMode
from astpp_billing.money import Money
from astpp_billing.testing.worlds import Chain, chain, distributor

pytestmark = pytest.mark.slow

CALLS = 40


def insist(command: Callable[[], object]) -> None:
    """Do it, however often it finds that others change the same accounts: nobody else changes them all the time."""
    while True:
        try:
            command()
        except StorageBusy:
            continue
        return


def settle(billing: Billing, shop: Chain) -> None:
    for leg in range(CALLS):
        insist(partial(billing.calls.settle, shop.call(60 + leg, leg=str(leg))))


def change(billing: Billing, shop: Chain) -> None:
    for way in 5 * [BillingType.PREPAID, BillingType.POSTPAID]:
        insist(partial(billing.accounts.change, shop.customer, billing=way, receipts=ReceiptMode.EACH))
        insist(partial(billing.accounts.change, shop.resellers[0], billing=way, receipts=ReceiptMode.DAILY))


def move(billing: Billing, shop: Chain) -> None:
    for parent in 4 * [shop.admin, shop.resellers[0]]:
        insist(partial(billing.accounts.move, shop.customer, parent))


def bill(billing: Billing) -> None:
    assert [one.problem for one in billing.documents.run() if one.problem] == []


def bill_and_refill(billing: Billing, shop: Chain) -> None:
    for step in range(5):
        insist(partial(billing.ledger.refill, shop.customer, Money("1", "USD"), key=str(step)))
        insist(partial(bill, billing))
        assert billing.ledger.reconcile().discrepancies == ()


def test_what_everybody_does_at_once_adds_up(shared_url: str) -> None:
    """Rules, 5 and 7: nothing is lost or charged twice, documents have no gaps, and the ledger is always proved."""
    jobs: list[Callable[[Billing, Chain], None]] = [settle, settle, change, move, bill_and_refill]
    with ExitStack() as stack:
        clock = FixedClock(at(2026, 3, 15))
        several = [stack.enter_context(Billing.open(shared_url, clock)) for _ in jobs]
        billing = several[0]
        shop = chain(billing, distributor("0.03"), price="0.06", billing=BillingType.POSTPAID)
        with ThreadPoolExecutor(len(jobs)) as pool:
            for done in [pool.submit(job, one, shop) for job, one in zip(jobs, several, strict=True)]:
                done.result()
        billing.calls.retry()  # what came while nobody offered the customer its rate group
        billing.accounts.close(shop.customer, shop.resellers[0])
        stored = everything(billing)

    assert [call.status for call in stored["calls"]] == CALLS * [CallStatus.RATED]
    assert sum(charge.micros for charge in stored["charges"] if charge.account_id == shop.customer.id) == sum(
        1000 * (60 + leg) for leg in range(CALLS)
    )
    assert [charge for charge in stored["charges"] if charge.document_id is None] == []
    series = Counter((document.issuer_id, document.kind) for document in stored["documents"])
    for document in stored["documents"]:
        assert int(document.number.partition("-")[2]) <= series[document.issuer_id, document.kind]
    assert len({(it.issuer_id, it.number) for it in stored["documents"]}) == len(stored["documents"])
