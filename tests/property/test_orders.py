"""What an order costs on every level, over random trees, listings, currencies and taxes."""

from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.commerce import Business, businesses
from tests.property.shops import open_shop
from tests.services.books import everything, without_ids

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.fx import ExchangeRates
from astpp_billing.hierarchy import Account
from astpp_billing.ledger import Reason, Sale, movements
from astpp_billing.money import MAX_MICROS, Money, round_half_up
from astpp_billing.pricing import Agreement, NotOfferedReason
from astpp_billing.pricing.offers import agree
from astpp_billing.pricing.orders import NotSold, NotSoldReason, PricedOrder, price_order
from astpp_billing.services.orders import Purchased, Quote
from astpp_billing.services.selling import sell
from astpp_billing.testing import strategies as given_by
from astpp_billing.testing.strategies import CHANGES
from astpp_billing.testing.strategies import Sale as Offered
from astpp_billing.testing.worlds import START

quantities = st.integers(1, 1000)
AT = CHANGES[-1]


def agreed(offered: Offered) -> Agreement:
    found = agree(offered.path, offered.product, offered.version, offered.listings)
    assert isinstance(found, Agreement)
    return found


def by_id(offered: Offered) -> dict[int, Account]:
    return {account.id: account for account in offered.path}


def priced(offered: Offered, quantity: int, rates: ExchangeRates, **more: Any) -> PricedOrder:
    found = price_order(agreed(offered), by_id(offered), quantity, rates, AT, **more)
    assert isinstance(found, PricedOrder), found
    return found


def half_up(amount: Fraction) -> int:
    return round_half_up(amount.numerator, amount.denominator)


@given(given_by.sales(), quantities, given_by.exchange_rates(), st.booleans())
def test_each_level_is_converted_once(offered: Offered, quantity: int, rates: ExchangeRates, setup: bool) -> None:
    """Price and setup fee times the quantity, by the rate in force into the payer's currency, each rounded once."""
    order = priced(offered, quantity, rates, setup=setup)

    for level, agreed_level in zip(order.levels, agreed(offered).levels, strict=True):
        factor = rates.find(agreed_level.currency, level.payer.currency, AT).factor
        fee = agreed_level.setup_fee_micros if setup else 0
        assert (level.payer.id, level.payee.id) == (agreed_level.payer_id, agreed_level.payee_id)
        assert level.price_micros == half_up(agreed_level.price_micros * quantity * factor)
        assert level.setup_micros == half_up(fee * quantity * factor)
        assert level.currency == level.payer.currency
    assert order.total == Money.from_micros(order.levels[0].amount_micros, offered.path[0].currency)


@given(given_by.sales(), quantities, given_by.exchange_rates())
def test_no_micro_appears_or_disappears(offered: Offered, quantity: int, rates: ExchangeRates) -> None:
    """What the buyer pays is what everybody above is left with, in each currency by itself."""
    order = priced(offered, quantity, rates)
    sums: dict[str, int] = {}
    for bag in order.profits().values():
        for code, micros in bag.items():
            sums[code] = sums.get(code, 0) + micros

    paid = {order.total.currency: order.total.micros}
    assert {code: micros for code, micros in sums.items() if micros} == {code: m for code, m in paid.items() if m}


@given(given_by.sales(), quantities, given_by.exchange_rates())
def test_the_seller_above_a_run_funds_all_of_its_commissions(
    offered: Offered, quantity: int, rates: ExchangeRates
) -> None:
    """What all commission resellers of a run keep is the pool that the seller above them pays; nobody pays more."""
    order = priced(offered, quantity, rates)
    runs: list[list[Any]] = []
    for paid in order.commissions:
        if paid.source is not None:
            runs.append([])
            assert paid.pool_micros == order.levels[paid.source].amount_micros
        else:
            assert (paid.payer.id, paid.pool_micros) == (runs[-1][-1].receiver.id, runs[-1][-1].amount_micros)
        runs[-1].append(paid)
        assert 0 <= paid.amount_micros <= paid.conversion.apply(paid.pool_micros)
        assert paid.amount_micros == half_up(paid.pool_micros * Fraction(paid.percent) / 100 * paid.conversion.factor)

    for run in runs:
        kept: dict[str, int] = {}
        receivers = {paid.receiver.id for paid in run}
        for paid in run:
            kept[paid.currency] = kept.get(paid.currency, 0) + paid.amount_micros
            if paid.payer.id in receivers:
                kept[paid.currency] -= paid.amount_micros
        top = run[0]
        assert top.payer.id not in receivers
        assert {code: micros for code, micros in kept.items() if micros} == (
            {top.currency: top.amount_micros} if top.amount_micros else {}
        )


