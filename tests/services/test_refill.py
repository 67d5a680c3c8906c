"""Refills: money that the parent received, put into the wallet once."""

from datetime import timedelta

import pytest
from tests.services.books import balance, everything, moved

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import CurrencyMismatch, HierarchyError, IdempotencyConflict, InvalidValue, NotFound
from astpp_billing.hierarchy import BillingType
from astpp_billing.ledger import Book, Reason
from astpp_billing.money import Money
from astpp_billing.testing.worlds import chain, distributor

TEN = Money("10", "USD")


def test_a_refill_moves_cash_of_the_parent_into_the_wallet(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.03"))

    posting = billing.ledger.refill(shop.customer, TEN, key="r1")

    assert moved(posting) == [
        (shop.resellers[0].id, Book.CASH, shop.customer.id, Book.WALLET, 10_000_000, "USD"),
    ]
    assert (posting.key, posting.reason, posting.at) == ("refill:r1", Reason.REFILL, clock.now())
    assert balance(billing, shop.customer) == "10.00 USD"
    assert dict(billing.ledger.profits(shop.resellers[0])) == {}


def test_the_same_refill_again_is_the_first_one(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing)
    first = billing.ledger.refill(shop.customer, TEN, key="r1")
    before = everything(billing)
    clock.advance(timedelta(days=1))

    assert billing.ledger.refill(shop.customer, TEN, key="r1") == first
    assert everything(billing) == before


def test_another_refill_with_the_same_key_is_a_conflict(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    billing.ledger.refill(shop.customer, TEN, key="r1")
    before = everything(billing)

    for account, amount in ((shop.customer, Money("11", "USD")), (shop.resellers[0], TEN)):
        with pytest.raises(IdempotencyConflict, match="'refill:r1' was used before"):
            billing.ledger.refill(account, amount, key="r1")
    assert everything(billing) == before


def test_a_refill_is_in_the_currency_of_the_account(billing: Billing) -> None:
    shop = chain(billing)

    with pytest.raises(CurrencyMismatch, match="account chain-customer is in USD, not EUR"):
        billing.ledger.refill(shop.customer, Money("10", "EUR"), key="r1")


@pytest.mark.parametrize("amount", ["0", "-1"])
def test_a_refill_is_positive(billing: Billing, amount: str) -> None:
    shop = chain(billing)

    with pytest.raises(InvalidValue, match="chain-customer is a positive amount"):
        billing.ledger.refill(shop.customer, Money(amount, "USD"), key="r1")


def test_a_refill_has_a_key(billing: Billing) -> None:
    shop = chain(billing)

    with pytest.raises(InvalidValue, match="refill of account chain-customer needs a key"):
        billing.ledger.refill(shop.customer, TEN, key="")


def test_an_account_without_a_parent_has_nobody_to_pay(billing: Billing) -> None:
    shop = chain(billing)

    for account in (shop.admin, shop.provider):
        with pytest.raises(HierarchyError, match=f"account {account.number} has no parent"):
            billing.ledger.refill(account, TEN, key="r1")
    assert billing.ledger.books() == {}


def test_the_cash_is_the_present_parents_whatever_the_caller_still_believes(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    billing.accounts.move(shop.customer, shop.admin)

    posting = billing.ledger.refill(shop.customer, TEN, key="r1")

    assert moved(posting)[0][0] == shop.admin.id


def test_what_may_be_spent_is_the_balance_and_a_postpaid_accounts_credit(billing: Billing) -> None:
    shop = chain(billing, credit_limit="5.50")
    billing.ledger.refill(shop.customer, TEN, key="r1")

    assert str(billing.ledger.available(shop.customer)) == "10.00 USD"
    billing.accounts.change(shop.customer, billing=BillingType.POSTPAID)
    assert str(billing.ledger.available(shop.customer)) == "15.50 USD"


def test_wallets_that_are_not_empty_are_listed(billing: Billing) -> None:
    shop = chain(billing)
    billing.ledger.refill(shop.customer, TEN, key="r1")

    assert dict(billing.ledger.wallets()) == {shop.customer.id: TEN}


def test_a_posting_is_found_by_its_key(billing: Billing) -> None:
    shop = chain(billing)
    posting = billing.ledger.refill(shop.customer, TEN, key="r1")

    assert billing.ledger.posting("refill:r1") == posting
    with pytest.raises(NotFound, match="'refill:r2'"):
        billing.ledger.posting("refill:r2")
