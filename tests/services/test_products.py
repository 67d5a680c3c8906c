"""Products and their resale: who may list what, on which terms, and what an account sees of it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import frozen
from tests.services.books import at

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import (
    AlreadyExists,
    BelowCost,
    BillingError,
    IdempotencyConflict,
    InexactAmount,
    InvalidValue,
    MissingExchangeRate,
    NotFound,
    NotListed,
)
from astpp_billing.hierarchy import Account, ResellerModel
from astpp_billing.pricing import (
    Agreement,
    Allowance,
    NotOffered,
    NotOfferedReason,
    Product,
    ProductStatus,
    Recurrence,
    Unit,
)

NOW = at(2026, 1, 1)
DAY = timedelta(days=1)


@frozen
class Shop:
    """An admin with a product at 100, a distributor, a commission reseller below it, and a customer of each."""

    billing: Billing
    admin: Account
    distributor: Account
    agent: Account
    customer: Account
    agents_customer: Account
    product: Product

    def prices(self, account: Account, when: datetime | None = None) -> dict[str, str]:
        """What an account sees, with the price it pays."""
        return {offer.code: str(offer.price) for offer in self.billing.products.visible(account, at=when)}

    def levels(self, account: Account, when: datetime | None = None) -> list[int]:
        """The price of each level, in whole units."""
        agreed = self.billing.products.agreement(account, self.product, when)
        assert isinstance(agreed, Agreement)
        return [level.price_micros // 1_000_000 for level in agreed.levels]

    def refusal(self, account: Account, when: datetime | None = None) -> NotOfferedReason:
        refused = self.billing.products.agreement(account, self.product, when)
        assert isinstance(refused, NotOffered)
        return refused.reason

    def stored(self) -> list[Any]:
        """All that the catalogue has."""
        products = self.billing.products
        return [products.all(), [products.versions(each) for each in products.all()], products.listings()]


@pytest.fixture
def shop(billing: Billing) -> Shop:
    accounts = billing.accounts
    admin = accounts.open_admin("Admin", currency="USD", number="admin")
    distributor = accounts.open_reseller(admin, model=ResellerModel.DISTRIBUTOR, number="distributor")
    agent = accounts.open_reseller(distributor, model=ResellerModel.COMMISSION, number="agent")
    customer = accounts.open_customer(distributor, number="customer")
    agents_customer = accounts.open_customer(agent, number="agent's")
    product = billing.products.create(admin, "fibre", category="package", name="Fibre", price=100)
    return Shop(billing, admin, distributor, agent, customer, agents_customer, product)


def test_a_product_has_all_its_terms(shop: Shop) -> None:
    products = shop.billing.products
    shop.billing.prices.add_group("retail", shop.admin)

    made = products.create(
        shop.admin,
        "mobile",
        category="subscription",
        currency="EUR",
        name="Mobile",
        description="An hour to Poland",
        price="12.50",
        setup_fee=5,
        buy_cost="3.999999",
        commission_percent="12.5",
        recurrence=Recurrence(1, Unit.MONTHS),
        allowances=[Allowance(seconds=3600, prefixes="48")],
        can_resell=False,
        release_unfunded=True,
        rate_groups=["retail"],
    )

    version = products.version(made)
    assert version is not None
    assert products.get("mobile") == made
    assert (made.owner_id, made.category, made.currency) == (shop.admin.id, "subscription", "EUR")
    assert (version.version, version.valid_from, version.name) == (1, NOW, "Mobile")
    assert (version.price_micros, version.setup_fee_micros, version.buy_cost_micros) == (12500000, 5000000, 3999999)
    assert (version.commission_percent, version.recurrence) == (Decimal("12.5"), Recurrence(1, Unit.MONTHS))
    assert version.allowances == (Allowance(seconds=3600, prefixes="48"),)
    assert (version.can_resell, version.can_purchase, version.release_unfunded) == (False, True, True)
    assert version.rate_groups == ("retail",)


def test_both_examples_of_the_rules_come_of_listings(shop: Shop) -> None:
    """Section 4: 130 and 20 % by the distributor; then the agent's customer pays 130, 130 and 100."""
    products = shop.billing.products
    products.opt_in(shop.distributor, shop.product, price=130, commission_percent=20)
    products.opt_in(shop.agent, shop.product)

    agreed = products.agreement(shop.agents_customer, shop.product)

    assert isinstance(agreed, Agreement)
    assert shop.levels(shop.agents_customer) == [130, 130, 100]
    assert [(each.payer_id, each.receiver_id, each.percent) for each in agreed.commissions] == [
        (shop.distributor.id, shop.agent.id, Decimal(20))
    ]


