"""Several that change or end the same subscription within its period at the same time."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from tests.services.books import assert_no_gaps, at
from tests.services.subscribing import shop_of
from tests.services.test_proration import plan, subscribed

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import InvalidValue, StorageBusy
from astpp_billing.pricing.subscriptions import Subscription, SubscriptionStatus

pytestmark = pytest.mark.slow


def test_one_of_those_who_end_it_gets_the_rest_back(shared_url: str) -> None:
    """The others are told that it has ended; whoever changed its plan before has paid for that."""
    with ExitStack() as stack:
        clock = FixedClock(at(2026, 1, 1))
        several = [stack.enter_context(Billing.open(shared_url, clock)) for _ in range(4)]
        first = several[0]
        shop = shop_of(first)
        small, large = (
            plan(first, shop, "small", ("31", "15.5", "6.2")),
            plan(first, shop, "large", ("62", "31", "12.4")),
        )
        one = subscribed(first, shop, small)
        clock.set(at(2026, 1, 11))

        def end(billing: Billing) -> str:
            try:
                billing.subscriptions.cancel(one, at_end=False, refund=True)
            except (InvalidValue, StorageBusy) as error:
                return type(error).__name__
            return "ended"

        def change(billing: Billing) -> str:
            try:
                found = billing.subscriptions.change_plan(one, large, at_once=True)
            except (InvalidValue, StorageBusy) as error:
                return type(error).__name__
            assert isinstance(found, Subscription), found
            return "changed"

        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(do, billing) for billing in several for do in (end, change)]
            done = [job.result() for job in jobs]
        if "ended" not in done:  # all of them were too busy with each other
            done.append(end(first))

        assert done.count("ended") == 1
        assert first.subscriptions.get(one.id).status is SubscriptionStatus.CANCELLED
        balances = [str(first.ledger.balance(account)) for account in shop.path[:-1]]
        assert balances == ["990.00 USD", "995.00 USD", "998.00 USD"]
        assert first.ledger.reconcile().discrepancies == ()
        assert_no_gaps(first)
