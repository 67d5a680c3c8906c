"""What both record languages say about one channel, as one flat mapping, and how a value of it is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from attrs import frozen

from astpp_billing.errors import MalformedRecord

Fields: TypeAlias = Mapping[str, tuple[str, ...]]
"""Values by name, as written; several where a name is written several times."""

# What the switch's encoder never leaves as it is: controls and what is not ASCII, its list of unsafe characters,
# and a percent sign that starts no escape.
_NEVER_IN_ENCODED = re.compile(r"[^!-~]|[\"#&+:;<=>?@\[\\\]^`{|}]|%(?![0-9A-Fa-f]{2})")
_ARRAY = "ARRAY::"


@frozen
class Channel:
    """One channel, as its record has it.

    `attributes`: what stands at the record's top (`switchname`, `core-uuid`) and the `direction` of its
    `channel_data`. `variables`: the channel variables, percent-encoded if `encoded`. `profiles`: the caller
    profiles, newest first; more than one if the call was transferred. Profiles are never percent-encoded.
    """

    attributes: Fields
    variables: Fields
    profiles: tuple[Fields, ...]
    encoded: bool

    def attribute(self, name: str) -> str | None:
        """The attribute `name`, or None if it is not there."""
        return _printable(_only(self.attributes, name, name))

    def variable(self, name: str) -> str | None:
        """The channel variable `name`, decoded, or None if it is not there.

        Raises `MalformedRecord` if there are several, as repeated elements or as the switch's `ARRAY::a|:b`, or if
        it holds a NUL. For variables that the switch and its dialplan set by themselves.
        """
        path = f"variables.{name}"
        value = _only(self.variables, name, path)
        text = None if value is None else self._decode(value)
        if text is not None and text.startswith(_ARRAY):
            raise MalformedRecord(f"{path} is there more than once")
        if text is not None and "\0" in text:
            raise MalformedRecord(f"{path} holds a NUL character")
        return text

    def claim(self, name: str) -> str | None:
        """The channel variable `name`, decoded, where its value may be the caller's own choice; None if not there.

        Never raises, or a caller could make the record of its call unreadable: a SIP user `ARRAY::a|:b` becomes two
        values, of which the first is taken, and `%00` a NUL, which becomes U+FFFD.
        """
        values = self.variables.get(name, ())
        text = self._decode(values[0]) if values else None
        return _printable(text.removeprefix(_ARRAY).partition("|:")[0] if text and text.startswith(_ARRAY) else text)

    def profile(self, name: str, index: int) -> str | None:
        """The field `name` of the caller profile `index` (0 is the newest), or None if it is not there.

        Raises `MalformedRecord` if it is there more than once. Its value may be the caller's own choice.
        """
        if not self.profiles:
            return None
        return _printable(_only(self.profiles[index], name, f"callflow.caller_profile.{name}"))

    def _decode(self, value: str) -> str:
        return unquote_to_bytes(value).decode("utf-8", errors="replace") if self.encoded else value


def _only(fields: Fields, name: str, path: str) -> str | None:
    values = fields.get(name, ())
    if len(values) > 1:
        raise MalformedRecord(f"{path} is there more than once")
    return values[0] if values else None


def _printable(text: str | None) -> str | None:
    # No database stores a NUL in a text.
    return None if text is None else text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def is_encoded(variables: Fields) -> bool:
    """Whether the values of a JSON record are percent-encoded: mod_json_cdr's `encode-values`, on by default.

    The record does not say. A value that the encoder would have changed settles that they are plain, and every
    record has one: `start_stamp` is a date, a space and a time. So in a plain record `%20` is read as the caller
    sent it; in an encoded one it is a space, because the encoder leaves `%20` as it is and does not tell them
    apart.
    """
    return not any(_NEVER_IN_ENCODED.search(value) for values in variables.values() for value in values)


def collect(pairs: Iterable[tuple[str, str]]) -> Fields:
    """The values by name, each with all that was written for it."""
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in fields.items()}
