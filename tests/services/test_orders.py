"""Buying products: every level pays, in one posting, or nobody does (rules, sections 4, 5 and 7)."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from tests.services.books import assert_no_gaps, balance, everything, moved, totals
from tests.services.holding import approved, attempt

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import IdempotencyConflict, InexactAmount, InvalidValue, NotFound, StorageBusy
from astpp_billing.fx import ExchangeRates
from astpp_billing.hierarchy import Account, BillingType, Path, ReceiptMode
from astpp_billing.invoicing import Tax
from astpp_billing.ledger import Book, ChargeKind, Order, Reason, Sale
from astpp_billing.money import Money
from astpp_billing.ports import UnitOfWork
from astpp_billing.pricing import Category, Product, ProductVersion
from astpp_billing.pricing.orders import MAX_QUANTITY, NotSold, NotSoldReason, PricedOrder, price_order
from astpp_billing.services.orders import Orders, Purchased, Quote
from astpp_billing.services.prices import PriceBook
from astpp_billing.services.selling import sell
from astpp_billing.testing.worlds import START, Chain, chain, commission, distributor


def fund(billing: Billing, *accounts: Account, amount: str = "200") -> None:
    for account in accounts:
        billing.ledger.refill(account, Money(amount, account.currency), key=f"fund {account.id}")


def package(billing: Billing, owner: Account, code: str = "package", **terms: Any) -> Product:
    known: dict[str, Any] = {"name": "A package", "price": "100", "category": Category.PACKAGE}
    return billing.products.create(owner, code, **known | terms)


def bought(billing: Billing, buyer: Account, product: Product, quantity: int = 1, *, key: str = "o1") -> Purchased:
    result = billing.orders.purchase(buyer, product, quantity, key=key)
    assert isinstance(result, Purchased), result
    return result


def refused(billing: Billing, buyer: Account, product: Product, quantity: int = 1, *, key: str = "o1") -> NotSold:
    result = billing.orders.purchase(buyer, product, quantity, key=key)
    assert isinstance(result, NotSold), result
    return result


def quoted(billing: Billing, buyer: Account, product: Product, quantity: int = 1) -> Quote:
    result = billing.orders.quote(buyer, product, quantity)
    assert isinstance(result, Quote), result
    return result


def profits(billing: Billing, *accounts: Account) -> list[list[str]]:
    return [[str(money) for money in billing.ledger.profits(account).values()] for account in accounts]


@pytest.fixture
def shop(billing: Billing) -> Chain:
    """An admin, a distributor that lists the package at 130, and a customer; both have 200."""
    opened = chain(billing, distributor("0.02"))
    fund(billing, opened.resellers[0], opened.customer)
    return opened


@pytest.fixture
def product(billing: Billing, shop: Chain) -> Product:
    made = package(billing, shop.admin, setup_fee="5")
    billing.products.opt_in(shop.resellers[0], made, price="130", setup_fee="8")
    return made


def test_the_first_example_of_the_rules(billing: Billing) -> None:
    """Two commission resellers pass 100 on; the upper one is paid 10 and pays 1 of it to the lower one."""
    shop = chain(billing, commission(10), commission(10))
    upper, lower = shop.resellers
    made = package(billing, shop.admin, commission_percent=10)
    for reseller in shop.resellers:
        billing.products.opt_in(reseller, made)
    fund(billing, *shop.path[:-1])

    order = bought(billing, shop.customer, made).order

    customer, admin = shop.customer.id, shop.admin.id
    assert moved(billing.ledger.posting(order.posting_key)) == [
        (customer, Book.WALLET, lower.id, Book.REVENUE, 100_000_000, "USD"),
        (lower.id, Book.WALLET, upper.id, Book.REVENUE, 100_000_000, "USD"),
        (upper.id, Book.WALLET, admin, Book.REVENUE, 100_000_000, "USD"),
        (admin, Book.COMMISSION, upper.id, Book.WALLET, 10_000_000, "USD"),
        (upper.id, Book.COMMISSION, lower.id, Book.WALLET, 1_000_000, "USD"),
    ]
    assert profits(billing, shop.admin, upper, lower) == [["90.00 USD"], ["9.00 USD"], ["1.00 USD"]]
    assert [balance(billing, each) for each in shop.path] == ["100.00 USD", "101.00 USD", "110.00 USD", "0.00 USD"]
    assert billing.ledger.reconcile().discrepancies == ()


def test_the_second_example_of_the_rules(billing: Billing) -> None:
    """A distributor lists at 130 what it buys at 100, and pays the commission reseller below it 20 percent."""
    shop = chain(billing, distributor("0.02"), commission(20))
    dealer, agent = shop.resellers
    made = package(billing, shop.admin, commission_percent=10)
    billing.products.opt_in(dealer, made, price="130", commission_percent=20)
    billing.products.opt_in(agent, made)
    fund(billing, *shop.path[:-1])

    order = bought(billing, shop.customer, made).order

    assert moved(billing.ledger.posting(order.posting_key)) == [
        (shop.customer.id, Book.WALLET, agent.id, Book.REVENUE, 130_000_000, "USD"),
        (agent.id, Book.WALLET, dealer.id, Book.REVENUE, 130_000_000, "USD"),
        (dealer.id, Book.WALLET, shop.admin.id, Book.REVENUE, 100_000_000, "USD"),
        (dealer.id, Book.COMMISSION, agent.id, Book.WALLET, 26_000_000, "USD"),
    ]
    assert profits(billing, shop.admin, dealer, agent) == [["100.00 USD"], ["4.00 USD"], ["26.00 USD"]]
    assert [balance(billing, each) for each in shop.path] == ["70.00 USD", "96.00 USD", "100.00 USD", "0.00 USD"]


def test_what_is_bought_is_charged_on_every_level(
    billing: Billing, clock: FixedClock, shop: Chain, product: Product
) -> None:
    """Price and setup fee are charges of their own, each prepaid payer gets a receipt, and the order is kept."""
    (dealer,) = shop.resellers

    result = bought(billing, shop.customer, product, key="first")

    kinds = [(one.account_id, one.kind, one.description, str(one.amount), one.detail) for one in result.charges]
    assert kinds == [
        (shop.customer.id, ChargeKind.PRODUCT, "A package", "130.00 USD", "1 × 130.00 USD"),
        (shop.customer.id, ChargeKind.SETUP, "A package, setup fee", "8.00 USD", "1 × 8.00 USD"),
        (dealer.id, ChargeKind.PRODUCT, "A package", "100.00 USD", "1 × 100.00 USD"),
        (dealer.id, ChargeKind.SETUP, "A package, setup fee", "5.00 USD", "1 × 5.00 USD"),
    ]
    assert [(one.account_id, str(one.total)) for one in result.documents] == [
        (shop.customer.id, "138.00 USD"),
        (dealer.id, "105.00 USD"),
    ]
    assert [line.description for line in result.documents[0].lines] == ["A package", "A package, setup fee"]
    order = result.order
    assert (order.key, order.buyer_id, order.product_id, order.version) == ("first", shop.customer.id, product.id, 1)
    assert (order.quantity, order.at, order.posting_key) == (1, clock.now(), "order:first")
    assert billing.ledger.posting("order:first").reason is Reason.ORDER
    assert billing.orders.get("first") == order
    assert list(billing.orders.orders()) == list(billing.orders.orders(shop.customer)) == [order]
    assert list(billing.orders.orders(dealer)) == []
    assert billing.ledger.reconcile().discrepancies == ()


def test_many_are_paid_at_once(billing: Billing, shop: Chain, product: Product) -> None:
    """The quantity multiplies price and setup fee."""
    fund_more = Money("1000", "USD")
    for account in (shop.customer, shop.resellers[0]):
        billing.ledger.refill(account, fund_more, key=f"more {account.id}")

    result = bought(billing, shop.customer, product, 3)

    assert [str(one.amount) for one in result.charges] == ["390.00 USD", "24.00 USD", "300.00 USD", "15.00 USD"]
    assert result.charges[0].detail == "3 × 130.00 USD"


def test_a_reseller_buys_for_itself(billing: Billing, shop: Chain, product: Product) -> None:
    """What it pays is its parent's price; nobody below has anything to do with it."""
    (dealer,) = shop.resellers

    result = bought(billing, dealer, product)

    assert [(one.account_id, str(one.amount)) for one in result.charges] == [
        (dealer.id, "100.00 USD"),
        (dealer.id, "5.00 USD"),
    ]
    assert balance(billing, shop.customer) == "200.00 USD"


