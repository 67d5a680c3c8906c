"""Commission statements: by whom and for what a reseller was paid, and what it paid on."""

import csv
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.commerce import Business, Command, businesses, commands
from tests.property.test_reports import END, bag, do
from tests.services.books import at
from tests.services.conftest import on_every_storage

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import InvalidValue
from astpp_billing.ledger import Book, LedgerAccount, Posting, Reason, Transfer, profit
from astpp_billing.money import Money
from astpp_billing.ports import Changes
from astpp_billing.services.commissions import COLUMNS, commissions_csv
from astpp_billing.services.reports import Every
from astpp_billing.testing.worlds import START, Chain, chain, commission, distributor

YEAR = (at(2026, 1, 1), at(2027, 1, 1))

billing = on_every_storage


def sold(billing: Billing, clock: FixedClock) -> Chain:
    """Two calls of 1.00 each, on two days, below a run of two commission resellers: 20 %, and half of it."""
    shop = chain(billing, distributor("0.50"), commission(20), commission(50), price="1")
    for day in (10, 11):
        clock.set(at(2026, 1, day))
        billing.calls.settle(shop.call(60, started_at=at(2026, 1, day), leg=str(day)))
    return shop


def give_back(billing: Billing, shop: Chain, micros: int) -> None:
    """So many micros of the top reseller's commission go back to who paid it."""
    payer, receiver, _ = shop.resellers
    source = LedgerAccount(receiver.id, Book.WALLET, "USD")
    back = Transfer(source, LedgerAccount(payer.id, Book.COMMISSION, "USD"), micros)
    posting = Posting(key="back", fingerprint="", at=billing.clock.now(), reason=Reason.CORRECTION, transfers=(back,))
    with billing.storage.begin() as uow:
        uow.lock([payer.id, receiver.id])
        uow.save(Changes(postings=[posting]))


def test_a_statement_says_who_paid_what_for_what(billing: Billing, clock: FixedClock) -> None:
    shop = sold(billing, clock)
    top, first, second = shop.resellers

    statement = billing.reports.commissions(first, *YEAR)

    assert [(row.day, row.reason, row.received, row.other, str(row.amount)) for row in statement.rows] == [
        (None, Reason.CALL, True, top, "0.40 USD"),
        (None, Reason.CALL, False, second, "-0.20 USD"),
    ]
    assert (statement.received, statement.paid_on) == ((Money("0.40", "USD"),), (Money("-0.20", "USD"),))
    assert (statement.net, statement.amount) == ((Money("0.20", "USD"),), Money("0.20", "USD"))
    of_payer = billing.reports.commissions(top, *YEAR)
    assert (of_payer.received, of_payer.net) == ((), (Money("-0.40", "USD"),))
    assert billing.reports.commissions(second, *YEAR).net == (Money("0.20", "USD"),)
    assert billing.reports.commissions(shop.customer, *YEAR).rows == ()


def test_a_statement_is_told_by_local_day_or_month_and_has_an_end(billing: Billing, clock: FixedClock) -> None:
    shop = sold(billing, clock)
    second = shop.resellers[2]

    by_day = billing.reports.commissions(second, *YEAR, every=Every.DAY)
    assert [(row.day, str(row.amount)) for row in by_day.rows] == [
        (date(2026, 1, 10), "0.10 USD"),
        (date(2026, 1, 11), "0.10 USD"),
    ]
    by_month = billing.reports.commissions(second, *YEAR, every=Every.MONTH)
    assert [(row.day, str(row.amount)) for row in by_month.rows] == [(date(2026, 1, 1), "0.20 USD")]
    assert str(billing.reports.commissions(second, at(2026, 1, 1), at(2026, 1, 11)).amount) == "0.10 USD"
    with pytest.raises(InvalidValue, match="must end after it starts"):
        billing.reports.commissions(second, START, START)


