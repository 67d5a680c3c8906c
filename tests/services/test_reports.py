"""Reports: what was earned, in whose currency and when; what moved a wallet; what was used."""

import csv
from datetime import date, datetime, timedelta

import pytest
from tests.services.books import at
from tests.services.conftest import on_every_storage

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import InvalidValue, NotFound, StorageError
from astpp_billing.hierarchy import Account, BillingType, Kind
from astpp_billing.ledger import Book, LedgerAccount, Posting, Reason, Transfer
from astpp_billing.money import Money
from astpp_billing.ports import Changes
from astpp_billing.services.reports import Every, Profit
from astpp_billing.services.statement import COLUMNS, statement_csv
from astpp_billing.testing.worlds import START, Chain, chain, commission, distributor, offer

YEAR = (at(2026, 1, 1), at(2027, 1, 1))
HOUR = timedelta(hours=1)

billing = on_every_storage


def sell(billing: Billing, clock: FixedClock, shop: Chain, when: datetime, seconds: int = 60, **fields: str) -> None:
    """A call of the customer that is settled as soon as it ends, at some instant."""
    clock.set(when)
    billing.calls.settle(shop.call(seconds, started_at=when, **fields))


def earn(billing: Billing, seller: Account, when: datetime, key: str, micros: int) -> None:
    """So many micros of a euro for a seller."""
    cash, revenue = (LedgerAccount(seller.id, book, "EUR") for book in (Book.CASH, Book.REVENUE))
    moved = (Transfer(cash, revenue, micros),)
    posting = Posting(key=key, fingerprint=key, at=when, reason=Reason.CORRECTION, transfers=moved)
    with billing.storage.begin() as uow:
        uow.lock([seller.id])
        uow.save(Changes(postings=[posting]))


def shown(profits: tuple[Profit, ...]) -> list[tuple[object, ...]]:
    """What differs from row to row, amounts as text."""
    return [(row.day, row.destination, str(row.amount)) for row in profits]


