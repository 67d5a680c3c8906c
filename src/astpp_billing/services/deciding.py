"""What becomes of each record of a batch, decided by what was seen before anything is locked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from astpp_billing.calls import (
    Agreement,
    CallEntry,
    CallRecord,
    CallStatus,
    Directory,
    Failed,
    Parties,
    PathBooks,
    Settled,
    Settlement,
    Unpayable,
    Unrated,
    UnratedReason,
    agreed,
    agreed_carrier,
    record_fingerprint,
)
from astpp_billing.errors import IdempotencyConflict
from astpp_billing.hierarchy import Account, Path
from astpp_billing.invoicing import InvoiceConfig
from astpp_billing.ledger import Charge, Hold, HoldState
from astpp_billing.ports import Changes, Locked, Seen, Series, UnitOfWork
from astpp_billing.pricing import Cascade, NotPriced, PricedCall
from astpp_billing.pricing.allowances import MinutesUsed, Split, price_rest
from astpp_billing.services.issuing import Form, has_receipts_at_once, issuer_of
from astpp_billing.services.minutes import Left
from astpp_billing.services.prices import PriceBook
from astpp_billing.services.seen import check_unchanged


class Way:
    """What all calls of a batch on one path, by the same prices, have in common.

    `receipts` goes along the levels that are paid: the form of the receipt that this payer gets at once, or None.
    `books` are made for the first call that is priced.
    """

    __slots__ = ("books", "cascade", "receipts")

    def __init__(self, cascade: Cascade, receipts: tuple[Form | None, ...]) -> None:
        self.cascade = cascade
        self.receipts = receipts
        self.books: PathBooks | None = None


@frozen
class Priced:
    """A call with its price, and the way that it went."""

    call: PricedCall
    way: Way
    books: PathBooks

    @property
    def receipts(self) -> list[Form]:
        """The receipts that the call brings about; the buyer's first."""
        paid = zip(self.way.receipts, self.call.amounts, strict=False)  # without the amount of the termination
        return [form for form, micros in paid if form is not None and micros]


@frozen
class Decided:
    """A record that becomes `entry`, and what it costs, if it is a call that can cost anything."""

    entry: CallEntry
    priced: Priced | None = None


@frozen
class Twin:
    """A record that came before in the same batch, as its `first`-th."""

    first: int


