"""The ledger: postings, wallets, charges and what they prove."""

from astpp_billing.ledger.charge import Charge, ChargeKind
from astpp_billing.ledger.posting import (
    MATERIALISED,
    Book,
    LedgerAccount,
    Posting,
    Reason,
    Transfer,
    fingerprint,
    movements,
    transfer,
)

__all__ = [
    "MATERIALISED",
    "Book",
    "Charge",
    "ChargeKind",
    "LedgerAccount",
    "Posting",
    "Reason",
    "Transfer",
    "fingerprint",
    "movements",
    "transfer",
]