def test_a_product_of_a_reseller_ends_at_its_owner(billing: Billing, shop: Chain) -> None:
    """Whoever is above the owner pays nothing, and is paid nothing."""
    (dealer,) = shop.resellers
    made = package(billing, dealer, price="50")

    result = bought(billing, shop.customer, made)

    assert [(one.account_id, str(one.amount)) for one in result.charges] == [(shop.customer.id, "50.00 USD")]
    assert profits(billing, shop.admin, dealer) == [[], ["50.00 USD"]]


def test_a_price_is_converted_once_for_each_payer(billing: Billing) -> None:
    """By the exchange rate in force, from the seller's listing into the payer's wallet; the charge tells it."""
    billing.prices.set_exchange_rate("EUR", "USD", "1.25", valid_from=START - timedelta(days=1), source="bank")
    shop = chain(billing, distributor("0.02", currency="EUR"), currency="USD", price="0.06")
    made = package(billing, shop.admin)
    billing.products.opt_in(shop.resellers[0], made, price="125.01", currency="USD")
    fund(billing, *shop.path[:-1])

    result = bought(billing, shop.customer, made)

    assert [str(one.amount) for one in result.charges] == ["100.008 EUR", "80.00 EUR"]
    assert "1 EUR = 1.25 USD" in result.charges[0].detail
    assert "(bank)" in result.charges[0].detail


