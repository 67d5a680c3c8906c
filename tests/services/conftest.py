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
