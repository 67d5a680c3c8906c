"""Included minutes: what holds for every set of grants, compared with a model that counts second by second."""

from datetime import datetime, timedelta

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from astpp_billing.pricing import Direction, NotPriced, PricedCall
from astpp_billing.pricing.allowances import Grant, in_order, most_seconds, price_rest, take
from astpp_billing.testing import strategies as billing_strategies
from astpp_billing.testing.strategies import Call
from astpp_billing.testing.worlds import START

BUYER = 7
LEVELS = (BUYER, 8, 9)
HOUR = timedelta(hours=1)

prefixes = st.sampled_from(["", "4", "44", "441", "48"])
numbers = st.sampled_from(["441234567890", "48123456789", "15551234567"])
moments = st.integers(0, 6).map(lambda hours: START + hours * HOUR)


@st.composite
def one_grant(draw: DrawFn, levels: tuple[int, ...] = LEVELS) -> Grant:
    """A grant with some of it used and held, for some of the levels from the buyer up."""
    start, end = sorted((draw(moments), draw(moments)))
    seconds = draw(st.integers(1, 40))
    used = draw(st.integers(0, seconds))
    return Grant(
        account_id=levels[0],
        source="order 1",
        prefixes=tuple(draw(st.sets(prefixes, min_size=1))),
        direction=draw(st.sampled_from(Direction)),
        seconds=seconds,
        used_seconds=used,
        held_seconds=draw(st.integers(0, seconds - used)),
        starts_at=start,
        expires_at=end,
        levels=levels[: draw(st.integers(1, len(levels)))],
    )


@st.composite
def some_grants(draw: DrawFn, levels: tuple[int, ...] = LEVELS) -> list[Grant]:
    """Up to five grants of one buyer, with ids in any order."""
    found = draw(st.lists(one_grant(levels), max_size=5))
    ids = draw(st.permutations(range(1, len(found) + 1)))
    return [evolve(grant, id=grant_id) for grant, grant_id in zip(found, ids, strict=True)]


def next_second(grants: list[Grant], number: str, at: datetime) -> Grant | None:
    """The grant that the next second of a call comes from, found the slow way."""
    best: tuple[tuple[int, datetime, int], Grant] | None = None
    for grant in grants:
        left = grant.seconds - grant.used_seconds - grant.held_seconds
        lengths = [len(prefix) for prefix in grant.prefixes if number[: len(prefix)] == prefix]
        live = grant.starts_at <= at < grant.expires_at and grant.direction in (Direction.OUT, Direction.BOTH)
        if left and lengths and live:
            rank = (-max(lengths), grant.expires_at, grant.id)
            if best is None or rank < best[0]:
                best = (rank, grant)
    return None if best is None else best[1]


def slowly(grants: list[Grant], number: str, at: datetime, seconds: int) -> tuple[list[Grant], list[Grant | None]]:
    """The grants after a call, and where each of its seconds came from; None is charged."""
    after = {grant.id: grant for grant in grants}
    sources: list[Grant | None] = []
    for _ in range(seconds):
        grant = next_second(list(after.values()), number, at)
        sources.append(grant)
        if grant is not None:
            after[grant.id] = evolve(grant, used_seconds=grant.used_seconds + 1)
    return list(after.values()), sources


calls = st.lists(st.tuples(numbers, moments, st.integers(0, 60)), max_size=6)


@given(grants=some_grants(), calls=calls)
def test_calls_take_what_a_second_by_second_count_takes(
    grants: list[Grant], calls: list[tuple[str, datetime, int]]
) -> None:
    """No second is charged twice or lost, and no counter is ever below zero or beyond what there was."""
    for number, at, seconds in calls:
        split = take(in_order(grants, number, at), seconds)
        after, sources = slowly(grants, number, at, seconds)

        assert split.covered + split.rest == seconds
        assert split.rest == sources.count(None)
        taken = {grant.id: count for grant, count in split.taken}
        assert len(taken) == len(split.taken)
        grants = [evolve(grant, used_seconds=grant.used_seconds + taken.get(grant.id, 0)) for grant in grants]
        assert grants == after  # making them has checked each counter
        for payer in LEVELS:
            assert split.rest_of(payer) == sum(one is None or payer not in one.levels for one in sources)


@given(grants=some_grants(), number=numbers, at=moments, payable=st.integers(0, 60), longest=st.integers(1, 120))
def test_the_longest_call_is_the_inverse_of_what_is_charged(
    grants: list[Grant], number: str, at: datetime, payable: int, longest: int
) -> None:
    """For every payer: of so long a call it is charged for what it can pay, of one second more for more than that."""
    ordered = in_order(grants, number, at)
    for payer in LEVELS:
        most = most_seconds(ordered, payer, payable, longest)

        assert take(ordered, most).rest_of(payer) <= payable
        assert most == longest or take(ordered, most + 1).rest_of(payer) > payable


@given(case=billing_strategies.calls(), data=st.data())
def test_each_level_pays_the_price_of_its_own_rest(case: Call, data: st.DataObject) -> None:
    """By the formula for that many seconds, and a commission is the share of what its level pays.

    The provider is paid for the whole call.
    """
    terms = case.cascade.terms(case.number, case.at)
    assert not isinstance(terms, NotPriced)
    whole = case.cascade.price(case.number, case.seconds, case.at)
    assert not isinstance(whole, NotPriced)
    payers = tuple(level.payer.id for level in terms.levels)
    if not payers:
        return
    found = data.draw(some_grants(payers))
    always = [
        evolve(grant, direction=Direction.OUT, prefixes=("",), starts_at=case.at, expires_at=case.at + HOUR)
        for grant in found
    ]
    split = take(in_order(always, case.number, case.at), case.seconds)

    def price(seconds: int) -> PricedCall | NotPriced:
        return case.cascade.price(case.number, seconds, case.at)

    covered = price_rest(whole, split, price)

    for level in covered.levels:
        rest = split.rest_of(level.payer.id)
        assert level.seconds == rest
        assert level.amount_micros == level.terms.conversion.apply(level.terms.terms.micros(rest))
        assert rest or not level.amount_micros
    for index, share in enumerate(covered.terms.commissions):
        pool = covered.shares[index - 1] if share.source is None else covered.amounts[share.source]
        assert covered.shares[index] == (2 * pool * share.factor + 1) // 2
    if covered.termination is not None and whole.termination is not None:
        assert covered.termination == whole.termination
