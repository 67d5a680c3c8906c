"""Reports from the ledger: what sellers have earned, account statements, and what accounts have used."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction

from attrs import Factory, define, evolve, frozen

from astpp_billing.errors import InvalidValue, MissingExchangeRate
from astpp_billing.fx import ExchangeRates
from astpp_billing.hierarchy import SELLERS, Account
from astpp_billing.ledger import Book, CommissionGroup, Flow, LedgerAccount, Used, profit
from astpp_billing.money import Money, round_half_up
from astpp_billing.periods import Period, day_of, local_date, month_of
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.services.again import again
from astpp_billing.services.commissions import (
    CommissionLines,
    CommissionRow,
    CommissionStatement,
    commission_lines,
)
from astpp_billing.services.statement import Statement, running


class Every(StrEnum):
    """The local days or months that a report has rows for."""

    DAY = "day"
    MONTH = "month"


@frozen(kw_only=True)
class Profit:
    """What one seller has earned: as a bag of exact amounts, and in its own currency.

    `earned` has one amount for each currency in which it is not zero. `amount` is all of it in the currency of the
    account: each amount by the exchange rate in force when it was posted, added up exactly, and rounded half-up once to
    six places. `unconverted` is what is not in `amount`, because no rate was known when it was posted.

    `day` is the first local day of the period, None where the report has no periods. `destination` is what was sold;
    None for what was earned without selling, and where the report does not tell destinations apart.
    """

    account: Account
    day: date | None = None
    destination: str | None = None
    amount: Money
    earned: tuple[Money, ...]
    unconverted: tuple[Money, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all that was earned is in `amount`."""
        return not self.unconverted


@frozen
class ProfitReport:
    """What one seller has earned in a period: `rows` by day or month, and destination; and `total`, all of it.

    Rows in which nothing was earned in any currency are left out. What is `earned` in the rows adds up to that of the
    total exactly. As each `amount` is rounded once, those of the rows may differ from the total by half a micro each.
    """

    account: Account
    period: Period
    rows: tuple[Profit, ...]
    total: Profit


@frozen
class UsedCredit:
    """What an account was charged for the calls that started on a local day, or in a month that begins with `day`."""

    day: date
    amount: Money
    calls: int
    seconds: int


