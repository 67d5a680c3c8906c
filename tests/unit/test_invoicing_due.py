"""Which documents are due, and which are worth issuing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from astpp_billing.hierarchy import Account, BillingType, Kind, ReceiptMode, Status
from astpp_billing.invoicing import Assembled, DocumentKind, assemble, due_periods, worth_issuing
from astpp_billing.ledger import Charge
from astpp_billing.periods import BillingSchedule, Cadence, Period


def account(**changes: Any) -> Account:
    values: dict[str, Any] = {
        "id": 3,
        "number": "1000000003",
        "kind": Kind.CUSTOMER,
        "parent_id": 2,
        "billing": BillingType.POSTPAID,
        "currency": "EUR",
    }
    return Account(**(values | changes))


def day(month: int, day_of_month: int, hour: int = 0) -> datetime:
    return datetime(2026, month, day_of_month, hour, tzinfo=UTC)


def due(since: datetime, now: datetime, **changes: Any) -> list[tuple[DocumentKind, datetime, datetime]]:
    return [(one.kind, one.period.start, one.period.end) for one in due_periods(account(**changes), since, now)]


def of(*micros: int) -> Assembled:
    charges = [
        Charge(account_id=3, posting_key="k", at=day(1, 1), description="Germany", micros=one, currency="EUR")
        for one in micros
    ]
    return assemble(charges, "EUR", None, 0)


INVOICE, RECEIPT = DocumentKind.INVOICE, DocumentKind.RECEIPT
PREPAID = {"billing": BillingType.PREPAID}


def test_a_postpaid_account_gets_invoices_by_its_schedule() -> None:
    schedule = BillingSchedule(Cadence.MONTHLY, 15)

    assert due(day(1, 15), day(3, 20), schedule=schedule) == [
        (INVOICE, day(1, 15), day(2, 15)),
        (INVOICE, day(2, 15), day(3, 15)),
    ]


def test_a_period_is_due_at_its_end_and_not_before() -> None:
    assert due(day(1, 1), day(2, 1) - timedelta(microseconds=1)) == []
    assert due(day(1, 1), day(2, 1)) == [(INVOICE, day(1, 1), day(2, 1))]


def test_missed_days_are_caught_up_oldest_first() -> None:
    schedule = BillingSchedule(Cadence.DAILY)

    assert due(day(1, 1), day(1, 4, 6), schedule=schedule) == [
        (INVOICE, day(1, 1), day(1, 2)),
        (INVOICE, day(1, 2), day(1, 3)),
        (INVOICE, day(1, 3), day(1, 4)),
    ]


def test_the_first_period_starts_with_the_account() -> None:
    assert due(day(1, 20, 7), day(2, 1)) == [(INVOICE, day(1, 20, 7), day(2, 1))]


def test_a_new_schedule_starts_where_the_old_one_ended() -> None:
    weekly = BillingSchedule(Cadence.WEEKLY, 1)  # 2026-03-01 is a Sunday

    assert due(day(3, 1), day(3, 9), schedule=weekly) == [
        (INVOICE, day(3, 1), day(3, 2)),
        (INVOICE, day(3, 2), day(3, 9)),
    ]


def test_periods_end_at_local_midnight() -> None:
    assert due(day(1, 1), day(2, 1), timezone="Asia/Tokyo") == [(INVOICE, day(1, 1), day(1, 31, 15))]


@pytest.mark.parametrize(
    ("receipts", "ends"),
    [
        (ReceiptMode.EACH, []),
        (ReceiptMode.DAILY, [day(1, 31), day(2, 1), day(2, 2)]),
        (ReceiptMode.MONTHLY, [day(2, 1)]),
    ],
)
def test_a_prepaid_account_gets_receipts_as_it_chose(receipts: ReceiptMode, ends: list[datetime]) -> None:
    # the schedule is for invoices only
    schedule = BillingSchedule(Cadence.MONTHLY, 15)

    found = due(day(1, 30), day(2, 2), receipts=receipts, schedule=schedule, **PREPAID)

    assert [(kind, end) for kind, _, end in found] == [(RECEIPT, end) for end in ends]


@pytest.mark.parametrize("kind", [Kind.ADMIN, Kind.PROVIDER])
@pytest.mark.parametrize("billing", BillingType)
def test_an_account_without_a_parent_is_billed_by_nobody(kind: Kind, billing: BillingType) -> None:
    assert due(day(1, 1), day(6, 1), kind=kind, parent_id=None, billing=billing, receipts=ReceiptMode.DAILY) == []


def test_a_due_period_says_what_it_wants() -> None:
    (one,) = due_periods(account(), day(1, 1), day(2, 1))

    assert (one.kind, one.period) == (INVOICE, Period(day(1, 1), day(2, 1)))


@pytest.mark.parametrize(
    ("changes", "assembled", "worth"),
    [
        ({}, of(1_000_000), True),
        ({}, of(), False),
        ({}, of(1_400), False),  # 0.0014: nothing to pay yet, so it waits
        ({"zero_invoices": True}, of(), True),
        ({"zero_invoices": True}, of(1_400), True),
        ({"zero_invoices": True, "status": Status.CLOSED}, of(), False),
        ({"zero_invoices": True, "status": Status.CLOSED}, of(1_400), True),
        ({"status": Status.CLOSED}, of(1_000_000), True),
        (PREPAID, of(1_000_000), True),
        (PREPAID, of(1_400), True),
        (PREPAID, of(), False),
        ({**PREPAID, "zero_invoices": True}, of(), False),
    ],
)
def test_a_document_is_worth_issuing(changes: dict[str, Any], assembled: Assembled, worth: bool) -> None:
    assert worth_issuing(account(**changes), assembled) is worth
