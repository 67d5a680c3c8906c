"""The JSON record of mod_json_cdr."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NoReturn, TypeAlias

from attrs import frozen

from astpp_billing.errors import MalformedRecord
from astpp_billing.freeswitch.variables import Channel, Fields, collect, is_encoded


@frozen
class _Object:
    """A JSON object with all its members in order: a name may be written twice, and that must not go unseen."""

    members: tuple[tuple[str, object], ...]


_Path: TypeAlias = str

# Half of a pair, written as an escape, is no character: nothing could store it.
_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def read_json(text: str) -> Channel:
    """The channel that the JSON record `text` describes.

    Raises `MalformedRecord` for what is not JSON, is cut off, is nested too deeply, holds NaN or Infinity, or is
    not laid out as mod_json_cdr does it. Numbers are taken as they are written; none becomes a float.
    """
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=_refuse_constant
        )
    except RecursionError:
        # Without the cause: its traceback has a thousand lines.
        raise MalformedRecord("the JSON is nested too deeply") from None
    except ValueError as error:
        if isinstance(error, MalformedRecord):
            raise
        raise MalformedRecord(f"not JSON, or cut off: {error}") from error
    top = _expect_object(document, "the record")
    variables = _texts(_expect_object(_member(top, "variables"), "variables"), "variables")
    return Channel(
        attributes=collect(_attributes(top)),
        variables=variables,
        profiles=tuple(_profiles(_member(top, "callflow"))),
        encoded=is_encoded(variables),
    )


def _object(members: list[tuple[str, object]]) -> _Object:
    return _Object(tuple(members))


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedRecord(f"{name} is not JSON")


def _member(parent: _Object, name: str) -> object:
    values = [value for key, value in parent.members if key == name]
    if len(values) > 1:
        raise MalformedRecord(f"{name} is there more than once")
    return values[0] if values else None


def _expect_object(value: object, path: _Path) -> _Object:
    if not isinstance(value, _Object):
        raise MalformedRecord(f"{path} is {'missing' if value is None else 'not a JSON object'}")
    return value


def _attributes(top: _Object) -> Iterator[tuple[str, str]]:
    for name in ("switchname", "core-uuid"):
        yield from _pairs(_Object(tuple(member for member in top.members if member[0] == name)), "the record")
    data = _member(top, "channel_data")
    if isinstance(data, _Object):
        yield from _pairs(_Object(tuple(member for member in data.members if member[0] == "direction")), "channel_data")


def _profiles(callflow: object) -> Iterator[Fields]:
    # An array, newest first; older switches write a single object.
    flows = callflow if isinstance(callflow, list) else [] if callflow is None else [callflow]
    for flow in flows:
        profile = _expect_object(_member(_expect_object(flow, "callflow"), "caller_profile"), "callflow.caller_profile")
        plain = tuple(member for member in profile.members if not isinstance(member[1], _Object))
        yield _texts(_Object(plain), "callflow.caller_profile")


def _texts(parent: _Object, path: _Path) -> Fields:
    return collect(_pairs(parent, path))


def _pairs(parent: _Object, path: _Path) -> Iterator[tuple[str, str]]:
    for name, value in parent.members:
        for item in value if isinstance(value, list) else [value]:
            if item is None:
                continue
            if not isinstance(item, str):
                raise MalformedRecord(f"{path}.{_SURROGATE.sub(_REPLACEMENT, name)[:80]} is not a text")
            yield name, _SURROGATE.sub(_REPLACEMENT, item)
