"""The command, run in this process on a database of its own."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from click.testing import CliRunner, Result

from astpp_billing.cli.app import cli

SAMPLES = Path(__file__).parents[2] / "src" / "astpp_billing" / "data" / "freeswitch"
LOOPBACK = SAMPLES / "loopback"
SIP = SAMPLES / "sip"

HEADINGS = "Code,Destination,Connection Cost (USD),Grace Time,Cost / Min (USD),Initial Increment,Increment\n"

# before click 8.2, the two streams were mixed unless one said no
_SPLIT: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run the command in this process."""
    result = CliRunner(**_SPLIT).invoke(cli, arguments, input=stdin, prog_name="astpp-billing")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


class Command:
    """`astpp-billing --database …`, with the exit code that is expected of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = directory / "billing.db"

    def run(self, *arguments: object, code: int = 0, stdin: str | bytes | None = None) -> Result:
        url = f"sqlite:///{self.database}"
        result = invoke("--database", url, *map(str, arguments), stdin=stdin)
        assert result.exit_code == code, f"{arguments}: {result.stdout}{result.stderr}"
        assert "Traceback" not in result.stderr
        return result

    def out(self, *arguments: object, code: int = 0, stdin: str | bytes | None = None) -> str:
        return self.run(*arguments, code=code, stdin=stdin).stdout

    def json(self, *arguments: object, code: int = 0, stdin: str | bytes | None = None) -> Any:
        return json.loads(self.run("--json", *arguments, code=code, stdin=stdin).stdout)

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def rates(self, group: str, *rows: str) -> None:
        path = self.file(f"{group}.csv", HEADINGS + "".join(f"{row}\n" for row in rows))
        self.run("rates", "import", path, "--group", group)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command on a database that does not exist yet."""
    return Command(tmp_path)


@pytest.fixture
def shop(command: Command, opened_shop: Path) -> Command:
    """An admin in dollars, its agent, and two customers: acc1 prepaid, p4420 postpaid in euros, who owns user 4420."""
    copy(opened_shop, command.database)
    return command


@pytest.fixture(scope="session")
def opened_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of `shop`, made once."""
    command = Command(tmp_path_factory.mktemp("shop"))
    run = command.run
    run("init")
    run("accounts", "open", "provider", "--number", "carrier", "--name", "Carrier", "--currency", "USD")
    run("rates", "group", "termination", "--owner", "carrier")
    run("init", "--admin", "Acme", "--number", "acme", "--currency", "USD", "--timezone", "America/New_York")
    run("accounts", "change", "acme", "--rate-group", "termination")
    run("rates", "group", "retail", "--owner", "acme")
    run("fx", "set", "EUR", "USD", "1.25", "--valid-from", "2025-01-01", "--source", "bank")
    agent = ("--parent", "acme", "--number", "agent", "--model", "commission", "--commission-percent", "10")
    run("accounts", "open", "reseller", *agent, "--billing", "postpaid")
    customer = ("accounts", "open", "customer", "--parent", "agent", "--rate-group", "retail")
    run(*customer, "--number", "acc1", "--name", "Prepaid Pat")
    run(*customer, "--number", "p4420", "--currency", "EUR", "--billing", "postpaid", "--credit-limit", "50")
    run("accounts", "endpoint", "p4420", "--user", "4420")
    command.rates("termination", "1,US,0,0,0.01,1,1", "7,RU,0,0,0.02,1,1")
    command.rates("retail", "1,US,0.10,0,0.60,60,60", "7,RU,0,0,0.30,60,60")
    return command.database
