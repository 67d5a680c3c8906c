"""Included minutes in SQL: counters that are changed by conditional updates, so that the database decides."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, String, and_, case, or_, select, update

from astpp_billing.clock import to_epoch
from astpp_billing.hierarchy import EndpointKind
from astpp_billing.ledger import HeldMinutes
from astpp_billing.ports import Changes
from astpp_billing.pricing.allowances import Grant, MinutesUsed
from astpp_billing.storage.minutes import moved_minutes
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.catalogue import grants, minutes_used
from astpp_billing.storage.sql.part import Part
from astpp_billing.storage.sql.types import Id
from astpp_billing.storage.sql.wire import Ask, Insert, Row, Tell, listed, parameter, parameters, places, plain

_GRANT = (
    "id",
    "account_id",
    "source",
    "position",
    "prefixes",
    "direction",
    "seconds",
    "used_seconds",
    "held_seconds",
    "starts_at",
    "expires_at",
    "carried_over",
    "levels",
    "description",
)


def grant_of(row: Mapping[Any, Any]) -> Grant:
    """The grant of a row."""
    values = {name: row[name] for name in _GRANT}
    return Grant(**values | {name: json.loads(row[name]) for name in ("prefixes", "levels")})


class Allowances(Part):
    """The part of a unit of work that looks at included minutes."""

    def grants(self, account_id: int) -> Sequence[Grant]:
        """See `ports.UnitOfWork`."""
        query = select(grants).where(grants.c.account_id == account_id).order_by(grants.c.id)
        return [grant_of(row) for row in self._all(query)]

    def minutes_used(self, *, key: str | None = None, account_id: int | None = None) -> Sequence[MinutesUsed]:
        """See `ports.UnitOfWork`."""
        query = select(minutes_used)
        if key is not None:
            query = query.where(minutes_used.c.key == key)
        if account_id is not None:
            query = query.join(grants, grants.c.id == minutes_used.c.grant_id).where(grants.c.account_id == account_id)
        found = [MinutesUsed(row["key"], row["grant_id"], row["seconds"]) for row in self._all(query)]
        return sorted(found, key=lambda used: (used.grant_id, used.key))  # as Python sorts, whatever the collation


# what is seen


def by_number(numbers: Sequence[str], since: datetime) -> Ask:
    """Asks for the grants of accounts by their numbers, as many as one statement lists."""
    given = listed("number", numbers) | {"since": to_epoch(since)}
    return Ask(_by_number(places(len(numbers))), given)


def by_id(account_ids: Sequence[int], since: datetime) -> Ask:
    """Asks for the grants of accounts by their ids."""
    return Ask(_by_id(places(len(account_ids))), listed("account", account_ids) | {"since": to_epoch(since)})


def by_endpoint(kind: EndpointKind, values: Sequence[str], since: datetime) -> Ask:
    """Asks for the grants of the accounts that users or addresses stand for."""
    given = listed("value", values) | {"kind": kind.value, "since": to_epoch(since)}
    return Ask(_by_endpoint(places(len(values))), given)


def seen_grants(rows: Iterable[Mapping[Any, Any]]) -> dict[int, tuple[Grant, ...]]:
    """The grants of rows, each once, by account."""
    found = {row["id"]: row for row in rows}
    seen: dict[int, tuple[Grant, ...]] = {}
    for _, row in sorted(found.items()):
        seen[row["account_id"]] = (*seen.get(row["account_id"], ()), grant_of(row))
    return seen


_live = or_(
    and_(plain(grants.c.expires_at) > parameter("since"), grants.c.used_seconds < grants.c.seconds),
    grants.c.held_seconds > 0,
)


@lru_cache(maxsize=32)
def _by_number(count: int) -> Select[Any]:
    accounts = tables.accounts
    named = accounts.c.number.in_(parameters("number", count, String()))
    return select(grants).join(accounts, accounts.c.id == grants.c.account_id).where(named, _live)


@lru_cache(maxsize=32)
def _by_id(count: int) -> Select[Any]:
    return select(grants).where(grants.c.account_id.in_(parameters("account", count, Id)), _live)


@lru_cache(maxsize=32)
def _by_endpoint(count: int) -> Select[Any]:
    endpoints = tables.endpoints
    named = endpoints.c.value.in_(parameters("value", count, String()))
    query = select(grants).join(endpoints, endpoints.c.account_id == grants.c.account_id)
    return query.where(endpoints.c.kind == parameter("kind", String()), named, _live)


# what is changed


def granting_steps(changes: Changes) -> Iterator[Tell]:
    """What is granted, or lasts longer or shorter, before calls take anything; `granted` is inserted besides."""
    if changes.withdrawn:
        yield Tell(
            _WITHDRAW,
            [{"payer": one.account_id, "origin": one.source, "ends": to_epoch(one.at)} for one in changes.withdrawn],
        )
    if changes.carried:
        yield Tell(
            _CARRY,
            [
                {
                    "payer": one.account_id,
                    "origin": one.source,
                    "ended": to_epoch(one.ended),
                    "ends": to_epoch(one.until),
                }
                for one in changes.carried
            ],
        )


def telling_step(changes: Changes) -> Tell | None:
    """Gives wallets the next epoch whose accounts may have more minutes than somebody has seen."""
    told = told_accounts(changes)
    return Tell(_NEXT_EPOCH, [{"account": account_id} for account_id in sorted(told)]) if told else None


def told_accounts(changes: Changes) -> set[int]:
    """The accounts that may have more minutes than before, or others."""
    told = {one.account_id for one in changes.granted}
    told.update(one.account_id for one in changes.carried)
    told.update(one.account_id for one in changes.withdrawn)
    moved = moved_minutes(changes)
    for hold, _ in changes.ended:
        if any(moved[one.grant_id][1] > moved[one.grant_id][0] for one in hold.minutes):
            told.add(hold.account_id)
    return told


def grant_rows(values: Sequence[Grant]) -> Insert:
    """The rows of new grants."""
    found: list[Row] = [
        (
            one.id,
            one.account_id,
            one.source,
            one.position,
            json.dumps(one.prefixes),
            one.direction.value,
            one.seconds,
            one.used_seconds,
            one.held_seconds,
            to_epoch(one.starts_at),
            to_epoch(one.expires_at),
            one.carried_over,
            json.dumps(one.levels),
            one.description,
        )
        for one in values
    ]
    return Insert(grants, _GRANT, found)


def minutes_rows(values: Sequence[MinutesUsed]) -> Insert:
    """The rows of what calls have taken."""
    return Insert(
        minutes_used, ("grant_id", "key", "seconds"), [(one.grant_id, one.key, one.seconds) for one in values]
    )


def taking_step(changes: Changes) -> Tell | None:
    """Moves the counters by what calls take and holds give back; finds fewer rows where a counter would be wrong."""
    values = [
        {"grant": grant_id, "taken": taken, "released": released}
        for grant_id, (taken, released) in moved_minutes(changes).items()
    ]
    return Tell(_TAKE, values) if values else None


def holding_step(minutes: Collection[HeldMinutes]) -> Tell:
    """Reserves minutes; finds fewer rows where some of them are not left."""
    ordered = sorted(minutes, key=lambda one: one.grant_id)
    return Tell(_HOLD, [{"grant": one.grant_id, "more": one.seconds} for one in ordered])


_of_source = (grants.c.account_id == parameter("payer"), grants.c.source == parameter("origin", String()))
_WITHDRAW = (
    update(grants)
    .where(*_of_source, plain(grants.c.expires_at) > parameter("ends"))
    .values(
        expires_at=case((plain(grants.c.starts_at) > parameter("ends"), grants.c.starts_at), else_=parameter("ends"))
    )
)
_CARRY = (
    update(grants)
    .where(
        *_of_source,
        grants.c.carried_over,
        plain(grants.c.expires_at) == parameter("ended"),
        grants.c.used_seconds < grants.c.seconds,
    )
    .values(expires_at=parameter("ends"))
)
_NEXT_EPOCH = (
    update(tables.wallets)
    .where(tables.wallets.c.account_id == parameter("account"))
    .values(epoch=tables.wallets.c.epoch + 1)
)
_used, _held = grants.c.used_seconds, grants.c.held_seconds
_TAKE = (
    update(grants)
    .where(
        grants.c.id == parameter("grant"),
        _held >= parameter("released"),
        _used + _held + parameter("taken") <= grants.c.seconds + parameter("released"),
    )
    .values(used_seconds=_used + parameter("taken"), held_seconds=_held - parameter("released"))
)
_HOLD = (
    update(grants)
    .where(grants.c.id == parameter("grant"), _used + _held + parameter("more") <= grants.c.seconds)
    .values(held_seconds=_held + parameter("more"))
)
