"""Subscriptions: renewing and cancelling them, pausing and resuming, and reminding their buyers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from attrs import frozen

from astpp_billing.clock import Clock, utc
from astpp_billing.errors import BillingError, InvalidValue, StorageError
from astpp_billing.hierarchy import Account, Path
from astpp_billing.ledger import Order
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.ports.subscriptions import Place
from astpp_billing.pricing.orders import NotSold, NotSoldReason
from astpp_billing.pricing.products import NotOffered, Product, ProductVersion
from astpp_billing.pricing.subscriptions import Plan, Subscription, first_period
from astpp_billing.services.again import again
from astpp_billing.services.catalogue import terms_of
from astpp_billing.services.collecting import uncollected
from astpp_billing.services.lapsing import expire_holds
from astpp_billing.services.once import Once
from astpp_billing.services.prices import PriceBook
from astpp_billing.services.renewing import Batch, Failed, Renewal
from astpp_billing.services.switching import cancel_and_refund, switch

BATCH_SIZE = 1_000
"""About how many periods are renewed in one transaction."""


@frozen
class Reminder:
    """A subscription that will renew at `renews_at`; its buyer is to be told, which happens once for each period."""

    subscription: Subscription
    renews_at: datetime


def start(uow: UnitOfWork, order: Order, version: ProductVersion, path: Path, at: datetime) -> None:
    """Store the subscription that an order begins, if its product recurs: see `orders.Effect`.

    Its first period begins with the order, which has paid for it. Days and months are counted in the time zone that the
    buyer has then.
    """
    if version.recurrence is None:
        return
    timezone = path[0].timezone
    period = first_period(at, version.recurrence, timezone)
    uow.add_subscription(
        Subscription(
            order_id=order.id,
            buyer_id=order.buyer_id,
            product_id=order.product_id,
            version=order.version,
            quantity=order.quantity,
            agreement=order.agreement.to_json(),
            description=version.name,
            recurrence=version.recurrence,
            timezone=timezone,
            release_unfunded=version.release_unfunded,
            anchor=at,
            period_start=period.start,
            period_end=period.end,
        )
    )


class _NotSold(Exception):
    """Undoes the transaction in hand, in which something cannot be sold."""

    def __init__(self, why: NotSold) -> None:
        super().__init__(why.detail)
        self.why = why


class Subscriptions:
    """The use cases of subscriptions."""

    def __init__(self, storage: Storage, clock: Clock, book: PriceBook) -> None:
        self._storage = storage
        self._clock = clock
        self._book = book
        self._once = Once(storage, clock)

    def renew(self, *, now: datetime | None = None, batch_size: int = BATCH_SIZE) -> Iterator[Renewal]:
        """Renew what is due by `now` (the present, if not given), and tell what became of each period.

        Each period is charged at the agreed prices, once, however often this is done and by how many: periods that were
        missed are caught up, one after the other. Where some level has no money for it, the subscription is released if
        its product says so; otherwise it stays due, and so it does where an exchange rate is missing or an account of
        the path has another seller now. A subscription that was to end with its period ends. About `batch_size` periods
        are one transaction, which is done when its first result is told. Raises only `StorageError`; another error
        is that of one subscription (`Failed`), and the others go on.
        """
        until = self._clock.now() if now is None else utc(now, "now")
        if type(batch_size) is not int or batch_size < 1:
            raise InvalidValue(f"a batch has at least one period, not {batch_size!r}")
        return self._renew(until, batch_size)

    def _renew(self, until: datetime, batch_size: int) -> Iterator[Renewal]:
        expire_holds(self._storage, self._clock.now())  # so that nobody lacks what they still reserve
        after: Place | None = None
        size = batch_size
        while True:
            try:
                with uncollected():
                    results, after = self._batch(until, size, after)
            except StorageError:
                raise
            except BillingError as error:
                if size > 1:  # one by one, until the one that is at fault stands alone
                    size = 1
                    continue
                failed = self._next(until, after)
                if failed is None:
                    return
                results, after = [Failed(failed, error)], (failed.period_end, failed.id)
                size = batch_size
            yield from results
            if after is None:
                return

    @again
    def _batch(self, until: datetime, size: int, after: Place | None) -> tuple[Sequence[Renewal], Place | None]:
        """Renew a batch; what became of it, and behind which place to go on (None: there is nothing more)."""
        with self._storage.begin() as uow:
            due = uow.due_subscriptions(until, size, after=after)
            if not due:
                return (), None
            batch = Batch(uow, due, self._book.rates(uow))
            results = batch.renew(until, self._clock.now(), size)
            last = due[batch.done - 1]
            return results, (last.period_end, last.id)

    @again
    def _next(self, until: datetime, after: Place | None) -> Subscription | None:
        with self._storage.snapshot() as uow:
            return next(iter(uow.due_subscriptions(until, 1, after=after)), None)

    def reminders(
        self, before: timedelta, *, now: datetime | None = None, batch_size: int = BATCH_SIZE
    ) -> Iterator[Reminder]:
        """The subscriptions that will renew within `before` from `now` on: each is told once for each period.

        Those that are due already, or are to end with their period, are left out. What is told was noted before: where
        nobody reads on, some reminders of the last batch are lost, and none comes twice.
        """
        since = self._clock.now() if now is None else utc(now, "now")
        if before <= timedelta(0):
            raise InvalidValue(f"a reminder comes some time before the renewal, not {before}")
        return self._reminders(since, since + before, batch_size)

    def _reminders(self, since: datetime, until: datetime, batch_size: int) -> Iterator[Reminder]:
        after: Place | None = (since, 2**62)
        while after is not None:
            told, after = self._remind(until, batch_size, after)
            for one in told:
                yield Reminder(one, one.period_end)

    @again
    def _remind(self, until: datetime, size: int, after: Place) -> tuple[Sequence[Subscription], Place | None]:
        with self._storage.begin() as uow:
            found = uow.due_subscriptions(until, size, after=after)
            new = [one for one in found if one.reminded_until != one.period_end and not one.cancel_at_end]
            pairs = [(one, one.reminded()) for one in sorted(new, key=lambda one: one.id)]
            uow.change_subscriptions(pairs)
            told = {one.id: one for _, one in pairs}
            return [told[one.id] for one in new], (found[-1].period_end, found[-1].id) if found else None

    def cancel(
        self, subscription: Subscription, *, at_end: bool = True, refund: bool = False, key: str | None = None
    ) -> Subscription:
        """End a subscription with the period that is paid, or at once; one that is paused ends at once.

        With `refund`, which ends it at once, what is left of the period goes back, on every level and by its local days
        (the day that has begun is left): the price, not a setup fee; what it includes ends, too. Where calls have used
        more of that than their part of the days, only as much goes back as is left of it. Where the last period
        was renewed early, that one goes back as a whole, and those before it stay paid. Otherwise nothing is paid back.
        Raises `InvalidValue` where it has ended already, `NotFound` where there is none.
        """
        if refund and at_end:
            raise InvalidValue("what ends with the period that is paid leaves nothing to refund")
        content = ("cancel subscription", subscription.id, at_end, *(["refund"] if refund else []))

        def cancelling(uow: UnitOfWork, one: Subscription) -> Subscription:
            return one.cancelled(at_end=at_end)

        def refunding(uow: UnitOfWork, one: Subscription) -> Subscription:
            return cancel_and_refund(uow, one, self._clock.now())

        return self._change(key, content, subscription, refunding if refund else cancelling, save=not refund)

    def change_plan(
        self, subscription: Subscription, product: Product, *, at_once: bool = False, key: str | None = None
    ) -> Subscription | NotSold:
        """Let a subscription be for another product from the end of what is paid on.

        It renews then at the prices that hold now on every level, with the setup fee the first time; the quantity
        stays, and nothing is paid back. The product that it is for already comes with the prices of now, and takes an
        earlier change back. A refusal says why the buyer cannot have the product, or who has no money for it, and is
        not kept. Raises `InvalidValue` for a product that does not recur and for a subscription that is not active,
        `NotFound` for what there is not.

        `at_once`: from now on, by proration to the local day. What is left of the period, the day that has begun
        included, goes back as with `cancel`, and is there to pay with. What recurs alike is paid for as many days, and
        renews when the old would have; else a whole period begins now. Included minutes of the old plan end, and those
        of the new one are as much of a whole period's as is paid for. Raises `InvalidValue` where the subscription is
        due: renew it first.
        """

        def changing(uow: UnitOfWork, one: Subscription) -> Subscription:
            return one.changing(self._plan(uow, one, uow.product(product.id)))

        def switching(uow: UnitOfWork, one: Subscription) -> Subscription:
            plan = self._plan(uow, one, uow.product(product.id))
            switched = switch(uow, one, plan, self._book.rates(uow), self._clock.now())
            if isinstance(switched, NotSold):
                raise _NotSold(switched)
            return switched

        content = ("change plan", subscription.id, product.id, *(["at once"] if at_once else []))
        for _ in range(2):
            try:
                return self._change(key, content, subscription, switching if at_once else changing, save=not at_once)
            except _NotSold as refused:
                why = refused.why
            if why.reason is not NotSoldReason.NO_MONEY or not expire_holds(self._storage, self._clock.now()):
                break
        return why

    def _plan(self, uow: UnitOfWork, current: Subscription, product: Product) -> Plan:
        """What a subscription would be for, as it is offered now; raises `_NotSold` where it is not."""
        path = uow.path(current.buyer_id)
        terms = terms_of(uow, product, path, self._clock.now())
        agreement = terms.agree(path)
        if isinstance(agreement, NotOffered):
            raise _NotSold(NotSold.unless_offered(agreement))
        version = terms.version
        assert version is not None  # else nothing is offered
        if version.recurrence is None:
            raise InvalidValue(f"product {product.code} does not recur, so nothing can subscribe to it")
        return Plan(
            product_id=product.id,
            version=version.version,
            agreement=agreement.to_json(),
            description=version.name,
            recurrence=version.recurrence,
            release_unfunded=version.release_unfunded,
        )

    def pause(self, subscription: Subscription, *, key: str | None = None) -> Subscription:
        """Charge nothing from the end of what is paid on, until it is resumed; `InvalidValue` unless it is active."""
        return self._change(key, ("pause subscription", subscription.id), subscription, lambda _, one: one.paused())

    def resume(self, subscription: Subscription, *, key: str | None = None) -> Subscription:
        """Charge a paused subscription again: where what was paid has ended, its next period begins now.

        It is charged for by the next `renew`. Raises `InvalidValue` unless it is paused.
        """
        now = self._clock.now()
        return self._change(
            key, ("resume subscription", subscription.id), subscription, lambda _, one: one.resumed(now)
        )

    def _change(
        self,
        key: str | None,
        content: tuple[object, ...],
        subscription: Subscription,
        change: Callable[[UnitOfWork, Subscription], Subscription],
        *,
        save: bool = True,
    ) -> Subscription:
        """Change a subscription once; `save` says that the change itself does not store it."""

        def do(uow: UnitOfWork) -> str:
            current = uow.subscription(subscription.id)
            changed = change(uow, current)
            if save:
                uow.change_subscriptions([(current, changed)])
            return str(subscription.id)

        def show(uow: UnitOfWork, result: str) -> Subscription:
            return uow.subscription(int(result))

        return self._once(key, content, do, show)

    @again
    def get(self, subscription_id: int) -> Subscription:
        """The subscription of an id; `NotFound` if there is none."""
        with self._storage.snapshot() as uow:
            return uow.subscription(subscription_id)

    @again
    def all(self, buyer: Account | None = None) -> Sequence[Subscription]:
        """The subscriptions of one buyer, or all, by id, whatever became of them."""
        with self._storage.snapshot() as uow:
            return uow.subscriptions(buyer_id=None if buyer is None else buyer.id)
