"""What holds for every business, whatever is done with it, on every storage."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.commerce import (
    KEYED,
    ZONES,
    Business,
    Command,
    businesses,
    commands,
    distinct_records,
    records,
    run,
    schedules,
)
from tests.services.books import everything

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord, Refused, Settled
from astpp_billing.clock import FixedClock
from astpp_billing.hierarchy import BillingType
from astpp_billing.ledger import Book, Posting, movements
from astpp_billing.periods import BillingSchedule
from astpp_billing.services.adjusting import Short
from astpp_billing.testing.worlds import START, chain

STORAGES = ["memory://", "sqlite://"]
on_every_storage = pytest.mark.parametrize("url", STORAGES)
few = settings(max_examples=20)


def postings(billing: Billing) -> list[Posting]:
    """All postings of calls, periods and receipts."""
    keys = {charge.posting_key for charge in everything(billing)["charges"]}
    return [billing.ledger.posting(key) for key in sorted(keys)]


def per_currency(amounts: list[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for currency, micros in amounts:
        sums[currency] = sums.get(currency, 0) + micros
    return {currency: micros for currency, micros in sums.items() if micros}


@on_every_storage
@few
@given(business=businesses(), calls=distinct_records())
def test_a_posting_sums_to_zero_in_every_currency(url: str, business: Business, calls: list[CallRecord]) -> None:
    """Double entry: what leaves one book comes into another."""
    with Billing.open(url, FixedClock(START)) as billing:
        business.open(billing)
        for record in calls:
            billing.calls.settle(record)

        for posting in postings(billing):
            moved = movements(posting.transfers)
            assert per_currency([(account.currency, micros) for account, micros in moved.items()]) == {}
        proved = everything(billing)["proved"]
        assert per_currency([(account.currency, micros) for account, micros in proved.items()]) == {}


@on_every_storage
@few
@given(business=businesses(), calls=distinct_records())
def test_what_the_buyer_pays_is_the_providers_cost_and_all_profits(
    url: str, business: Business, calls: list[CallRecord]
) -> None:
    """DESIGN 4: what the buyer pays = what the provider gets + the profits of all on the path, in each currency."""
    with Billing.open(url, FixedClock(START)) as billing:
        shop = business.open(billing)
        paid = []
        for record in calls:
            if record.account == shop.customer.number:
                result = billing.calls.settle(record)
                if isinstance(result, Settled):
                    paid += [(one.currency, one.micros) for one in result.charges if one.account_id == shop.customer.id]

        gets = [(a.currency, money.micros) for a, money in billing.ledger.books().items() if a.book is Book.PAYABLE]
        profits = [
            (currency, money.micros)
            for seller in (shop.admin, *shop.resellers)
            for currency, money in billing.ledger.profits(seller).items()
        ]
        assert per_currency(paid) == per_currency(gets + profits)
        assert per_currency(paid) == {
            currency: -money.micros for currency, money in billing.ledger.profits(shop.customer).items()
        }


@on_every_storage
@few
@given(business=businesses(), calls=distinct_records(), seed=st.integers(0, 2**32))
def test_records_may_come_in_any_order_and_again(
    url: str, business: Business, calls: list[CallRecord], seed: int
) -> None:
    """DESIGN 5: the same key with the same content returns the first result and changes nothing."""
    random = Random(seed)
    shuffled = random.sample(calls, len(calls))
    again = sorted(shuffled + shuffled + calls, key=lambda _: random.random())
    with Billing.open(url, FixedClock(START)) as once, Billing.open(url, FixedClock(START)) as often:
        for billing, sent in ((once, calls), (often, again)):
            business.open(billing)
            for record in sent:
                billing.calls.settle(record)

        assert summary(often) == summary(once)


def summary(billing: Billing) -> tuple[object, ...]:
    """The ledger without what depends on the order of calls: ids, and the numbers of documents."""
    stored = everything(billing)
    charges = sorted(
        (c.posting_key, c.account_id, c.micros, c.currency, c.document_id is None) for c in stored["charges"]
    )
    return stored["balances"], stored["proved"], stored["calls"], charges, len(stored["documents"])


@on_every_storage
@few
@given(business=businesses(), todo=commands(), seed=st.integers(0, 2**32))
def test_whatever_was_done_under_a_key_may_be_sent_again_at_any_time(
    url: str, business: Business, todo: list[Command], seed: int
) -> None:
    """Rules, 5: every command takes a key; the same one with the same content changes nothing."""
    clock = FixedClock(START)
    with Billing.open(url, clock) as billing:
        business.open(billing)
        done = []
        for position, command in enumerate(todo):
            result = run(billing, command, f"{position}")
            if command[0] in KEYED and not isinstance(result, type | Refused | Short):  # else it may succeed later
                done.append((f"{position}", command))
        before = everything(billing)

        for key, command in Random(seed).sample(done, len(done)):
            assert not isinstance(run(billing, command, key), type)
        assert everything(billing) == before


@on_every_storage
@few
@given(business=businesses(), todo=commands())
def test_the_ledger_always_reconciles(url: str, business: Business, todo: list[Command]) -> None:
    """DESIGN 5: balances can be proved from the transfers at any time, whatever was done and refused."""
    clock = FixedClock(START)
    with Billing.open(url, clock) as billing:
        business.open(billing)
        for position, command in enumerate(todo):
            run(billing, command, f"{position}")
            assert billing.ledger.reconcile().discrepancies == ()


@on_every_storage
@few
@given(business=businesses(), todo=commands())
def test_documents_and_what_is_unbilled_are_what_left_the_wallets(
    url: str, business: Business, todo: list[Command]
) -> None:
    """DESIGN 7: wallet and documents agree: in a wallet are refills, credits and commissions, less documents."""
    clock = FixedClock(START)
    with Billing.open(url, clock) as billing:
        business.open(billing)
        for position, command in enumerate(todo):
            run(billing, command, f"{position}")

        stored = everything(billing)
        for account in stored["accounts"]:
            billed = sum(one.total_micros for one in stored["documents"] if one.account_id == account.id)
            waiting = [one for one in stored["charges"] if one.account_id == account.id and one.document_id is None]
            unbilled = sum(one.micros for one in waiting)
            with billing.storage.begin() as uow:
                flows = uow.flows(account.id)
            given = (Book.CASH, Book.COMMISSION, Book.COST)
            received = sum(flows.get((Book.WALLET, book, account.currency), 0) for book in given)
            assert billing.ledger.balance(account).micros == received - billed - unbilled


@on_every_storage
@few
@given(
    schedule=schedules,
    zone=st.sampled_from(ZONES),
    runs=st.lists(st.tuples(st.integers(0, 24 * 100), st.booleans()), max_size=6),
    calls=st.lists(records(), max_size=4, unique_by=lambda record: record.key),
)
def test_each_period_has_exactly_one_document(
    url: str, schedule: BillingSchedule, zone: str, runs: list[tuple[int, bool]], calls: list[CallRecord]
) -> None:
    """DESIGN 7: a run finds every period that is due, can be run twice and at any time, and none gets two documents."""
    clock = FixedClock(START)
    end = START + timedelta(days=100)
    options = {"billing": BillingType.POSTPAID, "schedule": schedule, "timezone": zone, "zero_invoices": True}
    with Billing.open(url, clock) as billing:
        shop = chain(billing, **options)  # type: ignore[arg-type]  # options of the customer
        for record in calls:
            billing.calls.settle(record)
        for hours, dry_run in [*runs, (24 * 100, False)]:
            clock.set(START + timedelta(hours=hours))
            billing.documents.run(dry_run=dry_run)

        periods = [document.period for document in billing.documents.documents(shop.customer)]
        due = list(schedule.due(START, end, zone))
        assert [period and period.end for period in periods] == [period.end for period in due]
        assert [period and period.start for period in periods] == [START, *(period.end for period in due)][: len(due)]


@on_every_storage
@few
@given(business=businesses(), todo=commands())
def test_numbers_have_no_gaps(url: str, business: Business, todo: list[Command]) -> None:
    """DESIGN 7: prefix + number from the issuer's series, without gaps, whatever was refused in between."""
    clock = FixedClock(START)
    with Billing.open(url, clock) as billing:
        business.open(billing)
        for position, command in enumerate(todo):
            run(billing, command, f"{position}")

        series: dict[tuple[int, str], list[str]] = {}
        for document in billing.documents.documents():
            series.setdefault((document.issuer_id, document.kind), []).append(document.number)
        for (_, kind), numbers in series.items():
            prefix = "INV" if kind == "invoice" else "RCP"
            assert sorted(numbers) == [f"{prefix}-{n:06}" for n in range(1, len(numbers) + 1)]
