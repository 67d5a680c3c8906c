"""Accounts and the tree they form."""

from astpp_billing.hierarchy.account import (
    SELLERS,
    Account,
    BillingType,
    Kind,
    ReceiptMode,
    ResellerModel,
    Status,
)
from astpp_billing.hierarchy.endpoint import Endpoint, EndpointKind
from astpp_billing.hierarchy.tree import AccountTree, Path, check_parent, check_path, price_owner, walk_up

__all__ = [
    "SELLERS",
    "Account",
    "AccountTree",
    "BillingType",
    "Endpoint",
    "EndpointKind",
    "Kind",
    "Path",
    "ReceiptMode",
    "ResellerModel",
    "Status",
    "check_parent",
    "check_path",
    "price_owner",
    "walk_up",
]
