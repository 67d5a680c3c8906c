"""Which leg of a call is billed, to whom, and for what number."""

from __future__ import annotations

import pytest
from attrs import evolve
from tests.freeswitch.switch import PROFILE, UUID, Call

from astpp_billing.calls.record import CallRecord
from astpp_billing.errors import InvalidValue
from astpp_billing.freeswitch import (
    Billable,
    NotBillable,
    NotBillableReason,
    NumberFrom,
    Outcome,
    ReadOptions,
    read_body,
)


def read(call: Call, **options: object) -> Outcome:
    wanted = ReadOptions(**options)  # type: ignore[arg-type]  # each test names its own option
    from_json, from_xml = read_body(call.json(), options=wanted), read_body(call.xml(), options=wanted)
    assert from_json == from_xml
    return from_json


def record(call: Call, **options: object) -> CallRecord:
    outcome = read(call, **options)
    assert isinstance(outcome, Billable)
    return outcome.record


def refused(reason: NotBillableReason) -> NotBillable:
    return NotBillable(reason, "fstest", UUID)


# An originated loopback call has two channels with the same accountcode; bridged to another loopback, four.
NEAR = Call().but(direction="outbound", is_outbound="true", loopback_leg="A", other_loopback_leg_uuid="far")
FAR = Call().but(loopback_leg="B", is_loopback="1", other_loopback_leg_uuid="near")
INNER_NEAR = NEAR.but(originating_leg_uuid="far", loopback_from_uuid="far")
INNER_FAR = FAR.but(other_loopback_from_uuid="far")


def test_an_originated_loopback_is_billed_by_its_far_end_alone() -> None:
    assert read(NEAR) == refused(NotBillableReason.OUTBOUND)
    assert isinstance(read(FAR), Billable)


def test_a_loopback_that_a_leg_was_bridged_to_is_not_billed_at_either_end() -> None:
    assert read(INNER_NEAR) == refused(NotBillableReason.B_LEG)
    assert read(INNER_FAR) == refused(NotBillableReason.INNER_LOOPBACK)


def test_a_loopback_bridged_to_a_loopback_has_four_channels_and_one_bill() -> None:
    billed = [isinstance(read(leg), Billable) for leg in (NEAR, FAR, INNER_NEAR, INNER_FAR)]
    assert billed == [False, True, False, False]


def test_a_b_leg_is_not_billed_even_where_it_carries_the_account_and_looks_inbound() -> None:
    assert read(Call().but(originating_leg_uuid="a-leg")) == refused(NotBillableReason.B_LEG)


@pytest.mark.parametrize(
    "variables",
    [
        {"direction": "outbound"},
        {"is_outbound": "true"},
        {"is_outbound": "1"},
        {"loopback_leg": "A"},
    ],
)
def test_any_sign_of_an_outbound_leg_is_enough(variables: dict[str, str]) -> None:
    assert read(Call().but(**variables)) == refused(NotBillableReason.OUTBOUND)


def test_the_near_end_of_a_loopback_says_by_itself_what_it_was_bridged_from() -> None:
    assert read(Call().but(loopback_from_uuid="a-leg")) == refused(NotBillableReason.INNER_LOOPBACK)


def test_an_inbound_leg_that_says_it_is_not_outbound_is_billed() -> None:
    assert isinstance(read(Call().but(is_outbound="false")), Billable)


def test_the_direction_of_the_channel_data_stands_in_for_a_missing_variable() -> None:
    body = Call().but(direction=None).json()
    assert isinstance(read_body(body), Billable)
    xml = (
        Call()
        .but(direction=None)
        .xml()
        .replace(b"<variables>", b"<channel_data><direction>outbound</direction></channel_data><variables>")
    )
    assert read_body(xml) == refused(NotBillableReason.OUTBOUND)


def test_a_leg_that_is_not_billed_needs_no_times_and_no_number() -> None:
    call = evolve(NEAR.but(billsec=None, start_uepoch=None, end_uepoch=None), profiles=())
    assert read(call) == refused(NotBillableReason.OUTBOUND)