def test_an_account_sees_only_what_its_parent_lists(shop: Shop) -> None:
    """At the price that it pays, and no other figure."""
    products = shop.billing.products
    everybody = (shop.distributor, shop.agent, shop.customer, shop.agents_customer)

    def seen() -> list[dict[str, str]]:
        return [shop.prices(account) for account in everybody]

    assert seen() == [{"fibre": "100.00 USD"}, {}, {}, {}]
    products.opt_in(shop.distributor, shop.product, price=130, setup_fee=7)
    assert seen() == [{"fibre": "100.00 USD"}, {"fibre": "130.00 USD"}, {"fibre": "130.00 USD"}, {}]
    products.opt_in(shop.agent, shop.product)
    assert seen()[3] == {"fibre": "130.00 USD"}
    products.change_listing(shop.distributor, shop.product, can_purchase=False)
    assert seen() == [{"fibre": "100.00 USD"}, {}, {}, {"fibre": "130.00 USD"}]
    assert [offer.code for offer in products.visible(shop.agent, to_resell=True)] == ["fibre"]
    products.change_listing(shop.distributor, shop.product, can_resell=False)
    assert seen() == [{"fibre": "100.00 USD"}, {}, {}, {}]
    assert products.visible(shop.agent, to_resell=True) == []
    assert products.visible(shop.admin) == []
    (offer,) = products.visible(shop.distributor)
    assert (offer.name, offer.seller_id, str(offer.setup_fee)) == ("Fibre", shop.admin.id, "0.00 USD")


def test_terms_hold_from_an_instant_on(shop: Shop) -> None:
    """The buy price is the parent's listing, read and never copied; a commission reseller follows at once."""
    products = shop.billing.products
    products.opt_in(shop.distributor, shop.product, price=130)
    products.opt_in(shop.agent, shop.product)
    products.change(shop.product, price=110, valid_from=NOW + 10 * DAY)
    products.change_listing(shop.distributor, shop.product, price=140, valid_from=NOW + 20 * DAY)
    products.opt_out(shop.distributor, shop.product, valid_from=NOW + 30 * DAY)

    days = (0, 9, 10, 19, 20, 29)

    found = [shop.levels(shop.agents_customer, NOW + day * DAY) for day in days]
    assert [levels[1:] for levels in found] == [[130, 100]] * 2 + [[130, 110]] * 2 + [[140, 110]] * 2
    assert all(levels[0] == levels[1] for levels in found)
    assert shop.refusal(shop.agents_customer, NOW + 30 * DAY) is NotOfferedReason.NOT_LISTED
    assert shop.refusal(shop.agents_customer, NOW - DAY) is NotOfferedReason.NOT_YET


def test_what_is_said_last_replaces_what_was_planned(shop: Shop) -> None:
    products = shop.billing.products
    products.opt_in(shop.distributor, shop.product, price=130)
    products.change_listing(shop.distributor, shop.product, price=150, valid_from=NOW + 30 * DAY)

    products.change_listing(shop.distributor, shop.product, commission_percent=5, valid_from=NOW + DAY)

    assert shop.levels(shop.customer, NOW + 40 * DAY) == [130, 100]


def test_a_price_below_cost_is_meant_or_refused(shop: Shop) -> None:
    """Price and setup fee each; whoever means it says so, with each new price."""
    products = shop.billing.products
    products.change(shop.product, setup_fee=10)
    before = shop.stored()

    for terms in ({"price": "99.999999", "setup_fee": 10}, {"price": 100, "setup_fee": "9.99"}, {"price": 100}):
        with pytest.raises(BelowCost, match=r"'distributor'.*'fibre'"):
            products.opt_in(shop.distributor, shop.product, **terms)
    assert shop.stored() == before

    products.opt_in(shop.distributor, shop.product, price=90, below_cost=True)
    assert products.change_listing(shop.distributor, shop.product, commission_percent=1).below_cost
    with pytest.raises(BelowCost, match=r"'95\.00 USD', and it pays '100\.00 USD'"):
        products.change_listing(shop.distributor, shop.product, price=95)
    changed = products.change_listing(shop.distributor, shop.product, price=100, setup_fee=10)
    assert not changed.below_cost


