"""The proof of the ledger: whatever is changed behind its back is found and named."""

import re
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
from astpp_billing.ledger import HeldLevel, Hold
from astpp_billing.money import Money
from astpp_billing.services.proof import Discrepancy
from astpp_billing.services.reconciling import Reconciliation
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


NAMES = {
    "OF_CUSTOMER": "posting_id = (SELECT min(posting_id) FROM charges WHERE account_id = 5) AND account_id = 5",
    "LAST_BILLED": "account_id = 5 AND posting_id ="
    " (SELECT max(posting_id) FROM charges WHERE account_id = 5 AND document_id IS NOT NULL)",
    "LAST_RECEIPT": "(SELECT max(id) FROM documents WHERE account_id = 4)",
    "LAST_POSTING": "(SELECT max(id) FROM postings)",
}
"""What statements call things: the charge of the customer's first call, and so on."""


def change(path: Path, statement: str) -> None:
    for name, meaning in NAMES.items():
        statement = statement.replace(name, meaning)
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(statement).rowcount == 1, statement


WALLET = "UPDATE wallets SET balance_micros = balance_micros + 1 WHERE account_id = {}"
LINE = "UPDATE documents SET lines = json_set(lines, '$[0][{}]', {}) WHERE kind = 'invoice'"
"""Of the first line: 1 is the description, 2 the quantity, 3 the seconds, 4 the exact amount."""


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (WALLET.format(5), {"wallet of account chain-customer"}),
        (WALLET.format(4), {"wallet of account chain-2"}),
        (
            "UPDATE wallets SET rounding_micros = rounding_micros + 1 WHERE account_id = 5",
            {"rounding of account chain-customer"},
        ),
        ("UPDATE wallets SET held_micros = 1 WHERE account_id = 5", {"held of account chain-customer"}),
        (
            "UPDATE charges SET micros = micros + 1 WHERE OF_CUSTOMER",
            {"charge 1 of call", "charges of account chain-customer", "line '44' of document INV-000001"},
        ),
        (
            "UPDATE charges SET micros = micros + 1 WHERE document_id IS NULL",
            {"charge 1 of call", "charges of account chain-customer", "documents of account chain-customer"},
        ),
        (
            "UPDATE charges SET seconds = seconds + 1 WHERE OF_CUSTOMER",
            {"line '44' of document INV-000001 says 3 charges of 183 seconds, and 3 of 184 are on it"},
        ),
        (
            "UPDATE charges SET description = '45' WHERE OF_CUSTOMER",
            {
                "line '44' of document INV-000001 says 3 charges of 183 seconds, and 2 of 122 are on it",
                "line '45' of document INV-000001 says 0 charges of 0 seconds, and 1 of 61 are on it",
            },
        ),
        (
            "UPDATE charges SET document_id = NULL WHERE OF_CUSTOMER",
            {
                "line '44' of document INV-000001 says 3 charges of 183 seconds, and 2 of 122 are on it",
                "documents of account chain-customer",
            },
        ),
        (
            "UPDATE charges SET document_id = LAST_RECEIPT WHERE OF_CUSTOMER",
            {
                "line '44' of document INV-000001 says 3 charges of 183 seconds, and 2 of 122 are on it",
                "charges of account chain-customer are on document",
            },
        ),
        (
            "UPDATE charges SET account_id = 4 WHERE document_id IS NULL",
            {
                "charge 1 of call",
                *(f"{what} of account chain-{who}" for what in ("charges", "documents") for who in ("customer", "2")),
            },
        ),
        ("UPDATE charges SET position = 9 WHERE document_id IS NULL", {"charge 9 of call", "transfer 1 of call"}),
        (LINE.format(4, 1), {"line '44' of document INV-000001"}),
        (LINE.format(2, 4), {"line '44' of document INV-000001 says 4 charges of 183 seconds, and 3 of 183 are on it"}),
        (
            "UPDATE documents SET total_micros = total_micros + 10000 WHERE kind = 'invoice'",
            {"history of account chain-customer"},
        ),
        (LINE.format(5, 1), {"history of account chain-customer"}),
        ("UPDATE charges SET micros = -1 WHERE document_id IS NULL", {"history of account chain-customer"}),
        (
            "DELETE FROM transfers WHERE posting_id = (SELECT id FROM postings WHERE reason = 'refill')",
            {"wallet of account chain-1"},
        ),
        (
            "UPDATE transfers SET micros = 1 WHERE position = 1 AND posting_id = LAST_POSTING",
            {
                "call call",
                "charge 1 of call",
                "wallet of account chain-customer",
                "charges of account chain-customer",
                "documents of account chain-customer",
            },
        ),
        ("UPDATE postings SET reason = 'refill' WHERE id = LAST_POSTING", {"call call"}),
        ("UPDATE postings SET reason = 'call' WHERE reason = 'refill'", {"posting refill"}),
        ("UPDATE postings SET reason = 'call' WHERE reason = 'invoice'", {"posting invoice"}),
        ("UPDATE calls SET micros = micros + 1 WHERE id = 1", {"call call"}),
        ("UPDATE calls SET status = 'unrated' WHERE id = 1", {"call call"}),
        ("UPDATE calls SET account_id = 4 WHERE id = 1", {"call call"}),
        ("UPDATE calls SET leg_uuid = 'other' WHERE id = 1", {"call call", "posting call"}),
        ("UPDATE calls SET seconds = -1 WHERE id = 1", {"calls and postings"}),
        ("UPDATE transfers SET micros = -5 WHERE position = 1 AND posting_id = LAST_POSTING", None),
    ],
)
def test_whatever_is_changed_in_the_database_is_named(
    database: tuple[Billing, Path], statement: str, named: set[str] | None
) -> None:
    billing, path = database
    change(path, statement)

    proof = billing.ledger.reconcile()

    assert not proof.agrees
    found = {re.sub(" document [0-9]+,.*", " document", each.what.partition(":")[0]) for each in proof.discrepancies}
    assert named is None or found == named