def test_a_postpaid_payer_is_charged_and_gets_its_document_later(billing: Billing, clock: FixedClock) -> None:
    """Its charge waits for the invoice, with the tax; a reseller whose receipts are gathered waits, too."""
    shop = chain(billing, distributor("0.02", receipts=ReceiptMode.MONTHLY), billing=BillingType.POSTPAID)
    billing.accounts.change(shop.customer, credit_limit=150)
    billing.accounts.configure_invoices(shop.resellers[0], tax=Tax("VAT", Decimal(10)))
    fund(billing, shop.resellers[0])
    made = package(billing, shop.admin)
    billing.products.opt_in(shop.resellers[0], made, price="130")

    result = bought(billing, shop.customer, made)

    assert [one.document_id for one in result.charges] == [None, None]
    assert result.documents == ()
    assert balance(billing, shop.customer) == "-130.00 USD"
    clock.set(START + timedelta(days=31))
    billing.documents.run()
    assert [str(one.total) for one in billing.documents.documents()] == ["100.00 USD", "143.00 USD"]
    assert balance(billing, shop.customer) == "-143.00 USD"
    again = bought(billing, shop.customer, made)
    assert again == Purchased(result.order, result.charges, (), repeated=True)


def test_the_tax_must_be_there_too(billing: Billing, shop: Chain, product: Product) -> None:
    """What a receipt bills, and not only the price, must be available."""
    billing.accounts.configure_invoices(shop.resellers[0], tax=Tax("VAT", Decimal(50)))
    before = everything(billing)

    refusal = refused(billing, shop.customer, product)

    assert (refusal.reason, refusal.account.id) == (NotSoldReason.NO_MONEY, shop.customer.id)
    assert refusal.detail == f"account {shop.customer.number} needs 207.00 USD, and has 200.00 USD"
    assert everything(billing) == before
    billing.ledger.refill(shop.customer, Money("7", "USD"), key="more")
    assert totals(list(bought(billing, shop.customer, product).documents)) == [
        ("RCP-000001", "207.00 USD"),
        ("RCP-000001", "105.00 USD"),
    ]
    assert balance(billing, shop.customer) == "0.00 USD"


