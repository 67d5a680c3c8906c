"""Resale over random trees and random commands: what is listed, seen, and agreed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import BelowCost, InvalidValue, NotListed
from astpp_billing.fx import ExchangeRates
from astpp_billing.hierarchy import Account, ResellerModel
from astpp_billing.pricing import Agreement, Product
from astpp_billing.pricing.offers import agree
from astpp_billing.testing import strategies as billing_strategies
from astpp_billing.testing.strategies import Sale
from astpp_billing.testing.worlds import START

DAY = timedelta(days=1)
CODES = ("USD", "EUR")


class Tree:
    """An admin, resellers of any model anywhere below it, a customer of each seller, and a product of the admin."""

    def __init__(self, billing: Billing, models: Sequence[tuple[ResellerModel, int, str]]) -> None:
        self.billing = billing
        billing.prices.set_exchange_rate("EUR", "USD", "1.0867", valid_from=START - DAY)
        sellers = [billing.accounts.open_admin("Admin", currency="USD", number="admin")]
        for number, (model, parent, currency) in enumerate(models):
            above = sellers[parent % len(sellers)]
            options: dict[str, Any] = {"number": f"r{number}", "currency": currency}
            sellers.append(billing.accounts.open_reseller(above, model=model, **options))
        self.sellers = sellers
        self.customers = [
            billing.accounts.open_customer(each, number=f"c{number}") for number, each in enumerate(sellers)
        ]
        self.product = billing.products.create(
            sellers[0], "product", category="package", name="P", price=100, setup_fee=10, commission_percent=10
        )

    def do(self, command: tuple[str, int, dict[str, Any]]) -> None:
        """A command of `commands`, or what it raises."""
        name, index, terms = command
        products = self.billing.products
        if name == "change":
            products.change(self.product, **terms)
        else:
            getattr(products, name)(self.sellers[index % len(self.sellers)], self.product, **terms)

    def stored(self) -> list[Any]:
        products = self.billing.products
        return [products.versions(self.product), products.listings()]

    def seen(self, account: Account, at: datetime) -> list[Any]:
        return [
            (each.seller_id, each.price_micros, each.setup_fee_micros, each.currency)
            for each in self.billing.products.visible(account, at=at)
        ]


amounts = st.integers(80, 140)
instants = st.integers(0, 5).map(lambda days: START + days * DAY)
flags = {"can_resell": st.booleans(), "can_purchase": st.booleans(), "valid_from": instants}
commission = {"commission_percent": st.integers(0, 100)}
priced: dict[str, Any] = {
    "setup_fee": st.integers(0, 20),
    "currency": st.sampled_from(CODES),
    "below_cost": st.booleans(),
}


@st.composite
def commands(draw: DrawFn) -> tuple[str, int, dict[str, Any]]:
    name = draw(st.sampled_from(["opt_in", "opt_in", "opt_in", "change_listing", "opt_out", "change"]))
    index = draw(st.integers(1, 5))
    if name == "opt_out":
        return name, index, draw(st.fixed_dictionaries({}, optional={"valid_from": instants}))
    if name == "change":
        terms = st.fixed_dictionaries({"price": amounts}, optional={**flags, **commission})
    elif draw(st.booleans()):  # as a distributor does
        terms = st.fixed_dictionaries({"price": amounts}, optional={**priced, **flags, **commission})
    else:
        terms = st.fixed_dictionaries({}, optional={**flags, **commission})
    return name, index, draw(terms)


models = st.lists(st.tuples(st.sampled_from(ResellerModel), st.integers(0, 5), st.sampled_from(CODES)), max_size=5)


@given(models, st.lists(commands(), max_size=8))
def test_what_is_seen_is_what_can_be_agreed_on(
    models: list[tuple[ResellerModel, int, str]], done: list[tuple[str, int, dict[str, Any]]]
) -> None:
    """Whoever is listed to: it sees the product just where it can buy it, from its parent, at its level's price.

    A command that is refused changes nothing, and one without a word of it never leads to a price below cost.
    """
    with Billing.open("memory://", FixedClock(START)) as billing:
        tree = Tree(billing, models)
        for command in done:
            before = tree.stored()
            try:
                tree.do(command)
            except (InvalidValue, NotListed, BelowCost):
                assert tree.stored() == before
            else:
                assert_not_below_cost(tree, command)
        for day in range(6):
            at = START + day * DAY
            for account in (*tree.sellers, *tree.customers):
                agreed = billing.products.agreement(account, tree.product, at)
                expected = []
                if isinstance(agreed, Agreement):
                    level = agreed.levels[0]
                    assert (level.payer_id, level.payee_id) == (account.id, account.parent_id)
                    expected = [(level.payee_id, level.price_micros, level.setup_fee_micros, level.currency)]
                assert tree.seen(account, at) == expected


def assert_not_below_cost(tree: Tree, command: tuple[str, int, dict[str, Any]]) -> None:
    name, index, terms = command
    if name not in ("opt_in", "change_listing") or "price" not in terms or terms.get("below_cost"):
        return
    billing = tree.billing
    seller = tree.sellers[index % len(tree.sellers)]
    listing = billing.products.listings(tree.product, seller)[-1]
    (offer,) = billing.products.visible(seller, to_resell=True, at=listing.valid_from)
    rates = ExchangeRates(billing.prices.exchange_rates())
    conversion = rates.find(offer.currency, listing.currency, listing.valid_from)
    assert listing.price_micros is not None
    assert listing.setup_fee_micros is not None
    assert conversion.apply(offer.price_micros) <= listing.price_micros
    assert conversion.apply(offer.setup_fee_micros) <= listing.setup_fee_micros


def opened(billing: Billing, sale: Sale) -> tuple[list[Account], Product]:
    """A path of accounts like that of a sale, the admin first, and its product, listed on the same terms."""
    accounts: list[Account] = []
    for account in reversed(sale.path):
        options: dict[str, Any] = {"currency": account.currency, "number": account.number}
        if not accounts:
            accounts.append(billing.accounts.open_admin("Admin", **options))
        elif account.model is None:
            accounts.append(billing.accounts.open_customer(accounts[-1], **options))
        else:
            accounts.append(billing.accounts.open_reseller(accounts[-1], model=account.model, **options))
    version, owner = sale.version, accounts[sale.product.owner_id - 1]
    product = billing.products.create(
        owner,
        "product",
        category="package",
        currency=sale.product.currency,
        name="P",
        price=units(version.price_micros),
        setup_fee=units(version.setup_fee_micros),
        commission_percent=version.commission_percent,
        can_purchase=version.can_purchase,
        can_resell=version.can_resell,
    )
    for listing in sorted(sale.listings.values(), key=lambda each: each.seller_id):
        terms: dict[str, Any] = {"can_purchase": listing.can_purchase, "can_resell": listing.can_resell}
        if listing.price_micros is not None and listing.setup_fee_micros is not None:
            terms |= {"price": units(listing.price_micros), "setup_fee": units(listing.setup_fee_micros)}
            terms |= {"currency": listing.currency, "below_cost": True}
        billing.products.opt_in(
            accounts[listing.seller_id - 1], product, commission_percent=listing.commission_percent, **terms
        )
    return accounts, product


def units(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06}"


@given(billing_strategies.sales())
def test_what_is_agreed_comes_of_the_listings_alone(sale: Sale) -> None:
    """The service agrees on what the pure rules say of the same path, product and listings."""
    with Billing.open("memory://", FixedClock(START)) as billing:
        accounts, product = opened(billing, sale)

        agreed = billing.products.agreement(accounts[-1], product)

        assert agreed == agree(sale.path, sale.product, sale.version, sale.listings)
