"""Every record that a real switch sent, with what it must be read as."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import PurePath
from urllib.parse import unquote_to_bytes

import pytest
from tests.freeswitch.switch import CAPTURES, DATA, LEGS, RECORDS, fixture

from astpp_billing.calls.record import CallRecord
from astpp_billing.errors import MalformedRecord
from astpp_billing.freeswitch import (
    Billable,
    NotBillable,
    NotBillableReason,
    Outcome,
    ReadOptions,
    read_body,
    read_file,
)

SITE = ReadOptions(access_prefixes=("bs",))


def at(minute: int, second: int, microsecond: int) -> datetime:
    return datetime(2026, 11, 22, 22, minute, second, microsecond, tzinfo=UTC)


def loopback(leg_uuid: str, number: str, seconds: int, *instants: datetime) -> Billable:
    started_at, answered_at, ended_at = instants
    return Billable(
        CallRecord(
            switch_id="fstest",
            leg_uuid=leg_uuid,
            number=number,
            started_at=started_at,
            answered_at=answered_at,
            ended_at=ended_at,
            seconds=seconds,
            account="acc1",
            user=None,
            address=None,
            caller="4420",
            dialled=number,
            hangup_cause="NORMAL_CLEARING",
        )
    )


DEFAULT = loopback(
    "fd368c8d-2846-4684-bc81-4a37b014da24", "1234", 3, at(39, 48, 302168), at(39, 48, 303354), at(39, 51, 300033)
)
FORM = loopback(
    "d8eefa61-19c3-4335-80b0-aed4ceec37e6", "7771", 1, at(39, 59, 383959), at(39, 59, 385525), at(40, 0, 368301)
)
BASE64 = loopback(
    "5dd50103-167f-4cb3-968e-f3e123063c85", "7771", 1, at(40, 6, 465120), at(40, 6, 466601), at(40, 7, 458069)
)
PLAIN = loopback(
    "674d6cd0-034b-4c19-a28b-4a33c6d4d1a2", "7771", 1, at(40, 13, 510923), at(40, 13, 516020), at(40, 14, 493257)
)
BASIC_AUTH = loopback(
    "fa5a6f51-3d59-46d2-8d14-0e5ae5bd38b8", "7771", 1, at(40, 20, 574602), at(40, 20, 575893), at(40, 21, 567344)
)
CAPTURED = {
    "json_cdr_default.http": DEFAULT,
    "json_cdr_form.http": FORM,
    "json_cdr_base64.http": BASE64,
    "json_cdr_plain_values.http": PLAIN,
    "json_cdr_basic_auth.http": BASIC_AUTH,
    "xml_cdr_form.http": DEFAULT,
    "xml_cdr_unencoded_form.http": FORM,
    "xml_cdr_base64.http": BASE64,
    "xml_cdr_textxml.http": PLAIN,
    "xml_cdr_textxml_basic_auth.http": BASIC_AUTH,
}

ANSWERED = Billable(
    CallRecord(
        switch_id="fstest",
        leg_uuid="2e417f6d-f734-416f-8bab-6044ba80fd43",
        number="1234",
        started_at=at(42, 50, 102161),
        answered_at=at(42, 50, 122197),
        ended_at=at(42, 53, 122164),
        seconds=3,
        account=None,
        user="4420",
        address="127.0.0.1",
        caller="4420",
        dialled="bs1234",
        hangup_cause="NORMAL_CLEARING",
    )
)
BUSY = Billable(
    CallRecord(
        switch_id="fstest",
        leg_uuid="fe7e5134-50d5-4ce9-9f6b-ae98ef17b6b0",
        number="486",
        started_at=at(42, 57, 642765),
        answered_at=None,
        ended_at=at(42, 57, 682164),
        seconds=0,
        account=None,
        user="4420",
        address="127.0.0.1",
        caller="4420",
        dialled="bs486",
        hangup_cause="USER_BUSY",
    )
)
LEG_OUTCOMES: dict[str, Outcome] = {
    "bridged_sip_call/a_leg_inbound": ANSWERED,
    "bridged_sip_call/b_leg_outbound": NotBillable(
        NotBillableReason.B_LEG, "fstest", "6900a990-839f-4fef-986b-55222ea0839b"
    ),
    "bridged_sip_call/callee_leg": NotBillable(
        NotBillableReason.NO_ACCESS_PREFIX, "fstest", "ddf36893-b114-4caa-acec-2791a1a9b417"
    ),
    "bridged_sip_call/caller_leg": NotBillable(
        NotBillableReason.OUTBOUND, "fstest", "00000000-0000-4000-8000-00000000000b"
    ),
    "busy_call/a_leg_inbound": BUSY,
    "busy_call/b_leg_outbound": NotBillable(NotBillableReason.B_LEG, "fstest", "5fbe7697-907e-416b-aeec-8c3900a37487"),
}


def test_every_fixture_file_is_specified_here() -> None:
    assert sorted(CAPTURED) == CAPTURES
    assert sorted(f"{name}.{suffix}" for name in LEG_OUTCOMES for suffix in ("json", "xml")) == LEGS


@pytest.mark.parametrize("name", CAPTURES)
def test_a_captured_request_is_read_whole(name: str) -> None:
    assert read_file(fixture(name)) == CAPTURED[name]


@pytest.mark.parametrize("name", CAPTURES)
def test_its_body_is_read_with_its_content_type_and_query(name: str) -> None:
    head, _, body = fixture(name).partition(b"\r\n\r\n")
    query = re.search(rb"\?(\S*)", head)
    content_type = re.search(rb"Content-Type: (.*?)\r", head + b"\r")
    assert query is not None
    assert content_type is not None
    read = read_body(body, content_type=content_type[1].decode(), query=query[1].decode())
    assert read == CAPTURED[name]


@pytest.mark.parametrize("name", CAPTURES)
def test_the_content_type_does_not_matter_because_the_switch_sends_wrong_ones(name: str) -> None:
    body = fixture(name).partition(b"\r\n\r\n")[2]
    for wrong in ("", "application/x-www-form-urlencoded", "application/json", "text/xml", "image/png"):
        assert read_body(body, content_type=wrong) == CAPTURED[name]


@pytest.mark.parametrize("name", LEGS)
def test_a_leg_of_a_call_is_read_from_its_file(name: str) -> None:
    assert read_file(fixture(name), SITE) == LEG_OUTCOMES[str(PurePath(name).with_suffix(""))]


@pytest.mark.parametrize("name", ["xml_cdr_form.http", "json_cdr_form.http", "xml_cdr_base64.http"])
def test_a_file_of_the_error_folder_is_the_body_without_its_field_name(name: str) -> None:
    body = fixture(name).partition(b"\r\n\r\n")[2].removeprefix(b"cdr=") + b"\n"
    assert read_file(body) == CAPTURED[name]


def test_a_log_file_of_the_switch_holds_the_record_as_it_is() -> None:
    body = unquote_to_bytes(fixture("xml_cdr_form.http").partition(b"\r\n\r\ncdr=")[2])
    assert body.startswith(b"<?xml")
    assert read_file(body) == DEFAULT


def test_without_access_prefixes_the_far_end_of_a_call_to_oneself_looks_like_a_call() -> None:
    far = read_file(fixture("bridged_sip_call/callee_leg.json"))
    near = read_file(fixture("bridged_sip_call/a_leg_inbound.json"))
    assert isinstance(far, Billable)
    assert far.record.number == "1234"
    assert isinstance(near, Billable)
    assert near.record.number == "bs1234"  # kept, and left unrated by settlement


@pytest.mark.parametrize("folder", ["bridged_sip_call", "busy_call"])
@pytest.mark.parametrize("suffix", ["json", "xml"])
def test_exactly_one_leg_of_a_call_is_billable(folder: str, suffix: str) -> None:
    outcomes = [read_file(path.read_bytes(), SITE) for path in sorted((DATA / folder).glob(f"*.{suffix}"))]
    assert len(outcomes) >= 2
    assert sum(isinstance(outcome, Billable) for outcome in outcomes) == 1


@pytest.mark.parametrize("name", ["dialplan_request.http", "show_channels.json", "event_hangup_complete.json"])
def test_other_things_that_a_switch_sends_are_no_call_records(name: str) -> None:
    with pytest.raises(MalformedRecord):
        read_file(fixture(name))


def test_all_records_are_among_the_fixtures() -> None:
    assert len(RECORDS) == 22
