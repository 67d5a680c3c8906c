"""Rate groups, rates and exchange rates in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from attrs import evolve

from astpp_billing.clock import utc
from astpp_billing.errors import AlreadyExists, NotFound
from astpp_billing.fx import ExchangeRate
from astpp_billing.pricing import Rate, RateGroup
from astpp_billing.pricing.ratefile import RateRow
from astpp_billing.storage.memory.part import Part


class Prices(Part):
    """The part of a unit of work that knows prices."""

    def price_version(self) -> int:
        """See `ports.UnitOfWork`."""
        return self._tables.price_version.get(None, 0)

    def _prices_changed(self) -> None:
        self._put(self._tables.price_version, None, self.price_version() + 1)

    def add_rate_group(self, group: RateGroup) -> None:
        """See `ports.UnitOfWork`."""
        if group.name in self._tables.rate_groups:
            raise AlreadyExists(f"rate group {group.name!r} exists already")
        self._need_account(group.owner_id)
        self._put(self._tables.rate_groups, group.name, group)
        self._put(self._tables.rates, group.name, ())
        self._prices_changed()

    def rate_groups(self) -> Sequence[RateGroup]:
        """See `ports.UnitOfWork`."""
        return sorted(self._tables.rate_groups.values(), key=lambda group: group.name)

    def import_rates(self, group_name: str, rows: Sequence[RateRow], valid_from: datetime | None) -> RateGroup:
        """See `ports.UnitOfWork`."""
        if group_name not in self._tables.rate_groups:
            raise NotFound(f"no rate group is named {group_name!r}")
        if len({row[0] for row in rows}) < len(rows):
            raise AlreadyExists("a prefix of the import exists already")
        begin = None if valid_from is None else utc(valid_from)
        former = self._tables.rate_groups[group_name]
        group = evolve(former, version=former.version + 1)
        kept = () if begin is None else _ended(self._tables.rates[group_name], begin)
        new = [
            Rate(prefix, per_minute, fee, included, initial, increment, destination, begin, None, group.version)
            for prefix, destination, per_minute, fee, included, initial, increment in rows
        ]
        self._put(self._tables.rate_groups, group_name, group)
        self._put(self._tables.rates, group_name, (*kept, *new))
        self._prices_changed()
        return group

    def rates(self, group_name: str) -> Sequence[Rate]:
        """See `ports.UnitOfWork`."""
        return sorted(self._tables.rates.get(group_name, ()), key=lambda rate: rate.prefix)

    def add_exchange_rate(self, rate: ExchangeRate) -> None:
        """See `ports.UnitOfWork`."""
        for other in self._tables.exchange_rates.values():
            if other.valid_from == rate.valid_from and {other.base, other.quote} == {rate.base, rate.quote}:
                raise AlreadyExists(f"an exchange rate of {rate.base} and {rate.quote} from {rate.valid_from} exists")
        self._put(self._tables.exchange_rates, len(self._tables.exchange_rates) + 1, rate)
        self._prices_changed()

    def exchange_rates(self) -> Sequence[ExchangeRate]:
        """See `ports.UnitOfWork`."""
        return sorted(self._tables.exchange_rates.values(), key=lambda rate: rate.valid_from)


def _ended(rates: Iterable[Rate], at: datetime) -> Iterator[Rate]:
    """The rates that were in force before an instant, which end at it."""
    for rate in rates:
        if rate.valid_from is None or rate.valid_from < at:
            yield rate if rate.valid_until is not None and rate.valid_until <= at else evolve(rate, valid_until=at)
