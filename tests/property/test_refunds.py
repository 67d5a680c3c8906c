"""Refunds: money goes back the way it came, in whatever parts, and before or after it was billed."""

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.commerce import Business, businesses
from tests.property.shops import open_shop, sell

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import InvalidValue
from astpp_billing.invoicing import Document, DocumentKind, LineKind
from astpp_billing.ledger import Book, ChargeKind, LedgerAccount, OrderStatus
from astpp_billing.money import Money
from astpp_billing.pricing import Category, Recurrence, Unit
from astpp_billing.pricing.subscriptions import Subscription
from astpp_billing.services.orders import Purchased
from astpp_billing.testing.worlds import START


def books(billing: Billing, *, rounded: bool) -> dict[LedgerAccount, int]:
    """What is in every book; without `rounded`, wallets have what their documents have rounded."""
    found: dict[LedgerAccount, int] = {}
    for account, money in billing.ledger.books().items():
        book = Book.WALLET if account.book is Book.ROUNDING and not rounded else account.book
        name = LedgerAccount(account.account_id, book, account.currency)
        found[name] = found.get(name, 0) + money.micros
    return {account: micros for account, micros in found.items() if micros}


@settings(max_examples=60)
@given(business=businesses(), data=st.data())
def test_a_refund_restores_every_wallet(business: Business, data: st.DataObject) -> None:
    """After a purchase and its refund every book, wallet and profit is what it was before, digit for digit."""
    with Billing.open("memory://", FixedClock(START)) as billing:
        shop, product = open_shop(billing, business, data)
        before = books(billing, rounded=True)
        profits = [billing.ledger.profits(account) for account in shop.path]

        result = billing.orders.purchase(shop.customer, product, data.draw(st.integers(1, 5)), key="o")
        if not isinstance(result, Purchased) or not result.charges:
            return
        if data.draw(st.booleans()):
            billing.clock.advance(timedelta(days=40))  # type: ignore[attr-defined]
            billing.documents.run()
        refunded = billing.orders.refund(result.order, reason="broken", key="r")

        assert books(billing, rounded=True) == before
        assert [billing.ledger.profits(account) for account in shop.path] == profits
        assert billing.orders.get("o").status is OrderStatus.REFUNDED
        assert [-one.micros for one in refunded.charges] == [one.micros for one in result.charges]
        assert billing.ledger.reconcile().discrepancies == ()


PLAN: dict[str, Any] = {"category": Category.SUBSCRIPTION, "recurrence": Recurrence(1, Unit.MONTHS)}

steps = st.lists(st.integers(1, 4) | st.just("bill") | st.just("buy"), max_size=8)


def lines(documents: list[Document], kind: LineKind) -> int:
    return sum(line.exact_micros for document in documents for line in document.lines if line.kind is kind)


@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
@settings(max_examples=40)
@given(business=businesses(), data=st.data(), steps=steps)
def test_parts_are_refunded_before_and_after_billing(
    url: str, business: Business, data: st.DataObject, steps: list[int | str]
) -> None:
    """Whatever is refunded and billed in between, nothing is lost, and together it is what was paid.

    The credit notes of a document take back its taxes as they take back its charges, and all of both in the end.
    """
    with Billing.open(url, FixedClock(START)) as billing:
        shop, product = open_shop(billing, business, data)
        before = books(billing, rounded=False)
        result = billing.orders.purchase(shop.customer, product, 6, key="o")
        if not isinstance(result, Purchased) or not result.charges:
            return
        others = []
        left = 6
        for key, step in enumerate(steps):
            billing.clock.advance(timedelta(days=20))  # type: ignore[attr-defined]
            if step == "bill":
                billing.documents.run()
            elif step == "buy":
                others.append(billing.orders.purchase(shop.customer, product, 1, key=f"other {key}"))
            elif isinstance(step, int) and step <= left:
                left -= step
                billing.orders.refund(result.order, step, reason="broken", key=str(key))
            assert billing.ledger.reconcile().discrepancies == ()
        if left:
            billing.orders.refund(result.order, reason="the rest", key="rest")
        for key, other in enumerate(others):
            if isinstance(other, Purchased):
                billing.orders.refund(other.order, reason="that too", key=f"other {key}")
        billing.clock.advance(timedelta(days=40))  # type: ignore[attr-defined]
        billing.documents.run()

        assert billing.ledger.reconcile().discrepancies == ()
        assert books(billing, rounded=False) == before
        documents = billing.documents.documents()
        for document in documents:
            if document.kind is not DocumentKind.CREDIT_NOTE:
                notes = [one for one in documents if one.corrects_id == document.id]
                assert lines([document, *notes], LineKind.CHARGES) == 0
                assert lines([document, *notes], LineKind.TAX) == 0
                assert all(one.issued_at >= document.issued_at for one in notes)


whatever = st.lists(st.sampled_from(["change", "renew", "bill", "change", "pass"]), min_size=1, max_size=5)


@settings(max_examples=60)
@given(business=businesses(), data=st.data(), steps=whatever)
def test_whatever_a_subscription_went_through_all_of_it_can_be_taken_back(
    business: Business, data: st.DataObject, steps: list[str]
) -> None:
    """Also where days were given back before, which leaves setup fees, and the commissions on them.

    What was bought, renewed and changed to is taken back in any order, and every book is what it was before.
    """
    clock = FixedClock(START)
    with Billing.open("memory://", clock) as billing:
        shop, plan = open_shop(billing, business, data)
        plan = sell(billing, shop, data, "plan", **PLAN)
        plans = [plan, sell(billing, shop, data, "larger plan", **PLAN)]
        for account in shop.path[:-1]:
            billing.ledger.refill(account, Money.from_micros(10**12, account.currency), key=f"more {account.id}")
        before = books(billing, rounded=False)
        bought = billing.orders.purchase(shop.customer, plan, data.draw(st.integers(1, 3)), key="o")
        assert isinstance(bought, Purchased)
        (one,) = billing.subscriptions.all(shop.customer)
        for step in steps:
            clock.advance(timedelta(days=data.draw(st.integers(0, 20))))
            list(billing.subscriptions.renew())
            one = billing.subscriptions.get(one.id)
            if step == "bill":
                billing.documents.run()
            elif step == "change":
                clock.advance(timedelta(microseconds=1))
                changed = billing.subscriptions.change_plan(one, data.draw(st.sampled_from(plans)), at_once=True)
                assert isinstance(changed, Subscription)
        if data.draw(st.booleans()):
            billing.subscriptions.cancel(billing.subscriptions.get(one.id), at_end=False, refund=True)
        with billing.storage.snapshot() as uow:
            keys = {one.posting_key for one in uow.charges() if one.kind is not ChargeKind.REFUND}

        for key in data.draw(st.permutations(sorted(keys))):
            try:
                if key == bought.order.posting_key:
                    billing.orders.refund(bought.order, reason="all of it", key="r")
                else:
                    billing.ledger.correct(key, reason="all of it")
            except InvalidValue as error:
                assert re.search(r"nothing is left of|was refunded already", str(error))  # noqa: PT017 - of some
        assert billing.ledger.reconcile().discrepancies == ()
        clock.advance(timedelta(days=70))
        billing.documents.run()

        assert billing.ledger.reconcile().discrepancies == ()
        assert books(billing, rounded=False) == before
