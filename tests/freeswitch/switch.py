"""A switch in miniature: writes a call's record as mod_json_cdr and mod_xml_cdr do, in every packing they have."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from attrs import evolve, field, frozen

DATA = Path(__file__).parent.parent / "data" / "freeswitch"

CAPTURES = sorted(path.name for path in DATA.glob("*_cdr_*.http"))
LEGS = sorted(str(path.relative_to(DATA)) for path in DATA.glob("*_call/*"))
RECORDS = [*CAPTURES, *LEGS]

UUID = "5dd50103-167f-4cb3-968e-f3e123063c85"
VARIABLES = {
    "direction": "inbound",
    "uuid": UUID,
    "accountcode": "acc1",
    "hangup_cause": "NORMAL_CLEARING",
    "start_stamp": "2026-11-22 22:40:06",
    "start_epoch": "1795387206",
    "start_uepoch": "1795387206465120",
    "answer_epoch": "1795387206",
    "answer_uepoch": "1795387206466601",
    "end_epoch": "1795387207",
    "end_uepoch": "1795387207458069",
    "billsec": "1",
}
PROFILE = {
    "username": "",
    "caller_id_number": "4420",
    "network_addr": "",
    "destination_number": "7771",
    "context": "default",
}
_UNSAFE = frozenset('\r\n #%&+:;<=>?@[\\]^`{|}"')
_HEX = frozenset("0123456789ABCDEF")


@frozen
class Call:
    """What a channel's record says. The profiles are newest first, as the switch writes them."""

    variables: Mapping[str, str] = field(factory=lambda: dict(VARIABLES))
    profiles: tuple[Mapping[str, str], ...] = (PROFILE,)
    switchname: str | None = "fstest"
    core_uuid: str | None = "40717bb9-fc01-4926-91f4-69f9c148a0f8"

    def but(self, **variables: str | None) -> Call:
        """The same call with other variables; None takes one away."""
        merged = {**self.variables, **variables}
        return evolve(self, variables={name: value for name, value in merged.items() if value is not None})

    def dialling(self, number: str, **profile: str) -> Call:
        return evolve(self, profiles=({**self.profiles[0], "destination_number": number, **profile},))

    def json(self, *, encode_values: bool = True) -> bytes:
        values = {name: url_encode(value) if encode_values else value for name, value in self.variables.items()}
        names = {"core-uuid": self.core_uuid, "switchname": self.switchname}
        document = {
            **{name: value for name, value in names.items() if value is not None},
            "channel_data": {"direction": "inbound"},
            "variables": values,
            "callflow": [{"profile_index": "1", "caller_profile": dict(profile)} for profile in self.profiles],
        }
        return json.dumps(document, ensure_ascii=False).encode()

    def xml(self) -> bytes:
        names = {"core-uuid": self.core_uuid, "switchname": self.switchname}
        lines = ['<?xml version="1.0"?>']
        lines += [f"<cdr {' '.join(f'{n}={quoteattr(v)}' for n, v in names.items() if v is not None)}>", "<variables>"]
        lines += [f"<{name}>{escape(url_encode(value))}</{name}>" for name, value in self.variables.items()]
        lines.append("</variables>")
        for profile in self.profiles:
            lines.append("<callflow><caller_profile>")
            lines += [f"<{name}>{escape(value)}</{name}>" for name, value in profile.items()]
            lines.append("</caller_profile></callflow>")
        return "\n".join([*lines, "</cdr>", ""]).encode()

    def every_packing(self) -> dict[str, bytes]:
        """The call's record in each way that the two modules send or store it."""
        plain, encoded, xml = self.json(encode_values=False), self.json(), self.xml()
        # mod_json_cdr leaves what looks like an escape as it is; mod_xml_cdr encodes it again.
        json_form, xml_form = url_encode(plain.decode()).encode(), url_encode(xml.decode(), double=True).encode()
        return {
            "json, encoded values": encoded,
            "json, plain values": plain,
            "json, form": b"cdr=" + json_form,
            "json, Base64": b"cdr=" + base64.b64encode(encoded),
            "json, error folder, form": json_form + b"\n",
            "json, error folder, Base64": base64.b64encode(encoded) + b"\n",
            "xml": xml,
            "xml, unencoded form": b"cdr=" + xml,
            "xml, form": b"cdr=" + xml_form,
            "xml, Base64": b"cdr=" + base64.b64encode(xml),
            "xml, error folder": xml_form,
            "capture": capture(encoded),
        }


def url_encode(text: str, *, double: bool = False) -> str:
    """The switch's own encoder: `%` and two capital hex digits stay as they are unless `double`."""
    out = []
    for place, character in enumerate(text):
        digits = text[place + 1 : place + 3]
        is_escape = character == "%" and not double and len(digits) == 2 and _HEX.issuperset(digits)
        if is_escape or (" " <= character <= "~" and character not in _UNSAFE):
            out.append(character)
        else:
            out.append("".join(f"%{byte:02X}" for byte in character.encode()))
    return "".join(out)


def capture(body: bytes, target: str = f"/cdr?uuid={UUID}", content_type: str = "application/json") -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def fixture(name: str) -> bytes:
    return (DATA / name).read_bytes()
