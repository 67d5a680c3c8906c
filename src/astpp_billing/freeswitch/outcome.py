"""What reading a call record comes to: a leg to bill, or one that must not be billed, and why."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from attrs import frozen

from astpp_billing.calls.record import CallRecord


class NotBillableReason(Enum):
    """Why a leg is not billed. The first that applies, in this order, is given."""

    B_LEG = "b_leg"
    """Another leg brought it about (`originating_leg_uuid`), and that one is billed."""
    INNER_LOOPBACK = "inner_loopback"
    """The far end of a loopback that another leg was bridged to (`other_loopback_from_uuid`)."""
    OUTBOUND = "outbound"
    """The switch made the call itself: the near end of a loopback, or a leg to a user agent or a gateway."""
    OTHER_CONTEXT = "other_context"
    """Its dialplan context is not one of `ReadOptions.contexts`."""
    NO_ACCESS_PREFIX = "no_access_prefix"
    """The dialled number starts with none of `ReadOptions.access_prefixes`."""


@frozen
class Billable:
    """The leg is to be billed; `record` goes to settlement."""

    record: CallRecord


@frozen
class NotBillable:
    """The leg is understood and must not be billed: answer the switch with success, and settle nothing.

    `switch_id` and `leg_uuid` are those that the record of a billable leg would have.
    """

    reason: NotBillableReason
    switch_id: str
    leg_uuid: str


Outcome: TypeAlias = Billable | NotBillable
"""What `read_body` and `read_file` return; whatever is neither raises `MalformedRecord`."""
