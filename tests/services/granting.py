"""Short ways to grant included minutes, and to see what became of them."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord, Settled
from astpp_billing.ports import Changes
from astpp_billing.pricing import AgreedLevel, Agreement, Allowance
from astpp_billing.pricing.allowances import Grant
from astpp_billing.services.minutes import Granting, grant_minutes
from astpp_billing.testing.worlds import START, Chain

MONTH = timedelta(days=31)
"""How long minutes last that do not say so, from `START` on."""


def bought(shop: Chain, *allowances: Allowance | int, levels: int | None = None, **more: Any) -> Granting:
    """What an order gives a customer that all above it sell, or only the first `levels` of its path."""
    path = shop.path[: None if levels is None else levels + 1]
    agreement = Agreement([AgreedLevel(payer.id, payee.id, 0, 0, "USD") for payer, payee in pairwise(path)])
    included = tuple(Allowance(seconds=one) if isinstance(one, int) else one for one in allowances)
    values: dict[str, Any] = {"order_id": 1, "starts_at": START, "expires_at": START + MONTH} | more
    return Granting(agreement=agreement, allowances=included, **values)


def give(billing: Billing, *given: Granting) -> None:
    """Grant what orders give, in one transaction."""
    with billing.storage.begin() as uow:
        changes = Changes()
        grant_minutes(uow, changes, given)
        uow.lock([one.agreement.buyer_id for one in given])
        uow.save(changes)


def grants(billing: Billing, shop: Chain) -> list[Grant]:
    with billing.storage.snapshot() as uow:
        return list(uow.grants(shop.customer.id))


def counters(billing: Billing, shop: Chain) -> list[tuple[int, int]]:
    """What is used and held of each grant."""
    return [(grant.used_seconds, grant.held_seconds) for grant in grants(billing, shop)]


def charged(result: Settled) -> list[tuple[int, int]]:
    """The seconds and micros that each level is charged, the buyer's first."""
    return [(charge.seconds, charge.micros) for charge in result.charges]


def taken(billing: Billing, record: CallRecord) -> list[int]:
    """What a call has taken, of each grant that it took from."""
    with billing.storage.snapshot() as uow:
        return [used.seconds for used in uow.minutes_used(key=record.key)]