def test_a_margin_is_the_profit_of_a_distributor(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.02"), price="0.05", cost="0.01")
    sell(billing, clock, shop, at(2026, 1, 10))
    sell(billing, clock, shop, at(2026, 2, 10), 120)

    north = billing.reports.profit(shop.resellers[0], *YEAR)
    assert str(north.total.amount) == "0.09 USD"
    assert north.total.earned == (Money("0.09", "USD"),)
    assert north.total.complete
    assert shown(north.rows) == [(None, None, "0.09 USD")]
    assert str(billing.reports.profit(shop.admin, *YEAR).total.amount) == "0.03 USD"


def test_refills_and_taxes_are_no_profit(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing)
    billing.accounts.configure_invoices(shop.admin, company="Acme")
    billing.ledger.refill(shop.customer, Money("10", "USD"), key="1")

    report = billing.reports.profit(shop.admin, *YEAR)
    assert report.rows == ()
    assert report.total.amount == Money.zero("USD")
    assert report.total.earned == ()


def test_profit_is_told_by_local_day_and_by_local_month(billing: Billing, clock: FixedClock) -> None:
    """In New York, half past four in the morning in UTC is the evening before; clocks go on in March."""
    shop = chain(billing, price="0.06", cost="0.01", admin={"timezone": "America/New_York"})
    sell(billing, clock, shop, at(2026, 2, 1, 4, 30))
    sell(billing, clock, shop, at(2026, 3, 8, 4, 59))
    sell(billing, clock, shop, at(2026, 3, 9, 3, 59))
    sell(billing, clock, shop, at(2026, 3, 9, 4, 0))

    by_day = billing.reports.profit(shop.admin, *YEAR, every=Every.DAY)
    assert shown(by_day.rows) == [
        (date(2026, 1, 31), None, "0.05 USD"),
        (date(2026, 3, 7), None, "0.05 USD"),
        (date(2026, 3, 8), None, "0.05 USD"),
        (date(2026, 3, 9), None, "0.05 USD"),
    ]
    by_month = billing.reports.profit(shop.admin, *YEAR, every=Every.MONTH)
    assert shown(by_month.rows) == [(date(2026, 1, 1), None, "0.05 USD"), (date(2026, 3, 1), None, "0.15 USD")]
    assert by_day.total == by_month.total


def test_a_report_has_what_was_posted_from_its_start_up_to_its_end(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06", cost="0.01")
    for hours in (0, 1, 2):
        sell(billing, clock, shop, START + hours * HOUR)

    report = billing.reports.profit(shop.admin, START, START + 2 * HOUR, every=Every.MONTH)
    assert shown(report.rows) == [(date(2026, 1, 1), None, "0.10 USD")]
    with pytest.raises(InvalidValue, match="must end after it starts"):
        billing.reports.profit(shop.admin, START, START)


def test_a_call_counts_where_it_was_posted_not_when_it_started(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing)
    clock.set(at(2026, 3, 1))
    billing.calls.settle(shop.call(started_at=at(2026, 1, 31)))

    assert [row.day for row in billing.reports.profit(shop.admin, *YEAR, every=Every.MONTH).rows] == [date(2026, 3, 1)]
    assert [row.day for row in billing.reports.used(shop.customer, date(2026, 1, 1), date(2027, 1, 1))] == [
        date(2026, 1, 31)
    ]


def test_each_seller_sees_the_destinations_that_it_sold(billing: Billing, clock: FixedClock) -> None:
    """The names are those of its own price list, also for the price at which it bought."""
    shop = chain(billing, distributor("0.02"), commission(50), price="0.05", cost="0.01")
    for group, names in (("chain-customer", ("Mobile", "Land line")), ("chain-1", ("UK", "UK"))):
        rows = [f"{prefix},{name},0.0{price}" for prefix, name, price in zip(("447", "44"), names, (8, 5), strict=True)]
        billing.prices.import_file(group, ["Code,Destination,Cost / Min", *rows], valid_from=START)
    sell(billing, clock, shop, START + HOUR, number="447123")
    sell(billing, clock, shop, START + 2 * HOUR, number="44123")

    admin, top, agent = (
        billing.reports.profit(seller, *YEAR, destinations=True) for seller in (shop.admin, *shop.resellers)
    )
    assert shown(admin.rows) == [(None, "UK", "0.11 USD")]
    assert shown(top.rows) == [(None, "Land line", "-0.025 USD"), (None, "Mobile", "-0.04 USD")]
    assert shown(agent.rows) == [(None, "Land line", "0.025 USD"), (None, "Mobile", "0.04 USD")]


def test_destinations_and_periods_can_be_had_together(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06", cost="0.01")
    offer(billing, shop.admin, "chain-customer", {"44": "0.06", "48": "0.02"}, valid_from=START)
    for when, number in ((at(2026, 1, 5), "48123"), (at(2026, 2, 5), "44123"), (at(2026, 2, 6), "48123")):
        sell(billing, clock, shop, when, number=number)

    report = billing.reports.profit(shop.admin, *YEAR, every=Every.MONTH, destinations=True)
    assert shown(report.rows) == [
        (date(2026, 1, 1), "48", "0.02 USD"),
        (date(2026, 2, 1), "44", "0.05 USD"),
        (date(2026, 2, 1), "48", "0.02 USD"),
    ]
    assert str(report.total.amount) == "0.09 USD"


def test_amounts_are_converted_by_the_rate_in_force_when_they_were_posted(billing: Billing, clock: FixedClock) -> None:
    """North buys in euros and sells in dollars; a rate that comes later changes nothing of what was before."""
    billing.prices.set_exchange_rate("EUR", "USD", "1.25", valid_from=START)
    shop = chain(billing, distributor("0.02", currency="EUR"), price="0.05", cost="0.01", currency="USD")
    sell(
        billing, clock, shop, START + HOUR
    )  # the customer pays 0.05 EUR, North 0.016 EUR, and the carrier gets USD 0.01
    before = billing.reports.profit(shop.admin, *YEAR).total
    billing.prices.set_exchange_rate("EUR", "USD", "2", valid_from=START + 2 * HOUR)
    sell(billing, clock, shop, START + 2 * HOUR)  # and here 0.05 EUR, 0.01 EUR, 0.01 USD

    assert str(before.amount) == "0.01 USD"
    total = billing.reports.profit(shop.admin, *YEAR).total
    assert total.earned == (Money("0.026", "EUR"), Money("-0.02", "USD"))
    assert str(total.amount) == "0.02 USD"  # 0.016 × 1.25 − 0.01, and 0.01 × 2 − 0.01
    assert total.complete


def test_a_sum_is_rounded_once(billing: Billing, clock: FixedClock) -> None:
    """A third of a micro on each of three days is nothing on any of them, and one micro in all."""
    billing.prices.set_exchange_rate("USD", "EUR", "3", valid_from=START)
    shop = chain(billing, currency="USD")
    for days in range(3):
        earn(billing, shop.admin, START + days * 24 * HOUR, f"day {days}", 1)

    report = billing.reports.profit(shop.admin, *YEAR, every=Every.DAY)
    assert [(row.amount.micros, row.earned) for row in report.rows] == [(0, (Money("0.000001", "EUR"),))] * 3
    assert report.total.earned == (Money("0.000003", "EUR"),)
    assert report.total.amount == Money("0.000001", "USD")


def test_where_no_rate_was_known_the_amount_stays_as_it_was(billing: Billing, clock: FixedClock) -> None:
    """It is told beside the sum, and is never taken to be worth as much in another currency."""
    shop = chain(billing, currency="USD")
    earn(billing, shop.admin, START + HOUR, "before", 500)
    billing.prices.set_exchange_rate("EUR", "USD", "2", valid_from=START + 2 * HOUR)
    earn(billing, shop.admin, START + 3 * HOUR, "after", 70)

    report = billing.reports.profit(shop.admin, *YEAR)
    assert report.total.earned == (Money("0.00057", "EUR"),)
    assert report.total.amount == Money("0.00014", "USD")
    assert report.total.unconverted == (Money("0.0005", "EUR"),)
    assert not report.total.complete
    (of_all,) = billing.reports.profits(*YEAR)
    assert of_all == report.total


def test_all_sellers_or_those_below_one_are_told_at_once(billing: Billing, clock: FixedClock) -> None:
    billing.prices.set_exchange_rate("EUR", "USD", "1.25", valid_from=START)
    shop = chain(billing, distributor("0.02", currency="EUR"), commission(50), price="0.05", cost="0.01")
    other = chain(billing, distributor("0.03"), name="other")
    sell(billing, clock, shop, START + HOUR)

    def told(profits: tuple[Profit, ...]) -> list[tuple[str, str]]:
        return [(one.account.number, str(one.amount)) for one in profits]

    below = [("chain-1", "0.009 EUR"), ("chain-2", "0.025 EUR")]
    everybody = [("chain-admin", "0.01 USD"), *below, ("other-admin", "0.00 USD"), ("other-1", "0.00 USD")]
    assert told(billing.reports.profits(*YEAR)) == everybody
    assert told(billing.reports.profits(*YEAR, parent=shop.admin)) == everybody[:3]
    assert told(billing.reports.profits(*YEAR, parent=shop.resellers[0])) == below
    assert told(billing.reports.profits(*YEAR, parent=other.customer)) == []


def test_a_statement_has_every_movement_and_the_balance_after_it(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06", billing=BillingType.POSTPAID)
    billing.ledger.refill(shop.customer, Money("1.00", "USD"), key="bank 1")
    sell(billing, clock, shop, START + HOUR)
    sell(billing, clock, shop, START + 2 * HOUR, 120)
    billing.ledger.refill(shop.customer, Money("5.00", "USD"), key="bank 2")

    with billing.reports.statement(shop.customer, START + HOUR, START + 2 * HOUR + timedelta(microseconds=1)) as opened:
        assert (str(opened.opening), str(opened.closing)) == ("1.00 USD", "5.82 USD")
        lines = list(opened.lines)
    assert [(line.entry.reason, str(line.amount), str(line.balance)) for line in lines] == [
        (Reason.CALL, "-0.06 USD", "0.94 USD"),
        (Reason.CALL, "-0.12 USD", "0.82 USD"),
        (Reason.REFILL, "5.00 USD", "5.82 USD"),
    ]
    first, _, refill = (line.entry for line in lines)
    assert (first.at, first.description, first.number) == (START + HOUR, "44", "441234567890")
    assert (first.other.account_id, first.other.book) == (shop.admin.id, Book.REVENUE)
    assert (refill.posting_key, refill.description, refill.other.book) == ("refill:bank 2", "", Book.CASH)


def test_a_statement_is_of_one_moment_and_is_read_while_it_is_open(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, billing=BillingType.POSTPAID)
    for hours in range(3):
        sell(billing, clock, shop, START + hours * HOUR)

    with billing.reports.statement(shop.customer, *YEAR) as opened:
        next(opened.lines)
        with pytest.raises(StorageError, match="in hand already"):
            billing.ledger.balance(shop.customer)
    assert list(opened.lines) == []
    assert str(billing.ledger.balance(shop.customer)) == "-0.18 USD"


def test_a_statement_without_movements_begins_and_ends_with_the_same(billing: Billing) -> None:
    shop = chain(billing)
    with billing.reports.statement(shop.customer, *YEAR) as opened:
        assert list(opened.lines) == []
    assert opened.opening == opened.closing == Money.zero("USD")
    with pytest.raises(InvalidValue), billing.reports.statement(shop.customer, YEAR[1], YEAR[0]):
        pass


def test_a_statement_as_csv_never_has_a_formula(billing: Billing, clock: FixedClock) -> None:
    """Amounts stay numbers; texts that come from outside do not become more than texts."""
    shop = chain(billing, price="0.06", billing=BillingType.POSTPAID)
    evil = ["Code,Destination,Cost / Min", '44,"=HYPERLINK(""http://x"",""y""),","0.06"']
    billing.prices.import_file("chain-customer", evil, valid_from=START)
    sell(billing, clock, shop, START)

    with billing.reports.statement(shop.customer, *YEAR) as opened:
        text = "".join(statement_csv(opened, {shop.admin.id: "@admin"}))
    assert text.endswith("\r\n")
    header, row = csv.reader(text.splitlines(keepends=True))
    assert tuple(header) == COLUMNS
    assert row == [
        "2026-01-01T00:00:00+00:00",
        "call",
        '\'=HYPERLINK("http://x","y"),',
        "441234567890",
        "'@admin",
        "revenue",
        "-0.06",
        "-0.06",
        "USD",
        "call:switch:chain-customer-1",
    ]


def test_used_credit_is_told_by_local_day_and_month(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.02"), price="0.06", timezone="Asia/Tokyo")
    sell(billing, clock, shop, at(2026, 1, 31, 14, 59))
    sell(billing, clock, shop, at(2026, 1, 31, 15, 0), 90)
    sell(billing, clock, shop, at(2026, 2, 1, 12), 30)

    def told(account: Account, every: Every, *days: date) -> list[tuple[str, str, int, int]]:
        return [
            (str(one.day), str(one.amount), one.calls, one.seconds)
            for one in billing.reports.used(account, *days, every=every)
        ]

    year = date(2026, 1, 1), date(2027, 1, 1)
    assert told(shop.customer, Every.DAY, *year) == [
        ("2026-01-31", "0.06 USD", 1, 60),
        ("2026-02-01", "0.12 USD", 2, 120),
    ]
    assert told(shop.customer, Every.MONTH, *year) == [
        ("2026-01-01", "0.06 USD", 1, 60),
        ("2026-02-01", "0.12 USD", 2, 120),
    ]
    assert told(shop.resellers[0], Every.MONTH, *year) == [
        ("2026-01-01", "0.05 USD", 2, 150),
        ("2026-02-01", "0.01 USD", 1, 30),
    ]
    assert told(shop.customer, Every.DAY, date(2026, 1, 31), date(2026, 2, 1)) == [("2026-01-31", "0.06 USD", 1, 60)]
    with pytest.raises(InvalidValue, match="no day"):
        billing.reports.used(shop.customer, date(2026, 1, 1), date(2026, 1, 1))


def test_there_is_no_report_on_an_account_that_is_not_there(billing: Billing) -> None:
    nobody = Account(id=77, number="nobody", kind=Kind.ADMIN, currency="USD")
    with pytest.raises(NotFound):
        billing.reports.profit(nobody, *YEAR)
    with pytest.raises(NotFound), billing.reports.statement(nobody, *YEAR):
        pass
    with pytest.raises(NotFound):
        billing.reports.used(nobody, date(2026, 1, 1), date(2026, 1, 2))
