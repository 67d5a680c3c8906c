"""Refunds and corrections: money goes back the way it came, with credit notes for what was billed (design, 43)."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from attrs import evolve
from tests.services.books import assert_no_gaps, balance, everything, moved, settled, totals
from tests.services.conftest import on_every_storage
from tests.services.granting import charged, grants
from tests.services.subscribing import MONTHLY, renew
from tests.services.test_orders import bought, fund, package, profits

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import IdempotencyConflict, InexactAmount, InvalidValue, NotFound, PeriodClosed
from astpp_billing.hierarchy import BillingType, ReceiptMode
from astpp_billing.invoicing import Document, DocumentKind, Tax
from astpp_billing.ledger import Book, ChargeKind, OrderStatus, Posting, Reason
from astpp_billing.money import Money
from astpp_billing.ports import Changes
from astpp_billing.pricing import Allowance, Category, Product, Recurrence, Unit
from astpp_billing.pricing.subscriptions import Subscription, SubscriptionStatus
from astpp_billing.services.renewing import Renewed
from astpp_billing.testing.worlds import START, Chain, chain, commission, distributor

DAY = timedelta(days=1)
FEBRUARY = START + 31 * DAY


billing = on_every_storage


def assert_proved(billing: Billing) -> None:
    assert billing.ledger.reconcile().discrepancies == ()


def mirrored(posting: Posting) -> list[tuple[int, Book, int, Book, int, str]]:
    """Each transfer of a posting, the other way round."""
    return [(*one[2:4], *one[0:2], *one[4:]) for one in moved(posting)]


def without_rounding(found: Iterable[tuple[int, Book, int, Book, int, str]]) -> Counter[tuple[int, Book, int, Book]]:
    """How much was moved from where to where, apart from the rounding of documents."""
    sums: Counter[tuple[int, Book, int, Book]] = Counter()
    for one in found:
        if Book.ROUNDING not in one:
            sums[one[:4]] += one[4]
    return sums


def lines(document: Document) -> list[tuple[str, str]]:
    return [(line.description, str(Money.from_micros(line.exact_micros, document.currency))) for line in document.lines]


def tax(billing: Billing, shop: Chain, percent: int) -> None:
    billing.accounts.configure_invoices(shop.path[1], tax=Tax("VAT", Decimal(percent)))


def postpaid_shop(billing: Billing, **options: Any) -> tuple[Chain, Product]:
    """An admin, and a postpaid customer that buys its package at 10."""
    shop = chain(billing, billing=BillingType.POSTPAID, credit_limit="1000", **options)
    return shop, package(billing, shop.admin, price="10")


def test_the_first_example_of_the_rules_goes_back(billing: Billing, clock: FixedClock) -> None:
    """Two commission resellers get the 100 back that they passed on, and lose the 10 and the 1 that they were paid."""
    shop = chain(billing, commission(10), commission(10))
    upper, lower = shop.resellers
    made = package(billing, shop.admin, commission_percent=10)
    for reseller in shop.resellers:
        billing.products.opt_in(reseller, made)
    fund(billing, *shop.path[:-1])
    order = bought(billing, shop.customer, made).order
    clock.advance(DAY)

    refunded = billing.orders.refund(order, reason="unhappy", key="r1")

    customer, admin = shop.customer.id, shop.admin.id
    assert moved(refunded.posting) == [
        (lower.id, Book.REVENUE, customer, Book.WALLET, 100_000_000, "USD"),
        (upper.id, Book.REVENUE, lower.id, Book.WALLET, 100_000_000, "USD"),
        (admin, Book.REVENUE, upper.id, Book.WALLET, 100_000_000, "USD"),
        (upper.id, Book.WALLET, admin, Book.COMMISSION, 10_000_000, "USD"),
        (lower.id, Book.WALLET, upper.id, Book.COMMISSION, 1_000_000, "USD"),
    ]
    posting = refunded.posting
    assert (posting.key, posting.reason, posting.note, posting.at) == ("refund:r1", "refund", "unhappy", clock.now())
    assert (posting.corrects, posting.share) == (order.posting_key, Fraction(1))
    assert billing.ledger.posting("refund:r1") == posting
    assert [balance(billing, each) for each in shop.path] == ["200.00 USD", "200.00 USD", "200.00 USD", "0.00 USD"]
    assert profits(billing, *shop.path) == [[], [], [], []]
    assert [(one.account_id, one.kind, str(one.amount)) for one in refunded.charges] == [
        (account.id, ChargeKind.REFUND, "-100.00 USD") for account in shop.path[:-1]
    ]
    assert totals(list(refunded.documents)) == 3 * [("CRN-000001", "-100.00 USD")]
    assert billing.orders.get("o1").status is OrderStatus.REFUNDED
    assert_proved(billing)


def test_the_second_example_of_the_rules_goes_back(billing: Billing) -> None:
    """The distributor loses the 4 that it kept, and the commission reseller its 26."""
    shop = chain(billing, distributor("0.02"), commission(20))
    dealer, agent = shop.resellers
    made = package(billing, shop.admin, commission_percent=10)
    billing.products.opt_in(dealer, made, price="130", commission_percent=20)
    billing.products.opt_in(agent, made)
    fund(billing, *shop.path[:-1])
    order = bought(billing, shop.customer, made).order

    refunded = billing.orders.refund(order, reason="unhappy", key="r1")

    assert moved(refunded.posting) == [
        (agent.id, Book.REVENUE, shop.customer.id, Book.WALLET, 130_000_000, "USD"),
        (dealer.id, Book.REVENUE, agent.id, Book.WALLET, 130_000_000, "USD"),
        (shop.admin.id, Book.REVENUE, dealer.id, Book.WALLET, 100_000_000, "USD"),
        (agent.id, Book.WALLET, dealer.id, Book.COMMISSION, 26_000_000, "USD"),
    ]
    assert [balance(billing, each) for each in shop.path] == ["200.00 USD", "200.00 USD", "200.00 USD", "0.00 USD"]
    assert profits(billing, *shop.path) == [[], [], [], []]
    year = (START, START + 365 * DAY)
    assert [str(one.amount) for one in billing.reports.profits(*year)] == 3 * ["0.00 USD"]
    assert [billing.reports.profit(seller, *year, destinations=True).rows for seller in shop.path[1:]] == 3 * [()]
    assert billing.reports.commissions(agent, *year).net == ()
    with billing.reports.commission_lines(agent, *year) as opened:
        assert [(line.entry.reason, line.received, str(line.amount)) for line in opened.lines] == [
            (Reason.ORDER, True, "26.00 USD"),
            (Reason.REFUND, True, "-26.00 USD"),
        ]
    assert_proved(billing)


def test_a_part_of_an_order(billing: Billing) -> None:
    """By quantity, twice, and the rest without one; the order stays placed until nothing is left of it."""
    shop = chain(billing, distributor("0.02"), commission(20))
    made = package(billing, shop.admin, price="1.000001", setup_fee="2", commission_percent=10)
    billing.products.opt_in(shop.resellers[0], made, price="1.333333", setup_fee="3", commission_percent=20)
    billing.products.opt_in(shop.resellers[1], made)
    fund(billing, *shop.path[:-1])
    order = bought(billing, shop.customer, made, 6).order
    before = billing.ledger.posting(order.posting_key)

    parts = []
    for key, quantity in (("r1", 1), ("r2", 3), ("r3", None)):
        assert billing.orders.get("o1").status is OrderStatus.PLACED
        parts.append(billing.orders.refund(order, quantity, reason="unhappy", key=key))
        assert_proved(billing)

    assert [one.posting.share for one in parts] == [Fraction(1, 6), Fraction(1, 2), Fraction(1, 3)]
    assert parts[1].charges[0].detail == "unhappy: 1/2 of 7.999998 USD of 2026-01-01 00:00 UTC"
    # 7.999998 for six, 3.00 of setup fee for each
    assert [str(one.charges[0].amount) for one in parts] == ["-1.333333 USD", "-3.999999 USD", "-2.666666 USD"]
    assert [str(one.charges[1].amount) for one in parts] == ["-3.00 USD", "-9.00 USD", "-6.00 USD"]
    assert without_rounding(end for one in parts for end in moved(one.posting)) == without_rounding(mirrored(before))
    assert billing.orders.get("o1").status is OrderStatus.REFUNDED
    assert profits(billing, *shop.path) == [[], [], [], []]
    assert_no_gaps(billing)


def test_what_is_on_a_receipt_comes_back_on_credit_notes(billing: Billing) -> None:
    """With numbers of their own, negative lines, and the tax in the same parts: all of it, though half micros are off.

    Eight at 1.00001 with 5 percent: the tax for each is 0.0500005, which is half a micro more than it can be.
    """
    shop = chain(billing)
    tax(billing, shop, 5)
    fund(billing, shop.customer)
    made = package(billing, shop.admin, price="1.00001")
    result = bought(billing, shop.customer, made, 8)
    (receipt,) = result.documents
    assert lines(receipt)[:2] == [("A package", "8.00008 USD"), ("VAT 5 %", "0.400004 USD")]

    for key, quantity in (("r1", 3), ("r2", 2), ("r3", 3)):
        billing.orders.refund(result.order, quantity, reason="unhappy", key=key)

    (first, *notes) = billing.documents.documents(shop.customer)
    assert first == receipt
    assert [(one.kind, one.number, one.corrects_id) for one in notes] == [
        (DocumentKind.CREDIT_NOTE, f"CRN-{number:06}", receipt.id) for number in (1, 2, 3)
    ]
    assert [lines(one)[:2] for one in notes] == [
        [("A package, refunded", "-3.00003 USD"), ("VAT 5 %", "-0.150002 USD")],
        [("A package, refunded", "-2.00002 USD"), ("VAT 5 %", "-0.100001 USD")],
        [("A package, refunded", "-3.00003 USD"), ("VAT 5 %", "-0.150001 USD")],
    ]
    assert [str(one.total) for one in notes] == ["-3.15 USD", "-2.10 USD", "-3.15 USD"]
    assert [(one.issuer_id, one.seller_id, one.account_id, one.due_at) for one in notes] == 3 * [
        (shop.admin.id, shop.admin.id, shop.customer.id, None)
    ]
    assert balance(billing, shop.customer) == "200.00 USD"
    assert_proved(billing)


def test_what_waits_for_its_invoice_is_netted_there(billing: Billing, clock: FixedClock) -> None:
    """The refund is in the period of its charge, whenever it is made, and the tax is on what is left."""
    shop, made = postpaid_shop(billing)
    tax(billing, shop, 20)
    order = bought(billing, shop.customer, made, 3).order
    clock.set(FEBRUARY + DAY)  # the run of February comes late

    refunded = billing.orders.refund(order, 1, reason="unhappy", key="r1")
    assert (refunded.documents, [one.document_id for one in refunded.charges]) == ((), [None])
    billing.documents.run()

    (invoice,) = billing.documents.documents()
    assert lines(invoice) == [
        ("A package", "30.00 USD"),
        ("A package, refunded", "-10.00 USD"),
        ("VAT 20 %", "4.00 USD"),
    ]
    assert balance(billing, shop.customer) == "-24.00 USD"
    assert_proved(billing)

    rest = billing.orders.refund(order, reason="unhappy", key="r2")

    (note,) = rest.documents
    assert note.corrects_id == invoice.id
    assert lines(note) == [("A package, refunded", "-20.00 USD"), ("VAT 20 %", "-4.00 USD")]
    assert balance(billing, shop.customer) == "0.00 USD"
    assert_proved(billing)


def test_what_was_refunded_before_it_was_billed_costs_nothing(billing: Billing, clock: FixedClock) -> None:
    """The invoice of a month in which nothing else was bought is not issued."""
    shop, made = postpaid_shop(billing)
    tax(billing, shop, 20)
    order = bought(billing, shop.customer, made).order
    billing.orders.refund(order, reason="unhappy", key="r1")
    clock.set(FEBRUARY + DAY)

    (billed,) = billing.documents.run()

    assert (billed.document, billed.problem) == (None, "")
    assert billing.documents.documents() == []
    assert balance(billing, shop.customer) == "0.00 USD"
    assert_proved(billing)


def test_who_has_another_seller_since_is_refunded_by_the_one_it_bought_from(
    billing: Billing, clock: FixedClock
) -> None:
    """The credit note comes from who has issued the receipt, and the money out of that revenue."""
    shop = chain(billing, distributor("0.02"))
    (dealer,) = shop.resellers
    tax(billing, shop, 20)
    fund(billing, shop.customer, dealer)
    made = package(billing, shop.admin)
    billing.products.opt_in(dealer, made, price="130")
    result = bought(billing, shop.customer, made)
    billing.accounts.move(shop.customer, shop.admin)
    clock.advance(DAY)

    refunded = billing.orders.refund(result.order, reason="unhappy", key="r1")

    assert [(one.issuer_id, one.seller_id, one.account_id, str(one.total)) for one in refunded.documents] == [
        (dealer.id, dealer.id, shop.customer.id, "-156.00 USD"),
        (shop.admin.id, shop.admin.id, dealer.id, "-100.00 USD"),
    ]
    assert profits(billing, *shop.path) == [[], [], []]
    assert [balance(billing, each) for each in shop.path] == ["200.00 USD", "200.00 USD", "0.00 USD"]
    assert_proved(billing)


@pytest.mark.parametrize("before", list(BillingType))
def test_who_is_billed_in_another_way_since_gets_a_credit_note(
    billing: Billing, clock: FixedClock, before: BillingType
) -> None:
    """For what was billed in the old way, at the latest when it ended; its number is from the same series for both."""
    shop = chain(billing, billing=before, credit_limit="100")
    tax(billing, shop, 20)
    if before is BillingType.PREPAID:
        fund(billing, shop.customer)
    start = billing.ledger.balance(shop.customer)
    order = bought(billing, shop.customer, package(billing, shop.admin, price="10")).order
    after = BillingType.PREPAID if before is BillingType.POSTPAID else BillingType.POSTPAID
    billing.accounts.change(shop.customer, billing=after)
    clock.advance(DAY)

    (note,) = billing.orders.refund(order, reason="unhappy", key="r1").documents

    (document, _) = billing.documents.documents(shop.customer)
    assert document.kind == ("receipt" if before is BillingType.PREPAID else "invoice")
    assert (note.number, note.corrects_id, str(note.total)) == ("CRN-000001", document.id, "-12.00 USD")
    assert billing.ledger.balance(shop.customer) == start
    clock.advance(60 * DAY)
    billing.documents.run()
    assert billing.documents.documents(shop.customer) == [document, note]
    assert_proved(billing)


def test_a_gathered_receipt_is_netted_as_an_invoice_is(billing: Billing, clock: FixedClock) -> None:
    """The receipt of a month in which all was refunded says so."""
    shop = chain(billing, receipts=ReceiptMode.MONTHLY)
    tax(billing, shop, 20)
    fund(billing, shop.customer)
    order = bought(billing, shop.customer, package(billing, shop.admin)).order
    billing.orders.refund(order, reason="unhappy", key="r1")
    clock.set(FEBRUARY + DAY)

    billing.documents.run()

    (receipt,) = billing.documents.documents()
    assert lines(receipt) == [
        ("A package", "100.00 USD"),
        ("A package, refunded", "-100.00 USD"),
        ("VAT 20 %", "0.00 USD"),
    ]
    assert balance(billing, shop.customer) == "200.00 USD"
    assert_proved(billing)


def test_nobody_needs_money_for_a_refund(billing: Billing) -> None:
    """A commission is taken back of a wallet below zero, too; and so is a refund given to one."""
    shop = chain(billing, commission(20))
    (agent,) = shop.resellers
    made = package(billing, shop.admin, commission_percent=20)
    billing.products.opt_in(agent, made)
    fund(billing, *shop.path[:-1], amount="100")
    order = bought(billing, shop.customer, made).order
    billing.ledger.debit(agent, Money("200", "USD"), reason="damage", key="d1", force=True)
    assert balance(billing, agent) == "-180.00 USD"

    billing.orders.refund(order, reason="unhappy", key="r1")

    assert balance(billing, agent) == "-100.00 USD"
    assert profits(billing, agent) == [["-200.00 USD"]]
    assert_proved(billing)


def test_the_same_refund_again_gives_the_first_result(billing: Billing, clock: FixedClock) -> None:
    """Whatever has been billed since, also by the document that what waited for it is on."""
    shop = chain(billing, distributor("0.02"), billing=BillingType.POSTPAID, credit_limit="1000")
    fund(billing, shop.resellers[0], amount="1000")
    made = package(billing, shop.admin, price="10")
    billing.products.opt_in(shop.resellers[0], made, price="12")
    order = bought(billing, shop.customer, made, 3).order
    first = billing.orders.refund(order, 1, reason="unhappy", key="r1")
    assert [one.account_id for one in first.documents] == [shop.resellers[0].id]
    assert [one.document_id for one in first.charges] == [None, first.documents[0].id]
    clock.set(FEBRUARY + DAY)
    billing.documents.run()
    second = billing.orders.refund(order, 1, reason="unhappy", key="r2")
    billing.orders.refund(order, reason="unhappy", key="r3")
    before = everything(billing)

    assert billing.orders.refund(order, 1, reason="unhappy", key="r1") == evolve(first, repeated=True)
    assert billing.orders.refund(order, 1, reason="unhappy", key="r2") == evolve(second, repeated=True)
    assert everything(billing) == before


def test_another_refund_under_the_same_key_is_a_conflict(billing: Billing) -> None:
    """Order, quantity and reason are what tells two refunds apart."""
    shop, made = postpaid_shop(billing)
    order = bought(billing, shop.customer, made, 3).order
    other = bought(billing, shop.customer, made, 3, key="o2").order
    billing.orders.refund(order, 1, reason="unhappy", key="r1")
    before = everything(billing)

    for what, quantity, reason in (
        (order, 2, "unhappy"),
        (order, None, "unhappy"),
        (order, 1, "unlucky"),
        (other, 1, "unhappy"),
    ):
        with pytest.raises(IdempotencyConflict, match="'refund:r1' was used before"):
            billing.orders.refund(what, quantity, reason=reason, key="r1")
    assert everything(billing) == before


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"quantity": 3}, InvalidValue, "only 2 of the order 'o1' can be refunded, not 3"),
        ({"quantity": 0}, InvalidValue, "1 to 1000000 of a product, not 0"),
        ({"quantity": -1}, InvalidValue, "1 to 1000000 of a product, not -1"),
        ({"quantity": 1.0}, InexactAmount, "order"),
        ({"reason": "two\nlines"}, InvalidValue, "is one line of 1 to 1,000 characters"),
        ({"reason": ""}, InvalidValue, "is one line of 1 to 1,000 characters"),
        ({"reason": "x" * 1_001}, InvalidValue, "is one line of 1 to 1,000 characters"),
        ({"key": ""}, InvalidValue, "idempotency key"),
        ({"key": "k" * 506}, InvalidValue, "idempotency key"),
    ],
)
def test_what_can_never_be_refunded_changes_nothing(
    billing: Billing, said: dict[str, Any], error: type[Exception], message: str
) -> None:
    """One of three was refunded already."""
    shop, made = postpaid_shop(billing)
    order = bought(billing, shop.customer, made, 3).order
    billing.orders.refund(order, 1, reason="unhappy", key="r1")
    before = everything(billing)

    with pytest.raises(error, match=message):
        billing.orders.refund(order, **{"quantity": None, "reason": "unhappy", "key": "r2"} | said)
    assert everything(billing) == before


def test_what_is_not_there_to_be_refunded(billing: Billing) -> None:
    """An order that there is not, one that has cost nothing, and one that was refunded."""
    shop, made = postpaid_shop(billing)
    order = bought(billing, shop.customer, made, 3).order
    free = bought(billing, shop.customer, package(billing, shop.admin, "free", price="0"), key="o2").order
    billing.orders.refund(order, reason="unhappy", key="r1")
    before = everything(billing)

    with pytest.raises(InvalidValue, match="the order 'o1' was refunded already"):
        billing.orders.refund(order, reason="unhappy", key="r2")
    with pytest.raises(InvalidValue, match="the order 'o1' was refunded already"):
        billing.orders.refund(order, 1, reason="unhappy", key="r2")
    with pytest.raises(InvalidValue, match="the order 'o2' has cost nothing"):
        billing.orders.refund(free, reason="unhappy", key="r2")
    with pytest.raises(NotFound, match="999"):
        billing.orders.refund(evolve(order, id=999, key="o3"), reason="unhappy", key="r2")
    assert everything(billing) == before


def test_a_recurring_order_ends_with_its_refund(billing: Billing, clock: FixedClock) -> None:
    """It is refunded as a whole only; its subscription is cancelled, and what it has renewed stays paid."""
    shop, _ = postpaid_shop(billing)
    plan = package(billing, shop.admin, "plan", price="10", category=Category.SUBSCRIPTION, recurrence=MONTHLY)
    order = bought(billing, shop.customer, plan, 2).order
    clock.set(FEBRUARY)
    assert [type(one) for one in renew(billing)] == [Renewed]
    before = everything(billing)
    with pytest.raises(InvalidValue, match="renews: it is refunded as a whole"):
        billing.orders.refund(order, 1, reason="unhappy", key="r1")
    assert everything(billing) == before

    billing.orders.refund(order, reason="unhappy", key="r1")

    (subscription,) = billing.subscriptions.all()
    assert subscription.status is SubscriptionStatus.CANCELLED
    clock.set(FEBRUARY + 90 * DAY)
    assert renew(billing) == []
    assert balance(billing, shop.customer) == "-20.00 USD"
    assert_proved(billing)


def test_a_subscription_that_has_ended_is_refunded_all_the_same(billing: Billing) -> None:
    """It stays what it is."""
    shop, _ = postpaid_shop(billing)
    plan = package(billing, shop.admin, "plan", price="10", category=Category.SUBSCRIPTION, recurrence=MONTHLY)
    order = bought(billing, shop.customer, plan).order
    (subscription,) = billing.subscriptions.all()
    cancelled = billing.subscriptions.cancel(subscription, at_end=False)

    billing.orders.refund(order, reason="unhappy", key="r1")

    assert billing.subscriptions.all() == [cancelled]
    assert balance(billing, shop.customer) == "0.00 USD"


@pytest.mark.parametrize("days", [0, 10])
def test_what_was_given_back_of_a_period_before_is_not_refunded_again(
    billing: Billing, clock: FixedClock, days: int
) -> None:
    """All the rest is, on every level: the days that were used, the setup fee, and of the commission what is left."""
    shop = chain(billing, commission(20))
    fund(billing, *shop.path[:-1], amount="100")
    terms: dict[str, Any] = {"setup_fee": "10", "commission_percent": 20, "recurrence": MONTHLY}
    plan = package(billing, shop.admin, price="31", category=Category.SUBSCRIPTION, **terms)
    billing.products.opt_in(shop.resellers[0], plan)
    order = bought(billing, shop.customer, plan).order
    clock.advance(days * DAY)
    (subscription,) = billing.subscriptions.all()
    billing.subscriptions.cancel(subscription, at_end=False, refund=True)
    assert balance(billing, shop.customer) == f"{90 - days}.00 USD"

    refunded = billing.orders.refund(order, reason="unhappy", key="r1")

    assert [balance(billing, each) for each in shop.path[:-1]] == ["100.00 USD", "100.00 USD"]
    assert profits(billing, *shop.path) == [[], [], []]
    told = [(str(one.amount), one.detail.partition(" of 2026")[0]) for one in refunded.charges]
    setup, price = (
        ("-10.00 USD", "unhappy: the rest of 10.00 USD"),
        (f"-{days}.00 USD", "unhappy: the rest of 31.00 USD"),
    )
    assert told == 2 * ([price, setup] if days else [setup])
    assert billing.orders.get("o1").status is OrderStatus.REFUNDED
    assert billing.orders.refund(order, reason="unhappy", key="r1") == evolve(refunded, repeated=True)
    with pytest.raises(InvalidValue, match="was refunded already"):
        billing.orders.refund(order, reason="unhappy", key="r2")
    assert_proved(billing)


def test_a_part_of_what_renews_is_refused_also_where_it_is_all_that_is_left(
    billing: Billing, clock: FixedClock
) -> None:
    """A third of the days was given back; two of three are not the whole because of that, and none are set up for."""
    shop = chain(billing)
    fund(billing, *shop.path[:-1], amount="200")
    terms: dict[str, Any] = {"setup_fee": "10", "recurrence": Recurrence(30, Unit.DAYS)}
    plan = package(billing, shop.admin, price="30", category=Category.SUBSCRIPTION, **terms)
    order = bought(billing, shop.customer, plan, 3).order
    clock.advance(20 * DAY)
    (subscription,) = billing.subscriptions.all()
    billing.subscriptions.cancel(subscription, at_end=False, refund=True)
    assert balance(billing, shop.customer) == "110.00 USD"

    for quantity in (1, 2):
        with pytest.raises(InvalidValue, match="renews: it is refunded as a whole"):
            billing.orders.refund(order, quantity, reason="unhappy", key="r1")

    assert balance(billing, shop.customer) == "110.00 USD"
    billing.orders.refund(order, reason="unhappy", key="r1")
    assert balance(billing, shop.customer) == "200.00 USD"
    assert_proved(billing)


def test_a_plan_that_was_changed_to_is_corrected_with_its_setup_fee(billing: Billing, clock: FixedClock) -> None:
    """As far as its days were not given back already."""
    shop = chain(billing)
    fund(billing, shop.customer, amount="100")
    terms: dict[str, Any] = {"category": Category.SUBSCRIPTION, "recurrence": MONTHLY}
    small, large = (
        package(billing, shop.admin, code, price=price, setup_fee="10", **terms)
        for code, price in (("small", "31"), ("large", "62"))
    )
    bought(billing, shop.customer, small)
    (one,) = billing.subscriptions.all()
    changed = billing.subscriptions.change_plan(one, large, at_once=True)
    assert isinstance(changed, Subscription)
    (key,) = {one.posting_key for one in everything(billing)["charges"] if one.kind is not ChargeKind.REFUND} - {
        "order:o1"
    }
    clock.advance(10 * DAY)
    billing.subscriptions.cancel(changed, at_end=False, refund=True)
    assert balance(billing, shop.customer) == "60.00 USD"

    billing.ledger.correct(key, reason="it was never wanted")

    assert balance(billing, shop.customer) == "90.00 USD"
    assert profits(billing, shop.admin) == [["10.00 USD"]]
    assert_proved(billing)


def test_included_minutes_end_with_the_refund(billing: Billing, clock: FixedClock) -> None:
    """They are for no call that begins later; those that began before keep them."""
    shop, _ = postpaid_shop(billing, price="0.06")
    minutes = package(billing, shop.admin, "minutes", price="10", allowances=(Allowance(seconds=100),))
    order = bought(billing, shop.customer, minutes, 2).order
    assert charged(settled(billing, shop.call(60))) == []
    clock.advance(DAY)

    billing.orders.refund(order, reason="unhappy", key="r1")

    assert [(one.used_seconds, one.expires_at) for one in grants(billing, shop)] == [(60, clock.now())]
    assert charged(settled(billing, shop.call(30, started_at=START))) == []
    assert charged(settled(billing, shop.call(60, started_at=clock.now()))) == [(60, 60_000)]
    assert [(one.used_seconds, one.expires_at) for one in grants(billing, shop)] == [(90, clock.now())]
    assert_proved(billing)


def test_a_part_takes_its_part_of_the_minutes(billing: Billing, clock: FixedClock) -> None:
    """Of 300 s that 3 packages include, each one that is refunded takes 100 s, or what calls have left of them."""
    shop, _ = postpaid_shop(billing, price="0.06")
    minutes = package(billing, shop.admin, "minutes", price="10", allowances=(Allowance(seconds=100),))
    order = bought(billing, shop.customer, minutes, 3).order
    assert charged(settled(billing, shop.call(50))) == []

    billing.orders.refund(order, 1, reason="unhappy", key="r1")

    assert [(one.used_seconds, one.left_seconds) for one in grants(billing, shop)] == [(150, 150)]
    assert billing.orders.refund(order, 1, reason="unhappy", key="r1").repeated
    assert charged(settled(billing, shop.call(120))) == []
    billing.orders.refund(order, 1, reason="unhappy", key="r2")
    assert [(one.used_seconds, one.left_seconds) for one in grants(billing, shop)] == [(300, 0)]
    assert charged(settled(billing, shop.call(60))) == [(60, 60_000)]
    assert_proved(billing)


def test_a_call_is_corrected_on_every_level(billing: Billing, clock: FixedClock) -> None:
    """With the commission, the provider's cost, and credit notes; settled again, it stays settled and corrected."""
    shop = chain(billing, distributor("0.03"), commission(10), price="0.06", cost="0.01")
    tax(billing, shop, 20)
    fund(billing, *shop.path[:-1])
    before = billing.ledger.books()
    record = shop.call(60)
    result = settled(billing, record)
    assert {one[1] for one in moved(billing.ledger.posting(record.key))} >= {Book.COMMISSION, Book.COST}
    clock.advance(DAY)

    corrected = billing.ledger.correct(record.key, reason="it never rang")

    assert [-one.micros for one in corrected.charges] == [one.micros for one in result.charges] == [60000, 60000, 30000]
    of_documents = {Book.TAX, Book.ROUNDING}
    assert [one for one in moved(corrected.posting) if not of_documents & {one[1], one[3]}] == [
        one for one in mirrored(billing.ledger.posting(record.key)) if not of_documents & {one[1], one[3]}
    ]
    assert (corrected.posting.reason, corrected.posting.corrects) == (Reason.CORRECTION, record.key)
    assert [one.account_id for one in corrected.documents] == [account.id for account in shop.path[:-1]]
    assert billing.ledger.books() == before
    assert profits(billing, *shop.path) == [[], [], [], []]
    again = billing.calls.settle(record)
    assert again == evolve(result, repeated=True)
    assert billing.ledger.books() == before
    assert_proved(billing)


