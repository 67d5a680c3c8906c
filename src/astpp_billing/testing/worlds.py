"""Small worlds to test in: a provider, an admin, a row of resellers and a customer, with prices, on any storage.

```python
shop = chain(billing, distributor("0.02", currency="EUR"), commission(10), price="0.05", cost="0.01")
billing.calls.settle(shop.call(60))
```
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import field, frozen

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord
from astpp_billing.hierarchy import Account, ResellerModel
from astpp_billing.money import Exact
from astpp_billing.pricing import RateGroup

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When a call starts that does not say so."""

PREFIX = "44"
"""The prefix of the one rate that a single price stands for."""

NUMBER = "441234567890"
"""Whom a call is to that does not say so."""


@frozen
class Reseller:
    """One reseller of a chain: its model, what it pays per minute, its commission, and what `open_reseller` takes."""

    model: ResellerModel
    price: Exact | None
    commission_percent: Exact
    options: Mapping[str, Any]


def distributor(price: Exact, **options: Any) -> Reseller:
    """A distributor that pays `price` per minute to the nearest seller above that is no commission reseller."""
    return Reseller(ResellerModel.DISTRIBUTOR, price, 0, options)


def commission(percent: Exact, **options: Any) -> Reseller:
    """A commission reseller that is paid `percent` of what it passes on."""
    return Reseller(ResellerModel.COMMISSION, None, percent, options)


@frozen
class Chain:
    """What was opened, from the top down."""

    provider: Account
    admin: Account
    resellers: tuple[Account, ...]
    customer: Account
    _legs: list[int] = field(factory=list, eq=False, repr=False)

    @property
    def path(self) -> tuple[Account, ...]:
        """The customer, its parent, and so on up to the admin, as they were opened."""
        return (self.customer, *reversed(self.resellers), self.admin)

    def call(self, seconds: int = 60, **fields: Any) -> CallRecord:
        """The record of one more call by the customer; `fields` are those of `call`."""
        self._legs.append(seconds)
        known: dict[str, Any] = {"account": self.customer.number, "leg": f"{self.customer.number}-{len(self._legs)}"}
        return call(seconds=seconds, **known | fields)


def chain(
    billing: Billing,
    /,
    *resellers: Reseller,
    price: Exact = "0.06",
    cost: Exact = "0.01",
    currency: str = "USD",
    name: str = "chain",
    admin: Mapping[str, Any] | None = None,
    **customer: Any,
) -> Chain:
    """Open a provider, an admin, `resellers` from the top down, and a customer with the options `customer`.

    The customer pays `price` per minute and the admin `cost`, both for numbers that begin with `PREFIX`, each in the
    currency of who sells. `currency` is the admin's and the provider's, and of all who name no other. The account
    numbers, and the groups of those who pay, are `name` and a word or a counter, so that a storage can hold several
    chains; `admin` are more options of the admin.
    """
    provider = billing.accounts.open_provider("Carrier", number=f"{name}-provider", currency=currency)
    offer(billing, provider, f"{name}-provider", cost)
    seller = billing.accounts.open_admin(
        "Admin", number=f"{name}-admin", currency=currency, **{"rate_group": f"{name}-provider"} | dict(admin or {})
    )
    top, owner, opened = seller, seller, []
    for position, reseller in enumerate(resellers, 1):
        number = f"{name}-{position}"
        if reseller.price is not None:
            offer(billing, owner, number, reseller.price)
        seller = billing.accounts.open_reseller(
            seller,
            model=reseller.model,
            commission_percent=reseller.commission_percent,
            **{"number": number, "rate_group": None if reseller.price is None else number} | dict(reseller.options),
        )
        owner = owner if reseller.price is None else seller
        opened.append(seller)
    number = f"{name}-customer"
    offer(billing, owner, number, price)
    buyer = billing.accounts.open_customer(seller, **{"number": number, "rate_group": number} | customer)
    return Chain(provider, top, tuple(opened), buyer)


def offer(
    billing: Billing,
    /,
    owner: Account,
    name: str,
    prices: Exact | Mapping[str, Exact],
    *,
    valid_from: datetime | None = None,
    **options: Any,
) -> RateGroup:
    """Let `owner` offer a rate group with `prices` per minute: by prefix, or one for numbers that begin with `PREFIX`.

    A group that is there already gets them as its next version, from `valid_from` on. `options` are those of
    `add_group`.
    """
    by_prefix = prices if isinstance(prices, Mapping) else {PREFIX: prices}
    if name not in {group.name for group in billing.prices.groups()}:
        billing.prices.add_group(name, owner, **options)
    lines = ["Code,Cost / Min", *(f"{prefix},{price}" for prefix, price in by_prefix.items())]
    return billing.prices.import_file(name, lines, valid_from=valid_from)


def call(
    account: str | None = None,
    seconds: int = 60,
    *,
    number: str = NUMBER,
    started_at: datetime = START,
    leg: str = "1",
    switch: str = "switch",
    **fields: Any,
) -> CallRecord:
    """The record of a call that was answered at once, if it has any `seconds`; `fields` are those of `CallRecord`."""
    return CallRecord(
        switch_id=switch,
        leg_uuid=leg,
        number=number,
        started_at=started_at,
        answered_at=started_at if seconds else None,
        ended_at=started_at + timedelta(seconds=seconds),
        seconds=seconds,
        account=account,
        **fields,
    )
