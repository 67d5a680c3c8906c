"""What was seen before the lock is what was decided by: so it must still be so after it."""

from __future__ import annotations

from astpp_billing.errors import StorageBusy
from astpp_billing.ports import Locked, Seen


def check_unchanged(seen: Seen, locked: Locked) -> None:
    """Raise `StorageBusy` where an account that was seen has changed since; others that were locked do not matter."""
    for account_id, wallet in locked.wallets.items():
        known = seen.wallets.get(account_id)
        if known is not None and known.epoch != wallet.epoch:
            raise StorageBusy(f"account {account_id} has changed meanwhile")
