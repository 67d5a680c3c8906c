"""`astpp-billing init`, the options that every command has, and what becomes of errors."""

from importlib.metadata import version
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from astpp_billing.cli.app import App, sqlite_path
from astpp_billing.cli.output import Output


def test_it_makes_a_database(command: Command) -> None:
    text = command.out("init")

    assert command.database.is_file()
    assert "is ready" in text


def test_it_opens_the_admin(command: Command) -> None:
    made = command.json("init", "--admin", "Acme", "--currency", "usd", "--timezone", "America/New_York")

    (admin,) = command.json("accounts", "list")["accounts"]
    assert (admin["kind"], admin["name"], admin["currency"]) == ("admin", "Acme", "USD")
    assert admin["timezone"] == "America/New_York"
    assert made["admin"] == admin["number"]


def test_running_it_twice_is_harmless(command: Command) -> None:
    first = command.json("init", "--admin", "Acme", "--currency", "USD")
    second = command.run("init", "--admin", "Acme", "--currency", "USD")

    assert f"there already; admin {first['admin']}" in second.stdout
    assert len(command.json("accounts", "list")["accounts"]) == 1


def test_the_same_number_is_the_same_admin(command: Command) -> None:
    command.run("init", "--admin", "Acme", "--number", "1", "--currency", "USD")
    command.run("init", "--admin", "Acme Inc.", "--number", "1", "--currency", "USD")

    assert [account["name"] for account in command.json("accounts", "list")["accounts"]] == ["Acme"]


def test_another_currency_is_another_admin_and_refused(command: Command) -> None:
    command.run("init", "--admin", "Acme", "--number", "1", "--currency", "USD")
    result = command.run("init", "--admin", "Acme", "--number", "1", "--currency", "EUR", code=1)

    assert "is there already, with USD and UTC" in result.stderr


def test_two_admins_may_be_in_one_database(command: Command) -> None:
    command.run("init", "--admin", "Acme", "--currency", "USD")
    command.run("init", "--admin", "Bell", "--currency", "EUR")

    assert len(command.json("accounts", "list", "--kind", "admin")["accounts"]) == 2


def test_an_admin_needs_a_currency(command: Command) -> None:
    assert "--admin needs --currency" in command.run("init", "--admin", "Acme", code=2).stderr


@pytest.mark.parametrize("currency", ["XXX", "dollar", ""])
def test_what_is_no_currency_is_refused(command: Command, currency: str) -> None:
    result = command.run("init", "--admin", "Acme", "--currency", currency, code=2)

    assert "not a currency code" in result.stderr


def test_a_time_zone_that_does_not_exist_is_refused(command: Command) -> None:
    result = command.run("init", "--admin", "Acme", "--currency", "USD", "--timezone", "Mars/Olympus", code=1)

    assert result.stderr == "Error: not an IANA time zone: 'Mars/Olympus'\n"


def test_a_mistyped_database_is_no_empty_business(command: Command) -> None:
    result = command.run("accounts", "list", code=2)

    assert "there is no database" in result.stderr
    assert not command.database.exists()


def test_a_database_of_no_known_kind_is_refused(command: Command) -> None:
    result = command.run("--database", "nosuch://here", "accounts", "list", code=1)

    assert "nosuch" in result.stderr


def test_a_database_that_is_none_is_refused(command: Command) -> None:
    command.file("billing.db", "this is no database" * 100)

    assert command.run("accounts", "list", code=1).stderr.startswith("Error: ")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///billing.db", Path("billing.db")),
        ("sqlite:////var/billing.db?timeout=5", Path("/var/billing.db")),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("memory://", None),
    ],
)
def test_the_file_of_a_database_is_known(url: str, path: Path | None) -> None:
    assert sqlite_path(url) == path


def test_a_password_is_never_shown() -> None:
    app = App("postgresql://billing:s3cret@db.example/billing", Output())

    assert app.location == "postgresql://billing:***@db.example/billing"


def test_memory_needs_no_file(command: Command) -> None:
    assert command.json("--database", "memory://", "accounts", "list") == {"accounts": []}


def test_it_says_its_version(command: Command) -> None:
    assert command.out("--version") == f"astpp-billing, version {version('astpp-billing')}\n"


def test_the_help_documents_the_exit_codes(command: Command) -> None:
    text = " ".join(command.out("--help").split())

    for phrase in ("Exit codes: 0,", "1, the work found something wrong", "2, the command was not used rightly"):
        assert phrase in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("accounts",),
        ("accounts", "open"),
        ("cdr",),
        ("cdr", "ingest"),
        ("demo",),
        ("fx",),
        ("invoices",),
        ("ledger",),
        ("rates",),
    ],
)
def test_every_command_explains_itself(command: Command, arguments: tuple[str, ...]) -> None:
    assert command.out(*arguments, "--help").startswith("Usage: astpp-billing")


def test_a_command_that_does_not_exist_is_a_mistake_in_use(command: Command) -> None:
    assert "No such command" in command.run("bill", code=2).stderr