def test_the_tax_of_a_postpaid_payer_must_be_within_its_credit(billing: Billing, shop: Chain, product: Product) -> None:
    """Its document will add it."""
    billing.accounts.configure_invoices(shop.resellers[0], tax=Tax("VAT", Decimal(50)))
    postpaid = billing.accounts.open_customer(
        shop.resellers[0], number="late", billing=BillingType.POSTPAID, credit_limit="206.99"
    )

    assert refused(billing, postpaid, product).account.id == postpaid.id
    billing.accounts.change(postpaid, credit_limit=207)
    assert bought(billing, postpaid, product).documents[0].account_id == shop.resellers[0].id


def test_a_reseller_without_money_stops_the_sale(billing: Billing, shop: Chain, product: Product) -> None:
    """The refusal names the level; nobody is charged, and the key may be used again."""
    (dealer,) = shop.resellers
    bought(billing, dealer, product, key="its own")
    before = everything(billing)

    refusal = refused(billing, shop.customer, product)

    assert (refusal.reason, refusal.account.id) == (NotSoldReason.NO_MONEY, dealer.id)
    assert everything(billing) == before
    with pytest.raises(NotFound):
        billing.orders.get("o1")
    billing.ledger.refill(dealer, Money("10", "USD"), key="more")
    assert bought(billing, shop.customer, product).repeated is False
    assert balance(billing, dealer) == "0.00 USD"


def test_a_commission_pays_for_nothing(billing: Billing) -> None:
    """Each level is paid of the payer's own money: what it will be paid for the same sale does not count."""
    shop = chain(billing, commission(50))
    made = package(billing, shop.admin, commission_percent=50)
    billing.products.opt_in(shop.resellers[0], made)
    fund(billing, shop.customer)
    fund(billing, shop.resellers[0], amount="99.99")

    assert refused(billing, shop.customer, made).account.id == shop.resellers[0].id


def test_what_is_held_cannot_be_spent(billing: Billing, shop: Chain) -> None:
    """Money that is reserved for a call is not available."""
    approved(billing, attempt(shop.call(60)))
    available = billing.ledger.available(shop.customer)
    assert available < billing.ledger.balance(shop.customer)
    made = package(billing, shop.resellers[0], price=str(available.amount))
    dearer = package(billing, shop.resellers[0], "dearer", price=str((available + Money("0.01", "USD")).amount))

    assert refused(billing, shop.customer, dearer).reason is NotSoldReason.NO_MONEY
    assert bought(billing, shop.customer, made).order.product_id == made.id


def test_what_lapsed_holds_reserve_is_there_for_a_purchase(billing: Billing, clock: FixedClock) -> None:
    """Also those of the sellers; as authorising does, before it refuses."""
    shop = chain(billing, distributor("0.03"), price="0.06")
    product = package(billing, shop.admin, price="10")
    billing.products.opt_in(shop.resellers[0], product, price="10")
    fund(billing, *shop.path[:-1], amount="10")
    hold = approved(billing, attempt(shop.call())).hold
    assert refused(billing, shop.customer, product).account == shop.customer
    clock.set(hold.expires_at)

    assert quoted(billing, shop.customer, product).lacking is None
    assert billing.calls.holds()  # a quote changes nothing
    bought(billing, shop.customer, product)

    assert [balance(billing, account) for account in shop.path[:-1]] == ["0.00 USD", "0.00 USD"]
    assert not billing.calls.holds()