class Decisions:
    """Decides about the records of one batch, one after the other.

    `made` has one decision for each record, in their order. `changes` gets what is decided already: the entries, and
    the holds that end.
    """

    def __init__(self, uow: UnitOfWork, seen: Seen, book: PriceBook, now: datetime) -> None:
        self.now = now
        self.made: list[Settlement | Failed | Decided | Twin] = []
        self.changes = Changes()
        self._uow = uow
        self._seen = seen
        self._book = book
        self._directory = Directory(seen.accounts, seen.endpoints)
        self._ways: dict[tuple[int, int | None], Way] = {}
        self._taken: list[Way] = []
        self._forms: dict[int, Form] = {}
        self._configs = dict(seen.configs)
        self._first: dict[str, int] = {}
        self._charges: dict[str, list[Charge]] | None = None
        self._left = Left(seen.grants) if seen.grants else None

    def add(self, record: CallRecord) -> None:
        """Decide about a record, unless its key is known already."""
        key = record.key
        position = len(self.made)
        first = self._first.setdefault(key, position)
        known = self._seen.calls.get(key)
        if known is not None:
            self.made.append(_conflict(record, known.record) or self._known(known))
        elif first == position:
            self.made.append(self._decide(record, key, self.changes.calls))
        else:
            earlier = self.made[first]
            assert isinstance(earlier, Decided)  # for nobody knew its key
            self.made.append(_conflict(record, earlier.entry.record) or Twin(first))

    def add_again(self, record: CallRecord) -> None:
        """Decide again about a record that is kept as unrated."""
        self.made.append(self._decide(record, record.key, self.changes.retried))

    def count_receipts(self) -> int:
        """How many receipts there will be."""
        priced = (made.priced for made in self.made if isinstance(made, Decided))
        return sum(len(one.receipts) for one in priced if one is not None)

    def wallets(self) -> set[int]:
        """The accounts whose wallets are moved: the payers, and those in whose wallets something is held."""
        payers = {account.id for way in self._taken for account in way.cascade.path[:-1]}
        return payers.union(level.account_id for hold, _ in self.changes.ended for level in hold.levels)

    def series(self) -> set[Series]:
        """The series from which receipts may be numbered."""
        return {form.series for way in self._taken for form in way.receipts if form is not None}

    def check(self, locked: Locked) -> None:
        """Raise `StorageBusy` where an account has changed since it was seen."""
        check_unchanged(self._seen, locked)

    def _known(self, entry: CallEntry) -> Settlement:
        if entry.status is CallStatus.UNRATED:
            return Unrated(entry, repeated=True)
        return Settled(entry, tuple(self._charged(entry.key)), repeated=True)

    def _charged(self, key: str) -> Sequence[Charge]:
        """What a call was charged that was rated before; it is read for all of the batch at once."""
        if self._charges is None:
            self._charges = {one.key: [] for one in self._seen.calls.values() if one.status is CallStatus.RATED}
            for charge in self._uow.charges(posting_keys=self._charges.keys()):
                self._charges[charge.posting_key].append(charge)
        return self._charges[key]

    def _decide(self, record: CallRecord, key: str, entries: list[CallEntry]) -> Decided:
        hold = self._seen.holds.get(key)
        decided = self._rate(record, hold)
        if hold is not None and hold.state is HoldState.OPEN:
            self.changes.ended.append((hold, HoldState.POSTED))
            if self._left is not None:
                self._left.give_back(hold)
        entries.append(decided.entry)
        return decided

    def _rate(self, record: CallRecord, hold: Hold | None) -> Decided:
        buyer = self._directory.buyer(record)
        if isinstance(buyer, Unpayable):
            return self._unpayable(record, None, buyer)
        if not record.seconds:
            return self._rated(record, buyer)  # costs nothing, whatever the rates: there is nothing to look up
        parties = self._directory.parties(record, buyer)
        if isinstance(parties, Unpayable):
            return self._unpayable(record, buyer, parties)
        way, at = self._way(parties, hold, record.started_at)
        call = way.cascade.price(record.number, record.seconds, at)
        if isinstance(call, NotPriced):
            return self._unrated(record, buyer, UnratedReason(call.reason.value), call.detail)
        if self._left is not None and call.terms.levels:
            split = self._left.take(buyer.id, record.number, at, record.seconds, _reserving(hold, record))
            call = self._use_minutes(record, call, split, way, at)
        if way.books is None:
            way.books = PathBooks(call.terms)
            self._taken.append(way)
        return self._rated(record, buyer, Priced(call, way, way.books))

    def _use_minutes(self, record: CallRecord, call: PricedCall, split: Split, way: Way, at: datetime) -> PricedCall:
        """What a call costs without the seconds that grants cover, which are noted."""
        self.changes.minutes += [MinutesUsed(record.key, grant.id, seconds) for grant, seconds in split.taken]
        return price_rest(call, split, lambda rest: way.cascade.price(record.number, rest, at))

    def _way(self, parties: Parties, hold: Hold | None, at: datetime) -> tuple[Way, datetime]:
        """The way of a call, and the instant whose prices hold: those of the agreement, if it was authorised."""
        if hold is not None:
            agreement = agreed(hold, parties.path)
            if agreement is not None:
                path, at = agreement
                then = Parties(path, agreed_carrier(hold, parties.carrier))
                if then != parties:
                    return self._new_way(then, parties), at
        key = (parties.path[0].id, None if parties.carrier is None else parties.carrier.id)
        way = self._ways.get(key)
        if way is None:
            way = self._ways[key] = self._new_way(parties, parties)
        return way, at

    def _new_way(self, then: Parties, now: Parties) -> Way:
        """A way by the prices that hold for parties as they were, and with receipts as they get them now."""
        cascade = self._book.cascade(self._uow, then.path, then.carrier)
        return Way(cascade, tuple(self._receipt(now.path[index:]) for index in range(len(now.path) - 1)))

    def _receipt(self, path: Path) -> Form | None:
        """What the account at the start of a path gets for each charge; None for an account that gets nothing yet."""
        payer = path[0]
        if not has_receipts_at_once(payer):
            return None
        form = self._forms.get(payer.id)
        if form is None:
            issuer = issuer_of(path)
            config = self._configs.get(issuer.id) or self._configs.setdefault(issuer.id, InvoiceConfig.default(issuer))
            form = self._forms[payer.id] = Form(path, config)
        return form

    def _rated(self, record: CallRecord, buyer: Account, priced: Priced | None = None) -> Decided:
        # an admin that calls pays nobody but the provider
        micros = priced.call.amounts[0] if priced is not None and priced.call.terms.levels else 0
        entry = CallEntry(
            record=record, status=CallStatus.RATED, account_id=buyer.id, micros=micros, settled_at=self.now
        )
        return Decided(entry, priced)

    def _unpayable(self, record: CallRecord, buyer: Account | None, why: Unpayable) -> Decided:
        return self._unrated(record, buyer, UnratedReason(why.reason.value), why.detail)

    def _unrated(self, record: CallRecord, buyer: Account | None, reason: UnratedReason, detail: str) -> Decided:
        entry = CallEntry(
            record=record,
            status=CallStatus.UNRATED,
            account_id=None if buyer is None else buyer.id,
            reason=reason,
            detail=detail,
            settled_at=self.now,
        )
        return Decided(entry)


def _reserving(hold: Hold | None, record: CallRecord) -> Hold | None:
    """The hold that reserves included minutes for the call of a record; None where there is none for this number."""
    if hold is None or hold.state is not HoldState.OPEN or not hold.minutes:
        return None
    return hold if Agreement.read(hold.terms).number == record.number else None


def _conflict(record: CallRecord, before: CallRecord) -> Failed | None:
    """What comes of a record whose key another one had before; None if that was the same."""
    if record_fingerprint(before) == record_fingerprint(record):
        return None
    return Failed(record, IdempotencyConflict(f"{record.key} was another call before: {before}"))
