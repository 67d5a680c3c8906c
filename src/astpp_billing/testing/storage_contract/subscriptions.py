"""What a storage must do about subscriptions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from astpp_billing.errors import NotFound, StorageBusy, StorageError
from astpp_billing.hierarchy import Account
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.pricing import AgreedLevel, Agreement, Recurrence, Unit
from astpp_billing.pricing.subscriptions import Plan, Subscription
from astpp_billing.testing.storage_contract.base import (
    AT,
    MICROSECOND,
    SECOND,
    TEXTS,
    UNIT,
    Base,
    admin,
    customer,
    fail,
)

DAY = timedelta(days=1)


def subscription(buyer: Account, **more: Any) -> Subscription:
    """A subscription that is paid for a month from `AT` on, not stored yet."""
    agreement = Agreement((AgreedLevel(buyer.id, buyer.parent_id or 0, 10 * UNIT, 0, "USD"),))
    known: dict[str, Any] = {
        "order_id": 1,
        "buyer_id": buyer.id,
        "product_id": 7,
        "version": 3,
        "quantity": 2,
        "agreement": agreement.to_json(),
        "description": "Package",
        "recurrence": Recurrence(1, Unit.MONTHS),
        "timezone": "Europe/Berlin",
        "anchor": AT,
        "period_start": AT,
        "period_end": AT + 31 * DAY,
    }
    return Subscription(**known | more)


def plan(text: str = "Other") -> Plan:
    """Something else that a subscription can be for."""
    recurrence = Recurrence(2, Unit.MONTHS)
    return Plan(product_id=8, version=4, agreement=text, description=text, recurrence=recurrence, release_unfunded=True)


def add(work: UnitOfWork, *new: Subscription) -> list[Subscription]:
    """Store subscriptions."""
    return [work.add_subscription(each) for each in new]


class SubscriptionsContract(Base):
    """Subscriptions are kept as they are, and changed from what was seen of them."""

    @pytest.mark.parametrize("text", TEXTS)
    def test_all_of_a_subscription_comes_back(self, storage: Storage, text: str) -> None:
        """Also texts of any kind, and instants to the microsecond."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            new = subscription(
                buyer,
                description=text,
                recurrence=Recurrence(45, Unit.DAYS),
                release_unfunded=True,
                cancel_at_end=True,
                reminded_until=AT + MICROSECOND,
                next_plan=plan(text),
                revision=3,
            )
            (stored,) = add(work, new)
            assert stored == evolve(new, id=stored.id)
            assert stored.id > 0
        with storage.snapshot() as work:
            assert work.subscription(stored.id) == stored
            with pytest.raises(NotFound):
                work.subscription(stored.id + 1)

    def test_a_subscription_is_somebodys(self, storage: Storage) -> None:
        """One of an account that there is not is refused."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            with pytest.raises(NotFound):
                work.add_subscription(subscription(evolve(buyer, id=99)))
            assert work.subscriptions() == []

    def test_they_are_listed_by_id(self, storage: Storage) -> None:
        """All of them, or those of one buyer."""
        with storage.begin() as work:
            seller = admin(work)
            one, other = customer(work, seller), customer(work, seller, "other")
            first, second, third = add(work, *(subscription(each) for each in (one, other, one)))
        with storage.snapshot() as work:
            assert work.subscriptions() == [first, second, third]
            assert work.subscriptions(buyer_id=one.id) == [first, third]
            assert work.subscriptions(buyer_id=seller.id) == []

    def test_those_that_are_due_come_by_the_end_of_what_is_paid(self, storage: Storage) -> None:
        """Only active ones, up to an instant and behind a place, and not more than were asked for."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            ends = [AT + 3 * SECOND, AT + SECOND, AT + 2 * SECOND, AT + SECOND]
            late, early, middle, twin = add(work, *(subscription(buyer, period_end=end) for end in ends))
            paused, cancelled, _ = add(work, *(subscription(buyer, period_end=AT) for _ in range(3)))
            work.change_subscriptions([(paused, paused.paused()), (cancelled, cancelled.cancelled(at_end=False))])
            active = work.subscriptions()[-1]
        with storage.snapshot() as work:
            assert work.due_subscriptions(AT + 3 * SECOND, 9) == [active, early, twin, middle, late]
            assert work.due_subscriptions(AT + 3 * SECOND - MICROSECOND, 9) == [active, early, twin, middle]
            assert work.due_subscriptions(AT + 3 * SECOND, 2) == [active, early]
            place = (early.period_end, early.id)
            assert work.due_subscriptions(AT + 3 * SECOND, 2, after=place) == [twin, middle]
            assert work.due_subscriptions(AT, 9, after=(AT, active.id)) == []

    def test_a_subscription_is_changed_from_what_was_seen(self, storage: Storage) -> None:
        """Everything that can change does; who has seen an older revision is told, and changes nothing."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            seen, other = add(work, subscription(buyer), subscription(buyer))
            new = evolve(
                seen.cancelled(at_end=True),
                anchor=AT + DAY,
                period_start=AT + DAY,
                period_end=AT + 2 * DAY,
                reminded_until=AT,
            )
            work.change_subscriptions([(seen, new)])
        with storage.begin() as work:
            with pytest.raises(StorageBusy):
                work.change_subscriptions([(other, other.paused()), (seen, seen.paused())])
            assert work.subscriptions() == [new, other]
            work.change_subscriptions([])

    def test_a_subscription_can_be_for_something_else(self, storage: Storage) -> None:
        """It is noted, and then takes the place of what there was; others stay as they are."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            one, other = add(work, subscription(buyer), subscription(buyer))
            noted = one.changing(plan())
            work.change_subscriptions([(one, noted)])
            assert work.subscription(one.id) == noted
            new = evolve(noted.changed(), revision=5)
            work.change_subscriptions([(noted, new), (other, other.paused())])
        with storage.snapshot() as work:
            assert work.subscriptions() == [new, other.paused()]
            assert work.subscriptions()[0].description == "Other"

    def test_what_is_not_there_is_not_changed(self, storage: Storage) -> None:
        """It is named, and the others stay as they were."""
        with storage.begin() as work:
            (stored,) = add(work, subscription(customer(work, admin(work))))
            missing = evolve(stored, id=stored.id + 1)
            with pytest.raises(NotFound, match=str(missing.id)):
                work.change_subscriptions([(stored, stored.paused()), (missing, missing.paused())])
            assert work.subscriptions() == [stored]

    def test_a_subscription_is_undone_with_its_transaction(self, storage: Storage) -> None:
        """A new one, and a change."""
        with storage.begin() as work:
            (stored,) = add(work, subscription(customer(work, admin(work))))

        def change(work: UnitOfWork) -> None:
            add(work, evolve(stored, id=0))
            work.change_subscriptions([(stored, stored.paused())])

        with pytest.raises(ZeroDivisionError):
            fail(storage, change)
        with storage.snapshot() as work:
            assert work.subscriptions() == [stored]

    def test_a_snapshot_changes_none(self, storage: Storage) -> None:
        """As with everything else."""
        with storage.begin() as work:
            (stored,) = add(work, subscription(customer(work, admin(work))))
        with pytest.raises(StorageError), storage.snapshot() as work:
            work.change_subscriptions([(stored, stored.paused())])

    def test_accounts_are_looked_at_by_id_with_all_above_them(self, storage: Storage) -> None:
        """With wallets and configurations; what is not there is left out."""
        with storage.begin() as work:
            seller = admin(work)
            buyer, other = customer(work, seller), customer(work, seller, "other")
            seen = work.look(account_ids=[buyer.id, 99])
            assert dict(seen.accounts) == {seller.id: seller, buyer.id: buyer}
            assert dict(seen.wallets) == {each.id: work.wallet(each.id) for each in (seller, buyer)}
            assert other.id in work.look(account_ids=[other.id], numbers=[buyer.number]).accounts
