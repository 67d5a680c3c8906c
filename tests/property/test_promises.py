"""The money that an authorisation promises: whatever is then settled, nobody has less than nothing available."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.commerce import CURRENCIES, Business, businesses, percents
from tests.property.sales import open_shelves
from tests.property.test_services import on_every_storage
from tests.services.granting import bought, give
from tests.services.holding import attempt, wallets

from astpp_billing.billing import Billing
from astpp_billing.calls import Approved, HoldPolicy, Purse, Settled
from astpp_billing.clock import FixedClock
from astpp_billing.hierarchy import BillingType, ReceiptMode
from astpp_billing.invoicing import Tax, assemble
from astpp_billing.ledger import Charge
from astpp_billing.money import Money, minor_step
from astpp_billing.testing.worlds import START, Chain, call

some = settings(max_examples=50)
steps = st.sampled_from([1, *(minor_step(code) for code in (*CURRENCIES, "KWD"))])
purses = st.builds(Purse, st.integers(-(10**6), 10**9), percents.map(Decimal), steps)


@given(purse=purses)
def test_the_most_that_can_be_paid_is_the_exact_inverse_of_what_a_price_needs(purse: Purse) -> None:
    """needed(most) ≤ available < needed(most + 1); who has less than nothing can still pay nothing."""
    available = max(0, purse.available_micros)

    assert purse.needed(0) == 0
    assert purse.needed(purse.most) <= available < purse.needed(purse.most + 1)


@given(price=st.integers(1, 10**9), currency=st.sampled_from([*CURRENCIES, "KWD"]), percent=percents, data=st.data())
def test_a_price_needs_what_its_receipt_bills_at_the_most(
    price: int, currency: str, percent: str, data: st.DataObject
) -> None:
    """With the rounding of any earlier receipts; and some of them lets it bill exactly that."""
    step = minor_step(currency)
    charge = Charge(account_id=1, posting_key="call", at=START, description="", micros=price, currency=currency)
    tax = Tax("VAT", Decimal(percent))
    least, most = 1 - step // 2, step // 2
    carried = data.draw(st.integers(least, most))

    billed, dearest = (assemble([charge], currency, tax, balance) for balance in (carried, least))

    assert least <= carried + billed.rounding_micros <= most  # whatever was carried, as much can be the next time
    assert billed.total_micros <= dearest.total_micros == Purse(0, tax.percent, step).needed(price)


# whole businesses

AT_ONCE = {"billing": BillingType.PREPAID, "receipts": ReceiptMode.EACH}
_picks = st.integers(0, 9)
_payers = st.sampled_from(["chain-customer"] * 8 + ["chain-1", "chain-2"])
_parts = st.sampled_from([Fraction(1)] * 4 + [Fraction(0), Fraction(1, 2)]) | st.fractions(0, 1, max_denominator=60)
_ARGUMENTS: dict[str, tuple[st.SearchStrategy[Any], ...]] = {
    "authorize": (_payers,),
    "extend": (_picks, st.sampled_from([1, 30, 400])),
    "settle": (st.lists(st.tuples(_picks, _parts), min_size=1, max_size=4),),
    "void": (_picks,),
    "refill": (st.integers(0, 3), st.integers(1, 10**6)),
    "grant": (st.integers(1, 100), st.integers(1, 4)),
    "purchase": (),
}
_OFTEN = 10 * ["authorize"] + 3 * ["extend"] + 5 * ["settle"] + 2 * ["grant"] + ["void", "refill", "purchase"]
Todo = list[tuple[str, tuple[Any, ...]]]


@st.composite
def commands(draw: st.DrawFn) -> Todo:
    """What may be done without taking anybody below nothing; a few calls are up at the same time."""
    names = draw(st.lists(st.sampled_from(_OFTEN), min_size=10, max_size=30))
    return [(name, tuple(draw(argument) for argument in _ARGUMENTS[name])) for name in names]


@frozen
class Shops:
    """A business, and what its payers have from the customer up: money in micros, and credit."""

    business: Business
    funds: tuple[int, ...]
    credit: tuple[str, ...]

    def open(self, billing: Billing) -> Chain:
        shop = self.business.open(billing)
        open_shelves(billing, shop)
        for account, micros, limit in zip(shop.path[:-1], self.funds, self.credit, strict=False):
            billing.accounts.change(account, credit_limit=limit)
            if micros:
                billing.ledger.refill(account, Money.from_micros(micros, account.currency), key=account.number)
        for reseller in shop.resellers:
            billing.accounts.change(reseller, loss_less_routing=True)
        return shop


@st.composite
def shops(draw: st.DrawFn) -> Shops:
    """One payer has little money, and most of them get a receipt at once that has a tax."""
    business = draw(businesses())
    price = draw(st.decimals("0.01", "0.6", places=4).map(str))
    taxes = tuple(draw(st.just(tax) | percents) for tax in business.taxes)
    usual = draw(st.sampled_from([AT_ONCE, AT_ONCE, {}]))
    resellers = tuple(evolve(one, options={**one.options, **usual}) for one in business.resellers)
    business = evolve(business, customer=business.customer | usual, price=price, taxes=taxes, resellers=resellers)
    little = st.integers(0, 12).map(lambda halves: halves * 5_000) | st.integers(0, 50_000) | st.integers(0, 10**6)
    poor = draw(st.sampled_from([0, 0, 1, 2, 3])) % (len(resellers) + 1)
    funds = [draw(little) if place == poor else 10**9 for place in range(4)]
    yen = [100 if one["currency"] == "JPY" else 1 for one in (business.customer, *(r.options for r in resellers[::-1]))]
    funds = [micros * factor for micros, factor in zip(funds, yen, strict=False)]
    credit = draw(st.lists(st.sampled_from(["0", "0.10", "2"]), min_size=4, max_size=4))
    return Shops(business, tuple(funds), tuple(credit))


class Counter:
    """A business in which calls last only as long as their holds pay for."""

    def __init__(self, billing: Billing, shop: Chain) -> None:
        self.billing = billing
        self.shop = shop
        self.up: list[tuple[str, str, int]] = []
        """The calls that are up: payer, leg, and how many seconds are paid for."""

    def check_available(self) -> None:
        payers = {account.id for account in self.shop.path[:-1]}
        for one in wallets(self.billing):
            assert one.available_micros >= 0 or one.account_id not in payers, one

    def authorize(self, index: int, who: str) -> None:
        result = self.billing.calls.authorize(attempt(call(who, leg=f"{index}", number="441")))
        if isinstance(result, Approved):
            assert result.hold.seconds <= result.max_seconds
            self.up.append((who, f"{index}", result.hold.seconds))

    def extend(self, _index: int, pick: int, seconds: int) -> None:
        if self.up:
            who, leg, before = self.up[pick % len(self.up)]
            result = self.billing.calls.extend(call(leg=leg).key, before + seconds)
            if isinstance(result, Approved):
                self.up[pick % len(self.up)] = who, leg, result.hold.seconds

    def settle(self, _index: int, picks: list[tuple[int, Fraction]]) -> None:
        """Several at once, in any order, each for a part of what was approved."""
        records = []
        for pick, part in picks[: len(self.up)]:
            who, leg, approved = self.up.pop(pick % len(self.up))
            records.append(call(who, int(approved * part), leg=leg, number="441"))
        for result in self.billing.calls.settle_many(records):
            assert isinstance(result, Settled)

    def void(self, _index: int, pick: int) -> None:
        if self.up:
            _, leg, _ = self.up.pop(pick % len(self.up))
            self.billing.calls.void(call(leg=leg).key)

    def refill(self, index: int, place: int, micros: int) -> None:
        account = self.shop.path[place % (len(self.shop.path) - 1)]
        self.billing.ledger.refill(account, Money.from_micros(micros, account.currency), key=f"{index}")

    def grant(self, index: int, seconds: int, levels: int) -> None:
        """Minutes that all from the customer up to some seller were sold."""
        given = bought(self.shop, seconds, levels=min(levels, len(self.shop.path) - 1), order_id=10**6 + index)
        give(self.billing, given)

    def purchase(self, index: int) -> None:
        box = self.billing.products.get("box")
        self.billing.orders.purchase(self.shop.customer, box, key=f"{index}")


@on_every_storage
@some
@given(shops=shops(), todo=commands(), slice_seconds=st.sampled_from([7, 60]))
def test_nobody_has_less_than_nothing_available_because_of_what_was_authorised(
    url: str, shops: Shops, todo: Todo, slice_seconds: int
) -> None:
    """Rules 5: authorisations and purchases can never take `available` below zero, nor can what comes of them.

    Whatever taxes there are, however payers are billed, and in any order: calls that were authorised, extended, and
    settled for at most as long as their holds pay for.
    """
    with Billing.open(url, FixedClock(START), policy=HoldPolicy(slice_seconds=slice_seconds)) as billing:
        counter = Counter(billing, shops.open(billing))
        for index, (name, arguments) in enumerate(todo):
            getattr(counter, name)(index, *arguments)
            counter.check_available()
        counter.settle(0, [(0, Fraction(1))] * len(counter.up))
        counter.check_available()
        assert not billing.calls.holds()
        assert billing.ledger.reconcile().agrees


@on_every_storage
@some
@given(shops=shops(), earlier=st.lists(st.integers(1, 60), max_size=3))
def test_a_call_that_nobody_stands_in_the_way_of_may_last_as_long_as_was_said(
    url: str, shops: Shops, earlier: list[int]
) -> None:
    """Though the hold pays for its first slice only, the money for `max_seconds` is there; rounding is carried."""
    with Billing.open(url, FixedClock(START), policy=HoldPolicy(slice_seconds=60)) as billing:
        counter = Counter(billing, shops.open(billing))
        for index, seconds in enumerate((*earlier, 0)):
            result = billing.calls.authorize(attempt(call("chain-customer", leg=f"{index}", number="441")))
            if isinstance(result, Approved):
                lasts = min(seconds or result.max_seconds, result.max_seconds)
                billing.calls.settle(call("chain-customer", lasts, leg=f"{index}", number="441"))
            counter.check_available()
