"""What an account has used on its local days: money, calls and seconds, by what it was charged for them."""

from datetime import timedelta

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.ledger import Used
from astpp_billing.testing.worlds import START, Chain, call, chain, distributor


def used(billing: Billing, shop: Chain) -> list[dict[str, Used]]:
    """What the customer, its parent and so on have used, by local day."""
    around = (START.date() - timedelta(days=2), START.date() + timedelta(days=2))
    with billing.storage.snapshot() as uow:
        return [
            {f"{day:%d}": sums for day, sums in uow.used(account.id, *around).items()} for account in shop.path[:-1]
        ]


def test_every_payer_has_used_what_it_was_charged_on_its_own_day(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03", timezone="America/New_York"), price="0.06", timezone="Asia/Kolkata")
    late = START + timedelta(hours=19)

    for record in (
        *(shop.call(60), shop.call(30)),
        *(shop.call(60, started_at=late), shop.call(0), call("nobody")),
    ):
        billing.calls.settle(record)

    assert used(billing, shop) == [
        {"01": Used(90_000, 2, 90), "02": Used(60_000, 1, 60)},
        {"31": Used(45_000, 2, 90), "01": Used(30_000, 1, 60)},
    ]


def test_a_call_that_costs_nothing_has_been_made_all_the_same(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0")

    billing.calls.settle(shop.call(60))

    assert used(billing, shop) == [{"01": Used(0, 1, 60)}, {"01": Used(30_000, 1, 60)}]


def test_a_retried_call_counts_for_the_day_on_which_it_started(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, rate_group=None)
    billing.calls.settle(shop.call(60))
    assert used(billing, shop) == [{}]
    clock.advance(timedelta(days=1))
    billing.accounts.change(shop.customer, rate_group="chain-customer")

    billing.calls.retry()

    assert used(billing, shop) == [{"01": Used(60_000, 1, 60)}]
