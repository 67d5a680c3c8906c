"""Calls: attempts that are authorised, records as a switch reports them, and what settling one does."""

from astpp_billing.calls.admission import (
    Agreement,
    HoldPolicy,
    Offer,
    affordable,
    agreed,
    agreed_carrier,
    check_losses,
    longer_hold,
    make_offer,
    new_hold,
)
from astpp_billing.calls.attempt import Admitted, Approved, CallAttempt, Refused, RefusedReason
from astpp_billing.calls.books import PathBooks, call_charges
from astpp_billing.calls.payer import (
    Call,
    Directory,
    Parties,
    Unpayable,
    UnpayableReason,
    party_numbers,
    payer_endpoints,
)
from astpp_billing.calls.purse import Purse
from astpp_billing.calls.record import MAX_SECONDS, MAX_TEXT, CallRecord, call_key, split_call_key
from astpp_billing.calls.settlement import (
    CallEntry,
    CallStatus,
    Failed,
    Settled,
    Settlement,
    Unrated,
    UnratedReason,
    record_fingerprint,
)

__all__ = [
    "MAX_SECONDS",
    "MAX_TEXT",
    "Admitted",
    "Agreement",
    "Approved",
    "Call",
    "CallAttempt",
    "CallEntry",
    "CallRecord",
    "CallStatus",
    "Directory",
    "Failed",
    "HoldPolicy",
    "Offer",
    "Parties",
    "PathBooks",
    "Purse",
    "Refused",
    "RefusedReason",
    "Settled",
    "Settlement",
    "Unpayable",
    "UnpayableReason",
    "Unrated",
    "UnratedReason",
    "affordable",
    "agreed",
    "agreed_carrier",
    "call_charges",
    "call_key",
    "check_losses",
    "longer_hold",
    "make_offer",
    "new_hold",
    "party_numbers",
    "payer_endpoints",
    "record_fingerprint",
    "split_call_key",
]