def test_each_commission_is_listed_with_its_posting(billing: Billing, clock: FixedClock) -> None:
    shop = sold(billing, clock)
    give_back(billing, shop, 50_000)
    first = shop.resellers[1]

    with billing.reports.commission_lines(first, *YEAR) as opened:
        lines = [(line.entry.posting_key, line.received, str(line.amount)) for line in opened.lines]
    assert sorted(lines) == [
        ("back", True, "-0.05 USD"),
        ("call:switch:10", False, "-0.10 USD"),
        ("call:switch:10", True, "0.20 USD"),
        ("call:switch:11", False, "-0.10 USD"),
        ("call:switch:11", True, "0.20 USD"),
    ]
    statement = billing.reports.commissions(first, *YEAR)
    assert [(row.reason, row.received, str(row.amount)) for row in statement.rows] == [
        (Reason.CALL, True, "0.40 USD"),
        (Reason.CALL, False, "-0.20 USD"),
        (Reason.CORRECTION, True, "-0.05 USD"),
    ]
    assert str(statement.amount) == "0.15 USD"
    with billing.reports.commission_lines(first, *YEAR) as opened:
        header, *rows = csv.reader(commissions_csv(opened, {shop.resellers[0].id: "=top"}))
    assert tuple(header) == COLUMNS
    assert rows[0][:2] == ["2026-01-10T00:00:00+00:00", "call"]
    assert {row[3] for row in rows} == {"'=top", ""}


def test_what_is_paid_in_another_currency_is_converted_or_told(billing: Billing, clock: FixedClock) -> None:
    billing.prices.set_exchange_rate("EUR", "USD", "1.25", valid_from=at(2025, 1, 1))
    shop = chain(billing, commission(20), commission(50, currency="EUR"), price="1")
    billing.calls.settle(shop.call(60))
    first = shop.resellers[0]

    statement = billing.reports.commissions(first, *YEAR)

    assert statement.received == (Money("0.20", "USD"),)
    assert statement.paid_on == (Money("-0.08", "EUR"),)
    assert statement.net == (Money("-0.08", "EUR"), Money("0.20", "USD"))
    assert (str(statement.amount), statement.unconverted) == ("0.10 USD", ())


@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
@settings(max_examples=20)
@given(business=businesses(), todo=commands(), every=st.none() | st.sampled_from(Every))
def test_a_statement_is_the_commission_part_of_the_profit(
    url: str, business: Business, todo: list[Command], every: Every | None
) -> None:
    """In every currency: its net, its rows, and its lines; and over all accounts, nobody but a seller funds them."""
    with Billing.open(url, FixedClock(START)) as billing:
        do(billing, business, todo)
        everybody: list[Money] = []
        for account in billing.accounts.all():
            statement = billing.reports.commissions(account, START, END, every=every)
            with billing.storage.snapshot() as uow:
                flows = {flow: micros for flow, micros in uow.flows(account.id).items() if Book.COMMISSION in flow}
            assert bag(statement.net) == profit(flows)
            assert bag(row.amount for row in statement.rows) == profit(flows)
            assert bag((*statement.received, *statement.paid_on)) == profit(flows)
            with billing.reports.commission_lines(account, START, END) as opened:
                lines = list(opened.lines)
            assert bag(line.amount for line in lines) == profit(flows)
            assert [line.entry.at for line in lines] == sorted(line.entry.at for line in lines)
            everybody += statement.net
        assert bag(everybody) == {}


@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
@settings(max_examples=20)
@given(percents=st.lists(st.integers(0, 100), min_size=1, max_size=4), seconds=st.integers(1, 500))
def test_the_net_commissions_of_a_run_are_its_top_pool(url: str, percents: list[int], seconds: int) -> None:
    """What the seller above the run paid is what is left to all of it, whatever each of them paid on."""
    with Billing.open(url, FixedClock(START)) as billing:
        shop = chain(billing, distributor("0.05"), *map(commission, percents), price="0.0731")
        billing.calls.settle(shop.call(seconds))
        top, *agents = shop.resellers
        paid = billing.reports.commissions(top, *YEAR)
        kept = [billing.reports.commissions(agent, *YEAR).amount.micros for agent in agents]
        assert sum(kept) == -paid.amount.micros
        assert all(micros >= 0 for micros in kept)
