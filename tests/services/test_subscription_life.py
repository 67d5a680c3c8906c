"""What subscriptions go through: bought, reminded of, paused, cancelled, released, or for something else."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from tests.services.books import at, balance
from tests.services.subscribing import MONTHLY, fund, renew, shop_of, subscribe

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import IdempotencyConflict, InvalidValue, NotFound
from astpp_billing.money import Money
from astpp_billing.pricing import Category, Product
from astpp_billing.pricing.orders import NotSold, NotSoldReason
from astpp_billing.pricing.subscriptions import SubscriptionStatus
from astpp_billing.services.orders import Purchased
from astpp_billing.services.renewing import Ended, NotRenewed, Released, Renewed
from astpp_billing.testing.worlds import Chain, chain, distributor


class TestAccounts:
    def test_whoever_has_another_seller_is_not_renewed(self, billing: Billing, clock: FixedClock) -> None:
        """Nobody has agreed on prices along the new path; the refusal names who was moved."""
        shop = shop_of(billing)
        subscribe(billing, shop.path, "12", "11", "10")
        billing.accounts.move(shop.customer, shop.resellers[0])
        clock.set(at(2026, 2, 1))

        (found,) = renew(billing)

        assert isinstance(found, NotRenewed)
        assert (found.why.reason, found.why.account.id) == (NotSoldReason.NOT_LISTED, shop.customer.id)

    def test_a_closed_buyers_subscription_is_released(self, billing: Billing, clock: FixedClock) -> None:
        """Its money history stays; nothing more is charged."""
        shop = shop_of(billing)
        subscribe(billing, shop.path, "12", "11", "10")
        billing.accounts.close(shop.customer)
        clock.set(at(2026, 2, 1))

        (found,) = renew(billing)

        assert isinstance(found, Released)
        assert found.why.reason is NotSoldReason.CLOSED


class TestLife:
    def test_cancelled_at_the_end_it_ends_and_is_not_charged(self, billing: Billing, clock: FixedClock) -> None:
        """Until then it is active."""
        shop = shop_of(billing)
        one = subscribe(billing, shop.path, "12", "11", "10")
        billing.subscriptions.cancel(one)
        assert billing.subscriptions.get(one.id).status is SubscriptionStatus.ACTIVE
        clock.set(at(2026, 2, 1))

        (found,) = renew(billing)

        assert isinstance(found, Ended)
        assert billing.subscriptions.get(one.id).status is SubscriptionStatus.CANCELLED
        assert balance(billing, shop.customer) == "1000.00 USD"

    def test_cancelled_at_once_it_has_ended(self, billing: Billing, clock: FixedClock) -> None:
        """And cannot be cancelled again."""
        one = subscribe(billing, shop_of(billing).path, "12", "11", "10")

        cancelled = billing.subscriptions.cancel(one, at_end=False)

        assert cancelled.status is SubscriptionStatus.CANCELLED
        clock.set(at(2026, 2, 1))
        assert renew(billing) == []
        with pytest.raises(InvalidValue, match="cancelled"):
            billing.subscriptions.pause(one)

    def test_a_paused_one_is_not_charged_and_its_next_period_begins_at_resume(
        self, billing: Billing, clock: FixedClock
    ) -> None:
        """The months in between are not caught up."""
        one = subscribe(billing, shop_of(billing).path, "12", "11", "10")
        billing.subscriptions.pause(one)
        clock.set(at(2026, 4, 1))
        assert renew(billing) == []
        clock.set(at(2026, 4, 7, 9))

        billing.subscriptions.resume(one)
        (found,) = renew(billing)

        assert isinstance(found, Renewed)
        assert (found.period.start, found.period.end) == (at(2026, 4, 7, 9), at(2026, 5, 7))

    def test_a_command_is_done_once_for_each_key(self, billing: Billing) -> None:
        """The repeat gives the first result, also where the command could not be done any more."""
        one = subscribe(billing, shop_of(billing).path, "12", "11", "10")

        paused = billing.subscriptions.pause(one, key="p")
        assert billing.subscriptions.pause(one, key="p") == paused
        resumed = billing.subscriptions.resume(one, key="r")
        assert resumed.status is SubscriptionStatus.ACTIVE
        assert billing.subscriptions.resume(one, key="r") == resumed
        with pytest.raises(IdempotencyConflict):
            billing.subscriptions.cancel(one, key="p")

    def test_what_is_not_there_cannot_be_changed(self, billing: Billing) -> None:
        one = subscribe(billing, shop_of(billing).path, "12", "11", "10")

        with pytest.raises(NotFound, match="no subscription has the id 77"):
            billing.subscriptions.cancel(evolve(one, id=77))

    def test_subscriptions_are_listed_by_buyer(self, billing: Billing) -> None:
        shop = shop_of(billing)
        one = subscribe(billing, shop.path, "12", "11", "10")
        other = subscribe(billing, shop.path[1:], "11", "10")

        assert billing.subscriptions.all() == [one, other]
        assert billing.subscriptions.all(shop.customer) == [one]


class TestReminders:
    def test_each_period_is_reminded_of_once(self, billing: Billing, clock: FixedClock) -> None:
        """Before the renewal, however often one asks; the next period again."""
        one = subscribe(billing, shop_of(billing).path, "12", "11", "10")
        clock.set(at(2026, 1, 24))
        assert list(billing.subscriptions.reminders(timedelta(days=7))) == []
        clock.set(at(2026, 1, 26))

        (reminder,) = billing.subscriptions.reminders(timedelta(days=7))

        assert (reminder.subscription.id, reminder.renews_at) == (one.id, at(2026, 2, 1))
        assert list(billing.subscriptions.reminders(timedelta(days=7))) == []
        clock.set(at(2026, 2, 1))
        assert [type(each) for each in renew(billing)] == [Renewed]
        clock.set(at(2026, 2, 25))
        assert [each.renews_at for each in billing.subscriptions.reminders(timedelta(days=7))] == [at(2026, 3, 1)]

    def test_only_what_will_renew_is_reminded_of(self, billing: Billing, clock: FixedClock) -> None:
        """Not what is due, paused, or to end with its period; in batches of any size."""
        path = shop_of(billing).path
        subscribe(billing, path, "1", "1", "1", anchor=at(2025, 12, 1))
        billing.subscriptions.pause(subscribe(billing, path, "1", "1", "1"))
        billing.subscriptions.cancel(subscribe(billing, path, "1", "1", "1"))
        told = [subscribe(billing, path, "1", "1", "1").id for _ in range(5)]
        clock.set(at(2026, 1, 30))

        found = [one.subscription.id for one in billing.subscriptions.reminders(timedelta(days=7), batch_size=2)]

        assert Counter(found) == Counter(told)

    def test_a_reminder_comes_before(self, billing: Billing) -> None:
        with pytest.raises(InvalidValue, match="some time before"):
            billing.subscriptions.reminders(timedelta(0))


class TestProducts:
    """What is bought renews, and can become something else."""

    @pytest.fixture
    def shop(self, billing: Billing) -> Chain:
        """Admin → distributor → customer; both have money."""
        opened = chain(billing, distributor("0.02"), timezone="Europe/Berlin")
        for account in opened.path[:-1]:
            fund(billing, account, "1000")
        return opened

    def product(self, billing: Billing, shop: Chain, code: str, price: str, **terms: Any) -> Product:
        """Something of the admin's that the distributor resells at 5.00 more."""
        known: dict[str, Any] = {"name": code, "price": price, "category": Category.SUBSCRIPTION, "recurrence": MONTHLY}
        made = billing.products.create(shop.admin, code, **known | terms)
        listed = Decimal(price) + 5
        billing.products.opt_in(shop.resellers[0], made, price=listed, setup_fee=terms.get("setup_fee", "0"))
        return made

    def test_a_product_that_recurs_begins_a_subscription(
        self, billing: Billing, clock: FixedClock, shop: Chain
    ) -> None:
        """Its first period is paid by the order; it renews without the setup fee, in the buyer's zone."""
        clock.set(at(2026, 1, 31, 9))
        made = self.product(billing, shop, "flat", "10", setup_fee="3", release_unfunded=True)

        assert isinstance(billing.orders.purchase(shop.customer, made, 2, key="o"), Purchased)
        assert isinstance(billing.orders.purchase(shop.customer, made, 2, key="o"), Purchased)

        (one,) = billing.subscriptions.all(shop.customer)
        assert (one.description, one.quantity, one.version, one.release_unfunded) == ("flat", 2, 1, True)
        assert (one.period_start, one.period_end) == (at(2026, 1, 31, 9), at(2026, 2, 27, 23))
        assert one.order_id == billing.orders.get("o").id
        assert balance(billing, shop.customer) == "964.00 USD"
        clock.set(at(2026, 2, 28))
        assert [type(each) for each in renew(billing)] == [Renewed]
        assert balance(billing, shop.customer) == "934.00 USD"
        assert billing.ledger.profits(shop.resellers[0]) == {"USD": Money(20, "USD")}

    def test_what_does_not_recur_is_no_subscription(self, billing: Billing, shop: Chain) -> None:
        """It is paid once."""
        made = self.product(billing, shop, "once", "10", recurrence=None)

        assert isinstance(billing.orders.purchase(shop.customer, made, key="o"), Purchased)
        assert billing.subscriptions.all() == []

    def test_it_renews_at_what_was_agreed_whatever_the_price_is_now(
        self, billing: Billing, clock: FixedClock, shop: Chain
    ) -> None:
        """Rules, section 4."""
        made = self.product(billing, shop, "flat", "10")
        billing.orders.purchase(shop.customer, made, key="o")
        billing.products.change_listing(shop.resellers[0], made, price="99")
        billing.products.withdraw(made)
        clock.set(at(2026, 2, 15))

        assert [one.charges[0].amount for one in renew(billing) if isinstance(one, Renewed)] == [Money(15, "USD")]

    def test_another_plan_holds_from_the_end_of_what_is_paid(
        self, billing: Billing, clock: FixedClock, shop: Chain
    ) -> None:
        """At the prices of when it was changed, with the setup fee once; its months are counted from there on."""
        old = self.product(billing, shop, "old", "10")
        new = self.product(billing, shop, "new", "20", setup_fee="3")
        clock.set(at(2026, 1, 31, 9))
        billing.orders.purchase(shop.customer, old, key="o")
        (one,) = billing.subscriptions.all()

        changed = billing.subscriptions.change_plan(one, new, key="c")
        assert billing.subscriptions.change_plan(one, new, key="c") == changed
        billing.products.change_listing(shop.resellers[0], new, price="99")
        clock.set(at(2026, 3, 28))

        first, second = renew(billing)

        assert isinstance(first, Renewed)
        assert isinstance(second, Renewed)
        assert [charge.amount for charge in first.charges] == [Money(amount, "USD") for amount in (25, 3, 20, 3)]
        assert [charge.amount for charge in second.charges] == [Money(amount, "USD") for amount in (25, 20)]
        assert (second.period.start, second.period.end) == (at(2026, 3, 27, 23), at(2026, 4, 27, 22))
        now = billing.subscriptions.get(one.id)
        assert (now.product_id, now.description, now.next_plan) == (new.id, "new", None)

    def test_a_plan_for_which_there_is_no_money_leaves_the_old_one(
        self, billing: Billing, clock: FixedClock, shop: Chain
    ) -> None:
        """It stays due, and the change stays noted."""
        old, new = (self.product(billing, shop, code, price) for code, price in (("old", "10"), ("new", "2000")))
        billing.orders.purchase(shop.customer, old, key="o")
        changed = billing.subscriptions.change_plan(billing.subscriptions.all()[0], new)
        assert not isinstance(changed, NotSold)
        clock.set(at(2026, 2, 15))

        (found,) = renew(billing)

        assert isinstance(found, NotRenewed)
        assert billing.subscriptions.get(changed.id) == changed

    def test_a_plan_that_the_buyer_is_not_offered_is_refused(self, billing: Billing, shop: Chain) -> None:
        """Nothing is changed, and the key may be used again."""
        old, new = (self.product(billing, shop, code, "10") for code in ("old", "new"))
        billing.products.opt_out(shop.resellers[0], new)
        billing.orders.purchase(shop.customer, old, key="o")
        (one,) = billing.subscriptions.all()

        why = billing.subscriptions.change_plan(one, new, key="c")

        assert isinstance(why, NotSold)
        assert why.reason is NotSoldReason.NOT_LISTED
        assert billing.subscriptions.all() == [one]
        billing.products.opt_in(shop.resellers[0], new, price="15", setup_fee="0")
        assert not isinstance(billing.subscriptions.change_plan(one, new, key="c"), NotSold)

    def test_nothing_subscribes_to_what_does_not_recur(self, billing: Billing, shop: Chain) -> None:
        """The product is named."""
        old, new = self.product(billing, shop, "old", "10"), self.product(billing, shop, "once", "1", recurrence=None)
        billing.orders.purchase(shop.customer, old, key="o")

        with pytest.raises(InvalidValue, match="product once does not recur"):
            billing.subscriptions.change_plan(billing.subscriptions.all()[0], new)