@given(given_by.sales(), quantities, given_by.exchange_rates(), st.fractions(0, 1))
def test_a_part_of_the_price_is_a_part_of_each_level(
    offered: Offered, quantity: int, rates: ExchangeRates, share: Fraction
) -> None:
    """A share of a period costs that share of the price on every level; the setup fee is not divided."""
    whole, part = priced(offered, quantity, rates), priced(offered, quantity, rates, share=share)

    for all_of_it, some in zip(whole.levels, part.levels, strict=True):
        factor = some.conversion.factor
        assert some.price_micros == half_up(some.agreed.price_micros * quantity * share * factor)
        assert some.setup_micros == all_of_it.setup_micros


@given(given_by.sales(), quantities, given_by.exchange_rates())
def test_charges_stand_for_the_first_transfers(offered: Offered, quantity: int, rates: ExchangeRates) -> None:
    """Each charge says what the transfer at its position moved; all that a sale moves is what its levels say."""
    order = priced(offered, quantity, rates)
    sale = Sale(key="k", fingerprint="f", reason=Reason.ORDER, name="A product", at=AT, priced=order)

    transfers, charges = sale.transfers(), sale.charges({offered.path[0].id: 7})

    assert [one.position for one in charges] == list(range(1, len(charges) + 1))
    for one in charges:
        moved = transfers[one.position - 1]
        assert (one.account_id, one.micros, one.currency) == (
            moved.source.account_id,
            moved.micros,
            moved.source.currency,
        )
        assert (one.document_id == 7) == (one.account_id == offered.path[0].id)
    assert sum(one.micros for one in charges) == sum(level.amount_micros for level in order.levels)
    moved_bags: dict[int, dict[str, int]] = {}
    for book, micros in movements(transfers).items():
        bag = moved_bags.setdefault(book.account_id, {})
        bag[book.currency] = bag.get(book.currency, 0) + micros
    for account_id, bag in order.profits().items():
        assert {code: micros for code, micros in moved_bags.get(account_id, {}).items() if micros} == bag


@given(given_by.sales(currencies=["USD", "EUR"]), quantities)
def test_a_missing_exchange_rate_refuses_and_names_who_pays(offered: Offered, quantity: int) -> None:
    """It is refused exactly where some conversion is needed."""
    found = price_order(agreed(offered), by_id(offered), quantity, ExchangeRates(), AT)

    accounts = by_id(offered)
    agreement = agreed(offered)
    needed = [level.payer_id for level in agreement.levels if level.currency != accounts[level.payer_id].currency]
    if needed:
        assert isinstance(found, NotSold)
        assert (found.reason, found.account.id) == (NotSoldReason.NO_EXCHANGE_RATE, needed[0])
    elif isinstance(found, NotSold):  # a pool that is converted
        assert found.reason is NotSoldReason.NO_EXCHANGE_RATE


@given(given_by.sales(currencies=["USD"]))
def test_an_amount_that_is_too_large_refuses(offered: Offered) -> None:
    """What no wallet could hold is not sold, and who would pay it is named."""
    agreement = agreed(offered)
    (*_, top) = agreement.levels
    huge = Agreement(
        tuple(type(top)(one.payer_id, one.payee_id, MAX_MICROS, 1, "USD") for one in agreement.levels),
        agreement.commissions,
    )

    found = price_order(huge, by_id(offered), 1, ExchangeRates(), AT)

    assert isinstance(found, NotSold)
    assert (found.reason, found.account) == (NotSoldReason.TOO_LARGE, offered.path[0])


@pytest.mark.parametrize("reason", NotOfferedReason)
def test_every_reason_not_to_offer_is_one_not_to_sell(reason: NotOfferedReason) -> None:
    """In the same words."""
    assert NotSoldReason(reason.value).name == reason.name


# with the services


