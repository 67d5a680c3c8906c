"""From the bytes that a switch sends or leaves on disk to the text of one JSON or XML record.

mod_json_cdr and mod_xml_cdr pack a record in four ways: as it is; behind `cdr=`; percent-encoded, with `cdr=` in a
request and without in a file of the error folder; and Base64, likewise. The content type does not tell which: with
`disable-100-continue` the switch sends form-urlencoded whatever the body is. The first character does, since JSON
starts with `{`, XML with `<`, their percent-encoded forms with `%`, and Base64 with none of these.
"""

from __future__ import annotations

import binascii
import re
from enum import Enum
from urllib.parse import unquote, unquote_to_bytes

from attrs import frozen

from astpp_billing.errors import MalformedRecord

_REQUEST_LINE = re.compile(rb"\A[A-Z]+ (\S+) HTTP/1\.[01]\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CONTENT_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_CONTENT_TYPE = re.compile(rb"^content-type:(.*)$", re.IGNORECASE | re.MULTILINE)
_QUERY_UUID = re.compile(r"(?:^|[?&])uuid=([^?&]*)")
_FIELD = b"cdr="
_BLANK = b" \t\r\n"


class Syntax(Enum):
    """The two languages that a record is written in."""

    JSON = "json"
    XML = "xml"


@frozen
class Payload:
    """The text of one record, without its packing, and the language it is in."""

    syntax: Syntax
    text: str


@frozen
class Request:
    """One captured HTTP request: its body, its content type ("" for none) and its query string, raw ("" for none)."""

    body: bytes
    content_type: str
    query: str


def check_size(data: bytes, max_bytes: int) -> None:
    """Refuse more than `max_bytes` bytes with `MalformedRecord`, before anything is done with them."""
    if len(data) > max_bytes:
        raise MalformedRecord(f"the record has {len(data)} bytes, more than the limit of {max_bytes}")


def unpack(body: bytes, content_type: str = "") -> Payload:
    """The record within a request's body or a file, in any of the packings above.

    `content_type` is not trusted: it only goes into the message of `MalformedRecord`, which is raised where the
    body is none of them.
    """
    packed = _trim(body)
    packed = packed.removeprefix(_FIELD).strip(_BLANK)
    if not packed:
        raise MalformedRecord("the body is empty")
    plain = packed if packed[:1] in b"<{" else _trim(_decode(packed, content_type))
    # Bytes that are not UTF-8 become U+FFFD: they must not make a whole record unreadable where they stand in a
    # field that billing does not need, such as the caller's name. The fields that it needs are checked one by one.
    text = plain.decode("utf-8", errors="replace")
    if text.startswith("{"):
        return Payload(Syntax.JSON, text)
    if text.startswith("<"):
        return Payload(Syntax.XML, text)
    raise MalformedRecord(
        f"the body is neither JSON nor XML, plain or encoded{_typed(content_type)}: it starts {_start(body)}"
    )


def _trim(data: bytes) -> bytes:
    return data.removeprefix(b"\xef\xbb\xbf").strip(_BLANK)


def _decode(packed: bytes, content_type: str) -> bytes:
    if packed.startswith(b"%"):
        # Not the form decoding that turns + into a space: the switch writes a space as %20, and a plus as %2B.
        return unquote_to_bytes(packed)
    try:
        return binascii.a2b_base64(packed.replace(b"\r", b"").replace(b"\n", b""), strict_mode=True)
    except binascii.Error as error:
        raise MalformedRecord(
            f"the body is neither JSON nor XML, plain or percent-encoded, nor Base64 ({error})"
            f"{_typed(content_type)}: it starts {_start(packed)}"
        ) from error


def _typed(content_type: str) -> str:
    return f" (sent as {content_type[:80]!r})" if content_type else ""


def _start(data: bytes) -> str:
    return repr(data[:40].decode("utf-8", errors="replace"))


def captured_request(data: bytes) -> Request | None:
    """The HTTP request that a capture (request line, headers, empty line, body) holds; None if it is not a capture.

    Raises `MalformedRecord` where the headers do not end, or the body is not as long as they say.
    """
    line = _REQUEST_LINE.match(data)
    if line is None:
        return None
    end = _HEAD_END.search(data, line.end() - 1)
    if end is None:
        raise MalformedRecord("the captured request is cut off: its headers do not end")
    head, body = data[: end.start() + 1], data[end.end() :]
    _check_length(head, body)
    kind = _CONTENT_TYPE.search(head)
    return Request(
        body=body,
        content_type=kind[1].strip().decode("utf-8", errors="replace") if kind else "",
        query=line[1].decode("utf-8", errors="replace").partition("?")[2],
    )


def _check_length(head: bytes, body: bytes) -> None:
    length = _CONTENT_LENGTH.search(head)
    if length is None:
        return
    wanted = int(length[1])
    # A capture may have got a line end of its own behind the body.
    if len(body) < wanted or body[wanted:].strip(_BLANK):
        raise MalformedRecord(f"Content-Length says {wanted} bytes, but the captured body has {len(body)}")


def query_uuid(query: str) -> str | None:
    """The leg's uuid in a raw query string, with any `a_` still in front; None if there is none.

    The modules put it last; mod_json_cdr writes `?uuid=` even where the address has a query already, as in
    `tok=1?uuid=…`, so both `?` and `&` part the fields.
    """
    found = _QUERY_UUID.findall(query)
    return unquote(found[-1], errors="replace") if found else None
