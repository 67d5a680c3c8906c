"""The billing run: every period that has ended gets exactly one document."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from tests.services.books import at, balance, everything, moved, settled

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import InvalidValue, StorageError
from astpp_billing.hierarchy import Account, BillingType, ReceiptMode
from astpp_billing.invoicing import DocumentKind, Tax
from astpp_billing.ledger import Book, LedgerAccount
from astpp_billing.money import Money
from astpp_billing.periods import BillingSchedule, Cadence, Period
from astpp_billing.ports import Changes
from astpp_billing.services.billing_runs import NOT_ISSUED, Billed
from astpp_billing.testing.worlds import Chain, chain, distributor

POSTPAID: dict[str, Any] = {"billing": BillingType.POSTPAID}
DAILY = BillingSchedule(Cadence.DAILY)


def periods(billed: list[Billed]) -> list[tuple[datetime, datetime, str | None]]:
    return [
        (one.due.period.start, one.due.period.end, None if one.document is None else str(one.document.total))
        for one in billed
    ]


def run(billing: Billing, clock: FixedClock, now: datetime) -> list[tuple[datetime, datetime, str | None]]:
    clock.set(now)
    return periods(list(billing.documents.run()))


def postpaid(billing: Billing, **options: Any) -> Chain:
    return chain(billing, price="0.06", **POSTPAID | options)


def test_a_period_that_has_ended_gets_one_invoice(billing: Billing, clock: FixedClock) -> None:
    shop = postpaid(billing)
    charges = [settled(billing, shop.call(60, started_at=at(2026, 1, day))).charges[0] for day in (5, 31)]
    settled(billing, shop.call(60, started_at=at(2026, 2, 1)))
    clock.set(at(2026, 2, 1, 6))

    (billed,) = billing.documents.run()

    document = billed.document
    assert document is not None
    assert (billed.account, billed.due.kind, billed.problem) == (shop.customer, DocumentKind.INVOICE, "")
    assert (document.kind, document.number, str(document.total)) == ("invoice", "INV-000001", "0.12 USD")
    assert (document.issued_at, document.due_at) == (clock.now(), at(2026, 2, 15))
    assert document.period == Period(at(2026, 1, 1), at(2026, 2, 1))
    assert [(line.description, line.quantity, line.seconds) for line in document.lines] == [("44", 2, 120)]
    assert billing.documents.documents(shop.customer) == [document]
    assert billing.documents.charges(document) == [evolve(charge, document_id=document.id) for charge in charges]


def test_a_period_that_has_not_ended_is_left_alone(billing: Billing, clock: FixedClock) -> None:
    shop = postpaid(billing)
    settled(billing, shop.call())

    assert run(billing, clock, at(2026, 2, 1) - timedelta(microseconds=1)) == []
    assert run(billing, clock, at(2026, 2, 1)) == [(at(2026, 1, 1), at(2026, 2, 1), "0.06 USD")]


def test_a_second_run_finds_nothing_left_to_do(billing: Billing, clock: FixedClock) -> None:
    shop = postpaid(billing)
    settled(billing, shop.call())
    run(billing, clock, at(2026, 2, 1))
    before = everything(billing)

    assert run(billing, clock, at(2026, 2, 2)) == []
    assert everything(billing) == before


def test_missed_days_are_caught_up_each_with_its_own_invoice(billing: Billing, clock: FixedClock) -> None:
    shop = postpaid(billing, schedule=DAILY)
    for day in (1, 3):
        settled(billing, shop.call(60 * day, started_at=at(2026, 1, day, 12)))

    assert run(billing, clock, at(2026, 1, 5)) == [
        (at(2026, 1, 1), at(2026, 1, 2), "0.06 USD"),
        (at(2026, 1, 2), at(2026, 1, 3), None),
        (at(2026, 1, 3), at(2026, 1, 4), "0.18 USD"),
        (at(2026, 1, 4), at(2026, 1, 5), None),
    ]


def test_the_instant_can_be_given(billing: Billing, clock: FixedClock) -> None:
    shop = postpaid(billing)
    settled(billing, shop.call())
    clock.set(at(2026, 4, 1))

    (billed,) = billing.documents.run(now=at(2026, 2, 1))

    assert billed.document is not None
    assert billed.document.issued_at == clock.now()
    with pytest.raises(InvalidValue, match="time zone"):
        billing.documents.run(now=datetime(2026, 2, 1))  # noqa: DTZ001 - it is refused


def test_a_late_record_comes_on_the_next_invoice(billing: Billing, clock: FixedClock) -> None:
    shop = postpaid(billing)
    run(billing, clock, at(2026, 2, 1))

    settled(billing, shop.call(started_at=at(2026, 1, 20)))

    assert run(billing, clock, at(2026, 3, 1)) == [(at(2026, 2, 1), at(2026, 3, 1), "0.06 USD")]


def test_a_dry_run_shows_what_would_come_and_changes_nothing(billing: Billing, clock: FixedClock) -> None:
    shop = postpaid(billing, schedule=DAILY)
    dear = chain(billing, name="dear", price="0.0333", receipts=ReceiptMode.DAILY)
    for day in (1, 2, 3, 4):
        settled(billing, shop.call(50, started_at=at(2026, 1, day, 12)))
        settled(billing, dear.call(50, started_at=at(2026, 1, day, 12)))
    clock.set(at(2026, 1, 5))
    before = everything(billing)

    shown = billing.documents.run(dry_run=True)

    assert everything(billing) == before
    assert {one.document.number for one in shown if one.document} == {NOT_ISSUED}
    assert {one.document.id for one in shown if one.document} == {0}
    real = billing.documents.run()
    assert len(real) == 8
    assert [_unnumbered(one) for one in shown] == [_unnumbered(one) for one in real]
    assert billing.documents.run(dry_run=True) == []


def _unnumbered(billed: Billed) -> tuple[Any, ...]:
    document = billed.document
    return billed.account, billed.due, document and (document.lines, document.total, document.issued_at)


def test_the_storage_is_free_while_the_results_are_looked_at(billing: Billing, clock: FixedClock) -> None:
    shop = postpaid(billing)
    settled(billing, shop.call())
    clock.set(at(2026, 3, 1))

    for dry_run in (True, False):
        results = billing.documents.run(dry_run=dry_run)
        assert [balance(billing, billed.account) for billed in results] == ["-0.06 USD"] * 2


def test_days_are_the_accounts_own_and_23_or_25_hours_long_twice_a_year(billing: Billing, clock: FixedClock) -> None:
    zone = ZoneInfo("America/New_York")
    clock.set(datetime(2026, 3, 7, tzinfo=zone))
    shop = postpaid(billing, schedule=DAILY, timezone="America/New_York")
    first, last = (datetime(2026, 3, 8, hour, minute, tzinfo=zone) for hour, minute in ((0, 0), (23, 59)))
    for start in (first, last):
        settled(billing, shop.call(started_at=start.astimezone(UTC)))

    assert run(billing, clock, at(2026, 3, 9, 4))[1:] == [(at(2026, 3, 8, 5), at(2026, 3, 9, 4), "0.12 USD")]
    clock.set(at(2026, 10, 31, 4))
    billing.documents.run()
    assert run(billing, clock, at(2026, 11, 2, 5)) == [
        (at(2026, 10, 31, 4), at(2026, 11, 1, 4), None),
        (at(2026, 11, 1, 4), at(2026, 11, 2, 5), None),
    ]


@pytest.mark.parametrize(
    ("day", "ends"),
    [
        (29, [(1, 29), (2, 28), (3, 29), (4, 29), (5, 29)]),
        (30, [(1, 30), (2, 28), (3, 30), (4, 30), (5, 30)]),
        (31, [(1, 31), (2, 28), (3, 31), (4, 30), (5, 31)]),
    ],
)
def test_a_billing_day_that_a_month_does_not_have_is_its_last(
    billing: Billing, clock: FixedClock, day: int, ends: list[tuple[int, int]]
) -> None:
    postpaid(billing, schedule=BillingSchedule(Cadence.MONTHLY, day))

    ended = [end for _, end, _ in run(billing, clock, at(2026, 6, 1))]

    assert ended == [at(2026, month, last) for month, last in ends]


def test_zero_invoices_come_only_on_request(billing: Billing, clock: FixedClock) -> None:
    without = postpaid(billing)
    wanted = postpaid(billing, name="wanted", zero_invoices=True)

    clock.set(at(2026, 2, 1))
    billed = billing.documents.run()

    assert [(one.account, one.document and str(one.document.total)) for one in billed] == [
        (without.customer, None),
        (wanted.customer, "0.00 USD"),
    ]
    assert moved(billing.ledger.posting(f"invoice:{wanted.customer.id}:{int(at(2026, 2, 1).timestamp())}000000")) == []


def test_what_rounds_to_nothing_waits_for_the_next_invoice(billing: Billing, clock: FixedClock) -> None:
    shop = postpaid(billing, name="small")
    settled(billing, shop.call(4))  # 0.004

    assert run(billing, clock, at(2026, 2, 1)) == [(at(2026, 1, 1), at(2026, 2, 1), None)]
    settled(billing, shop.call(2, started_at=at(2026, 2, 2)))
    assert run(billing, clock, at(2026, 3, 1)) == [(at(2026, 2, 1), at(2026, 3, 1), "0.01 USD")]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (
            ReceiptMode.DAILY,
            [("0.06 USD", at(2026, 1, 5), at(2026, 1, 6)), ("0.06 USD", at(2026, 1, 6), at(2026, 1, 7))],
        ),
        (ReceiptMode.MONTHLY, [("0.12 USD", at(2026, 1, 1), at(2026, 2, 1))]),
    ],
)
def test_prepaid_charges_are_gathered_into_receipts_by_day_or_month(
    billing: Billing, clock: FixedClock, mode: ReceiptMode, expected: list
) -> None:
    shop = chain(billing, price="0.06", receipts=mode)
    for day in (5, 6):
        settled(billing, shop.call(started_at=at(2026, 1, day)))

    run(billing, clock, at(2026, 2, 1))

    documents = billing.documents.documents()
    assert {document.kind for document in documents} == {DocumentKind.RECEIPT}
    assert [(str(one.total), one.period and one.period.start, one.period and one.period.end) for one in documents] == (
        expected
    )
    assert [document.number for document in documents] == [f"RCP-00000{n}" for n in range(1, len(documents) + 1)]


def test_prepaid_accounts_with_a_receipt_for_each_call_are_no_business_of_the_run(
    billing: Billing, clock: FixedClock
) -> None:
    settled(billing, chain(billing).call())

    assert run(billing, clock, at(2027, 1, 1)) == []


def test_tax_is_posted_with_the_invoice(billing: Billing, clock: FixedClock) -> None:
    shop = postpaid(billing)
    billing.accounts.configure_invoices(shop.admin, tax=Tax("VAT", Decimal("19")))
    settled(billing, shop.call(6000))  # 6.00

    run(billing, clock, at(2026, 2, 1))

    assert balance(billing, shop.customer) == "-7.14 USD"
    assert billing.ledger.books()[LedgerAccount(shop.admin.id, Book.TAX, "USD")] == Money("1.14", "USD")
    assert dict(billing.ledger.profits(shop.customer)) == {"USD": Money("-6", "USD")}
    assert billing.ledger.reconcile().agrees


def test_rounding_is_carried_forward_so_that_wallet_and_documents_agree(billing: Billing, clock: FixedClock) -> None:
    shop = postpaid(billing, schedule=DAILY)
    for day in range(1, 8):
        settled(billing, shop.call(7, started_at=at(2026, 1, day)))  # 0.007 a day

    billed = run(billing, clock, at(2026, 1, 8))

    assert [total for _, _, total in billed] == ["0.01 USD", None, "0.01 USD", "0.01 USD", "0.01 USD", None, "0.01 USD"]
    assert balance(billing, shop.customer) == "-0.05 USD"
    assert billing.ledger.books()[LedgerAccount(shop.customer.id, Book.ROUNDING, "USD")] == Money("0.001", "USD")


def test_resellers_are_billed_like_everybody(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.03", **POSTPAID), price="0.06", **POSTPAID)
    settled(billing, shop.call())
    clock.set(at(2026, 2, 1))

    billed = billing.documents.run()

    assert [(one.account, one.document and one.document.issuer_id) for one in billed] == [
        (shop.resellers[0], shop.admin.id),
        (shop.customer, shop.resellers[0].id),
    ]


def test_an_account_is_billed_as_it_is_when_its_turn_comes(
    billing: Billing, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = postpaid(billing)
    settled(billing, shop.call())
    clock.set(at(2026, 2, 1))
    bill_account = billing.documents._bill

    def close_first(account_id: int, until: datetime) -> Any:
        if account_id == shop.customer.id:
            billing.accounts.close(shop.customer)
        return bill_account(account_id, until)

    monkeypatch.setattr(billing.documents, "_bill", close_first)

    assert billing.documents.run() == []
    assert len(billing.documents.documents()) == 1


def unbalanced(billing: Billing, account: Account) -> None:
    """Let a charge be stored that no transfer stands for."""
    with billing.storage.begin() as uow:
        (charge,) = uow.charges(account_id=account.id)
        uow.lock([account.id])
        uow.save(Changes(charges=[evolve(charge, position=9, description="forged", micros=500_000)]))


def test_an_account_that_does_not_reconcile_is_set_aside_and_the_others_go_on(
    billing: Billing, clock: FixedClock
) -> None:
    forged, sound = postpaid(billing, name="forged"), postpaid(billing, name="sound")
    for shop in (forged, sound):
        settled(billing, shop.call())
    unbalanced(billing, forged.customer)
    clock.set(at(2026, 3, 1))

    dry, real = billing.documents.run(dry_run=True), billing.documents.run()

    problem = "charges of account forged-customer: 0.56 is stored, 0.06 is proved"
    assert [(one.account, one.due.period.end, one.problem.partition(";")[0], one.document is None) for one in real] == [
        (forged.customer, at(2026, 2, 1), problem, True),
        (sound.customer, at(2026, 2, 1), "", False),
        (sound.customer, at(2026, 3, 1), "", True),
    ]
    assert dry[0] == real[0]
    assert [one.problem for one in billing.documents.run()] == [real[0].problem]


def test_an_account_that_cannot_be_billed_is_set_aside_without_a_trace(
    billing: Billing, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, other = postpaid(billing), postpaid(billing, name="other")
    for each in (shop, other):
        settled(billing, each.call())
    billing.accounts.configure_invoices(shop.admin, invoice_prefix="")
    billing.accounts.configure_invoices(other.admin, invoice_prefix="B-")
    clock.set(at(2026, 2, 1))
    with billing.storage.snapshot() as uow:
        kind = type(uow)
    save = kind.save

    def refuse(self: Any, changes: Changes) -> None:
        for document in changes.documents:
            if document.account_id == shop.customer.id:
                raise InvalidValue(f"document {document.number} is refused")
        save(self, changes)

    before = everything(billing)
    with monkeypatch.context() as patch:
        patch.setattr(kind, "save", refuse)
        for dry_run in (True, False):
            refused = billing.documents.run(dry_run=dry_run)
            assert [one.problem for one in refused] == ["document 000001 is refused", ""]
    assert [one for one in everything(billing)["documents"] if one.account_id == shop.customer.id] == []
    assert everything(billing)["balances"] == before["balances"]
    assert [one.document and one.document.number for one in billing.documents.run()] == ["000001"]


def test_a_storage_that_fails_ends_the_run(
    billing: Billing, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = postpaid(billing)
    settled(billing, shop.call())
    clock.set(at(2026, 2, 1))
    with billing.storage.snapshot() as uow:
        kind = type(uow)

    def fail(self: Any, *arguments: Any) -> Any:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(kind, "save", fail)
        with pytest.raises(StorageError, match="disk is full"):
            billing.documents.run()
    assert run(billing, clock, at(2026, 2, 1)) == [(at(2026, 1, 1), at(2026, 2, 1), "0.06 USD")]
