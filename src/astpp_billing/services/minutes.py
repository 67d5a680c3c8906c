"""Included minutes: what an order or a renewal grants its buyer, and what is left of it for the calls of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction

from attrs import evolve, field, frozen
from attrs.converters import optional

from astpp_billing.clock import utc
from astpp_billing.hierarchy import Path
from astpp_billing.ledger import Hold, Order
from astpp_billing.money import part_of
from astpp_billing.periods import Period
from astpp_billing.ports import Carry, Changes, UnitOfWork, Withdrawal
from astpp_billing.pricing.allowances import NEVER, Grant, MinutesUsed, Split, in_order, take
from astpp_billing.pricing.products import Agreement, Allowance, ProductVersion
from astpp_billing.pricing.subscriptions import Subscription, first_period


@frozen(kw_only=True)
class Granting:
    """What one period of an order gives: `quantity` times each of the `allowances`, to the buyer of the `agreement`.

    Of a period that is not a whole one it is that `share`, and no part of a second.
    It is for calls that begin from `starts_at` on and before `expires_at` (None: at any time after). `renewed`: what is
    left of the periods that end at `starts_at` goes on until `expires_at`, where an allowance is carried over.
    """

    order_id: int
    agreement: Agreement
    allowances: tuple[Allowance, ...]
    quantity: int = 1
    share: Fraction = Fraction(1)
    starts_at: datetime = field(converter=utc)
    expires_at: datetime | None = field(default=None, converter=optional(utc))
    renewed: bool = False

    @property
    def source(self) -> str:
        """What the grants of all periods of one order are found by."""
        return source_of(self.order_id)

    def grants(self) -> list[Grant]:
        """What is granted, without ids."""
        return [
            Grant(
                account_id=self.agreement.buyer_id,
                source=self.source,
                position=position,
                prefixes=allowance.prefixes,
                direction=allowance.direction,
                seconds=seconds,
                starts_at=self.starts_at,
                expires_at=NEVER if self.expires_at is None else self.expires_at,
                carried_over=allowance.carried_over,
                levels=tuple(level.payer_id for level in self.agreement.levels),
                description=allowance.description,
            )
            for position, allowance in enumerate(self.allowances, 1)
            if (seconds := int(allowance.seconds * self.quantity * self.share))
        ]


def source_of(order_id: int) -> str:
    """The source of what an order, and every renewal of it, grants."""
    return f"order {order_id}"


def grant_minutes(uow: UnitOfWork, changes: Changes, given: Sequence[Granting]) -> None:
    """Add what orders and renewals grant to what a transaction saves; periods of one order in their order.

    The same period of an order once more is `AlreadyExists` when it is saved. Nothing is read; without allowances
    nothing is done at all.
    """
    made = [(one, one.grants()) for one in given]
    count = sum(len(grants) for _, grants in made)
    ids = iter(uow.reserve_ids(count) if count else ())
    for granting, grants in made:
        if granting.renewed and any(allowance.carried_over for allowance in granting.allowances):
            _carry(changes, granting)
        changes.granted += [evolve(grant, id=next(ids)) for grant in grants]


def include(uow: UnitOfWork, order: Order, version: ProductVersion, path: Path, at: datetime) -> None:
    """Grant what an order includes: for its first period, or for good where it does not recur; see `orders.Effect`."""
    if not version.allowances:
        return
    first = None if version.recurrence is None else first_period(at, version.recurrence, path[0].timezone)
    given = Granting(
        order_id=order.id,
        agreement=order.agreement,
        allowances=version.allowances,
        quantity=order.quantity,
        starts_at=at,
        expires_at=None if first is None else first.end,
    )
    changes = Changes()
    grant_minutes(uow, changes, [given])
    uow.save(changes)


def include_again(uow: UnitOfWork, changes: Changes, paid: Sequence[tuple[Subscription, Period]]) -> None:
    """Add what renewals include to what their transaction saves; the periods of one subscription in their order.

    A subscription is as it is after its renewal, so what it is for is what it includes. Reads the versions of their
    products, all at once.
    """
    products = {one.product_id for one, _ in paid}
    versions = {(each.product_id, each.version): each for each in uow.product_versions(products)} if products else {}
    given: list[Granting] = []
    for one, period in paid:
        version = versions.get((one.product_id, one.version))
        if version is not None and version.allowances:
            given.append(
                Granting(
                    order_id=one.order_id,
                    agreement=Agreement.from_json(one.agreement),
                    allowances=version.allowances,
                    quantity=one.quantity,
                    starts_at=period.start,
                    expires_at=period.end,
                    renewed=True,
                )
            )
    grant_minutes(uow, changes, given)


def include_part(uow: UnitOfWork, changes: Changes, subscription: Subscription, share: Fraction) -> None:
    """Let what a subscription includes begin anew with its period, of which it has paid a share; the old ends."""
    withdraw_minutes(changes, subscription.order_id, subscription.buyer_id, subscription.period_start)
    versions = uow.product_versions([subscription.product_id])
    (version,) = (each for each in versions if each.version == subscription.version)
    granting = Granting(
        order_id=subscription.order_id,
        agreement=Agreement.from_json(subscription.agreement),
        allowances=version.allowances,
        quantity=subscription.quantity,
        share=share,
        starts_at=subscription.period_start,
        expires_at=subscription.period_end,
    )
    grant_minutes(uow, changes, [granting])


def take_minutes_back(
    uow: UnitOfWork, changes: Changes, order: Order, key: str, parts: tuple[Fraction, Fraction]
) -> None:
    """Take what an order includes as far as it is refunded under a key, up to the second part of it from the first.

    Minutes that calls have used, or may still, are theirs.
    """
    before, after = parts
    for grant in uow.grants(order.buyer_id):
        if grant.source == source_of(order.id):
            seconds = min(grant.left_seconds, part_of(grant.seconds, after) - part_of(grant.seconds, before))
            if seconds > 0:
                changes.minutes.append(MinutesUsed(key, grant.id, seconds))


def _carry(changes: Changes, granting: Granting) -> None:
    """Let what is left go on, also of a period that is granted in the same transaction."""
    until = NEVER if granting.expires_at is None else granting.expires_at
    changes.carried.append(Carry(granting.agreement.buyer_id, granting.source, granting.starts_at, until))
    for index, grant in enumerate(changes.granted):
        if grant.source == granting.source and grant.carried_over and grant.expires_at == granting.starts_at:
            changes.granted[index] = evolve(grant, expires_at=until)


class Left:
    """What is left of the grants that were seen, while a batch of calls takes from them one after the other."""

    def __init__(self, grants: Mapping[int, Sequence[Grant]]) -> None:
        self._grants = {account_id: {grant.id: grant for grant in found} for account_id, found in grants.items()}
        self._given_back: set[str] = set()

    def give_back(self, hold: Hold) -> None:
        """What a hold has reserved is free again; once, however often it is said."""
        if hold.key in self._given_back:
            return
        self._given_back.add(hold.key)
        grants = self._grants.get(hold.account_id, {})
        for one in hold.minutes:
            grant = grants.get(one.grant_id)
            if grant is None:  # the record names another account than the attempt did
                continue
            grants[grant.id] = evolve(grant, held_seconds=grant.held_seconds - one.seconds)

    def take(self, account_id: int, number: str, at: datetime, seconds: int, hold: Hold | None = None) -> Split:
        """Take what there is for a call of an account, for which it is gone then.

        What its `hold` has reserved is given back, and taken before anything else: what came free since, and others
        on the path may not have paid for, must not leave any of them with more to pay than is held.
        """
        grants = self._grants.get(account_id)
        if not grants:
            return Split(seconds)
        if hold is None:
            ordered = in_order(grants.values(), number, at)
        else:
            ordered = own_first(hold, list(grants.values()), number, at)
            self.give_back(hold)
        taken: dict[int, int] = {}
        for grant, some in take(ordered, seconds).taken:
            taken[grant.id] = taken.get(grant.id, 0) + some
        for grant_id, some in taken.items():
            grants[grant_id] = evolve(grants[grant_id], used_seconds=grants[grant_id].used_seconds + some)
        return Split(seconds, tuple((grants[grant_id], some) for grant_id, some in taken.items()))


def own_first(hold: Hold, grants: Sequence[Grant], number: str, at: datetime) -> list[Grant]:
    """What a call can use that has a hold: what is held for it already, and then what is left of each grant."""
    held = {one.grant_id: one.seconds for one in hold.minutes}
    own = [
        evolve(grant, seconds=held[grant.id], used_seconds=0, held_seconds=0) for grant in grants if grant.id in held
    ]
    places = {grant.id: place for place, grant in enumerate(in_order(own, number, at))}
    own.sort(key=lambda grant: places.get(grant.id, len(own)))
    return [*own, *in_order(grants, number, at)]


def withdraw_minutes(changes: Changes, order_id: int, buyer_id: int, at: datetime) -> None:
    """Add to what a transaction saves that what an order granted is for no call that begins from an instant on."""
    changes.withdrawn.append(Withdrawal(buyer_id, source_of(order_id), at))
