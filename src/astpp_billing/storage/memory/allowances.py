"""Included minutes in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from attrs import evolve

from astpp_billing.clock import utc
from astpp_billing.errors import AlreadyExists, NotFound, StorageBusy
from astpp_billing.ledger import HeldMinutes
from astpp_billing.ports import Changes
from astpp_billing.pricing.allowances import Grant, MinutesUsed
from astpp_billing.storage.memory.part import Part
from astpp_billing.storage.minutes import moved_minutes


class Allowances(Part):
    """The part of a unit of work that knows included minutes."""

    def grants(self, account_id: int) -> Sequence[Grant]:
        """See `ports.UnitOfWork`."""
        return sorted(
            (grant for grant in self._tables.grants.values() if grant.account_id == account_id),
            key=lambda grant: grant.id,
        )

    def minutes_used(self, *, key: str | None = None, account_id: int | None = None) -> Sequence[MinutesUsed]:
        """See `ports.UnitOfWork`."""
        owners = {grant.id: grant.account_id for grant in self._tables.grants.values()}
        return [
            used
            for _, used in sorted(self._tables.minutes.items())
            if key in (None, used.key) and account_id in (None, owners[used.grant_id])
        ]

    def _live_grants(self, account_ids: Collection[int], since: datetime) -> dict[int, tuple[Grant, ...]]:
        """The grants that a call of an account may use, for all that have any."""
        after = utc(since)
        found: dict[int, tuple[Grant, ...]] = {}
        for account_id in account_ids:
            live = tuple(
                grant
                for grant in self.grants(account_id)
                if grant.held_seconds or (grant.expires_at > after and grant.used_seconds < grant.seconds)
            )
            if live:
                found[account_id] = live
        return found

    def _hold_minutes(self, minutes: Sequence[HeldMinutes]) -> dict[int, Grant] | None:
        """The grants with so much more held, None where that is not left."""
        grants: dict[int, Grant] = {}
        for one in minutes:
            grant = self._tables.grants.get(one.grant_id)
            if grant is None or one.seconds > grant.left_seconds:
                return None
            grants[grant.id] = evolve(grant, held_seconds=grant.held_seconds + one.seconds)
        return grants

    def _granted(self, changes: Changes) -> tuple[dict[int, Grant], set[int]]:
        """The grants that are new or other than before, and the accounts that may have more of them than was seen."""
        grants: dict[int, Grant] = {}
        told: set[int] = set()
        for withdrawal in changes.withdrawn:
            told.add(withdrawal.account_id)
            for grant in self._of_source(withdrawal.account_id, withdrawal.source):
                if grant.expires_at > withdrawal.at:
                    grants[grant.id] = evolve(grant, expires_at=max(grant.starts_at, withdrawal.at))
        for carry in changes.carried:
            told.add(carry.account_id)
            for grant in self._of_source(carry.account_id, carry.source, grants):
                if grant.carried_over and grant.expires_at == carry.ended and grant.used_seconds < grant.seconds:
                    grants[grant.id] = evolve(grant, expires_at=carry.until)
        stored = self._tables.grants.values() if changes.granted else ()
        known = {(each.source, each.position, each.starts_at) for each in stored}
        for grant in changes.granted:
            name = (grant.source, grant.position, grant.starts_at)
            if grant.id in self._tables.grants or grant.id in grants or name in known:
                raise AlreadyExists(f"minutes of {grant.source} exist already")
            known.add(name)
            told.add(grant.account_id)
            grants[grant.id] = grant
        self._need_account(*told)
        return grants, told

    def _of_source(self, account_id: int, source: str, changed: Mapping[int, Grant] | None = None) -> Iterable[Grant]:
        for grant in self.grants(account_id):
            if grant.source == source:
                yield (changed or {}).get(grant.id, grant)

    def _minutes_after(self, changes: Changes) -> tuple[dict[int, Grant], set[int]]:
        """As `_granted`, and then what calls take, and what holds no longer reserve."""
        grants, told = self._granted(changes)
        wanted: set[tuple[int, str]] = set()
        for used in changes.minutes:
            if (used.grant_id, used.key) in self._tables.minutes or (used.grant_id, used.key) in wanted:
                raise AlreadyExists(f"minutes of call {used.key} exist already")
            wanted.add((used.grant_id, used.key))
        for grant_id, (taken, released) in moved_minutes(changes).items():
            grant = grants.get(grant_id) or self._tables.grants.get(grant_id)
            if grant is None:
                raise NotFound(f"no included minutes have the id {grant_id}")
            held, left = grant.held_seconds - released, grant.left_seconds + released - taken
            if held < 0 or left < 0:
                raise StorageBusy(f"somebody else has taken the minutes {grant_id} meanwhile")
            grants[grant_id] = evolve(grant, used_seconds=grant.used_seconds + taken, held_seconds=held)
            if released > taken:
                told.add(grant.account_id)
        return grants, told
