"""Settling many calls: in batches, each one transaction, in the order of the records."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from tests.services.books import balance, everything, settled, unrated
from tests.services.holding import approved, attempt, fund, held, wallet

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord, Failed, Settled, Settlement, Unrated
from astpp_billing.clock import FixedClock
from astpp_billing.errors import AlreadyExists, IdempotencyConflict, InvalidValue, StorageBusy, StorageError
from astpp_billing.hierarchy import BillingType
from astpp_billing.invoicing import Tax
from astpp_billing.ports import Seen, Storage, UnitOfWork
from astpp_billing.testing.worlds import START, Chain, call, chain, commission, distributor, offer

LARGEST = "9000000000000"
"""The largest price that there is: two of them are too much for a wallet."""


class Spied:
    """A unit of work that notes what is asked of it, and may answer something else."""

    def __init__(self, inner: UnitOfWork, asked: list[str], instead: dict[str, Callable[..., Any]]) -> None:
        self._inner = inner
        self._asked = asked
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def noted(*args: Any, **kwargs: Any) -> Any:
            self._asked.append(name)
            answer = self._instead.pop(name, None)
            return method(*args, **kwargs) if answer is None else answer(method, *args, **kwargs)

        return noted


@contextmanager
def spying(billing: Billing, monkeypatch: pytest.MonkeyPatch, **instead: Callable[..., Any]) -> Iterator[list[str]]:
    """Note every call to the storage; `instead` answers the first one of its name, given the method itself."""
    asked: list[str] = []
    storage: Storage = billing.storage
    begin = storage.begin

    @contextmanager
    def begun() -> Iterator[Any]:
        asked.append("begin")
        with begin() as uow:
            yield Spied(uow, asked, instead)

    with monkeypatch.context() as patched:
        patched.setattr(storage, "begin", begun)
        yield asked


def many(billing: Billing, *records: CallRecord, **options: Any) -> list[Settlement | Failed]:
    return list(billing.calls.settle_many(records, **options))


def kinds(results: list[Settlement | Failed]) -> list[tuple[type, bool]]:
    """Each result as what it is, and whether it was settled before."""
    return [(type(one), False if isinstance(one, Failed) else one.repeated) for one in results]


def test_what_came_of_each_record_is_told_in_their_order(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")

    one, nobody, free, other = many(billing, shop.call(60), call("nobody"), shop.call(0), shop.call(120))

    assert isinstance(one, Settled)
    assert [str(charge.amount) for charge in one.charges] == ["0.06 USD", "0.03 USD"]
    assert isinstance(nobody, Unrated)
    assert isinstance(free, Settled)
    assert free.charges == ()
    assert isinstance(other, Settled)
    assert [result.entry.micros for result in (one, nobody, free, other)] == [60_000, 0, 0, 120_000]
    assert everything(billing)["calls"] == sorted(
        (result.entry for result in (one, nobody, free, other)), key=lambda entry: (entry.record.started_at, entry.key)
    )


def test_a_batch_is_one_transaction(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = chain(billing)
    records = [shop.call() for _ in range(7)]

    with spying(billing, monkeypatch) as asked:
        assert len(many(billing, *records, batch_size=3)) == 7

    assert Counter(asked)["begin"] == Counter(asked)["save"] == 3


@pytest.mark.parametrize("count", [1, 100])
def test_a_batch_asks_the_storage_four_times_whatever_is_in_it(
    billing: Billing, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    shop = chain(billing, distributor("0.03"), commission(10), distributor("0.05"), price="0.06")
    settled(billing, shop.call())
    records = [shop.call() for _ in range(count)]

    with spying(billing, monkeypatch) as asked:
        many(billing, *records)

    asked.remove("price_version")  # which every storage knows already, by then
    assert asked == ["begin", "look", "lock", "reserve_ids", "save"]


def test_without_receipts_no_ids_are_needed(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = chain(billing, billing=BillingType.POSTPAID)
    settled(billing, shop.call())

    with spying(billing, monkeypatch) as asked:
        settled(billing, shop.call())
    assert [name for name in asked if name != "price_version"] == ["begin", "look", "lock", "save"]


def test_what_is_known_already_locks_nobody_out(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = chain(billing)
    record, unknown = shop.call(), call("nobody", leg="x")
    first = many(billing, record, unknown)
    before = everything(billing)

    with spying(billing, monkeypatch) as asked:
        again = many(billing, record, unknown)

    assert asked == ["begin", "look", "charges"]
    assert again == [evolve(result, repeated=True) for result in first if not isinstance(result, Failed)]
    assert everything(billing) == before


@pytest.mark.parametrize("count", [1, 100])
def test_what_is_known_already_is_read_at_once_whatever_else_there_is(
    billing: Billing, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Each repeat has its own charges, and no more: also among calls that are new, free, or of nobody."""
    shop = chain(billing, distributor("0.03"), price="0.06")
    records = [shop.call(60 * number) for number in range(count + 1)]  # the first one is free
    first = many(billing, *records, call("nobody", leg="x"))

    with spying(billing, monkeypatch) as asked:
        results = many(billing, *reversed(records), call("nobody", leg="x"), shop.call(7))

    assert asked.count("charges") == asked.count("look") == 1
    assert results[:-1] == [
        evolve(one, repeated=True) for one in (*reversed(first[:-1]), first[-1]) if not isinstance(one, Failed)
    ]
    assert kinds(results)[-1] == (Settled, False)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_receipts_are_numbered_in_the_order_of_the_records_the_root_first(billing: Billing, batch_size: int) -> None:
    shop = chain(billing, distributor("0.03", same_credential=True), price="0.06")
    other = billing.accounts.open_customer(shop.resellers[0], number="other", rate_group="chain-customer")

    many(billing, shop.call(), call("other", leg="1"), shop.call(), batch_size=batch_size)

    by_number = {document.number: document.account_id for document in billing.documents.documents()}
    (north,) = shop.resellers
    assert [by_number[f"RCP-{number:06}"] for number in range(1, 7)] == [
        *(north.id, shop.customer.id),
        *(north.id, other.id),
        *(north.id, shop.customer.id),
    ]


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_rounding_is_carried_from_one_receipt_to_the_next(billing: Billing, batch_size: int) -> None:
    shop = chain(billing, price="0.0014")
    billing.accounts.configure_invoices(shop.admin, tax=Tax("VAT", Decimal(20)))

    many(billing, *(shop.call() for _ in range(10)), batch_size=batch_size)

    totals = [document.total_micros for document in billing.documents.documents()]
    assert totals == [0, 0, 10_000, 0, 0, 0, 0, 0, 10_000, 0]  # 0.00168 each, with tax: 0.0168 in all
    assert balance(billing, shop.customer) == "-0.02 USD"


