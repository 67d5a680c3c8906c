"""What holds for the reports on every business, whatever is done with it: they add up to what the ledger says."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.commerce import Business, Command, businesses, commands, distinct_records, run

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord, Settled
from astpp_billing.clock import FixedClock
from astpp_billing.fx import ExchangeRates
from astpp_billing.hierarchy import SELLERS
from astpp_billing.ledger import Book, profit
from astpp_billing.money import Money, round_half_up
from astpp_billing.services.reports import Every
from astpp_billing.testing.worlds import START

END = START + timedelta(days=365)
on_every_storage = pytest.mark.parametrize("url", ["memory://", "sqlite://"])
few = settings(max_examples=20)
spans = st.none() | st.sampled_from(Every)


def bag(amounts: Iterable[Money]) -> dict[str, int]:
    """The sums of amounts by currency, without those that are zero."""
    sums: dict[str, int] = {}
    for one in amounts:
        sums[one.currency] = sums.get(one.currency, 0) + one.micros
    return {currency: micros for currency, micros in sums.items() if micros}


def do(billing: Billing, business: Business, todo: list[Command]) -> None:
    business.open(billing)
    for position, command in enumerate(todo):
        run(billing, command, f"{position}")


@on_every_storage
@few
@given(business=businesses(), todo=commands(), every=spans, destinations=st.booleans())
def test_profits_add_up_to_what_went_through_the_books(
    url: str, business: Business, todo: list[Command], every: Every | None, destinations: bool
) -> None:
    """However a profit is divided, its parts are `profit(flows)` of the whole ledger, in every currency, exactly."""
    clock = FixedClock(START)
    with Billing.open(url, clock) as billing:
        do(billing, business, todo)
        for account in billing.accounts.all():
            report = billing.reports.profit(account, START, END, every=every, destinations=destinations)
            with billing.storage.snapshot() as uow:
                expected = profit(uow.flows(account.id))
            assert bag(report.total.earned) == expected
            assert bag(amount for row in report.rows for amount in row.earned) == expected
            assert bag(amount for row in report.rows for amount in row.unconverted) == bag(report.total.unconverted)
            rounded = abs(sum(row.amount.micros for row in report.rows) - report.total.amount.micros)
            assert 2 * rounded <= len(report.rows) + 1


@on_every_storage
@few
@given(business=businesses(), todo=commands(), cuts=st.lists(st.integers(0, 600), max_size=3))
def test_the_parts_of_a_span_of_time_add_up_to_it(
    url: str, business: Business, todo: list[Command], cuts: list[int]
) -> None:
    """Wherever it is cut; and all sellers at once are each of them by itself."""
    clock = FixedClock(START)
    instants = [START, *sorted({START + timedelta(hours=1 + hours) for hours in cuts}), END]
    with Billing.open(url, clock) as billing:
        do(billing, business, todo)
        of_all = {one.account.id: one for one in billing.reports.profits(START, END)}
        for account in billing.accounts.all():
            if account.kind not in SELLERS:
                continue
            whole = billing.reports.profit(account, START, END).total
            parts = [billing.reports.profit(account, since, until).total for since, until in pairwise(instants)]
            assert of_all[account.id] == whole
            assert bag(amount for part in parts for amount in part.earned) == bag(whole.earned)


@on_every_storage
@few
@given(business=businesses(), calls=distinct_records(), destinations=st.booleans())
def test_what_the_buyers_paid_is_what_all_sellers_and_the_provider_got(
    url: str, business: Business, calls: list[CallRecord], destinations: bool
) -> None:
    """In every currency by itself, before anything is converted."""
    clock = FixedClock(START)
    with Billing.open(url, clock) as billing:
        shop = business.open(billing)
        settled = [billing.calls.settle(record) for record in calls]
        charges = [one for result in settled if isinstance(result, Settled) for one in result.charges]
        paid = [one.amount for one in charges if one.account_id == shop.customer.id]
        gets = [money for book, money in billing.ledger.books().items() if book.book is Book.PAYABLE]
        rows = [
            amount
            for seller in (shop.admin, *shop.resellers)
            for row in billing.reports.profit(seller, START, END, destinations=destinations).rows
            for amount in row.earned
        ]
        # what a reseller pays for a call of its own is its loss, so that calls of all are among them
        assert bag(paid) == bag([*gets, *rows])
        of_all = [amount for one in billing.reports.profits(START, END) for amount in one.earned]
        assert bag(of_all) == bag(rows)


@on_every_storage
@few
@given(
    business=businesses(),
    todo=commands(),
    rates=st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["0.9", "1.5", "3", "0.007"])), max_size=4),
)
def test_amounts_are_converted_by_the_rate_of_their_time_and_rounded_once(
    url: str, business: Business, todo: list[Command], rates: list[tuple[int, str]]
) -> None:
    """The total is what comes of converting every transfer by itself, exactly, and of rounding their sum."""
    clock = FixedClock(START)
    with Billing.open(url, clock) as billing:
        business.open(billing)
        for hours, rate in dict(rates).items():
            billing.prices.set_exchange_rate("EUR", "USD", rate, valid_from=START + timedelta(hours=hours))
        for position, command in enumerate(todo):
            run(billing, command, f"{position}")
        with billing.storage.snapshot() as uow:
            table = ExchangeRates(uow.exchange_rates())
            postings = list(uow.postings())
        for account in billing.accounts.all():
            exact = Fraction(0)
            for posting in postings:
                for one in posting.transfers:
                    ends = ((one.target, one.source, one.micros), (one.source, one.target, -one.micros))
                    for own, other, micros in ends:
                        earned = profit({(own.book, other.book, own.currency): micros})
                        if own.account_id == account.id and earned:
                            exact += micros * table.find(own.currency, account.currency, posting.at).factor
            total = billing.reports.profit(account, START, END).total
            assert total.amount.micros == round_half_up(exact.numerator, exact.denominator)
            assert total.complete


@on_every_storage
@few
@given(business=businesses(), todo=commands(), hours=st.tuples(st.integers(0, 900), st.integers(1, 900)))
def test_a_statement_goes_from_its_opening_to_its_closing_balance(
    url: str, business: Business, todo: list[Command], hours: tuple[int, int]
) -> None:
    """Closing = opening + movements; the statement of everything ends with what is in the wallet."""
    clock = FixedClock(START)
    since = START + timedelta(hours=hours[0])
    until = since + timedelta(hours=hours[1])
    with Billing.open(url, clock) as billing:
        do(billing, business, todo)
        for account in billing.accounts.all():
            before, within, after = (
                _statement(billing, account.number, *span)
                for span in ((START - timedelta(days=1), since), (since, until), (until, END))
            )
            assert (before[0], before[1], within[1]) == (0, within[0], after[0])
            assert after[1] == billing.ledger.balance(account).micros


def _statement(billing: Billing, number: str, since: datetime, until: datetime) -> tuple[int, int]:
    """Opening and closing balance of a statement, which lead from one to the other."""
    if since >= until:
        until = since + timedelta(microseconds=1)
    with billing.reports.statement(billing.accounts.get(number), since, until) as opened:
        lines = list(opened.lines)
    assert opened.opening.micros + sum(line.amount.micros for line in lines) == opened.closing.micros
    assert (lines[-1].balance if lines else opened.opening) == opened.closing
    assert [line.entry.at for line in lines] == sorted(line.entry.at for line in lines)
    assert all(since <= line.entry.at < until for line in lines)
    return opened.opening.micros, opened.closing.micros


@on_every_storage
@few
@given(business=businesses(), calls=distinct_records())
def test_used_credit_is_what_was_charged_for_calls(url: str, business: Business, calls: list[CallRecord]) -> None:
    """For every account on the path; months are the sums of their days."""
    clock = FixedClock(START)
    year = date(2025, 1, 1), date(2027, 1, 1)
    with Billing.open(url, clock) as billing:
        business.open(billing)
        for record in calls:
            billing.calls.settle(record)
        for account in billing.accounts.all():
            with billing.storage.snapshot() as uow:
                charged = sum(charge.micros for charge in uow.charges(account_id=account.id))
            days = billing.reports.used(account, *year)
            months = billing.reports.used(account, *year, every=Every.MONTH)
            assert sum(one.amount.micros for one in days) == charged
            for attribute in ("calls", "seconds"):
                assert sum(getattr(one, attribute) for one in days) == sum(getattr(one, attribute) for one in months)
            assert sum(one.amount.micros for one in months) == charged
            assert {one.day.replace(day=1) for one in days} == {one.day for one in months}
