"""Calls and holds of one buyer in any order, in any batches: the same as a model that counts second by second."""

from datetime import timedelta

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.test_allowances import next_second, some_grants
from tests.services.holding import attempt

from astpp_billing.billing import Billing
from astpp_billing.calls import Approved, CallRecord, Settled
from astpp_billing.clock import FixedClock
from astpp_billing.ports import Changes
from astpp_billing.pricing.allowances import Grant
from astpp_billing.testing.worlds import START, chain, distributor

HOUR = timedelta(hours=1)
LEVELS = (1, 2)

batches = st.lists(
    st.lists(st.tuples(st.sampled_from(["44123", "441555"]), st.integers(0, 6), st.integers(0, 50)), max_size=4),
    max_size=4,
)


def take_slowly(grants: dict[int, Grant], number: str, hours: int, seconds: int, payers: tuple[int, ...]) -> list[int]:
    """Take the seconds of a call from the grants, one by one; what each payer is charged for."""
    rests = [seconds] * len(payers)
    for _ in range(seconds):
        grant = next_second(list(grants.values()), number, START + hours * HOUR)
        if grant is not None:
            grants[grant.id] = evolve(grant, used_seconds=grant.used_seconds + 1)
            rests = [rest - (payer in grant.levels) for rest, payer in zip(rests, payers, strict=True)]
    return rests


@settings(max_examples=40)
@given(wanted=some_grants(LEVELS), batches=batches, data=st.data())
def test_any_calls_in_any_batches_use_what_a_slow_count_uses(
    wanted: list[Grant], batches: list[list[tuple[str, int, int]]], data: st.DataObject
) -> None:
    """Each level is charged for what is not its own minutes; counters, uses and holds prove each other in the end.

    Before a batch, some calls are authorised and given up again, which leaves nothing behind.
    """
    with Billing.open("memory://", FixedClock(START)) as billing:
        shop = chain(billing, distributor("0.06"), price="0.06")
        payers = (shop.customer.id, shop.resellers[0].id)
        ids = dict(zip(LEVELS, payers, strict=True))
        model: dict[int, Grant] = {}
        for position, one in enumerate(wanted, 1):
            levels = tuple(ids[level] for level in one.levels)
            kept = evolve(one, account_id=payers[0], levels=levels, held_seconds=0, used_seconds=0, position=position)
            model[kept.id] = kept
        with billing.storage.begin() as uow:
            uow.save(Changes(granted=list(model.values())))
        for batch in batches:
            records = [
                shop.call(seconds, number=number, started_at=START + hours * HOUR) for number, hours, seconds in batch
            ]
            _give_up_some(billing, records, data)

            results = list(billing.calls.settle_many(records))

            for record, result, (number, hours, seconds) in zip(records, results, batch, strict=True):
                rests = take_slowly(model, number, hours, seconds, payers)
                assert isinstance(result, Settled)
                charged = {charge.account_id: (charge.seconds, charge.micros) for charge in result.charges}
                assert charged == {
                    payer: (rest, 1000 * rest) for payer, rest in zip(payers, rests, strict=True) if rest
                }
                with billing.storage.snapshot() as uow:
                    covered = sum(used.seconds for used in uow.minutes_used(key=record.key))
                assert covered + rests[0] == seconds  # the buyer is a level of every grant
        with billing.storage.snapshot() as uow:
            assert {one.id: one for one in uow.grants(payers[0])} == model
        assert billing.ledger.reconcile().discrepancies == ()


def _give_up_some(billing: Billing, records: list[CallRecord], data: st.DataObject) -> None:
    """Authorise some calls and void them again: nothing is left of that."""
    for record in records:
        if data.draw(st.booleans()):
            result = billing.calls.authorize(attempt(record, leg_uuid=f"other {record.leg_uuid}", at=record.started_at))
            if isinstance(result, Approved):
                billing.calls.void(result.hold.key)
