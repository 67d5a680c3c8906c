"""`astpp-billing accounts`."""

import csv
import io
import re

import pytest
from tests.cli.conftest import LOOPBACK, Command


def account(command: Command, number: str) -> dict[str, object]:
    found = command.json("accounts", "list")["accounts"]
    return next(one for one in found if one["number"] == number)


def test_everything_can_be_said_at_the_opening(shop: Command) -> None:
    opened = shop.json(
        *("accounts", "open", "customer", "--parent", "agent", "--number", "full", "--name", "Full"),
        *("--currency", "EUR", "--timezone", "Europe/Berlin", "--locale", "de_DE", "--billing", "postpaid"),
        *("--credit-limit", "12.50", "--rate-group", "retail", "--schedule", "weekly:5", "--receipts", "daily"),
        *("--zero-invoices", "--loss-less-routing", "--same-credential", "--tax-number", "DE 1"),
    )

    assert opened == account(shop, "full")
    assert opened["credit_limit"] == {"amount": "12.50", "currency": "EUR"}
    assert opened["parent"] == "agent"
    expected = {
        "timezone": "Europe/Berlin",
        "locale": "de_DE",
        "billing": "postpaid",
        "rate_group": "retail",
        "schedule": "weekly:5",
        "receipts": "daily",
        "zero_invoices": True,
        "loss_less_routing": True,
        "same_credential": True,
        "tax_number": "DE 1",
        "status": "open",
    }
    assert {name: opened[name] for name in expected} == expected
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", str(opened["opened_at"]))


def test_what_is_not_given_comes_from_the_parent(shop: Command) -> None:
    opened = shop.json("accounts", "open", "customer", "--parent", "agent")

    assert re.fullmatch(r"[1-9]\d{9}", opened["number"])
    assert (opened["currency"], opened["timezone"]) == ("USD", "America/New_York")


def test_a_command_with_a_key_is_done_once(shop: Command) -> None:
    opening = ("accounts", "open", "customer", "--parent", "agent", "--key", "order 7")
    opened = shop.json(*opening)

    assert shop.json(*opening) == opened
    assert "was used before" in shop.run(*opening, "--currency", "EUR", code=1).stderr
    shop.run("accounts", "close", opened["number"], "--key", "order 8")
    shop.run("accounts", "close", opened["number"], "--key", "order 8")
    assert shop.json(*opening)["status"] == "closed"  # the same account, as it is now


def test_each_kind_can_be_opened(shop: Command) -> None:
    shop.run("accounts", "open", "admin", "--number", "root", "--currency", "JPY")
    shop.run("accounts", "open", "reseller", "--parent", "root", "--number", "dist", "--model", "distributor")

    assert account(shop, "root")["kind"] == "admin"
    assert account(shop, "dist")["role"] == "distributor"
    assert account(shop, "agent")["role"] == "commission 10 %"
    assert account(shop, "carrier")["kind"] == "provider"


def test_the_result_is_said_in_a_line(shop: Command) -> None:
    text = shop.out("accounts", "open", "customer", "--parent", "agent", "--number", "x", "--name", "X\x1b[2J")

    assert text == "customer x 'X\\x1b[2J' in USD, prepaid\n"
    assert shop.out("accounts", "open", "customer", "--parent", "agent", "--number", "y") == (
        "customer y in USD, prepaid\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--parent", "nobody"), "no account has the number 'nobody'"),
        (("--parent", "acc1"), "a customer has no children"),
        (("--parent", "agent", "--number", "acc1"), "acc1"),
        (("--parent", "agent", "--rate-group", "retial"), "no rate group is named 'retial'"),
        (("--parent", "agent", "--own-rate-group", "mine"), "no rate group is named 'mine'"),
        (("--parent", "agent", "--credit-limit", "-1"), "credit limit"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(shop: Command, arguments: tuple[str, ...], message: str) -> None:
    result = shop.run("accounts", "open", "customer", *arguments, code=1)

    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--schedule", "yearly"),
        ("--schedule", "weekly:8"),
        ("--schedule", "monthly:x"),
        ("--credit-limit", "much"),
        ("--credit-limit", "1e99"),
        ("--billing", "later"),
        ("--currency", "XYZ"),
    ],
)
def test_a_wrong_option_is_a_mistake_in_use(shop: Command, option: str, value: str) -> None:
    result = shop.run("accounts", "open", "customer", "--parent", "agent", option, value, code=2)

    assert f"Invalid value for '{option}'" in result.stderr


