"""Prices in use: rate groups, rates, exchange rates, and the cascades that are built of them and kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from threading import Lock

from attrs import evolve

from astpp_billing.clock import Clock, from_epoch, to_epoch, utc
from astpp_billing.errors import CurrencyMismatch, InvalidValue, NotFound
from astpp_billing.fx import ExchangeRate, ExchangeRates
from astpp_billing.hierarchy import Account, Kind, Path
from astpp_billing.ledger import fingerprint
from astpp_billing.money import Exact, exact
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.pricing import Cascade, Rate, RateGroup, RateTable, Tariff
from astpp_billing.pricing.ratefile import read_rate_file
from astpp_billing.services.again import again
from astpp_billing.services.once import Once

MAX_CASCADES = 10_000
"""How many cascades are kept at the most: a path that changes, or is not called for long, makes room for others."""


class PriceBook:
    """Tariffs and cascades, built once for each version of the prices and shared by all threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._version = -1
        self._groups: dict[str, RateGroup] = {}
        self._tariffs: dict[RateGroup, Tariff] = {}
        self._cascades: dict[tuple[Path, Account | None], Cascade] = {}
        self._firsts: dict[tuple[Path, Account | None, str, str | None, str | None], Cascade] = {}
        self.exchange_rates = ExchangeRates()

    def cascade(self, uow: UnitOfWork, path: Path, carrier: Account | None = None) -> Cascade:
        """The cascade of a path by the newest prices.

        The admin pays by its own rate group, as every account does: one that a provider offers. `carrier` is the
        provider whose group counts instead, where a call says who carried it.
        """
        with self._lock:
            self._refresh(uow)
            key = (path, carrier)  # whole accounts: one that has changed makes another path
            cascade = self._cascades.pop(key, None) or self._share(uow, path, carrier)
            if len(self._cascades) >= MAX_CASCADES:
                del self._cascades[next(iter(self._cascades))]
            self._cascades[key] = cascade  # as the last one, so that the first is the one not used for longest
            return cascade

    def tariff(self, uow: UnitOfWork, group_name: str) -> Tariff:
        """A rate group with its rates, of the newest version; `NotFound` if there is none."""
        with self._lock:
            self._refresh(uow)
            return self._tariff(uow, group_name)

    def rates(self, uow: UnitOfWork) -> ExchangeRates:
        """The newest exchange rates."""
        with self._lock:
            self._refresh(uow)
            return self.exchange_rates

    def _refresh(self, uow: UnitOfWork) -> None:
        version = uow.price_version()
        if version == self._version:
            return
        self._groups = {group.name: group for group in uow.rate_groups()}
        self.exchange_rates = ExchangeRates(uow.exchange_rates())
        self._tariffs = {
            group: tariff for group, tariff in self._tariffs.items() if self._groups.get(group.name) == group
        }
        self._cascades.clear()
        self._firsts.clear()
        self._version = version

    def _tariff(self, uow: UnitOfWork, name: str) -> Tariff:
        group = self._groups.get(name)
        if group is None:
            raise NotFound(f"no rate group is named {name!r}")
        if group not in self._tariffs:
            self._tariffs[group] = Tariff(group, RateTable(uow.rates(name)))
        return self._tariffs[group]

    def _share(self, uow: UnitOfWork, path: Path, carrier: Account | None) -> Cascade:
        """A cascade that shares what it learns with those of other buyers on the same terms."""
        buyer = path[0]
        key = (path[1:], carrier, buyer.currency, buyer.own_rate_group, buyer.rate_group)
        first = self._firsts.get(key)
        if first is not None and len(path) > 1:
            return first.for_buyer(buyer)
        if len(self._firsts) >= MAX_CASCADES:
            self._firsts.clear()
        cascade = self._firsts[key] = self._build(uow, path, carrier)
        return cascade

    def _build(self, uow: UnitOfWork, path: Path, carrier: Account | None) -> Cascade:
        def offered(payer: Account) -> Sequence[Tariff]:
            names = filter(None, (payer.own_rate_group, payer.rate_group))
            # a group that does not exist (any more) is like none: the call is kept as unrated, not lost
            return [self._tariff(uow, name) for name in names if name in self._groups]

        tariffs = {payer.id: found for payer in path[:-1] if (found := offered(payer))}
        termination = None
        name = carrier.rate_group if carrier is not None else path[-1].rate_group
        if name is not None and name in self._groups:
            tariff = self._tariff(uow, name)
            termination = (carrier or uow.account(tariff.group.owner_id), tariff)
        return Cascade(path, tariffs, self.exchange_rates, termination)