class TestNumber:
    def test_an_access_prefix_is_needed_where_the_site_has_some_and_is_taken_off(self) -> None:
        assert record(Call().dialling("bs1234"), access_prefixes=("bs",)).number == "1234"
        assert read(Call().dialling("1234"), access_prefixes=("bs",)) == refused(NotBillableReason.NO_ACCESS_PREFIX)

    def test_the_longest_access_prefix_is_taken_off(self) -> None:
        for prefixes in (("9", "99"), ("99", "9")):
            assert record(Call().dialling("991234"), access_prefixes=prefixes).number == "1234"

    def test_the_prefix_alone_is_a_call_to_no_number_and_is_kept(self) -> None:
        assert record(Call().dialling("bs"), access_prefixes=("bs",)).number == ""

    def test_an_empty_dialled_number_is_kept(self) -> None:
        assert record(Call().dialling("")).number == ""

    def test_without_access_prefixes_any_number_is_billable(self) -> None:
        assert record(Call().dialling("7771")).number == "7771"

    @pytest.mark.parametrize(
        ("dialled", "number"),
        [
            ("+442079460018", "442079460018"),
            ("00442079460018", "00442079460018"),
            ("01144207", "01144207"),
            ("+44 (20) 7946-0018", "442079460018"),
            ("44.20.7946", "44207946"),
            ("*98", "*98"),
            ("alice", "alice"),
            ("alice (home)", "alice (home)"),
            ("++44", "+44"),
            ("+", ""),
            ("\u0664\u0664", "\u0664\u0664"),
            ("\u0664-\u0664", "\u0664-\u0664"),
        ],
    )
    def test_by_default_only_a_plus_is_an_international_prefix(self, dialled: str, number: str) -> None:
        read = record(Call().dialling(dialled))
        assert (read.number, read.dialled) == (number, dialled)

    @pytest.mark.parametrize("dialled", ["+4420", "004420", "0114420", "4420"])
    def test_a_site_may_name_its_international_prefixes(self, dialled: str) -> None:
        assert record(Call().dialling(dialled), international_prefixes=("+", "00", "011")).number == "4420"

    def test_a_site_may_keep_numbers_as_dialled(self) -> None:
        assert record(Call().dialling("+4420"), international_prefixes=()).number == "+4420"

    def test_the_access_prefix_comes_off_before_the_international_one(self) -> None:
        options = {"access_prefixes": ("9",), "international_prefixes": ("00",)}
        assert record(Call().dialling("9004420"), **options).number == "4420"

    def test_a_variable_of_the_dialplan_may_say_what_number_to_bill(self) -> None:
        call = Call().dialling("bs1234").but(billed_number="+4420")
        options = {"number_variables": ("none", "billed_number"), "access_prefixes": ("bs",)}
        read = record(call, **options)
        assert (read.number, read.dialled) == ("4420", "bs1234")
        assert record(call.but(billed_number=None), **options).number == "1234"

    def test_after_a_transfer_the_last_number_counts_or_the_first_if_the_site_says_so(self) -> None:
        first = {**PROFILE, "destination_number": "800", "context": "public", "caller_id_number": "1"}
        last = {**PROFILE, "destination_number": "4420", "context": "customers", "caller_id_number": "2"}
        call = evolve(Call(), profiles=(last, first))
        default, dialled = record(call), record(call, number_from=NumberFrom.FIRST)
        assert (default.number, default.caller) == ("4420", "2")
        assert (dialled.number, dialled.caller) == ("800", "1")
        assert record(call, contexts=("customers",)).number == "4420"
        assert record(call, contexts=("public",), number_from=NumberFrom.FIRST).number == "800"

    def test_an_older_switch_writes_one_callflow_object_and_no_array(self) -> None:
        body = Call().json().replace(b'"callflow": [', b'"callflow": ').replace(b"}]}", b"}}")
        assert read_body(body) == read_body(Call().json())


class TestContext:
    def test_only_the_contexts_that_a_site_names_are_billed(self) -> None:
        customers = Call().dialling("1234", context="customers")
        assert record(customers, contexts=("customers",)).number == "1234"
        assert read(customers, contexts=("other",)) == refused(NotBillableReason.OTHER_CONTEXT)

    def test_the_wrong_context_is_told_before_the_wrong_number(self) -> None:
        reason = read(Call().dialling("1"), contexts=("other",), access_prefixes=("bs",))
        assert reason == refused(NotBillableReason.OTHER_CONTEXT)


