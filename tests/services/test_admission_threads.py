"""Rules, section 5: authorisations never take `available` below zero, whatever runs at the same time."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
from tests.services.books import settled
from tests.services.holding import approved, attempt, fund, held, wallets

from astpp_billing.billing import Billing
from astpp_billing.calls import Approved, Refused, RefusedReason
from astpp_billing.clock import FixedClock
from astpp_billing.testing.worlds import Chain, chain, distributor

THREADS = 8
Result = TypeVar("Result")


@pytest.fixture(params=["memory", "sqlite", "postgres", "mariadb"])
def billing(request: pytest.FixtureRequest, clock: FixedClock) -> Iterator[Billing]:
    """Storages that several threads can use at once."""
    if request.param == "memory":
        url = "memory://"
    elif request.param == "sqlite":
        url = f"sqlite:///{request.getfixturevalue('tmp_path')}/billing.db"
    else:
        url = request.getfixturevalue(f"{request.param}_url")
    with Billing.open(url, clock) as opened:
        yield opened


def at_once(do: Callable[[int], Result], times: int) -> list[Result]:
    """What `do` gives for 0, 1, 2 … in several threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(do, range(times)))


def open_shop(billing: Billing, customer: str, reseller: str) -> Chain:
    shop = chain(billing, distributor("0.03"), price="0.06")
    fund(billing, shop, customer, reseller)
    return shop


@pytest.mark.parametrize(("customer", "reseller"), [("3.1", "100"), ("100", "1.55")])
def test_little_money_is_given_out_once(billing: Billing, customer: str, reseller: str) -> None:
    """Wherever it is short, there is money for 3,100 seconds: five slices, and 100 seconds more."""
    shop = open_shop(billing, customer, reseller)
    records = [shop.call() for _ in range(40)]

    results = at_once(lambda leg: billing.calls.authorize(attempt(records[leg])), 40)

    covered = [result.hold.seconds for result in results if isinstance(result, Approved)]
    assert sorted(covered) == [100, 600, 600, 600, 600, 600]
    refusals = [result for result in results if isinstance(result, Refused)]
    short = shop.customer if customer == "3.1" else shop.resellers[0]
    assert {(one.reason, one.account) for one in refusals} == {(RefusedReason.NO_MONEY, short)}
    assert held(billing, shop) == [3_100_000, 1_550_000]
    assert all(one.available_micros >= 0 for one in wallets(billing))


def test_of_equal_attempts_at_once_one_holds_money(billing: Billing) -> None:
    shop = open_shop(billing, "100", "100")
    wanted = attempt(shop.call())

    results = at_once(lambda _: billing.calls.authorize(wanted), THREADS)

    assert sorted(isinstance(one, Approved) and one.repeated for one in results) == [False] + (THREADS - 1) * [True]
    assert held(billing, shop) == [600_000, 300_000]


def test_a_hold_ends_once_however_many_end_it(billing: Billing, clock: FixedClock) -> None:
    shop = open_shop(billing, "100", "100")
    records = [shop.call(60) for _ in range(30)]
    for record in records:
        approved(billing, attempt(record))
    clock.advance(timedelta(hours=1))

    def end(turn: int) -> int:
        match turn % 3:
            case 0:
                return billing.calls.expire_holds()
            case 1:
                billing.calls.void(records[turn].key)
            case _:
                settled(billing, records[turn])
        return 0

    at_once(end, 30)

    assert not billing.calls.holds()
    assert held(billing, shop) == [0, 0]
    assert billing.ledger.reconcile().agrees


def test_extensions_and_new_calls_at_once_share_what_there_is(billing: Billing) -> None:
    shop = open_shop(billing, "3.1", "100")
    first = approved(billing, attempt(shop.call()))
    records = [shop.call() for _ in range(8)]

    def either(turn: int) -> object:
        if turn % 2:
            return billing.calls.extend(first.hold.key, 600 + 100 * turn)
        return billing.calls.authorize(attempt(records[turn // 2]))

    at_once(either, 16)

    reserved = sum(
        level.micros for hold in billing.calls.holds() for level in hold.levels if level.account_id == shop.customer.id
    )
    assert held(billing, shop)[0] == reserved == 3_100_000
    assert held(billing, shop)[1] == 1_550_000
