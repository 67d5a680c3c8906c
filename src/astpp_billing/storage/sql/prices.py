"""Rate groups, rates and exchange rates in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve
from sqlalchemy import delete, insert, or_, select, update

from astpp_billing.clock import to_epoch
from astpp_billing.errors import AlreadyExists, NotFound
from astpp_billing.fx import ExchangeRate
from astpp_billing.pricing import Rate, RateGroup
from astpp_billing.pricing.ratefile import RateRow
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.mapping import exchange_rate_of, group_of, group_row, rate_of
from astpp_billing.storage.sql.part import Part

_RATE_COLUMNS = [
    "group_id",
    "version",
    "valid_from",
    "prefix",
    "destination",
    "price_per_minute",
    "connection_fee",
    "included_seconds",
    "initial_increment",
    "increment",
]


class Prices(Part):
    """The part of a unit of work that knows prices."""

    def price_version(self) -> int:
        """See `ports.UnitOfWork`."""
        return self._connection.execute(select(tables.price_versions.c.version)).scalar_one_or_none() or 0

    def _changed(self) -> None:
        versions = tables.price_versions
        if self._connection.execute(update(versions).values(version=versions.c.version + 1)).rowcount == 0:
            self._connection.execute(insert(versions), [{"id": 1, "version": 1}])

    def add_rate_group(self, group: RateGroup) -> None:
        """See `ports.UnitOfWork`."""
        self._insert(tables.rate_groups, group_row(group), f"rate group {group.name!r}")
        self._changed()

    def rate_groups(self) -> Sequence[RateGroup]:
        """See `ports.UnitOfWork`."""
        return [group_of(row) for row in self._all(select(tables.rate_groups).order_by(tables.rate_groups.c.name))]

    def import_rates(self, group_name: str, rows: Sequence[RateRow], valid_from: datetime | None) -> RateGroup:
        """See `ports.UnitOfWork`."""
        groups, rates = tables.rate_groups, tables.rates
        found = self._first(select(groups).where(groups.c.name == group_name))
        if found is None:
            raise NotFound(f"no rate group is named {group_name!r}")
        group = evolve(group_of(found), version=found["version"] + 1)
        of_group = rates.c.group_id == found["id"]
        if valid_from is None:
            self._connection.execute(delete(rates).where(of_group))
        else:
            self._connection.execute(delete(rates).where(of_group, rates.c.valid_from >= valid_from))
            open_ended = or_(rates.c.valid_until.is_(None), rates.c.valid_until > valid_from)
            self._connection.execute(update(rates).where(of_group, open_ended).values(valid_until=valid_from))
        begin = None if valid_from is None else to_epoch(valid_from)
        head = (found["id"], group.version, begin)
        # a row's values go to the database as they are: texts and whole numbers
        values = [(*head, row[0], row[1], row[2], row[3], row[4], row[5], row[6]) for row in rows]
        if values:
            self._insert_many(rates, _RATE_COLUMNS, values)
        self._connection.execute(update(groups).where(groups.c.id == found["id"]).values(version=group.version))
        self._changed()
        return group

    def rates(self, group_name: str) -> Sequence[Rate]:
        """See `ports.UnitOfWork`."""
        rates, groups = tables.rates, tables.rate_groups
        query = select(rates).join(groups, groups.c.id == rates.c.group_id).where(groups.c.name == group_name)
        return [rate_of(row) for row in self._all(query.order_by(rates.c.prefix, rates.c.id))]

    def add_exchange_rate(self, rate: ExchangeRate) -> None:
        """See `ports.UnitOfWork`."""
        row = {name: getattr(rate, name) for name in ("base", "quote", "rate", "valid_from", "source")}
        what = f"the exchange rate {rate.base}/{rate.quote} from {rate.valid_from}"
        inverse = (tables.exchange_rates.c.base == rate.quote) & (tables.exchange_rates.c.quote == rate.base)
        query = select(tables.exchange_rates.c.id).where(inverse, tables.exchange_rates.c.valid_from == rate.valid_from)
        if self._first(query) is not None:
            raise AlreadyExists(f"{what} exists already, the other way round")
        self._insert(tables.exchange_rates, row, what)
        self._changed()

    def exchange_rates(self) -> Sequence[ExchangeRate]:
        """See `ports.UnitOfWork`."""
        query = select(tables.exchange_rates).order_by(tables.exchange_rates.c.valid_from, tables.exchange_rates.c.id)
        return [exchange_rate_of(row) for row in self._all(query)]
