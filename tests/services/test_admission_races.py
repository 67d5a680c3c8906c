"""Rules, section 5: what is decided holds, whatever others do in the meantime."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from tests.services.holding import approved, attempt, extended, fund

from astpp_billing.billing import Billing
from astpp_billing.calls import HoldPolicy
from astpp_billing.clock import FixedClock
from astpp_billing.errors import StorageBusy
from astpp_billing.ledger import Hold
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.storage.memory import MemoryStorage, MemoryUnitOfWork
from astpp_billing.testing.worlds import START, chain, commission, distributor, offer

SECOND = timedelta(seconds=1)


def test_what_changed_since_it_was_looked_at_is_decided_about_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    with Billing.open("memory://", FixedClock(START)) as billing:
        shop = chain(billing, price="0.06")
        fund(billing, shop, "1")
        offer(billing, shop.admin, "dear", "0.12")
        dear = evolve(shop.customer, rate_group="dear")
        place = MemoryUnitOfWork.place_hold

        def meanwhile(uow: MemoryUnitOfWork, hold: Hold, epochs: Any) -> bool:
            if uow.account(dear.id) != dear:
                uow.update_account(dear)
            return place(uow, hold, epochs)

        monkeypatch.setattr(MemoryUnitOfWork, "place_hold", meanwhile)

        assert approved(billing, attempt(shop.call())).max_seconds == 500


def test_who_is_never_quick_enough_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Billing.open("memory://", FixedClock(START)) as billing:
        shop = chain(billing)
        fund(billing, shop, "1")
        monkeypatch.setattr(MemoryUnitOfWork, "place_hold", lambda *_: False)

        with pytest.raises(StorageBusy, match="others took the money"):
            billing.calls.authorize(attempt(shop.call()))


def test_of_two_equal_attempts_at_once_the_second_is_a_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    with Billing.open("memory://", FixedClock(START)) as billing:
        shop = chain(billing)
        fund(billing, shop, "1")
        wanted = attempt(shop.call())
        first = approved(billing, wanted)
        look, times = MemoryUnitOfWork.look, []

        def too_early(uow: MemoryUnitOfWork, **asked: Any) -> Any:
            times.append(asked)
            seen = look(uow, **asked)
            return evolve(seen, holds={}) if len(times) == 1 else seen

        monkeypatch.setattr(MemoryUnitOfWork, "look", too_early)

        assert approved(billing, wanted) == evolve(first, repeated=True)


def test_a_hold_that_another_has_made_longer_meanwhile_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with Billing.open("memory://", FixedClock(START)) as billing:
        shop = chain(billing, price="0.06")
        fund(billing, shop, "2")
        key = approved(billing, attempt(shop.call())).hold.key
        extend = MemoryUnitOfWork.extend_hold
        longer: list[Hold] = []

        def meanwhile(uow: MemoryUnitOfWork, hold: Hold, epochs: Any) -> bool:
            if not longer:
                longer.append(evolve(hold, seconds=1500, levels=(evolve(hold.levels[0], micros=1_500_000),)))
                assert extend(uow, longer[0], epochs)
            return extend(uow, hold, epochs)

        monkeypatch.setattr(MemoryUnitOfWork, "extend_hold", meanwhile)

        result = extended(billing, key, 1200)
        assert (result.hold, result.repeated) == (longer[0], True)


class Asked:
    """A storage that notes what its transactions are asked for."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    @contextmanager
    def begin(self) -> Iterator[Any]:
        names = self.names

        class Noting:
            def __init__(self, work: UnitOfWork) -> None:
                self._work = work

            def __getattr__(self, name: str) -> Any:
                names.append(name)
                return getattr(self._work, name)

        with self._storage.begin() as work:
            yield Noting(work)


def test_a_call_is_authorised_by_one_look_and_one_step() -> None:
    """Each is a round trip on a server, with that for the version of the prices and the commit four in all."""
    storage = Asked(MemoryStorage())
    billing = Billing(storage, FixedClock(START))
    shop = chain(billing, distributor("0.03"), commission(10), price="0.06")
    fund(billing, shop, "100")
    approved(billing, attempt(shop.call()))
    storage.names.clear()

    approved(billing, attempt(shop.call()))

    assert storage.names == ["look", "price_version", "place_hold"]


def test_a_policy_can_be_given() -> None:
    policy = HoldPolicy(slice_seconds=60, longest_seconds=90, grace_seconds=10)
    with Billing.open("memory://", FixedClock(START), policy=policy) as billing:
        shop = chain(billing, price="0.06")
        fund(billing, shop, "100")

        result = approved(billing, attempt(shop.call()))

        assert (result.max_seconds, result.hold.seconds) == (90, 60)
        assert result.hold.expires_at == START + 70 * SECOND
