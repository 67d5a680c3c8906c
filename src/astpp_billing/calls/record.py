"""The call record: one billable leg, as a switch reports it."""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen
from attrs.converters import optional

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue
from astpp_billing.ledger import MAX_KEY

MAX_TEXT = 255
"""The most characters of any text in a record."""

MAX_SECONDS = 10 * 24 * 3600
"""The longest call that is believed: ten days. A longer one is a broken clock or a stuck channel."""


def check_name(value: object) -> str:
    """Give back the name of a switch or a leg; `InvalidValue` if it is none."""
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT:
        raise InvalidValue(f"a switch or leg is named by a text of 1 to {MAX_TEXT} characters, not {value!r:.80}")
    return check_text(value)


def check_text(value: object) -> str:
    """Give back a text as calls have them; `InvalidValue` if it is too long, or no database takes it."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or _unwritable(value):
        raise InvalidValue(f"a text of a call record has at most {MAX_TEXT} characters of Unicode, not {value!r:.80}")
    return value


def _unwritable(value: str) -> bool:
    # half of a surrogate pair is no character, and no database takes it; a NUL is one that PostgreSQL does not take
    return "\0" in value or (not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value))


@frozen(kw_only=True)
class CallRecord:
    """One billable leg.

    `switch_id` and `leg_uuid` together are the record's identity: the same pair is the same call, however often
    it is sent. The payer is named by `account` (the account number: FreeSWITCH's `accountcode`); where the
    switch does not know it, by `user` (the SIP user) or `address` (the network address the call came from), which
    are looked up among the accounts' endpoints. `number` is the dialled number, digits only, as rates are looked
    up by it; `dialled` is what the caller really dialled. `provider` is the account number of the carrier, where
    the switch says which one it used. Instants are UTC; `answered_at` is None for a call that was never answered, and
    then `seconds` is 0. `seconds` are whole billable seconds as the switch counts them.
    """

    switch_id: str = field(converter=check_name)
    leg_uuid: str = field(converter=check_name)
    number: str = field(converter=check_text)
    started_at: datetime = field(converter=utc)
    answered_at: datetime | None = field(default=None, converter=optional(utc))
    ended_at: datetime = field(converter=utc)
    seconds: int = field()
    account: str | None = field(default=None, converter=optional(check_text))
    user: str | None = field(default=None, converter=optional(check_text))
    address: str | None = field(default=None, converter=optional(check_text))
    caller: str = field(default="", converter=check_text)
    dialled: str = field(default="", converter=check_text)
    hangup_cause: str = field(default="", converter=check_text)
    provider: str | None = field(default=None, converter=optional(check_text))

    @seconds.validator
    def _check_seconds(self, attribute: object, value: object) -> None:
        if type(value) is not int or not 0 <= value <= MAX_SECONDS:
            raise InvalidValue(f"seconds must be a whole number from 0 to {MAX_SECONDS}, not {value!r}")
        if self.answered_at is None and value:
            raise InvalidValue(f"a call that was not answered cannot have {value} billable seconds")

    @ended_at.validator
    def _check_order(self, attribute: object, value: object) -> None:
        if self.ended_at < self.started_at:
            raise InvalidValue(f"the call ends at {self.ended_at} before it starts at {self.started_at}")

    def __attrs_post_init__(self) -> None:
        check_call_key(self.key)

    @property
    def key(self) -> str:
        """The idempotency key of settling this record; see `call_key`."""
        return call_key(self.switch_id, self.leg_uuid)


def call_key(switch_id: str, leg_uuid: str) -> str:
    """The idempotency key of a call: no two pairs of switch and leg have the same."""
    return f"call:{switch_id.replace('%', '%25').replace(':', '%3A')}:{leg_uuid}"


def check_call_key(key: str) -> str:
    """Give back the key of a call; `InvalidValue` if it is too long to be kept."""
    if len(key) > MAX_KEY:
        raise InvalidValue(f"switch and leg together are named by too long a text: {key!r:.80}…")
    return key


def split_call_key(key: str) -> tuple[str, str] | None:
    """The switch and the leg that a key stands for; None for one that is not a call's."""
    kind, _, rest = key.partition(":")
    switch_id, colon, leg_uuid = rest.partition(":")
    if kind != "call" or not colon:
        return None
    return switch_id.replace("%3A", ":").replace("%25", "%"), leg_uuid
