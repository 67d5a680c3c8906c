"""The business that the demo bills: who is in it, at what prices, and in which currencies."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from astpp_billing import Billing, BillingType, FixedClock, Money, ResellerModel
from astpp_billing.cli.output import Output
from astpp_billing.cli.ratefiles import RateLines, open_rates
from astpp_billing.cli.samples import DECKS, rate_decks
from astpp_billing.hierarchy import Account
from astpp_billing.invoicing import Tax

MIDNIGHT_BERLIN = datetime(2026, 10, 31, 23, tzinfo=UTC)
MIDNIGHT_NEW_YORK = datetime(2026, 11, 1, 4, tzinfo=UTC)
CALL_DAY = datetime(2026, 11, 22, 23, tzinfo=UTC)
"""Shortly after the last of the sample calls."""
BILLING_DAY = datetime(2026, 12, 1, 5, tzinfo=UTC)
"""Midnight in New York, when December has begun in Berlin, too."""

REFILL = Money(10, "USD")
"""What the prepaid customer has paid in advance."""

_HEADINGS = "Code,Destination,Connection Cost (USD),Grace Time,Cost / Min (USD),Initial Increment,Increment"

OWN_RATES = {
    "city-special": (_HEADINGS, "1,US Proper,0.01,0,0.02039,6,6", "7,RU Proper,0,0,0.00714,60,60"),
    "4420-special": (_HEADINGS, "1,US Proper,0.10,0,0.30,60,60"),
}
"""Price lists for one account alone; a longer prefix in the account's group does not beat them."""


@frozen
class World:
    """The accounts of the demo, from the provider down to the customers."""

    provider: Account
    admin: Account
    europe: Account
    agent: Account
    city: Account
    prepaid: Account
    postpaid: Account

    @property
    def sellers(self) -> tuple[Account, ...]:
        """Everybody who can earn, from the top down."""
        return self.admin, self.europe, self.agent, self.city

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Everybody, from the top down."""
        return self.provider, *self.sellers, self.prepaid, self.postpaid


def open_accounts(billing: Billing, clock: FixedClock) -> World:
    """Open the accounts and the rate groups that they offer; nothing is in the groups yet."""
    accounts, prices = billing.accounts, billing.prices
    clock.set(MIDNIGHT_BERLIN)
    prices.set_exchange_rate("EUR", "USD", "1.10", valid_from=datetime(2025, 1, 1, tzinfo=UTC), source="demo")
    provider = accounts.open_provider("First Carrier Inc.", number="carrier", currency="USD")
    prices.add_group("termination", provider)
    admin = accounts.open_admin(
        "Acme Telecom", number="acme", currency="USD", timezone="America/New_York", rate_group="termination"
    )
    prices.add_group("distributor", admin)
    after: dict[str, Any] = {"billing": BillingType.POSTPAID, "credit_limit": 1000}
    europe = accounts.open_reseller(
        admin,
        model=ResellerModel.DISTRIBUTOR,
        name="Europe Voice GmbH",
        number="europe",
        currency="EUR",
        timezone="Europe/Berlin",
        locale="de_DE",
        rate_group="distributor",
        **after,
    )
    agent = accounts.open_reseller(
        europe,
        model=ResellerModel.COMMISSION,
        commission_percent=10,
        name="Anna the agent",
        number="agent",
        same_credential=True,  # she has no documents of her own: what she sells is billed in Europe Voice's name
        **after,
    )
    clock.set(MIDNIGHT_NEW_YORK)
    prices.add_group("subreseller", europe, currency="USD")
    prices.add_group("city-special", europe, currency="USD")
    city = accounts.open_reseller(
        agent,
        model=ResellerModel.DISTRIBUTOR,
        name="City Phone LLC",
        number="city",
        currency="USD",
        timezone="America/New_York",
        locale="en_US",
        rate_group="subreseller",
        own_rate_group="city-special",
        **after,
    )
    prices.add_group("retail", city)
    prices.add_group("4420-special", city)
    prepaid = accounts.open_customer(city, number="acc1", name="Prepaid Pat", rate_group="retail")
    postpaid = accounts.open_customer(
        city,
        number="4420",
        name="Postpaid Paul",
        currency="EUR",
        timezone="Europe/Berlin",
        locale="de_DE",
        billing=BillingType.POSTPAID,
        credit_limit=100,
        rate_group="retail",
        own_rate_group="4420-special",
    )
    accounts.configure_invoices(
        city,
        company=city.name,
        address="1 Main Street\nSpringfield",
        tax_number="US-12-3456789",
        invoice_prefix="CITY-INV-",
        receipt_prefix="CITY-RCP-",
        tax=Tax("VAT", "20"),
        note="Thank you for calling with us.",
    )
    accounts.configure_invoices(europe, company=europe.name, invoice_prefix="EV-", due_days=30)
    accounts.configure_invoices(admin, company=admin.name, invoice_prefix="ACME-", due_days=30)
    billing.ledger.refill(prepaid, REFILL, key="bank transfer 1")
    return World(provider, admin, europe, agent, city, prepaid, postpaid)


def import_rates(billing: Billing, output: Output) -> dict[str, int]:
    """Import the four decks and the special prices; returns how many rates each group has."""
    counts: dict[str, int] = {}
    with rate_decks() as folder:
        for group, name in DECKS.items():
            counts[group] = _import_deck(billing, output, group, folder / name)
    for group, lines in OWN_RATES.items():
        billing.prices.import_file(group, lines)
        counts[group] = len(lines) - 1
    return counts


def _import_deck(billing: Billing, output: Output, group: str, path: Path) -> int:
    with open_rates(str(path)) as (raw, size), output.progress(f"Importing {path.name}", size) as advance:
        lines = RateLines(raw, advance)
        billing.prices.import_file(group, lines)
    return lines.count - 1
