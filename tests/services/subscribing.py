"""Short ways to have subscriptions."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.services.books import at

from astpp_billing.billing import Billing
from astpp_billing.hierarchy import Account
from astpp_billing.money import Exact, Money, to_micros
from astpp_billing.pricing import AgreedCommission, AgreedLevel, Agreement, Recurrence, Unit
from astpp_billing.pricing.subscriptions import Subscription, first_period
from astpp_billing.services.renewing import Renewal
from astpp_billing.testing.worlds import Chain, chain, distributor

MONTHLY = Recurrence(1, Unit.MONTHS)


def subscription(
    path: tuple[Account, ...],
    *prices: Exact,
    anchor: Any = None,
    recurrence: Recurrence = MONTHLY,
    commissions: tuple[AgreedCommission, ...] = (),
    currency: str = "USD",
    **more: Any,
) -> Subscription:
    """What the first of a path has ordered: each level pays its price to the next one, from `anchor` on."""
    begin = anchor or at(2026, 1, 1)
    levels = tuple(
        AgreedLevel(payer.id, payee.id, to_micros(price), to_micros("99"), currency)
        for payer, payee, price in zip(path, path[1:], prices, strict=False)
    )
    buyer = path[0]
    period = first_period(begin, recurrence, buyer.timezone)
    known: dict[str, Any] = {
        "order_id": 1,
        "buyer_id": buyer.id,
        "product_id": 1,
        "version": 1,
        "quantity": 1,
        "agreement": Agreement(levels, commissions).to_json(),
        "description": "Package",
        "recurrence": recurrence,
        "timezone": buyer.timezone,
        "anchor": begin,
        "period_start": period.start,
        "period_end": period.end,
    }
    return Subscription(**known | more)


def subscribe(billing: Billing, path: tuple[Account, ...], *prices: Exact, **more: Any) -> Subscription:
    """Store such a subscription."""
    with billing.storage.begin() as uow:
        return uow.add_subscription(subscription(path, *prices, **more))


def fund(billing: Billing, account: Account, amount: str) -> None:
    billing.ledger.refill(account, Money(amount, account.currency), key=f"{account.number} {amount}")


def shop_of(billing: Billing, *, funds: str = "1000", **options: object) -> Chain:
    """Admin → D1 → D2 → customer, all prepaid, each with so much money."""
    shop = chain(billing, distributor("0.02"), distributor("0.04"), **options)  # type: ignore[arg-type]
    for account in shop.path[:-1]:
        if Decimal(funds):
            fund(billing, account, funds)
    return shop


def renew(billing: Billing, **options: int) -> Sequence[Renewal]:
    return list(billing.subscriptions.renew(**options))  # type: ignore[arg-type]
