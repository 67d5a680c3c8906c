"""The proof of included minutes: that their counters are what calls and refunds have taken, and what holds reserve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from astpp_billing.calls import CallEntry, CallStatus
from astpp_billing.errors import InvalidValue
from astpp_billing.hierarchy import Account
from astpp_billing.ledger import Posting, Reason
from astpp_billing.ports import UnitOfWork
from astpp_billing.pricing.allowances import MinutesUsed
from astpp_billing.services.proof import Discrepancy


def prove_minutes(uow: UnitOfWork, accounts: Sequence[Account]) -> list[Discrepancy]:
    """All that is wrong with the included minutes of accounts."""
    held: dict[int, int] = {}
    for hold in uow.holds():
        for one in hold.minutes:
            held[one.grant_id] = held.get(one.grant_id, 0) + one.seconds
    return [wrong for account in accounts for wrong in _account(uow, account, held)]


def _account(uow: UnitOfWork, account: Account, held: dict[int, int]) -> Iterator[Discrepancy]:
    try:
        grants = uow.grants(account.id)
    except InvalidValue as error:  # a counter that says of itself that it is wrong
        yield Discrepancy(f"minutes of account {account.number}: {error}", 0, 0)
        return
    if not grants:
        return
    used: dict[int, int] = {}
    of_calls: dict[str, list[MinutesUsed]] = {}
    for one in uow.minutes_used(account_id=account.id):
        used[one.grant_id] = used.get(one.grant_id, 0) + one.seconds
        of_calls.setdefault(one.key, []).append(one)
    for grant in grants:
        name = f"minutes {grant.id} of account {account.number}"
        taken, reserved = used.get(grant.id, 0), held.get(grant.id, 0)
        if grant.used_seconds != taken:
            yield Discrepancy(f"{name}: {grant.used_seconds} s are stored as used, {taken} s are proved", 0, 0)
        if grant.held_seconds != reserved:
            yield Discrepancy(f"{name}: {grant.held_seconds} s are stored as held, {reserved} s are proved", 0, 0)
    calls = uow.look(keys=of_calls).calls
    for key, taken_by in of_calls.items():
        if key in calls or not _is_refund(uow.find_posting(key)):
            yield from _call(account, key, sum(one.seconds for one in taken_by), calls.get(key))


def _is_refund(posting: Posting | None) -> bool:
    return posting is not None and posting.reason is Reason.REFUND


def _call(account: Account, key: str, seconds: int, call: CallEntry | None) -> Iterator[Discrepancy]:
    """What takes minutes is a rated call of their account, of so many seconds at least."""
    if call is None or call.status is not CallStatus.RATED or call.account_id != account.id:
        yield Discrepancy(f"call {key} takes minutes of account {account.number}, and is no rated call of it", 0, 0)
    elif call.record.seconds < seconds:
        yield Discrepancy(f"call {key} takes {seconds} s of minutes, and was {call.record.seconds} s long", 0, 0)
