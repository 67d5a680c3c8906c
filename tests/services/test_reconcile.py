"""The proof of the ledger: whatever is changed behind its back is found and named."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.services.books import at, settled

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.hierarchy import BillingType
from astpp_billing.invoicing import Tax
from astpp_billing.money import Money
from astpp_billing.services.ledger import Reconciliation
from astpp_billing.services.proof import Discrepancy
from astpp_billing.testing.worlds import chain, commission, distributor

POSTPAID: dict[str, Any] = {"billing": BillingType.POSTPAID}


def trade(billing: Billing, clock: FixedClock) -> None:
    """A month with everything: prepaid and postpaid levels, commissions, tax, rounding, refills."""
    shop = chain(billing, distributor("0.0333"), commission(10), price="0.0777", **POSTPAID)
    billing.accounts.configure_invoices(shop.resellers[1], tax=Tax("VAT", Decimal("7.7")))
    billing.ledger.refill(shop.resellers[0], Money("10", "USD"), key="1")
    for day in (1, 2, 3):
        settled(billing, shop.call(61, started_at=at(2026, 1, day)))
    clock.set(at(2026, 2, 1))
    billing.documents.run()
    settled(billing, shop.call(61, started_at=at(2026, 2, 1)))


def test_an_untouched_ledger_agrees(billing: Billing, clock: FixedClock) -> None:
    assert billing.ledger.reconcile() == Reconciliation(0, 0, ())

    trade(billing, clock)
    proof = billing.ledger.reconcile()

    assert proof.agrees
    assert (proof.ledger_accounts, proof.documents) == (6, 9)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "billing.db"
    clock = FixedClock(at(2026, 1, 1))
    with Billing.open(f"sqlite:///{path}", clock) as billing:
        trade(billing, clock)
        assert billing.ledger.reconcile().agrees
    return path


@pytest.fixture
def database(sound: Path, tmp_path: Path, clock: FixedClock) -> Iterator[tuple[Billing, Path]]:
    path = Path(shutil.copy(sound, tmp_path))
    with Billing.open(f"sqlite:///{path}", clock) as billing:
        yield billing, path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(statement).rowcount == 1, statement


WALLET = "UPDATE ledger_accounts SET balance_micros = balance_micros + 1 WHERE book = '{}' AND account_id = {}"


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (WALLET.format("wallet", 5), {"wallet of account chain-customer"}),
        (WALLET.format("rounding", 5), {"rounding of account chain-customer"}),
        (WALLET.format("wallet", 4), {"wallet of account chain-2"}),
        (
            "UPDATE charges SET micros = micros + 1 WHERE id = (SELECT min(id) FROM charges WHERE account_id = 5)",
            {
                "charges on document INV-000001",
                "charges of account chain-customer",
            },
        ),
        (
            "UPDATE charges SET micros = micros + 1 WHERE document_id IS NULL",
            {"charges of account chain-customer", "documents of account chain-customer"},
        ),
        (
            "UPDATE charges SET document_id = NULL WHERE id = (SELECT min(id) FROM charges WHERE account_id = 5)",
            {"charges on document INV-000001", "documents of account chain-customer"},
        ),
        (
            "UPDATE charges SET account_id = 4 WHERE document_id IS NULL",
            {
                "charges of account chain-customer",
                "documents of account chain-customer",
                "charges of account chain-2",
                "documents of account chain-2",
            },
        ),
        (
            "UPDATE document_lines SET exact_micros = 1 WHERE position = 1 AND quantity = 3 AND document_id = 7",
            {"charges on document INV-000001"},
        ),
        (
            "UPDATE documents SET total_micros = total_micros + 10000 WHERE kind = 'invoice'",
            {"history of account chain-customer"},
        ),
        (
            "UPDATE document_lines SET micros = micros + 10000 WHERE kind = 'tax'",
            {"history of account chain-customer"},
        ),
        ("UPDATE charges SET micros = -1 WHERE document_id IS NULL", {"history of account chain-customer"}),
        (
            "DELETE FROM transfers WHERE posting_id = (SELECT id FROM postings WHERE reason = 'refill')",
            {"wallet of account chain-1"},
        ),
        (
            "UPDATE transfers SET micros = 1 WHERE position = 1 AND posting_id = (SELECT max(id) FROM postings)",
            {
                "wallet of account chain-customer",
                "charges of account chain-customer",
                "documents of account chain-customer",
            },
        ),
    ],
)
def test_whatever_is_changed_in_the_database_is_named(
    database: tuple[Billing, Path], statement: str, named: set[str]
) -> None:
    billing, path = database
    change(path, statement)

    proof = billing.ledger.reconcile()

    assert not proof.agrees
    assert {each.what.partition(":")[0] for each in proof.discrepancies} == named


def test_a_discrepancy_says_how_much(database: tuple[Billing, Path]) -> None:
    billing, path = database
    change(path, "UPDATE ledger_accounts SET balance_micros = 1500000 WHERE book = 'wallet' AND account_id = 3")

    (found,) = billing.ledger.reconcile().discrepancies

    assert (found.what, found.stored_micros) == ("wallet of account chain-1", 1_500_000)
    assert str(Discrepancy("x", 1_500_000, -20)) == "x: 1.5 is stored, -0.00002 is proved"
    assert str(Discrepancy("x cannot be read", 0, 0)) == "x cannot be read"


def test_what_cannot_be_read_is_named_and_the_rest_is_proved(database: tuple[Billing, Path]) -> None:
    billing, path = database
    change(path, "UPDATE documents SET total_micros = total_micros + 1 WHERE number = 'INV-000001'")

    proof = billing.ledger.reconcile()

    assert [each.what.startswith("history of account chain-customer: document INV-000001") for each in
            proof.discrepancies] == [True]  # fmt: skip
    assert proof.documents == 8


def test_a_billing_run_sets_aside_what_was_changed_in_the_database(
    database: tuple[Billing, Path], clock: FixedClock
) -> None:
    billing, path = database
    change(path, WALLET.format("wallet", 5))
    clock.set(at(2026, 3, 1))

    (billed,) = billing.documents.run()

    assert billed.problem.startswith("wallet of account chain-customer: ")
    assert billed.document is None


def test_profits_are_what_came_in_less_what_was_paid(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.02"), commission(10), price="0.05", cost="0.01")
    billing.accounts.configure_invoices(shop.resellers[1], tax=Tax("VAT", Decimal(20)))
    billing.ledger.refill(shop.customer, Money("10", "USD"), key="1")
    settled(billing, shop.call())

    profits = {account.number: dict(billing.ledger.profits(account)) for account in billing.accounts.all()}

    assert profits == {
        "chain-provider": {},
        "chain-admin": {"USD": Money("0.01", "USD")},
        "chain-1": {"USD": Money("0.025", "USD")},
        "chain-2": {"USD": Money("0.005", "USD")},
        "chain-customer": {"USD": Money("-0.05", "USD")},
    }
