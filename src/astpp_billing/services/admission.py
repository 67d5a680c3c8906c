"""Authorising calls: money is held for them on every level, until they are settled, given up, or the hold lapses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from astpp_billing.calls import (
    Admitted,
    Agreement,
    Approved,
    CallAttempt,
    Directory,
    HoldPolicy,
    Offer,
    Parties,
    Purse,
    Refused,
    RefusedReason,
    Unpayable,
    check_losses,
    longer_hold,
    make_offer,
    new_hold,
    party_numbers,
    payer_endpoints,
)
from astpp_billing.clock import Clock, utc
from astpp_billing.errors import AlreadyExists, IdempotencyConflict, InvalidValue, NotFound, StorageBusy
from astpp_billing.hierarchy import Account, Path
from astpp_billing.ledger import Hold, HoldState
from astpp_billing.money import MAX_MICROS, minor_step
from astpp_billing.ports import Changes, Seen, Storage, UnitOfWork
from astpp_billing.pricing import NotPriced
from astpp_billing.pricing.allowances import in_order
from astpp_billing.services.again import again
from astpp_billing.services.issuing import has_receipts_at_once, issuer_of
from astpp_billing.services.lapsing import expire_holds, open_holds
from astpp_billing.services.minutes import own_first
from astpp_billing.services.prices import PriceBook

POLICY = HoldPolicy()
"""How much is held where nobody says otherwise."""

ROUNDS = 12
"""How often a call is decided about anew because others took the money, or changed an account, meanwhile."""

NO_TAX = Decimal(0)
"""The percentage that an issuer adds who has configured no tax."""


class Admission:
    """The use cases of authorising calls."""

    def __init__(self, storage: Storage, clock: Clock, book: PriceBook, policy: HoldPolicy = POLICY) -> None:
        self._storage = storage
        self._clock = clock
        self._book = book
        self._policy = policy

    def authorize(self, attempt: CallAttempt) -> Admitted:
        """Say whether a call may begin and how long it may last, and hold the money for its first slice.

        The money is held on every level of the path at once, or on none. The same attempt again gives the same, and
        holds nothing more; once its hold has ended, or its record has come, it is refused. Raises
        `IdempotencyConflict` where the switch and leg stood for another attempt, and `StorageBusy` where others were in
        the way too often.
        """
        return self._insist(lambda: self._authorize(attempt))

    def extend(self, key: str, seconds: int) -> Admitted:
        """Let the hold of a call pay for `seconds` in all, or for as many as there is money for.

        What is more is priced by what was agreed when the call was authorised. `Approved.hold.seconds` says how much is
        paid for now, `max_seconds` how long the call may last; asking again for as much changes nothing. Refused where
        not one second more is possible. Raises `NotFound` where no hold has the key.
        """
        if type(seconds) is not int or seconds < 1:
            raise InvalidValue(f"a call is extended to a whole number of seconds from 1, not {seconds!r}")
        return self._insist(lambda: self._extend(key, seconds))

    def _insist(self, decide: Callable[[], Admitted | None]) -> Admitted:
        """Decide until nobody was in the way; where money is short, with what lapsed holds give back."""
        expired = False
        for _ in range(ROUNDS):
            admitted = decide()
            if isinstance(admitted, Refused) and admitted.reason is RefusedReason.NO_MONEY and not expired:
                expired = True
                if self.expire_holds():
                    continue
            if admitted is not None:
                return admitted
        raise StorageBusy("others took the money, or changed an account, each time that the call was decided about")

    @again
    def _authorize(self, attempt: CallAttempt) -> Admitted | None:
        with self._storage.begin() as uow:
            now = self._clock.now()
            at = now if attempt.at is None else attempt.at
            seen = uow.look(
                keys=(attempt.key,), numbers=party_numbers(attempt), endpoints=payer_endpoints(attempt), since=at
            )
            known = _known(attempt, seen)
            if known is not None:
                return known
            directory = Directory(seen.accounts, seen.endpoints)
            buyer = directory.buyer(attempt)
            parties = directory.parties(attempt, buyer) if isinstance(buyer, Account) else buyer
            if isinstance(parties, Unpayable):
                return _refused(parties)
            offer = self._offer(uow, seen, attempt, parties, at)
            if isinstance(offer, Refused):
                return offer
            hold = new_hold(attempt, parties, at, offer, now, self._policy.lapse(now, offer.seconds))
            try:
                placed = uow.place_hold(hold, _epochs(hold, seen))
            except AlreadyExists as error:  # the same attempt at the same time: it is known by now
                raise StorageBusy(f"{hold.key} was authorised meanwhile") from error
        return Approved(offer.max_seconds, hold) if placed else None

    def _offer(
        self, uow: UnitOfWork, seen: Seen, attempt: CallAttempt, parties: Parties, at: datetime
    ) -> Offer | Refused:
        cascade = self._book.cascade(uow, parties.path, parties.carrier)
        terms = cascade.terms(attempt.number, at)
        losing = None if isinstance(terms, NotPriced) else check_losses(cascade, terms, at)
        policy = self._policy
        return losing or make_offer(
            cascade,
            attempt.number,
            at,
            _purses(seen, parties.path),
            policy.slice_seconds,
            policy.longest_seconds,
            in_order(seen.grants.get(parties.path[0].id, ()), attempt.number, at),
        )

    @again
    def _extend(self, key: str, seconds: int) -> Admitted | None:
        with self._storage.begin() as uow:
            agreement = Agreement.read(_found(uow.find_hold(key), key).terms)
            seen = uow.look(keys=(key,), numbers=party_numbers(agreement), since=agreement.at)
            hold = seen.holds[key]
            if hold.state is not HoldState.OPEN or key in seen.calls:
                return _ended(hold, seen)
            if seconds <= hold.seconds:
                return Approved(agreement.max_seconds, hold, repeated=True)
            offer = self._longer_offer(uow, seen, agreement, hold, seconds)
            if isinstance(offer, Refused):
                return offer
            longer = longer_hold(hold, offer, self._policy.lapse(hold.placed_at, offer.seconds))
            try:
                extended = uow.extend_hold(longer, _epochs(longer, seen))
            except InvalidValue:  # somebody else has made it longer than this, since it was looked at
                extended = False
        return Approved(offer.max_seconds, longer) if extended else None

    def _longer_offer(
        self, uow: UnitOfWork, seen: Seen, agreement: Agreement, hold: Hold, seconds: int
    ) -> Offer | Refused:
        """What more than a hold has can be held for its call, by what was agreed."""
        parties = Directory(seen.accounts, {}).parties(agreement, seen.accounts[hold.account_id])
        if isinstance(parties, Unpayable):
            return _refused(parties)
        path = agreement.path(parties.path)
        if path is None:
            return Refused(RefusedReason.MOVED, parties.path[0], "the sellers are not those of when it was authorised")
        cascade = self._book.cascade(uow, path, agreement.restored_carrier(parties.carrier))
        purses = _purses(seen, path, {level.account_id: level.micros for level in hold.levels})
        grants = own_first(hold, seen.grants.get(hold.account_id, ()), agreement.number, agreement.at)
        longest = self._policy.longest_seconds
        offer = make_offer(cascade, agreement.number, agreement.at, purses, seconds, longest, grants)
        if isinstance(offer, Refused) or offer.seconds > hold.seconds:
            return offer
        detail = f"the hold pays for {hold.seconds} s, and no more is possible"
        reason = RefusedReason.TOO_LONG if offer.limit is None else RefusedReason.NO_MONEY
        return Refused(reason, offer.limit, detail)

    @again
    def void(self, key: str) -> Hold:
        """Give back what is held for a call that will not be charged, and say what became of its hold.

        One that has ended before stays as it is: voiding again changes nothing, and what a call was charged is not
        given back. A record that comes all the same is charged. Raises `NotFound` where no hold has the key.
        """
        with self._storage.begin() as uow:
            ids = {level.account_id for level in _found(uow.find_hold(key), key).levels}
            uow.lock(ids)
            hold = _found(uow.find_hold(key), key)  # as it is now that nobody can change it
            if hold.state is HoldState.OPEN:
                uow.save(Changes(ended=[(hold, HoldState.VOIDED)]))
            return _found(uow.find_hold(key), key)

    def expire_holds(self, now: datetime | None = None) -> int:
        """Give back what all holds reserve that have lapsed by an instant (the present, if not given); says how many.

        To be run every few minutes; several at once do no harm. Calls whose hold has lapsed are charged all the same.
        """
        return expire_holds(self._storage, self._clock.now() if now is None else utc(now))

    @again
    def find_hold(self, key: str) -> Hold | None:
        """The hold with a key, which is that of its call; None if there is none."""
        with self._storage.snapshot() as uow:
            return uow.find_hold(key)

    def holds(self, *, lapsed_at: datetime | None = None) -> Sequence[Hold]:
        """The open holds, or those of them that have lapsed at an instant, by the time of their end."""
        return open_holds(self._storage, None if lapsed_at is None else utc(lapsed_at))


def _known(attempt: CallAttempt, seen: Seen) -> Admitted | None:
    """What is to be said to an attempt that was made before, or to one whose call is over."""
    hold = seen.holds.get(attempt.key)
    if hold is not None and hold.fingerprint != attempt.fingerprint():
        raise IdempotencyConflict(f"{attempt.key} was another attempt before")
    if attempt.key in seen.calls or (hold is not None and hold.state is not HoldState.OPEN):
        return _ended(hold, seen)
    return None if hold is None else Approved(Agreement.read(hold.terms).max_seconds, hold, repeated=True)


def _ended(hold: Hold | None, seen: Seen) -> Refused:
    state = "charged or kept" if hold is None or hold.state is HoldState.OPEN else str(hold.state)
    detail = f"its record was {state}" if hold is None or hold.state is HoldState.OPEN else f"its hold was {state}"
    return Refused(RefusedReason.ENDED, None if hold is None else seen.accounts.get(hold.account_id), detail)


def _refused(unpayable: Unpayable) -> Refused:
    return Refused(RefusedReason(unpayable.reason.value), unpayable.account, unpayable.detail)


def _purses(seen: Seen, path: Path, held: Mapping[int, int] | None = None) -> Mapping[int, Purse]:
    """What the payers of a path may spend on a call, by account id; `held` is what is held for it already.

    Who has less than nothing available has spent more than what was free, and keeps what is held.
    """
    purses = {}
    for index, payer in enumerate(path[:-1]):
        wallet = seen.wallets[payer.id]
        available = min(wallet.available_micros, MAX_MICROS - wallet.held_micros)
        if held is not None:
            available = max(0, available) + held[payer.id]
        config = seen.configs.get(issuer_of(path[index:]).id)
        purses[payer.id] = Purse(
            available,
            NO_TAX if config is None or config.tax is None else config.tax.percent,
            minor_step(payer.currency) if has_receipts_at_once(payer) else 1,
        )
    return purses


def _epochs(hold: Hold, seen: Seen) -> Mapping[int, int]:
    # those who pay: the admin pays nobody on this path, and its wallet would be in everybody's way
    return {level.account_id: seen.wallets[level.account_id].epoch for level in hold.levels}


def _found(hold: Hold | None, key: str) -> Hold:
    if hold is None:
        raise NotFound(f"no hold has the key {key!r}")
    return hold
