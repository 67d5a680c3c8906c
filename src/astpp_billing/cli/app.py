"""The root of the command: its global options, the database it works on, and what becomes of errors."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from astpp_billing.cli.output import Output
from astpp_billing.cli.tables import printable
from astpp_billing.errors import BillingError

if TYPE_CHECKING:
    from astpp_billing import Billing
    from astpp_billing.hierarchy import Account
    from astpp_billing.pricing import RateGroup

DEFAULT_DATABASE = "sqlite:///billing.db"
_SQLITE = "sqlite:///"
_PASSWORD = re.compile(r"(//[^:/@]*):[^/]*@")


class App:
    """What every command gets: the output, and the database, which is opened when it is first needed."""

    def __init__(self, database: str, output: Output) -> None:
        self.database = database
        self.output = output
        self._billing: Billing | None = None

    @property
    def location(self) -> str:
        """The database as it may be shown: without a password."""
        return _PASSWORD.sub(r"\1:***@", self.database)

    @property
    def billing(self) -> Billing:
        """The database, which must exist: a mistyped name must not look like an empty business."""
        path = sqlite_path(self.database)
        if self._billing is None and path is not None and not path.exists():
            raise click.UsageError(f"there is no database {path}; astpp-billing init makes one")
        return self.open()

    def open(self) -> Billing:
        """The database, which is made where there is none."""
        if self._billing is None:
            from astpp_billing import Billing  # takes long to import, and help does not need it

            self._billing = Billing.open(self.database)
        return self._billing

    def close(self) -> None:
        """Give the database back, if it was opened."""
        if self._billing is not None:
            self._billing.close()

    def account(self, number: str) -> Account:
        """The account of a number."""
        return self.billing.accounts.get(number)

    def numbers(self) -> dict[int, str]:
        """The numbers of all accounts, by id."""
        return {account.id: account.number for account in self.billing.accounts.all()}

    def group(self, name: str | None) -> RateGroup | None:
        """The rate group of a name, None for None; a name that no group has is refused here, and not by each call."""
        if name is None:
            return None
        for group in self.billing.prices.groups():
            if group.name == name:
                return group
        raise click.ClickException(f"no rate group is named {name!r}")


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite database; None for a database that is no file."""
    if not url.startswith(_SQLITE):
        return None
    name = url.removeprefix(_SQLITE).partition("?")[0]
    return None if name in ("", ":memory:") else Path(name)


_COMMANDS = (
    "accounts",
    "cdr",
    "db",
    "demo",
    "fx",
    "holds",
    "init",
    "invoices",
    "ledger",
    "minutes",
    "orders",
    "products",
    "rates",
    "reports",
    "subscriptions",
    "vouchers",
)
"""The commands, each of which is in a module of its name."""


class _Root(click.Group):
    """Turns the library's errors into one line and the exit code 1; imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"astpp_billing.cli.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (BillingError, ModuleNotFoundError) as error:
            # a module that an extra brings: the message names the extra
            raise click.ClickException(printable(" ".join(str(error).split()))) from error


@click.group(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0, all went well; 1, the work found something wrong (a bad file, a ledger that does not "
    "agree, something that does not exist); 2, the command was not used rightly.",
)
@click.option(
    "--database",
    metavar="URL",
    envvar="ASTPP_BILLING_DATABASE",
    default=DEFAULT_DATABASE,
    show_default=True,
    show_envvar=True,
    help="The database to work on.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Write one JSON document to standard output: amounts as texts, instants in ISO 8601 and UTC. "
    "Messages go to standard error.",
)
@click.version_option(package_name="astpp-billing")
@click.pass_context
def cli(ctx: click.Context, database: str, as_json: bool) -> None:
    """Billing for telecom resellers: accounts, prices, call records, documents, and a ledger that can be proved.

    See it work on real data with "astpp-billing demo"; begin your own with "astpp-billing init".
    """
    app = App(database, Output(as_json=as_json))
    ctx.obj = app
    ctx.call_on_close(app.close)
