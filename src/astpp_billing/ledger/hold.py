"""Holds: money reserved at every level of a path at once, until it is posted, given back, or lapses."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue
from astpp_billing.ledger.posting import check_key
from astpp_billing.money import check_micros


class HoldState(StrEnum):
    """What became of a hold; it leaves `OPEN` once."""

    OPEN = "open"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


@frozen
class HeldLevel:
    """What is reserved in one account's wallet, in micros of its currency; 0 is allowed."""

    account_id: int
    micros: int

    def __attrs_post_init__(self) -> None:
        if check_micros(self.micros, "hold") < 0:
            raise InvalidValue(f"a hold reserves a positive amount, not {self.micros} micros")


@frozen
class HeldMinutes:
    """What is reserved of included minutes, in seconds of one grant."""

    grant_id: int
    seconds: int

    def __attrs_post_init__(self) -> None:
        if self.seconds < 1:
            raise InvalidValue(f"a hold reserves a second at least, not {self.seconds}")


@frozen(kw_only=True)
class Hold:
    """Money reserved for one event, in the wallets of all that will be charged for it.

    `key` is that of the event's posting (for a call: `CallRecord.key`). `account_id` is the buyer. `levels` reserve the
    most that can leave each wallet because of it, with tax and what a receipt rounds up. `seconds` is how long a call
    the hold pays for, with the included `minutes` that are reserved besides. `fingerprint` stands for the command's
    content. `terms` is what was agreed, as text that only who placed the hold understands. It lapses at `expires_at`,
    unless it has ended before.
    """

    key: str = field(converter=check_key)
    account_id: int
    fingerprint: str
    placed_at: datetime = field(converter=utc)
    expires_at: datetime = field(converter=utc)
    levels: tuple[HeldLevel, ...]
    minutes: tuple[HeldMinutes, ...] = ()
    seconds: int = 0
    terms: str = ""
    state: HoldState = HoldState.OPEN

    def __attrs_post_init__(self) -> None:
        if self.expires_at <= self.placed_at:
            raise InvalidValue(f"hold {self.key} ends at {self.expires_at}, before it begins at {self.placed_at}")
        if len({level.account_id for level in self.levels}) < len(self.levels):
            raise InvalidValue(f"hold {self.key} has two amounts for one account")
        if len({one.grant_id for one in self.minutes}) < len(self.minutes):
            raise InvalidValue(f"hold {self.key} reserves minutes of one grant twice")
