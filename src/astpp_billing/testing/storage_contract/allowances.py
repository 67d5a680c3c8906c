"""The contract on included minutes: what is granted, held and taken, and that no second of it is given twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from attrs import evolve

from astpp_billing.errors import AlreadyExists, InvalidValue, NotFound, StorageBusy
from astpp_billing.hierarchy import Account, Endpoint, EndpointKind
from astpp_billing.ledger import HeldMinutes, HoldState
from astpp_billing.ports import Carry, Changes, Storage, UnitOfWork, Withdrawal
from astpp_billing.pricing import Direction
from astpp_billing.pricing.allowances import NEVER, Grant, MinutesUsed
from astpp_billing.services.again import again
from astpp_billing.testing.storage_contract.base import (
    AT,
    MICROSECOND,
    SECOND,
    TEXTS,
    Base,
    admin,
    customer,
    epochs,
    everything,
    hold,
    place,
)

END = AT + 3600 * SECOND
"""When minutes expire that do not say so."""


def grant(work: UnitOfWork, account: Account, seconds: int = 100, source: str = "order 1", **more: Any) -> Grant:
    """Grant minutes to an account, and nothing else."""
    (grant_id,) = work.reserve_ids(1)
    values: dict[str, Any] = {"starts_at": AT, "expires_at": END, "levels": (account.id,)} | more
    made = Grant(id=grant_id, account_id=account.id, source=source, seconds=seconds, **values)
    work.save(Changes(granted=[made]))
    return made


def use(work: UnitOfWork, key: str, *taken: tuple[Grant, int]) -> None:
    """Let a call take minutes, and do nothing else."""
    work.save(Changes(minutes=[MinutesUsed(key, each.id, seconds) for each, seconds in taken]))


def counters(work: UnitOfWork, account: Account) -> list[tuple[int, int]]:
    """What is used and held of each grant of an account."""
    return [(each.used_seconds, each.held_seconds) for each in work.grants(account.id)]


class AllowancesContract(Base):
    """`grants`, `minutes_used`, what `look` brings of them, and how `save` and holds change them."""

    def test_minutes_are_kept_with_every_field(self, storage: Storage) -> None:
        """And come back in a later transaction, by the id of their account."""
        with storage.begin() as work:
            top = admin(work)
            buyer = customer(work, top)
            made = grant(
                work,
                buyer,
                10**15,
                "s" * 512,
                position=3,
                prefixes=("44", "4479", ""),
                direction=Direction.BOTH,
                used_seconds=2**40,
                held_seconds=2**41,
                starts_at=AT + MICROSECOND,
                expires_at=NEVER,
                carried_over=True,
                levels=(buyer.id, top.id),
                description=TEXTS[3],
            )
            other = grant(work, buyer)
            assert made.id != other.id
        with storage.begin() as work:
            assert list(work.grants(buyer.id)) == sorted((made, other), key=lambda each: each.id)
            assert list(work.grants(top.id)) == []

    def test_a_period_is_granted_once(self, storage: Storage) -> None:
        """One allowance of one source from one instant on; nothing is changed by trying again."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            grant(work, buyer)
            before = everything(work)
            with pytest.raises(AlreadyExists):
                grant(work, buyer, seconds=5)
            assert everything(work) == before
            grant(work, buyer, position=2)
            grant(work, buyer, source="order 2")
            grant(work, buyer, starts_at=AT + MICROSECOND)
            assert len(work.grants(buyer.id)) == 4

    def test_what_is_granted_to_nobody_is_refused(self, storage: Storage) -> None:
        """There is no such account."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            before = everything(work)
            with pytest.raises(NotFound):
                grant(work, evolve(buyer, id=buyer.id + 10**6))
            assert everything(work) == before

    def test_calls_take_minutes(self, storage: Storage) -> None:
        """And it is kept which call took how many of which."""
        with storage.begin() as work:
            top = admin(work)
            buyer, other = customer(work, top), customer(work, top, "other")
            first, second = grant(work, buyer), grant(work, buyer, source="order 2")
            third = grant(work, other, source="order 3")
            use(work, "k" * 512, (first, 30), (second, 1))
            work.save(Changes(minutes=[MinutesUsed("b", first.id, 70), MinutesUsed("a", third.id, 100)]))
        with storage.begin() as work:
            assert counters(work, buyer) == [(100, 0), (1, 0)]
            assert counters(work, other) == [(100, 0)]
            kept = [MinutesUsed("k" * 512, first.id, 30), MinutesUsed("b", first.id, 70)]
            assert list(work.minutes_used(key="k" * 512)) == [kept[0], MinutesUsed("k" * 512, second.id, 1)]
            by_key = sorted(kept, key=lambda each: each.key)
            assert list(work.minutes_used(account_id=buyer.id)) == [*by_key, MinutesUsed("k" * 512, second.id, 1)]
            assert len(work.minutes_used()) == 4
            assert list(work.minutes_used(key="K" * 512)) == []

    def test_no_call_takes_more_than_is_left(self, storage: Storage) -> None:
        """Not even by one second, of one of several grants; nothing is changed then."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            full, short = grant(work, buyer), grant(work, buyer, source="2", used_seconds=50, held_seconds=30)
            before = everything(work)
            with pytest.raises(StorageBusy):
                use(work, "a", (full, 1), (short, 21))
            with pytest.raises(NotFound):
                use(work, "a", (full, 1), (evolve(full, id=full.id + 10**6), 1))
            assert everything(work) == before
            use(work, "a", (full, 1), (short, 20))
            with pytest.raises(AlreadyExists):
                use(work, "a", (full, 1))
            assert counters(work, buyer) == [(1, 0), (70, 30)]

    def test_a_look_brings_what_calls_may_use(self, storage: Storage) -> None:
        """Of those that are asked for, in whatever way, and nobody above: what lives on, is not used up, or is held."""
        with storage.begin() as work:
            top = admin(work)
            buyer = customer(work, top)
            by_user = customer(work, top, "by user")
            work.add_endpoint(Endpoint(EndpointKind.USER, "alice", by_user.id))
            live = grant(work, buyer)
            later = grant(work, buyer, source="later", starts_at=AT + SECOND, expires_at=NEVER)
            grant(work, buyer, source="over", expires_at=AT + 5 * SECOND)
            grant(work, buyer, source="used up", used_seconds=100)
            held = grant(work, buyer, source="held", expires_at=AT + 5 * SECOND, held_seconds=1)
            full = grant(work, buyer, source="full", used_seconds=1, held_seconds=99)
            grant(work, top, source="of the admin")
            users = grant(work, by_user, source="of the user")
            since = AT + 5 * SECOND

            found = work.look(numbers=["customer"], endpoints=[(EndpointKind.USER, "alice")], since=since)
            again_found = work.look(account_ids=[buyer.id], numbers=["customer"], since=since)

            assert dict(found.grants) == {buyer.id: (live, later, held, full), by_user.id: (users,)}
            assert dict(again_found.grants) == {buyer.id: (live, later, held, full)}
            assert dict(work.look(numbers=["customer"]).grants) == {}
            assert dict(work.look(numbers=["admin"], since=END).grants) == {}

    def test_a_hold_reserves_minutes(self, storage: Storage) -> None:
        """Along with money, and no more than are left: then nothing is reserved of either."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            first, second = grant(work, buyer), grant(work, buyer, source="2", used_seconds=50, held_seconds=20)
            before = everything(work)
            minutes = (HeldMinutes(first.id, 100), HeldMinutes(second.id, 31))
            assert place(work, hold("h", buyer, (buyer, 0), minutes=minutes)) is False
            assert place(work, hold("h", buyer, (buyer, 1), minutes=minutes[:1])) is False
            assert place(work, hold("h", buyer, (buyer, 0), minutes=(HeldMinutes(first.id + 10**6, 1),))) is False
            assert everything(work) == before

            wanted = hold("h", buyer, (buyer, 0), minutes=(minutes[0], HeldMinutes(second.id, 30)))
            assert place(work, wanted) is True
            assert counters(work, buyer) == [(0, 100), (50, 50)]
        with storage.begin() as work:
            assert work.find_hold("h") == wanted

    def test_an_extended_hold_reserves_more(self, storage: Storage) -> None:
        """It gives none up, takes more of what it has, and of what it had not; or nothing where too few are left."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            first, second = grant(work, buyer), grant(work, buyer, source="2")
            placed = hold("h", buyer, (buyer, 0), minutes=(HeldMinutes(first.id, 60),))
            assert place(work, placed)
            now = epochs(work, buyer)
            for fewer in ((HeldMinutes(first.id, 59),), (HeldMinutes(second.id, 60),), ()):
                with pytest.raises(InvalidValue):
                    work.extend_hold(evolve(placed, minutes=fewer), now)
            assert not work.extend_hold(evolve(placed, minutes=(HeldMinutes(first.id, 101),)), now)
            assert counters(work, buyer) == [(0, 60), (0, 0)]
            longer = evolve(placed, minutes=(HeldMinutes(first.id, 100), HeldMinutes(second.id, 7)), seconds=107)
            assert work.extend_hold(longer, now)
            assert counters(work, buyer) == [(0, 100), (0, 7)]
            assert work.find_hold("h") == longer

    @pytest.mark.parametrize("state", [HoldState.POSTED, HoldState.VOIDED, HoldState.EXPIRED])
    def test_a_hold_that_ends_gives_its_minutes_back(self, storage: Storage, state: HoldState) -> None:
        """Its call may take them in the same transaction, all of them, and more where there are more."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            made = grant(work, buyer)
            for key in ("a", "b"):
                assert place(work, hold(key, buyer, (buyer, 0), minutes=(HeldMinutes(made.id, 40),)))
            first = work.look(keys=["a"]).holds["a"]
            with pytest.raises(StorageBusy):
                work.save(Changes(ended=[(first, state)], minutes=[MinutesUsed("a", made.id, 61)]))
            work.save(Changes(ended=[(first, state)], minutes=[MinutesUsed("a", made.id, 60)]))
            assert counters(work, buyer) == [(60, 40)]
            second = work.look(keys=["b"]).holds["b"]
            stale = evolve(second, minutes=(HeldMinutes(made.id, 39),))
            with pytest.raises(StorageBusy):
                work.save(Changes(ended=[(stale, state)]))
            work.save(Changes(ended=[(second, state)]))
            assert counters(work, buyer) == [(60, 0)]

    def test_what_is_left_is_carried_over(self, storage: Storage) -> None:
        """Once, from the end of its period on, where it is to be: of this source, this account, and not used up."""
        with storage.begin() as work:
            top = admin(work)
            buyer, other = customer(work, top), customer(work, top, "other")
            kept: dict[str, Any] = {"carried_over": True}
            grant(work, buyer, used_seconds=99, **kept)
            grant(work, buyer, position=2)
            grant(work, buyer, position=3, used_seconds=100, **kept)
            grant(work, buyer, position=4, expires_at=END + SECOND, **kept)
            grant(work, buyer, position=5, source="order 2", **kept)
            grant(work, other, position=6, **kept)
            until = END + 60 * SECOND
            for _ in range(2):
                work.save(Changes(carried=[Carry(buyer.id, "order 1", END, until)]))

            ends = [each.expires_at for each in (*work.grants(buyer.id), *work.grants(other.id))]
            assert ends == [until, END, END, END + SECOND, END, END]
            work.save(Changes(carried=[Carry(buyer.id, "order 1", until, NEVER)]))
            assert work.grants(buyer.id)[0].expires_at == NEVER

    def test_what_is_withdrawn_ends(self, storage: Storage) -> None:
        """At once, or before it has begun; what has ended before stays as it was, and what is used or held, too."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            grant(work, buyer, used_seconds=5, held_seconds=6)
            grant(work, buyer, position=2, starts_at=AT + 60 * SECOND)
            grant(work, buyer, position=3, expires_at=AT + 9 * SECOND)
            grant(work, buyer, source="order 2")
            work.save(Changes(withdrawn=[Withdrawal(buyer.id, "order 1", AT + 30 * SECOND)]))

            ends = [each.expires_at for each in work.grants(buyer.id)]
            assert ends == [AT + 30 * SECOND, AT + 60 * SECOND, AT + 9 * SECOND, END]
            assert counters(work, buyer)[0] == (5, 6)

    def test_whoever_saw_fewer_minutes_is_told(self, storage: Storage) -> None:
        """What is granted, goes on, ends, or is given back is a change of the account; what is taken or held is not."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))

            def epoch() -> int:
                return work.wallet(buyer.id).epoch

            made = grant(work, buyer)
            assert epoch() == 1
            work.save(Changes(carried=[Carry(buyer.id, "order 1", END, NEVER)]))
            work.save(Changes(withdrawn=[Withdrawal(buyer.id, "order 1", END)]))
            assert epoch() == 3
            use(work, "a", (made, 1))
            for key in ("b", "c", "d"):
                assert place(work, hold(key, buyer, (buyer, 0), minutes=(HeldMinutes(made.id, 10),)))
            assert epoch() == 3
            holds = work.look(keys=["b", "c", "d"]).holds
            for key, taken in (("b", 10), ("c", 9)):
                minutes = [MinutesUsed(key, made.id, taken)]
                work.save(Changes(ended=[(holds[key], HoldState.POSTED)], minutes=minutes))
            assert epoch() == 4
            work.save(Changes(ended=[(holds["d"], HoldState.VOIDED)]))
            assert epoch() == 5

    def test_no_second_is_given_twice(self, storage: Storage) -> None:
        """However many take minutes at once: some come to nothing, and what was taken is what there was."""
        with storage.begin() as work:
            buyer = customer(work, admin(work))
            made = grant(work, buyer, 10)

        @again
        def take(number: int) -> bool:
            with storage.begin() as work:
                if number % 2:
                    return place(work, hold(f"h{number}", buyer, (buyer, 0), minutes=(HeldMinutes(made.id, 2),)))
                work.lock([buyer.id])
                if work.grants(buyer.id)[0].left_seconds < 2:
                    return False
                use(work, f"u{number}", (made, 2))
                return True

        with ThreadPoolExecutor(4) as threads:
            results = list(threads.map(take, range(12)))

        with storage.begin() as work:
            assert sum(results) == 5
            assert sum(counters(work, buyer)[0]) == 10
            assert len(work.minutes_used()) + len(work.holds()) == 5
