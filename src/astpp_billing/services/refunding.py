"""Refunding an order: its money goes back on every level, and what came with it ends."""

from __future__ import annotations

from fractions import Fraction

from astpp_billing.clock import Clock
from astpp_billing.errors import InvalidValue
from astpp_billing.ledger import Order, OrderStatus, Reason, check_key, fingerprint
from astpp_billing.ports import Changes, UnitOfWork
from astpp_billing.pricing.orders import check_quantity
from astpp_billing.pricing.subscriptions import Subscription, SubscriptionStatus
from astpp_billing.services.adjusting import check_reason, find_once, save_once
from astpp_billing.services.corrections import Command, Correction, Taken, told_again
from astpp_billing.services.issuing import Desk
from astpp_billing.services.minutes import take_minutes_back, withdraw_minutes

_ENDED = frozenset({SubscriptionStatus.CANCELLED, SubscriptionStatus.RELEASED})


def refund(uow: UnitOfWork, clock: Clock, order: Order, quantity: int | None, reason: str, key: str) -> Correction:
    """See `Orders.refund`."""
    posting_key = check_key(f"refund:{check_key(key)}")
    check_reason("refund", reason)
    mark = fingerprint("refund", order.id, quantity, reason)
    known = find_once(uow, posting_key, mark)
    if known is not None:
        return told_again(uow, known)
    if uow.find_posting(order.posting_key) is None:
        uow.order(order.id)
        raise InvalidValue(f"the order {order.key!r} has cost nothing")
    taken = Taken(uow, order.posting_key)
    desk = Desk(uow.lock(taken.account_ids | {order.buyer_id}, taken.series))
    known = find_once(uow, posting_key, mark)  # which somebody may have done while this one waited
    if known is not None:
        return told_again(uow, known)
    order = uow.order(order.id)
    subscription = _subscription(uow, order)
    if subscription is not None and quantity not in (None, order.quantity):
        raise InvalidValue(f"the order {order.key!r} renews: it is refunded as a whole")
    part = _part(order, taken, quantity)
    now = clock.now()
    changes = Changes()
    correction = taken.take(
        desk,
        changes,
        Command(key=posting_key, fingerprint=mark, at=now, reason=Reason.REFUND, note=reason, part=part),
    )
    if part is None:
        withdraw_minutes(changes, order.id, order.buyer_id, now)
    else:
        take_minutes_back(uow, changes, order, posting_key, (taken.before, taken.before + part))
    save_once(uow, changes, posting_key)
    if part is None:
        uow.set_order_status(order.id, OrderStatus.REFUNDED)
        if subscription is not None and subscription.status not in _ENDED:
            uow.change_subscriptions([(subscription, subscription.cancelled(at_end=False))])
    return correction


def _part(order: Order, taken: Taken, quantity: int | None) -> Fraction | None:
    """The part that a quantity is of an order; None for all that is left."""
    if not taken.rest:
        raise InvalidValue(f"the order {order.key!r} was refunded already")
    if quantity is None:
        return None
    left = 1 - taken.before
    part = Fraction(check_quantity(quantity), order.quantity)
    if part > left:
        raise InvalidValue(f"only {left * order.quantity} of the order {order.key!r} can be refunded, not {quantity}")
    return None if part == left else part


def _subscription(uow: UnitOfWork, order: Order) -> Subscription | None:
    return next((one for one in uow.subscriptions(buyer_id=order.buyer_id) if one.order_id == order.id), None)