def test_a_record_that_comes_twice_in_a_batch_is_charged_once(billing: Billing) -> None:
    shop = chain(billing)
    record, unknown = shop.call(leg="a"), call("nobody", leg="b")

    results = many(billing, record, unknown, evolve(record, dialled="0044"), unknown)

    assert kinds(results) == [(Settled, False), (Unrated, False), (Settled, True), (Unrated, True)]
    assert isinstance(results[0], Settled)
    assert results[2] == evolve(results[0], repeated=True)
    assert balance(billing, shop.customer) == "-0.06 USD"
    assert len(billing.calls.all()) == 2


def test_another_call_with_the_same_leg_in_a_batch_fails_alone(billing: Billing) -> None:
    shop = chain(billing)
    record, other = shop.call(60, leg="a"), shop.call(61, leg="a")

    results = many(billing, record, other, shop.call(), record)

    assert kinds(results) == [(Settled, False), (Failed, False), (Settled, False), (Settled, True)]
    assert isinstance(results[1], Failed)
    assert results[1].record == other
    assert isinstance(results[1].error, IdempotencyConflict)
    assert str(results[1].error).startswith("call:switch:a was another call before: ")


def test_another_call_with_the_same_leg_as_one_before_fails_alone(billing: Billing) -> None:
    shop = chain(billing)
    settled(billing, shop.call(60, leg="a"))
    other = shop.call(61, leg="a")

    results = many(billing, other, shop.call(), other)

    assert kinds(results) == [(Failed, False), (Settled, False), (Failed, False)]
    assert len(billing.calls.all()) == 2


