"""The call record: what identifies a call, and what it is compared by."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from astpp_billing.calls import MAX_SECONDS, CallRecord, record_fingerprint
from astpp_billing.errors import InvalidValue
from astpp_billing.ledger import MAX_KEY

START = datetime(2026, 1, 1, tzinfo=UTC)


def record(**fields: Any) -> CallRecord:
    known: dict[str, Any] = {
        "switch_id": "fs1",
        "leg_uuid": "leg",
        "number": "441",
        "started_at": START,
        "answered_at": START + timedelta(seconds=5),
        "ended_at": START + timedelta(seconds=65),
        "seconds": 60,
    }
    return CallRecord(**known | fields)


def test_the_key_is_the_switch_and_the_leg() -> None:
    assert record().key == "call:fs1:leg"
    assert record(account="a", seconds=1).key == record().key


def test_no_two_pairs_of_switch_and_leg_have_one_key() -> None:
    pairs = [("a", "b:c"), ("a:b", "c"), ("a%3Ab", "c"), ("a%b", "c"), ("a", "b%3Ac"), ("a%253Ab", "c")]

    assert len({record(switch_id=switch, leg_uuid=leg).key for switch, leg in pairs}) == len(pairs)


@pytest.mark.parametrize("name", ["switch_id", "leg_uuid"])
@pytest.mark.parametrize("value", ["", "x" * 256, None, 7])
def test_switch_and_leg_are_named(name: str, value: object) -> None:
    with pytest.raises(InvalidValue, match="1 to 255 characters"):
        record(**{name: value})


def test_a_key_is_never_longer_than_a_posting_takes() -> None:
    longest = record(switch_id="x" * 252, leg_uuid="y" * 254)

    assert len(longest.key) == MAX_KEY
    for switch in ("x" * 253, ":" * 85):
        with pytest.raises(InvalidValue, match="too long"):
            record(switch_id=switch, leg_uuid="y" * 254)


@pytest.mark.parametrize("seconds", [-1, MAX_SECONDS + 1, 1.0, "60", True, None])
def test_seconds_are_whole_and_within_reason(seconds: object) -> None:
    with pytest.raises(InvalidValue, match="seconds must be a whole number"):
        record(seconds=seconds)


def test_the_longest_call_is_believed() -> None:
    assert record(seconds=MAX_SECONDS).seconds == MAX_SECONDS


def test_a_call_that_was_not_answered_has_no_seconds() -> None:
    assert record(answered_at=None, seconds=0).answered_at is None
    with pytest.raises(InvalidValue, match="not answered"):
        record(answered_at=None, seconds=1)


def test_a_call_does_not_end_before_it_starts() -> None:
    assert record(ended_at=START).ended_at == START
    with pytest.raises(InvalidValue, match="before it starts"):
        record(ended_at=START - timedelta(microseconds=1))


@pytest.mark.parametrize("name", ["started_at", "answered_at", "ended_at"])
def test_instants_have_a_time_zone_and_are_kept_in_utc(name: str) -> None:
    with pytest.raises(InvalidValue, match="time zone"):
        record(**{name: datetime(2026, 1, 1)})  # noqa: DTZ001 - it is refused
    assert getattr(record(), name).tzinfo is UTC


@pytest.mark.parametrize(
    "other",
    [
        {"account": "1"},
        {"user": "1"},
        {"address": "1"},
        {"number": "442"},
        {"started_at": START + timedelta(microseconds=1)},
        {"answered_at": START + timedelta(seconds=6)},
        {"answered_at": None, "seconds": 0},
        {"ended_at": START + timedelta(seconds=66)},
        {"seconds": 61},
        {"provider": "1"},
    ],
)
def test_whatever_the_price_depends_on_tells_records_apart(other: dict) -> None:
    assert record_fingerprint(record(**other)) != record_fingerprint(record())


def test_what_switches_write_differently_does_not() -> None:
    told = record(caller="Jane", dialled="00441", hangup_cause="NORMAL_CLEARING")

    assert record_fingerprint(told) == record_fingerprint(record())


@pytest.mark.parametrize(
    "name", ["number", "account", "user", "address", "caller", "dialled", "hangup_cause", "provider"]
)
@pytest.mark.parametrize("value", ["4" * 256, "half a pair: \ud800", 4, b"4"])
def test_texts_are_of_a_length_and_characters_that_every_database_takes(name: str, value: object) -> None:
    with pytest.raises(InvalidValue, match="at most 255 characters"):
        record(**{name: value})


def test_the_longest_text_is_taken_as_it_is() -> None:
    assert record(caller="☎" * 255).caller == "☎" * 255
