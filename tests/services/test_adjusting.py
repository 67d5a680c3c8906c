"""Credits and debits by hand: which books they move, what the statement says, and what they may not do."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.services.books import at, balance, everything, moved
from tests.services.conftest import on_every_storage

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import CurrencyMismatch, HierarchyError, IdempotencyConflict, InvalidValue, NotFound
from astpp_billing.hierarchy import BillingType, ReceiptMode
from astpp_billing.invoicing import DocumentKind, Tax
from astpp_billing.ledger import Book, ChargeKind, Posting, Reason
from astpp_billing.money import Money
from astpp_billing.services.adjusting import Short
from astpp_billing.testing.worlds import START, chain, commission, distributor

TEN = Money("10", "USD")
YEAR = (at(2026, 1, 1), at(2027, 1, 1))

billing = on_every_storage


def profits(billing: Billing) -> dict[str, str]:
    return {one.account.number: str(one.amount) for one in billing.reports.profits(*YEAR)}


def test_a_credit_is_a_cost_of_the_parent(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.03"))

    posting = billing.ledger.credit(shop.customer, TEN, reason="for the outage", key="c1")

    assert moved(posting) == [(shop.resellers[0].id, Book.COST, shop.customer.id, Book.WALLET, 10_000_000, "USD")]
    assert (posting.key, posting.reason, posting.at) == ("credit:c1", Reason.CREDIT, clock.now())
    assert billing.ledger.posting("credit:c1") == posting
    assert balance(billing, shop.customer) == "10.00 USD"
    assert profits(billing) == {"chain-admin": "0.00 USD", "chain-1": "-10.00 USD"}
    assert billing.documents.documents() == []
    assert billing.ledger.reconcile().discrepancies == ()


def test_a_credit_to_a_reseller_is_its_profit(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    billing.ledger.credit(shop.resellers[0], TEN, reason="goodwill", key="c1")

    assert profits(billing) == {"chain-admin": "-10.00 USD", "chain-1": "10.00 USD"}


def test_a_debit_is_a_charge_with_a_receipt(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    billing.accounts.configure_invoices(shop.resellers[0], tax=Tax("VAT", Decimal(20)))
    billing.ledger.refill(shop.customer, Money("12", "USD"), key="r1")

    posting = billing.ledger.debit(shop.customer, TEN, reason="new SIM card", key="d1")

    assert isinstance(posting, Posting)
    seller, buyer = shop.resellers[0].id, shop.customer.id
    assert moved(posting) == [
        (buyer, Book.WALLET, seller, Book.REVENUE, 10_000_000, "USD"),
        (buyer, Book.WALLET, seller, Book.TAX, 2_000_000, "USD"),
    ]
    assert (posting.key, posting.reason) == ("debit:d1", Reason.DEBIT)
    assert balance(billing, shop.customer) == "0.00 USD"
    (receipt,) = billing.documents.documents(shop.customer)
    assert (receipt.kind, str(receipt.total)) == (DocumentKind.RECEIPT, "12.00 USD")
    assert [line.description for line in receipt.lines] == ["new SIM card", "VAT 20 %"]
    (charge,) = everything(billing)["charges"]
    assert (charge.kind, charge.description, charge.document_id) == (ChargeKind.DEBIT, "new SIM card", receipt.id)
    assert profits(billing)["chain-1"] == "10.00 USD"
    assert billing.ledger.reconcile().discrepancies == ()


def test_a_debit_of_a_postpaid_account_waits_for_its_invoice(billing: Billing) -> None:
    shop = chain(billing, billing=BillingType.POSTPAID, credit_limit="10")

    assert isinstance(billing.ledger.debit(shop.customer, TEN, reason="new SIM card", key="d1"), Posting)

    (charge,) = everything(billing)["charges"]
    assert charge.document_id is None
    assert billing.documents.documents(shop.customer) == []
    assert billing.ledger.reconcile().discrepancies == ()


@pytest.mark.parametrize("receipts", list(ReceiptMode))
def test_a_debit_does_not_take_more_than_is_available_with_its_tax(billing: Billing, receipts: ReceiptMode) -> None:
    shop = chain(billing, receipts=receipts)
    billing.accounts.configure_invoices(shop.admin, tax=Tax("VAT", Decimal(20)))
    billing.ledger.refill(shop.customer, Money("11.99", "USD"), key="r1")
    before = everything(billing)

    refused = billing.ledger.debit(shop.customer, TEN, reason="new SIM card", key="d1")

    assert refused == Short(shop.customer, Money("12", "USD"), Money("11.99", "USD"))
    assert str(refused) == "account chain-customer needs 12.00 USD, and has 11.99 USD available"
    assert everything(billing) == before
    billing.ledger.refill(shop.customer, Money("0.01", "USD"), key="r2")
    assert isinstance(billing.ledger.debit(shop.customer, TEN, reason="new SIM card", key="d1"), Posting)


def test_a_debit_by_force_takes_a_wallet_below_zero(billing: Billing) -> None:
    shop = chain(billing)

    posting = billing.ledger.debit(shop.customer, TEN, reason="damage", key="d1", force=True)

    assert isinstance(posting, Posting)
    assert balance(billing, shop.customer) == "-10.00 USD"
    assert billing.ledger.reconcile().discrepancies == ()


def test_the_statement_says_the_reasons(billing: Billing) -> None:
    shop = chain(billing)
    billing.ledger.credit(shop.customer, TEN, reason="for the outage — sorry", key="c1")
    billing.ledger.debit(shop.customer, TEN, reason="new SIM card", key="d1")

    with billing.reports.statement(shop.customer, *YEAR) as statement:
        lines = [(line.entry.reason, line.entry.description, str(line.amount)) for line in statement.lines]
    assert sorted(lines) == [
        (Reason.CREDIT, "for the outage — sorry", "10.00 USD"),
        (Reason.DEBIT, "new SIM card", "-10.00 USD"),
    ]


def test_the_same_again_is_the_first_one_and_another_is_a_conflict(billing: Billing) -> None:
    shop = chain(billing)
    first = [
        billing.ledger.credit(shop.customer, TEN, reason="sorry", key="1"),
        billing.ledger.debit(shop.customer, TEN, reason="SIM card", key="1"),
    ]
    before = everything(billing)

    assert billing.ledger.credit(shop.customer, TEN, reason="sorry", key="1") == first[0]
    assert billing.ledger.debit(shop.customer, TEN, reason="SIM card", key="1") == first[1]  # though nothing is left
    for account, amount, reason in (
        (shop.customer, TEN, "other"),
        (shop.customer, Money("9", "USD"), "sorry"),
    ):
        with pytest.raises(IdempotencyConflict, match="'credit:1' was used before"):
            billing.ledger.credit(account, amount, reason=reason, key="1")
        with pytest.raises(IdempotencyConflict, match="'debit:1' was used before"):
            billing.ledger.debit(account, amount, reason=reason, key="1")
    assert everything(billing) == before


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"amount": Money("1", "EUR")}, CurrencyMismatch, "is in USD, not EUR"),
        ({"amount": Money("0", "USD")}, InvalidValue, "is a positive amount"),
        ({"amount": Money("-1", "USD")}, InvalidValue, "is a positive amount"),
        ({"key": ""}, InvalidValue, "needs a key"),
        ({"reason": " "}, InvalidValue, "is one line of 1 to 1,000 characters"),
        ({"reason": "two\nlines"}, InvalidValue, "is one line of 1 to 1,000 characters"),
        ({"reason": "x" * 1_001}, InvalidValue, "is one line of 1 to 1,000 characters"),
        ({"reason": "half a \ud800"}, InvalidValue, "is one line of 1 to 1,000 characters"),
    ],
)
def test_what_can_never_be_right_is_refused(
    billing: Billing, said: dict[str, Any], error: type[Exception], message: str
) -> None:
    shop = chain(billing)
    before = everything(billing)

    commands: list[Any] = [billing.ledger.credit, billing.ledger.debit]
    for command in commands:
        with pytest.raises(error, match=message):
            command(shop.customer, **{"amount": TEN, "reason": "some", "key": "k"} | said)
    assert everything(billing) == before


def test_nobody_credits_or_charges_an_account_without_a_parent(billing: Billing) -> None:
    shop = chain(billing)

    for command in (billing.ledger.credit, billing.ledger.debit):
        for account in (shop.admin, shop.provider):
            with pytest.raises(HierarchyError, match=f"{account.number} has no parent"):
                command(account, TEN, reason="some", key="k")
    assert billing.ledger.books() == {}


def test_a_closed_account_is_not_charged(billing: Billing) -> None:
    shop = chain(billing)
    billing.accounts.close(shop.customer)

    with pytest.raises(HierarchyError, match="chain-customer is closed"):
        billing.ledger.debit(shop.customer, TEN, reason="some", key="k")
    assert billing.ledger.books() == {}


def test_debits_at_the_same_time_never_take_more_than_there_is(shared_url: str) -> None:
    with Billing.open(shared_url, FixedClock(START)) as billing:
        shop = chain(billing, receipts=ReceiptMode.EACH)
        billing.ledger.refill(shop.customer, TEN, key="r1")

        def take(number: int) -> object:
            return billing.ledger.debit(shop.customer, Money("3", "USD"), reason="some", key=str(number % 6))

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(take, range(12)))
        done = {one.key for one in results if isinstance(one, Posting)}
        assert len(done) == 3
        assert balance(billing, shop.customer) == "1.00 USD"
        assert billing.ledger.reconcile().discrepancies == ()


@settings(max_examples=20)
@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.integers(0, 2), st.integers(1, 20_000_000), st.booleans()), min_size=1, max_size=8
    ),
    receipts=st.sampled_from(ReceiptMode),
    percent=st.integers(0, 30),
)
@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
def test_whatever_is_adjusted_no_money_comes_or_goes(
    url: str, steps: list[tuple[bool, int, int, bool]], receipts: ReceiptMode, percent: int
) -> None:
    """What all sellers earn is what the customer was charged, less what it was given; everything is proved."""
    with Billing.open(url, FixedClock(START)) as billing:
        shop = chain(billing, distributor("0.03"), commission(10), receipts=receipts)
        billing.accounts.configure_invoices(shop.admin, tax=Tax("VAT", Decimal(percent)))
        paid = 0
        for number, (is_credit, who, micros, force) in enumerate(steps):
            account, amount = shop.path[who], Money.from_micros(micros, "USD")
            if is_credit:
                billing.ledger.credit(account, amount, reason="some", key=str(number))
                paid -= micros if who == 0 else 0
                continue
            available = billing.ledger.available(account)
            result = billing.ledger.debit(account, amount, reason="some", key=str(number), force=force)
            assert isinstance(result, Posting) or (result.needed > available and not force)
            paid += micros if who == 0 and isinstance(result, Posting) else 0
            left = billing.ledger.available(account)
            assert force or left.micros >= min(0, available.micros)
        assert billing.ledger.reconcile().discrepancies == ()
        assert sum(money.micros for money in billing.ledger.books().values()) == 0
        assert sum(one.amount.micros for one in billing.reports.profits(*YEAR)) == paid


def test_a_wrong_refill_is_taken_back_once(billing: Billing, clock: FixedClock) -> None:
    """By a posting that points at it; the same again changes nothing, and another reason is another command."""
    shop = chain(billing, distributor("0.03"))
    wrong = billing.ledger.refill(shop.customer, TEN, key="r1")

    corrected = billing.ledger.correct(wrong.key, reason="the cheque bounced")

    seller = shop.resellers[0]
    assert moved(corrected.posting) == [(shop.customer.id, Book.WALLET, seller.id, Book.CASH, 10_000_000, "USD")]
    assert (corrected.posting.reason, corrected.posting.corrects) == (Reason.CORRECTION, "refill:r1")
    assert (corrected.charges, corrected.documents) == ((), ())
    assert balance(billing, shop.customer) == "0.00 USD"
    assert billing.ledger.correct(wrong.key, reason="the cheque bounced") == evolve(corrected, repeated=True)
    with pytest.raises(IdempotencyConflict):
        billing.ledger.correct(wrong.key, reason="something else")
    assert balance(billing, shop.customer) == "0.00 USD"
    assert billing.ledger.reconcile().discrepancies == ()


def test_a_wrong_credit_is_no_cost_any_more(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    wrong = billing.ledger.credit(shop.customer, TEN, reason="for the outage", key="c1")

    billing.ledger.correct(wrong.key, reason="there was none")

    assert profits(billing) == {"chain-admin": "0.00 USD", "chain-1": "0.00 USD"}
    assert billing.ledger.reconcile().discrepancies == ()


def test_what_documents_have_moved_cannot_be_corrected(billing: Billing, clock: FixedClock) -> None:
    """Nor can a correction, nor what is not there; nothing is changed."""
    shop = chain(billing, distributor("0.03"), billing=BillingType.POSTPAID, credit_limit="50")
    billing.accounts.configure_invoices(shop.resellers[0], tax=Tax("VAT", Decimal(20)))
    billing.ledger.debit(shop.customer, TEN, reason="Repair", key="d1", force=True)
    clock.advance(timedelta(days=40))
    billing.documents.run()
    (invoice,) = (one for one in _postings(billing) if one.reason is Reason.INVOICE)
    billing.ledger.correct("debit:d1", reason="a mistake")
    before = everything(billing)

    with pytest.raises(InvalidValue, match="is invoice: that cannot be corrected, an order can be refunded"):
        billing.ledger.correct(invoice.key, reason="a mistake")
    with pytest.raises(InvalidValue, match="correction:debit:d1 is correction"):
        billing.ledger.correct("correction:debit:d1", reason="a mistake")
    with pytest.raises(NotFound, match="no posting has the key 'refill:none'"):
        billing.ledger.correct("refill:none", reason="a mistake")
    assert everything(billing) == before


def _postings(billing: Billing) -> list[Posting]:
    with billing.storage.snapshot() as uow:
        return list(uow.postings())


def test_a_wrong_debit_goes_back_with_its_tax(billing: Billing) -> None:
    """By a credit note for the receipt that it came on."""
    shop = chain(billing, distributor("0.03"))
    billing.accounts.configure_invoices(shop.resellers[0], tax=Tax("VAT", Decimal(20)))
    billing.ledger.refill(shop.customer, Money(100, "USD"), key="r1")
    billing.ledger.debit(shop.customer, TEN, reason="Repair", key="d1")
    assert balance(billing, shop.customer) == "88.00 USD"

    corrected = billing.ledger.correct("debit:d1", reason="somebody else's")

    (receipt, note) = billing.documents.documents(shop.customer)
    assert corrected.documents == (note,)
    assert (note.kind, note.number, note.corrects_id) == (DocumentKind.CREDIT_NOTE, "CRN-000001", receipt.id)
    assert [(line.description, line.micros) for line in note.lines] == [
        ("Repair, refunded", -10_000_000),
        ("VAT 20 %", -2_000_000),
    ]
    assert balance(billing, shop.customer) == "100.00 USD"
    assert billing.ledger.reconcile().discrepancies == ()
