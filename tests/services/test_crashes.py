"""A process that dies between two steps: everything of the event is stored, or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.services.books import at, everything, settled

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.hierarchy import BillingType
from astpp_billing.testing.worlds import chain, distributor


@contextmanager
def dying_after(step: str, billing: Billing, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything ends once the storage has done a step; whoever does not get that far fails."""
    with billing.storage.begin() as uow:
        kind = type(uow)
    original = getattr(kind, step)

    def die(self: Any, *arguments: Any) -> Any:
        original(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kind, step, die)
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.parametrize("step", ["lock", "reserve_ids", "save", "set_billed_until"])
def test_a_run_that_dies_at_any_step_leaves_nothing_half_done(
    billing: Billing, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    shop = chain(billing, billing=BillingType.POSTPAID)
    settled(billing, shop.call())
    clock.set(at(2026, 2, 1))
    before = everything(billing)
    with dying_after(step, billing, monkeypatch):
        billing.documents.run()

    assert everything(billing) == before
    billing.documents.run()
    assert [document.number for document in billing.documents.documents()] == ["INV-000001"]


@pytest.mark.parametrize("step", ["lock", "reserve_ids", "save"])
def test_a_settlement_that_dies_at_any_step_leaves_nothing_half_done(
    billing: Billing, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    shop = chain(billing, distributor("0.03"))
    record = shop.call()
    before = everything(billing)
    with dying_after(step, billing, monkeypatch):
        billing.calls.settle(record)

    assert everything(billing) == before
    assert not settled(billing, record).repeated
    assert [document.number for document in billing.documents.documents()] == ["RCP-000001"] * 2


@pytest.mark.parametrize("step", ["lock_tree", "lock", "save", "set_billed_until", "update_account", "add_command"])
def test_a_move_that_dies_at_any_step_leaves_nothing_half_done(
    billing: Billing, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    shop = chain(billing, distributor("0.03"), billing=BillingType.POSTPAID)
    settled(billing, shop.call(seconds=7))
    before = everything(billing)
    with dying_after(step, billing, monkeypatch):
        billing.accounts.move(shop.customer, shop.admin)

    assert everything(billing) == before
    billing.accounts.move(shop.customer, shop.admin)
    assert len(billing.documents.documents(shop.customer)) == 1
