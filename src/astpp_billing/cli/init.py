"""`astpp-billing init`: the database, and the admin at the root of its tree."""

from __future__ import annotations

import click

from astpp_billing import Billing
from astpp_billing.cli.app import App
from astpp_billing.cli.params import CURRENCY
from astpp_billing.hierarchy import Account, Kind


@click.command()
@click.option("--admin", metavar="NAME", help="Open the admin, who sells to all others, unless there is one.")
@click.option("--number", help="The admin's account number; made up if not given.")
@click.option("--currency", type=CURRENCY, help="The admin's currency; needed with --admin.")
@click.option("--timezone", default="UTC", show_default=True, help="The admin's IANA time zone.")
@click.option("--locale", default="en_US", show_default=True, help="How the admin's amounts and dates are written.")
@click.pass_obj
def init(app: App, admin: str | None, number: str | None, currency: str | None, timezone: str, locale: str) -> None:
    """Make the database, and the admin with --admin. Nothing happens where both are there already."""
    if admin is not None and currency is None:
        raise click.UsageError("--admin needs --currency")
    billing = app.open()
    account, text = None, f"the database {app.location} is ready"
    if admin is not None and currency is not None:
        account = _known_admin(billing, admin, number)
        text += "; the admin is there already" if account else ""
        if account is None:
            options = {} if number is None else {"number": number}
            account = billing.accounts.open_admin(admin, currency=currency, timezone=timezone, locale=locale, **options)
        elif (account.currency, account.timezone) != (currency, timezone):
            raise click.ClickException(
                f"the admin {account.number} is there already, with {account.currency} and {account.timezone}"
            )
        text += f"; admin {account.number}"
    app.output.result({"database": app.location, "admin": account and account.number}, text)


def _known_admin(billing: Billing, name: str, number: str | None) -> Account | None:
    for account in billing.accounts.all():
        if account.kind is Kind.ADMIN and (account.number == number or (number is None and account.name == name)):
            return account
    return None
