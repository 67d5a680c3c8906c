"""Subscriptions renew at the agreed prices, once for each period, on every level or not at all."""

from datetime import timedelta
from decimal import Decimal
from itertools import islice

import pytest
from tests.services.books import assert_no_gaps, at, balance, everything, moved, without_ids
from tests.services.subscribing import fund, renew, shop_of, subscribe

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import InvalidValue
from astpp_billing.hierarchy import BillingType
from astpp_billing.invoicing import Tax
from astpp_billing.ledger import Book, ChargeKind, Reason
from astpp_billing.money import Money
from astpp_billing.pricing import AgreedCommission, Recurrence, Unit
from astpp_billing.pricing.orders import NotSoldReason
from astpp_billing.pricing.subscriptions import SubscriptionStatus
from astpp_billing.services.renewing import Ended, Failed, NotRenewed, Released, Renewed
from astpp_billing.testing.worlds import chain, commission, distributor


class TestRenewing:
    def test_every_level_pays_what_was_agreed_in_one_posting(self, billing: Billing, clock: FixedClock) -> None:
        """Without the setup fee; prepaid payers get their receipts at once."""
        shop = shop_of(billing)
        buyer, upper, lower, top = shop.customer, shop.resellers[1], shop.resellers[0], shop.admin
        one = subscribe(billing, shop.path, "12", "11", "10", quantity=2)
        clock.set(at(2026, 2, 1))

        (renewed,) = renew(billing)

        assert isinstance(renewed, Renewed)
        assert (renewed.period.start, renewed.period.end) == (at(2026, 2, 1), at(2026, 3, 1))
        assert renewed.subscription == billing.subscriptions.get(one.id)
        with billing.storage.snapshot() as uow:
            posting = uow.find_posting(one.renewal_key(renewed.period))
        assert posting is not None
        assert (posting.reason, posting.at) == (Reason.RENEWAL, at(2026, 2, 1))
        assert moved(posting)[:3] == [
            (buyer.id, Book.WALLET, upper.id, Book.REVENUE, 24_000_000, "USD"),
            (upper.id, Book.WALLET, lower.id, Book.REVENUE, 22_000_000, "USD"),
            (lower.id, Book.WALLET, top.id, Book.REVENUE, 20_000_000, "USD"),
        ]
        assert [charge.kind for charge in renewed.charges] == 3 * [ChargeKind.PRODUCT]
        assert renewed.charges[0].detail == "2026-02-01 to 2026-02-28: 2 × 12.00 USD"
        assert [document.total for document in billing.documents.documents(buyer)] == [Money(24, "USD")]
        assert_no_gaps(billing)

    def test_a_commission_reseller_passes_on_and_is_paid(self, billing: Billing, clock: FixedClock) -> None:
        """The first example of rules, section 4."""
        shop = chain(billing, commission(10), commission(10))
        for account in shop.path[:-1]:
            fund(billing, account, "100")
        lower, upper, top = shop.resellers[1], shop.resellers[0], shop.admin
        shares = (
            AgreedCommission(top.id, upper.id, Decimal(10), 2),
            AgreedCommission(upper.id, lower.id, Decimal(10), None),
        )
        subscribe(billing, shop.path, "100", "100", "100", commissions=shares)
        clock.set(at(2026, 2, 1))

        assert [type(one) for one in renew(billing)] == [Renewed]

        profits = [billing.ledger.profits(account) for account in (lower, upper, top)]
        assert profits == [{"USD": Money(amount, "USD")} for amount in (1, 9, 90)]
        assert balance(billing, shop.customer) == "0.00 USD"

    def test_renewing_twice_is_renewing_once(self, billing: Billing, clock: FixedClock) -> None:
        """Rules, section 5."""
        shop = shop_of(billing)
        for _ in range(3):
            subscribe(billing, shop.path, "12", "11", "10")
        clock.set(at(2026, 2, 1))
        assert [type(one) for one in renew(billing)] == 3 * [Renewed]
        before = everything(billing)

        assert renew(billing) == []
        assert everything(billing) == before

    def test_nothing_is_due_before_the_end(self, billing: Billing, clock: FixedClock) -> None:
        """A period is half-open: at its very end, the next one begins."""
        subscribe(billing, shop_of(billing).path, "12", "11", "10")
        clock.set(at(2026, 2, 1) - timedelta(microseconds=1))

        assert renew(billing) == []

    def test_missed_periods_are_caught_up_one_after_the_other(self, billing: Billing, clock: FixedClock) -> None:
        """Each with a posting of its own, and a charge that belongs to its own time."""
        shop = shop_of(billing)
        one = subscribe(billing, shop.path, "12", "11", "10", anchor=at(2026, 1, 31))
        clock.set(at(2026, 4, 30))

        found = renew(billing)

        assert [one.period.start for one in found if isinstance(one, Renewed)] == [
            at(2026, 2, 28),
            at(2026, 3, 31),
            at(2026, 4, 30),
        ]
        assert [charge.at for one in found if isinstance(one, Renewed) for charge in one.charges[:1]] == [
            at(2026, 2, 28),
            at(2026, 3, 31),
            at(2026, 4, 30),
        ]
        assert billing.subscriptions.get(one.id).period_end == at(2026, 5, 31)
        assert balance(billing, shop.customer) == "964.00 USD"

    def test_sixteen_months_in_the_buyers_zone(self, billing: Billing, clock: FixedClock) -> None:
        """Every renewal is at a local midnight, in summer and in winter, whenever the run comes."""
        shop = shop_of(billing, timezone="Europe/Berlin")
        subscribe(billing, shop.path, "1", "1", "1", anchor=at(2025, 10, 15, 10))
        starts = []
        clock.set(at(2025, 10, 16))
        while clock.now() < at(2027, 2, 20):
            starts += [one.period.start for one in renew(billing) if isinstance(one, Renewed)]
            clock.advance(timedelta(days=5))

        assert len(starts) == 16
        assert [start.hour for start in starts] == 5 * [23] + 7 * [22] + 4 * [23]

    @pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
    def test_the_size_of_batches_changes_nothing(self, billing: Billing, clock: FixedClock, batch_size: int) -> None:
        """Subscriptions with missed periods, without money and to be ended: each result is the same."""
        shop = shop_of(billing, funds="61")
        subscribe(billing, shop.path, "12", "11", "10", recurrence=Recurrence(7, Unit.DAYS))
        subscribe(billing, shop.path, "12", "11", "10", cancel_at_end=True)
        subscribe(billing, shop.path, "9", "9", "9")
        subscribe(billing, shop.path, "10", "9", "9", release_unfunded=True)
        subscribe(billing, shop.path, "1", "1", "1")
        clock.set(at(2026, 2, 5))

        found = renew(billing, batch_size=batch_size)

        assert [type(one) for one in found] == 5 * [Renewed] + [Ended, NotRenewed, Released, Renewed]
        assert balance(billing, shop.customer) == "0.00 USD"
        assert billing.ledger.reconcile().discrepancies == ()

    def test_what_costs_nothing_is_renewed_without_a_posting(self, billing: Billing, clock: FixedClock) -> None:
        """Decision 22, for products."""
        shop = shop_of(billing, funds="0")
        one = subscribe(billing, shop.path, "0", "0", "0")
        clock.set(at(2026, 2, 1))

        assert [type(each) for each in renew(billing)] == [Renewed]
        assert renew(billing) == []
        assert everything(billing)["proved"] == {}
        assert billing.subscriptions.get(one.id).period_end == at(2026, 3, 1)

    def test_a_run_can_be_left_between_batches(self, billing: Billing, clock: FixedClock) -> None:
        """Whole batches are done or not: another run does the rest, and the ledger is the same as after one run."""
        shop = shop_of(billing)
        for _ in range(5):
            subscribe(billing, shop.path, "12", "11", "10")
        clock.set(at(2026, 2, 1))

        left = list(islice(billing.subscriptions.renew(batch_size=2), 3))
        rest = renew(billing)

        assert [len(left), len(rest)] == [3, 1]  # the fourth was renewed with the third
        assert balance(billing, shop.customer) == "940.00 USD"
        assert billing.ledger.reconcile().discrepancies == ()

    @pytest.mark.parametrize("batch_size", [1, 2, 100])
    def test_one_that_cannot_even_be_read_stands_alone(
        self, billing: Billing, clock: FixedClock, batch_size: int
    ) -> None:
        """It fails with its error and stays due, and the others are renewed."""
        shop = shop_of(billing)
        for agreement in (None, "{}", None, None):
            broken = {} if agreement is None else {"agreement": agreement}
            subscribe(billing, shop.path, "12", "11", "10", **broken)
        clock.set(at(2026, 2, 1))

        found = renew(billing, batch_size=batch_size)

        assert [type(one) for one in found] == [Renewed, Failed, Renewed, Renewed]
        assert [type(one) for one in renew(billing)] == [Failed]

    def test_a_batch_has_one_period_at_least(self, billing: Billing) -> None:
        with pytest.raises(InvalidValue, match="at least one period"):
            billing.subscriptions.renew(batch_size=0)


