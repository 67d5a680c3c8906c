"""Rate groups, rates and exchange rates in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter

from attrs import evolve
from sqlalchemy import (
    RowMapping,
    String,
    delete,
    or_,
    select,
    true,
    type_coerce,
    update,
)

from astpp_billing.errors import AlreadyExists, NotFound
from astpp_billing.fx import ExchangeRate
from astpp_billing.pricing import Rate, RateGroup
from astpp_billing.pricing.ratefile import RateRow
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.mapping import exchange_rate_of, group_of, group_row
from astpp_billing.storage.sql.part import Part


class Prices(Part):
    """The part of a unit of work that knows prices."""

    _seen_version: int | None = None
    """The version of the prices, if `look` has told it in this transaction."""

    def price_version(self) -> int:
        """See `ports.UnitOfWork`."""
        if self._seen_version is not None:
            return self._seen_version
        version: int = self._connection.execute(select(tables.price_versions.c.version)).scalar_one()
        return version

    def _lock_prices(self) -> None:
        """Let nobody else change prices before this transaction ends."""
        self._connection.execute(select(tables.price_versions.c.version).with_for_update())

    def _changed(self) -> None:
        versions = tables.price_versions
        self._connection.execute(update(versions).values(version=versions.c.version + 1))
        self._seen_version = None

    def add_rate_group(self, group: RateGroup) -> None:
        """See `ports.UnitOfWork`."""
        self._lock_prices()
        self._insert(tables.rate_groups, group_row(group), f"rate group {group.name!r}")
        self._changed()

    def rate_groups(self) -> Sequence[RateGroup]:
        """See `ports.UnitOfWork`."""
        return [group_of(row) for row in self._all(select(tables.rate_groups).order_by(tables.rate_groups.c.name))]

    def import_rates(self, group_name: str, rows: Sequence[RateRow], valid_from: datetime | None) -> RateGroup:
        """See `ports.UnitOfWork`."""
        groups = tables.rate_groups
        self._lock_prices()
        with self._whole():
            found = self._first(select(groups).where(groups.c.name == group_name))
            if found is None:
                raise NotFound(f"no rate group is named {group_name!r}")
            group = evolve(group_of(found), version=found["version"] + 1)
            self._end_imports(found["id"], valid_from)
            row = {"group_id": found["id"], "version": group.version, "valid_from": valid_from}
            self._insert_rates(self._insert(tables.rate_imports, row, "an import"), rows)
            self._connection.execute(update(groups).where(groups.c.id == found["id"]).values(version=group.version))
            self._changed()
        return group

    def _end_imports(self, group_id: int, at: datetime | None) -> None:
        """Drop what came into force at an instant or later (None: ever), and end there what did before."""
        imports, rates = tables.rate_imports, tables.rates
        dropped = (imports.c.group_id == group_id, true() if at is None else imports.c.valid_from >= at)
        self._connection.execute(delete(rates).where(rates.c.import_id.in_(select(imports.c.id).where(*dropped))))
        self._connection.execute(delete(imports).where(*dropped))
        if at is not None:
            open_then = or_(imports.c.valid_until.is_(None), imports.c.valid_until > at)
            ended = update(imports).where(imports.c.group_id == group_id, open_then)
            self._connection.execute(ended.values(valid_until=at))

    def _insert_rates(self, import_id: int, rows: Sequence[RateRow]) -> None:
        """Insert rows by the driver's own `executemany`: their values go to the database as they are.

        SQLAlchemy would build a dictionary for each row and look at every value of it, which takes longer than
        the database does.
        """
        if rows:
            columns = [column.name for column in tables.rates.columns if column.name != "import_id"]
            mark = "?" if self._connection.dialect.paramstyle == "qmark" else "%s"
            statement = (
                f"INSERT INTO rates (import_id, {', '.join(columns)})"  # noqa: S608 - the columns are our own
                f" VALUES ({import_id}, {', '.join(mark for _ in columns)})"
            )
            with self._naming("a prefix of the import"):
                self._connection.exec_driver_sql(statement, list(rows))

    def rates(self, group_name: str) -> Sequence[Rate]:
        """See `ports.UnitOfWork`."""
        imports, groups = tables.rate_imports, tables.rate_groups
        query = select(imports).join(groups, groups.c.id == imports.c.group_id).where(groups.c.name == group_name)
        found: list[Rate] = []
        for each in self._all(query.order_by(imports.c.id)):
            found += self._rates_of(each)
        return sorted(found, key=attrgetter("prefix"))

    def _rates_of(self, each: RowMapping) -> Iterable[Rate]:
        rates = tables.rates.c
        prices = (type_coerce(rates.price_per_minute, String), type_coerce(rates.connection_fee, String))
        rest = (rates.included_seconds, rates.initial_increment, rates.increment)
        query = select(rates.prefix, rates.destination, *prices, *rest).where(rates.import_id == each["id"])
        dated = (each["valid_from"], each["valid_until"], each["version"])
        number = cache(Decimal)  # a deck has far fewer prices than rates
        for prefix, destination, per_minute, fee, included, initial, increment in self._connection.execute(query):
            yield Rate(prefix, number(per_minute), number(fee), included, initial, increment, destination, *dated)

    def add_exchange_rate(self, rate: ExchangeRate) -> None:
        """See `ports.UnitOfWork`."""
        self._lock_prices()
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
