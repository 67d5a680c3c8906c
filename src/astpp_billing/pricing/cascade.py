"""The cascade: what every account on the path of a call pays to its parent, and who is paid a commission.

Level i is what account i of the path pays to account i+1. A distributor and a customer pay by their own rate group; a
commission reseller passes on the price that its child is charged (rules, section 4). A price is worked out once in
its group's currency and from there converted once into each payer's currency, so no rounding ever adds to another.

Pricing is fast because a path learns: the first call to a number finds, in every tariff on the path, the range that
the number lies in, and keeps the range that all of them have in common with the terms of every level. Later calls to
that range are one binary search and integer arithmetic.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from threading import Lock
from typing import TypeVar

from astpp_billing.errors import InvalidValue, MissingExchangeRate
from astpp_billing.fx import Conversion, ExchangeRates
from astpp_billing.hierarchy import Account, Kind, Path, check_path, price_owner
from astpp_billing.money import MAX_MICROS, most_within
from astpp_billing.pricing.price import LONGEST, check_length
from astpp_billing.pricing.priced import (
    CommissionTerms,
    LevelTerms,
    NotPriced,
    NotPricedReason,
    PathTerms,
    PricedCall,
)
from astpp_billing.pricing.rates import Rate
from astpp_billing.pricing.table import LAST, Tariff

T = TypeVar("T")

_Rounding = tuple[int, int, int]
"""What multiplies an amount and rounds it half-up: `(amount * a + b) // c`."""

_Step = tuple[int, int, int, int, int, int, int, tuple[_Rounding, ...] | None]
_Share = tuple[int | None, _Rounding]


class _Plan:
    """The integers of one `PathTerms`, multiplied in advance wherever that saves work for each call.

    There is a step for each price, with a rounding for each level that pays it (None: one level, in the group's own
    currency).
    `buyer` is whose call it was made for first: all buyers that share what was learned have the same plan.
    `longest` is the longest call none of whose amounts is beyond the largest one that can be kept.
    """

    __slots__ = ("buyer", "longest", "shares", "steps", "terms")

    def __init__(self, terms: PathTerms, buyer: Account) -> None:
        runs: list[list[LevelTerms]] = []
        for index, level in enumerate(terms.payments):
            if index > 0 and level.payer.is_commission_reseller:
                runs[-1].append(level)
            else:
                runs.append([level])
        self.buyer = buyer
        self.terms = terms
        self.steps = tuple(map(_step, runs))
        self.shares = _shared(tuple((share.source, _rounding(share.factor)) for share in terms.commissions))
        self.longest = _longest(terms)


def _step(run: Sequence[LevelTerms]) -> _Step:
    terms = run[0].terms
    scale = terms.micros_per_unit
    if len(run) == 1 and scale == 1 and not run[0].conversion.steps:
        return *terms.factors, None
    return *terms.factors, _shared(tuple(_rounding(level.conversion.factor, scale) for level in run))


def _rounding(factor: Fraction, scale: int = 1) -> _Rounding:
    return 2 * scale * factor.numerator, factor.denominator, 2 * factor.denominator


@lru_cache(maxsize=4096)
def _shared(value: T) -> T:
    """One object for all equal ones: the less memory plans take, the more of them the processor's cache holds."""
    return value


def _longest(terms: PathTerms) -> int:
    limits = [MAX_MICROS] * len(terms.payments)
    limit = MAX_MICROS
    for share in reversed(terms.commissions):  # a pool is limited by itself, and by the one that is taken from it
        factor = share.factor
        limit = min(MAX_MICROS, most_within(limit, factor.numerator, factor.denominator)) if factor else MAX_MICROS
        if share.source is not None:
            limits[share.source] = limit
            limit = MAX_MICROS
    return min(map(_longest_at, terms.payments, limits), default=LONGEST)


def _longest_at(level: LevelTerms, limit: int) -> int:
    if limit == MAX_MICROS and not level.conversion.steps:
        return level.terms.longest
    return level.max_seconds(limit, LONGEST)


class _Cell:
    """A range of numbers in which every tariff on the path has the same candidates, from `start` up to `end`.

    `changes` are the instants at which one of its rates or exchange rates begins or ends; between two of them all
    calls share one plan.
    """

    __slots__ = ("changes", "end", "plans", "start")

    def __init__(self, start: str, end: str, changes: tuple[datetime, ...]) -> None:
        self.start = start
        self.end = end
        self.changes = changes
        self.plans: list[_Plan | None] = [None] * (len(changes) + 1)


