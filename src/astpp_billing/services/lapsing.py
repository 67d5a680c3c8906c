"""Holds that have lapsed: what they reserve is given back, by who needs it or from time to time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from astpp_billing.ledger import Hold, HoldState
from astpp_billing.ports import Changes, Seen, Storage
from astpp_billing.services.again import again

BATCH = 50
"""How many lapsed holds one transaction ends."""


def expire_holds(storage: Storage, now: datetime) -> int:
    """Give back what all holds reserve that have lapsed by an instant; says how many."""
    lapsed = open_holds(storage, now)
    return sum(_expire(storage, lapsed[first : first + BATCH], now) for first in range(0, len(lapsed), BATCH))


def without_holds(seen: Seen, holds: Sequence[Hold]) -> Seen:
    """What was seen, as it would be if these open holds had ended."""
    wallets = dict(seen.wallets)
    for level in (level for hold in holds for level in hold.levels):
        if (wallet := wallets.get(level.account_id)) is not None:
            wallets[level.account_id] = evolve(wallet, held_micros=wallet.held_micros - level.micros)
    return evolve(seen, wallets=wallets)


@again
def open_holds(storage: Storage, lapsed_at: datetime | None = None) -> Sequence[Hold]:
    """The open holds, or those of them that have lapsed at an instant, by the time of their end."""
    with storage.snapshot() as uow:
        return uow.holds(lapsed_at=lapsed_at)


@again
def _expire(storage: Storage, lapsed: Sequence[Hold], now: datetime) -> int:
    with storage.begin() as uow:
        uow.lock({level.account_id for hold in lapsed for level in hold.levels})
        holds = uow.look(keys=[hold.key for hold in lapsed]).holds.values()  # some have ended or grown meanwhile
        ended = [hold for hold in holds if hold.state is HoldState.OPEN and hold.expires_at <= now]
        if ended:
            uow.save(Changes(ended=[(hold, HoldState.EXPIRED) for hold in ended]))
        return len(ended)
