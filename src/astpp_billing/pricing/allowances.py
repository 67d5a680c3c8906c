"""Included minutes: which of them a call uses, in which order, and what is left to be charged. Pure.

A grant is the time of one allowance that a buyer has been sold for one period. All accounts between the buyer and the
product's owner were sold the same time, so there is one counter for all of them, and what a call takes from it is
charged to none of them. Those above the owner were sold nothing: they pay for the whole call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from attrs import field, frozen

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue
from astpp_billing.money import check_whole
from astpp_billing.pricing.priced import CoveredCall, NotPriced, PathTerms, PricedCall
from astpp_billing.pricing.products import MAX_NAME, Direction, check_text

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
"""When included time expires that does not expire."""

MAX_SOURCE = 512
"""The longest key of an order or a subscription, in characters."""

MAX_GRANTED = 10**15
"""The longest time that one grant includes, in seconds: any quantity of any allowance."""


def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _ids(value: Iterable[int]) -> tuple[int, ...]:
    return tuple(value)


@frozen(kw_only=True)
class Grant:
    """Included time of one buyer: what one allowance of an order or a subscription gives for one period.

    `source` is the key of the order or subscription, `position` the place of the allowance in it, from 1. `seconds` is
    how much there was, `used_seconds` what calls have taken, `held_seconds` what is reserved for calls that are up. It
    is for calls that begin from `starts_at` on and before `expires_at` (`NEVER`: at any time). `levels` are the
    accounts that paid for it, the buyer first: none of them is charged for what a call takes.
    `carried_over`: what is left goes on when the source is renewed. `id` is 0 until it is stored.
    """

    id: int = 0
    account_id: int
    source: str
    position: int = 1
    prefixes: tuple[str, ...] = field(default=("",), converter=_names)
    direction: Direction = field(default=Direction.OUT, converter=Direction)
    seconds: int
    used_seconds: int = 0
    held_seconds: int = 0
    starts_at: datetime = field(converter=utc)
    expires_at: datetime = field(default=NEVER, converter=utc)
    carried_over: bool = False
    levels: tuple[int, ...] = field(converter=_ids)
    description: str = ""

    def __attrs_post_init__(self) -> None:
        if not 1 <= check_whole(self.seconds, "included time") <= MAX_GRANTED:
            raise InvalidValue(f"included time is 1 to {MAX_GRANTED} seconds, not {self.seconds}")
        taken = (check_whole(self.used_seconds, "used time"), check_whole(self.held_seconds, "held time"))
        if min(taken) < 0 or sum(taken) > self.seconds:
            raise InvalidValue(f"of {self.seconds} seconds, {taken[0]} are used and {taken[1]} are held")
        if self.expires_at < self.starts_at:
            raise InvalidValue(f"included time ends at {self.expires_at}, before it begins at {self.starts_at}")
        if not self.levels or self.levels[0] != self.account_id or len(set(self.levels)) < len(self.levels):
            raise InvalidValue(f"who paid for included time is the buyer {self.account_id} first, not {self.levels}")
        check_text(self.source, "the source of included time", least=1, most=MAX_SOURCE)
        check_text(self.description, "the description of included time", most=MAX_NAME)

    @property
    def left_seconds(self) -> int:
        """What may still be taken, or promised."""
        return self.seconds - self.used_seconds - self.held_seconds

    def match(self, number: str, at: datetime) -> int | None:
        """How long the longest of its prefixes is that a number begins with; None if it is not for such a call.

        The call is one that the buyer makes, and begins at the instant `at`.
        """
        if self.direction is Direction.IN or not self.starts_at <= at < self.expires_at:
            return None
        return max((len(prefix) for prefix in self.prefixes if number.startswith(prefix)), default=None)


@frozen
class MinutesUsed:
    """What the call, or the refund, with a key has taken from a grant, in seconds."""

    key: str
    grant_id: int
    seconds: int

    def __attrs_post_init__(self) -> None:
        if check_whole(self.seconds, "used time") < 1:
            raise InvalidValue(f"a call takes a second at least, not {self.seconds}")


@frozen
class Split:
    """The seconds of a call: those that each of some grants covers, in the order of use, and how many there are."""

    seconds: int
    taken: tuple[tuple[Grant, int], ...] = ()

    @property
    def covered(self) -> int:
        """How many seconds come from grants."""
        return sum(seconds for _, seconds in self.taken)

    @property
    def rest(self) -> int:
        """How many seconds the buyer is charged for."""
        return self.seconds - self.covered

    def rest_of(self, payer_id: int) -> int:
        """How many seconds one account on the path is charged for: all but those that it paid for already."""
        return self.seconds - sum(seconds for grant, seconds in self.taken if payer_id in grant.levels)


def in_order(grants: Iterable[Grant], number: str, at: datetime) -> list[Grant]:
    """The grants that a call to a number uses, in the order of use.

    The longest prefix first, then what expires first, then what was granted first.
    """
    found = [(grant, length) for grant in grants if (length := grant.match(number, at)) is not None]
    found.sort(key=lambda one: (-one[1], one[0].expires_at, one[0].id))
    return [grant for grant, _ in found]


def take(ordered: Iterable[Grant], seconds: int) -> Split:
    """Split a call of `seconds` among grants, which are used up one after the other."""
    taken: list[tuple[Grant, int]] = []
    rest = seconds
    for grant in ordered:
        if not rest:
            break
        most = min(rest, grant.left_seconds)
        if most > 0:
            taken.append((grant, most))
            rest -= most
    return Split(seconds, tuple(taken))


def most_seconds(ordered: Iterable[Grant], payer_id: int, payable: int, longest: int) -> int:
    """The longest call, up to `longest` seconds, of which an account is charged for `payable` seconds at the most."""
    total = charged = 0
    for grant in ordered:
        left = max(0, grant.left_seconds)
        if payer_id not in grant.levels:
            if charged + left > payable:
                break
            charged += left
        total += left
    return min(longest, total + payable - charged)


Pricing = Callable[[int], PricedCall | NotPriced]
"""Prices a call of so many seconds, all of them charged on every level."""


def price_rest(whole: PricedCall, split: Split, price: Pricing) -> PricedCall:
    """Price a call, whose price is known, without the seconds that grants cover: each level pays for its rest.

    By the same formula, so increments and fees are those of the rest, and no rest costs nothing. A commission is a
    share of what the level that it comes from pays. The provider is paid for the whole call.
    """
    if not split.taken:
        return whole
    rests = (*_rests(whole.terms, split), split.seconds)[: len(whole.amounts)]
    calls = {split.seconds: whole}
    for rest in {*rests}:
        if rest not in calls:
            part = price(rest)
            assert not isinstance(part, NotPriced)  # for it is shorter than the whole
            calls[rest] = part
    shares: list[int] = []
    source = whole
    for index, terms in enumerate(whole.terms.commissions):
        if terms.source is not None:
            source = calls[rests[terms.source]]
        shares.append(source.shares[index])
    amounts = tuple(calls[rest].amounts[index] for index, rest in enumerate(rests))
    return CoveredCall(whole.terms, split.seconds, amounts, tuple(shares), rests)


def _rests(terms: PathTerms, split: Split) -> Sequence[int]:
    return [split.rest_of(level.payer.id) for level in terms.levels]
