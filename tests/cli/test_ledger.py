"""`astpp-billing ledger`."""

import sqlite3
from contextlib import closing

import pytest
from tests.cli.conftest import LOOPBACK, Command


def test_a_refill_comes_once_for_each_key(shop: Command) -> None:
    assert shop.out("ledger", "refill", "acc1", "10", "--key", "bank 1") == "acc1 has 10.00 USD\n"
    again = shop.json("ledger", "refill", "acc1", "10.00", "--key", "bank 1")
    assert again["balance"] == {"amount": "10.00", "currency": "USD"}
    assert "was used before" in shop.run("ledger", "refill", "acc1", "11", "--key", "bank 1", code=1).stderr
    assert shop.out("ledger", "refill", "acc1", "0.000001", "--key", "bank 2") == "acc1 has 10.000001 USD\n"


def test_credits_and_debits_have_a_reason(shop: Command) -> None:
    assert shop.out("ledger", "credit", "acc1", "10", "--reason", "sorry", "--key", "1") == "acc1 has 10.00 USD\n"
    taken = ("ledger", "debit", "acc1", "11", "--reason", "SIM card", "--key", "2")
    said = shop.run(*taken, code=1).stderr
    assert "nothing was charged: account acc1 needs 11.00 USD, and has 10.00 USD available" in said
    assert shop.json(*taken, "--force")["balance"] == {"amount": "-1.00", "currency": "USD"}
    assert "Missing option '--reason'" in shop.run("ledger", "credit", "acc1", "1", "--key", "3", code=2).stderr
    statement = shop.json("reports", "statement", "acc1", "--since", "2020-01-01")["movements"]
    assert sorted((one["reason"], one["description"]) for one in statement) == [
        ("credit", "sorry"),
        ("debit", "SIM card"),
    ]


def test_what_was_wrong_is_taken_back_once(shop: Command) -> None:
    shop.run("ledger", "refill", "acc1", "10", "--key", "bank 1")
    shop.run("ledger", "debit", "acc1", "4", "--reason", "SIM card", "--key", "1")
    wrong = ("ledger", "correct", "refill:bank 1", "--reason", "the cheque bounced")

    assert shop.out(*wrong) == "refill:bank 1 was taken back: acc1 has -4.00 USD\n"
    again = shop.json(*wrong)
    assert (again["repeated"], again["key"], again["corrects"]) == (True, "correction:refill:bank 1", "refill:bank 1")
    assert (again["part"], again["refunded"], again["credit_notes"]) == ("1", [], [])
    assert again["balances"] == [{"number": "acc1", "balance": {"amount": "-4.00", "currency": "USD"}}]
    assert shop.out(*wrong) == "refill:bank 1 had been taken back: acc1 has -4.00 USD\n"
    debit = shop.json("ledger", "correct", "debit:1", "--reason", "somebody else's")
    assert debit["refunded"] == [{"number": "acc1", "amount": {"amount": "4.00", "currency": "USD"}}]
    assert [one["number"] for one in debit["credit_notes"]] == ["CRN-000001"]
    assert debit["balances"] == [{"number": "acc1", "balance": {"amount": "0.00", "currency": "USD"}}]
    shop.run("ledger", "reconcile")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("refill:1", "--reason", "other"), 1, "was used before"),
        (("refill:2", "--reason", "wrong"), 1, "no posting has the key 'refill:2'"),
        (("correction:refill:1", "--reason", "wrong"), 1, "cannot be corrected, an order can be refunded"),
        (("refill:1", "--reason", " "), 1, "one line of 1 to"),
        (("refill:1",), 2, "Missing option '--reason'"),
    ],
)
def test_what_cannot_be_corrected_is_told(shop: Command, arguments: tuple[str, ...], code: int, message: str) -> None:
    shop.run("ledger", "refill", "acc1", "10", "--key", "1")
    shop.run("ledger", "correct", "refill:1", "--reason", "wrong")

    assert message in shop.run("ledger", "correct", *arguments, code=code).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("acc1", "ten", "--key", "k"), 2, "is not a number"),
        (("acc1", "0", "--key", "k"), 1, "positive amount"),
        (("acc1", "0.0000001", "--key", "k"), 1, "finer than a millionth"),
        (("acme", "1", "--key", "k"), 1, "no parent"),
        (("nobody", "1", "--key", "k"), 1, "no account has the number 'nobody'"),
        (("acc1", "1"), 2, "Missing option '--key'"),
    ],
)
def test_what_cannot_be_refilled_is_told(shop: Command, arguments: tuple[str, ...], code: int, message: str) -> None:
    assert message in shop.run("ledger", "refill", *arguments, code=code).stderr


