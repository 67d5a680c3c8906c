from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest
from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.property import reference

from astpp_billing.errors import HierarchyError, InvalidValue
from astpp_billing.fx import ExchangeRates
from astpp_billing.hierarchy import Account, Kind
from astpp_billing.pricing import Cascade, NotPriced, PricedCall, explain_level
from astpp_billing.testing import strategies as billing
from astpp_billing.testing.strategies import Call


def fresh(cascade: Cascade) -> Cascade:
    """The same cascade, which has learned nothing yet."""
    return Cascade(cascade.path, cascade.tariffs, cascade.exchange_rates, cascade.termination)


def check_priced(priced: PricedCall | NotPriced) -> PricedCall:
    assert isinstance(priced, PricedCall), priced
    return priced


def payments(call: PricedCall) -> list[tuple[int, int, str, Fraction]]:
    """Payer, payee, currency and amount of everything that is paid for a call."""
    levels = call.levels if call.termination is None else (*call.levels, call.termination)
    paid = [(each.payer.id, each.payee.id, each.currency, Fraction(each.amount_micros, 10**6)) for each in levels]
    for each in call.commissions:
        amount = Fraction(each.amount_micros, 10**6)
        paid.append((each.payer.id, each.receiver.id, each.receiver.currency, amount))
    return paid


@given(billing.calls())
def test_a_cascade_agrees_with_the_rules(case: Call) -> None:
    """Every level is priced by its group, passed on by commission resellers, and converted once from that price."""
    call = check_priced(case.priced())

    assert payments(call) == reference.amounts(case.cascade, case.number, case.seconds, case.at)
    assert call.seconds == case.seconds


@given(billing.calls())
def test_no_micro_appears_or_disappears(case: Call) -> None:
    """What the buyer pays = what the provider gets + the profits of all on the path, in each currency by itself."""
    call = check_priced(case.priced())
    sums: dict[str, int] = {}
    for bag in call.profits().values():
        for code, micros in bag.items():
            sums[code] = sums.get(code, 0) + micros
    if call.termination is not None:
        sums[call.termination.currency] = sums.get(call.termination.currency, 0) + call.termination.amount_micros

    paid = {call.levels[0].currency: call.levels[0].amount_micros}

    assert {code: micros for code, micros in sums.items() if micros} == {code: m for code, m in paid.items() if m}


@given(billing.calls())
def test_profits_are_what_each_seller_is_paid_less_what_it_pays(case: Call) -> None:
    """A reseller earns in its child's currency and pays in its own."""
    call = check_priced(case.priced())
    expected: dict[int, dict[str, Fraction]] = {account.id: {} for account in case.cascade.path[1:]}
    for payer, payee, code, amount in payments(call):
        for account_id, flow in ((payer, -amount), (payee, amount)):
            if account_id in expected:
                expected[account_id][code] = expected[account_id].get(code, Fraction(0)) + flow

    assert call.profits() == {
        account_id: {code: int(flow * 10**6) for code, flow in bag.items() if flow}
        for account_id, bag in expected.items()
    }


@given(billing.calls())
def test_a_commission_reseller_passes_on_what_its_child_pays(case: Call) -> None:
    """It pays its parent by the rate that its child pays by; only the wallet's currency may differ."""
    levels = check_priced(case.priced()).levels

    for index, level in enumerate(levels):
        if index and level.payer.is_commission_reseller:
            below = levels[index - 1]
            assert (level.terms.tariff, level.terms.rate) == (below.terms.tariff, below.terms.rate)
            assert level.price_micros == below.price_micros
            if level.currency == below.currency:
                assert level.amount_micros == below.amount_micros


@given(billing.calls(currencies=("EUR",)))
def test_pools_are_conserved_and_funded_by_the_seller_alone(case: Call) -> None:
    """S pays K1 pool1, K1 pays K2 pool2, …: what all of a run keep adds up to pool1, and nobody else pays for it."""
    call = check_priced(case.priced())
    got: dict[int, int] = {}
    for share in call.commissions:
        assert share.receiver.is_commission_reseller
        assert share.amount_micros >= 0
        assert case.cascade.path.index(share.payer) == case.cascade.path.index(share.receiver) + 1
        got[share.receiver.id] = got.get(share.receiver.id, 0) + share.amount_micros
        got[share.payer.id] = got.get(share.payer.id, 0) - share.amount_micros

    runs = reference.runs(case.cascade.path)
    assert len(call.commissions) == sum(map(len, runs))
    for run in runs:
        kept = [got[account.id] for account in run]
        pool = next(share for share in call.commissions if share.receiver == run[0])
        assert min(kept) >= 0
        assert sum(kept) == pool.amount_micros
        assert pool.amount_micros <= max(level.amount_micros for level in call.levels if level.payer == run[0])
        assert not pool.payer.is_commission_reseller


@given(billing.calls(), st.data())
def test_learned_ranges_change_nothing(case: Call, data: st.DataObject) -> None:
    """For any order of numbers and instants a cascade that has learned gives what a new one gives."""
    prefixes = {rate.prefix for offered in case.cascade.tariffs.values() for each in offered for rate in each.table}
    asked = data.draw(
        st.lists(
            st.tuples(
                st.one_of(billing.numbers(prefixes), st.text("019:a+", max_size=3)),
                billing.call_seconds(),
                billing.instants(),
            ),
            max_size=8,
        )
    )

    for number, seconds, at in [*asked, *asked]:
        assert case.cascade.price(number, seconds, at) == fresh(case.cascade).price(number, seconds, at)
        assert case.cascade.terms(number, at) == fresh(case.cascade).terms(number, at)


