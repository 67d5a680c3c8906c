"""Endpoints: how a switch knows an account where it sends no account number."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from astpp_billing.errors import InvalidValue


class EndpointKind(StrEnum):
    """What identifies the caller."""

    USER = "user"
    ADDRESS = "address"


def _value(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > 255:
        raise InvalidValue(f"an endpoint is named by a text of 1 to 255 characters, not {value!r}")
    return value


@frozen
class Endpoint:
    """A SIP user or a network address whose calls one account pays for."""

    kind: EndpointKind
    value: str = field(converter=_value)
    account_id: int
