"""Renewing subscriptions, a batch in one transaction: look, decide, lock, compare, sell, save.

A subscription has a revision, which grows with every change; who renews it changes it from the revision that was seen,
in the transaction that also charges for the period. So a period is paid for once, whoever renews at the same time, and
a process that is killed has renewed whole batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from attrs import frozen

from astpp_billing.clock import to_epoch
from astpp_billing.errors import AlreadyExists, BillingError, StorageBusy
from astpp_billing.fx import ExchangeRates
from astpp_billing.hierarchy import Account, Status
from astpp_billing.ledger import Charge, Reason, Sale, fingerprint
from astpp_billing.periods import Period, local_date
from astpp_billing.ports import Changes, Locked, UnitOfWork
from astpp_billing.pricing.orders import NotSold, NotSoldReason, PricedOrder, price_order
from astpp_billing.pricing.products import Agreement
from astpp_billing.pricing.subscriptions import Subscription
from astpp_billing.services.minutes import include_again
from astpp_billing.services.seen import check_unchanged
from astpp_billing.services.selling import Counter, Tills, payers


@frozen
class Renewed:
    """A period that was paid for, on every level; `subscription` is what it is now, `charges` are the buyer's first."""

    subscription: Subscription
    period: Period
    charges: tuple[Charge, ...]


@frozen
class Ended:
    """A subscription that was to be cancelled at the end of the period that is paid, which has come."""

    subscription: Subscription


@frozen
class Released:
    """A subscription that has ended because its next period could not be sold; nothing was charged for that."""

    subscription: Subscription
    why: NotSold


@frozen
class NotRenewed:
    """A subscription that is still due, because its next period could not be sold; nothing was charged for that."""

    subscription: Subscription
    why: NotSold


@frozen
class Failed:
    """A subscription that is still due, because renewing it raised an error."""

    subscription: Subscription
    error: BillingError


Renewal = Renewed | Ended | Released | NotRenewed | Failed
"""What became of one period that was due."""

_agreement = lru_cache(maxsize=4096)(Agreement.from_json)


@frozen
class _Offer:
    """A subscription that is due, as it was seen: what is to be sold for its periods, and what stands in the way.

    `renewing` is the same with its next plan, if it has one; an `obstacle` comes after all sales.
    """

    seen: Subscription
    renewing: Subscription
    sales: tuple[tuple[Period, Sale], ...] = ()
    obstacle: NotSold | None = None