class TestPayer:
    def test_the_account_is_the_accountcode(self) -> None:
        read = record(Call())
        assert (read.account, read.user, read.address) == ("acc1", None, None)

    def test_a_site_may_name_other_variables_for_the_account(self) -> None:
        call = Call().but(accountcode="", billing_account="42")
        assert record(call, account_variables=("accountcode", "billing_account")).account == "42"
        assert record(call).account is None

    @pytest.mark.parametrize(
        ("variables", "user"),
        [
            ({"sip_auth_username": "a", "user_name": "b", "sip_from_user": "c"}, "a"),
            ({"user_name": "b", "sip_from_user": "c"}, "b"),
            ({"sip_from_user": "c"}, "c"),
            ({"sip_auth_username": ""}, "d"),
        ],
    )
    def test_the_user_is_the_one_that_the_switch_checked_or_else_the_one_that_is_claimed(
        self, variables: dict[str, str], user: str
    ) -> None:
        assert record(Call().dialling("1", username="d").but(accountcode=None, **variables)).user == user

    def test_a_site_may_leave_out_claimed_users(self) -> None:
        call = Call().dialling("1", username="d", network_addr="192.0.2.1").but(accountcode=None, sip_from_user="c")
        read = record(call, user_variables=("sip_auth_username", "user_name"))
        assert (read.user, read.address) == (None, "192.0.2.1")

    def test_the_caller_is_the_effective_one(self) -> None:
        assert record(Call()).caller == "4420"
        assert record(Call().but(effective_caller_id_number="+4930")).caller == "+4930"

    def test_a_caller_does_not_escape_billing_by_a_long_name_or_by_bytes_that_are_no_text(self) -> None:
        call = Call().dialling("4" * 300, username="u" * 300, caller_id_number="1" * 300)
        read = record(call)
        assert {len(text or "") for text in (read.number, read.dialled, read.user, read.caller)} == {255}
        for body in (Call().json(), Call().xml()):
            broken = read_body(body.replace(b"4420", b"44\xff"))
            assert isinstance(broken, Billable)
            assert broken.record.caller == "44\N{REPLACEMENT CHARACTER}"

    @pytest.mark.parametrize(("claimed", "user"), [("ARRAY::a|:b", "a"), ("ARRAY::", None), ("a%00", "a\ufffd")])
    def test_nor_by_a_name_that_the_switch_would_take_for_several_or_for_an_escape(
        self, claimed: str, user: str | None
    ) -> None:
        read = record(Call().but(sip_from_user=claimed, effective_caller_id_number=claimed))
        assert (read.user, read.caller) == (user, user or "4420")

    def test_nor_by_a_name_that_the_switch_writes_as_several(self) -> None:
        users = b"<sip_from_user>a</sip_from_user><sip_from_user>b</sip_from_user>"
        twice = Call().xml().replace(b"<variables>", b"<variables>" + users)
        outcome = read_body(twice)
        assert isinstance(outcome, Billable)
        assert outcome.record.user == "a"

    def test_nor_by_a_dialled_number_of_that_kind(self) -> None:
        assert record(Call().dialling("ARRAY::1|:2")).number == "ARRAY::1|:2"
        assert record(Call().but(billed="ARRAY::1|:2"), number_variables=("billed",)).number == "1"
        outcome = read_body(Call().dialling("1\0").json())
        assert isinstance(outcome, Billable)
        assert outcome.record.number == "1\N{REPLACEMENT CHARACTER}"

    def test_half_a_surrogate_pair_is_no_character(self) -> None:
        outcome = read_body(Call().json().replace(b"4420", rb"44\ud800"))
        assert isinstance(outcome, Billable)
        assert outcome.record.caller == "44\N{REPLACEMENT CHARACTER}"


def test_the_switch_is_known_by_its_name_because_the_core_uuid_changes_with_every_start() -> None:
    assert record(Call()).switch_id == "fstest"
    assert record(evolve(Call(), switchname=None)).switch_id == "40717bb9-fc01-4926-91f4-69f9c148a0f8"


class TestTimes:
    def test_a_call_that_was_not_answered_has_no_seconds(self) -> None:
        for never in ({"answer_uepoch": "0", "answer_epoch": "0"}, {"answer_uepoch": None, "answer_epoch": None}):
            read = record(Call().but(billsec="0", **never))
            assert (read.answered_at, read.seconds) == (None, 0)

    def test_whole_seconds_stand_in_where_microseconds_are_missing(self) -> None:
        fine, coarse = record(Call()), record(Call().but(start_uepoch=None, answer_uepoch=None, end_uepoch=None))
        assert coarse.answered_at is not None
        assert coarse.started_at == fine.started_at.replace(microsecond=0)
        assert coarse.answered_at == coarse.started_at
        assert coarse.ended_at == fine.ended_at.replace(microsecond=0)

    @pytest.mark.parametrize("billsec", ["0", "1", "2"])
    def test_the_seconds_are_the_switchs_own_and_may_differ_from_the_epochs_by_one(self, billsec: str) -> None:
        assert record(Call().but(billsec=billsec)).seconds == int(billsec)

    def test_stamps_are_local_time_and_not_looked_at(self) -> None:
        assert record(Call().but(start_stamp="yesterday at noon")) == record(Call())


class TestValueEncoding:
    def test_in_a_plain_record_what_looks_like_an_escape_is_what_the_caller_sent(self) -> None:
        outcome = read_body(Call().but(accountcode="a%20b").json(encode_values=False))
        assert isinstance(outcome, Billable)
        assert outcome.record.account == "a%20b"

    def test_in_an_encoded_record_it_cannot_be_told_from_a_space(self) -> None:
        assert record(Call().but(accountcode="a%20b")).account == "a b"
        assert record(Call().but(accountcode="a b")).account == "a b"

    def test_lower_case_hex_is_not_taken_for_an_escape_by_the_switch(self) -> None:
        assert record(Call().but(accountcode="a%3cb")).account == "a%3cb"

    def test_caller_profiles_are_never_encoded(self) -> None:
        assert record(Call().dialling("1", username="a%41")).user == "a%41"


@pytest.mark.parametrize(
    "options",
    [
        {"access_prefixes": "bs"},
        {"access_prefixes": ("",)},
        {"international_prefixes": ["+"]},
        {"contexts": (1,)},
        {"max_bytes": 0},
        {"max_bytes": True},
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(options))):
        ReadOptions(**options)  # type: ignore[arg-type]