def two_shops(billing: Billing) -> tuple[Chain, Chain]:
    return chain(billing, price=LARGEST, cost="0", billing=BillingType.POSTPAID), chain(billing, name="other")


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_a_record_that_cannot_be_settled_spoils_no_other(billing: Billing, batch_size: int) -> None:
    rich, shop = two_shops(billing)
    records = [shop.call(), rich.call(), shop.call(), rich.call(), shop.call(), rich.call(), shop.call()]

    results = many(billing, *records, batch_size=batch_size)

    assert [type(result) for result in results] == [Settled, Settled, Settled, Failed, Settled, Failed, Settled]
    assert [result.record for result in results if isinstance(result, Failed)] == [records[3], records[5]]
    assert all(isinstance(result.error, InvalidValue) for result in results if isinstance(result, Failed))
    assert balance(billing, shop.customer) == "-0.24 USD"
    assert len(billing.calls.all()) == 5
    assert billing.ledger.reconcile().agrees


def test_settle_raises_what_settle_many_tells(billing: Billing) -> None:
    rich, _ = two_shops(billing)
    settled(billing, rich.call())
    before = everything(billing)

    with pytest.raises(InvalidValue, match="largest amount"):
        billing.calls.settle(rich.call())
    assert everything(billing) == before


def test_a_storage_that_fails_ends_it_all_and_what_was_told_is_settled(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = chain(billing)
    records = [shop.call() for _ in range(4)]
    results = billing.calls.settle_many(records, batch_size=2)
    done = [next(results), next(results)]

    def broken(method: Any, changes: Any) -> None:
        raise StorageError("the disk is full")

    with spying(billing, monkeypatch, save=broken), pytest.raises(StorageError, match="full"):
        next(results)
    assert kinds(done) == [(Settled, False), (Settled, False)]
    assert [entry.record for entry in billing.calls.all()] == records[:2]


@pytest.mark.parametrize("step", ["look", "lock", "save"])
def test_a_batch_that_another_transaction_was_in_the_way_of_is_done_again(
    billing: Billing, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    shop = chain(billing)

    def busy(method: Any, *args: Any, **kwargs: Any) -> None:
        raise StorageBusy("not now")

    with spying(billing, monkeypatch, **{step: busy}) as asked:
        results = many(billing, shop.call(), shop.call())

    assert kinds(results) == [(Settled, False)] * 2
    assert Counter(asked)["begin"] == 2


def test_what_was_decided_by_an_account_that_has_changed_since_is_decided_again(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = chain(billing, distributor("0.03"))

    def look(method: Callable[..., Seen], **wanted: Any) -> Seen:
        seen = method(**wanted)
        north = shop.resellers[0].id
        before = {north: evolve(seen.wallets[north], epoch=seen.wallets[north].epoch - 1)}
        postpaid = evolve(seen.accounts[north], billing=BillingType.POSTPAID)
        return evolve(seen, wallets={**seen.wallets, **before}, accounts={**seen.accounts, north: postpaid})

    with spying(billing, monkeypatch, look=look) as asked:
        result = settled(billing, shop.call())

    assert Counter(asked)["look"] == 2
    assert all(charge.document_id for charge in result.charges)


def test_what_somebody_else_settled_meanwhile_is_told_as_repeated(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = chain(billing)
    record, other = shop.call(), shop.call()
    settled(billing, record)

    def look(method: Callable[..., Seen], **wanted: Any) -> Seen:
        return evolve(method(**wanted), calls={})

    with spying(billing, monkeypatch, look=look):
        assert kinds(many(billing, record, other)) == [(Settled, True), (Settled, False)]
    assert balance(billing, shop.customer) == "-0.12 USD"


def test_a_batch_that_meets_the_same_again_and_again_gives_up(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = chain(billing)
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    def taken(uow: Any, changes: Any) -> None:
        raise AlreadyExists("document RCP-000001 exists already")

    with billing.storage.begin() as uow:
        kind = type(uow)
    monkeypatch.setattr(kind, "save", taken)

    with pytest.raises(StorageBusy, match="RCP-000001"):
        billing.calls.settle(shop.call())


def test_the_storage_is_free_while_results_are_looked_at(billing: Billing) -> None:
    shop = chain(billing)
    results = billing.calls.settle_many((shop.call() for _ in range(4)), batch_size=2)

    assert [balance(billing, shop.customer) for _ in results] == ["-0.12 USD"] * 2 + ["-0.24 USD"] * 2


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, "2"])
def test_a_batch_has_a_whole_number_of_records(billing: Billing, batch_size: Any) -> None:
    with pytest.raises(InvalidValue, match="whole number of records"):
        billing.calls.settle_many([], batch_size=batch_size)
    with pytest.raises(InvalidValue, match="whole number of records"):
        billing.calls.retry(batch_size=batch_size)


def test_no_records_are_no_transaction(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    with spying(billing, monkeypatch) as asked:
        assert many(billing) == []
    assert asked == []


def test_records_are_retried_in_batches(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = chain(billing, rate_group=None)
    records = [shop.call() for _ in range(5)]
    many(billing, *records)
    billing.accounts.change(shop.customer, rate_group="chain-customer")

    with spying(billing, monkeypatch) as asked:
        results = billing.calls.retry(batch_size=2)

    assert kinds(list(results)) == [(Settled, False)] * 5
    assert Counter(asked)["begin"] == 3
    assert balance(billing, shop.customer) == "-0.30 USD"


def test_an_unrated_record_that_cannot_be_charged_waits_on_and_spoils_no_other(billing: Billing) -> None:
    rich, shop = two_shops(billing)
    settled(billing, rich.call())
    for one in (rich, shop):
        billing.accounts.change(one.customer, rate_group=None)
    first, second, third = (unrated(billing, one.call()).entry for one in (shop, rich, shop))
    for one in (rich, shop):
        billing.accounts.change(one.customer, rate_group=f"{one.customer.number}")

    results = billing.calls.retry()

    by_key = {(one.record if isinstance(one, Failed) else one.entry.record).key: type(one) for one in results}
    assert by_key == {first.key: Settled, second.key: Failed, third.key: Settled}
    assert billing.calls.get(second.key) == second


def test_what_was_held_for_the_calls_of_a_batch_is_given_back(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    fund(billing, shop, "100")
    charged, free, unratable = shop.call(60), shop.call(0), shop.call(60)
    for record in (charged, free, unratable):
        approved(billing, attempt(record))
    assert all(held(billing, shop))

    results = many(billing, charged, free, evolve(unratable, number="none"))

    assert kinds(results) == [(Settled, False), (Settled, False), (Unrated, False)]
    assert held(billing, shop) == [0, 0]


def test_each_call_of_a_batch_has_the_rates_that_were_agreed_for_it(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "100")
    agreed = shop.call(started_at=START + timedelta(hours=2))
    approved(billing, attempt(agreed))
    clock.advance(timedelta(hours=1))
    offer(billing, shop.admin, "dearer", "0.60", valid_from=START)
    billing.accounts.change(shop.customer, rate_group="dearer")

    results = many(billing, shop.call(), agreed, shop.call())

    assert [result.entry.micros for result in results if isinstance(result, Settled)] == [600_000, 60_000, 600_000]
    assert wallet(billing, shop.customer).held_micros == 0
