"""How often a purchase waits for the database: the same for every depth, and however much else there is."""

import time
from collections.abc import Iterator

import pytest
from attrs import frozen
from tests.proxy import SlowLine, slow_line
from tests.servers import fresh
from tests.services.test_orders import bought, fund, package, quoted

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.pricing import Product
from astpp_billing.testing.worlds import START, Chain, chain, distributor

DELAY_SECONDS = 0.02
"""How late each byte is, in either direction."""

PURCHASE = 9
"""Look at the accounts, for the order, at product, versions, listings; lock, save, store the order, commit."""

TRIES = 6
"""How often it is measured: a machine that is busy with something else cuts what is sent at once into pieces."""

QUOTE = 7
"""Begin, which a snapshot does in two steps; look at the accounts, product, versions, listings; end."""


@frozen
class Far:
    """A shop on a server at the end of a slow line, with a product that everybody lists."""

    billing: Billing
    shop: Chain
    product: Product
    line: SlowLine
    keys: Iterator[int]

    def buy(self) -> int:
        before = self.line.flights
        bought(self.billing, self.shop.customer, self.product, key=str(next(self.keys)))
        return self.line.flights - before

    def quote(self) -> int:
        before = self.line.flights
        quoted(self.billing, self.shop.customer, self.product)
        return self.line.flights - before


def open_shop(billing: Billing, levels: int, others: int) -> tuple[Chain, Product]:
    shop = chain(billing, *(distributor(f"0.0{digit}") for digit in range(2, levels + 1)), price="0.09")
    for count in range(others):
        other = package(billing, shop.admin, f"other {count}", price="1")
        billing.products.change(other, price="2")
        billing.products.opt_in(shop.resellers[0], other, price="3")
        billing.accounts.open_customer(shop.path[1], number=f"other {count}")
    product = package(billing, shop.admin, price="1")
    for index, seller in enumerate(shop.resellers):
        billing.products.opt_in(seller, product, price=str(index + 2))
    fund(billing, *shop.path[:-1], amount="1000")
    return shop, product


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_server")
    return url


@pytest.fixture(scope="module", params=[(4, 0), (4, 20), (8, 3)], ids=["4 levels", "much else", "8 levels"])
def far(request: pytest.FixtureRequest, server: str) -> Iterator[Far]:
    url, clock = fresh(server), FixedClock(START)
    levels, others = request.param
    with Billing.open(url, clock) as near:
        shop, product = open_shop(near, levels, others)
    with slow_line(url, DELAY_SECONDS) as (through, line), Billing.open(through, clock) as billing:
        far = Far(billing, shop, product, line, iter(range(1000)))
        for _ in range(3):  # a process that has been at work: connected, with ids in stock, and all names read
            far.buy()
            far.quote()
        yield far


def test_a_purchase_waits_nine_times_at_most(far: Far) -> None:
    assert min(far.buy() for _ in range(TRIES)) <= PURCHASE


def test_a_quote_waits_seven_times_at_most(far: Far) -> None:
    assert min(far.quote() for _ in range(TRIES)) <= QUOTE


def test_the_line_is_as_slow_as_it_says(far: Far) -> None:
    """What is counted is real: nothing that had to wait can have taken less time than that."""
    begin = time.monotonic()
    flights = far.buy()

    assert 1 <= flights <= (time.monotonic() - begin) / far.line.round_trip_seconds