class Cascade:
    """A path with the tariffs that its accounts pay by: prices any number of calls, from any thread.

    `tariffs` gives, by the payer's account id, its tariffs in the order in which they are asked for a rate: its own
    rates first, then its rate group. Commission resellers need none unless they call themselves. `termination` is
    the provider's account and tariff, where the admin's cost is known.
    """

    def __init__(
        self,
        path: Path,
        tariffs: Mapping[int, Sequence[Tariff]],
        exchange_rates: ExchangeRates | None = None,
        termination: tuple[Account, Tariff] | None = None,
    ) -> None:
        self.path = check_path(path)
        self.tariffs = {
            payer.id: tuple(tariffs.get(payer.id, ()))
            for index, payer in enumerate(self.path[:-1])
            if not self._passes_on(index)
        }
        self.exchange_rates = ExchangeRates() if exchange_rates is None else exchange_rates
        self.termination = termination
        self._buyer = self.path[0]
        self._refusal = self._check_offers()
        self._starts: list[str] = []
        self._cells: list[_Cell] = []
        self._learning = Lock()

    def for_buyer(self, buyer: Account) -> Cascade:
        """The cascade of another buyer, which pays the same seller by the same tariffs and in the same currency.

        What the one learns about numbers, the other knows, however many of them there are. Raises `InvalidValue` for a
        buyer in another currency, `HierarchyError` for one that has another seller.
        """
        if buyer.currency != self._buyer.currency:
            raise InvalidValue(f"{buyer.number} pays in {buyer.currency}, {self._buyer.number} does not")
        tariffs = {**self.tariffs, buyer.id: self.tariffs.get(self._buyer.id, ())}
        other = Cascade((buyer, *self.path[1:]), tariffs, self.exchange_rates, self.termination)
        other._starts, other._cells, other._learning = self._starts, self._cells, self._learning
        return other

    def _passes_on(self, index: int) -> bool:
        # a commission reseller that is the buyer has no child whose price it could pass on
        return index > 0 and self.path[index].is_commission_reseller

    def _check_offers(self) -> NotPriced | None:
        if self.termination is not None:
            provider, tariff = self.termination
            if provider.kind is not Kind.PROVIDER or tariff.group.owner_id != provider.id:
                detail = (
                    f"rate group {tariff.group.name!r}, by which termination is paid, is not one of a provider's own"
                )
                return NotPriced(NotPricedReason.NOT_OFFERED, self.path[-1], detail)
        for index, payer in enumerate(self.path[:-1]):
            if self._passes_on(index):
                continue
            tariffs = self.tariffs[payer.id]
            if not tariffs:
                return NotPriced(NotPricedReason.NO_RATE_GROUP, payer, f"account {payer.number} has no rate group")
            owner = price_owner(self.path, index)
            for tariff in tariffs:
                if tariff.group.owner_id != owner.id:
                    detail = f"rate group {tariff.group.name!r} of {payer.number} is not one of {owner.number}'s"
                    return NotPriced(NotPricedReason.NOT_OFFERED, payer, detail)
        return None

    def price(self, number: str, seconds: int, at: datetime) -> PricedCall | NotPriced:
        """Price a call to `number` of `seconds` that starts at `at` (UTC), on every level.

        A number that the provider's tariff does not know costs the admin nothing: the call is charged all the same.
        Raises `InexactAmount` for seconds that are no int, and `InvalidValue` for negative ones.
        """
        plan = self._plan(number, at)
        if isinstance(plan, NotPriced):
            return plan
        if type(seconds) is not int or not 0 < seconds <= plan.longest:
            return self._unusual(plan, seconds)
        # all roundings are round_half_up of numbers that are never negative
        amounts: list[int] = []
        for included, fee, begun, increment, start, per_block, divisor, roundings in plan.steps:
            if seconds > begun:
                units = (start - (begun - seconds) // increment * per_block) // divisor
            else:
                units = start // divisor if seconds > included else fee
            if roundings is None:
                amounts.append(units)
                continue
            for factor, half, whole in roundings:
                amounts.append((units * factor + half) // whole)
        shares: list[int] = []
        for source, (factor, half, whole) in plan.shares:
            pool = shares[-1] if source is None else amounts[source]
            shares.append((pool * factor + half) // whole)
        terms = plan.terms if plan.buyer is self._buyer else self._mine(plan.terms)
        return PricedCall(terms, seconds, tuple(amounts), tuple(shares))

    def _unusual(self, plan: _Plan, seconds: int) -> PricedCall | NotPriced:
        if check_length(seconds):
            detail = f"a call of {seconds} s comes to more than the largest amount"
            return NotPriced(NotPricedReason.TOO_LARGE, self.path[0], detail)
        terms = self._mine(plan.terms)
        return PricedCall(terms, 0, (0,) * len(terms.payments), (0,) * len(plan.shares))

    def terms(self, number: str, at: datetime) -> PathTerms | NotPriced:
        """By what every level would pay for a call to `number` that starts at `at`, whatever its length."""
        plan = self._plan(number, at)
        return plan if isinstance(plan, NotPriced) else self._mine(plan.terms)

    def _mine(self, terms: PathTerms) -> PathTerms:
        """The terms that were found for another buyer, for this one."""
        if not terms.levels or terms.levels[0].payer is self._buyer:
            return terms
        first, *above = terms.levels
        own = LevelTerms(self._buyer, first.payee, first.tariff, first.rate, first.conversion)
        return PathTerms((own, *above), terms.commissions, terms.termination)

    def _plan(self, number: str, at: datetime) -> _Plan | NotPriced:
        index = bisect_right(self._starts, number)
        cell = self._cells[index - 1] if index else None
        # the number may lie behind the cell's end, or another thread have moved the cells on by one since the search
        if cell is None or number >= cell.end:
            if self._refusal is not None:
                return self._refusal
            cell = self._learn(number)
        era = bisect_right(cell.changes, at)
        plan = cell.plans[era]
        if plan is None:
            terms = self._path_terms(number, at)
            if isinstance(terms, NotPriced):
                return terms
            plan = cell.plans[era] = _Plan(terms, self._buyer)
        return plan

    def _learn(self, number: str) -> _Cell:
        tariffs = [tariff for offered in self.tariffs.values() for tariff in offered]
        if self.termination is not None:
            tariffs.append(self.termination[1])
        start, end = "", LAST
        changes: set[datetime] = set()
        for tariff in tariffs:
            begins, ends, node = tariff.table.range_of(number)
            start, end = max(start, begins), min(end, ends)
            changes.update(() if node is None else node.changes())
        exchanges = self.exchange_rates.changes  # the tuple itself where it will do, to save memory
        cell = _Cell(start, end, tuple(sorted(changes.union(exchanges))) if changes else exchanges)
        with self._learning:
            index = bisect_left(self._starts, start)
            if index < len(self._starts) and self._starts[index] == start:
                return self._cells[index]
            self._cells.insert(index, cell)  # first, so that there is a cell for every start
            self._starts.insert(index, start)
        return cell

    def _path_terms(self, number: str, at: datetime) -> PathTerms | NotPriced:
        levels: list[LevelTerms] = []
        try:
            for index, (payer, payee) in enumerate(pairwise(self.path)):
                if self._passes_on(index):
                    tariff, rate = levels[-1].tariff, levels[-1].rate
                else:
                    tariff, rate = self._choose(payer, number, at)
                conversion = self._convert(tariff.group.currency, payer.currency, at, payer)
                levels.append(LevelTerms(payer, payee, tariff, rate, conversion))
            return PathTerms(tuple(levels), self._commissions(levels, at), self._termination(number, at))
        except _Refused as refused:
            return refused.reason

    def _choose(self, payer: Account, number: str, at: datetime) -> tuple[Tariff, Rate]:
        """The rate for a number in the first of the payer's tariffs that has one, whatever the length of its prefix."""
        for tariff in self.tariffs[payer.id]:
            rate = tariff.table.find(number, at)
            if rate is not None:
                return tariff, rate
        raise _Refused(NotPriced(NotPricedReason.NO_RATE, payer, f"account {payer.number} has no rate for {number}"))

    def _convert(self, base: str, quote: str, at: datetime, account: Account) -> Conversion:
        try:
            return self.exchange_rates.find(base, quote, at)
        except MissingExchangeRate as error:
            raise _Refused(NotPriced(NotPricedReason.NO_EXCHANGE_RATE, account, str(error))) from None

    def _termination(self, number: str, at: datetime) -> LevelTerms | None:
        if self.termination is None:
            return None
        admin = self.path[-1]
        provider, tariff = self.termination
        rate = tariff.table.find(number, at)
        if rate is None:
            return None
        conversion = self._convert(tariff.group.currency, provider.currency, at, admin)
        return LevelTerms(admin, provider, tariff, rate, conversion)

    def _commissions(self, levels: Sequence[LevelTerms], at: datetime) -> tuple[CommissionTerms, ...]:
        # For each run of commission resellers, from the top down: the topmost shares the price it passes on, each
        # further one what the one above is paid. The buyer, who sells to nobody, earns nothing.
        commissions: list[CommissionTerms] = []
        for index in range(len(levels) - 1, 0, -1):
            payer, payee = levels[index].payer, levels[index].payee
            if payer.is_commission_reseller:
                source = None if payee.is_commission_reseller else index
                base = payer.currency if source is not None else payee.currency
                conversion = self._convert(base, payer.currency, at, payer)
                commissions.append(CommissionTerms(payee, payer, source, conversion))
        return tuple(commissions)


class _Refused(Exception):
    def __init__(self, reason: NotPriced) -> None:
        super().__init__(reason.detail)
        self.reason = reason
