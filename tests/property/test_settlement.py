"""What settling a call writes, whatever the call; and that settling many calls is settling each of them."""

from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.commerce import Business, businesses, options, records
from tests.services.books import everything

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord, Failed, PathBooks, Settled, Settlement, call_charges
from astpp_billing.clock import FixedClock
from astpp_billing.errors import BillingError
from astpp_billing.ledger import Book, LedgerAccount, Transfer, transfer
from astpp_billing.pricing import PricedCall, explain_level
from astpp_billing.testing import strategies as given_by
from astpp_billing.testing.strategies import Call
from astpp_billing.testing.worlds import START

AT = datetime(2026, 1, 1, tzinfo=UTC)


def plainly(call: PricedCall) -> list[Transfer]:
    """The transfers of a call, one after the other, from what it says of each level."""
    moved: list[Transfer] = []
    for level in call.levels:
        wallet = LedgerAccount(level.payer.id, Book.WALLET, level.currency)
        moved += transfer(wallet, LedgerAccount(level.payee.id, Book.REVENUE, level.currency), level.amount_micros)
    for share in call.commissions:
        currency = share.receiver.currency
        pool = LedgerAccount(share.payer.id, Book.COMMISSION, currency)
        moved += transfer(pool, LedgerAccount(share.receiver.id, Book.WALLET, currency), share.amount_micros)
    end = call.termination
    if end is not None:
        cost = LedgerAccount(end.payer.id, Book.COST, end.currency)
        moved += transfer(cost, LedgerAccount(end.payee.id, Book.PAYABLE, end.currency), end.amount_micros)
    return moved


def record_of(case: Call) -> CallRecord:
    return CallRecord(
        switch_id="fs",
        leg_uuid="1",
        number=case.number,
        started_at=AT,
        answered_at=AT,
        ended_at=AT,
        seconds=case.seconds,
    )


@given(given_by.calls())
def test_charges_and_transfers_say_what_the_levels_say(case: Call) -> None:
    """A charge and a transfer for each level that costs something; the detail is the explanation of the level."""
    call = case.priced()
    assert isinstance(call, PricedCall)
    paid = [level for level in call.levels if level.amount_micros]
    documents = {level.payer.id: index for index, level in enumerate(paid) if index % 2}

    transfers = PathBooks(call.terms).transfers(call)
    charges = call_charges(record_of(case), call, documents)

    assert transfers == plainly(call)
    assert [(one.account_id, one.micros, one.currency, one.document_id, one.detail) for one in charges] == [
        (
            *(level.payer.id, level.amount_micros, level.currency),
            *(documents.get(level.payer.id), explain_level(level).text()),
        )
        for level in paid
    ]
    assert [one.position for one in charges] == list(range(1, len(paid) + 1))
    assert [(one.source.account_id, one.micros) for one in transfers[: len(paid)]] == [
        (one.account_id, one.micros) for one in charges
    ]


@st.composite
def floods(draw: st.DrawFn) -> list[CallRecord]:
    """Records of few legs, so that many come again, in the same words or in others."""
    sent = draw(st.lists(records(legs=12), max_size=24))
    others = draw(st.lists(st.tuples(st.integers(0, 23), st.sampled_from(["", "0044"])), max_size=6))
    return sent + [evolve(sent[index], dialled=dialled) for index, dialled in others if index < len(sent)]


def open_business(stack: ExitStack, business: Business, other: dict[str, Any]) -> Billing:
    billing = stack.enter_context(Billing.open("memory://", FixedClock(START)))
    shop = business.open(billing)
    if len(shop.resellers) < 2:  # else that is who has the number
        billing.accounts.open_customer(shop.path[1], number="chain-2", rate_group="chain-customer", **other)
    return billing


def one_by_one(billing: Billing, sent: list[CallRecord]) -> list[Settlement | type[BillingError]]:
    results: list[Settlement | type[BillingError]] = []
    for record in sent:
        try:
            results.append(billing.calls.settle(record))
        except BillingError as error:
            results.append(type(error))
    return results


def told(results: list[Settlement | Failed]) -> list[Settlement | type[BillingError]]:
    return [type(result.error) if isinstance(result, Failed) else result for result in results]


@settings(max_examples=60)
@given(business=businesses(), other=options, sent=floods(), batch_size=st.integers(1, 30))
def test_settling_many_is_settling_one_by_one(
    business: Business, other: dict[str, Any], sent: list[CallRecord], batch_size: int
) -> None:
    """Results, ledger, charges and documents with their ids and numbers are the same, however it is cut in batches."""
    with ExitStack() as stack:
        single, many = (open_business(stack, business, other) for _ in range(2))

        expected = one_by_one(single, sent)
        results = list(many.calls.settle_many(iter(sent), batch_size=batch_size))

        assert told(results) == expected
        assert everything(many) == everything(single)
        assert many.ledger.reconcile().discrepancies == ()


@settings(max_examples=30)
@given(
    business=businesses(),
    sent=st.lists(records(), max_size=20, unique_by=lambda record: record.key),
    size=st.integers(1, 9),
)
def test_retrying_in_batches_is_retrying_all_at_once(business: Business, sent: list[CallRecord], size: int) -> None:
    """However the unrated records are cut in batches, the same comes of them, in the order of their start."""
    with ExitStack() as stack:
        whole, cut = (stack.enter_context(Billing.open("memory://", FixedClock(START))) for _ in range(2))
        for billing in (whole, cut):
            list(billing.calls.settle_many(sent))  # before there is any account: all are kept as unrated
            business.open(billing)

        results = cut.calls.retry(batch_size=size)

        assert list(results) == list(whole.calls.retry())
        assert everything(cut) == everything(whole)
        starts = [result.entry.record.started_at for result in results if isinstance(result, Settled)]
        assert starts == sorted(starts)


@given(st.lists(records(), max_size=12), st.integers(1, 5), st.integers(0, 12))
def test_no_more_records_are_taken_than_the_batch_in_hand(sent: list[CallRecord], batch_size: int, wanted: int) -> None:
    """A generator of records is read as results are asked for, one batch at a time, and what was given is settled."""
    taken: list[CallRecord] = []

    def source() -> Any:
        for record in sent:
            taken.append(record)
            yield record

    with Billing.open("memory://", FixedClock(START)) as billing:
        results = list(islice(billing.calls.settle_many(source(), batch_size=batch_size), wanted))

        assert len(results) == min(wanted, len(sent))
        assert len(taken) == min(len(sent), -(-wanted // batch_size) * batch_size)
        keys = {record.key for record in taken}
        assert {entry.key for entry in billing.calls.all()} == keys
