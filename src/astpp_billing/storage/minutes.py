"""What happens to the counters of included minutes, as every storage works it out."""

from __future__ import annotations

from collections.abc import Sequence

from astpp_billing.errors import InvalidValue
from astpp_billing.ledger import HeldMinutes, Hold
from astpp_billing.ports import Changes


def moved_minutes(changes: Changes) -> dict[int, tuple[int, int]]:
    """The seconds that are taken from each grant, and those that are no longer held of it; by id, ascending."""
    moved: dict[int, tuple[int, int]] = {}
    for used in changes.minutes:
        taken, released = moved.get(used.grant_id, (0, 0))
        moved[used.grant_id] = taken + used.seconds, released
    for hold, _ in changes.ended:
        for one in hold.minutes:
            taken, released = moved.get(one.grant_id, (0, 0))
            moved[one.grant_id] = taken, released + one.seconds
    return dict(sorted(moved.items()))


def more_minutes(stored: Hold, hold: Hold) -> Sequence[HeldMinutes]:
    """The minutes that a hold reserves beyond what is stored of it; `InvalidValue` where it gives some up."""
    before = {one.grant_id: one.seconds for one in stored.minutes}
    after = {one.grant_id: one.seconds for one in hold.minutes}
    if any(seconds > after.get(grant_id, 0) for grant_id, seconds in before.items()):
        raise InvalidValue(f"hold {hold.key} is extended to no fewer minutes than before")
    more = {grant_id: seconds - before.get(grant_id, 0) for grant_id, seconds in after.items()}
    return [HeldMinutes(grant_id, seconds) for grant_id, seconds in sorted(more.items()) if seconds]
