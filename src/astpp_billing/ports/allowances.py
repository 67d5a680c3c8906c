"""Included minutes in the storage: how they are granted, and what calls have taken of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import field, frozen

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue
from astpp_billing.pricing.allowances import Grant, MinutesUsed


@frozen
class Carry:
    """Lets what is left of the grants of a source go on, where it is carried over: until `until` instead of `ended`.

    Only grants that expire at `ended` exactly, so doing it again changes nothing.
    """

    account_id: int
    source: str
    ended: datetime = field(converter=utc)
    until: datetime = field(converter=utc)

    def __attrs_post_init__(self) -> None:
        if self.until <= self.ended:
            raise InvalidValue(f"minutes until {self.ended} are not carried over until {self.until}")


@frozen
class Withdrawal:
    """Ends all grants of a source at an instant; those that have not begun by then never do.

    What calls have taken, and what is held for calls that are up, stays theirs.
    """

    account_id: int
    source: str
    at: datetime = field(converter=utc)


class AllowanceWork(Protocol):
    """The part of a unit of work that knows included minutes.

    They are changed by `save`: `Changes.withdrawn`, then `carried`, then `granted`, then `minutes`. Where that makes
    more of them than somebody may have seen, the wallet of their account gets the next epoch, so that whoever has
    decided by less is told; where there are fewer, the storage itself refuses to take what is not there.
    """

    def grants(self, account_id: int) -> Sequence[Grant]:
        """All grants of an account, by id."""
        ...

    def minutes_used(self, *, key: str | None = None, account_id: int | None = None) -> Sequence[MinutesUsed]:
        """What one call has taken from grants, or all calls of an account, or all there are; by grant and key."""
        ...
