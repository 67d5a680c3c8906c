"""From a channel to a call record: is the leg billable, who pays, for what number, from when, how long."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import frozen

from astpp_billing.calls.record import CallRecord
from astpp_billing.clock import from_epoch
from astpp_billing.errors import InvalidValue, MalformedRecord
from astpp_billing.freeswitch.body import query_uuid
from astpp_billing.freeswitch.number import normalise, strip_access_prefix
from astpp_billing.freeswitch.options import NumberFrom, ReadOptions
from astpp_billing.freeswitch.outcome import Billable, NotBillable, NotBillableReason, Outcome
from astpp_billing.freeswitch.variables import Channel

MAX_TEXT = 255
"""Texts that only inform (caller, dialled number, …) are cut here: a caller must not escape billing by a long name."""

_MILLION = 1_000_000
_MAX_SECONDS = 253_402_300_799  # the end of the year 9999, the last that a datetime can hold
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"
_TRUE = frozenset({"true", "yes", "on", "enable", "enabled", "active", "allow", "1", "t", "y"})


def outcome_of(channel: Channel, options: ReadOptions, query: str = "") -> Outcome:
    """What the leg that `channel` describes comes to.

    `query` is the request's raw query string; where it names a uuid, that must be the record's own, with or
    without `a_` in front. Raises `MalformedRecord`, naming the field, where one that is needed is missing, is there
    more than once, or cannot be right.
    """
    switch_id = _identity(channel.attribute("switchname") or channel.attribute("core-uuid"), "switchname")
    leg_uuid = _identity(channel.variable("uuid"), "variables.uuid")
    asked = query_uuid(query)
    if asked is not None and leg_uuid not in (asked, asked.removeprefix("a_")):
        raise MalformedRecord(f"the query string is for uuid {asked[:80]!r}, but the record is of {leg_uuid!r}")
    reason = _wrong_leg(channel)
    if reason is None:
        index = -1 if options.number_from is NumberFrom.FIRST else 0
        dialled = _dialled(channel, index)
        reason = _wrong_place(channel.profile("context", index), dialled, options)
    if reason is not None:
        return NotBillable(reason, switch_id, leg_uuid)
    return Billable(_record(channel, options, index, dialled, switch_id, leg_uuid))


def _identity(text: str | None, path: str) -> str:
    if not text:
        raise MalformedRecord(f"{path} is missing")
    if len(text) > MAX_TEXT or _UNREADABLE in text:
        raise MalformedRecord(f"{path} must be UTF-8 of at most {MAX_TEXT} characters, not {text[:80]!r}")
    return text


def _wrong_leg(channel: Channel) -> NotBillableReason | None:
    """Why the leg itself is not the billable one of its call, or None if it is.

    A call has one leg that nothing on this switch brought about; that one is billed. What the switch brings about
    says so: a B leg names its A leg, and both ends of a loopback that a leg was bridged to name that leg, the
    far end (an inbound channel with the payer's `accountcode`) by `other_loopback_from_uuid`. A loopback that
    was originated by itself, with no leg before it, is billed by its far end, which runs the dialplan.
    """
    if channel.variable("originating_leg_uuid"):
        return NotBillableReason.B_LEG
    if channel.variable("other_loopback_from_uuid") or channel.variable("loopback_from_uuid"):
        return NotBillableReason.INNER_LOOPBACK
    direction = channel.variable("direction") or channel.attribute("direction")
    if direction not in ("inbound", "outbound"):
        raise MalformedRecord(f"variables.direction must be 'inbound' or 'outbound', not {direction!r:.80}")
    is_outbound = (channel.variable("is_outbound") or "").lower() in _TRUE
    if direction == "outbound" or is_outbound or channel.variable("loopback_leg") == "A":
        return NotBillableReason.OUTBOUND
    return None


def _wrong_place(context: str | None, dialled: str, options: ReadOptions) -> NotBillableReason | None:
    if options.contexts and context not in options.contexts:
        return NotBillableReason.OTHER_CONTEXT
    if options.access_prefixes and strip_access_prefix(dialled, options.access_prefixes) is None:
        return NotBillableReason.NO_ACCESS_PREFIX
    return None


def _dialled(channel: Channel, index: int) -> str:
    dialled = channel.profile("destination_number", index)
    # An empty one is a call to nobody, and kept; without the field the record is not whole.
    if dialled is None:
        raise MalformedRecord("callflow.caller_profile.destination_number is missing")
    return dialled


def _number(channel: Channel, options: ReadOptions, dialled: str) -> str:
    number = _first(channel.claim(name) for name in options.number_variables)
    if number is None:
        stripped = strip_access_prefix(dialled, options.access_prefixes)
        number = dialled if stripped is None else stripped
    return normalise(number, options.international_prefixes)


def _record(
    channel: Channel, options: ReadOptions, index: int, dialled: str, switch_id: str, leg_uuid: str
) -> CallRecord:
    times = _times(channel)
    account = _first(channel.variable(name) for name in options.account_variables)
    user = _first(channel.claim(name) or channel.profile(name, index) for name in options.user_variables)
    caller = channel.claim("effective_caller_id_number") or channel.profile("caller_id_number", index)
    address = channel.profile("network_addr", index)
    try:
        return CallRecord(
            switch_id=switch_id,
            leg_uuid=leg_uuid,
            number=_number(channel, options, dialled)[:MAX_TEXT],
            started_at=times.started_at,
            answered_at=times.answered_at,
            ended_at=times.ended_at,
            seconds=times.seconds,
            account=_identity(account, "variables.accountcode") if account else None,
            user=user[:MAX_TEXT] if user else None,
            address=address[:MAX_TEXT] if address else None,
            caller=(caller or "")[:MAX_TEXT],
            dialled=dialled[:MAX_TEXT],
            hangup_cause=(channel.claim("hangup_cause") or "")[:MAX_TEXT],
        )
    except InvalidValue as error:
        raise error if isinstance(error, MalformedRecord) else MalformedRecord(str(error)) from error


def _first(texts: Iterable[str | None]) -> str | None:
    return next((text for text in texts if text), None)


@frozen
class _Times:
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    seconds: int


def _times(channel: Channel) -> _Times:
    """When the call started, was answered and ended (UTC), and its billable seconds as the switch counts them."""
    started, answered, ended = (_microseconds(channel, name) for name in ("start", "answer", "end"))
    if not started or not ended:
        raise MalformedRecord(f"variables.{'end' if started else 'start'}_uepoch is missing or 0")
    seconds = _whole(channel.variable("billsec"), "variables.billsec", _MAX_SECONDS)
    if seconds is None:
        raise MalformedRecord("variables.billsec is missing")
    if answered and not started <= answered <= ended:
        raise MalformedRecord(f"variables.answer_uepoch {answered} is not between start {started} and end {ended}")
    # The switch takes the difference of the two whole epochs; a second more or less is left to how it rounds.
    expected = ended // _MILLION - answered // _MILLION if answered else 0
    if abs(seconds - expected) > (1 if answered else 0):
        raise MalformedRecord(f"variables.billsec is {seconds}, but the epochs of answer and end come to {expected}")
    return _Times(
        started_at=from_epoch(started),
        answered_at=from_epoch(answered) if answered else None,
        ended_at=from_epoch(ended),
        seconds=seconds,
    )


def _microseconds(channel: Channel, name: str) -> int:
    """The instant `name` in microseconds since 1970; 0 if it never came. `*_stamp` is local time, and not used."""
    fine = f"{name}_uepoch"
    microseconds = _whole(channel.variable(fine), f"variables.{fine}", _MAX_SECONDS * _MILLION)
    if microseconds is not None:
        return microseconds
    coarse = f"{name}_epoch"
    return (_whole(channel.variable(coarse), f"variables.{coarse}", _MAX_SECONDS) or 0) * _MILLION


def _whole(text: str | None, path: str, maximum: int) -> int | None:
    if text is None:
        return None
    # Not int() alone: it takes " 1_0", "+1" and the digits of every script.
    if not (text.isascii() and text.isdigit() and len(text) <= 20) or int(text) > maximum:
        raise MalformedRecord(f"{path} must be a whole number from 0 to {maximum}, not {text[:80]!r}")
    return int(text)
