"""What a site may say about how its call records are to be read."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from astpp_billing.errors import InvalidValue

MAX_BYTES = 4 * 1024 * 1024
"""The largest body that is read unless told otherwise; the largest real record seen has 16 KiB."""


class NumberFrom(Enum):
    """Which dialled number counts where a call was transferred (the switch then reports several)."""

    LAST = "last"
    """The number it was last routed to, as the switch's own `${destination_number}` has it."""
    FIRST = "first"
    """The number that the caller dialled before any transfer."""


def _check_texts(instance: object, attribute: object, value: object) -> None:
    # A bare "bs" would be taken for ("b", "s"): each letter a prefix of its own.
    if not isinstance(value, tuple) or not all(isinstance(text, str) and text for text in value):
        raise InvalidValue(f"{attribute.name} must be a tuple of texts that are not empty, not {value!r}")  # type: ignore[attr-defined]


def _check_max_bytes(instance: object, attribute: object, value: object) -> None:
    if type(value) is not int or value < 1:
        raise InvalidValue(f"max_bytes must be a whole number above 0, not {value!r}")


@frozen(kw_only=True)
class ReadOptions:
    """How the records of one site are read. Every default suits a switch that is used for billed calls only.

    `access_prefixes`: what a billed number starts with, such as `("bs",)` or `("9", "00")`. Where given, the
    longest that fits is taken off (`bs1234` is the number `1234`), and a call to any other number is not
    billable. This is how a call that the switch made to itself is told from one that a customer made: the record
    of the far end looks the same otherwise. Applied before `international_prefixes`. Default: none, and every
    number is billable.

    `international_prefixes`: what stands before a country code, such as `("+", "00", "011")`. The longest that
    fits is taken off. Default: `("+",)` only, because `00` and `011` depend on the country (`011` is also the area
    code of Turin and of Delhi).

    `contexts`: the dialplan contexts whose calls are billed, such as `("customers",)`; a call in any other is not
    billable. Default: none, and every context is billed.

    `number_from`: which dialled number counts after a transfer; its caller profile also gives the context, the
    caller and the address. Default: the last.

    `number_variables`: channel variables that the dialplan sets to the number to be billed; the first that is
    not empty is billed instead of the dialled number, which still decides by its access prefix whether the call is
    billable at all. Default: none.

    `account_variables`: channel variables that name the account; the first that is not empty counts. Default:
    `accountcode`.

    `user_variables`: where the SIP user is looked for; the first that is not empty counts, as a channel variable
    or else as a field of the caller profile. `sip_auth_username` has been checked by the switch; `sip_from_user`
    and `username` are what the caller claims where the switch asks for no password, so leave them out if calls
    from unknown addresses reach the dialplan. Default: `sip_auth_username`, `user_name`, `sip_from_user`,
    `username`.

    `max_bytes`: the largest body or file that is read, in bytes. Default: 4 MiB.
    """

    access_prefixes: tuple[str, ...] = field(default=(), validator=_check_texts)
    international_prefixes: tuple[str, ...] = field(default=("+",), validator=_check_texts)
    contexts: tuple[str, ...] = field(default=(), validator=_check_texts)
    number_from: NumberFrom = NumberFrom.LAST
    number_variables: tuple[str, ...] = field(default=(), validator=_check_texts)
    account_variables: tuple[str, ...] = field(default=("accountcode",), validator=_check_texts)
    user_variables: tuple[str, ...] = field(
        default=("sip_auth_username", "user_name", "sip_from_user", "username"), validator=_check_texts
    )
    max_bytes: int = field(default=MAX_BYTES, validator=_check_max_bytes)


DEFAULT_OPTIONS = ReadOptions()
"""The options that are used where none are given."""
