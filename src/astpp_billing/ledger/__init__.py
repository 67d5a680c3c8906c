"""The ledger: postings, wallets, charges and what they prove."""

from astpp_billing.ledger.charge import Charge, ChargeKind
from astpp_billing.ledger.posting import (
    MATERIALISED,
    MAX_KEY,
    Book,
    LedgerAccount,
    Posting,
    Reason,
    Transfer,
    fingerprint,
    movements,
    transfer,
)
from astpp_billing.ledger.profit import Flow, profit

__all__ = [
    "MATERIALISED",
    "MAX_KEY",
    "Book",
    "Charge",
    "ChargeKind",
    "Flow",
    "LedgerAccount",
    "Posting",
    "Reason",
    "Transfer",
    "fingerprint",
    "movements",
    "profit",
    "transfer",
]
