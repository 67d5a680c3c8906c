"""Looking at what a decision about calls needs, and locking what it changes: one round trip each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, String, select

from astpp_billing.calls import split_call_key
from astpp_billing.errors import NotFound, StorageError
from astpp_billing.hierarchy import Account, EndpointKind
from astpp_billing.invoicing import DocumentKind
from astpp_billing.ledger import Wallet
from astpp_billing.ports import Locked, Seen, Series
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.allowances import by_endpoint, by_id, by_number, seen_grants
from astpp_billing.storage.sql.mapping import account_of, config_of, entry_of, hold_of, wallet_of
from astpp_billing.storage.sql.prices import Prices
from astpp_billing.storage.sql.shared import Name, Shared
from astpp_billing.storage.sql.types import Id
from astpp_billing.storage.sql.wire import Ask, Insert, Row, Step, listed, mappings, parameter, parameters, places

T = TypeVar("T")

CHUNK = 512
"""How many values one statement lists at the most."""

KNOWN_ACCOUNTS = 100_000
"""How many accounts are kept as they were read last: reading an equal row again would make an equal account."""


def chunks(values: Collection[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """The values, so many at a time."""
    listed_values = list(values)
    for start in range(0, len(listed_values), size):
        yield listed_values[start : start + size]


class Look(Prices):
    """The part of a unit of work that looks at many things at once, and locks them."""

    _locked_series: dict[Series, int] | None = None
    """What `lock` has locked: the series, with their last numbers."""

    def __init__(self, connection: Connection, shared: Shared) -> None:
        super().__init__(connection, shared)
        self.found: dict[Name, int] = {}
        """What this transaction has made or read, and others may know when it has been committed."""

    def look(
        self,
        *,
        keys: Collection[str] = (),
        numbers: Collection[str] = (),
        endpoints: Collection[tuple[EndpointKind, str]] = (),
        account_ids: Collection[int] = (),
        since: datetime | None = None,
    ) -> Seen:
        """See `ports.UnitOfWork`."""
        legs = {key: split for key in keys if (split := split_call_key(key)) is not None}
        values = {kind: sorted({value for other, value in endpoints if other is kind}) for kind in EndpointKind}
        asks: list[tuple[str, Ask]] = [("version", Ask(_VERSION))]
        for some in chunks(set(numbers)):
            asks.append(("accounts", Ask(_by_number(places(len(some))), listed("number", some), raw=True)))
        for of_ids in chunks(set(account_ids)):
            asks.append(("accounts", Ask(_by_id(places(len(of_ids))), listed("account", of_ids), raw=True)))
        for kind in EndpointKind:
            for some in chunks(values[kind]):
                given = listed("value", some) | {"kind": kind.value}
                asks.append(("accounts", Ask(_by_endpoint(places(len(some))), given, raw=True)))
                asks.append(("endpoints", Ask(_endpoints(places(len(some))), given)))
        if since is not None:
            asks += [("grants", ask) for ask in _grants(set(numbers), set(account_ids), values, since)]
        for some in chunks({leg for _, leg in legs.values()}):
            asks.append(("calls", Ask(_calls(places(len(some))), listed("leg", some))))
        for some in chunks(set(keys)):
            asks.append(("holds", Ask(_holds(places(len(some))), listed("key", some))))
        found: dict[str, list[Any]] = {what: [] for what in _ASKED}
        for (what, _), answer in zip(asks, self._send(*(ask for _, ask in asks)), strict=True):
            found[what] += answer
        self._seen_version = found["version"][0]["version"]
        entries = [entry_of(row) for row in found["calls"]]
        return Seen(
            **self._accounts_of(found["accounts"]),
            endpoints={(EndpointKind(row["kind"]), row["value"]): row["account_id"] for row in found["endpoints"]},
            calls={entry.key: entry for entry in entries if entry.key in legs},
            holds={row["key"]: hold_of(row) for row in found["holds"]},
            grants=seen_grants(found["grants"]) if found["grants"] else {},
        )

    def _accounts_of(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Accounts, wallets and configurations of rows that have the columns of all three."""
        dialect = self._connection.dialect
        known = self._shared.accounts
        if len(known) > KNOWN_ACCOUNTS:
            known.clear()
        accounts: dict[int, Account] = {}
        wallets = {}
        configs = {}
        for row in rows:
            own, wallet, config = row[:_WALLET_AT], row[_WALLET_AT:_CONFIG_AT], row[_CONFIG_AT:]
            account = known.get(own)
            if account is None:
                account = known[own] = account_of(mappings(dialect, _ACCOUNT, [own])[0])
            accounts[account.id] = account
            wallets[account.id] = wallet_of(mappings(dialect, _WALLET, [wallet])[0])
            if config[0] is not None:
                configs[account.id] = config_of(mappings(dialect, _CONFIG, [config])[0])
        return {"accounts": accounts, "wallets": wallets, "configs": configs}

    def lock_tree(self) -> None:
        """See `ports.UnitOfWork`."""
        if self._locked_series is not None:
            raise StorageError("the tree is locked before wallets are")
        self._connection.execute(select(tables.locks.c.name).with_for_update())

    def lock(self, account_ids: Collection[int], series: Collection[Series] = ()) -> Locked:
        """See `ports.UnitOfWork`."""
        if self._locked_series is not None:
            raise StorageError("a transaction locks once, all that it needs: more would be out of order")
        asks = [
            Ask(_lock_wallets(places(len(some))), listed("account", some)) for some in chunks(sorted(set(account_ids)))
        ]
        waiting = len(asks)
        for some in chunks(sorted({issuer_id for issuer_id, _ in series})):
            asks.append(Ask(_lock_series(places(len(some))), listed("issuer", some)))
        # a series of which no number was given out has no row yet, and what is not there cannot be locked
        new = sorted((issuer_id, kind.value, 0) for issuer_id, kind in self._unknown(series))
        beginning: list[Step] = (
            [Insert(tables.series, ("issuer_id", "kind", "last_number"), new, adding=())] if new else []
        )
        with self._naming("a series") if new else nullcontext():
            answers = self._send(*asks[:waiting], *beginning, *asks[waiting:])
        del answers[waiting : waiting + len(beginning)]
        wallets = {row["account_id"]: wallet_of(row) for answer in answers[:waiting] for row in answer}
        for account_id in account_ids:
            if account_id not in wallets:
                raise NotFound(f"no account has the id {account_id}")
        self._locked_series = {
            (row["issuer_id"], DocumentKind(row["kind"])): row["last_number"]
            for answer in answers[waiting:]
            for row in answer
        }
        self.found.update((one, 0) for one in series)
        return Locked(wallets, {one: self._locked_series[one] for one in series})

    def _unknown(self, names: Collection[Any]) -> list[Any]:
        known = self._shared.known(names)
        return [name for name in names if name not in known and name not in self.found]

    def wallet(self, account_id: int) -> Wallet:
        """See `ports.UnitOfWork`."""
        row = self._first(select(tables.wallets).where(tables.wallets.c.account_id == account_id))
        if row is None:
            raise NotFound(f"no account has the id {account_id}")
        return wallet_of(row)


