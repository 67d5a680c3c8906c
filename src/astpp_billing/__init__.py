"""Billing for telecom resellers: exact prices, any depth of resellers, a ledger that can be proved.

The names below are loaded at their first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astpp_billing.billing import Billing
    from astpp_billing.calls import Approved, CallAttempt, CallRecord, Failed, HoldPolicy, Refused, Settled, Unrated
    from astpp_billing.clock import FixedClock, SystemClock
    from astpp_billing.errors import BillingError
    from astpp_billing.hierarchy import Account, BillingType, ReceiptMode, ResellerModel
    from astpp_billing.money import Money
    from astpp_billing.periods import BillingSchedule, Cadence
    from astpp_billing.pricing import Rate, RateGroup, RateTable

_HOMES = {
    "Account": "hierarchy",
    "Approved": "calls",
    "Billing": "billing",
    "BillingError": "errors",
    "BillingSchedule": "periods",
    "BillingType": "hierarchy",
    "Cadence": "periods",
    "CallAttempt": "calls",
    "CallRecord": "calls",
    "Failed": "calls",
    "FixedClock": "clock",
    "HoldPolicy": "calls",
    "Money": "money",
    "Rate": "pricing",
    "RateGroup": "pricing",
    "RateTable": "pricing",
    "ReceiptMode": "hierarchy",
    "Refused": "calls",
    "ResellerModel": "hierarchy",
    "Settled": "calls",
    "SystemClock": "clock",
    "Unrated": "calls",
}

__all__ = [
    "Account",
    "Approved",
    "Billing",
    "BillingError",
    "BillingSchedule",
    "BillingType",
    "Cadence",
    "CallAttempt",
    "CallRecord",
    "Failed",
    "FixedClock",
    "HoldPolicy",
    "Money",
    "Rate",
    "RateGroup",
    "RateTable",
    "ReceiptMode",
    "Refused",
    "ResellerModel",
    "Settled",
    "SystemClock",
    "Unrated",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