def test_a_renewal_is_corrected(billing: Billing, clock: FixedClock) -> None:
    """On the document that it waits for; the subscription goes on."""
    shop, _ = postpaid_shop(billing)
    plan = package(billing, shop.admin, "plan", price="10", category=Category.SUBSCRIPTION, recurrence=MONTHLY)
    bought(billing, shop.customer, plan)
    clock.set(FEBRUARY)
    (renewed,) = renew(billing)
    assert isinstance(renewed, Renewed)
    (key,) = {one.posting_key for one in everything(billing)["charges"]} - {"order:o1"}

    billing.ledger.correct(key, reason="it was down all month")

    assert balance(billing, shop.customer) == "-10.00 USD"
    clock.set(FEBRUARY + 40 * DAY)
    assert [type(one) for one in renew(billing)] == [Renewed]
    clock.set(FEBRUARY + 60 * DAY)
    billing.documents.run()
    assert [lines(one) for one in billing.documents.documents()] == [
        [("A package", "10.00 USD")],
        # in February nothing was to be paid, so this waited
        [("A package", "20.00 USD"), ("A package, refunded", "-10.00 USD")],
    ]
    assert_proved(billing)


def test_a_debit_is_corrected_before_and_after_it_was_billed(billing: Billing, clock: FixedClock) -> None:
    """On the same invoice, or by a credit note for it."""
    shop, _ = postpaid_shop(billing)
    tax(billing, shop, 20)
    for key in ("d1", "d2"):
        billing.ledger.debit(shop.customer, Money("10", "USD"), reason="Repair", key=key)

    assert billing.ledger.correct("debit:d1", reason="somebody else's").documents == ()
    clock.set(FEBRUARY + DAY)
    billing.documents.run()
    (note,) = billing.ledger.correct("debit:d2", reason="somebody else's").documents

    (invoice, _) = billing.documents.documents()
    assert lines(invoice) == [("Repair", "20.00 USD"), ("Repair, refunded", "-10.00 USD"), ("VAT 20 %", "2.00 USD")]
    assert lines(note) == [("Repair, refunded", "-10.00 USD"), ("VAT 20 %", "-2.00 USD")]
    assert balance(billing, shop.customer) == "0.00 USD"
    assert_proved(billing)


