"""Calls: records as a switch reports them, and what settling one does."""

from astpp_billing.calls.record import MAX_SECONDS, MAX_TEXT, CallRecord
from astpp_billing.calls.settlement import (
    CallEntry,
    CallStatus,
    Settled,
    Settlement,
    Unrated,
    UnratedReason,
    call_charges,
    call_transfers,
    record_fingerprint,
)

__all__ = [
    "MAX_SECONDS",
    "MAX_TEXT",
    "CallEntry",
    "CallRecord",
    "CallStatus",
    "Settled",
    "Settlement",
    "Unrated",
    "UnratedReason",
    "call_charges",
    "call_transfers",
    "record_fingerprint",
]