@settings(max_examples=25)
@given(billing.cascades(), st.data())
def test_threads_do_not_disturb_each_other(cascade: Cascade, data: st.DataObject) -> None:
    """Any number of calls can be priced, from any thread."""
    prefixes = {rate.prefix for offered in cascade.tariffs.values() for each in offered for rate in each.table}
    asked = data.draw(st.lists(st.tuples(billing.numbers(prefixes), billing.instants()), min_size=20, max_size=40))

    def ask(turn: int) -> list[PricedCall | NotPriced]:
        order = asked[turn:] + asked[:turn]
        answers = [cascade.price(number, 77, at) for number, at in order]
        return answers[len(asked) - turn :] + answers[: len(asked) - turn]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(ask, range(8)))

    expected = [fresh(cascade).price(number, 77, at) for number, at in asked]
    assert all(result == expected for result in results)


@given(billing.calls(), billing.micros(10**9), st.integers(0, 7200))
def test_the_longest_call_that_a_wallet_pays_for(case: Call, funds: int, longest: int) -> None:
    """On every level, in the payer's own currency: `amount(n) ≤ funds < amount(n + 1)`, or n is the longest."""
    call = check_priced(case.priced())

    for index, terms in enumerate(call.terms.payments):
        seconds = terms.max_seconds(funds, longest)
        assert 0 <= seconds <= longest
        assert check_priced(case.cascade.price(case.number, seconds, case.at)).amounts[index] <= funds
        if seconds < longest:
            assert funds < check_priced(case.cascade.price(case.number, seconds + 1, case.at)).amounts[index]


@given(billing.calls())
def test_every_level_can_be_explained(case: Call) -> None:
    """An explanation can be had of every price, and ends at the amount that is charged."""
    call = check_priced(case.priced())

    for level in call.levels if call.termination is None else (*call.levels, call.termination):
        it = explain_level(level)
        assert Fraction(it.amount) == Fraction(level.amount_micros, 10**6)
        assert Fraction(it.price) == Fraction(level.price_micros, 10**6)
        assert (it.conversion.base, it.conversion.quote) == (level.terms.tariff.group.currency, level.currency)


@given(billing.calls())
def test_losses(case: Call) -> None:
    """A call on which some reseller would pay more per minute than it is paid, markups included, is a loss to it."""
    call = check_priced(case.priced())
    table: ExchangeRates = case.cascade.exchange_rates
    expected = []
    for below, own in zip(call.levels, call.levels[1:], strict=False):
        paid, pays = (
            Fraction(each.terms.rate.price_per_minute) * (1 + Fraction(each.terms.tariff.group.markup_percent) / 100)
            for each in (below, own)
        )
        codes = [each.terms.tariff.group.currency for each in (below, own)]
        by = reference.factor(list(table), codes[0], codes[1], case.at)
        assert by is not None
        if pays > paid * by:
            expected.append(own.payer)

    losing = call.losses(table, case.at)

    assert losing == tuple(expected) == call.terms.losses(table, case.at)
    assert all(account.kind is Kind.RESELLER and not account.is_commission_reseller for account in losing)


@given(billing.calls())
def test_an_instant_without_a_time_zone_is_never_taken_for_utc(case: Call) -> None:
    """Instants are UTC everywhere inside; a naive one is refused where rates are dated."""
    naive = case.at.replace(tzinfo=None)

    if case.cascade.exchange_rates.changes:
        with pytest.raises(TypeError, match="offset-naive"):
            fresh(case.cascade).price(case.number, case.seconds, naive)
    else:
        assert len({each.currency for each in case.cascade.path}) == 1


@given(billing.calls())
def test_a_call_that_was_not_answered_costs_nothing(case: Call) -> None:
    """seconds < 1 → 0, on every level."""
    call = check_priced(case.cascade.price(case.number, 0, case.at))

    assert not any(call.amounts)
    assert not any(call.shares)
    assert len(call.amounts) == len(call.terms.payments)
    assert not any(call.profits().values())


@given(billing.calls(), st.booleans(), st.integers(0, 7200))
def test_buyers_on_the_same_terms_share_what_is_learned(case: Call, other_first: bool, seconds: int) -> None:
    """Whoever calls first, each gets the price that its own cascade would give, as the payer of it."""
    path = case.cascade.path
    assume(len(path) > 1)
    host = fresh(case.cascade)
    buyer = evolve(path[0], id=77, number="another")
    tariffs = {**case.cascade.tariffs, buyer.id: case.cascade.tariffs[path[0].id]}
    alone = Cascade((buyer, *path[1:]), tariffs, case.cascade.exchange_rates, case.cascade.termination)
    guest = host.for_buyer(buyer)

    pairs = [(host, fresh(case.cascade)), (guest, alone)]
    for shared, own in reversed(pairs) if other_first else pairs:
        for length in (case.seconds, seconds, 0):
            assert shared.price(case.number, length, case.at) == own.price(case.number, length, case.at)
        assert shared.terms(case.number, case.at) == own.terms(case.number, case.at)


def test_a_buyer_in_another_currency_shares_nothing() -> None:
    admin = Account(id=1, number="admin", kind=Kind.ADMIN, currency="EUR")
    buyer = Account(id=2, number="buyer", kind=Kind.CUSTOMER, parent_id=1, currency="EUR")
    cascade = Cascade((buyer, admin), {})

    with pytest.raises(InvalidValue, match="other pays in USD"):
        cascade.for_buyer(evolve(buyer, id=3, number="other", currency="USD"))
    with pytest.raises(HierarchyError, match="not the parent"):
        cascade.for_buyer(evolve(buyer, id=3, number="other", parent_id=4))