class Batch:
    """Renews some subscriptions that are due by `until`, with all the periods that were missed.

    At most `most` periods, but at least one subscription; `done` is how many subscriptions that were.
    """

    def __init__(self, uow: UnitOfWork, due: Sequence[Subscription], rates: ExchangeRates) -> None:
        self._uow = uow
        self._due = due
        self._rates = rates
        self._seen = uow.look(account_ids={one.buyer_id for one in due})
        self.done = 0

    def renew(self, until: datetime, now: datetime, most: int) -> Sequence[Renewal]:
        """Charge, save, and tell what became of each period; the oldest of a subscription first."""
        offers = self._offers(until, most)
        counter = self._counter([sale for offer in offers for _, sale in offer.sales], now)
        results: list[Renewal] = []
        changed: list[tuple[Subscription, Subscription]] = []
        for offer in offers:
            found = list(_sell(offer, counter))
            results += found
            new = found[-1].subscription
            if new != offer.seen:
                changed.append((offer.seen, new))
        counter.finish()
        paid = [(one.subscription, one.period) for one in results if isinstance(one, Renewed)]
        include_again(self._uow, counter.changes, paid)
        self._save(counter.changes, changed)
        return results

    def _counter(self, sales: Sequence[Sale], now: datetime) -> Counter:
        """Lock all that pay, and see whether they are still what they were."""
        tills = Tills(self._seen.accounts, self._seen.configs)
        if not sales:
            return Counter(Locked({}, {}), tills, now)
        locked = self._uow.lock(payers(sales), tills.series(sales))
        check_unchanged(self._seen, locked)
        receipts = tills.count_receipts(sales)
        return Counter(locked, tills, now, self._uow.reserve_ids(receipts) if receipts else ())

    def _save(self, changes: Changes, changed: list[tuple[Subscription, Subscription]]) -> None:
        changed.sort(key=lambda pair: pair[0].id)
        self._uow.change_subscriptions(changed)  # first: where somebody else was faster, nothing else needs to be tried
        changes.postings = [posting for posting in changes.postings if posting.transfers]  # a period may cost nothing
        if not changes.postings and not changes.granted:
            return
        try:
            self._uow.save(changes)
        except AlreadyExists as error:
            raise StorageBusy(f"somebody else renewed one of these subscriptions: {error}") from error

    def _offers(self, until: datetime, most: int) -> list[_Offer]:
        offers: list[_Offer] = []
        count = 0
        for subscription in self._due:
            if offers and count >= most:
                break
            offer = self._offer(subscription, until)
            offers.append(offer)
            count += max(1, len(offer.sales))
        self.done = len(offers)
        return offers

    def _offer(self, seen: Subscription, until: datetime) -> _Offer:
        renewing = seen.changed()
        if seen.cancel_at_end:
            return _Offer(seen, renewing)
        agreement = _agreement(renewing.agreement)
        obstacle = obstacle_to(agreement, self._seen.accounts)
        sales: list[tuple[Period, Sale]] = []
        for period in renewing.due(until) if obstacle is None else ():
            first = renewing.product_id != seen.product_id and not sales
            sale = self._sale(renewing, agreement, period, setup=first)
            if isinstance(sale, NotSold):
                obstacle = sale
                break
            sales.append((period, sale))
        return _Offer(seen, renewing, tuple(sales), obstacle)

    def _sale(self, subscription: Subscription, agreement: Agreement, period: Period, *, setup: bool) -> Sale | NotSold:
        accounts, quantity = self._seen.accounts, subscription.quantity
        priced = price_order(agreement, accounts, quantity, self._rates, period.start, setup=setup)
        return priced if isinstance(priced, NotSold) else sale_of(subscription, period, priced)


def sale_of(subscription: Subscription, period: Period, priced: PricedOrder) -> Sale:
    """What is to be paid for a period of a subscription."""
    return Sale(
        key=subscription.renewal_key(period),
        fingerprint=fingerprint("renewal", subscription.id, to_epoch(period.start)),
        reason=Reason.RENEWAL,
        name=subscription.description,
        detail=_told(period, subscription.timezone),
        at=period.start,
        priced=priced,
    )


def obstacle_to(agreement: Agreement, accounts: Mapping[int, Account]) -> NotSold | None:
    """Why nothing can be sold any more as it was agreed: the buyer is closed, or somebody has another seller."""
    buyer = accounts[agreement.buyer_id]
    if buyer.status is Status.CLOSED:
        return NotSold(NotSoldReason.CLOSED, buyer, f"account {buyer.number} is closed")
    for level in agreement.levels:
        payer = accounts[level.payer_id]
        if payer.parent_id != level.payee_id:
            detail = f"account {payer.number} has another seller than when this was ordered"
            return NotSold(NotSoldReason.NOT_LISTED, payer, detail)
    return None


def _told(period: Period, timezone: str) -> str:
    first, last = local_date(period.start, timezone), local_date(period.end - timedelta(microseconds=1), timezone)
    return f"{first} to {last}"


def _sell(offer: _Offer, counter: Counter) -> Iterator[Renewal]:
    """Sell one period after the other, until one cannot be sold; the last result has what the subscription is now."""
    current = offer.seen
    if current.cancel_at_end:
        yield Ended(current.cancelled(at_end=False))
        return
    renewing = offer.renewing
    for period, sale in offer.sales:
        sold = counter.sell(sale)
        if isinstance(sold, NotSold):
            yield _refused(current, sold)
            return
        current = renewing = renewing.renewed(period)
        yield Renewed(current, period, sold.charges)
    if offer.obstacle is not None:
        yield _refused(current, offer.obstacle)


def _refused(current: Subscription, why: NotSold) -> Released | NotRenewed:
    ends = why.reason is NotSoldReason.CLOSED or (why.reason is NotSoldReason.NO_MONEY and current.release_unfunded)
    return Released(current.released(), why) if ends else NotRenewed(current, why)