def test_the_books_are_closed_until_an_instant_that_has_passed(shop: Command) -> None:
    said = "the books are closed until 2025-12-31 23:00:00 UTC\n"
    assert shop.out("ledger", "close", "2026-01-01T00:00+01:00", "--key", "year") == said
    assert shop.json("ledger", "close", "2025-12-31T23:00", "--key", "year")["closed_until"].startswith("2025-12-31T23")
    assert "was used before" in shop.run("ledger", "close", "2025-12-31", "--key", "year", code=1).stderr
    assert "cannot be closed until 9999-01-01" in shop.run("ledger", "close", "9999-01-01", code=1).stderr
    assert "is no instant" in shop.run("ledger", "close", "yesterday", code=2).stderr


def test_the_books_of_each_currency_hold_nothing_together(shop: Command) -> None:
    shop.run("ledger", "refill", "acc1", "10", "--key", "1")
    shop.run("cdr", "ingest", LOOPBACK)
    books = shop.json("ledger", "books")["books"]

    micros = [int(book["balance"]["amount"].replace(".", "").ljust(3, "0") or 0) for book in books]
    assert len(micros) == len(books) > 5
    assert {book["book"] for book in books} >= {"wallet", "revenue", "commission", "cost", "payable", "cash"}
    assert "acc1     wallet" in shop.out("ledger", "books")


def test_profits_are_shown_for_sellers(shop: Command) -> None:
    shop.run("cdr", "ingest", LOOPBACK)
    profits = {one["number"]: one["profit"] for one in shop.json("ledger", "profits")["profits"]}

    # 1.90 sold, a tenth of it to the agent, and to the carrier 3 s at 0.01 and 4 times 1 s at 0.02 a minute
    assert profits == {
        "acme": [{"amount": "1.708168", "currency": "USD"}],
        "agent": [{"amount": "0.19", "currency": "USD"}],
    }
    assert "1.708168 USD" in shop.out("ledger", "profits")


def test_a_ledger_that_agrees_is_proved(shop: Command) -> None:
    shop.run("cdr", "ingest", LOOPBACK)

    assert shop.out("ledger", "reconcile").startswith("the ledger agrees: ")
    proof = shop.json("ledger", "reconcile")
    assert proof["agrees"] is True
    assert proof["discrepancies"] == []
    assert proof["documents"] == 5


def test_a_ledger_that_does_not_agree_is_told_in_a_table(shop: Command) -> None:
    shop.run("cdr", "ingest", LOOPBACK)
    with closing(sqlite3.connect(shop.database)) as database, database:
        database.execute("UPDATE charges SET micros = micros + 5 WHERE micros = 700000 AND document_id IS NULL")
    result = shop.run("ledger", "reconcile", code=1)

    header, *lines = result.stdout.splitlines()
    assert header.split() == ["What", "Stored", "(micros)", "Proved", "(micros)", "Difference"]
    assert [line.split()[-1] for line in lines] == ["5", "5", "5"]
    assert "the ledger does not agree in 3 places" in result.stderr
    proof = shop.json("ledger", "reconcile", code=1)
    assert proof["agrees"] is False
    assert proof["discrepancies"][0]["difference_micros"] == 5