class Reports:
    """The use cases of reports. Each of them sees everything as it is at one moment, and waits for nobody.

    What was posted from `since` up to `until` is in a report. A call is posted when its record comes; used figures
    alone go by the time at which it started.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @again
    def profit(
        self,
        account: Account,
        since: datetime,
        until: datetime,
        *,
        every: Every | None = None,
        destinations: bool = False,
    ) -> ProfitReport:
        """What a seller has earned, in its own currency: revenue and commissions, less what it paid for what it sold.

        With `every`, by the local days or months of its time zone; the first and the last one may be parts. With
        `destinations`, by what it sold. Raises `InvalidValue` for a period that ends before it starts.
        """
        period = Period(since, until)
        with self._storage.snapshot() as uow:
            account = uow.account(account.id)
            starts = _starts(period, every, account.timezone)
            earned = _earned(uow, [account], period, starts, destinations=destinations)
        everything, sums = _Sum(account), {}
        for (_, start, destination), one in sorted(earned.items(), key=lambda item: _order(item[0])):
            sums[start, destination] = one
            everything += one
        rows = []
        for (start, destination), one in sums.items():
            day = None if every is None else _first_day(period, start, every, account.timezone)
            rows.append(one.profit(day, destination))
        return ProfitReport(account, period, tuple(row for row in rows if row.earned), everything.profit())

    @again
    def profits(self, since: datetime, until: datetime, *, parent: Account | None = None) -> tuple[Profit, ...]:
        """What each seller has earned, in its own currency: all there are, or `parent` and those below it.

        By id; those that have earned nothing, too. Raises `InvalidValue` for a period that ends before it starts.
        """
        period = Period(since, until)
        with self._storage.snapshot() as uow:
            sellers = _sellers(uow.accounts(), parent)
            earned = _earned(uow, sellers, period, (period.start,))
        empty = {account.id: _Sum(account) for account in sellers}
        return tuple(earned.get((account.id, period.start, None), empty[account.id]).profit() for account in sellers)

    @again
    def commissions(
        self, account: Account, since: datetime, until: datetime, *, every: Every | None = None
    ) -> CommissionStatement:
        """Who paid an account commissions, and what it paid on to those below it, by kind of event.

        With `every`, by the local days or months of its time zone. A seller that only pays commissions has a statement,
        too. Raises `InvalidValue` for a period that ends before it starts.
        """
        period = Period(since, until)
        with self._storage.snapshot() as uow:
            account = uow.account(account.id)
            starts = _starts(period, every, account.timezone)
            rates = ExchangeRates(uow.exchange_rates())
            sums, net = _commissions(uow, account, period, starts, rates)
            others = {group.other_id: uow.account(group.other_id) for group in sums}
        rows = []
        for group, micros in sorted(sums.items(), key=lambda item: _commission_order(item[0], others)):
            day = None if every is None else _first_day(period, group.since, every, account.timezone)
            rows.append(
                CommissionRow(
                    day=day,
                    reason=group.reason,
                    received=group.received,
                    other=others[group.other_id],
                    amount=Money.from_micros(micros, group.currency),
                )
            )
        total = net.profit()
        return CommissionStatement(
            account=account,
            period=period,
            rows=tuple(rows),
            received=_bag_of(row.amount for row in rows if row.received),
            paid_on=_bag_of(row.amount for row in rows if not row.received),
            net=total.earned,
            amount=total.amount,
            unconverted=total.unconverted,
        )

    @contextmanager
    def commission_lines(self, account: Account, since: datetime, until: datetime) -> Iterator[CommissionLines]:
        """Every commission that `commissions` adds up, with the key of its posting; to be used as `statement` is."""
        period = Period(since, until)
        with self._storage.snapshot() as uow:
            account = uow.account(account.id)
            with closing(uow.commission_entries(account.id, period.start, period.end)) as entries:
                yield CommissionLines(account, period, commission_lines(entries))

    @contextmanager
    def statement(self, account: Account, since: datetime, until: datetime) -> Iterator[Statement]:
        """An account's statement: the balance before, every movement of its wallet, and the balance after.

        To be used with `with`; the lines are read from the storage as they are asked for, and this thread can do
        nothing else with it meanwhile.

        ```python
        with billing.reports.statement(account, since, until) as statement:
            for line in statement.lines:
                print(line.entry.at, line.amount, line.balance)
        ```

        Raises `InvalidValue` for a period that ends before it starts.
        """
        period = Period(since, until)
        with self._storage.snapshot() as uow:
            account = uow.account(account.id)
            wallet = LedgerAccount(account.id, Book.WALLET, account.currency)
            opening, last = (
                Money.from_micros(uow.balance_at(wallet, instant), account.currency)
                for instant in (period.start, period.end)
            )
            # on some servers the connection is of no use before the rest was read, or given up
            with closing(uow.entries(wallet, period.start, period.end)) as entries:
                yield Statement(account, period, opening, last, running(opening, entries))

    @again
    def used(self, account: Account, since: date, until: date, *, every: Every = Every.DAY) -> tuple[UsedCredit, ...]:
        """What an account was charged for calls on its local days from `since` up to, and without, `until`.

        One row for each day or month with calls, the oldest first; of a month, only the days that were asked for.
        Raises `InvalidValue` where there is no day in between.
        """
        if since >= until:
            raise InvalidValue(f"there is no day from {since} up to {until}")
        with self._storage.snapshot() as uow:
            account = uow.account(account.id)
            days = uow.used(account.id, since, until)
        sums: dict[date, Used] = {}
        for day, used in sorted(days.items()):
            start = day.replace(day=1) if every is Every.MONTH else day
            sums[start] = sums.get(start, Used()) + used
        return tuple(
            UsedCredit(day, Money.from_micros(used.micros, account.currency), used.calls, used.seconds)
            for day, used in sums.items()
        )


_Key = tuple[int, datetime, str | None]
"""An account's id, the start of a period, and a destination."""


@define
class _Sum:
    """Profits that are added up: in each currency, in that of the account (exactly), and those without a rate."""

    account: Account
    exact: Fraction = Fraction(0)
    earned: dict[str, int] = Factory(dict)
    unconverted: dict[str, int] = Factory(dict)

    def add(self, bag: Mapping[str, int], rates: ExchangeRates, at: datetime) -> None:
        """Add amounts, by currency, that were all posted while the rates of one instant were in force."""
        for currency, micros in bag.items():
            _add(self.earned, currency, micros)
            try:
                self.exact += micros * rates.find(currency, self.account.currency, at).factor
            except MissingExchangeRate:
                _add(self.unconverted, currency, micros)

    def __iadd__(self, other: _Sum) -> _Sum:
        self.exact += other.exact
        for own, others in ((self.earned, other.earned), (self.unconverted, other.unconverted)):
            for currency, micros in others.items():
                _add(own, currency, micros)
        return self

    def profit(self, day: date | None = None, destination: str | None = None) -> Profit:
        """The sum, rounded once."""
        micros = round_half_up(self.exact.numerator, self.exact.denominator)
        return Profit(
            account=self.account,
            day=day,
            destination=destination,
            amount=Money.from_micros(micros, self.account.currency),
            earned=_bag(self.earned),
            unconverted=_bag(self.unconverted),
        )


