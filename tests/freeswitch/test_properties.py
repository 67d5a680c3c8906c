"""What holds for every record, and for every sequence of bytes that is none."""

from __future__ import annotations

import re
from pathlib import PurePath

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.freeswitch.switch import LEGS, RECORDS, Call, fixture

from astpp_billing.errors import MalformedRecord
from astpp_billing.freeswitch import Billable, NotBillable, Outcome, ReadOptions, read_body, read_file

SITE = ReadOptions(access_prefixes=("bs",))

# What a channel variable can hold: no NUL (the switch ends a text there), no half of a surrogate pair, and not the
# character that stands for what could not be read.
# Nor a text of several values, which the switch makes of this prefix.
texts = st.text(
    st.characters(exclude_characters="\0\ufffd", exclude_categories=["Cs"]), min_size=1, max_size=40
).filter(lambda text: not text.startswith("ARRAY::"))
# Element text in XML cannot hold every character, and a line end in it is normalised.
in_xml = st.text(st.characters(min_codepoint=0x20, exclude_characters="\ufffd\ufffe\uffff", exclude_categories=["Cs"]))
seconds = st.integers(min_value=0, max_value=864_000)


def outcome_or_none(data: bytes) -> Outcome | None:
    try:
        return read_file(data, SITE)
    except MalformedRecord:
        return None


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real record with a few bytes cut, put in or changed."""
    data = bytearray(fixture(draw(st.sampled_from(RECORDS))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(data)


PREFIXES = (b"", b"cdr=", b"{", b"<cdr>", b"%7B", b"cdr=eyJ", b"POST / HTTP/1.1\r\n", b'{"variables":{')


@given(st.one_of(st.builds(bytes.__add__, st.sampled_from(PREFIXES), st.binary(max_size=200)), mutated()))
def test_any_bytes_come_to_a_bill_to_no_bill_or_to_a_malformed_record(data: bytes) -> None:
    """Rule: reading raises `MalformedRecord` or returns an outcome; nothing else ever comes out."""
    outcome = outcome_or_none(data)
    assert outcome is None or isinstance(outcome, Billable | NotBillable)


@given(st.binary(max_size=60), st.text(max_size=30))
def test_nor_does_the_query_string_bring_out_anything_else(data: bytes, query: str) -> None:
    """Rule: the same for a body with any query string and any content type."""
    for body in (data, Call().json()):
        try:
            outcome: Outcome | None = read_body(body, query=query, content_type=query)
        except MalformedRecord:
            outcome = None
        assert outcome is None or isinstance(outcome, Billable)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_is_cut_off_is_never_another_record(name: str) -> None:
    """Rule: a record cut at any point is malformed, or equal to the whole (where only blanks were lost)."""
    whole = fixture(name)
    expected = read_file(whole, SITE)
    # Every point near both ends, and every 97th between them.
    points = {*range(400), *range(len(whole) - 400, len(whole)), *range(0, len(whole), 97)}
    read = {outcome_or_none(whole[:point]) for point in points}
    assert read <= {None, expected}
    assert None in read


@given(st.sampled_from(RECORDS), st.data())
def test_a_record_that_is_cut_off_anywhere_is_never_another_record(name: str, data: st.DataObject) -> None:
    """Rule: the same, at points that nobody chose."""
    whole = fixture(name)
    point = data.draw(st.integers(0, len(whole)), label="cut at")
    assert outcome_or_none(whole[:point]) in (None, read_file(whole, SITE))


@given(
    field=st.sampled_from(["sip_from_user", "effective_caller_id_number", "user_name"]),
    choice=st.text(max_size=300),
    number=in_xml,
    packing=st.sampled_from(["json", "plain", "xml"]),
)
@example(field="sip_from_user", choice="ARRAY::a|:b", number="ARRAY::a|:b", packing="json")
@example(field="sip_from_user", choice="%00%FF", number="%00%FF", packing="xml")
def test_no_caller_can_escape_billing_by_what_it_calls_itself_or_dials(
    field: str, choice: str, number: str, packing: str
) -> None:
    """Rule: whatever text the caller chooses, the call stays billable to the account that the switch set."""
    choice = choice.replace("\0", "").encode("utf-8", errors="replace").decode()
    call = Call().dialling(number).but(**{field: choice})
    body = call.xml() if packing == "xml" else call.json(encode_values=packing == "json")
    outcome = read_body(body)
    assert isinstance(outcome, Billable)
    assert (outcome.record.account, outcome.record.seconds) == ("acc1", 1)


# What the switch's encoder cannot tell from an escape of its own (see the design notes).
AMBIGUOUS = re.compile("%[0-9A-F]{2}")


@given(
    account=texts.filter(lambda text: not AMBIGUOUS.search(text)),
    caller=in_xml.filter(lambda text: not AMBIGUOUS.search(text)),
    number=st.from_regex(r"\A\+?[0-9]{3,15}\Z"),
    billsec=seconds,
)
@example(account='50% "off" + £1 & <b>', caller="Zoë; 'x'", number="+4420", billsec=1)
def test_a_call_is_the_same_record_in_every_packing(account: str, caller: str, number: str, billsec: int) -> None:
    """Rule: the packing of a record does not show in what is read from it."""
    end = 1795387206 + billsec
    call = Call().dialling(number, caller_id_number=caller)
    call = call.but(accountcode=account, billsec=str(billsec), end_epoch=str(end), end_uepoch=f"{end}466601")
    outcomes = {packing: read_file(body) for packing, body in call.every_packing().items()}
    first = outcomes["json, encoded values"]
    assert isinstance(first, Billable)
    assert (first.record.account, first.record.caller) == (account, caller[:255])
    assert (first.record.dialled, first.record.number) == (number, number.removeprefix("+"))
    assert first.record.seconds == billsec
    assert [packing for packing, outcome in outcomes.items() if outcome != first] == []


@given(account=texts, caller=texts)
@example(account="a%20b", caller="%41")
def test_plain_values_come_back_as_they_were(account: str, caller: str) -> None:
    """Rule: with `encode-values` off, any text round-trips, even one that looks percent-encoded."""
    outcome = read_body(Call().but(accountcode=account, effective_caller_id_number=caller).json(encode_values=False))
    assert isinstance(outcome, Billable)
    assert (outcome.record.account, outcome.record.caller) == (account, caller)


@given(account=texts, caller=texts)
@example(account="100%", caller="%zz")
@example(account="%3c", caller="a+b")
def test_encoded_values_come_back_as_they_were(account: str, caller: str) -> None:
    """Rule: with `encode-values` on, and in XML, any text round-trips that holds no escape of the switch's own."""
    assume(not AMBIGUOUS.search(account) and not AMBIGUOUS.search(caller))
    call = Call().but(accountcode=account, effective_caller_id_number=caller)
    for body in (call.json(), call.xml()):
        outcome = read_body(body)
        assert isinstance(outcome, Billable)
        assert (outcome.record.account, outcome.record.caller) == (account, caller)


