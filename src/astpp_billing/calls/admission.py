"""Whether a call may begin, how long it may last, and what is held for it. Decisions only, no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve, field, frozen

from astpp_billing.calls.attempt import CallAttempt, Refused, RefusedReason
from astpp_billing.calls.payer import Parties
from astpp_billing.calls.purse import Purse
from astpp_billing.calls.record import MAX_SECONDS
from astpp_billing.clock import from_epoch, to_epoch
from astpp_billing.errors import InvalidValue, MissingExchangeRate
from astpp_billing.hierarchy import Account, Path, ResellerModel
from astpp_billing.ledger import HeldLevel, HeldMinutes, Hold
from astpp_billing.money import Money
from astpp_billing.pricing import Cascade, NotPriced, PathTerms
from astpp_billing.pricing.allowances import Grant, most_seconds, price_rest, take


@frozen(kw_only=True)
class HoldPolicy:
    """How much is held for a call, in whole seconds.

    A hold pays for the first `slice_seconds` of a call, or for `max_seconds` where that is less, and is extended while
    the call is up. No call is approved for more than `longest_seconds`. A hold lapses `grace_seconds` after the time
    that it pays for is over: so long may a call ring, and its record take to arrive.
    """

    slice_seconds: int = field(default=600)
    longest_seconds: int = field(default=4 * 3600)
    grace_seconds: int = field(default=300)

    @slice_seconds.validator
    @longest_seconds.validator
    @grace_seconds.validator
    def _check(self, attribute: Any, value: object) -> None:
        if type(value) is not int or not 1 <= value <= MAX_SECONDS:
            raise InvalidValue(f"{attribute.name} must be a whole number from 1 to {MAX_SECONDS}, not {value!r}")

    def lapse(self, placed_at: datetime, seconds: int) -> datetime:
        """When a hold lapses that was placed at an instant and pays for `seconds`."""
        return placed_at + timedelta(seconds=seconds + self.grace_seconds)


@frozen
class Offer:
    """What can be held for a call: what exactly `seconds` need on each level; it may last `max_seconds`.

    `limit` is the account whose money allows for no more, None where the policy's longest call is what ends it.
    `minutes` are the included ones among these seconds, which are not in the price.
    """

    max_seconds: int
    seconds: int
    levels: tuple[HeldLevel, ...]
    limit: Account | None = None
    minutes: tuple[HeldMinutes, ...] = ()


def check_losses(cascade: Cascade, terms: PathTerms, at: datetime) -> Refused | None:
    """The refusal of a call that a reseller would sell at a loss, and does not allow by loss-less routing."""
    if all(level.payer.loss_less_routing for level in terms.levels[1:]):
        return None
    try:
        losing = terms.losses(cascade.exchange_rates, at)
    except MissingExchangeRate as error:
        return Refused(RefusedReason.NO_EXCHANGE_RATE, None, str(error))
    for account in losing:
        if not account.loss_less_routing:
            detail = f"account {account.number} would pay more per minute than it is paid"
            return Refused(RefusedReason.LOSS, account, detail)
    return None


def affordable(
    terms: PathTerms, purses: Mapping[int, Purse], longest: int, grants: Sequence[Grant] = ()
) -> tuple[int, Account | None]:
    """The longest call, up to `longest` seconds, that every account on the path can pay for, and whose money ends it.

    `purses` is what each payer may spend, by account id. Every level is paid of the payer's own: a commission that it
    will be paid does not count. `grants` are the included minutes that the call uses first, in the order of use. What
    needs no money of a level is not ended by its money, even where that has less than nothing.
    """
    most, limit = longest, None
    for level in terms.levels:
        payable = level.max_seconds(purses[level.payer.id].most, longest)
        if grants:
            payable = most_seconds(grants, level.payer.id, payable, longest)
        if payable < most:
            most, limit = payable, level.payer
    return most, limit


def make_offer(
    cascade: Cascade,
    number: str,
    at: datetime,
    purses: Mapping[int, Purse],
    seconds: int,
    longest: int,
    grants: Sequence[Grant] = (),
) -> Offer | Refused:
    """Hold what up to `seconds` of a call to `number` need by the prices of an instant, as far as the money goes.

    What `grants` cover, in the order of use, is held of them, and the price is that of the rest. What each level needs
    for its price, its purse says.
    """
    terms = cascade.terms(number, at)
    if isinstance(terms, NotPriced):
        return _unpriced(terms)
    most, limit = affordable(terms, purses, longest, grants)
    if not most:
        assert limit is not None  # the longest call is not 0 seconds
        funds = Money.from_micros(purses[limit.id].available_micros, limit.currency)
        detail = f"account {limit.number} has {funds} left, which pays for no second of a call to {number}"
        return Refused(RefusedReason.NO_MONEY, limit, detail)
    whole = cascade.price(number, most, at)
    if isinstance(whole, NotPriced):  # what is approved must be possible to charge
        return _unpriced(whole)
    covered = min(most, seconds)
    call = cascade.price(number, covered, at)
    assert not isinstance(call, NotPriced)  # it is no longer than the whole
    split = take(grants, covered)
    call = price_rest(call, split, lambda rest: cascade.price(number, rest, at))
    amounts = zip(terms.levels, call.amounts, strict=False)  # without the amount of the termination
    held: dict[int, int] = {}
    for grant, taken in split.taken:
        held[grant.id] = held.get(grant.id, 0) + taken
    return Offer(
        max_seconds=most,
        seconds=covered,
        levels=tuple(HeldLevel(level.payer.id, purses[level.payer.id].needed(micros)) for level, micros in amounts),
        limit=limit,
        minutes=tuple(HeldMinutes(grant_id, taken) for grant_id, taken in sorted(held.items())),
    )


def _unpriced(call: NotPriced) -> Refused:
    return Refused(RefusedReason(call.reason.value), call.account, call.detail)


def new_hold(
    attempt: CallAttempt, parties: Parties, at: datetime, offer: Offer, now: datetime, expires: datetime
) -> Hold:
    """The hold for a call that is charged by the prices of the instant `at`."""
    buyer = parties.path[0]
    return Hold(
        key=attempt.key,
        account_id=buyer.id,
        fingerprint=attempt.fingerprint(),
        placed_at=now,
        expires_at=expires,
        levels=offer.levels,
        minutes=offer.minutes,
        seconds=offer.seconds,
        terms=Agreement.of(attempt.number, parties, at, offer.max_seconds).text(),
    )


def longer_hold(hold: Hold, offer: Offer, expires: datetime) -> Hold:
    """The hold with what an offer for a longer call reserves; nothing that it has is given up."""
    held = {level.account_id: level.micros for level in hold.levels}
    return evolve(
        hold,
        expires_at=max(hold.expires_at, expires),
        levels=tuple(evolve(one, micros=max(one.micros, held[one.account_id])) for one in offer.levels),
        minutes=offer.minutes,
        seconds=offer.seconds,
        terms=evolve(Agreement.read(hold.terms), max_seconds=offer.max_seconds).text(),
    )


@frozen
class AgreedAccount:
    """What a price depends on of one account of a path, or of the carrier, and what can change."""

    id: int
    rate_group: str | None
    own_rate_group: str | None
    commission_percent: str
    model: str | None

    @classmethod
    def of(cls, account: Account) -> AgreedAccount:
        """What it is now."""
        percent = str(account.commission_percent)
        return cls(account.id, account.rate_group, account.own_rate_group, percent, account.model)

    def restored(self, account: Account) -> Account:
        """The account with this put back; the same object where nothing has changed."""
        if self == AgreedAccount.of(account):
            return account
        return evolve(
            account,
            rate_group=self.rate_group,
            own_rate_group=self.own_rate_group,
            commission_percent=Decimal(self.commission_percent),
            model=None if self.model is None else ResellerModel(self.model),
        )


@frozen(kw_only=True)
class Agreement:
    """What was agreed when a call was authorised: the terms of its hold.

    `account` and `provider` are the numbers of the buyer and of the carrier, `at` is the instant by whose prices the
    call is charged. `max_seconds` is how long it may last, as last told.
    """

    account: str
    number: str
    at: datetime
    max_seconds: int
    accounts: tuple[AgreedAccount, ...]
    provider: str | None = None
    carrier: AgreedAccount | None = None
    user: None = None
    address: None = None

    @classmethod
    def of(cls, number: str, parties: Parties, at: datetime, max_seconds: int) -> Agreement:
        """What is agreed on a call between parties as they are now."""
        carrier = parties.carrier
        return cls(
            account=parties.path[0].number,
            number=number,
            at=at,
            max_seconds=max_seconds,
            accounts=tuple(map(AgreedAccount.of, parties.path)),
            provider=None if carrier is None else carrier.number,
            carrier=None if carrier is None else AgreedAccount.of(carrier),
        )

    def text(self) -> str:
        """As JSON."""
        return json.dumps(
            {
                "account": self.account,
                "number": self.number,
                "at": to_epoch(self.at),
                "max_seconds": self.max_seconds,
                "accounts": list(map(_row, self.accounts)),
                "provider": self.provider,
                "carrier": None if self.carrier is None else _row(self.carrier),
            }
        )

    @classmethod
    def read(cls, text: str) -> Agreement:
        """From JSON."""
        stored = json.loads(text)
        return cls(
            account=stored["account"],
            number=stored["number"],
            at=from_epoch(stored["at"]),
            max_seconds=stored["max_seconds"],
            accounts=tuple(AgreedAccount(*row) for row in stored["accounts"]),
            provider=stored["provider"],
            carrier=None if stored["carrier"] is None else AgreedAccount(*stored["carrier"]),
        )

    def path(self, path: Path) -> Path | None:
        """The accounts of a path as they were agreed on; None if the buyer has other sellers now."""
        if [account.id for account in path] != [account.id for account in self.accounts]:
            return None
        return tuple(agreed.restored(account) for agreed, account in zip(self.accounts, path, strict=True))

    def restored_carrier(self, carrier: Account | None) -> Account | None:
        """A carrier as it was agreed on, if it is the one that was; another one as it is."""
        if carrier is None or self.carrier is None or carrier.id != self.carrier.id:
            return carrier
        return self.carrier.restored(carrier)


def _row(account: AgreedAccount) -> Sequence[int | str | None]:
    return [account.id, account.rate_group, account.own_rate_group, account.commission_percent, account.model]


def agreed(hold: Hold, path: Path) -> tuple[Path, datetime] | None:
    """By what a call is charged that a hold was placed for: the path with its terms of then, and the instant.

    `path` is that of the buyer as it is now. None where another account is on it than when the call was authorised: it
    is charged on the new path then.
    """
    if not hold.terms:
        return None
    agreement = Agreement.read(hold.terms)
    restored = agreement.path(path)
    return None if restored is None else (restored, agreement.at)


def agreed_carrier(hold: Hold, carrier: Account | None) -> Account | None:
    """The carrier of a call with the terms that it had when the call was authorised, if that named the same one."""
    return Agreement.read(hold.terms).restored_carrier(carrier) if hold.terms else carrier