class Prices:
    """The use cases of prices.

    What changes them takes a `key`, as in `Accounts`; a repeat returns what the first one returned.
    """

    def __init__(self, storage: Storage, clock: Clock, book: PriceBook) -> None:
        self._storage = storage
        self._clock = clock
        self._book = book
        self._once = Once(storage, clock)

    def add_group(
        self,
        name: str,
        owner: Account,
        *,
        currency: str | None = None,
        markup_percent: Exact = 0,
        default_initial_increment: int = 1,
        default_increment: int = 1,
        places: int = 6,
        key: str | None = None,
    ) -> RateGroup:
        """Open a rate group that `owner` (a seller, or a provider for termination) offers.

        Its currency is the owner's unless another is named. Raises `AlreadyExists` where the name is taken.
        """
        if owner.kind is Kind.CUSTOMER:
            raise InvalidValue(f"a customer sells nothing, so {owner.number} cannot offer a rate group")
        if owner.is_commission_reseller:
            raise InvalidValue(f"a commission reseller sells at its parent's prices, so {owner.number} offers no group")
        group = RateGroup(
            name=name,
            owner_id=owner.id,
            currency=currency or owner.currency,
            markup_percent=exact(markup_percent, "markup"),
            default_initial_increment=default_initial_increment,
            default_increment=default_increment,
            places=places,
        )

        def do(uow: UnitOfWork) -> str:
            uow.add_rate_group(group)
            return ""

        return self._once(key, ("add rate group", group), do, lambda uow, _: group)

    @again
    def groups(self) -> Sequence[RateGroup]:
        """All rate groups, by name."""
        with self._storage.snapshot() as uow:
            return uow.rate_groups()

    def import_file(
        self, group_name: str, lines: Iterable[str], *, valid_from: datetime | None = None, key: str | None = None
    ) -> RateGroup:
        """Let the rates of a file in ASTPP's CSV format be those of a group, as its next version.

        The first import of a group holds always; a later one from `valid_from` on (the present, if not given), and what
        was in force before ends there. Raises `RateFileError` naming line, column and value, and `CurrencyMismatch`
        where the headings name another currency than the group's; nothing is imported then.
        """
        file = read_rate_file(lines)
        given = None if valid_from is None else utc(valid_from, "valid_from")

        def do(uow: UnitOfWork) -> str:
            group = _named(uow.rate_groups(), group_name)
            if file.currency not in (None, group.currency):
                raise CurrencyMismatch(
                    f"the file's prices are in {file.currency}, those of rate group {group_name!r} in {group.currency}"
                )
            begin = given if given is not None or group.version == 0 else self._clock.now()
            return str(uow.import_rates(group_name, file.rows, begin).version)

        def show(uow: UnitOfWork, version: str) -> RateGroup:
            return evolve(_named(uow.rate_groups(), group_name), version=int(version))

        # the rows as text: there may be very many, and making it takes a moment only
        content = ("import rates", group_name, file.currency, fingerprint(repr(file.rows)), given)
        return self._once(key, content, do, show)

    @again
    def find(self, group_name: str, number: str, at: datetime | None = None) -> tuple[Tariff, Rate] | None:
        """The rate that a group has for a number at an instant (the present, if not given), with its tariff."""
        with self._storage.snapshot() as uow:
            tariff = self._book.tariff(uow, group_name)
        rate = tariff.table.find(number, self._clock.now() if at is None else utc(at))
        return None if rate is None else (tariff, rate)

    @again
    def rates(self, group_name: str) -> Sequence[Rate]:
        """The rates of a group, of all versions, by prefix; `NotFound` if there is no such group."""
        with self._storage.snapshot() as uow:
            _named(uow.rate_groups(), group_name)
            return uow.rates(group_name)

    @again
    def exchange_rates(self) -> Sequence[ExchangeRate]:
        """All exchange rates that were set."""
        with self._storage.snapshot() as uow:
            return uow.exchange_rates()

    def set_exchange_rate(
        self,
        base: str,
        quote: str,
        rate: Exact,
        *,
        valid_from: datetime | None = None,
        source: str = "manual",
        key: str | None = None,
    ) -> ExchangeRate:
        """Let one unit of `base` cost `rate` units of `quote` from an instant on (the present, if not given)."""
        dated = ExchangeRate(base, quote, exact(rate, "exchange rate"), valid_from or self._clock.now(), source)

        def do(uow: UnitOfWork) -> str:
            uow.add_exchange_rate(dated)
            return str(to_epoch(dated.valid_from))

        def show(uow: UnitOfWork, begin: str) -> ExchangeRate:
            return evolve(dated, valid_from=from_epoch(int(begin)))

        content = ("set exchange rate", base, quote, dated.rate, source, valid_from)
        return self._once(key, content, do, show)


def _named(groups: Iterable[RateGroup], name: str) -> RateGroup:
    for group in groups:
        if group.name == name:
            return group
    raise NotFound(f"no rate group is named {name!r}")
