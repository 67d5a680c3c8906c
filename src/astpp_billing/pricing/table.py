"""The prefix index: an immutable sorted table of disjoint number ranges.

Every prefix is a range of numbers in alphabetical order: `44` is everything from `44` up to, not including, `45`.
Nested prefixes cut the range of the shorter one into pieces, so that the pieces of all prefixes together are disjoint
and one binary search finds the piece that a number lies in. Each piece knows the rates of its longest prefix and,
for calls at which none of those is in force, the piece of the next shorter one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from astpp_billing.errors import InvalidValue
from astpp_billing.money import EXACTLY
from astpp_billing.pricing.price import Terms
from astpp_billing.pricing.rates import Rate, RateGroup
from astpp_billing.pricing.wording import Wording

LAST = "\U0010ffff"
"""After every text that is looked up."""


class Node:
    """One prefix of a table: its rates, the newest first, and the node of the next shorter prefix."""

    __slots__ = ("_changes", "rates", "shorter", "timed")

    def __init__(self, rates: tuple[Rate, ...], shorter: Node | None) -> None:
        self.rates = rates
        self.shorter = shorter
        self.timed = any(rate.valid_from or rate.valid_until for rate in rates)
        self._changes: tuple[datetime, ...] | None = None

    def changes(self) -> tuple[datetime, ...]:
        """The instants at which one of its rates, or of the shorter prefixes', begins or ends to be in force."""
        if self._changes is None:
            instants = (instant for rate in self.rates for instant in (rate.valid_from, rate.valid_until))
            own = tuple(instant for instant in instants if instant is not None)
            shorter = () if self.shorter is None else self.shorter.changes()
            self._changes = own + shorter if own else shorter
        return self._changes

    def choose(self, at: datetime | None) -> Rate | None:
        """The rate in force at an instant, of the longest prefix that has one; without an instant the newest."""
        node: Node | None = self
        while node is not None:
            if at is None or not node.timed:
                return node.rates[0]
            for rate in node.rates:
                if rate.in_force(at):
                    return rate
            node = node.shorter
        return None


class RateTable:
    """An immutable index of rates by prefix.

    Two rates may share a prefix if they come into force at different instants; the later one then wins from its
    instant on. Anything else that leaves a price open is refused with `InvalidValue`.
    """

    __slots__ = ("_nodes", "_size", "_starts")

    def __init__(self, rates: Iterable[Rate]) -> None:
        by_prefix: dict[str, list[Rate]] = {}
        for rate in rates:
            by_prefix.setdefault(rate.prefix, []).append(rate)
        self._size = sum(map(len, by_prefix.values()))
        self._starts: list[str] = []
        self._nodes: list[Node | None] = []
        open_prefixes: list[tuple[str, Node]] = []
        for prefix in sorted(by_prefix):
            self._close(open_prefixes, prefix)
            node = Node(_newest_first(by_prefix[prefix]), open_prefixes[-1][1] if open_prefixes else None)
            self._begin(prefix, node)
            open_prefixes.append((prefix, node))
        self._close(open_prefixes, None)

    def _close(self, open_prefixes: list[tuple[str, Node]], following: str | None) -> None:
        """End the ranges that do not contain `following`; what comes after them belongs to the prefix around."""
        while open_prefixes and not (following and following.startswith(open_prefixes[-1][0])):
            prefix, node = open_prefixes.pop()
            self._begin(_end_of(prefix), node.shorter)

    def _begin(self, start: str, node: Node | None) -> None:
        if self._starts and self._starts[-1] == start:
            self._nodes[-1] = node
        else:
            self._starts.append(start)
            self._nodes.append(node)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Rate]:
        """The rates, by prefix; of one prefix the newest first."""
        seen: set[int] = set()
        for node in self._nodes:
            if node is not None and id(node) not in seen:
                seen.add(id(node))
                yield from node.rates

    def range_of(self, number: str) -> tuple[str, str, Node | None]:
        """A range of numbers, from its start up to its end, around `number`, and the node that they all have."""
        index = bisect_right(self._starts, number)
        end = self._starts[index] if index < len(self._starts) else LAST
        return (self._starts[index - 1], end, self._nodes[index - 1]) if index else ("", end, None)

    def find(self, number: str, at: datetime | None = None) -> Rate | None:
        """The rate for a number: of those in force at an instant, the one with the longest prefix.

        Without an instant, the newest rate of the longest prefix. `number` is digits only; None where no prefix
        matches.
        """
        index = bisect_right(self._starts, number)
        node = self._nodes[index - 1] if index else None
        return None if node is None else node.choose(at)


class Tariff:
    """A rate group with its rates, ready for charging; built once for each version of the group."""

    __slots__ = ("_terms", "_wordings", "group", "table")

    def __init__(self, group: RateGroup, table: RateTable) -> None:
        self.group = group
        self.table = table
        self._terms: dict[int, tuple[Terms, Rate]] = {}  # by id(rate), kept alive so that no other takes its id
        self._wordings: dict[int, tuple[Wording, Rate]] = {}

    def terms(self, rate: Rate) -> Terms:
        """The terms of one of the group's rates; worked out at its first use."""
        known = self._terms.get(id(rate))
        if known is None:
            known = self._terms[id(rate)] = (Terms.in_group(rate, self.group), rate)
        return known[0]

    def wording(self, rate: Rate) -> Wording:
        """The words about prices by one of the group's rates; prepared at its first use."""
        known = self._wordings.get(id(rate))
        if known is None:
            known = self._wordings[id(rate)] = (Wording(rate, self.group, self.terms(rate)), rate)
        return known[0]

    def per_minute(self, rate: Rate) -> Decimal:
        """The price per minute of one of the group's rates after markup, exactly."""
        factor = EXACTLY.scaleb(EXACTLY.add(self.group.markup_percent, 100), -2)
        return EXACTLY.multiply(rate.price_per_minute, factor)


def _newest_first(rates: list[Rate]) -> tuple[Rate, ...]:
    if len(rates) == 1:
        return (rates[0],)
    starts = [rate.valid_from for rate in rates]
    if len(set(starts)) != len(starts):
        raise InvalidValue(f"two rates for the prefix {rates[0].prefix} come into force at the same time")
    dated = sorted((rate for rate in rates if rate.valid_from), key=lambda rate: rate.valid_from, reverse=True)  # type: ignore[arg-type,return-value]
    return (*dated, *(rate for rate in rates if rate.valid_from is None))


def _end_of(prefix: str) -> str:
    """The first text after all texts that begin with `prefix`; `:` follows `9` in ASCII."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