def test_changes_that_cancel_out_are_found(database: tuple[Billing, Path]) -> None:
    billing, path = database
    change(path, "UPDATE charges SET micros = micros + 1 WHERE OF_CUSTOMER")
    change(path, "UPDATE charges SET micros = micros - 1 WHERE LAST_BILLED")

    found = billing.ledger.reconcile().discrepancies

    assert [(it.what.partition(":")[0], it.stored_micros - it.proved_micros) for it in found] == [
        ("charge 1 of call", 1),
        ("charge 1 of call", -1),
    ]


def test_charges_that_say_each_others_amounts_are_found_by_their_payers(database: tuple[Billing, Path]) -> None:
    billing, path = database
    change(path, "UPDATE charges SET account_id = 4 WHERE OF_CUSTOMER")

    found = [str(it) for it in billing.ledger.reconcile().discrepancies]

    assert any(text.endswith("is of account chain-2 in USD, and was paid by chain-customer in USD") for text in found)


def test_what_open_holds_reserve_is_what_wallets_say_is_held(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.03"))
    billing.ledger.refill(shop.customer, Money("1", "USD"), key="1")
    levels = (HeldLevel(shop.customer.id, 400_000), HeldLevel(shop.resellers[0].id, 0))
    hold = Hold(
        key="h",
        account_id=shop.customer.id,
        fingerprint="",
        placed_at=clock.now(),
        expires_at=at(2026, 1, 2),
        levels=levels,
    )
    with billing.storage.begin() as uow:
        epochs = {level.account_id: uow.wallet(level.account_id).epoch for level in levels}
        assert uow.place_hold(hold, epochs)

    assert billing.ledger.reconcile().agrees
    assert str(billing.ledger.available(shop.customer)) == "0.60 USD"


def test_a_discrepancy_says_how_much(database: tuple[Billing, Path]) -> None:
    billing, path = database
    change(path, "UPDATE wallets SET balance_micros = 1500000 WHERE account_id = 3")

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
    change(path, WALLET.format(5))
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