def test_the_same_order_again_gives_the_first_result(billing: Billing, shop: Chain, product: Product) -> None:
    """Nothing is charged twice, whatever has become of prices and accounts."""
    first = bought(billing, shop.customer, product)
    billing.products.opt_out(shop.resellers[0], product)
    billing.accounts.change(shop.customer, receipts=ReceiptMode.DAILY)
    before = everything(billing)

    again = bought(billing, shop.customer, product)

    assert again == Purchased(first.order, first.charges, first.documents, repeated=True)
    assert everything(billing) == before


def test_another_order_under_the_same_key_is_a_conflict(billing: Billing, shop: Chain, product: Product) -> None:
    """Buyer, product and quantity are what tells two orders apart."""
    bought(billing, shop.customer, product)
    other = package(billing, shop.resellers[0], code="other", price="1")
    before = everything(billing)

    for buyer, what, quantity in (
        (shop.resellers[0], product, 1),
        (shop.customer, other, 1),
        (shop.customer, product, 2),
    ):
        with pytest.raises(IdempotencyConflict, match="'o1' was used before"):
            billing.orders.purchase(buyer, what, quantity, key="o1")
    assert everything(billing) == before


def test_a_product_for_nothing_is_an_order_without_a_posting(billing: Billing, shop: Chain) -> None:
    """It is kept, and found again by its key."""
    made = package(billing, shop.resellers[0], price="0")

    first = bought(billing, shop.customer, made)

    assert (first.charges, first.documents) == ((), ())
    assert bought(billing, shop.customer, made) == Purchased(first.order, (), (), repeated=True)
    with pytest.raises(NotFound):
        billing.ledger.posting(first.order.posting_key)


@pytest.mark.parametrize(
    ("quantity", "error"),
    [
        (0, InvalidValue),
        (-1, InvalidValue),
        (MAX_QUANTITY + 1, InvalidValue),
        (1.0, InexactAmount),
        ("1", InexactAmount),
    ],
)
def test_a_wrong_quantity_is_refused(
    billing: Billing, shop: Chain, product: Product, quantity: Any, error: type[Exception]
) -> None:
    """By name, and nothing is changed."""
    before = everything(billing)
    with pytest.raises(error, match="order"):
        billing.orders.purchase(shop.customer, product, quantity, key="o1")
    with pytest.raises(error, match="order"):
        billing.orders.quote(shop.customer, product, quantity)
    assert everything(billing) == before


@pytest.mark.parametrize("key", ["", "k" * 507, 7])
def test_a_key_that_is_none_is_refused(billing: Billing, shop: Chain, product: Product, key: Any) -> None:
    """The posting's key must be one, too."""
    with pytest.raises(InvalidValue, match="idempotency key"):
        billing.orders.purchase(shop.customer, product, key=key)


def test_what_is_not_sold_is_refused_by_name(
    billing: Billing, clock: FixedClock, shop: Chain, product: Product
) -> None:
    """Not listed, not below the owner, withdrawn, closed, too much for one amount: a value, and nothing is changed."""
    (dealer,) = shop.resellers
    unlisted = package(billing, shop.admin, "unlisted")
    elsewhere = package(billing, billing.accounts.open_admin("Other", number="other", currency="USD"), "elsewhere")
    dear = package(billing, dealer, "dear", price="9000000000000")
    gone = billing.products.withdraw(package(billing, dealer, "gone"))
    closed = billing.accounts.open_customer(dealer, number="closed")
    billing.accounts.close(closed)
    before = everything(billing)

    for buyer, what, quantity, reason, account in (
        (shop.customer, unlisted, 1, NotSoldReason.NOT_LISTED, dealer),
        (shop.customer, elsewhere, 1, NotSoldReason.NOT_BELOW_OWNER, shop.customer),
        (shop.customer, gone, 1, NotSoldReason.WITHDRAWN, dealer),
        (shop.customer, dear, 2, NotSoldReason.TOO_LARGE, shop.customer),
        (closed, product, 1, NotSoldReason.CLOSED, closed),
        (shop.provider, product, 1, NotSoldReason.NOT_BELOW_OWNER, shop.provider),
        (shop.admin, product, 1, NotSoldReason.OWN, shop.admin),
    ):
        for result in (billing.orders.quote(buyer, what, quantity), refused(billing, buyer, what, quantity)):
            assert isinstance(result, NotSold)
            assert (result.reason, result.account.id) == (reason, account.id)
            assert {result.account.number, what.code} & {*re.findall(r"[\w-]+", result.detail)}
    assert everything(billing) == before


