"""What comes by itself is what would be bought by hand: random resellers, products, rate groups and money."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.commerce import DAY, Business, businesses, percents
from tests.services.books import everything, without_ids

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import BillingError
from astpp_billing.hierarchy import Account
from astpp_billing.money import Money
from astpp_billing.pricing import Category, Product
from astpp_billing.pricing.orders import NotSold
from astpp_billing.services.applying import Applied, Failed, NotApplied
from astpp_billing.testing.worlds import START

GROUPS = ("chain-customer", "chain-1", "gold")
PLENTY = 10**12

groups = st.sampled_from([*GROUPS, None])
amounts = st.integers(0, 20_000).map(lambda thousandths: f"{thousandths / 1000:.3f}")  # shown exactly: no money yet


@frozen
class Shelf:
    """One product: who sells it, with which groups it comes, for how much, and who of the resellers lists it."""

    owner: int
    groups: tuple[str, ...]
    price: str
    share: str
    listed: tuple[bool, ...]


@frozen
class World:
    """A business, what is sold in it, further customers by what they pay by, and the money of everybody."""

    business: Business
    shelves: tuple[Shelf, ...]
    others: tuple[tuple[int, str | None], ...]
    funds: tuple[int, ...]

    def open(self, billing: Billing) -> None:
        shop = self.business.open(billing)
        sellers = (shop.admin, *shop.resellers)
        billing.prices.add_group("gold", shop.admin)
        for name in ("chain-1",) if not shop.resellers or shop.resellers[0].is_commission_reseller else ():
            billing.prices.add_group(name, shop.admin)
        for count, (parent, group) in enumerate(self.others):
            billing.accounts.open_customer(sellers[parent % len(sellers)], number=f"other {count}", rate_group=group)
        for count, shelf in enumerate(self.shelves):
            owners = [index for index, each in enumerate(sellers) if not each.is_commission_reseller]
            owner = owners[shelf.owner % len(owners)]
            self._sell(billing, f"product {count}", shelf, sellers[owner], sellers[owner + 1 :])
        for account, micros in zip(billing.accounts.all(), self.funds, strict=False):
            if micros and account.parent_id is not None:
                billing.ledger.refill(account, Money.from_micros(micros, account.currency), key=account.number)

    def _sell(self, billing: Billing, code: str, shelf: Shelf, owner: Account, below: Sequence[Account]) -> None:
        terms: dict[str, Any] = {"price": shelf.price, "commission_percent": shelf.share}
        product = billing.products.create(
            owner, code, category=Category.PACKAGE, name=code, rate_groups=shelf.groups, **terms
        )
        for seller, lists in zip(below, shelf.listed, strict=False):
            own = {} if seller.is_commission_reseller else terms | {"below_cost": True}
            try:
                if lists:
                    billing.products.opt_in(seller, product, **own)
            except BillingError:  # the reseller above does not list it
                continue


@st.composite
def worlds(draw: st.DrawFn, funds: st.SearchStrategy[int]) -> World:
    shelf = st.builds(
        Shelf,
        st.integers(0, 3),
        st.lists(st.sampled_from(GROUPS), unique=True, max_size=3).map(tuple),
        amounts,
        percents,
        st.tuples(*3 * [st.sampled_from([True, True, True, False])]),
    )
    return World(
        draw(businesses()),
        tuple(draw(st.lists(shelf, min_size=1, max_size=3))),
        tuple(draw(st.lists(st.tuples(st.integers(0, 3), groups), max_size=3))),
        tuple(draw(st.lists(funds, min_size=8, max_size=8))),
    )


some = st.just(PLENTY) | st.just(PLENTY) | st.integers(0, 40_000_000)
changes = st.lists(st.tuples(st.integers(0, 7), groups | st.integers(1, 30_000_000)), max_size=4)
"""What happens between runs: an account, by its place, gets another rate group, or money."""


def change(billing: Billing, happened: Sequence[tuple[int, str | int | None]], key: str) -> None:
    billing.clock.advance(DAY)  # type: ignore[attr-defined]
    accounts = [account for account in billing.accounts.all() if account.parent_id is not None]
    for count, (place, what) in enumerate(happened):
        account = accounts[place % len(accounts)]
        if isinstance(what, int):
            billing.ledger.refill(account, Money.from_micros(what, account.currency), key=f"{key} {count}")
        else:
            billing.accounts.change(account, rate_group=what)


def due_by_hand(billing: Billing) -> Iterator[tuple[Product, Account]]:
    """What comes by itself, as the rule says it: to all below the owner who pay by a named group and never had it."""
    had = {(order.product_id, order.buyer_id) for order in billing.orders.orders()}
    for product in billing.products.all():
        version = billing.products.version(product)
        for account in billing.accounts.all():
            above = [each.id for each in billing.accounts.path(account)[1:]] if account.parent_id else []
            named = version is not None and account.rate_group in version.rate_groups
            if named and product.owner_id in above and (product.id, account.id) not in had:
                yield product, account


def buy_by_hand(billing: Billing) -> list[tuple[Any, ...]]:
    """Purchase what is due, one after the other; what came of each."""
    results: list[tuple[Any, ...]] = []
    for product, account in list(due_by_hand(billing)):
        key = f"auto:{product.id}:{account.id}"
        bought = billing.orders.purchase(account, product, key=key)
        results.append((product, account, bought if isinstance(bought, NotSold) else key))
    return results


def apply(billing: Billing, most: int | None = None) -> list[tuple[Any, ...]]:
    """Let it come by itself, at the most so many of the results; what came of each."""
    results: list[tuple[Any, ...]] = []
    for one in islice(billing.orders.apply(), most):
        assert not isinstance(one, Failed), one.error
        results.append((one.product, one.account, one.why if isinstance(one, NotApplied) else one.purchased.order.key))
    return results


def stored(billing: Billing) -> dict[str, Any]:
    """All that is stored, also of orders; by no ids that a transaction which was undone leaves out."""
    orders = [evolve(order, id=0) for order in billing.orders.orders()]
    return without_ids(everything(billing)) | {"orders": orders}


@settings(max_examples=60)
@given(worlds(some), st.lists(changes, min_size=1, max_size=3))
def test_it_orders_what_would_be_bought_by_hand(
    world: World, happened: list[list[tuple[int, str | int | None]]]
) -> None:
    """The same orders, refusals, charges and documents, run after run, whatever changes between."""
    with ExitStack() as stack:
        itself, by_hand = (stack.enter_context(Billing.open("memory://", FixedClock(START))) for _ in range(2))
        for billing in (itself, by_hand):
            world.open(billing)
        for count, each in enumerate(happened):
            assert apply(itself) == buy_by_hand(by_hand)
            assert stored(itself) == stored(by_hand)
            for billing in (itself, by_hand):
                change(billing, each, str(count))
        assert itself.ledger.reconcile().discrepancies == ()


@settings(max_examples=60)
@given(worlds(st.just(PLENTY)), st.integers(0, 6))
def test_running_it_twice_is_running_it_once(world: World, most: int) -> None:
    """Also where the first run stops anywhere: what it has told is done, what it has not comes with the next one."""
    with ExitStack() as stack:
        once, twice = (stack.enter_context(Billing.open("memory://", FixedClock(START))) for _ in range(2))
        for billing in (once, twice):
            world.open(billing)
        whole = apply(once)

        first = apply(twice, most)
        rest = apply(twice)

        refused = [one for one in first if isinstance(one[2], NotSold)]
        placed = [one for one in first if not isinstance(one[2], NotSold)]
        assert first == whole[: len(first)]
        assert sorted(map(str, [*placed, *rest])) == sorted(map(str, whole))
        assert all(one in rest for one in refused)
        assert stored(twice) == stored(once)
        before = stored(once)
        assert [one for one in apply(once) if not isinstance(one[2], NotSold)] == []
        assert stored(once) == before


@settings(max_examples=60)
@given(worlds(some), st.lists(changes, min_size=1, max_size=4))
def test_nobody_gets_it_twice(world: World, happened: list[list[tuple[int, str | int | None]]]) -> None:
    """Whatever happens between runs: one order for each account and product, and one result that tells of it."""
    with Billing.open("memory://", FixedClock(START)) as billing:
        world.open(billing)
        told: list[tuple[int, int]] = []
        for count, each in enumerate([*happened, []]):
            told += [(one.product.id, one.account.id) for one in billing.orders.apply() if isinstance(one, Applied)]
            change(billing, each, str(count))

        assert len(set(told)) == len(told)
        assert sorted((order.product_id, order.buyer_id) for order in billing.orders.orders()) == sorted(told)