class TestMoney:
    @pytest.mark.parametrize("level", [0, 1, 2])
    def test_the_refusal_names_the_level_and_nothing_is_charged(
        self, billing: Billing, clock: FixedClock, level: int
    ) -> None:
        """It stays due, and is renewed when there is money."""
        shop = chain(billing, distributor("0.02"), distributor("0.04"))
        for index, account in enumerate(shop.path[:-1]):
            fund(billing, account, "9.99" if index == level else "10")
        subscribe(billing, shop.path, "10", "10", "10")
        clock.set(at(2026, 2, 1))
        before = without_ids(everything(billing))

        (found,) = renew(billing)

        assert isinstance(found, NotRenewed)
        assert (found.why.reason, found.why.account) == (NotSoldReason.NO_MONEY, shop.path[level])
        assert without_ids(everything(billing)) == before
        fund(billing, shop.path[level], "0.01")
        assert [type(one) for one in renew(billing)] == [Renewed]

    def test_a_product_that_says_so_is_released(self, billing: Billing, clock: FixedClock) -> None:
        """It is never charged again, whatever comes later."""
        shop = shop_of(billing, funds="0")
        one = subscribe(billing, shop.path, "10", "10", "10", release_unfunded=True)
        clock.set(at(2026, 2, 1))

        (found,) = renew(billing)

        assert isinstance(found, Released)
        assert found.subscription.status is SubscriptionStatus.RELEASED
        assert found.why.account == shop.customer
        fund(billing, shop.customer, "100")
        assert renew(billing) == []
        assert billing.subscriptions.get(one.id) == found.subscription

    def test_tax_is_needed_too(self, billing: Billing, clock: FixedClock) -> None:
        """10.00 and 20 percent are 12.00, which a receipt takes at once."""
        shop = chain(billing)
        billing.accounts.configure_invoices(shop.admin, tax=Tax("VAT", Decimal(20)))
        fund(billing, shop.customer, "11.99")
        subscribe(billing, shop.path, "10")
        clock.set(at(2026, 2, 1))

        assert [type(one) for one in renew(billing)] == [NotRenewed]
        fund(billing, shop.customer, "0.01")
        assert [type(one) for one in renew(billing)] == [Renewed]
        assert balance(billing, shop.customer) == "0.00 USD"

    def test_a_postpaid_buyer_pays_within_its_credit_by_an_unbilled_line(
        self, billing: Billing, clock: FixedClock
    ) -> None:
        """It comes on the next invoice."""
        shop = chain(billing, billing=BillingType.POSTPAID, credit_limit="10")
        subscribe(billing, shop.path, "10")
        clock.set(at(2026, 2, 1))

        assert [type(one) for one in renew(billing)] == [Renewed]
        assert [charge.document_id for charge in everything(billing)["charges"]] == [None]
        clock.set(at(2026, 3, 1))
        assert [type(one) for one in renew(billing)] == [NotRenewed]
        billing.documents.run()
        assert Money(10, "USD") in [document.total for document in billing.documents.documents(shop.customer)]

    def test_money_is_spent_once_within_a_batch(self, billing: Billing, clock: FixedClock) -> None:
        """Of three that there is money for two of, two are renewed: by their ids, as all are due at once."""
        shop = chain(billing)
        fund(billing, shop.customer, "25")
        for _ in range(3):
            subscribe(billing, shop.path, "10")
        clock.set(at(2026, 2, 1))

        assert [type(one) for one in renew(billing)] == [Renewed, Renewed, NotRenewed]

    def test_each_payer_pays_by_the_exchange_rate_of_the_periods_beginning(
        self, billing: Billing, clock: FixedClock
    ) -> None:
        """Whenever it is caught up; without a rate it stays due."""
        shop = chain(billing, currency="USD")
        buyer = billing.accounts.open_customer(shop.admin, number="euro", currency="EUR")
        fund(billing, buyer, "100")
        subscribe(billing, (buyer, shop.admin), "10")
        clock.set(at(2026, 3, 2))
        (missing,) = renew(billing)
        assert isinstance(missing, NotRenewed)
        assert missing.why.reason is NotSoldReason.NO_EXCHANGE_RATE
        billing.prices.set_exchange_rate("USD", "EUR", "0.5", valid_from=at(2026, 1, 1))
        billing.prices.set_exchange_rate("USD", "EUR", "0.9", valid_from=at(2026, 2, 15))

        assert [one.charges[0].amount for one in renew(billing) if isinstance(one, Renewed)] == [
            Money(5, "EUR"),
            Money(9, "EUR"),
        ]
