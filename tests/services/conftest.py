"""Every specification of the services holds on every storage."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(params=["memory://", "sqlite://"])
def billing(request: pytest.FixtureRequest, clock: FixedClock) -> Iterator[Billing]:
    with Billing.open(request.param, clock) as opened:
        yield opened


@pytest.fixture(params=["memory", "sqlite", "postgres", "mariadb"])
def on_every_storage(request: pytest.FixtureRequest, clock: FixedClock) -> Iterator[Billing]:
    """Memory, and every database. A module takes it by `billing = on_every_storage`."""
    urls = {"memory": "memory://", "sqlite": "sqlite://"}
    with Billing.open(urls.get(request.param) or request.getfixturevalue(f"{request.param}_url"), clock) as opened:
        yield opened
