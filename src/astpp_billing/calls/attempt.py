"""The attempt of a call, and what became of authorising it: money held for it, or the reason why not."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen
from attrs.converters import optional

from astpp_billing.calls.record import call_key, check_call_key, check_name, check_text
from astpp_billing.clock import to_epoch, utc
from astpp_billing.hierarchy import Account
from astpp_billing.ledger import HeldLevel, Hold, fingerprint


@frozen(kw_only=True)
class CallAttempt:
    """A call that is about to begin, as the switch asks for it.

    `switch_id` and `leg_uuid` are those that its `CallRecord` will have, and so is how the payer is named: by
    `account`, or else by `user` or `address`. `number` is the dialled number, digits only. `provider` is the account
    number of the carrier, where that is known already. `at` is the instant by whose rates the call is to be charged,
    None for the present.
    """

    switch_id: str = field(converter=check_name)
    leg_uuid: str = field(converter=check_name)
    number: str = field(converter=check_text)
    account: str | None = field(default=None, converter=optional(check_text))
    user: str | None = field(default=None, converter=optional(check_text))
    address: str | None = field(default=None, converter=optional(check_text))
    caller: str = field(default="", converter=check_text)
    provider: str | None = field(default=None, converter=optional(check_text))
    at: datetime | None = field(default=None, converter=optional(utc))

    def __attrs_post_init__(self) -> None:
        check_call_key(self.key)

    @property
    def key(self) -> str:
        """The key of the hold, and later of the call."""
        return call_key(self.switch_id, self.leg_uuid)

    def fingerprint(self) -> str:
        """A digest of all that the decision depends on, so that a repeat is told from a conflict."""
        at = None if self.at is None else to_epoch(self.at)
        return fingerprint("authorize", self.account, self.user, self.address, self.number, self.provider, at)


class RefusedReason(StrEnum):
    """Why a call may not begin, or not go on for longer."""

    UNKNOWN_ACCOUNT = "unknown account"
    ACCOUNT_CLOSED = "account closed"
    BAD_NUMBER = "not a phone number"
    NO_RATE_GROUP = "no rate group"
    NOT_OFFERED = "rate group not offered by the seller"
    NO_RATE = "no rate"
    NO_EXCHANGE_RATE = "no exchange rate"
    LOSS = "sold below its cost"
    NO_MONEY = "not enough money"
    TOO_LARGE = "amount too large"
    TOO_LONG = "longest call reached"
    MOVED = "another seller since the call was authorised"
    ENDED = "call has ended"


@frozen
class Approved:
    """A call that may last `max_seconds`, and the hold that pays for its first `hold.seconds`.

    The switch ends the call after `max_seconds`; before `hold.seconds` are over, it asks for more by `extend`.
    `repeated` where the same had been approved before, and nothing was changed.
    """

    max_seconds: int
    hold: Hold
    repeated: bool = False

    @property
    def levels(self) -> tuple[HeldLevel, ...]:
        """What is reserved in the wallet of each account that pays; the buyer first."""
        return self.hold.levels


@frozen
class Refused:
    """A call that may not begin, or not go on for longer; nothing was changed.

    `account` is the one on whose level it fails, None where there is none.
    """

    reason: RefusedReason
    account: Account | None = None
    detail: str = ""


Admitted = Approved | Refused
"""What authorising a call, or extending its hold, gives."""