def test_what_has_the_longest_key_is_corrected_once(billing: Billing, clock: FixedClock) -> None:
    """Although no other key has room for it; two such keys are told from each other."""
    shop, _ = postpaid_shop(billing)
    for key in ("d" * 506, "d" * 505 + "e"):
        billing.ledger.debit(shop.customer, Money("10", "USD"), reason="Repair", key=key)
    before = balance(billing, shop.customer)

    first = billing.ledger.correct("debit:" + "d" * 506, reason="wrong")
    again = billing.ledger.correct("debit:" + "d" * 506, reason="wrong")
    assert (again.posting, again.repeated) == (first.posting, True)
    billing.ledger.correct("debit:" + "d" * 505 + "e", reason="wrong")

    assert (before, balance(billing, shop.customer)) == ("-20.00 USD", "0.00 USD")
    assert_proved(billing)


def test_what_was_sold_in_a_closed_period_is_refunded_at_the_present(billing: Billing, clock: FixedClock) -> None:
    """What was reported stays as it was; nothing is posted into the period itself."""
    shop = chain(billing, distributor("0.02"))
    tax(billing, shop, 20)
    fund(billing, shop.customer)
    order = bought(billing, shop.customer, package(billing, shop.resellers[0], price="10"), 2).order
    january = billing.reports.profits(START, FEBRUARY)
    clock.set(FEBRUARY)
    billing.ledger.close_period(FEBRUARY)

    refunded = billing.orders.refund(order, 1, reason="unhappy", key="r1")

    assert refunded.posting.at == FEBRUARY
    assert billing.reports.profits(START, FEBRUARY) == january
    clock.set(FEBRUARY - DAY)
    before = everything(billing)
    with pytest.raises(PeriodClosed):
        billing.orders.refund(order, 1, reason="unhappy", key="r2")
    assert everything(billing) == before
    assert_proved(billing)


