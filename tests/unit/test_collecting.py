"""The garbage collector waits while a batch is worked on, and no longer."""

import gc
from collections.abc import Iterator

import pytest

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord
from astpp_billing.services.collecting import Pause
from astpp_billing.testing.worlds import call


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.enable()


def test_it_waits_until_the_last_one_is_done() -> None:
    pause = Pause()

    with pause():
        with pause():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_after_an_error() -> None:
    pause = Pause()

    with pytest.raises(ValueError, match="bad"), pause():
        raise ValueError("bad")
    assert gc.isenabled()


def test_where_it_was_off_it_stays_off() -> None:
    gc.disable()

    with Pause()():
        pass
    assert not gc.isenabled()


def test_it_runs_between_the_batches() -> None:
    states: list[bool] = []

    def source() -> Iterator[CallRecord]:
        for index in range(10):
            states.append(gc.isenabled())
            yield call("nobody", leg=str(index))

    with Billing.open("memory://") as billing:
        for _ in billing.calls.settle_many(source(), batch_size=5):
            states.append(gc.isenabled())

    assert states == [True] * 20
