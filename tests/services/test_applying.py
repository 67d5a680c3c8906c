"""Products that come by themselves with a rate group: ordered once for each account and product."""

from datetime import timedelta
from typing import Any

import pytest
from tests.services.applying import applied, change_group, coming, order_of, refusal_of, shop_of, told
from tests.services.books import at, balance, everything
from tests.services.granting import MONTH, grants
from tests.services.holding import approved, attempt
from tests.services.test_orders import bought, fund, package, refused

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import InvalidValue, PeriodClosed, StorageBusy
from astpp_billing.hierarchy import ResellerModel
from astpp_billing.ledger import OrderStatus
from astpp_billing.ports import UnitOfWork
from astpp_billing.pricing import Allowance, Product, Recurrence, Unit
from astpp_billing.pricing.subscriptions import SubscriptionStatus
from astpp_billing.services.applying import Applied, Failed, NotApplied, application_key
from astpp_billing.testing.worlds import START, Chain, chain, distributor, offer

MONTHLY = Recurrence(1, Unit.MONTHS)


@pytest.fixture
def shop(billing: Billing) -> Chain:
    """The customer pays by `gold`; both it and its distributor have 200."""
    opened = shop_of(billing)
    fund(billing, opened.resellers[0], opened.customer)
    return opened


def test_who_pays_by_the_rate_group_gets_it_once(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """By an order like any other, whose key says of what and for whom; the next run finds nothing."""
    product = coming(billing, shop.resellers[0], "gold", setup_fee="2")

    (result,) = applied(billing)

    key = f"auto:{product.id}:{shop.customer.id}"
    assert order_of(result) == (key, 1, 1)
    assert key == application_key(product, shop.customer)
    assert isinstance(result, Applied)
    assert [str(one.total) for one in result.purchased.documents] == ["12.00 USD"]
    assert list(billing.orders.orders()) == [result.purchased.order]
    assert result.purchased.order.at == clock.now()
    assert balance(billing, shop.customer) == "188.00 USD"
    before = everything(billing)
    assert applied(billing) == []
    assert everything(billing) == before
    assert billing.ledger.reconcile().agrees


def test_all_above_pay_as_for_any_purchase(billing: Billing, shop: Chain) -> None:
    """Up to the owner, at the prices of the listings; only who pays by the group gets it, not who resells it."""
    product = coming(billing, shop.admin, "gold")
    billing.products.opt_in(shop.resellers[0], product, price="15")

    assert told(applied(billing)) == [("Applied", "welcome", "chain-customer")]
    assert [balance(billing, account) for account in shop.path[:2]] == ["185.00 USD", "190.00 USD"]


def test_what_it_includes_and_renews_begins_with_it(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """A subscription and its minutes, as with any purchase."""
    coming(billing, shop.resellers[0], "gold", recurrence=MONTHLY, allowances=[Allowance(seconds=60)])

    applied(billing)

    (subscription,) = billing.subscriptions.all(shop.customer)
    assert (subscription.period_start, subscription.period_end) == (clock.now(), START + MONTH)
    assert [one.seconds for one in grants(billing, shop)] == [60]


@pytest.mark.parametrize("groups", [("gold",), ("silver", "gold")])
def test_one_of_several_rate_groups_is_enough(billing: Billing, shop: Chain, groups: tuple[str, ...]) -> None:
    billing.prices.add_group("silver", shop.resellers[0])
    coming(billing, shop.resellers[0], *groups)

    assert told(applied(billing)) == [("Applied", "welcome", "chain-customer")]


def test_accounts_that_come_to_the_group_later_get_it_then(billing: Billing, shop: Chain) -> None:
    """One that changes its rate group, and one that is opened; who leaves the group keeps what it has."""
    change_group(billing, shop, None)
    coming(billing, shop.resellers[0], "gold", recurrence=MONTHLY)
    assert applied(billing) == []

    change_group(billing, shop, "gold")
    second = billing.accounts.open_customer(shop.resellers[0], number="second", rate_group="gold")
    fund(billing, second)

    assert told(applied(billing)) == [("Applied", "welcome", "chain-customer"), ("Applied", "welcome", "second")]
    change_group(billing, shop, None)
    assert applied(billing) == []
    assert [one.status for one in billing.subscriptions.all()] == [SubscriptionStatus.ACTIVE] * 2
    change_group(billing, shop, "gold")
    assert applied(billing) == []


def test_it_is_named_by_the_version_in_force(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """Not before it has begun, and at the terms of the newest one."""
    product = coming(billing, shop.resellers[0])
    billing.products.change(product, rate_groups=["gold"], price="20", valid_from=START + MONTH)
    assert applied(billing) == []

    clock.advance(MONTH)

    (result,) = applied(billing)
    assert order_of(result) == (f"auto:{product.id}:{shop.customer.id}", 1, 2)
    assert balance(billing, shop.customer) == "180.00 USD"


def test_a_product_that_is_withdrawn_comes_no_more(billing: Billing, shop: Chain) -> None:
    billing.products.withdraw(coming(billing, shop.resellers[0], "gold"))

    assert applied(billing) == []


def test_nobody_above_or_beside_the_owner_gets_it(billing: Billing, shop: Chain) -> None:
    """Not the owner itself, not those above it, and nobody of another reseller, whatever they pay by."""
    (dealer,) = shop.resellers
    model = ResellerModel.DISTRIBUTOR
    other = billing.accounts.open_reseller(shop.admin, model=model, number="other", rate_group="gold")
    billing.accounts.open_customer(other, number="beside", rate_group="gold")
    for account in (dealer, shop.admin, shop.provider):
        billing.accounts.change(account, rate_group="gold")
    coming(billing, dealer, "gold")

    assert told(applied(billing)) == [("Applied", "welcome", "chain-customer")]


def test_a_closed_account_gets_nothing(billing: Billing, shop: Chain) -> None:
    coming(billing, shop.resellers[0], "gold")
    billing.accounts.close(shop.customer)

    assert applied(billing) == []


def test_rates_of_its_own_are_no_rate_group(billing: Billing, shop: Chain) -> None:
    """`own_rate_group` is for one account, and brings nothing with it."""
    billing.accounts.change(shop.customer, rate_group=None, own_rate_group="gold")
    coming(billing, shop.resellers[0], "gold")

    assert applied(billing) == []


def test_a_reseller_gets_it_too(billing: Billing, shop: Chain) -> None:
    """Whoever pays by the group buys it for itself."""
    coming(billing, shop.admin, "chain-1", can_resell=False)

    assert told(applied(billing)) == [("Applied", "welcome", "chain-1")]
    assert [balance(billing, account) for account in shop.path[:2]] == ["200.00 USD", "190.00 USD"]


# what cannot be sold


def test_who_has_no_money_is_told_each_time(billing: Billing) -> None:
    """And gets it when there is some; the others go on."""
    shop = shop_of(billing)
    (dealer,) = shop.resellers
    rich = billing.accounts.open_customer(dealer, number="rich", rate_group="gold")
    fund(billing, rich)
    coming(billing, dealer, "gold")

    poor, other = applied(billing)

    assert refusal_of(poor) == ("no money", "chain-customer")
    assert told([other]) == [("Applied", "welcome", "rich")]
    before = everything(billing)
    assert applied(billing) == [poor]
    assert everything(billing) == before
    fund(billing, shop.customer)
    assert told(applied(billing)) == [("Applied", "welcome", "chain-customer")]


def test_what_lapsed_holds_reserve_is_there_for_what_comes(billing: Billing, clock: FixedClock) -> None:
    """As for any purchase."""
    shop = chain(billing, distributor("0.03"), price="0.06")
    billing.prices.add_group("gold", shop.resellers[0])
    fund(billing, *shop.path[:-1], amount="10")
    hold = approved(billing, attempt(shop.call())).hold
    change_group(billing, shop, "gold")
    coming(billing, shop.resellers[0], "gold")
    assert told(applied(billing)) == [("NotApplied", "welcome", "chain-customer")]
    clock.set(hold.expires_at)

    assert told(applied(billing)) == [("Applied", "welcome", "chain-customer")]

    assert balance(billing, shop.customer) == "0.00 USD"
    assert not billing.calls.holds()


def test_who_is_not_offered_it_is_told_each_time(billing: Billing, shop: Chain) -> None:
    """In the words of a purchase."""
    product = coming(billing, shop.admin, "gold")

    (first,) = applied(billing)

    assert refusal_of(first) == ("not listed by the seller", "chain-1")
    assert isinstance(first, NotApplied)
    assert refused(billing, shop.customer, product) == first.why
    assert applied(billing) == [first]
    billing.products.opt_in(shop.resellers[0], product, price="10", can_purchase=False)
    assert [refusal_of(one) for one in applied(billing)] == [("not to be purchased", "chain-1")]
    billing.products.change_listing(shop.resellers[0], product, can_purchase=True)
    assert told(applied(billing)) == [("Applied", "welcome", "chain-customer")]


def test_a_price_that_cannot_be_converted_is_told(billing: Billing) -> None:
    shop = shop_of(billing, currency="EUR")
    coming(billing, shop.resellers[0], "gold", currency="USD")

    assert [refusal_of(one) for one in applied(billing)] == [("no exchange rate", "chain-customer")]


# who has it already


def refund(billing: Billing, order_id: int) -> None:
    with billing.storage.begin() as uow:
        uow.set_order_status(order_id, OrderStatus.REFUNDED)


def test_what_was_cancelled_or_refunded_does_not_come_again(billing: Billing, shop: Chain) -> None:
    coming(billing, shop.resellers[0], "gold", recurrence=MONTHLY)
    (result,) = applied(billing)
    assert isinstance(result, Applied)

    billing.subscriptions.cancel(billing.subscriptions.all()[0], at_end=False)
    refund(billing, result.purchased.order.id)

    assert applied(billing) == []


def test_who_bought_it_itself_does_not_get_it_again(billing: Billing, shop: Chain) -> None:
    """Under any key: nobody pays twice for what it has."""
    product = coming(billing, shop.resellers[0], "gold")
    bought(billing, shop.customer, product, key="by hand")

    assert applied(billing) == []


def test_who_changed_its_plan_to_it_does_not_get_it_again(billing: Billing, shop: Chain) -> None:
    """It pays for it by a subscription that was ordered as another one."""
    basic = package(billing, shop.resellers[0], "basic", price="1", recurrence=MONTHLY)
    bought(billing, shop.customer, basic)
    product = coming(billing, shop.resellers[0], recurrence=MONTHLY)
    billing.subscriptions.change_plan(billing.subscriptions.all()[0], product)
    list(billing.subscriptions.renew(now=START + MONTH))
    billing.products.change(product, rate_groups=["gold"])

    assert applied(billing) == []


# in the middle of a run


def test_it_is_done_as_the_results_are_read(billing: Billing, shop: Chain) -> None:
    """Each result is one transaction, in the order of the codes, and then of the accounts; the rest comes later."""
    (dealer,) = shop.resellers
    second = billing.accounts.open_customer(dealer, number="second", rate_group="gold")
    fund(billing, second)
    for code in ("b", "a"):
        coming(billing, dealer, "gold", code=code)

    run = billing.orders.apply()
    assert list(billing.orders.orders()) == []
    assert told([next(run)]) == [("Applied", "a", "chain-customer")]
    assert len(billing.orders.orders()) == 1

    assert told(applied(billing)) == [
        ("Applied", "a", "second"),
        ("Applied", "b", "chain-customer"),
        ("Applied", "b", "second"),
    ]
    assert list(run) == []  # what it was about to do was done meanwhile, and told by who did it


@pytest.mark.parametrize("change", ["group", "version", "by hand"])
def test_what_is_no_longer_due_is_passed_over(billing: Billing, shop: Chain, change: str) -> None:
    """Each order looks again at its buyer, at the product, and at what the buyer has had."""
    first = coming(billing, shop.resellers[0], "gold", code="a")
    second = coming(billing, shop.resellers[0], "gold", code="b")
    run = billing.orders.apply()
    assert order_of(next(run))[0] == application_key(first, shop.customer)

    match change:
        case "group":
            change_group(billing, shop, "chain-customer")
        case "version":
            billing.products.change(second, rate_groups=[])
        case _:
            bought(billing, shop.customer, second, key="by hand")

    assert list(run) == []


def test_an_error_is_that_of_one_order(billing: Billing, shop: Chain) -> None:
    """A key that somebody used for something else: the others go on, and it is told each time."""
    other = package(billing, shop.resellers[0], "other", price="1")
    product = coming(billing, shop.resellers[0], "gold", code="a")
    coming(billing, shop.resellers[0], "gold", code="b")
    bought(billing, shop.customer, other, key=application_key(product, shop.customer))

    failed, placed = applied(billing)

    assert isinstance(failed, Failed)
    assert "used before" in str(failed.error)
    assert told([failed, placed]) == [("Failed", "a", "chain-customer"), ("Applied", "b", "chain-customer")]
    assert told(applied(billing)) == [("Failed", "a", "chain-customer")]


def test_an_error_of_the_storage_is_raised(billing: Billing, shop: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can tell what would become of the rest."""
    coming(billing, shop.resellers[0], "gold")

    def busy(*_: object) -> None:
        raise StorageBusy("on purpose")

    with billing.storage.snapshot() as uow:
        monkeypatch.setattr(type(uow), "add_orders", busy)
    with pytest.raises(StorageBusy):
        applied(billing)
    monkeypatch.undo()
    assert list(billing.orders.orders()) == []
    assert told(applied(billing)) == [("Applied", "welcome", "chain-customer")]


# at an instant


def test_an_instant_is_that_of_terms_and_orders(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    """What was in force then, and an order as if it had been placed then."""
    product = coming(billing, shop.resellers[0], "gold", recurrence=MONTHLY)
    clock.advance(MONTH)
    billing.products.change(product, price="99")
    clock.advance(timedelta(days=1))
    midnight = START + timedelta(days=3)

    (result,) = applied(billing, now=midnight)

    assert isinstance(result, Applied)
    assert result.purchased.order.at == midnight
    assert billing.ledger.posting(result.purchased.order.posting_key).at == midnight
    assert balance(billing, shop.customer) == "190.00 USD"
    assert billing.subscriptions.all()[0].period_start == midnight


def test_nothing_is_ordered_in_a_closed_period(billing: Billing, clock: FixedClock, shop: Chain) -> None:
    coming(billing, shop.resellers[0], "gold")
    clock.advance(MONTH)
    billing.ledger.close_period(START + MONTH)

    (result,) = applied(billing, now=START + timedelta(days=3))

    assert isinstance(result, Failed)
    assert isinstance(result.error, PeriodClosed)
    assert told(applied(billing)) == [("Applied", "welcome", "chain-customer")]


def test_an_instant_has_a_time_zone(billing: Billing) -> None:
    """It is refused at once, and not when the first result is read."""
    with pytest.raises(InvalidValue):
        billing.orders.apply(now=at(2026, 1, 1).replace(tzinfo=None))


def test_without_such_products_no_accounts_are_read(
    billing: Billing, shop: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(billing, shop.admin, "ordinary")
    with billing.storage.snapshot() as uow:
        monkeypatch.setattr(type(uow), "accounts", forbidden)

    assert applied(billing) == []


def forbidden(_: UnitOfWork) -> Any:
    raise AssertionError("accounts were read")


def test_a_deep_tree(billing: Billing) -> None:
    """The owner may be any number of resellers above."""
    shop = chain(billing, distributor("0.01"), distributor("0.02"), distributor("0.03"))
    offer(billing, shop.resellers[-1], "gold", "0.1")
    billing.accounts.change(shop.customer, rate_group="gold")
    product: Product = coming(billing, shop.resellers[0], "gold")
    for seller in shop.resellers[1:]:
        billing.products.opt_in(seller, product, price="10")
    fund(billing, *shop.path[:-1])

    assert told(applied(billing)) == [("Applied", "welcome", "chain-customer")]
    assert [balance(billing, one) for one in shop.path[:-1]] == 3 * ["190.00 USD"] + ["200.00 USD"]
