"""What is refused, and that the message says where it is wrong."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest
from attrs import evolve
from tests.freeswitch.switch import UUID, Call, capture

from astpp_billing.errors import MalformedRecord
from astpp_billing.freeswitch import Billable, ReadOptions, read_body, read_file


def assert_refused(body: bytes, message: str, query: str = "") -> None:
    with pytest.raises(MalformedRecord, match=re.escape(message)):
        read_body(body, query=query)


@pytest.mark.parametrize("body", [b"", b"  \r\n", b"cdr=", b"\xef\xbb\xbf", b"cdr=\n"])
def test_an_empty_body(body: bytes) -> None:
    assert_refused(body, "the body is empty")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"hello, world", "neither JSON nor XML, plain or percent-encoded, nor Base64"),
        (b"cdr=eyJ", "nor Base64"),
        (b"cdr=eyJ9=AAA", "nor Base64"),
        (base64.b64encode(b"neither one"), "neither JSON nor XML"),
        (b"cdr=%41%42", "neither JSON nor XML"),
        (b"[]", "nor Base64"),
        (b"{", "not JSON, or cut off"),
        (b"{} {}", "not JSON, or cut off"),
        (b"{}", "variables is missing"),
        (b'{"variables": []}', "variables is not a JSON object"),
        (b"<cdr", "not XML, or cut off"),
        (b"<cdr/><cdr/>", "not XML, or cut off"),
        (b"<html/>", "its outermost element is 'html'"),
        (b"<cdr/>", "switchname is missing"),
    ],
)
def test_what_is_not_a_record(body: bytes, message: str) -> None:
    assert_refused(body, message)


def test_the_content_type_is_told_where_the_body_cannot_be_read() -> None:
    with pytest.raises(MalformedRecord, match="sent as 'image/png'"):
        read_body(b"\x89PNG", content_type="image/png")


def test_deep_nesting_is_refused_in_both_languages() -> None:
    assert_refused(b'{"variables":' * 100_000, "nested too deeply")
    assert_refused(b"[" * 100_000 + b"]" * 100_000, "nor Base64")
    assert_refused(b'{"a":' + b"[" * 100_000, "nested too deeply")
    assert_refused(b"<cdr>" + b"<a>" * 100_000, "nested too deeply")


def test_nesting_as_deep_as_any_real_record_is_read() -> None:
    xml = Call().xml().replace(b"</cdr>", b"<a>" * 63 + b"</a>" * 63 + b"</cdr>")
    assert isinstance(read_body(xml), Billable)
    assert_refused(xml.replace(b"<a><a>", b"<a><a><a>", 1), "nested too deeply")


def test_a_body_above_the_limit_is_refused_before_it_is_looked_at() -> None:
    body = Call().json()
    limit = len(body)
    assert isinstance(read_body(body, options=ReadOptions(max_bytes=limit)), Billable)
    for read in (read_body, read_file):
        with pytest.raises(MalformedRecord, match=f"{limit + 1} bytes, more than the limit of {limit}"):
            read(body + b" ", options=ReadOptions(max_bytes=limit))
    with pytest.raises(MalformedRecord, match=f"more than the limit of {limit}"):
        read_file(capture(body), ReadOptions(max_bytes=limit))
    assert_refused(b" " * (4 * 1024 * 1024 + 1), "more than the limit of 4194304")


DTD = b'<?xml version="1.0"?><!DOCTYPE cdr [%b]>'


@pytest.mark.parametrize(
    "declaration",
    [
        b"",
        b'<!ENTITY a "aaaa">',
        b'<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">',
        b'<!ENTITY x SYSTEM "file://%b">',
        b'<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;',
    ],
)
def test_a_document_type_is_never_read(declaration: bytes, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("acc-secret")
    head = DTD.replace(b"%b", declaration.replace(b"%b", str(secret).encode()))
    body = head + Call().xml().partition(b"?>")[2].replace(b"acc1", b"&x;")
    with pytest.raises(MalformedRecord, match="declares a document type") as caught:
        read_body(body)
    assert "acc-secret" not in str(caught.value)


def test_an_undeclared_entity_is_not_xml() -> None:
    assert_refused(Call().xml().replace(b"acc1", b"&x;"), "not XML, or cut off")


def test_a_declared_character_encoding_is_not_believed() -> None:
    for name in (b"utf-16", b"no-such-encoding", b"utf-7"):
        body = Call().xml().replace(b'version="1.0"', b'version="1.0" encoding="' + name + b'"')
        assert read_body(body) == read_body(Call().xml())


def test_a_byte_order_mark_is_no_harm() -> None:
    for body in (Call().xml(), Call().json()):
        assert read_body(b"\xef\xbb\xbf" + body) == read_body(body)


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_constants_that_are_not_json(constant: bytes) -> None:
    assert_refused(Call().json().replace(b'"1795387207"', constant), f"{constant.decode()} is not JSON")


def test_numbers_that_are_numbers_are_read_as_written() -> None:
    assert read_body(Call().json().replace(b'"1795387207458069"', b"1795387207458069")) == read_body(Call().json())
    assert_refused(
        Call().json().replace(b'"1795387207458069"', b"1.795387207458069e15"), "variables.end_uepoch must be a whole"
    )
    assert_refused(Call().json().replace(b'"1795387207458069"', b"9" * 5000), "variables.end_uepoch must be a whole")


NOT_WHOLE = [
    "",
    " 1",
    "1 ",
    "+1",
    "-1",
    "1.0",
    "1e3",
    "1_0",
    "0x1",
    "NaN",
    "Infinity",
    "\u0661",
    "\u00b2",
    "9" * 21,
    "one",
]


@pytest.mark.parametrize("name", ["start_uepoch", "answer_uepoch", "end_uepoch", "billsec"])
@pytest.mark.parametrize("value", NOT_WHOLE)
def test_what_is_not_a_whole_number_is_named(name: str, value: str) -> None:
    for body in (Call().but(**{name: value}).json(), Call().but(**{name: value}).xml()):
        assert_refused(body, f"variables.{name} must be a whole number from 0 to ")


@pytest.mark.parametrize("name", ["start_epoch", "answer_epoch", "end_epoch"])
def test_the_epochs_that_stand_in_are_checked_too(name: str) -> None:
    assert_refused(
        Call().but(**{name.replace("_", "_u"): None, name: "-1"}).json(), f"variables.{name} must be a whole number"
    )


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"uuid": None}, "variables.uuid is missing"),
        ({"uuid": ""}, "variables.uuid is missing"),
        ({"uuid": "u" * 256}, "variables.uuid must be UTF-8 of at most 255 characters"),
        ({"accountcode": "a" * 256}, "variables.accountcode must be UTF-8 of at most 255 characters"),
        ({"accountcode": "a\0b"}, "variables.accountcode holds a NUL character"),
        ({"accountcode": "ARRAY::a|:b"}, "variables.accountcode is there more than once"),
        ({"direction": "sideways"}, "variables.direction must be 'inbound' or 'outbound', not 'sideways'"),
        ({"billsec": None}, "variables.billsec is missing"),
        ({"start_uepoch": "0"}, "variables.start_uepoch is missing or 0"),
        ({"start_uepoch": None, "start_epoch": None}, "variables.start_uepoch is missing or 0"),
        ({"end_uepoch": "0"}, "variables.end_uepoch is missing or 0"),
        ({"end_uepoch": "253402300800000000"}, "variables.end_uepoch must be a whole number"),
        ({"answer_uepoch": "1795387206465119"}, "variables.answer_uepoch 1795387206465119 is not between"),
        ({"answer_uepoch": "1795387207458070"}, "variables.answer_uepoch 1795387207458070 is not between"),
        ({"billsec": "3"}, "variables.billsec is 3, but the epochs of answer and end come to 1"),
        ({"answer_uepoch": "0", "billsec": "1"}, "variables.billsec is 1, but the epochs of answer and end come to 0"),
        ({"start_uepoch": "1795387208000000", "answer_uepoch": "0", "billsec": "0"}, "before it starts"),
        ({"end_uepoch": "1796387207458069", "billsec": "1000001"}, "seconds must be a whole number from 0 to 864000"),
    ],
)
def test_what_cannot_be_right_is_named(variables: dict[str, str | None], message: str) -> None:
    for body in (Call().but(**variables).json(), Call().but(**variables).xml()):
        assert_refused(body, message)


def test_a_direction_that_is_nowhere() -> None:
    message = "variables.direction must be 'inbound' or 'outbound', not None"
    assert_refused(Call().but(direction=None).xml(), message)
    assert_refused(Call().but(direction=None).json().replace(b"channel_data", b"other"), message)


def test_a_switch_without_a_name() -> None:
    for body in (evolve(Call(), switchname=None, core_uuid=None).json(), evolve(Call(), switchname="").xml()):
        if b"core-uuid" not in body:
            assert_refused(body, "switchname is missing")
        else:
            assert isinstance(read_body(body), Billable)


@pytest.mark.parametrize("profiles", [(), ({"caller_id_number": "4420"},)])
def test_a_record_without_a_dialled_number(profiles: tuple[dict[str, str], ...]) -> None:
    call = evolve(Call(), profiles=profiles)
    for body in (call.json(), call.xml()):
        assert_refused(body, "callflow.caller_profile.destination_number is missing")


def test_a_record_without_any_callflow() -> None:
    assert_refused(
        evolve(Call(), profiles=()).json().replace(b', "callflow": []', b""), "destination_number is missing"
    )
    assert_refused(Call().json().replace(b"caller_profile", b"other_profile"), "callflow.caller_profile is missing")


@pytest.mark.parametrize("name", ["uuid", "accountcode", "billsec", "end_uepoch", "originating_leg_uuid"])
def test_a_variable_that_is_read_must_not_be_there_twice(name: str) -> None:
    call = Call().but(**{name: Call().variables.get(name, "x")})
    value = call.variables[name]
    element, member = f"<{name}>{value}</{name}>".encode(), f'"{name}": "{value}"'.encode()
    assert_refused(call.xml().replace(element, element * 2), f"variables.{name} is there more than once")
    assert_refused(call.json().replace(member, member + b", " + member), f"variables.{name} is there more than once")
    assert_refused(
        call.json().replace(member, f'"{name}": ["1", "2"]'.encode()), f"variables.{name} is there more than once"
    )


def test_nor_must_a_field_of_the_caller_profile() -> None:
    element, member = b"<destination_number>7771</destination_number>", b'"destination_number": "7771"'
    message = "callflow.caller_profile.destination_number is there more than once"
    assert_refused(Call().xml().replace(element, element * 2), message)
    assert_refused(Call().json().replace(member, member + b", " + member), message)


def test_a_variable_that_is_not_read_may_be_there_twice() -> None:
    xml = Call().xml().replace(b"<variables>", b"<variables><DP_MATCH>7771</DP_MATCH><DP_MATCH>1</DP_MATCH>")
    json = Call().json().replace(b'"variables": {', b'"variables": {"x": "1", "x": null, "x": ["1", "2"], ')
    assert read_body(xml) == read_body(json) == read_body(Call().json())


def test_a_part_of_a_json_record_must_not_be_there_twice() -> None:
    assert_refused(b'{"variables": {}, "variables": {}}', "variables is there more than once")


def test_a_json_null_is_no_value() -> None:
    for null in (b'[null, "acc1"]', b'"acc1", "accountcode": null'):
        assert read_body(Call().json().replace(b'"acc1"', null)) == read_body(Call().json())


@pytest.mark.parametrize(
    "body",
    [
        b"<cdr><variables>" + b"<a/>" * 900_000,
        b'{"variables": {' + b'"a": "", ' * 400_000,
        b'{"variables": {' + b'"a": "", ' * 400_000 + b'"b": ""}}',
        b"POST / HTTP/1.1\r\nContent-Type:" + b" " * 4_000_000 + b"x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length:" + b"9" * 4_000_000 + b"\r\n\r\n",
        b"%" * 4_000_000,
        b"A" * 4_000_000,
        b'{"variables": ' + b"9" * 4_000_000,
    ],
    ids=["elements", "members", "members, whole", "header", "length", "escapes", "base64", "digits"],
)
def test_the_largest_body_takes_no_more_than_seconds(body: bytes) -> None:
    started = perf_counter()
    with pytest.raises(MalformedRecord):
        read_file(body)
    assert perf_counter() - started < 30


@pytest.mark.parametrize("value", [b"true", b"{}", b"[[]]"])
def test_a_json_value_that_is_no_text(value: bytes) -> None:
    assert_refused(Call().json().replace(b'"acc1"', value), "variables.accountcode is not a text")


def test_an_xml_element_with_elements_in_it_has_no_value() -> None:
    assert_refused(Call().xml().replace(b"<uuid>", b"<uuid><b/>"), "variables.uuid is missing")


@pytest.mark.parametrize("field", [b"acc1", b"fstest", UUID.encode()])
def test_a_name_that_the_bill_depends_on_must_be_utf8(field: bytes) -> None:
    for body in (Call().json(), Call().xml(), Call().json(encode_values=False)):
        assert_refused(body.replace(field, b"\xe9"), "must be UTF-8")
    if field != b"fstest":
        for body in (Call().json(), Call().xml()):
            assert_refused(body.replace(field, b"%E9"), "must be UTF-8")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "tok=1",
        f"uuid={UUID}",
        f"uuid=a_{UUID}",
        f"tok=1?uuid={UUID}",
        f"tok=1&uuid=a_{UUID}",
        f"uuid=x&uuid={UUID}",
    ],
)
def test_the_query_may_be_for_this_leg_or_for_none(query: str) -> None:
    assert read_body(Call().json(), query=query) == read_body(Call().json())


def test_a_uuid_of_ones_own_may_be_percent_encoded_and_start_like_a_prefix() -> None:
    outcome = read_body(Call().but(uuid="a_b c").json(), query="uuid=a_b%20c")
    assert isinstance(outcome, Billable)
    assert outcome.record.leg_uuid == "a_b c"


@pytest.mark.parametrize(
    "query", ["uuid=other", "uuid=", f"uuid=b_{UUID}", f"uuid={UUID}&uuid=other", "t=1?uuid=other"]
)
def test_a_query_for_another_leg_is_refused(query: str) -> None:
    assert_refused(Call().json(), "the query string is for uuid", query)


class TestCapture:
    def test_its_query_is_checked(self) -> None:
        with pytest.raises(MalformedRecord, match="the query string is for uuid"):
            read_file(capture(Call().json(), "/cdr?uuid=other"))

    def test_it_needs_no_query_no_headers_and_no_carriage_returns(self) -> None:
        body = Call().json()
        for head in (b"POST / HTTP/1.1\r\n\r\n", b"POST /cdr HTTP/1.0\n\n", b"POST / HTTP/1.1\nContent-Type: x\n\n"):
            assert read_file(head + body) == read_body(body)

    def test_its_body_must_be_as_long_as_it_says(self) -> None:
        whole = capture(Call().json())
        assert read_file(whole + b"\r\n") == read_body(Call().json())
        for wrong in (whole[:-1], whole + b"x"):
            with pytest.raises(MalformedRecord, match="Content-Length says"):
                read_file(wrong)

    def test_its_headers_must_end(self) -> None:
        with pytest.raises(MalformedRecord, match="its headers do not end"):
            read_file(b"POST /cdr HTTP/1.1\r\nHost: x\r\n")

    def test_its_content_type_goes_into_the_message(self) -> None:
        with pytest.raises(MalformedRecord, match="sent as 'text/plain'"):
            read_file(capture(b"hello, world", content_type="text/plain"))


def test_base64_may_be_broken_into_lines() -> None:
    assert read_body(b"cdr=" + base64.encodebytes(Call().xml())) == read_body(Call().xml())


WITHOUT = """
import sys
sys.modules["defusedxml"] = None
from astpp_billing.freeswitch import Billable, read_body
assert isinstance(read_body({json!r}), Billable)
try:
    read_body({xml!r})
except ModuleNotFoundError as error:
    assert error.name == "defusedxml" and "astpp-billing[freeswitch]" in str(error), error
else:
    raise SystemExit("XML was read without defusedxml")
"""


def test_only_xml_needs_the_extra_and_the_error_names_it() -> None:
    script = WITHOUT.format(json=Call().json(), xml=Call().xml())
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_package_does_not_import_an_xml_reader() -> None:
    script = "import sys, astpp_billing.freeswitch; raise SystemExit('defusedxml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == 0