def test_a_schedule_without_a_day_begins_on_the_first(shop: Command) -> None:
    opened = shop.json("accounts", "open", "customer", "--parent", "agent", "--schedule", "daily")

    assert opened["schedule"] == "daily:1"


def test_only_what_is_given_changes(shop: Command) -> None:
    before = account(shop, "p4420")
    after = shop.json("accounts", "change", "p4420", "--credit-limit", "75", "--name", "Paul")

    assert after == {**before, "name": "Paul", "credit_limit": {"amount": "75.00", "currency": "EUR"}}


def test_a_change_must_change_something(shop: Command) -> None:
    assert "say what to change" in shop.run("accounts", "change", "p4420", code=2).stderr


def test_a_commission_can_be_changed(shop: Command) -> None:
    assert shop.json("accounts", "change", "agent", "--commission-percent", "12.5")["commission_percent"] == "12.5"


def test_an_account_can_move(shop: Command) -> None:
    assert shop.json("accounts", "move", "acc1", "acme")["parent"] == "acme"
    assert "no children" in shop.run("accounts", "move", "acc1", "p4420", code=1).stderr


def test_accounts_are_closed_together_or_not_at_all(shop: Command) -> None:
    refused = shop.run("accounts", "close", "acc1", "agent", code=1)

    assert "its child p4420 is open" in refused.stderr
    assert account(shop, "acc1")["status"] == "open"
    closed = shop.json("accounts", "close", "acc1", "p4420", "agent")["accounts"]
    assert [(one["number"], one["status"]) for one in closed] == [
        ("acc1", "closed"),
        ("p4420", "closed"),
        ("agent", "closed"),
    ]


def test_an_endpoint_is_a_user_or_an_address(shop: Command) -> None:
    result = shop.json("accounts", "endpoint", "acc1", "--user", "u", "--address", "192.0.2.1")

    assert result == {"number": "acc1", "user": "u", "address": "192.0.2.1"}
    assert shop.out("accounts", "endpoint", "acc1", "--user", "v") == "acc1 pays for calls of the user v\n"
    assert "give --user" in shop.run("accounts", "endpoint", "acc1", code=2).stderr
    assert shop.run("accounts", "endpoint", "p4420", "--user", "u", code=1).stderr.startswith("Error: ")


def test_a_list_can_be_narrowed(shop: Command) -> None:
    def numbers(*arguments: str) -> list[str]:
        return [one["number"] for one in shop.json("accounts", "list", *arguments)["accounts"]]

    assert numbers() == ["carrier", "acme", "agent", "acc1", "p4420"]
    assert numbers("--kind", "customer") == ["acc1", "p4420"]
    assert numbers("--parent", "acme") == ["agent"]
    assert numbers("--parent", "acme", "--kind", "customer") == []


def test_a_list_is_columns_that_nothing_cuts(shop: Command) -> None:
    shop.run("accounts", "change", "acc1", "--name", "P" * 200)
    first, *lines = shop.out("accounts", "list").splitlines()

    assert first.split() == ["Number", "Name", "Role", "Parent", "Billing", "Balance", "Rate", "group"]
    assert any("P" * 200 in line for line in lines)
    assert len(lines) == 5


def test_the_export_has_exactly_what_was_asked_for(shop: Command) -> None:
    shop.run("ledger", "refill", "acc1", "10", "--key", "1")
    shop.run("accounts", "change", "acc1", "--name", '=cmd|" /C calc"!A0')
    shop.run("cdr", "ingest", LOOPBACK)
    data = shop.run("accounts", "list", "--kind", "customer", "--csv").stdout_bytes

    assert data.count(b"\r\n") == data.count(b"\n") == 3
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))
    assert [row["number"] for row in rows] == ["acc1", "p4420"]
    assert rows[0]["name"] == '\'=cmd|" /C calc"!A0'
    assert (rows[0]["balance"], rows[1]["balance"]) == ("8.10", "0.00")
    assert rows[1]["credit_limit"] == "50.00"


def test_debts_stay_numbers_in_the_export(shop: Command) -> None:
    shop.run("cdr", "ingest", LOOPBACK)
    rows = list(csv.DictReader(io.StringIO(shop.out("accounts", "list", "--csv"))))

    assert [row["balance"] for row in rows if row["number"] == "acc1"] == ["-1.90"]


def test_the_export_is_csv_or_json_and_not_both(shop: Command) -> None:
    assert "cannot be had together" in shop.run("--json", "accounts", "list", "--csv", code=2).stderr