_ASKED = ("version", "accounts", "endpoints", "calls", "holds", "grants")
_VERSION = select(tables.price_versions.c.version)
_ACCOUNT = select(tables.accounts)
_WALLET = select(tables.wallets)
_CONFIG = select(tables.invoice_configs)
_WALLET_AT = len(tables.accounts.columns)
_CONFIG_AT = _WALLET_AT + len(tables.wallets.columns)


def _grants(
    numbers: Collection[str], ids: Collection[int], values: Mapping[EndpointKind, Sequence[str]], since: datetime
) -> Iterator[Ask]:
    """Asks for the included minutes of the accounts that are asked for."""
    for some in chunks(numbers):
        yield by_number(some, since)
    for of_ids in chunks(ids):
        yield by_id(of_ids, since)
    for kind, of_kind in values.items():
        for some in chunks(of_kind):
            yield by_endpoint(kind, some, since)


def _with_ancestors(seeds: Select[Any]) -> Select[Any]:
    """Accounts and all above them, with their wallets and configurations, all as of one moment."""
    accounts, wallets, configs = tables.accounts, tables.wallets, tables.invoice_configs
    walk = seeds.cte("walk", recursive=True)
    # UNION, not UNION ALL, ends even where the parents form a cycle
    walk = walk.union(select(accounts.c.id, accounts.c.parent_id).where(accounts.c.id == walk.c.parent_id))
    return (
        select(*accounts.columns, *wallets.columns, *configs.columns)
        .join(wallets, wallets.c.account_id == accounts.c.id)
        .outerjoin(configs, configs.c.account_id == accounts.c.id)
        .where(accounts.c.id.in_(select(walk.c.id)))
    )


@lru_cache(maxsize=32)
def _by_number(count: int) -> Select[Any]:
    accounts = tables.accounts.c
    named = accounts.number.in_(parameters("number", count, String()))
    return _with_ancestors(select(accounts.id, accounts.parent_id).where(named))


@lru_cache(maxsize=32)
def _by_id(count: int) -> Select[Any]:
    accounts = tables.accounts.c
    named = accounts.id.in_(parameters("account", count, Id))
    return _with_ancestors(select(accounts.id, accounts.parent_id).where(named))


@lru_cache(maxsize=32)
def _by_endpoint(count: int) -> Select[Any]:
    accounts, endpoints = tables.accounts, tables.endpoints
    seeds = select(accounts.c.id, accounts.c.parent_id).join(endpoints, endpoints.c.account_id == accounts.c.id)
    return _with_ancestors(seeds.where(*_endpoint_is(count)))


@lru_cache(maxsize=32)
def _endpoints(count: int) -> Select[Any]:
    return select(tables.endpoints).where(*_endpoint_is(count))


def _endpoint_is(count: int) -> tuple[Any, ...]:
    endpoints = tables.endpoints.c
    return endpoints.kind == parameter("kind", String()), endpoints.value.in_(parameters("value", count, String()))


@lru_cache(maxsize=32)
def _calls(count: int) -> Select[Any]:
    return select(tables.calls).where(tables.calls.c.leg_uuid.in_(parameters("leg", count, String())))


@lru_cache(maxsize=32)
def _holds(count: int) -> Select[Any]:
    return select(tables.holds).where(tables.holds.c.key.in_(parameters("key", count, String())))


@lru_cache(maxsize=32)
def _lock_wallets(count: int) -> Select[Any]:
    wallets = tables.wallets
    named = wallets.c.account_id.in_(parameters("account", count, Id))
    return select(wallets).where(named).order_by(wallets.c.account_id).with_for_update()


@lru_cache(maxsize=32)
def _lock_series(count: int) -> Select[Any]:
    series = tables.series
    named = series.c.issuer_id.in_(parameters("issuer", count, Id))
    return select(series).where(named).order_by(series.c.issuer_id, series.c.kind).with_for_update()
