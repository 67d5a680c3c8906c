"""Holds in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import evolve

from astpp_billing.clock import utc
from astpp_billing.errors import AlreadyExists, InvalidValue, NotFound
from astpp_billing.ledger import HeldLevel, HeldMinutes, Hold, HoldState
from astpp_billing.money import MAX_MICROS
from astpp_billing.storage.memory.allowances import Allowances
from astpp_billing.storage.minutes import more_minutes


class Holds(Allowances):
    """The part of a unit of work that knows what money is reserved."""

    def place_hold(self, hold: Hold, epochs: Mapping[int, int]) -> bool:
        """See `ports.UnitOfWork`."""
        self._check_changing()
        if hold.key in self._tables.holds:
            raise AlreadyExists(f"hold {hold.key} exists already")
        self._need_account(hold.account_id)
        return self._reserve(hold, hold.levels, hold.minutes, epochs)

    def extend_hold(self, hold: Hold, epochs: Mapping[int, int]) -> bool:
        """See `ports.UnitOfWork`."""
        self._check_changing()
        stored = self._tables.holds.get(hold.key)
        if stored is None:
            raise NotFound(f"no hold has the key {hold.key!r}")
        if stored.state is not HoldState.OPEN:
            return False
        return self._reserve(hold, _more(stored, hold), more_minutes(stored, hold), epochs)

    def _reserve(
        self, hold: Hold, more: Sequence[HeldLevel], minutes: Sequence[HeldMinutes], epochs: Mapping[int, int]
    ) -> bool:
        """Store an open hold that reserves so much more than before, if all of that is available."""
        for level in more:
            wallet = self._tables.wallets.get(level.account_id)
            if wallet is None or wallet.epoch != epochs[level.account_id]:
                return False
            if level.micros and level.micros > min(wallet.available_micros, MAX_MICROS - wallet.held_micros):
                return False
        grants = self._hold_minutes(minutes)
        if grants is None:
            return False
        for grant_id, grant in grants.items():
            self._put(self._tables.grants, grant_id, grant)
        for level in more:
            wallet = self._tables.wallets[level.account_id]
            held = evolve(wallet, held_micros=wallet.held_micros + level.micros)
            self._put(self._tables.wallets, level.account_id, held)
        self._put(self._tables.holds, hold.key, evolve(hold, state=HoldState.OPEN))
        return True

    def find_hold(self, key: str) -> Hold | None:
        """See `ports.UnitOfWork`."""
        return self._tables.holds.get(key)

    def holds(self, *, lapsed_at: datetime | None = None) -> Sequence[Hold]:
        """See `ports.UnitOfWork`."""
        end = None if lapsed_at is None else utc(lapsed_at)
        opened = (hold for hold in self._tables.holds.values() if hold.state is HoldState.OPEN)
        wanted = (hold for hold in opened if end is None or hold.expires_at <= end)
        return sorted(wanted, key=lambda hold: (hold.expires_at, hold.key))


def _more(stored: Hold, hold: Hold) -> list[HeldLevel]:
    """What a hold reserves beyond what is stored of it."""
    before = {level.account_id: level.micros for level in stored.levels}
    after = {level.account_id: level.micros for level in hold.levels}
    if before.keys() != after.keys() or any(micros < before[account_id] for account_id, micros in after.items()):
        raise InvalidValue(f"hold {hold.key} is extended to no less than before, in the wallets of the same accounts")
    return [HeldLevel(account_id, micros - before[account_id]) for account_id, micros in after.items()]
