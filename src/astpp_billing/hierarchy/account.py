"""An account: one party that sells, resells, buys or terminates calls."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import evolve, field, frozen

from astpp_billing.clock import EPOCH, utc
from astpp_billing.errors import HierarchyError, InvalidValue
from astpp_billing.money import check_currency, check_micros, percent
from astpp_billing.periods import BillingSchedule, check_timezone


class Kind(StrEnum):
    """What an account is."""

    ADMIN = "admin"
    RESELLER = "reseller"
    CUSTOMER = "customer"
    PROVIDER = "provider"


class ResellerModel(StrEnum):
    """How a reseller earns: by its margin, or by a share of what it sells at its parent's price."""

    DISTRIBUTOR = "distributor"
    COMMISSION = "commission"


class BillingType(StrEnum):
    """Whether an account pays before (from its balance) or after (by invoice)."""

    PREPAID = "prepaid"
    POSTPAID = "postpaid"


class ReceiptMode(StrEnum):
    """When a prepaid account gets its receipts: at once for each charge, or gathered."""

    EACH = "each"
    DAILY = "daily"
    MONTHLY = "monthly"


class Status(StrEnum):
    """Whether an account can act."""

    OPEN = "open"
    CLOSED = "closed"


SELLERS = frozenset({Kind.ADMIN, Kind.RESELLER})
"""The kinds of account that may have children."""


def _number(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 64 or value != value.strip():
        raise InvalidValue(f"an account number is a text of 1 to 64 characters, not {value!r}")
    return value


def _commission(value: object) -> Decimal:
    return percent(value, "commission rate", most=100)


@frozen(kw_only=True, cache_hash=True)  # prices are kept by whole paths of them
class Account:
    """One account, as it is at one moment.

    `credit_limit_micros` is in the account's own currency and means nothing on a prepaid account.
    `commission_percent` is the share of a call's price that a commission reseller is paid, set by its parent.
    `rate_group` names the price list that its price owner offers it, `own_rate_group` one with rates for this account
    alone, which are asked first. `same_credential` lets an account issue documents in its parent's name.
    `id` is 0 until the account is stored. `loss_less_routing` allows calls that some
    reseller would sell below its own cost.
    """

    id: int = 0
    number: str = field(converter=_number)
    name: str = ""
    kind: Kind
    parent_id: int | None = None
    model: ResellerModel | None = None
    billing: BillingType = BillingType.PREPAID
    currency: str = field(converter=check_currency)
    timezone: str = field(default="UTC", converter=check_timezone)
    locale: str = "en_US"
    rate_group: str | None = None
    own_rate_group: str | None = None
    credit_limit_micros: int = field(default=0)
    commission_percent: Decimal = field(default=Decimal(0), converter=_commission)
    loss_less_routing: bool = False
    schedule: BillingSchedule = BillingSchedule()
    receipts: ReceiptMode = ReceiptMode.EACH
    zero_invoices: bool = False
    tax_number: str = ""
    same_credential: bool = False
    opened_at: datetime = field(default=EPOCH, converter=utc)
    status: Status = Status.OPEN

    @credit_limit_micros.validator
    def _check_credit_limit(self, attribute: object, value: int) -> None:
        if check_micros(value, "credit limit") < 0:
            raise InvalidValue(f"the credit limit of account {self.number} must not be negative: {value} micros")

    def __attrs_post_init__(self) -> None:
        if (self.kind is Kind.RESELLER) != (self.model is not None):
            raise InvalidValue(f"account {self.number}: a reseller, and only a reseller, has a reseller model")
        if (self.kind in (Kind.ADMIN, Kind.PROVIDER)) != (self.parent_id is None):
            raise HierarchyError(f"account {self.number}: a {self.kind} cannot have the parent {self.parent_id}")
        if self.id and self.parent_id == self.id:
            raise HierarchyError(f"account {self.number} cannot be its own parent")
        if self.commission_percent and not self.is_commission_reseller:
            raise InvalidValue(f"account {self.number}: only a commission reseller has a commission rate")

    @property
    def is_commission_reseller(self) -> bool:
        """Whether it sells at its parent's prices for a share."""
        return self.model is ResellerModel.COMMISSION

    @property
    def is_postpaid(self) -> bool:
        """Whether it is billed by invoice."""
        return self.billing is BillingType.POSTPAID

    @property
    def spendable_below_zero_micros(self) -> int:
        """How far its wallet may go below zero: the credit limit of a postpaid account, else nothing."""
        return self.credit_limit_micros if self.is_postpaid else 0

    def under(self, parent_id: int) -> Account:
        """The same account below another parent."""
        return evolve(self, parent_id=parent_id)