def _add(sums: dict[str, int], currency: str, micros: int) -> None:
    sums[currency] = sums.get(currency, 0) + micros


def _bag_of(amounts: Iterable[Money]) -> tuple[Money, ...]:
    sums: dict[str, int] = {}
    for amount in amounts:
        _add(sums, amount.currency, amount.micros)
    return _bag(sums)


def _bag(sums: Mapping[str, int]) -> tuple[Money, ...]:
    return tuple(Money.from_micros(micros, currency) for currency, micros in sorted(sums.items()) if micros)


def _earned(
    uow: UnitOfWork,
    accounts: Sequence[Account],
    period: Period,
    starts: Sequence[datetime],
    *,
    destinations: bool = False,
) -> Mapping[_Key, _Sum]:
    """What accounts have earned in each of the periods that begin at `starts`, the last of which ends with `period`.

    The storage adds up what lies between two moments at which a period begins, or an exchange rate changes: so each
    sum has one rate.
    """
    rates = ExchangeRates(uow.exchange_rates())
    cuts = (cut for cut in rates.changes if cut in period)
    moments = (*sorted({*starts, *cuts}), period.end)
    known = {account.id: account for account in accounts}
    flows: dict[tuple[_Key, datetime], dict[Flow, int]] = {}
    for group, micros in uow.flows_between(list(known), moments, destinations=destinations).items():
        start = starts[bisect_right(starts, group.since) - 1]
        key = (group.account_id, start, group.destination)
        flows.setdefault((key, group.since), {})[group.flow] = micros
    sums: dict[_Key, _Sum] = {}
    for (key, since), of_span in flows.items():
        sums.setdefault(key, _Sum(known[key[0]])).add(profit(of_span), rates, since)
    return sums


def _commissions(
    uow: UnitOfWork, account: Account, period: Period, starts: Sequence[datetime], rates: ExchangeRates
) -> tuple[Mapping[CommissionGroup, int], _Sum]:
    """The commissions of an account in each of the periods that begin at `starts`, and all of them together."""
    cuts = (cut for cut in rates.changes if cut in period)
    moments = (*sorted({*starts, *cuts}), period.end)
    sums: dict[CommissionGroup, int] = {}
    net = _Sum(account)
    for group, micros in uow.commissions_between(account.id, moments).items():
        net.add({group.currency: micros}, rates, group.since)
        start = starts[bisect_right(starts, group.since) - 1]
        of_period = evolve(group, since=start)
        sums[of_period] = sums.get(of_period, 0) + micros
    return {group: micros for group, micros in sums.items() if micros}, net


def _commission_order(group: CommissionGroup, accounts: Mapping[int, Account]) -> tuple[object, ...]:
    return group.since, group.reason, not group.received, accounts[group.other_id].number, group.currency


def _order(key: _Key) -> tuple[datetime, bool, str]:
    _, start, destination = key
    return start, destination is None, destination or ""


def _starts(period: Period, every: Every | None, timezone: str) -> tuple[datetime, ...]:
    """The instants at which the local days or months of a period begin; the first one is its own start."""
    if every is None:
        return (period.start,)
    starts = []
    start = period.start
    while start < period.end:
        starts.append(start)
        start = _local(start, every, timezone).end
    return tuple(starts)


def _local(instant: datetime, every: Every, timezone: str) -> Period:
    return day_of(instant, timezone) if every is Every.DAY else month_of(instant, timezone)


def _first_day(period: Period, start: datetime, every: Every, timezone: str) -> date:
    """The local day, or the first one of the local month, that an instant belongs to."""
    return local_date(_local(start, every, timezone).start, timezone)


def _sellers(accounts: Iterable[Account], parent: Account | None) -> list[Account]:
    """The accounts that sell, by id: all, or one and those below it."""
    known = {account.id: account for account in accounts}
    sellers = [account for account in known.values() if account.kind in SELLERS]
    if parent is None:
        return sellers
    children: dict[int | None, list[int]] = {}
    for account in sellers:
        children.setdefault(account.parent_id, []).append(account.id)
    below, ahead = {parent.id}, [parent.id]
    while ahead:
        found = children.get(ahead.pop(), [])
        below.update(found)
        ahead += found
    return [account for account in sellers if account.id in below]
