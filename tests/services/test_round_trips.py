"""How often a call waits for the database: the same for every depth of resellers, over a line that really is slow."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from attrs import frozen
from tests.proxy import SlowLine, slow_line
from tests.servers import fresh
from tests.services.books import settled
from tests.services.holding import approved, attempt, fund

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord
from astpp_billing.clock import FixedClock
from astpp_billing.ports import Changes
from astpp_billing.pricing.allowances import Grant
from astpp_billing.testing.worlds import START, Chain, chain, distributor

DELAY_SECONDS = 0.02
"""How late each byte is, in either direction."""

TRIES = 12
"""How many calls are measured at the most: a machine that is busy with something else makes some of them slower."""


@frozen
class Measured:
    """What one command has cost: waits for the server, and time in round trips of the line."""

    flights: int
    round_trips: float


@frozen
class Far:
    """A shop on a server at the end of a slow line."""

    billing: Billing
    shop: Chain
    line: SlowLine

    def measure(self, command: Callable[[], object]) -> Measured:
        flights, begin = self.line.flights, time.monotonic()
        command()
        took = time.monotonic() - begin
        return Measured(self.line.flights - flights, took / self.line.round_trip_seconds)

    def within(self, limit: int, command: Callable[[CallRecord], object], *, authorised: bool = False) -> bool:
        """Whether a command never waits more often than `limit` says, and at least once is over in as many round trips.

        It is done to one new call after the other, which was authorised before where that is said.
        """
        for _ in range(TRIES):
            call = self.shop.call(60)
            if authorised:
                approved(self.billing, attempt(call))
            measured = self.measure(partial(command, call))
            assert measured.flights <= limit
            if measured.round_trips <= limit:
                return True
        return False


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_server")
    return url


@pytest.fixture(scope="module", params=[2, 8], ids=["2 levels", "8 levels"])
def far(request: pytest.FixtureRequest, server: str) -> Iterator[Far]:
    url, clock = fresh(server), FixedClock(START)
    with Billing.open(url, clock) as near:
        prices = [f"0.0{digit}" for digit in range(2, request.param + 1)]
        shop = chain(near, *map(distributor, prices), price="0.09")
        fund(near, shop, "100")
    with slow_line(url, DELAY_SECONDS) as (through, line), Billing.open(through, clock) as billing:
        # a process that has been at work: connected, with ids in stock, and all prices and names read
        for _ in range(2):
            warm = shop.call(60)
            approved(billing, attempt(warm))
            settled(billing, warm)
        settled(billing, shop.call(60))
        yield Far(billing, shop, line)


def test_authorising_waits_four_times_at_most(far: Far) -> None:
    assert far.within(4, lambda call: approved(far.billing, attempt(call)))


def test_settling_waits_five_times_at_most(far: Far) -> None:
    assert far.within(5, lambda call: settled(far.billing, call))


def test_settling_what_was_authorised_waits_five_times_at_most(far: Far) -> None:
    assert far.within(5, lambda call: settled(far.billing, call), authorised=True)


def test_the_line_is_as_slow_as_it_says(far: Far) -> None:
    """What is counted is real: nothing that had to wait can have taken less time than that."""
    measured = far.measure(lambda: settled(far.billing, far.shop.call(60)))

    assert 1 <= measured.flights <= measured.round_trips


def test_included_minutes_cost_no_waiting(far: Far) -> None:
    """They are seen, held and taken along with everything else."""
    levels = tuple(account.id for account in far.shop.path[:-1])
    with far.billing.storage.begin() as uow:
        (grant_id,) = uow.reserve_ids(1)
        included = Grant(
            id=grant_id, account_id=levels[0], source="order 1", seconds=10**6, starts_at=START, levels=levels
        )
        uow.save(Changes(granted=[included]))

    assert far.within(4, lambda call: approved(far.billing, attempt(call)))
    assert far.within(5, lambda call: settled(far.billing, call))
    assert far.within(5, lambda call: settled(far.billing, call), authorised=True)
    with far.billing.storage.snapshot() as uow:
        assert sum(used.seconds for used in uow.minutes_used()) >= 120
