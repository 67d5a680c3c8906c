"""The cascade: what every account on the path of a call pays to its parent, and who is paid a commission.

Level i is what account i of the path pays to account i+1. A distributor and a customer pay by their own rate group; a
commission reseller passes on the price that its child is charged (DESIGN section 4). A price is worked out once in
its group's currency and from there converted once into each payer's currency, so no rounding ever adds to another.

Pricing is fast because a path learns: the first call to a number finds, in every tariff on the path, the range that
the number lies in, and keeps the range that all of them have in common with the terms of every level. Later calls to
that range are one binary search and integer arithmetic.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from threading import Lock

from astpp_billing.errors import MissingExchangeRate
from astpp_billing.fx import Conversion, ExchangeRates, same_currency
from astpp_billing.hierarchy import Account, Path, check_path, price_owner
from astpp_billing.money import PLACES
from astpp_billing.pricing.priced import (
    CommissionTerms,
    LevelTerms,
    NotPriced,
    NotPricedReason,
    PathTerms,
    PricedCall,
)
from astpp_billing.pricing.rates import Rate
from astpp_billing.pricing.table import Tariff

_Step = tuple[bool, int, int, int, int, int, int, int, int, int]
_Share = tuple[int | None, int, int]


class _Plan:
    """The integers of one `PathTerms`, doubled where that saves a multiplication in rounding half-up."""

    __slots__ = ("shares", "steps", "terms")

    def __init__(self, terms: PathTerms) -> None:
        self.terms = terms
        paying = terms.levels if terms.termination is None else (*terms.levels, terms.termination)
        self.steps: tuple[_Step, ...] = tuple(
            _step(level, passes_on=index > 0 and level.payer.is_commission_reseller)
            for index, level in enumerate(paying)
        )
        self.shares: tuple[_Share, ...] = tuple(map(_share, terms.commissions))


def _step(level: LevelTerms, *, passes_on: bool) -> _Step:
    terms = level.tariff.terms(level.rate)
    factor = level.conversion.factor
    return (
        passes_on,
        terms.included,
        terms.initial,
        terms.increment,
        2 * terms.fee + terms.denominator,
        2 * terms.per_second,
        2 * terms.denominator,
        10 ** (PLACES - terms.places),
        factor.numerator if level.conversion.steps else 0,
        factor.denominator,
    )


def _share(terms: CommissionTerms) -> _Share:
    factor = terms.conversion.factor
    numerator, denominator = terms.receiver.commission_percent.as_integer_ratio()
    return terms.source, numerator * factor.numerator, denominator * 100 * factor.denominator


class _Cell:
    """A range of numbers in which every tariff on the path has the same candidates, from `start` up to `end`.

    `changes` are the instants at which one of its rates or exchange rates begins or ends; between two of them all
    calls share one plan.
    """

    __slots__ = ("changes", "end", "plans", "start")

    def __init__(self, start: str, end: str, changes: list[datetime]) -> None:
        self.start = start
        self.end = end
        self.changes = changes
        self.plans: dict[int, _Plan] = {}


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
        self.tariffs = {account_id: tuple(offered) for account_id, offered in tariffs.items()}
        self.exchange_rates = ExchangeRates() if exchange_rates is None else exchange_rates
        self.termination = termination
        self._refusal = self._check_offers()
        self._starts: list[str] = []
        self._cells: dict[str, _Cell] = {}
        self._learning = Lock()

    def _passes_on(self, index: int) -> bool:
        # a commission reseller that is the buyer has no child whose price it could pass on
        return index > 0 and self.path[index].is_commission_reseller

    def _check_offers(self) -> NotPriced | None:
        for index, payer in enumerate(self.path[:-1]):
            if self._passes_on(index):
                continue
            tariffs = self.tariffs.get(payer.id, ())
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
        """
        plan = self._plan(number, at)
        if isinstance(plan, NotPriced):
            return plan
        amounts: list[int] = []
        if seconds < 1:
            return PricedCall(plan.terms, seconds, (0,) * len(plan.steps), (0,) * len(plan.shares))
        micros = 0
        for passes_on, included, initial, increment, fee, per_second, denominator, scale, factor, divisor in plan.steps:
            if not passes_on:
                rest = seconds - included
                if rest > 0:
                    rest -= initial
                    charged = initial if rest <= 0 else initial - (-rest // increment) * increment
                    micros = (fee + per_second * charged) // denominator * scale
                else:
                    micros = fee // denominator * scale
            # both roundings are round_half_up of numbers that are never negative
            amounts.append((2 * micros * factor + divisor) // (2 * divisor) if factor else micros)
        shares: list[int] = []
        for source, numerator, divisor in plan.shares:
            pool = shares[-1] if source is None else amounts[source]
            shares.append((2 * pool * numerator + divisor) // (2 * divisor))
        return PricedCall(plan.terms, seconds, tuple(amounts), tuple(shares))

    def terms(self, number: str, at: datetime) -> PathTerms | NotPriced:
        """By what every level would pay for a call to `number` that starts at `at`, whatever its length."""
        plan = self._plan(number, at)
        return plan if isinstance(plan, NotPriced) else plan.terms

    def _plan(self, number: str, at: datetime) -> _Plan | NotPriced:
        index = bisect_right(self._starts, number)
        cell = self._cells[self._starts[index - 1]] if index else None
        # the bounds are checked because another thread may have added a cell since the search
        if cell is None or not cell.start <= number < cell.end:
            if self._refusal is not None:
                return self._refusal
            cell = self._learn(number)
        era = bisect_right(cell.changes, at)
        plan = cell.plans.get(era)
        if plan is None:
            terms = self._path_terms(number, at)
            if isinstance(terms, NotPriced):
                return terms
            plan = cell.plans[era] = _Plan(terms)
        return plan

    def _learn(self, number: str) -> _Cell:
        tariffs = [tariff for offered in self.tariffs.values() for tariff in offered]
        if self.termination is not None:
            tariffs.append(self.termination[1])
        bounds = [tariff.table.range_of(number) for tariff in tariffs]
        start, end = max(bound[0] for bound in bounds), min(bound[1] for bound in bounds)
        changes = set(self.exchange_rates.changes)
        for tariff in tariffs:
            node = tariff.table.node(number)
            changes.update(() if node is None else node.changes())
        cell = _Cell(start, end, sorted(changes))
        with self._learning:
            if start in self._cells:
                return self._cells[start]
            self._cells[start] = cell  # before its start can be found
            insort(self._starts, start)
        return cell

    def _path_terms(self, number: str, at: datetime) -> PathTerms | NotPriced:
        levels: list[LevelTerms] = []
        payer = self.path[0]
        try:
            for index, (payer, payee) in enumerate(pairwise(self.path)):
                if self._passes_on(index):
                    tariff, rate = levels[-1].tariff, levels[-1].rate
                else:
                    chosen = _choose(self.tariffs[payer.id], number, at)
                    if chosen is None:
                        detail = f"account {payer.number} has no rate for {number}"
                        return NotPriced(NotPricedReason.NO_RATE, payer, detail)
                    tariff, rate = chosen
                levels.append(LevelTerms(payer, payee, tariff, rate, self._convert(tariff, payer, at)))
            commissions = self._commissions(levels, at)
            payer = self.path[-1]
            termination = self._termination(number, at)
        except MissingExchangeRate as error:
            return NotPriced(NotPricedReason.NO_EXCHANGE_RATE, payer, str(error))
        return PathTerms(tuple(levels), commissions, termination)

    def _convert(self, tariff: Tariff, payer: Account, at: datetime) -> Conversion:
        return self.exchange_rates.find(tariff.group.currency, payer.currency, at)

    def _termination(self, number: str, at: datetime) -> LevelTerms | None:
        if self.termination is None:
            return None
        provider, tariff = self.termination
        chosen = _choose((tariff,), number, at)
        if chosen is None:
            return None
        return LevelTerms(self.path[-1], provider, tariff, chosen[1], self._convert(tariff, provider, at))

    def _commissions(self, levels: Sequence[LevelTerms], at: datetime) -> tuple[CommissionTerms, ...]:
        # For each run of commission resellers, from the top down: the topmost shares the price it passes on, each
        # further one what the one above is paid. The buyer, who sells to nobody, earns nothing.
        commissions: list[CommissionTerms] = []
        for index in range(len(levels) - 1, 0, -1):
            payer, payee = levels[index].payer, levels[index].payee
            if not payer.is_commission_reseller:
                continue
            if payee.is_commission_reseller:
                conversion = self.exchange_rates.find(payee.currency, payer.currency, at)
                commissions.append(CommissionTerms(payee, payer, None, conversion))
            else:
                commissions.append(CommissionTerms(payee, payer, index, same_currency(payer.currency)))
        return tuple(commissions)


def _choose(tariffs: Sequence[Tariff], number: str, at: datetime) -> tuple[Tariff, Rate] | None:
    """The rate for a number in the first tariff that has one, whatever the length of its prefix."""
    for tariff in tariffs:
        rate = tariff.table.find(number, at)
        if rate is not None:
            return tariff, rate
    return None
