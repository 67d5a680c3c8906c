"""The ledger: postings, wallets, charges and what they prove."""

from astpp_billing.ledger.charge import Charge, ChargeKind
from astpp_billing.ledger.entry import CommissionGroup, Entry, FlowGroup
from astpp_billing.ledger.hold import HeldLevel, HeldMinutes, Hold, HoldState
from astpp_billing.ledger.order import Order, OrderStatus, order_posting_key
from astpp_billing.ledger.posting import (
    MATERIALISED,
    MAX_KEY,
    Book,
    LedgerAccount,
    Posting,
    Reason,
    Transfer,
    check_key,
    fingerprint,
    key_about,
    movements,
    transfer,
)
from astpp_billing.ledger.profit import Flow, profit
from astpp_billing.ledger.reversal import Reversed, rest_of, reversal
from astpp_billing.ledger.sale import Sale
from astpp_billing.ledger.wallet import Used, UsedKey, Wallet

__all__ = [
    "MATERIALISED",
    "MAX_KEY",
    "Book",
    "Charge",
    "ChargeKind",
    "CommissionGroup",
    "Entry",
    "Flow",
    "FlowGroup",
    "HeldLevel",
    "HeldMinutes",
    "Hold",
    "HoldState",
    "LedgerAccount",
    "Order",
    "OrderStatus",
    "Posting",
    "Reason",
    "Reversed",
    "Sale",
    "Transfer",
    "Used",
    "UsedKey",
    "Wallet",
    "check_key",
    "fingerprint",
    "key_about",
    "movements",
    "order_posting_key",
    "profit",
    "rest_of",
    "reversal",
    "transfer",
]
