"""Laws of documents, over whole histories of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from astpp_billing.errors import InvalidValue
from astpp_billing.hierarchy import Account, BillingType, Kind, ReceiptMode
from astpp_billing.invoicing import (
    Assembled,
    Document,
    DocumentKind,
    InvoiceConfig,
    LineKind,
    Tax,
    assemble,
    assemble_credit,
    document_transfers,
    due_periods,
    make_document,
)
from astpp_billing.invoicing.html import render_html
from astpp_billing.ledger import Book, Charge, ChargeKind, LedgerAccount, movements
from astpp_billing.money import MICROS, minor_units
from astpp_billing.periods import BillingSchedule, Cadence

NOW = datetime(2026, 2, 1, tzinfo=UTC)
HALF_UNIT = {code: MICROS // 10 ** minor_units(code) // 2 for code in ("EUR", "JPY", "KWD")}
CURRENCIES = st.sampled_from(sorted(HALF_UNIT))

# mostly the price of one short call, where rounding matters
AMOUNTS = st.integers(1, 20_000) | st.integers(1, 10**12)


@st.composite
def charges(draw: st.DrawFn, currency: str, least: int = 0) -> list[Charge]:
    one = st.builds(
        Charge,
        account_id=st.just(3),
        posting_key=st.just("k"),
        at=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        description=st.sampled_from(["Germany", "France", "Österreich", "", "中国"]),
        seconds=st.integers(0, 10_000),
        micros=AMOUNTS,
        currency=st.just(currency),
    )
    return draw(st.lists(one, min_size=least, max_size=6))


@st.composite
def taxes(draw: st.DrawFn) -> Tax | None:
    percent = st.decimals(0, 100, places=3).map(lambda value: Tax("VAT", value))
    return draw(st.none() | percent)


@frozen
class History:
    """Documents of one buyer, one after the other: each with the rounding balance before it."""

    currency: str
    documents: tuple[tuple[list[Charge], Tax | None, int, Assembled], ...]
    first_balance: int
    last_balance: int


@st.composite
def histories(draw: st.DrawFn) -> History:
    currency = draw(CURRENCIES)
    half = HALF_UNIT[currency]
    first = balance = draw(st.sampled_from([0, half, -half]) | st.integers(-half, half))
    documents = []
    for _ in range(draw(st.integers(1, 8))):
        of_document, tax = draw(charges(currency)), draw(taxes())
        assembled = assemble(of_document, currency, tax, balance)
        documents.append((of_document, tax, balance, assembled))
        balance += assembled.rounding_micros
    return History(currency, tuple(documents), first, balance)


def exact_tax(net: int, tax: Tax | None) -> int:
    """Half-up to a micro, by another way than the library's."""
    return 0 if tax is None else int(net * Fraction(tax.percent) / 100 + Fraction(1, 2))


@given(histories())
def test_the_total_is_the_sum_of_lines_in_whole_minor_units(history: History) -> None:
    """Lines are rounded to the currency's minor unit, the total is the sum of the lines, and never negative."""
    unit = 2 * HALF_UNIT[history.currency]
    for _, _, _, assembled in history.documents:
        assert assembled.total_micros == sum(line.micros for line in assembled.lines) >= 0
        assert all(line.micros % unit == 0 for line in assembled.lines)
        assert [line.position for line in assembled.lines] == list(range(1, len(assembled.lines) + 1))


@given(histories())
def test_lines_stand_for_every_charge_once(history: History) -> None:
    """A line for each description, in their order, with count, seconds and exact amount of its charges."""
    for of_document, tax, _, assembled in history.documents:
        lines = [line for line in assembled.lines if line.kind is LineKind.CHARGES]
        assert [line.description for line in lines] == sorted({charge.description for charge in of_document})
        for line in lines:
            members = [charge for charge in of_document if charge.description == line.description]
            assert line.quantity == len(members)
            assert line.seconds == sum(charge.seconds for charge in members)
            assert line.exact_micros == sum(charge.micros for charge in members)
            assert abs(line.micros - line.exact_micros) <= HALF_UNIT[history.currency]
        net = sum(charge.micros for charge in of_document)
        assert assembled.tax_micros == exact_tax(net, tax)
        assert sum(line.exact_micros for line in assembled.lines) == net + assembled.tax_micros


@given(histories())
def test_the_rounding_balance_stays_within_half_a_minor_unit(history: History) -> None:
    """Whatever came before, documents are never more than half a minor unit away from the ledger."""
    half = HALF_UNIT[history.currency]
    for _, _, balance, assembled in history.documents:
        assert abs(balance) <= half
        assert abs(balance + assembled.rounding_micros) <= half


