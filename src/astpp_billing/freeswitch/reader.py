"""The two ways in: a request's body, and a file."""

from __future__ import annotations

from astpp_billing.freeswitch.body import Syntax, captured_request, check_size, unpack
from astpp_billing.freeswitch.json_cdr import read_json
from astpp_billing.freeswitch.options import DEFAULT_OPTIONS, ReadOptions
from astpp_billing.freeswitch.outcome import Outcome
from astpp_billing.freeswitch.record import outcome_of
from astpp_billing.freeswitch.xml_cdr import read_xml


def read_body(
    body: bytes, *, content_type: str = "", query: str = "", options: ReadOptions = DEFAULT_OPTIONS
) -> Outcome:
    """Read the body of a request that mod_json_cdr or mod_xml_cdr posts.

    Args:
        body: the body as received, not form-decoded: a Base64 body holds a raw `+`.
        content_type: the request's content type; only for messages, since the switch does not always send the
            right one.
        query: the request's raw query string, without its `?`; where it names a `uuid`, that must be the record's.
        options: how this site's records are read.

    Returns:
        `Billable` with the call record, or `NotBillable` with the reason.

    Raises:
        MalformedRecord: the body is no call record, or not a whole one; the message names the field.
        ModuleNotFoundError: the body is XML, and the extra `freeswitch` is not installed.
    """
    check_size(body, options.max_bytes)
    payload = unpack(body, content_type)
    channel = read_json(payload.text) if payload.syntax is Syntax.JSON else read_xml(payload.text)
    return outcome_of(channel, options, query)


def read_file(data: bytes, options: ReadOptions = DEFAULT_OPTIONS) -> Outcome:
    """Read what a file holds: a record as the modules leave it in their log or error folder, or a captured request.

    Returns and raises as `read_body` does. Only `data` is looked at; the caller opens the file.
    """
    check_size(data, options.max_bytes)
    request = captured_request(data)
    if request is None:
        return read_body(data, options=options)
    return read_body(request.body, content_type=request.content_type, query=request.query, options=options)
