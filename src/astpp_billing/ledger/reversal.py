"""Taking back what was posted, in whole or in parts: how much of each transfer goes back.

Parts are exact shares of the whole. Every amount is rounded once for the sum of all parts so far, half-up, and a part
is what this sum grows by: whatever the parts are, together they never take back more than the whole, and exactly the
whole once it is reached. What is left after parts of whatever weights is a rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from attrs import frozen

from astpp_billing.errors import InvalidValue
from astpp_billing.ledger.posting import Book, Transfer
from astpp_billing.money import part_of

_OF_DOCUMENTS = frozenset({Book.TAX, Book.ROUNDING})
_ALIKE: Mapping[int, Fraction] = {}
_WHOLE = Fraction(1)


@frozen
class Reversed:
    """A transfer that takes back one of the transfers of a posting: that at `position`, from 1."""

    position: int
    transfer: Transfer


def reversal(
    transfers: Sequence[Transfer], before: Fraction, part: Fraction, weights: Mapping[int, Fraction] = _ALIKE
) -> tuple[Reversed, ...]:
    """What takes back `part` of what was posted, after `before` of it was taken back already; both are shares of 1.

    `weights` are for transfers, by their position, of which less than the whole can be taken back (0: nothing); all
    parts of one posting have the same, but for `rest_of`. Taxes and the rounding of documents stay: they are taken back
    by the documents. What is less than half a micro has no transfer yet. Raises `InvalidValue` for a part that is not
    positive, or more than is left.
    """
    after = _check(before, part)
    found = []
    for position, one in enumerate(transfers, 1):
        if not _OF_DOCUMENTS & {one.source.book, one.target.book}:
            weight = weights.get(position, _WHOLE)
            micros = part_of(one.micros, after * weight) - part_of(one.micros, before * weight)
            if micros:
                found.append(Reversed(position, Transfer(one.target, one.source, micros)))
    return tuple(found)


def rest_of(transfers: Sequence[Transfer], taken: Mapping[int, int]) -> tuple[Reversed, ...]:
    """What takes back all that is left of what was posted, after so many micros of each transfer, by its position.

    Taxes and rounding stay, as in `reversal`. Raises `InvalidValue` where more was taken back than there was.
    """
    found = []
    for position, one in enumerate(transfers, 1):
        if not _OF_DOCUMENTS & {one.source.book, one.target.book}:
            left = one.micros - taken.get(position, 0)
            if left < 0:
                raise InvalidValue(f"{taken[position]} micros were taken back of transfer {position}, of {one.micros}")
            if left:
                found.append(Reversed(position, Transfer(one.target, one.source, left)))
    return tuple(found)


def _check(before: Fraction, part: Fraction) -> Fraction:
    if type(before) is not Fraction or type(part) is not Fraction:
        raise TypeError(f"a part is an exact fraction, not {part!r} after {before!r}")
    if not 0 <= before <= 1:
        raise InvalidValue(f"what was taken back before is from nothing to the whole, not {before}")
    if not 0 < part <= 1 - before:
        raise InvalidValue(f"a part is more than nothing and at most the {1 - before} that is left, not {part}")
    return before + part
