"""What the services need from outside: a storage that works in transactions, and a clock (`astpp_billing.clock`)."""

from astpp_billing.ports.allowances import Carry, Withdrawal
from astpp_billing.ports.storage import Storage, UnitOfWork
from astpp_billing.ports.values import Changes, Command, Locked, Placed, Seen, Series

__all__ = [
    "Carry",
    "Changes",
    "Command",
    "Locked",
    "Placed",
    "Seen",
    "Series",
    "Storage",
    "UnitOfWork",
    "Withdrawal",
]