@pytest.mark.parametrize("suffix", ["json", "xml"])
@given(st.data())
def test_one_leg_of_every_call_is_billed_in_whatever_order_they_come(suffix: str, data: st.DataObject) -> None:
    """Rule: of all legs of a call, in any order and however often sent, exactly one record is billable."""
    folder = data.draw(st.sampled_from(["bridged_sip_call", "busy_call"]), label="call")
    legs = [name for name in LEGS if PurePath(name).parent.name == folder and name.endswith(suffix)]
    sent = data.draw(st.permutations(legs * 2), label="sent")
    outcomes = [read_file(fixture(name), SITE) for name in sent]
    assert len({outcome.record.key for outcome in outcomes if isinstance(outcome, Billable)}) == 1


@given(
    call=st.builds(
        lambda variables: Call().but(**variables),
        st.dictionaries(
            st.sampled_from(["originating_leg_uuid", "other_loopback_from_uuid", "loopback_from_uuid"]),
            texts,
            min_size=1,
        ),
    )
)
def test_a_leg_that_names_the_leg_it_comes_from_is_never_billed(call: Call) -> None:
    """Rule: what another leg brought about is not billed, whatever else its record says."""
    assert isinstance(read_body(call.json(encode_values=False)), NotBillable)
    assert isinstance(read_body(call.xml()), NotBillable)
