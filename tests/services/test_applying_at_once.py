"""Several that apply the same products at the same time, one that is killed while it does, and how often one waits."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.proxy import slow_line
from tests.servers import empty
from tests.services.applying import coming, shop_of, told
from tests.services.books import assert_no_gaps, at

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import StorageBusy
from astpp_billing.money import Money
from astpp_billing.ports import Locked, UnitOfWork
from astpp_billing.services.applying import Application, Applied, application_key
from astpp_billing.services.orders import Purchased
from astpp_billing.testing.worlds import Chain

CUSTOMERS = 20
PRODUCTS = 3
NOW = at(2026, 1, 1)

APPLY = """
import sys
from datetime import UTC, datetime
from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock

with Billing.open(sys.argv[1], FixedClock(datetime(2026, 1, 1, tzinfo=UTC))) as billing:
    for result in billing.orders.apply():
        print(type(result).__name__, flush=True)
"""


def open_shop(billing: Billing, customers: int = CUSTOMERS) -> Chain:
    """Customers with money, all of whom pay by `gold`, and products that come with it, sold by two levels."""
    shop = shop_of(billing)
    (dealer,) = shop.resellers
    others = [
        billing.accounts.open_customer(dealer, number=f"customer {count}", rate_group="gold")
        for count in range(1, customers)
    ]
    for account in (dealer, shop.customer, *others):
        billing.ledger.refill(account, Money(10_000, "USD"), key=account.number)
    for count in range(PRODUCTS):
        product = coming(billing, shop.admin, "gold", code=f"product {count}", price="1.25")
        billing.products.opt_in(dealer, product, price="2.5")
    return shop


def apply(billing: Billing) -> list[Application]:
    found: list[Application] = []
    while True:  # nobody else does for ever
        try:
            found += billing.orders.apply()
        except StorageBusy:
            continue
        return found


def assert_applied_once(billing: Billing) -> None:
    """Each of the customers has one order of each of the products, and two levels have paid for it, once."""
    customers = [account for account in billing.accounts.all() if account.rate_group == "gold"]
    keys = {application_key(product, account) for product in billing.products.all() for account in customers}
    assert len(keys) == CUSTOMERS * PRODUCTS
    assert Counter(order.key for order in billing.orders.orders()) == dict.fromkeys(keys, 1)
    with billing.storage.snapshot() as uow:
        charges = Counter(charge.posting_key for charge in uow.charges())
    assert charges == {f"order:{key}": 2 for key in keys}
    assert {str(billing.ledger.balance(account)) for account in customers} == {"9992.50 USD"}
    assert apply(billing) == []
    assert billing.ledger.reconcile().discrepancies == ()
    assert_no_gaps(billing)


@pytest.mark.slow
def test_several_at_once_place_each_order_once(shared_url: str) -> None:
    """Rules, section 5: whoever comes second finds it placed, and each result is told once."""
    with ExitStack() as stack:
        several = [stack.enter_context(Billing.open(shared_url, FixedClock(NOW))) for _ in range(3)]
        open_shop(several[0])
        with ThreadPoolExecutor(len(several)) as pool:
            results = [result for job in [pool.submit(apply, one) for one in several] for result in job.result()]

        assert {type(result) for result in results} == {Applied}
        assert len({(one.product.id, one.account.id) for one in results}) == len(results) == CUSTOMERS * PRODUCTS
        assert_applied_once(several[0])


@pytest.mark.slow
def test_one_that_is_killed_has_placed_whole_orders(shared_url: str) -> None:
    """The next run places the others, and nobody can tell."""
    with Billing.open(shared_url, FixedClock(NOW)) as billing:
        open_shop(billing)
    command = [sys.executable, "-W", "error", "-c", APPLY, shared_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        for _ in range(10):
            assert process.stdout.readline() == "Applied\n"
        process.send_signal(signal.SIGKILL)

    with Billing.open(shared_url, FixedClock(NOW)) as billing:
        assert 10 <= CUSTOMERS * PRODUCTS - len(apply(billing)) < CUSTOMERS * PRODUCTS
        assert_applied_once(billing)


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_server")
    return url


def test_an_order_by_hand_at_the_same_moment_is_seen(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is placed, under a key of its own, after the other one has looked and before that has locked the wallet."""
    url, clock = empty(server), FixedClock(NOW)
    with Billing.open(url, clock) as billing, Billing.open(url, clock) as other:
        shop = open_shop(billing, 1)
        with billing.storage.begin() as uow:
            kind, lock = type(uow), type(uow).lock

        def late(work: UnitOfWork, *wanted: Any) -> Locked:
            monkeypatch.setattr(kind, "lock", lock)
            assert isinstance(other.orders.purchase(shop.customer, other.products.get("product 0"), key="o"), Purchased)
            return lock(work, *wanted)

        monkeypatch.setattr(kind, "lock", late)
        results = apply(billing)

        assert told(results) == [("Applied", "product 1", "chain-customer"), ("Applied", "product 2", "chain-customer")]
        assert len(billing.orders.orders()) == PRODUCTS
        assert billing.ledger.reconcile().discrepancies == ()


# how often it waits for the database

NOTHING_TO_DO = 8
"""Begin, which a snapshot does in two steps; products, versions, listings, accounts, who has had what; end."""

TRIES = 6
"""How often it is measured: a machine that is busy with something else cuts what is sent at once into pieces."""


@pytest.fixture(params=[2, 40], ids=["2 customers", "40 customers"])
def waits(request: pytest.FixtureRequest, server: str) -> Iterator[list[int]]:
    """How often a run that finds nothing to do waits for the server; those who have it, and those who never will."""
    url = empty(server)
    with Billing.open(url, FixedClock(NOW)) as near:
        open_shop(near, request.param)
        assert len(apply(near)) == request.param * PRODUCTS
        coming(near, near.accounts.get("chain-admin"), "gold", code="not listed")
    with slow_line(url, 0.02) as (through, line), Billing.open(through, FixedClock(NOW)) as billing:
        run = partial(apply, billing)
        assert len(run()) == request.param
        counted = []
        for _ in range(TRIES):
            before = line.flights
            run()
            counted.append(line.flights - before)
        yield counted


def test_a_run_with_nothing_to_do_waits_as_often_however_many_accounts_there_are(waits: list[int]) -> None:
    """Also where some cannot have it, because somebody does not list it."""
    assert min(waits) <= NOTHING_TO_DO
