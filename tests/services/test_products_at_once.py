"""Listings that several change at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise

import pytest
from tests.services.books import at

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import NotListed, StorageBusy
from astpp_billing.hierarchy import Account, ResellerModel
from astpp_billing.pricing import Listing, Product

pytestmark = pytest.mark.slow

TIMES = 6


def test_of_those_who_do_the_same_one_succeeds(shared_url: str) -> None:
    """Versions have no gaps, and who lists a product opts in again only after opting out, whatever runs beside."""
    clock = FixedClock(at(2026, 1, 1))
    with ExitStack() as stack:
        several = [stack.enter_context(Billing.open(shared_url, clock)) for _ in range(4)]
        first = several[0]
        admin = first.accounts.open_admin("Admin", currency="USD")
        seller = first.accounts.open_reseller(admin, model=ResellerModel.DISTRIBUTOR)
        product = first.products.create(admin, "fibre", category="package", name="Fibre", price=1)
        with ThreadPoolExecutor(len(several)) as pool:
            jobs = [pool.submit(opt_in_and_out, billing, seller, product) for billing in several]
            done = [listing for job in jobs for listing in job.result()]
        stored = list(first.products.listings(product, seller))

    assert sorted(done, key=lambda each: each.version) == stored
    assert [each.version for each in stored] == list(range(1, len(stored) + 1))
    assert stored[0].active
    assert all(before.active != after.active for before, after in pairwise(stored))


def opt_in_and_out(billing: Billing, seller: Account, product: Product) -> list[Listing]:
    """What was done of it, without what others had done already."""
    done = []
    commands: list[Callable[[], Listing]] = [
        lambda: billing.products.opt_in(seller, product, price=2),
        lambda: billing.products.opt_out(seller, product),
    ]
    for command in TIMES * commands:
        try:
            done.append(command())
        except (NotListed, StorageBusy):
            continue
    return done
