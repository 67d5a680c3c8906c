"""The rules of sections 3, 4 and 8, written down as plainly as they read; slow, and sharing no code."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import pairwise, permutations
from math import ceil, floor

from astpp_billing.fx import ExchangeRate
from astpp_billing.hierarchy import Account, Path
from astpp_billing.money import plain
from astpp_billing.pricing import Cascade, Explanation, Rate, RateGroup, Tariff


def half_up(value: Fraction, places: int = 6) -> Fraction:
    """Rounded half-up to decimal places; for values that are not negative."""
    return Fraction(floor(value * 10**places + Fraction(1, 2)), 10**places)


def charged_seconds(seconds: int, included: int, initial: int, increment: int) -> int:
    billable = seconds - included
    if billable <= 0:
        return 0
    return initial + ceil(Fraction(max(0, billable - initial), increment)) * increment


def price(rate: Rate, group: RateGroup, seconds: int) -> Fraction:
    if seconds < 1:
        return Fraction(0)
    initial = group.default_initial_increment if rate.initial_increment is None else rate.initial_increment
    increment = group.default_increment if rate.increment is None else rate.increment
    charged = charged_seconds(seconds, rate.included_seconds, initial, increment)
    per_minute = Fraction(rate.price_per_minute) * (1 + Fraction(group.markup_percent) / 100)
    return half_up(Fraction(rate.connection_fee) + per_minute * charged / 60, group.places)


def find(rates: Iterable[Rate], number: str, at: datetime | None = None) -> Rate | None:
    """The rate in force with the longest prefix; of two for one prefix the one that came into force last."""
    found = None
    for rate in rates:
        if not number.startswith(rate.prefix):
            continue
        if at is not None and not (rate.valid_from is None or rate.valid_from <= at):
            continue
        if at is not None and not (rate.valid_until is None or at < rate.valid_until):
            continue
        if found is None or _rank(rate) > _rank(found):
            found = rate
    return found


def _rank(rate: Rate) -> tuple[int, bool, datetime | None]:
    return len(rate.prefix), rate.valid_from is not None, rate.valid_from


def factor(rates: Sequence[ExchangeRate], base: str, quote: str, at: datetime) -> Fraction | None:
    """By every route over the rates in force: the shortest; of those the first in the alphabet, from the lesser end."""
    if base == quote:
        return Fraction(1)
    if base > quote:
        found = factor(rates, quote, base, at)
        return None if found is None else 1 / found
    newest: dict[frozenset[str], ExchangeRate] = {}
    for rate in sorted(rates, key=lambda rate: rate.valid_from):
        if rate.valid_from <= at:
            newest[frozenset((rate.base, rate.quote))] = rate
    others = sorted({code for pair in newest for code in pair} - {base, quote})
    for length in range(len(others) + 1):
        for between in sorted(permutations(others, length)):
            steps = list(pairwise((base, *between, quote)))
            if all(frozenset(step) in newest for step in steps):
                result = Fraction(1)
                for one, other in steps:
                    rate = newest[frozenset((one, other))]
                    result *= (
                        Fraction(rate.rate) if (rate.base, rate.quote) == (one, other) else 1 / Fraction(rate.rate)
                    )
                return result
    return None


def amounts(cascade: Cascade, number: str, seconds: int, at: datetime) -> list[tuple[int, int, str, Fraction]]:
    """Every payment of a call: payer, payee, currency, amount; levels, termination, and then commissions."""
    path = cascade.path
    known = list(cascade.exchange_rates)

    def convert(amount: Fraction, base: str, quote: str) -> Fraction:
        by = factor(known, base, quote, at)
        assert by is not None
        return amount if base == quote else half_up(amount * by)

    def level(tariffs: Sequence[Tariff]) -> tuple[str, Fraction] | None:
        for tariff in tariffs:
            rate = find(tariff.table, number, at)
            if rate is not None:
                return tariff.group.currency, price(rate, tariff.group, seconds)
        return None

    payments: list[tuple[int, int, str, Fraction]] = []
    agreed: tuple[str, Fraction] | None = None
    for index, (payer, payee) in enumerate(pairwise(path)):
        if index == 0 or not payer.is_commission_reseller:
            agreed = level(cascade.tariffs[payer.id])
        assert agreed is not None
        payments.append((payer.id, payee.id, payer.currency, convert(agreed[1], agreed[0], payer.currency)))
    if cascade.termination is not None:
        provider, tariff = cascade.termination
        cost = level([tariff])
        if cost is not None:
            payments.append((path[-1].id, provider.id, provider.currency, convert(cost[1], cost[0], provider.currency)))
    for run in runs(path):
        seller = path[path.index(run[0]) + 1]
        pool = payments[path.index(run[0])][3]
        code = run[0].currency
        for receiver in run:
            share = Fraction(receiver.commission_percent) / 100
            by = factor(known, code, receiver.currency, at)
            assert by is not None
            pool = half_up(pool * share * by)
            payments.append((seller.id, receiver.id, receiver.currency, pool))
            seller, code = receiver, receiver.currency
    return payments


def runs(path: Path) -> list[list[Account]]:
    """The runs of commission resellers that sell on a path, each from the top down, the topmost run first."""
    found: list[list[Account]] = []
    above: Account | None = None
    for account in reversed(path[1:]):
        if account.is_commission_reseller:
            if above is not None and above.is_commission_reseller:
                found[-1].append(account)
            else:
                found.append([account])
        above = account
    return found


def text(it: Explanation) -> str:
    """An explanation in words, one step after the other."""
    code, rate = it.group.currency, it.rate
    version = f" version {rate.version}" if rate.version else ""
    where = f" {rate.destination}" if rate.destination else ""
    lines = [f"rate {rate.prefix}{where} of group {it.group.name!r}{version}"]
    if it.seconds < 1:
        return "\n".join([*lines, "0 s: not answered, nothing is charged"])
    if it.charged_seconds == 0:
        lines.append(f"{it.seconds} s, {rate.included_seconds} s included: only the connection fee")
    else:
        included = f" - {rate.included_seconds} s included" if rate.included_seconds else ""
        steps = f"{it.initial_increment} s" + (f" + {it.blocks} x {it.increment} s" if it.blocks else "")
        lines.append(f"{it.seconds} s{included} = {it.billable_seconds} s, charged {steps} = {it.charged_seconds} s")
    markup = f" + {plain(it.group.markup_percent)} % markup" if it.group.markup_percent else ""
    fee = f"{plain(rate.connection_fee)} connection + " if rate.connection_fee else ""
    lines.append(
        f"{fee}{plain(rate.price_per_minute)}{markup} per minute x {it.charged_seconds} s / 60"
        f" = {plain(it.price)} {code} ({it.group.places} places)"
    )
    if it.conversion.steps:
        steps = ", ".join(
            f"1 {step.base} = {plain(step.rate)} {step.quote} from {step.valid_from:%Y-%m-%d} ({step.source})"
            for step in it.conversion.steps
        )
        lines.append(f"{plain(it.price)} {code} = {plain(it.amount)} {it.conversion.quote} by {steps}")
    return "\n".join(lines)