def test_what_is_refunded_counts_against_what_was_sold(billing: Billing) -> None:
    """In the profit by destination, and on the statement, which shows the refund, its tax and why."""
    shop = chain(billing)
    other = package(billing, shop.admin, "other", price="1", name="Another one")
    tax(billing, shop, 20)
    fund(billing, shop.customer)
    order = bought(billing, shop.customer, package(billing, shop.admin, price="10"), 3).order
    bought(billing, shop.customer, other, key="o2")
    billing.orders.refund(order, 1, reason="one was broken", key="r1")

    report = billing.reports.profit(shop.admin, START, FEBRUARY, destinations=True)
    assert {one.destination: str(one.amount) for one in report.rows} == {
        "A package": "20.00 USD",
        "Another one": "1.00 USD",
    }
    with billing.reports.statement(shop.customer, START, FEBRUARY) as statement:
        found = [(one.entry.reason, one.entry.description, str(one.amount)) for one in statement.lines]
    assert [one for one in found if one[0] is Reason.REFUND] == [
        (Reason.REFUND, "A package", "10.00 USD"),
        (Reason.REFUND, "one was broken", "2.00 USD"),
    ]
    assert profits(billing, shop.admin) == [["21.00 USD"]]
    assert_proved(billing)


def test_what_was_taken_back_twice_is_found(billing: Billing) -> None:
    """By the proof of documents, though all books agree: the same refund once more, behind the ledger's back."""
    shop = chain(billing)
    tax(billing, shop, 20)
    fund(billing, shop.customer)
    order = bought(billing, shop.customer, package(billing, shop.admin, price="10")).order
    refunded = billing.orders.refund(order, reason="unhappy", key="r1")
    assert_proved(billing)

    with billing.storage.begin() as uow:
        (document_id,) = uow.reserve_ids(1)
        changes = Changes(
            postings=[evolve(refunded.posting, key="refund:again")],
            documents=[evolve(one, id=document_id, number="CRN-000002") for one in refunded.documents],
            charges=[evolve(one, posting_key="refund:again", document_id=document_id) for one in refunded.charges],
        )
        uow.lock([shop.customer.id])
        uow.save(changes)

    assert list(map(str, billing.ledger.reconcile().discrepancies)) == [
        "credit notes for RCP-000001, charges: 20 is stored, 10 is proved",
        "credit notes for RCP-000001, VAT 20 %: 4 is stored, 2 is proved",
    ]