@settings(max_examples=60)
@given(business=businesses(), data=st.data())
def test_a_purchase_does_what_the_quote_said(business: Business, data: st.DataObject) -> None:
    """Every level's price, fee, tax, total, commission and profit; who lacks money refuses; nothing else changes."""
    with ExitStack() as stack:
        billing = stack.enter_context(Billing.open("memory://", FixedClock(START)))
        shop, product = open_shop(billing, business, data)
        quantity = data.draw(st.integers(1, 5))
        for count in range(data.draw(st.integers(1, 3))):  # later ones carry the rounding of earlier ones
            billing.clock.advance(timedelta(seconds=1))  # type: ignore[attr-defined]
            before = everything(billing)
            wallets = {account.id: billing.ledger.balance(account).micros for account in shop.path}
            available = {account.id: billing.ledger.available(account).micros for account in shop.path}
            profits = {account.id: billing.ledger.profits(account) for account in shop.path}

            quote = billing.orders.quote(shop.customer, product, quantity)
            assert isinstance(quote, Quote)
            assert everything(billing) == before
            result = billing.orders.purchase(shop.customer, product, quantity, key=str(count))

            if quote.lacking is not None:
                assert result == quote.lacking
                assert everything(billing) == before
                continue
            assert isinstance(result, Purchased)
            receipts = {one.account_id: one for one in result.documents}
            for level in quote.levels:
                charged = sum(one.micros for one in result.charges if one.account_id == level.payer.id)
                assert charged == (level.price + level.setup_fee).micros
                assert level.total.micros <= available[level.payer.id]
                earned = sum(one.amount_micros for one in quote.commissions if one.receiver.id == level.payer.id)
                left = charged
                if level.payer.id in receipts:
                    assert receipts[level.payer.id].total == level.total
                    left = level.total.micros
                else:
                    assert level.total == level.price + level.setup_fee + level.tax
                assert billing.ledger.balance(level.payer).micros == wallets[level.payer.id] - left + earned
            for account in shop.path[1:]:
                bag = {code: money.micros for code, money in profits[account.id].items()}
                for code, micros in quote.profits[account.id].items():
                    bag[code] = bag.get(code, 0) + micros
                after = {code: money.micros for code, money in billing.ledger.profits(account).items()}
                assert after == {code: micros for code, micros in bag.items() if micros}
        assert billing.ledger.reconcile().discrepancies == ()


@settings(max_examples=20)
@given(business=businesses(), data=st.data())
def test_the_tax_is_that_of_the_issuer(business: Business, data: st.DataObject) -> None:
    """Of the exact net amount, rounded half-up once."""
    with Billing.open("memory://", FixedClock(START)) as billing:
        shop, product = open_shop(billing, business, data)
        quote = billing.orders.quote(shop.customer, product)
        assert isinstance(quote, Quote)
        taxes = dict(zip([shop.admin.id, *(one.id for one in shop.resellers)], business.taxes, strict=True))
        for level, path in zip(quote.levels, (shop.path[start:] for start in range(len(shop.path))), strict=False):
            issuer = next((one for one in path[1:] if not one.same_credential), path[-1])
            net = (level.price + level.setup_fee).micros
            assert level.tax.micros == half_up(net * Fraction(Decimal(taxes[issuer.id] or 0)) / 100)


class Terms:
    """What was drawn once, and can be drawn again, the same."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self._drawn: list[Any] = []
        self._next = 0

    def again(self) -> Any:
        self._next = 0
        return self

    def draw(self, strategy: Any) -> Any:
        if self._next == len(self._drawn):
            self._drawn.append(self._data.draw(strategy))
        self._next += 1
        return self._drawn[self._next - 1]


@settings(max_examples=40)
@given(business=businesses(), data=st.data(), cuts=st.sets(st.integers(1, 5)))
def test_many_sales_at_once_are_each_of_them(business: Business, data: st.DataObject, cuts: set[int]) -> None:
    """Who can pay, charges, receipts with their numbers and rounding: the same, however it is cut in transactions."""
    with ExitStack() as stack:
        single, many = (stack.enter_context(Billing.open("memory://", FixedClock(START))) for _ in range(2))
        results = []
        quantities_sold = data.draw(st.lists(st.integers(1, 3), min_size=6, max_size=6))
        terms = Terms(data)
        for billing, starts in ((single, set(range(6))), (many, cuts | {0})):
            shop, product = open_shop(billing, business, terms.again())
            accounts = {account.id: account for account in shop.path}
            agreement = billing.products.agreement(shop.customer, product)
            assert isinstance(agreement, Agreement)
            with billing.storage.snapshot() as uow:
                rates = ExchangeRates(uow.exchange_rates())
            sales = []
            for position, quantity in enumerate(quantities_sold):
                order = price_order(agreement, accounts, quantity, rates, START)
                assert isinstance(order, PricedOrder)
                key = f"order:{position}"
                sales.append(Sale(key=key, fingerprint="", reason=Reason.ORDER, name="It", at=START, priced=order))
            found: list[Any] = []
            ends = [*sorted(starts)[1:], 6]
            for start, end in zip(sorted(starts), ends, strict=True):
                with billing.storage.begin() as uow:
                    seen = uow.look(numbers=[shop.customer.number])
                    made = sell(uow, seen, sales[start:end], START)
                    uow.save(made.changes)
                    found += made.results
            results.append(([type(one) for one in found], without_ids(everything(billing))))
        assert results[0] == results[1]
        assert many.ledger.reconcile().discrepancies == ()
