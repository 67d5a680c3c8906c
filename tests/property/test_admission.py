"""What holds for every authorisation, whatever the path, the prices and the money."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from tests.property.commerce import Business, businesses, percents
from tests.property.test_services import few, on_every_storage
from tests.services.books import everything
from tests.services.holding import attempt, fund, wallets

from astpp_billing.billing import Billing
from astpp_billing.calls import (
    Approved,
    CallRecord,
    HoldPolicy,
    Purse,
    Refused,
    RefusedReason,
    affordable,
    check_losses,
    make_offer,
)
from astpp_billing.clock import FixedClock
from astpp_billing.errors import BillingError
from astpp_billing.ledger import Hold
from astpp_billing.money import Money, minor_step
from astpp_billing.pricing import LevelTerms, NotPriced, PathTerms
from astpp_billing.testing import strategies as billing_strategies
from astpp_billing.testing.strategies import Call
from astpp_billing.testing.worlds import START, call

LONGEST = 7200
cases = billing_strategies.calls()


def terms_of(case: Call) -> PathTerms:
    terms = case.cascade.terms(case.number, case.at)
    assert not isinstance(terms, NotPriced)
    return terms


def charged(level: LevelTerms, seconds: int) -> int:
    """What one level is charged, without the machinery of the cascade."""
    return level.conversion.apply(level.terms.micros(seconds))


def purses_for(terms: PathTerms, data: DataObject) -> dict[int, Purse]:
    """What each account has: about what a call of some length needs, a micro less or more, or anything."""
    purses = {}
    for level in terms.levels:
        step = data.draw(st.sampled_from([1, minor_step(level.payer.currency)]))
        purse = Purse(0, Decimal(data.draw(percents)), step)
        about = purse.needed(charged(level, data.draw(billing_strategies.call_seconds([level.terms]))))
        near = st.sampled_from([about - 1, about, about + 1])
        available = data.draw(st.one_of(near, st.integers(-(10**6), 10**10)))
        purses[level.payer.id] = evolve(purse, available_micros=available)
    return purses


def can_pay(level: LevelTerms, purse: Purse, seconds: int) -> bool:
    """Whether a level has what so long a call needs of it; who has less than nothing can pay nothing."""
    return purse.needed(charged(level, seconds)) <= max(0, purse.available_micros)


@given(case=cases, data=st.data())
def test_the_longest_call_is_the_exact_inverse_of_what_every_level_is_charged(case: Call, data: DataObject) -> None:
    """Rules 6 and 3: what n seconds need is available on every level, and what n + 1 need is not on one: it is named.

    What is needed is the price with its tax, in whole coins where a receipt is given at once.
    """
    terms = terms_of(case)
    purses = purses_for(terms, data)

    most, limit = affordable(terms, purses, LONGEST)

    assert 0 <= most <= LONGEST
    if most:
        assert all(can_pay(level, purses[level.payer.id], most) for level in terms.levels)
    if most < LONGEST:
        assert limit is not None
        ending = next(level for level in terms.levels if level.payer == limit)
        assert not can_pay(ending, purses[limit.id], most + 1)
    else:
        assert limit is None


@given(case=cases, data=st.data(), slice_seconds=st.integers(1, LONGEST))
def test_what_is_offered_is_what_exactly_so_many_seconds_need(case: Call, data: DataObject, slice_seconds: int) -> None:
    """A hold reserves on every level what a call of its length needs there, which is always possible to pay."""
    terms = terms_of(case)
    purses = purses_for(terms, data)

    offer = make_offer(case.cascade, case.number, case.at, purses, slice_seconds, LONGEST)

    if isinstance(offer, Refused):
        assert offer.reason in (RefusedReason.NO_MONEY, RefusedReason.TOO_LARGE)
        if offer.reason is RefusedReason.NO_MONEY:
            assert offer.account is not None
            assert affordable(terms, purses, LONGEST) == (0, offer.account)
        return
    assert offer.seconds == min(offer.max_seconds, slice_seconds) >= 1
    assert [level.account_id for level in offer.levels] == [account.id for account in case.cascade.path[:-1]]
    for held, level in zip(offer.levels, terms.levels, strict=True):
        assert held.micros == purses[level.payer.id].needed(charged(level, offer.seconds))
        assert can_pay(level, purses[level.payer.id], offer.seconds)


@given(case=cases)
def test_who_sells_at_a_loss_is_refused_unless_it_allows_losses(case: Call) -> None:
    """Rules 4: a call on which some reseller would pay more per minute than it is paid is refused."""
    terms = terms_of(case)
    losing = terms.losses(case.cascade.exchange_rates, case.at)

    refusal = check_losses(case.cascade, terms, case.at)

    assert (refusal is not None) == bool(losing)
    if refusal is not None:
        assert (refusal.reason, refusal.account) == (RefusedReason.LOSS, losing[0])


# whole businesses

_legs = st.integers(0, 3)
_who = st.sampled_from(["chain-customer"] * 20 + ["chain-1", "chain-2", "chain-admin", "nobody"])
_numbers = st.sampled_from(["441"] * 20 + ["33", "x"])
_ARGUMENTS: dict[str, tuple[st.SearchStrategy[Any], ...]] = {
    "authorize": (_legs, _who, _numbers),
    "extend": (_legs, st.integers(1, 2000)),
    "void": (_legs,),
    "expire": (),
    "settle": (st.integers(0, 9), st.integers(0, 900), _who),
    "refill": (_who, st.integers(1, 10**8)),
    "pass": (st.integers(1, 30),),
}
_OFTEN = 8 * ["authorize"] + 4 * ["extend"] + 2 * ["settle", "refill"] + ["void", "expire", "pass"]


@st.composite
def commands(draw: st.DrawFn) -> list[tuple[str, tuple[Any, ...]]]:
    """What switches do, in any order, right and wrong."""
    names = draw(st.lists(st.sampled_from(_OFTEN), min_size=10, max_size=24))
    return [(name, tuple(draw(argument) for argument in _ARGUMENTS[name])) for name in names]


def record(leg: int, seconds: int = 60, who: str = "chain-customer", number: str = "441") -> CallRecord:
    return call(who, seconds, leg=str(leg), number=number)


def run(billing: Billing, clock: FixedClock, index: int, name: str, arguments: tuple[Any, ...]) -> object:
    """Do one command; errors are results."""
    try:
        match name, arguments:
            case "authorize", (leg, who, number):
                return billing.calls.authorize(attempt(record(leg, who=who, number=number)))
            case "extend", (leg, seconds):
                return billing.calls.extend(record(leg).key, seconds)
            case "void", (leg,):
                return billing.calls.void(record(leg).key)
            case "expire", ():
                return billing.calls.expire_holds()
            case "settle", (leg, seconds, who):
                return billing.calls.settle(record(leg, seconds, who))
            case "refill", (who, micros):
                account = billing.accounts.get(who)
                money = Money.from_micros(micros, account.currency)
                return billing.ledger.refill(account, money, key=f"{index}")
            case "pass", (minutes,):
                clock.advance(timedelta(minutes=minutes))
                return None
            case _:
                raise AssertionError(name)
    except BillingError as error:
        return error


def check_holds(billing: Billing) -> None:
    """What is held in each wallet is what the open holds reserve in it."""
    reserved: dict[int, int] = {}
    for hold in billing.calls.holds():
        for level in hold.levels:
            reserved[level.account_id] = reserved.get(level.account_id, 0) + level.micros
    assert {one.account_id: one.held_micros for one in wallets(billing) if one.held_micros} == {
        account_id: micros for account_id, micros in reserved.items() if micros
    }


@on_every_storage
@few
@given(business=businesses(), todo=commands(), losses=st.sampled_from([True, True, False]))
def test_what_is_held_is_the_sum_of_open_holds_and_nobody_overspends(
    url: str, business: Business, todo: list[tuple[str, tuple[Any, ...]]], losses: bool
) -> None:
    """Rules 5: an authorisation never takes `available` below zero, and what was refused changes nothing."""
    clock = FixedClock(START)
    with Billing.open(url, clock, policy=HoldPolicy(slice_seconds=60)) as billing:
        shop = business.open(billing)
        for reseller in shop.resellers:
            billing.accounts.change(reseller, loss_less_routing=losses)
        fund(billing, shop, 3)
        for index, (name, arguments) in enumerate(todo):
            before, holds = wallets(billing), billing.calls.holds(lapsed_at=clock.now())
            result = run(billing, clock, index, name, arguments)

            check_holds(billing)
            if isinstance(result, Refused) and not holds:  # else those that had lapsed may have ended
                assert wallets(billing) == before
            if isinstance(result, Approved):
                if result.repeated:
                    assert wallets(billing) == before
                else:
                    payers = {level.account_id for level in result.levels if level.micros}  # else it needs nothing
                    assert all(one.available_micros >= 0 for one in wallets(billing) if one.account_id in payers)
        assert billing.ledger.reconcile().agrees


@few
@given(business=businesses(), todo=commands())
def test_every_storage_decides_alike(business: Business, todo: list[tuple[str, tuple[Any, ...]]]) -> None:
    """DESIGN 10: memory is the model that SQL is compared with, decision by decision."""
    clocks = [FixedClock(START), FixedClock(START)]
    with Billing.open("memory://", clocks[0]) as memory, Billing.open("sqlite://", clocks[1]) as sqlite:
        for billing in (memory, sqlite):
            shop = business.open(billing)
            for reseller in shop.resellers:
                billing.accounts.change(reseller, loss_less_routing=True)
            fund(billing, shop, 3)
        for index, (name, arguments) in enumerate(todo):
            expected, found = (
                run(billing, clock, index, name, arguments)
                for billing, clock in zip((memory, sqlite), clocks, strict=True)
            )
            assert type(found) is type(expected)
            if isinstance(expected, Approved | Refused | Hold | int):  # the ids of documents are each storage's own
                assert found == expected
            assert wallets(sqlite) == wallets(memory)
            assert list(sqlite.calls.holds()) == list(memory.calls.holds())


@on_every_storage
@few
@given(
    business=businesses(),
    calls=st.lists(st.integers(0, 900), max_size=5),
    money=st.integers(0, 10),
    extend=st.booleans(),
)
def test_a_call_costs_the_same_with_a_hold_and_without(
    url: str, business: Business, calls: list[int], money: int, extend: bool
) -> None:
    """Rules 6: settling releases the hold, and charges what the call costs, more or less than was held."""
    with Billing.open(url, FixedClock(START)) as held, Billing.open(url, FixedClock(START)) as unheld:
        for billing in (held, unheld):
            shop = business.open(billing)
            for reseller in shop.resellers:
                billing.accounts.change(reseller, loss_less_routing=True)
            fund(billing, shop, money)
            for leg, seconds in enumerate(calls):
                made = record(leg, seconds)
                if billing is held:
                    billing.calls.authorize(attempt(made))
                    if extend and billing.calls.find_hold(made.key) is not None:
                        billing.calls.extend(made.key, seconds + 1)
                billing.calls.settle(made)

        assert everything(held) == everything(unheld)
        assert wallets(held) == wallets(unheld)
        assert not held.calls.holds()
