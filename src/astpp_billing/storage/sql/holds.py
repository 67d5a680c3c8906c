"""Holds in SQL: money is reserved by conditional updates, so that the database decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import String, Text, case, false, select, true, update

from astpp_billing.clock import to_epoch
from astpp_billing.errors import AlreadyExists, InvalidValue, NotFound
from astpp_billing.ledger import HeldMinutes, Hold, HoldState
from astpp_billing.money import MAX_MICROS
from astpp_billing.storage.minutes import more_minutes
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.allowances import holding_step
from astpp_billing.storage.sql.engine import BrokenConstraint, Fault
from astpp_billing.storage.sql.mapping import hold_of, levels_text
from astpp_billing.storage.sql.save import Save
from astpp_billing.storage.sql.wire import Insert, Say, Step, Tell, parameter, plain

_HOLD = ("key", "account_id", "fingerprint", "placed_at", "expires_at", "state", "seconds", "terms", "levels")


class Holds(Save):
    """The part of a unit of work that knows holds."""

    def place_hold(self, hold: Hold, epochs: Mapping[int, int]) -> bool:
        """See `ports.UnitOfWork`."""
        row = (
            hold.key,
            hold.account_id,
            hold.fingerprint,
            to_epoch(hold.placed_at),
            to_epoch(hold.expires_at),
            hold.state.value,
            hold.seconds,
            hold.terms,
            levels_text(hold),
        )
        amounts = {level.account_id: level.micros for level in hold.levels}
        try:
            return self._reserve(amounts, hold.minutes, epochs, Insert(tables.holds, _HOLD, [row]))
        except BrokenConstraint as error:
            self._send(Say("ROLLBACK TO SAVEPOINT holding"))
            if error.fault is Fault.TAKEN:
                raise AlreadyExists(f"hold {hold.key} exists already") from error
            raise NotFound(f"hold {hold.key} refers to something that does not exist") from error

    def extend_hold(self, hold: Hold, epochs: Mapping[int, int]) -> bool:
        """See `ports.UnitOfWork`."""
        stored = self.find_hold(hold.key)
        if stored is None:
            raise NotFound(f"no hold has the key {hold.key!r}")
        before = {level.account_id: level.micros for level in stored.levels}
        after = {level.account_id: level.micros for level in hold.levels}
        if stored.state is not HoldState.OPEN:
            return False
        if before.keys() != after.keys() or any(after[one] < before[one] for one in after):
            raise InvalidValue(f"hold {hold.key} can only be extended on the levels that it has")
        given = {
            "hold": hold.key,
            "before": levels_text(stored),
            "after": levels_text(hold),
            "ends": to_epoch(hold.expires_at),
            "lasts": hold.seconds,
            "agreed": hold.terms,
        }
        more = {one: after[one] - before[one] for one in after}
        return self._reserve(more, more_minutes(stored, hold), epochs, Tell(_EXTEND, [given]))

    def _reserve(
        self, amounts: Mapping[int, int], minutes: Sequence[HeldMinutes], epochs: Mapping[int, int], step: Step
    ) -> bool:
        """Reserve amounts in wallets, by account, then minutes, and run one step more; all of it or nothing."""
        values = [
            {
                "account": account_id,
                "micros": amounts[account_id],
                "seen": epochs[account_id],
                "most": MAX_MICROS - amounts[account_id],
            }
            for account_id in sorted(amounts)
        ]
        taking = [holding_step(minutes)] if minutes else []
        answers = self._send(Say("SAVEPOINT holding"), Tell(_RESERVE, values), *taking, step)
        if answers[1:] == [len(values), *([len(minutes)] if minutes else []), 1]:
            return True
        self._send(Say("ROLLBACK TO SAVEPOINT holding"))
        return False

    def find_hold(self, key: str) -> Hold | None:
        """See `ports.UnitOfWork`."""
        row = self._first(select(tables.holds).where(tables.holds.c.key == key))
        return None if row is None else hold_of(row)

    def holds(self, *, lapsed_at: datetime | None = None) -> Sequence[Hold]:
        """See `ports.UnitOfWork`."""
        holds = tables.holds
        query = select(holds).where(holds.c.state == HoldState.OPEN).order_by(holds.c.expires_at, holds.c.key)
        if lapsed_at is not None:
            query = query.where(holds.c.expires_at <= lapsed_at)
        return [hold_of(row) for row in self._all(query)]


_wallets = tables.wallets.c
_balance, _credit, _held = (
    plain(_wallets.balance_micros),
    plain(_wallets.credit_micros),
    plain(_wallets.held_micros),
)
# micros = 0 or balance + credit - held >= micros, in a way in which no sum leaves 64 bits
_covered = case(
    (parameter("micros") == 0, true()),
    (_held > parameter("most"), false()),
    (_balance < 0, _balance + _credit >= _held + parameter("micros")),
    else_=_balance - (_held + parameter("micros")) >= -_credit,
)
_RESERVE = (
    update(tables.wallets)
    .where(
        _wallets.account_id == parameter("account"),
        _wallets.epoch == parameter("seen"),
        _covered,
    )
    .values(held_micros=_held + parameter("micros"))
)

_EXTEND = (
    update(tables.holds)
    .where(
        tables.holds.c.key == parameter("hold", String()),
        tables.holds.c.state == HoldState.OPEN.value,
        tables.holds.c.levels == parameter("before", Text()),
    )
    .values(
        levels=parameter("after", Text()),
        expires_at=parameter("ends"),
        seconds=parameter("lasts"),
        terms=parameter("agreed", Text()),
    )
)