def test_who_or_what_does_not_exist_is_not_found(billing: Billing, shop: Chain, product: Product) -> None:
    """It is an error, which names it."""
    with pytest.raises(NotFound, match="nobody"):
        billing.orders.purchase(evolve(shop.customer, id=999, number="nobody"), product, key="o1")
    with pytest.raises(NotFound, match="999"):
        billing.orders.purchase(shop.customer, evolve(product, id=999), key="o1")


def test_a_missing_exchange_rate_refuses(billing: Billing, shop: Chain) -> None:
    """It is never 1."""
    made = package(billing, shop.resellers[0], currency="JPY")

    refusal = refused(billing, shop.customer, made)

    assert (refusal.reason, refusal.account.id) == (NotSoldReason.NO_EXCHANGE_RATE, shop.customer.id)
    assert "JPY" in refusal.detail


def test_a_quote_tells_every_level_and_changes_nothing(billing: Billing, shop: Chain, product: Product) -> None:
    """Price, setup fee, tax, total and profit; who lacks money is named, and no refusal of the quote."""
    billing.accounts.configure_invoices(shop.resellers[0], tax=Tax("VAT", Decimal(10)))
    before = everything(billing)

    quote = quoted(billing, shop.customer, product)

    assert [(one.payer.id, one.payee.id, str(one.price), str(one.setup_fee)) for one in quote.levels] == [
        (shop.customer.id, shop.resellers[0].id, "130.00 USD", "8.00 USD"),
        (shop.resellers[0].id, shop.admin.id, "100.00 USD", "5.00 USD"),
    ]
    assert [(str(one.tax), str(one.total)) for one in quote.levels] == [
        ("13.80 USD", "151.80 USD"),
        ("0.00 USD", "105.00 USD"),
    ]
    assert quote.profits == {shop.admin.id: {"USD": 105_000_000}, shop.resellers[0].id: {"USD": 33_000_000}}
    assert (str(quote.total), quote.commissions, quote.lacking) == ("151.80 USD", (), None)
    lacking = quoted(billing, shop.customer, product, 2).lacking
    assert lacking == refused(billing, shop.customer, product, 2)
    assert everything(billing) == before


def test_receipts_have_no_gaps_and_carry_their_rounding(billing: Billing, shop: Chain) -> None:
    """Whoever buys for fractions of a cent pays whole cents in the end."""
    made = package(billing, shop.resellers[0], price="0.004")

    sums = [bought(billing, shop.customer, made, key=str(count)).documents[0].total for count in range(5)]

    assert [str(one) for one in sums] == ["0.00 USD", "0.01 USD", "0.00 USD", "0.01 USD", "0.00 USD"]
    assert_no_gaps(billing)
    assert billing.ledger.reconcile().discrepancies == ()