def test_cost_is_compared_in_the_currency_of_the_listing(shop: Shop) -> None:
    """By the rate in force when the price begins, rounded half-up to 6 places; without a rate it is refused."""
    products = shop.billing.products
    with pytest.raises(MissingExchangeRate):
        products.opt_in(shop.distributor, shop.product, price=100, currency="EUR")
    shop.billing.prices.set_exchange_rate("EUR", "USD", "1.1")
    shop.billing.prices.set_exchange_rate("EUR", "USD", "1.25", valid_from=NOW + DAY)

    with pytest.raises(BelowCost):
        products.opt_in(shop.distributor, shop.product, price="90.909090", currency="EUR")
    with pytest.raises(BelowCost):
        products.opt_in(shop.distributor, shop.product, price="79.999999", currency="EUR", valid_from=NOW + DAY)
    products.opt_in(shop.distributor, shop.product, price=80, currency="EUR", valid_from=NOW + DAY)
    assert products.opt_in(shop.distributor, shop.product, price="90.909091", currency="EUR").currency == "EUR"


def test_a_commission_reseller_sets_no_price(shop: Shop) -> None:
    products = shop.billing.products
    products.opt_in(shop.distributor, shop.product, price=130)
    refused: tuple[dict[str, Any], ...] = ({"price": 140}, {"setup_fee": 1}, {"currency": "EUR"}, {"below_cost": True})

    for terms in refused:
        with pytest.raises(InvalidValue, match="'agent' is a commission reseller"):
            products.opt_in(shop.agent, shop.product, **terms)
    listing = products.opt_in(shop.agent, shop.product, commission_percent=10)
    for terms in refused:
        with pytest.raises(InvalidValue, match="'agent' is a commission reseller"):
            products.change_listing(shop.agent, shop.product, **terms)

    assert (listing.price_micros, listing.setup_fee_micros, listing.commission_percent) == (None, None, Decimal(10))


def test_a_reseller_that_becomes_a_distributor_names_its_price(shop: Shop) -> None:
    products = shop.billing.products
    products.opt_in(shop.distributor, shop.product, price=130)
    products.opt_in(shop.agent, shop.product)
    shop.billing.accounts.change(shop.agent, model=ResellerModel.DISTRIBUTOR)

    assert shop.refusal(shop.agents_customer) is NotOfferedReason.NO_PRICE
    products.change_listing(shop.agent, shop.product, price=150)
    assert shop.levels(shop.agents_customer) == [150, 130, 100]


def test_bad_input_is_named_and_changes_nothing(shop: Shop) -> None:
    products = shop.billing.products
    distributor, agent, product = shop.distributor, shop.agent, shop.product
    hidden = products.create(shop.admin, "hidden", category="did", name="H", price=1, can_resell=False)
    gone = products.withdraw(products.create(shop.admin, "gone", category="did", name="G", price=1))
    own = products.create(distributor, "own", category="did", name="O", price=1)
    other = shop.billing.accounts.open_admin("Other", currency="USD", number="other")
    foreign = products.create(other, "foreign", category="did", name="F", price=1)
    closed = shop.billing.accounts.open_reseller(shop.admin, model=ResellerModel.DISTRIBUTOR, number="closed")
    shop.billing.accounts.close(closed)
    before = shop.stored()

    def create(owner: Account = shop.admin, code: str = "new", **terms: Any) -> Product:
        values: dict[str, Any] = {"category": "did", "name": "New", "price": 1} | terms
        return products.create(owner, code, **values)

    cases: list[tuple[type[BillingError], str, Any]] = [
        (NotListed, "'agent'.*distributor does not list", lambda: products.opt_in(agent, product)),
        (NotListed, "does not let the product 'hidden' be", lambda: products.opt_in(distributor, hidden, price=1)),
        (NotListed, "'gone' is withdrawn", lambda: products.opt_in(distributor, gone, price=1)),
        (NotListed, "owns the product 'own'", lambda: products.opt_in(distributor, own, price=1)),
        (NotListed, "not below the owner", lambda: products.opt_in(distributor, foreign, price=1)),
        (NotListed, "'distributor' does not list", lambda: products.opt_out(distributor, product)),
        (NotListed, "'distributor' does not list", lambda: products.change_listing(distributor, product, price=200)),
        (InvalidValue, "names its price", lambda: products.opt_in(distributor, product)),
        (InvalidValue, "'closed' is closed", lambda: products.opt_in(closed, product, price=200)),
        (InvalidValue, "'customer' is none", lambda: products.opt_in(shop.customer, product, price=200)),
        (InvalidValue, "'admin' is none", lambda: products.opt_in(shop.admin, product, price=200)),
        (InvalidValue, "commission", lambda: products.opt_in(distributor, product, price=200, commission_percent=101)),
        (InvalidValue, "price", lambda: products.opt_in(distributor, product, price=-1, below_cost=True)),
        (InexactAmount, "float", lambda: products.opt_in(distributor, product, price=200.5)),
        (InvalidValue, "commission", lambda: create(commission_percent="100.1")),
        (InvalidValue, "'agent' is neither", lambda: create(agent)),
        (InvalidValue, "'customer' is neither", lambda: create(shop.customer)),
        (InvalidValue, "'closed' is closed", lambda: create(closed)),
        (InvalidValue, "'house'", lambda: create(category="house")),
        (InvalidValue, "XXX", lambda: create(currency="XXX")),
        (InvalidValue, "finer", lambda: create(price="0.0000001")),
        (AlreadyExists, "fibre", lambda: create(code="fibre")),
        (NotFound, "'nowhere'", lambda: create(rate_groups=["nowhere"])),
        (NotFound, "'nothing'", lambda: products.get("nothing")),
        (InvalidValue, "'gone' is withdrawn", lambda: products.change(gone, price=2)),
        (InvalidValue, "'fibre'.*not there yet", lambda: products.change(product, price=2, valid_from=NOW - DAY)),
    ]
    for error, told, do in cases:
        with pytest.raises(error, match=told):
            do()
    assert shop.stored() == before


