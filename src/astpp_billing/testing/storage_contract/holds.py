"""The contract on holds: money is reserved at every level or at none, and never twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

import pytest
from attrs import evolve

from astpp_billing.errors import AlreadyExists, InvalidValue, NotFound, StorageBusy
from astpp_billing.hierarchy import Account, BillingType
from astpp_billing.ledger import HoldState, Transfer
from astpp_billing.money import MAX_MICROS
from astpp_billing.ports import Changes, Storage, UnitOfWork
from astpp_billing.services.again import again
from astpp_billing.testing.storage_contract.base import (
    AT,
    MICROSECOND,
    SECOND,
    TEXTS,
    Base,
    add_posting,
    admin,
    customer,
    epochs,
    everything,
    fail,
    hold,
    place,
    posting,
    refill,
    reseller,
    revenue,
    wallet,
)


def three_levels(work: UnitOfWork) -> tuple[Account, Account, Account]:
    """Store a buyer, its reseller and the admin, with 100, 200 and 300 micros."""
    top = admin(work)
    agent = reseller(work, top, "agent")
    buyer = customer(work, agent)
    for account, micros in ((buyer, 100), (agent, 200), (top, 300)):
        refill(work, account, micros)
    return buyer, agent, top


def held(work: UnitOfWork, *accounts: Account) -> list[int]:
    """What is reserved in wallets."""
    return [work.wallet(account.id).held_micros for account in accounts]


class HoldsContract(Base):
    """`place_hold`, `extend_hold`, how holds end, and what is said of them."""

    def test_a_hold_reserves_money_at_every_level(self, storage: Storage) -> None:
        """And comes back with every field, in a later transaction."""
        with storage.begin() as work:
            levels = three_levels(work)
            wanted = hold(
                "h" * 512,
                levels[0],
                *zip(levels, (100, 0, 299), strict=True),
                seconds=60,
                terms=TEXTS[3],
                placed_at=AT + MICROSECOND,
            )
            assert work.place_hold(wanted, epochs(work, *levels)) is True
        with storage.begin() as work:
            assert work.find_hold(wanted.key) == wanted
            assert list(work.holds()) == [wanted]
            assert held(work, *levels) == [100, 0, 299]
            assert [work.wallet(each.id).available_micros for each in levels] == [0, 200, 1]
            assert work.find_hold("H" * 512) is None

    @pytest.mark.parametrize("short", range(3))
    def test_less_at_one_level_is_enough_that_nothing_is_reserved(self, storage: Storage, short: int) -> None:
        """By one micro, at whatever level: False."""
        with storage.begin() as work:
            levels = three_levels(work)
            before = everything(work)
            wanted = [100, 200, 300]
            wanted[short] += 1
            assert (
                work.place_hold(hold("h", levels[0], *zip(levels, wanted, strict=True)), epochs(work, *levels)) is False
            )
            assert everything(work) == before
            assert work.find_hold("h") is None
            wanted[short] -= 1
            assert place(work, hold("h", levels[0], *zip(levels, wanted, strict=True)))
            assert held(work, *levels) == wanted

    @pytest.mark.parametrize("stale", range(3))
    def test_a_changed_account_at_one_level_is_enough(self, storage: Storage, stale: int) -> None:
        """Whoever decided by what an account was before reserves nothing."""
        with storage.begin() as work:
            levels = three_levels(work)
            seen = epochs(work, *levels)
            work.update_account(evolve(levels[stale], name="changed"))
            wanted = hold("h", levels[0], *((level, 1) for level in levels))

            assert work.place_hold(wanted, seen) is False
            assert held(work, *levels) == [0, 0, 0]
            assert place(work, wanted)

    def test_each_change_of_an_account_has_its_epoch(self, storage: Storage) -> None:
        """Also one that changes nothing; what is moved, held or billed is no change of the account."""
        with storage.begin() as work:
            buyer, agent, _ = three_levels(work)
            assert place(work, hold("h", buyer, (buyer, 1)))
            work.set_billed_until(buyer.id, AT)
            assert epochs(work, buyer, agent) == {buyer.id: 0, agent.id: 0}
            work.update_account(buyer)
            work.update_account(evolve(buyer, name="B"))

            assert epochs(work, buyer, agent) == {buyer.id: 2, agent.id: 0}

    def test_credit_can_be_reserved(self, storage: Storage) -> None:
        """That of a postpaid account, as it is after each change of it; a prepaid one has none."""
        with storage.begin() as work:
            top = admin(work)
            post = customer(work, top, "post", billing=BillingType.POSTPAID, credit_limit_micros=50)
            pre = customer(work, top, "pre", credit_limit_micros=50)
            assert [work.wallet(each.id).credit_micros for each in (post, pre)] == [50, 0]
            assert not place(work, hold("a", pre, (pre, 1)))
            assert not place(work, hold("a", post, (post, 51)))
            assert place(work, hold("a", post, (post, 50)))
            work.update_account(evolve(post, credit_limit_micros=60))
            work.update_account(evolve(pre, billing=BillingType.POSTPAID))
            assert [work.wallet(each.id).credit_micros for each in (post, pre)] == [60, 50]
            assert not place(work, hold("b", post, (post, 11)))
            assert place(work, hold("b", post, (post, 10)))

    @pytest.mark.parametrize("credit", [0, MAX_MICROS])
    def test_the_largest_amounts(self, storage: Storage, credit: int) -> None:
        """A balance and a credit of the most that there is are counted exactly; no more than that is ever reserved."""
        with storage.begin() as work:
            buyer = admin(work, billing=BillingType.POSTPAID, credit_limit_micros=credit)
            refill(work, buyer, MAX_MICROS)
            assert work.wallet(buyer.id).available_micros == MAX_MICROS + credit
            assert place(work, hold("a", buyer, (buyer, MAX_MICROS - 1)))
            assert not place(work, hold("b", buyer, (buyer, 2)))
            assert place(work, hold("b", buyer, (buyer, 1)))
            assert not place(work, hold("c", buyer, (buyer, 1)))
            assert held(work, buyer) == [MAX_MICROS]

    def test_what_was_spent_cannot_be_reserved(self, storage: Storage) -> None:
        """A wallet can be charged beyond what is available; then less than nothing is."""
        with storage.begin() as work:
            buyer, agent, _ = three_levels(work)
            assert place(work, hold("a", buyer, (buyer, 90)))
            add_posting(work, posting("call", Transfer(wallet(buyer), revenue(agent), 30)))
            assert work.wallet(buyer.id).available_micros == -20
            assert not place(work, hold("b", buyer, (buyer, 1)))

    def test_nothing_can_be_reserved_of_less_than_nothing(self, storage: Storage) -> None:
        """A level of 0 needs no money, and no more of it when the hold is extended; its wallet's epoch still counts."""
        with storage.begin() as work:
            buyer, agent, _ = three_levels(work)
            add_posting(work, posting("call", Transfer(wallet(buyer), revenue(agent), 130)))
            assert work.wallet(buyer.id).available_micros == -30
            first = hold("a", buyer, (buyer, 0), (agent, 100))
            stale = epochs(work, buyer, agent)
            work.update_account(buyer)
            assert work.place_hold(first, stale) is False
            assert place(work, first)
            assert work.extend_hold(hold("a", buyer, (buyer, 0), (agent, 200)), epochs(work, buyer, agent)) is True
            assert work.extend_hold(hold("a", buyer, (buyer, 1), (agent, 200)), epochs(work, buyer, agent)) is False
            assert held(work, buyer, agent) == [0, 200]

    def test_the_key_of_a_hold_is_unique(self, storage: Storage) -> None:
        """`AlreadyExists`, also where there is not enough money, and after it has ended."""
        with storage.begin() as work:
            buyer, agent, _ = three_levels(work)
            first = hold("h", buyer, (buyer, 5))
            assert place(work, first)
            for again_of in (first, hold("h", agent, (agent, 9_999))):
                with pytest.raises(AlreadyExists):
                    place(work, again_of)
            work.save(Changes(ended=[(first, HoldState.VOIDED)]))
            with pytest.raises(AlreadyExists):
                place(work, first)

            assert held(work, buyer, agent) == [0, 0]

    def test_a_hold_needs_its_accounts(self, storage: Storage) -> None:
        """`NotFound` without a buyer; and nothing is available where there is no wallet."""
        with storage.begin() as work:
            buyer, agent, top = three_levels(work)
            nobody = evolve(buyer, id=max(buyer.id, agent.id, top.id) + 1)
            known = {**epochs(work, buyer), nobody.id: 0}
            with pytest.raises(NotFound):
                work.place_hold(hold("h", nobody, (buyer, 1)), known)
            assert work.place_hold(hold("h", buyer, (buyer, 1), (nobody, 0)), known) is False

            assert held(work, buyer) == [0]
            assert work.find_hold("h") is None

    def test_a_hold_can_be_extended(self, storage: Storage) -> None:
        """To as much or more at every level, named in any order; everything else of it is replaced, too."""
        with storage.begin() as work:
            buyer, agent, top = three_levels(work)
            assert place(work, hold("h", buyer, (buyer, 50), (agent, 60), (top, 0)))
        with storage.begin() as work:
            more = hold(
                "h", buyer, (top, 300), (buyer, 50), (agent, 61), expires_at=AT + 900 * SECOND, seconds=9, terms="new"
            )
            assert work.extend_hold(more, epochs(work, buyer, agent, top)) is True
        with storage.begin() as work:
            assert work.find_hold("h") == more
            assert held(work, buyer, agent, top) == [50, 61, 300]

    @pytest.mark.parametrize("short", range(3))
    def test_an_extension_reserves_all_or_nothing(self, storage: Storage, short: int) -> None:
        """Only what it adds must be available; False where one level has less, or its account was changed."""
        with storage.begin() as work:
            levels = three_levels(work)
            first = hold("h", levels[0], *((level, 60) for level in levels))
            assert place(work, first)
            before = everything(work)
            wanted = [100, 200, 300]
            wanted[short] += 1
            more = hold("h", levels[0], *zip(levels, wanted, strict=True))
            assert work.extend_hold(more, epochs(work, *levels)) is False
            assert everything(work) == before
            wanted[short] -= 1
            enough = hold("h", levels[0], *zip(levels, wanted, strict=True))
            seen = epochs(work, *levels)
            work.update_account(levels[short])
            assert work.extend_hold(enough, seen) is False
            assert held(work, *levels) == [60, 60, 60]
            assert work.extend_hold(enough, epochs(work, *levels)) is True
            assert held(work, *levels) == [100, 200, 300]

    def test_an_extension_is_of_the_same_levels(self, storage: Storage) -> None:
        """`InvalidValue` for other accounts, or for less than before."""
        with storage.begin() as work:
            buyer, agent, top = three_levels(work)
            first = hold("h", buyer, (buyer, 50), (agent, 50))
            assert place(work, first)
            for levels in (
                ((buyer, 50),),
                ((buyer, 50), (agent, 50), (top, 0)),
                ((buyer, 50), (top, 50)),
                ((buyer, 51), (agent, 49)),
            ):
                with pytest.raises(InvalidValue):
                    work.extend_hold(hold("h", buyer, *levels), epochs(work, buyer, agent, top))

            assert work.find_hold("h") == first
            assert held(work, buyer, agent, top) == [50, 50, 0]

    def test_what_is_not_open_cannot_be_extended(self, storage: Storage) -> None:
        """False for a hold that has ended, `NotFound` for one that never was."""
        with storage.begin() as work:
            buyer, *_ = three_levels(work)
            first = hold("h", buyer, (buyer, 50))
            assert place(work, first)
            work.save(Changes(ended=[(first, HoldState.EXPIRED)]))
            assert work.extend_hold(first, epochs(work, buyer)) is False
            with pytest.raises(NotFound):
                work.extend_hold(hold("none", buyer, (buyer, 50)), epochs(work, buyer))

            assert work.find_hold("h") == evolve(first, state=HoldState.EXPIRED)
            assert held(work, buyer) == [0]

    @pytest.mark.parametrize("state", [HoldState.POSTED, HoldState.VOIDED, HoldState.EXPIRED])
    def test_a_hold_ends_once(self, storage: Storage, state: HoldState) -> None:
        """What it reserved is given back; to end it again is `StorageBusy`, and gives nothing back."""
        with storage.begin() as work:
            levels = three_levels(work)
            first, other = (hold(key, levels[0], *((level, 30) for level in levels)) for key in ("a", "b"))
            assert place(work, first)
            assert place(work, other)
            work.save(Changes(ended=[(first, state)]))
        with storage.begin() as work:
            ended = work.find_hold("a")
            assert ended == evolve(first, state=state)
            for wrong in ([(first, state)], [(other, state), (other, state)], [(ended, HoldState.VOIDED)]):
                with pytest.raises(StorageBusy):
                    work.save(Changes(ended=wrong))

            assert list(work.holds()) == [other]
            assert held(work, *levels) == [30, 30, 30]

    def test_a_hold_ends_as_it_was_seen(self, storage: Storage) -> None:
        """`StorageBusy` where it was extended since it was read; as it is now, all that it reserves is given back."""
        with storage.begin() as work:
            buyer, agent, _ = three_levels(work)
            first = hold("h", buyer, (buyer, 5), (agent, 6))
            assert place(work, first)
            more = hold("h", buyer, (agent, 60), (buyer, 50))
            assert work.extend_hold(more, epochs(work, buyer, agent))
            with pytest.raises(StorageBusy):
                work.save(Changes(ended=[(first, HoldState.POSTED)]))
            assert held(work, buyer, agent) == [50, 60]
            work.save(Changes(ended=[(more, HoldState.POSTED)]))

            assert held(work, buyer, agent) == [0, 0]
            assert work.find_hold("h") == evolve(more, state=HoldState.POSTED)

    def test_open_holds_come_by_the_time_of_their_end(self, storage: Storage) -> None:
        """And by key; all, or those that have lapsed: at the very instant of their end, to the microsecond."""
        with storage.begin() as work:
            buyer, *_ = three_levels(work)
            ends = {"d": 3, "b": 1, "c": 2, "a": 1, "gone": 1}
            made = {key: hold(key, buyer, (buyer, 1), expires_at=AT + end * SECOND) for key, end in ends.items()}
            for each in made.values():
                assert place(work, each)
            work.save(Changes(ended=[(made["gone"], HoldState.VOIDED)]))
        with storage.begin() as work:
            assert [each.key for each in work.holds()] == ["a", "b", "c", "d"]
            assert [each.key for each in work.holds(lapsed_at=AT + 2 * SECOND)] == ["a", "b", "c"]
            assert [each.key for each in work.holds(lapsed_at=AT + 2 * SECOND - MICROSECOND)] == ["a", "b"]
            assert work.holds(lapsed_at=AT) == []
            assert work.holds()[0].expires_at.tzinfo is UTC

    def test_a_hold_is_undone_with_its_transaction(self, storage: Storage) -> None:
        """And what it reserved."""
        with storage.begin() as work:
            buyer, *_ = three_levels(work)
            before = everything(work)
        with pytest.raises(ZeroDivisionError):
            fail(storage, lambda work: place(work, hold("h", buyer, (buyer, 5))))
        with storage.begin() as work:
            assert everything(work) == before
            assert place(work, hold("h", buyer, (buyer, 100)))

    def test_no_money_is_reserved_twice(self, storage: Storage) -> None:
        """Eight threads that place, extend and end holds never take what is available below zero."""
        with storage.begin() as work:
            buyer, agent, top = three_levels(work)
            seen = epochs(work, buyer, agent, top)

        @again
        def place_one(index: int) -> int:
            wanted = hold(f"h{index}", buyer, (buyer, 3), (agent, 9), (top, 1))
            with storage.begin() as work:
                if not work.place_hold(wanted, seen):
                    return 0
            with storage.begin() as work:
                if index % 3 == 0:
                    work.save(Changes(ended=[(wanted, HoldState.VOIDED)]))
                    return 0
                more = hold(wanted.key, buyer, (top, 2), (agent, 9), (buyer, 4))
                return 4 if work.extend_hold(more, seen) else 3

        with ThreadPoolExecutor(8) as threads:
            reserved = list(threads.map(place_one, range(60)))
        with storage.begin() as work:
            holds = work.holds()
            levels = [level for each in holds for level in each.levels]
            sums = {owner: sum(each.micros for each in levels if each.account_id == owner) for owner in seen}
            assert held(work, buyer, agent, top) == list(sums.values())
            assert sums[buyer.id] == sum(reserved) > 0
            assert all(work.wallet(account.id).available_micros >= 0 for account in (buyer, agent, top))