@given(histories())
def test_what_documents_bill_is_what_the_ledger_has(history: History) -> None:
    """Over any row of documents: Σ totals = Σ exact amounts + R' − R."""
    totals = sum(assembled.total_micros for *_, assembled in history.documents)
    exact = sum(
        sum(charge.micros for charge in of_document) + assembled.tax_micros
        for of_document, *_, assembled in history.documents
    )

    assert totals == exact + history.last_balance - history.first_balance


@given(CURRENCIES.flatmap(lambda code: st.tuples(st.just(code), charges(code), taxes())), st.integers(-(10**9), 10**9))
def test_a_balance_that_is_too_large_is_worked_off(case: tuple[str, list[Charge], Tax | None], balance: int) -> None:
    """Also with a balance beyond half a unit no total is negative, and the balance never moves away from zero."""
    currency, of_document, tax = case

    assembled = assemble(of_document, currency, tax, balance)

    assert assembled.total_micros >= 0
    assert abs(balance + assembled.rounding_micros) <= max(abs(balance), HALF_UNIT[currency])


@given(CURRENCIES.flatmap(lambda code: st.tuples(st.just(code), charges(code, least=1))))
def test_a_line_is_the_same_whatever_else_is_on_the_document(case: tuple[str, list[Charge]]) -> None:
    """What a receipt says of its one charge is what any document says of charges of one description."""
    currency, (one, *others) = case
    elsewhere = [charge for charge in others if charge.description != one.description]

    (alone, *_) = assemble([one], currency, None, 0).lines
    lines = assemble([one, *elsewhere], currency, None, 0).lines

    assert evolve(alone, position=next(line.position for line in lines if line.description == one.description)) in lines


def buyer_of(currency: str) -> Account:
    return Account(
        id=3,
        number="1000000003",
        kind=Kind.CUSTOMER,
        parent_id=2,
        billing=BillingType.POSTPAID,
        currency=currency,
    )


@given(histories())
def test_the_wallet_pays_what_the_documents_bill(history: History) -> None:
    """With the charges, the transfers of each document take exactly its total from the wallet; ROUNDING keeps R."""
    buyer = buyer_of(history.currency)
    wallet = LedgerAccount(3, Book.WALLET, history.currency)
    rounding = LedgerAccount(3, Book.ROUNDING, history.currency)
    for of_document, _, _, assembled in history.documents:
        moved: Mapping[LedgerAccount, int] = movements(document_transfers(buyer, 2, assembled))
        net = sum(charge.micros for charge in of_document)
        assert net - moved.get(wallet, 0) == assembled.total_micros
        assert moved.get(rounding, 0) == assembled.rounding_micros
        assert moved.get(LedgerAccount(2, Book.TAX, history.currency), 0) == assembled.tax_micros


def document_of(history: History, kind: DocumentKind) -> tuple[Document, list[Charge]]:
    of_document, _, _, assembled = history.documents[0]
    config = InvoiceConfig(account_id=1, company="Acme")
    return make_document(kind, buyer_of(history.currency), 2, config, "1", assembled, None, NOW), of_document


BILLING = (DocumentKind.RECEIPT, DocumentKind.INVOICE)


@given(histories(), st.sampled_from(BILLING))
def test_whatever_is_assembled_makes_a_valid_document(history: History, kind: DocumentKind) -> None:
    """A document is valid once it is built, and everything that can be assembled can be one."""
    document, _ = document_of(history, kind)

    assert document.total.rounded() == document.total
    assert (document.due_at is not None) == (kind is DocumentKind.INVOICE)


