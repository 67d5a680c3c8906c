"""Properties of renewals: random subscriptions with random prices, on accounts with random money."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.services.books import assert_no_gaps, at, everything, without_ids
from tests.services.subscribing import subscription

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.hierarchy import BillingType, ReceiptMode
from astpp_billing.ledger import Book
from astpp_billing.money import Money
from astpp_billing.pricing import Recurrence, Unit
from astpp_billing.services.renewing import Renewed
from astpp_billing.testing.worlds import chain, distributor

prices = st.decimals(0, 30, places=4)
ordered = st.fixed_dictionaries(
    {
        "prices": st.tuples(prices, prices, prices),
        "anchor": st.integers(0, 60).map(lambda days: at(2026, 1, 1) + timedelta(days=days)),
        "recurrence": st.one_of(
            st.builds(Recurrence, st.integers(5, 40), st.just(Unit.DAYS)),
            st.builds(Recurrence, st.integers(1, 3), st.just(Unit.MONTHS)),
        ),
        "quantity": st.integers(1, 3),
        "release_unfunded": st.booleans(),
        "cancel_at_end": st.sampled_from([False, False, False, True]),
    }
)
worlds = st.fixed_dictionaries(
    {
        "ordered": st.lists(ordered, min_size=1, max_size=6),
        "funds": st.tuples(*3 * [st.integers(1, 400)]),
        "customer": st.sampled_from(
            [
                {},
                {"receipts": ReceiptMode.MONTHLY},
                {"billing": BillingType.POSTPAID, "credit_limit": "50"},
                {"timezone": "Europe/Berlin"},
            ]
        ),
    }
)
runs = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=4)


def renewed(world: dict[str, Any], runs: Sequence[tuple[int, int]]) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """What runs, so many days after each other and in batches of a size, tell of a world; and its books after that."""
    clock = FixedClock(at(2026, 3, 2))
    with Billing.open("memory://", clock) as billing:
        shop = chain(billing, distributor("0.02"), distributor("0.04"), **world["customer"])
        for account, units in zip(shop.path, world["funds"], strict=False):
            billing.ledger.refill(account, Money(units, "USD"), key=account.number)
        with billing.storage.begin() as uow:
            for one in world["ordered"]:
                options = {name: value for name, value in one.items() if name != "prices"}
                uow.add_subscription(subscription(shop.path, *one["prices"], **options))
        told = []
        for days, batch_size in runs:
            clock.advance(timedelta(days=days))
            for result in billing.subscriptions.renew(batch_size=batch_size):
                period = result.period if isinstance(result, Renewed) else None
                told.append((type(result), result.subscription, period))
        stored = without_ids(everything(billing))
        with billing.storage.snapshot() as uow:
            stored["subscriptions"] = list(uow.subscriptions())
        assert billing.ledger.reconcile().discrepancies == ()
        if stored["documents"]:
            assert_no_gaps(billing)
        return told, stored


@settings(max_examples=60)
@given(worlds, runs)
def test_batches_of_any_size_do_the_same(world: dict[str, Any], runs: Sequence[tuple[int, int]]) -> None:
    """Whatever the size of batches, the same periods are renewed in the same order, and the books are the same."""
    assert renewed(world, runs) == renewed(world, [(days, 1) for days, _ in runs])


@settings(max_examples=60)
@given(worlds, runs)
def test_renewing_again_at_once_changes_nothing(world: dict[str, Any], runs: Sequence[tuple[int, int]]) -> None:
    """Rules, 5: once for each period, however often; who has no money is only told again."""
    told, stored = renewed(world, runs)
    again, stored_again = renewed(world, [run for days, size in runs for run in ((days, size), (0, size))])

    assert stored == stored_again
    assert [one for one in told if one[0] is Renewed] == [one for one in again if one[0] is Renewed]


@settings(max_examples=60)
@given(worlds, runs)
def test_nobody_pays_what_it_does_not_have(world: dict[str, Any], runs: Sequence[tuple[int, int]]) -> None:
    """No wallet leaves its limit, money is conserved, and each period that was paid is one posting of its own."""
    told, stored = renewed(world, runs)

    assert all(wallet.balance_micros + wallet.credit_micros >= 0 for wallet in stored["wallets"])
    assert sum(stored["proved"].values()) == 0
    paid = [(subscription.id, period.start) for kind, subscription, period in told if kind is Renewed]
    assert len(set(paid)) == len(paid)
    charged = {charge.posting_key for charge, _ in stored["charges"]}
    assert charged <= {f"renewal:{one}:{int(start.timestamp())}000000" for one, start in paid}
    if not any(Decimal(price) == 0 for one in world["ordered"] for price in one["prices"]):
        assert len(charged) == len(paid)
        assert all(account.book is not Book.COMMISSION for account in stored["proved"])