def test_unknown_terms_are_refused(shop: Shop) -> None:
    products = shop.billing.products
    with pytest.raises(TypeError, match="colour"):
        products.change(shop.product, colour="red")
    with pytest.raises(TypeError, match="name"):
        products.opt_in(shop.distributor, shop.product, price=200, name="Mine")
    with pytest.raises(TypeError, match="its name and its price"):
        products.create(shop.admin, "x", category="did")


def test_who_lists_a_product_opts_in_again_only_after_opting_out(shop: Shop) -> None:
    products = shop.billing.products
    products.opt_in(shop.distributor, shop.product, price=130)
    with pytest.raises(NotListed, match="already"):
        products.opt_in(shop.distributor, shop.product, price=140)

    out = products.opt_out(shop.distributor, shop.product)
    again = products.opt_in(shop.distributor, shop.product, price=140)

    assert (out.version, out.active, again.version, again.active) == (2, False, 3, True)
    assert shop.levels(shop.customer) == [140, 100]


def test_a_withdrawn_product_is_sold_to_nobody(shop: Shop) -> None:
    products = shop.billing.products
    products.opt_in(shop.distributor, shop.product, price=130)

    withdrawn = products.withdraw(shop.product)

    assert withdrawn.status is ProductStatus.WITHDRAWN
    assert products.withdraw(shop.product) == withdrawn
    assert shop.prices(shop.customer) == {}
    assert shop.refusal(shop.customer) is NotOfferedReason.WITHDRAWN


def test_nothing_is_offered_where_an_account_on_the_path_is_closed(shop: Shop) -> None:
    shop.billing.products.opt_in(shop.distributor, shop.product, price=130)
    shop.billing.accounts.close(shop.customer)

    assert shop.prices(shop.customer) == {}
    assert shop.refusal(shop.customer) is NotOfferedReason.CLOSED


def test_each_command_is_done_once_for_its_key(shop: Shop, clock: FixedClock) -> None:
    """The same key and content return the first result, whatever the time is by then; other content is a conflict."""
    products = shop.billing.products
    commands: list[tuple[Any, dict[str, Any]]] = [
        (lambda **more: products.create(shop.admin, "new", category="did", name="N", **more), {"price": 5}),
        (lambda **more: products.change(shop.product, **more), {"allowances": [Allowance(seconds=60)]}),
        (lambda **more: products.opt_in(shop.distributor, shop.product, **more), {"price": Decimal("130.0")}),
        (lambda **more: products.change_listing(shop.distributor, shop.product, **more), {"price": "140"}),
        (lambda **more: products.opt_out(shop.distributor, shop.product, **more), {}),
        (lambda **more: products.withdraw(shop.product, **more), {}),
    ]
    done = [command(key=f"key {index}", **terms) for index, (command, terms) in enumerate(commands)]
    before = shop.stored()
    clock.advance(DAY)

    repeated = [command(key=f"key {index}", **terms) for index, (command, terms) in enumerate(commands)]

    assert repeated[1:] == done[1:]
    assert repeated[0] == done[0]
    assert shop.stored() == before
    for index, (command, terms) in enumerate(commands):
        with pytest.raises(IdempotencyConflict):
            command(key=f"key {(index + 1) % len(commands)}", **terms)