@given(histories(), st.data())
def test_credit_notes_take_back_what_was_billed(history: History, data: st.DataObject) -> None:
    """In whatever parts: each tax as much as the charges, all of both in the end, and nobody is off by a whole unit."""
    billed, charges = document_of(history, DocumentKind.INVOICE)
    notes: list[Document] = []
    rounding = history.last_balance
    left = [charge.micros for charge in charges]
    while any(left):
        parts = [data.draw(st.integers(0, micros) | st.just(micros)) for micros in left]
        refunds = [
            evolve(charge, kind=ChargeKind.REFUND, micros=-micros)
            for charge, micros in zip(charges, parts, strict=True)
            if micros
        ]
        if not refunds or len(notes) == 5:
            parts = left
            refunds = [
                evolve(charge, kind=ChargeKind.REFUND, micros=-micros)
                for charge, micros in zip(charges, parts, strict=True)
                if micros
            ]
        left = [before - micros for before, micros in zip(left, parts, strict=True)]
        assembled = assemble_credit(refunds, billed, notes, rounding)
        rounding += assembled.rounding_micros
        buyer, config = buyer_of(history.currency), InvoiceConfig(account_id=1, company="Acme")
        kind = DocumentKind.CREDIT_NOTE
        notes.append(make_document(kind, buyer, 2, config, "1", assembled, None, NOW, corrects_id=7))
        taxed = sum(line.exact_micros for note in notes for line in note.lines if line.kind is LineKind.TAX)
        credited = sum(line.exact_micros for note in notes for line in note.lines if line.kind is LineKind.CHARGES)
        taxes = sum(line.exact_micros for line in billed.lines if line.kind is LineKind.TAX)
        part = Fraction(-credited, sum(charge.micros for charge in charges))
        assert abs(-taxed - taxes * part) <= Fraction(1, 2)
        assert -HALF_UNIT[history.currency] < rounding <= HALF_UNIT[history.currency]

    exact = sum(line.exact_micros for document in (billed, *notes) for line in document.lines)
    assert exact == 0
    with pytest.raises(InvalidValue, match="cannot be credited"):
        assemble_credit([evolve(charges[0], kind=ChargeKind.REFUND, micros=-1)] if charges else [], billed, notes, 0)


# Letters of the marker are in no tag, attribute or entity of the page.
TYPED = st.text(st.sampled_from("<>&\"'/=ZQJ \u202e\u200f\u2067{}%#\n\x00\ud800"), min_size=1, max_size=12)


def what_shows(typed: str) -> str:
    """How a text must stand in the page: marks of HTML as entities, what cannot be shown replaced."""
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&#34;"), ("'", "&#39;")):
        typed = typed.replace(mark, entity)
    return typed.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")


@given(histories(), TYPED)
def test_html_never_contains_what_people_typed_unescaped(history: History, typed: str) -> None:
    """The page with a typed text is the page with a plain word, the word replaced by the text as an entity."""
    document, of_document = document_of(history, DocumentKind.INVOICE)
    details = [evolve(charge, number="WORD", detail="WORD") for charge in of_document]
    with_word = evolve(document, issuer_name="WORD", buyer_name="WORD", note="WORD", issuer_address="WORD")
    with_typed = evolve(document, issuer_name=typed, buyer_name=typed, note=typed, issuer_address=typed)
    typed_details = [evolve(charge, number=typed, detail=typed) for charge in of_document]

    plain, shown = render_html(with_word, details), render_html(with_typed, typed_details)

    assert shown == plain.replace("WORD", what_shows(typed))


@given(
    st.builds(BillingSchedule, st.just(Cadence.MONTHLY), st.integers(1, 31))
    | st.builds(BillingSchedule, st.just(Cadence.WEEKLY), st.integers(1, 7))
    | st.just(BillingSchedule(Cadence.DAILY)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Beirut", "Pacific/Apia"]),
    st.datetimes(datetime(2011, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(0, 100 * 24),
    st.integers(0, 100 * 24),
    st.sampled_from([(BillingType.POSTPAID, ReceiptMode.EACH), (BillingType.PREPAID, ReceiptMode.MONTHLY)]),
)
def test_due_periods_cover_time_once_however_often_one_looks(
    schedule: BillingSchedule,
    timezone: str,
    since: datetime,
    hours_to_first_run: int,
    hours_to_second_run: int,
    billing: tuple[BillingType, ReceiptMode],
) -> None:
    """Periods touch from `since` on, all have ended, and two runs find together what one late run finds."""
    account = evolve(buyer_of("EUR"), schedule=schedule, timezone=timezone, billing=billing[0], receipts=billing[1])
    first_run = since + timedelta(hours=hours_to_first_run)
    second_run = first_run + timedelta(hours=hours_to_second_run)

    first = list(due_periods(account, since, first_run))
    billed_until = first[-1].period.end if first else since
    second = list(due_periods(account, billed_until, second_run))

    assert first + second == list(due_periods(account, since, second_run))
    edge = since
    for due in first + second:
        assert due.period.start == edge
        edge = due.period.end
        assert edge <= second_run


def test_the_example_of_a_thousand_small_receipts() -> None:
    """A thousand receipts of 0.001365 each bill 1.365, not nothing and not 10.00."""
    one = Charge(account_id=3, posting_key="k", at=NOW, description="Germany", micros=1_365, currency="EUR")
    balance = billed = 0
    for _ in range(1000):
        assembled = assemble([one], "EUR", Tax("VAT", Decimal(0)), balance)
        balance += assembled.rounding_micros
        billed += assembled.total_micros

    assert billed == 1_370_000
    assert balance == 5_000
