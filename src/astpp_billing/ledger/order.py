"""An order: what somebody has bought, and what was agreed on every level."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from astpp_billing.clock import utc
from astpp_billing.ledger.posting import check_key
from astpp_billing.pricing import Agreement
from astpp_billing.pricing.orders import check_quantity

_PREFIX = "order:"


def order_posting_key(key: str) -> str:
    """The key of the posting of the order that has a key; `InvalidValue` for a key that none can have."""
    return check_key(f"{_PREFIX}{check_key(key)}")


def _key(value: object) -> str:
    key = check_key(value)
    order_posting_key(key)
    return key


class OrderStatus(StrEnum):
    """What became of an order."""

    PLACED = "placed"
    REFUNDED = "refunded"


@frozen(kw_only=True)
class Order:
    """What `buyer_id` has bought at an instant: `quantity` of a version of a product, at what was agreed then.

    `key` is the idempotency key of the purchase, `posting_key` that of what was posted for it. `id` is 0 until the
    order is stored.
    """

    id: int = 0
    key: str = field(converter=_key)
    buyer_id: int
    product_id: int
    version: int
    quantity: int = field(converter=check_quantity)
    at: datetime = field(converter=utc)
    agreement: Agreement
    status: OrderStatus = OrderStatus.PLACED

    @property
    def posting_key(self) -> str:
        """The key of the posting in which all levels paid for it."""
        return order_posting_key(self.key)
