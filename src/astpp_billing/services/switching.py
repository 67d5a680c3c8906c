"""What happens to a subscription within a period that is paid: another plan, or its end, with proration to the day.

What is left of the period goes back, by its local days and without setup fees; what comes instead is paid for as much.
Both are one transaction: what goes back is there to pay with.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from astpp_billing.errors import AlreadyExists, StorageBusy
from astpp_billing.fx import ExchangeRates
from astpp_billing.ledger import Book, Charge, ChargeKind, Posting, Reason, Sale, fingerprint, key_about
from astpp_billing.periods import local_date
from astpp_billing.ports import Changes, Seen, Series, UnitOfWork
from astpp_billing.pricing.orders import NotSold, price_order
from astpp_billing.pricing.products import Agreement
from astpp_billing.pricing.subscriptions import Plan, Subscription, period_of, share_left
from astpp_billing.services.corrections import Command, Taken
from astpp_billing.services.issuing import Desk
from astpp_billing.services.minutes import include_part, source_of, withdraw_minutes
from astpp_billing.services.renewing import obstacle_to, sale_of
from astpp_billing.services.seen import check_unchanged
from astpp_billing.services.selling import Counter, Tills, payers


class Unused:
    """What is left, at an instant, of what a subscription has paid for its period; made before the lock."""

    def __init__(self, uow: UnitOfWork, current: Subscription, now: datetime) -> None:
        self._uow = uow
        self._current = current
        self._now = now
        self.since = max(now, current.period_start)
        """From when on nothing is paid any more: now, or when a period begins that was renewed early."""
        self._share = share_left(current.period, self.since, current.timezone)
        key = _paid_by(uow, current)
        self._taken = None if key is None else Taken(uow, key)

    @property
    def account_ids(self) -> set[int]:
        """Whose wallets are moved."""
        return set() if self._taken is None else self._taken.account_ids

    @property
    def series(self) -> set[Series]:
        """What credit notes are numbered from."""
        return set() if self._taken is None else self._taken.series

    def give_back(self, desk: Desk, changes: Changes) -> Posting | None:
        """Add to what a transaction saves that it goes back; None for nothing.

        It is the part of the days that are left, or of the included time, if less of that is left: nobody gets money
        back for minutes that were used.
        """
        taken = self._taken
        if taken is None:
            return None
        part = min(self._share, 1 - taken.before, self._unused_time())
        if not part:
            return None
        command = Command(
            key=key_about("unused", taken.posting.key),
            fingerprint=fingerprint("unused", taken.posting.key, str(part)),
            at=self._now,
            reason=Reason.REFUND,
            note=f"{self._current.description} until {local_date(self.since, self._current.timezone)}",
            part=part,
            weights=recurring(taken.posting, taken.charges, Agreement.from_json(self._current.agreement)),
        )
        return taken.take(desk, changes, command).posting

    def _unused_time(self) -> Fraction:
        """The part that calls have left, and hold nothing of, of the time that came with the period; 1 for no time."""
        current = self._current
        source = source_of(current.order_id)
        grants = [
            one
            for one in self._uow.grants(current.buyer_id)
            if one.source == source and one.starts_at == current.period_start
        ]
        granted = sum(one.seconds for one in grants)
        return Fraction(sum(one.left_seconds for one in grants), granted) if granted else Fraction(1)


def _paid_by(uow: UnitOfWork, current: Subscription) -> str | None:
    """The key of the posting that has paid for the period of a subscription; None if it cost nothing."""
    order = uow.order(current.order_id)
    keys = [current.renewal_key(current.period), *([order.posting_key] if order.at == current.period_start else [])]
    return next((key for key in keys if uow.find_posting(key) is not None), None)


def recurring(posting: Posting, charges: Sequence[Charge], agreement: Agreement) -> dict[int, Fraction]:
    """Which part of each transfer was paid for the period, by its position: all, but for what was paid for set-up.

    A commission is a share of price and setup fee together, so as much of it is for the period as of what it shares.
    """
    weights = {charge.position: Fraction(0) for charge in charges if charge.kind is ChargeKind.SETUP}
    if not weights:
        return {}
    paid: dict[int, int] = {}
    for_period: dict[int, int] = {}
    for charge in charges:
        paid[charge.account_id] = paid.get(charge.account_id, 0) + charge.micros
        if charge.kind is not ChargeKind.SETUP:
            for_period[charge.account_id] = for_period.get(charge.account_id, 0) + charge.micros
    parts: dict[tuple[int, int], Fraction] = {}
    part = Fraction(0)
    for share in agreement.commissions:
        if share.source is not None:  # else it shares what the one before it has paid
            payer_id = agreement.levels[share.source].payer_id
            part = Fraction(for_period.get(payer_id, 0), paid.get(payer_id, 0) or 1)
        parts[share.payer_id, share.receiver_id] = part
    for position, one in enumerate(posting.transfers, 1):
        if one.source.book is Book.COMMISSION:
            weights[position] = parts[one.source.account_id, one.target.account_id]
    return weights


def switch(
    uow: UnitOfWork, current: Subscription, plan: Plan, rates: ExchangeRates, now: datetime
) -> Subscription | NotSold:
    """Let a subscription be for something else from now on; all is done in the transaction in hand, or nothing."""
    new = current.switched(plan, now)
    share = Fraction(1)
    if new.period_end == current.period_end:
        start = new.period_start
        share = share_left(period_of(new.anchor, start, new.recurrence, new.timezone), start, new.timezone)
    seen = uow.look(account_ids=[current.buyer_id])
    sale = _sale(seen, current, new, share, rates)
    if isinstance(sale, NotSold):
        return sale
    unused = Unused(uow, current, now)
    tills = Tills(seen.accounts, seen.configs)
    locked = uow.lock(payers([sale]) | unused.account_ids | {current.buyer_id}, tills.series([sale]) | unused.series)
    check_unchanged(seen, locked)
    receipts = tills.count_receipts([sale])
    counter = Counter(locked, tills, now, uow.reserve_ids(receipts) if receipts else ())
    back = unused.give_back(counter.desk, counter.changes)
    if back is not None:
        counter.moved(back.transfers)
    sold = counter.sell(sale)
    if isinstance(sold, NotSold):
        return sold
    counter.finish()
    include_part(uow, counter.changes, new, share)
    _save(uow, counter.changes, current, new)
    return new


def _sale(
    seen: Seen, current: Subscription, new: Subscription, share: Fraction, rates: ExchangeRates
) -> Sale | NotSold:
    agreement = Agreement.from_json(new.agreement)
    obstacle = obstacle_to(agreement, seen.accounts)
    if obstacle is not None:
        return obstacle
    setup = new.product_id != current.product_id
    at = new.period_start
    priced = price_order(agreement, seen.accounts, new.quantity, rates, at, setup=setup, share=share)
    return priced if isinstance(priced, NotSold) else sale_of(new, new.period, priced)


def cancel_and_refund(uow: UnitOfWork, current: Subscription, now: datetime) -> Subscription:
    """End a subscription at once; what is left of the period that is paid last goes back, and its minutes end."""
    ended = current.cancelled(at_end=False)
    if now >= current.period_end:
        uow.change_subscriptions([(current, ended)])
        return ended
    unused = Unused(uow, current, now)
    desk = Desk(uow.lock(unused.account_ids | {current.buyer_id}, unused.series))
    changes = Changes()
    unused.give_back(desk, changes)
    withdraw_minutes(changes, current.order_id, current.buyer_id, unused.since)
    _save(uow, changes, current, ended)
    return ended


def _save(uow: UnitOfWork, changes: Changes, current: Subscription, new: Subscription) -> None:
    try:
        uow.save(changes)
    except AlreadyExists as error:
        raise StorageBusy(f"somebody changed subscription {current.id} meanwhile: {error}") from error
    uow.change_subscriptions([(current, new)])