def test_what_a_purchase_brings_about_is_done_with_it(billing: Billing, shop: Chain, product: Product) -> None:
    """In the same transaction, after the order is saved, once for each order: where it fails, nothing was bought."""
    told: list[tuple[Any, ...]] = []

    def note(uow: UnitOfWork, order: Order, version: ProductVersion, path: Path, now: datetime) -> None:
        assert uow.find_order(order.key) == order
        assert uow.find_posting(order.posting_key) is not None
        told.append((order.key, version.name, [account.id for account in path], now))

    def fail(*arguments: Any) -> None:
        raise InvalidValue("it cannot be brought about")

    before = everything(billing)
    failing = Orders(billing.storage, billing.clock, PriceBook(), [fail])
    with pytest.raises(InvalidValue, match="brought about"):
        failing.purchase(shop.customer, product, key="o1")
    assert everything(billing) == before

    noting = Orders(billing.storage, billing.clock, PriceBook(), [note])
    for _ in range(2):
        assert isinstance(noting.purchase(shop.customer, product, key="o1"), Purchased)
    assert told == [("o1", "A package", [account.id for account in shop.path], billing.clock.now())]


def test_an_account_that_has_changed_meanwhile_is_looked_at_again(billing: Billing, shop: Chain) -> None:
    """What was decided by what it was before is thrown away, before anything is saved."""
    made = package(billing, shop.resellers[0], price="1")
    quote = quoted(billing, shop.customer, made)
    priced = price_order(quote.agreement, {each.id: each for each in shop.path}, 1, ExchangeRates(), START)
    assert isinstance(priced, PricedOrder)
    sale = Sale(key="k", fingerprint="f", reason=Reason.ORDER, name="A package", at=START, priced=priced)
    with billing.storage.begin() as uow:
        seen = uow.look(numbers=[shop.customer.number])
        uow.update_account(evolve(shop.customer, receipts=ReceiptMode.DAILY))
        with pytest.raises(StorageBusy, match="changed meanwhile"):
            sell(uow, seen, [sale], START)


@pytest.mark.slow
def test_threads_never_overspend(shared_url: str) -> None:
    """Eight at once buy with little money: as many as there is money for on both levels, and not one more."""
    with ExitStack() as stack:
        several = [stack.enter_context(Billing.open(shared_url, FixedClock(START))) for _ in range(8)]
        billing = several[0]
        shop = chain(billing, distributor("0.02"))
        made = package(billing, shop.admin, price="10")
        billing.products.opt_in(shop.resellers[0], made, price="12")
        others = [billing.accounts.open_customer(shop.resellers[0], number=f"c{index}") for index in range(3)]
        fund(billing, shop.customer, *others, amount="60")
        fund(billing, shop.resellers[0], amount="75")

        def buy(position: int) -> bool:
            buyer = (shop.customer, *others)[position % 4]
            return isinstance(several[position % 8].orders.purchase(buyer, made, key=str(position)), Purchased)

        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(buy, range(32)))

        assert sum(done) == 7
        assert balance(billing, shop.resellers[0]) == "5.00 USD"
        assert all(billing.ledger.balance(each).micros >= 0 for each in (shop.customer, *others))
        assert len(billing.orders.orders()) == 7
        assert billing.ledger.reconcile().discrepancies == ()
        assert_no_gaps(billing)


@pytest.mark.slow
def test_the_same_order_by_many_threads_is_placed_once(shared_url: str) -> None:
    """All of them get the first result."""
    with ExitStack() as stack:
        several = [stack.enter_context(Billing.open(shared_url, FixedClock(START))) for _ in range(8)]
        billing = several[0]
        shop = chain(billing, distributor("0.02"))
        free, paid = package(billing, shop.resellers[0], "free", price="0"), package(billing, shop.resellers[0])
        fund(billing, shop.customer)

        for made, key in ((free, "free"), (paid, "paid")):
            with ThreadPoolExecutor(8) as pool:
                done = list(pool.map(lambda one: bought(one, shop.customer, made, key=key), several))  # noqa: B023
            assert [one.repeated for one in done].count(False) == 1
            assert len({one.order.id for one in done}) == 1
        assert balance(billing, shop.customer) == "100.00 USD"
