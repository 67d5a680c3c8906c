"""Saving what a transaction adds to the books in memory: first everything is checked, then everything is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Hashable, Iterable, Iterator

from attrs import evolve

from astpp_billing.calls import CallStatus
from astpp_billing.clock import utc
from astpp_billing.errors import AlreadyExists, InvalidValue, NotFound, PeriodClosed, StorageBusy, StorageError
from astpp_billing.ledger import MATERIALISED, Book, Hold, HoldState, Posting, Used, UsedKey, Wallet, movements
from astpp_billing.money import check_micros
from astpp_billing.ports import Changes
from astpp_billing.storage.memory.allowances import Allowances
from astpp_billing.storage.memory.documents import Documents


class Saving(Documents, Allowances):
    """The part of a unit of work that writes the books."""

    def save(self, changes: Changes) -> None:
        """See `ports.UnitOfWork`."""
        self._check_changing()
        self._check_free(changes)
        self._check_references(changes)
        self._check_numbers(changes)
        self._check_periods(changes)
        wallets, used = self._moved(changes), self._used_more(changes)
        self._check_not_otherwise(changes)
        self._check_waiting(changes)
        grants, told = self._minutes_after(changes)
        for account_id in told:
            wallet = wallets.get(account_id) or self._tables.wallets[account_id]
            wallets[account_id] = evolve(wallet, epoch=wallet.epoch + 1)
        self._append(changes)
        for grant_id, grant in grants.items():
            self._put(self._tables.grants, grant_id, grant)
        for used_minutes in changes.minutes:
            self._put(self._tables.minutes, (used_minutes.grant_id, used_minutes.key), used_minutes)
        for account_id, wallet in wallets.items():
            self._put(self._tables.wallets, account_id, wallet)
        for key, sum_of_day in used.items():
            self._put(self._tables.used, key, sum_of_day)

    # checks

    def _check_free(self, changes: Changes) -> None:
        """`AlreadyExists` where a key or a number is taken, or wanted twice."""
        tables = self._tables
        taken_charges = ((charge.posting_key, charge.position) for charge in tables.charges.values())
        charges = ((charge.posting_key, charge.position) for charge in changes.charges)
        numbers = ((document.issuer_id, document.kind, document.number) for document in changes.documents)
        _check_unique("posting", (posting.key for posting in changes.postings), tables.postings)
        _check_unique("charge", charges, set(taken_charges) if changes.charges else ())
        _check_unique("document", (document.id for document in changes.documents), tables.documents)
        _check_unique("document", numbers, tables.document_numbers)
        _check_unique("call", (entry.key for entry in changes.calls), tables.calls)

    def _check_references(self, changes: Changes) -> None:
        """`NotFound` where something refers to what is neither stored nor saved along with it."""
        self._need_account(*_accounts_of(changes))
        postings = {posting.key for posting in changes.postings}
        documents = {document.id for document in changes.documents}
        on = [charge.document_id for charge in changes.charges if charge.document_id is not None]
        corrected = (posting.corrects for posting in changes.postings if posting.corrects is not None)
        for key in (*(charge.posting_key for charge in changes.charges), *corrected):
            if key not in postings and key not in self._tables.postings:
                raise NotFound(f"no posting has the key {key!r}")
        on += [document.corrects_id for document in changes.documents if document.corrects_id is not None]
        for document_id in (*on, *(placed.document_id for placed in changes.placed)):
            if document_id not in documents and document_id not in self._tables.documents:
                raise NotFound(f"no document has the id {document_id}")
        for entry in changes.retried:
            if entry.key not in self._tables.calls:
                raise NotFound(f"no call has the key {entry.key!r}")
        for hold, _ in changes.ended:
            if hold.key not in self._tables.holds:
                raise NotFound(f"no hold has the key {hold.key!r}")

    def _check_numbers(self, changes: Changes) -> None:
        for series in changes.numbers:
            if series not in (self._locked_series or ()):
                raise StorageError(f"numbers of {series} are given out, and it was not locked")

    def _check_periods(self, changes: Changes) -> None:
        for posting in changes.postings:
            for account_id in _whose_books(posting):
                closed_until = self._tables.wallets[account_id].closed_until
                if closed_until is not None and posting.at < closed_until:
                    raise PeriodClosed(f"posting {posting.key} is of {posting.at}, closed until {closed_until}")

    def _check_not_otherwise(self, changes: Changes) -> None:
        """`StorageBusy` where a call was settled, or a hold has ended, in the meantime."""
        for entry in changes.retried:
            if self._tables.calls[entry.key].status is not CallStatus.UNRATED:
                raise StorageBusy(f"call {entry.key} was settled by somebody else")
        times = Counter(hold.key for hold, _ in changes.ended)
        for hold, _ in changes.ended:
            stored = self._tables.holds[hold.key]
            if times[hold.key] > 1 or stored.state is not HoldState.OPEN or _reserved(stored) != _reserved(hold):
                raise StorageBusy(f"hold {hold.key} was extended, or has ended otherwise")

    def _check_waiting(self, changes: Changes) -> None:
        """`StorageBusy` where not as many charges wait as are to be placed; those saved along wait, too."""
        stored = self._tables.charges.values() if changes.placed else ()
        waiting = [charge for charge in (*stored, *changes.charges) if charge.document_id is None]
        for placed in changes.placed:
            owner, end = placed.account_id, utc(placed.before)
            left = [charge for charge in waiting if charge.account_id != owner or charge.at >= end]
            if len(waiting) - len(left) != placed.count:
                raise StorageBusy(f"account {owner} has {len(waiting) - len(left)} charges, not {placed.count}")
            waiting = left

    # what comes of it

    def _moved(self, changes: Changes) -> dict[int, Wallet]:
        """The wallets after all transfers, and without what holds no longer reserve."""
        wallets: dict[int, Wallet] = {}
        transfers = (transfer for posting in changes.postings for transfer in posting.transfers)
        for account, micros in movements(transfers).items():
            if account.book not in MATERIALISED:
                continue
            check_micros(micros, f"movement of {account}")
            wallet = wallets.get(account.account_id) or self._tables.wallets[account.account_id]
            if account.currency != wallet.currency:
                raise InvalidValue(f"account {account.account_id} has a wallet in {wallet.currency}: {account}")
            if account.book is Book.WALLET:
                balance = check_micros(wallet.balance_micros + micros, f"balance of {account}")
                wallets[account.account_id] = evolve(wallet, balance_micros=balance)
            else:
                rounding = check_micros(wallet.rounding_micros + micros, f"balance of {account}")
                wallets[account.account_id] = evolve(wallet, rounding_micros=rounding)
        for hold, _ in changes.ended:
            for level in self._tables.holds[hold.key].levels:
                wallet = wallets.get(level.account_id) or self._tables.wallets[level.account_id]
                wallets[level.account_id] = evolve(wallet, held_micros=wallet.held_micros - level.micros)
        return wallets

    def _used_more(self, changes: Changes) -> dict[UsedKey, Used]:
        used = {key: self._tables.used.get(key, Used()) + more for key, more in changes.used.items()}
        for (account_id, day), one in used.items():
            check_micros(one.micros, f"what account {account_id} has used on {day}")
        return used

    def _append(self, changes: Changes) -> None:
        tables = self._tables
        for posting in changes.postings:
            self._put(tables.postings, posting.key, posting)
            self._put(tables.posting_ids, posting.key, len(tables.posting_ids) + 1)
        for document in changes.documents:
            self._put(tables.documents, document.id, document)
            self._put(tables.document_numbers, (document.issuer_id, document.kind, document.number), document.id)
        for charge in changes.charges:
            self._put(tables.charges, (tables.posting_ids[charge.posting_key], charge.position), charge)
        for placed in changes.placed:
            for key in self._waiting(placed.account_id, placed.before):
                self._put(tables.charges, key, evolve(tables.charges[key], document_id=placed.document_id))
        for entry in changes.calls:
            self._put(tables.calls, entry.key, entry)
        for entry in changes.retried:
            self._put(tables.calls, entry.key, evolve(entry, record=tables.calls[entry.key].record))
        for series, count in changes.numbers.items():
            self._put(tables.last_numbers, series, tables.last_numbers.get(series, 0) + count)
        for hold, state in changes.ended:
            self._put(tables.holds, hold.key, evolve(tables.holds[hold.key], state=state))


def _check_unique(what: str, keys: Iterable[Hashable], taken: Container[Hashable]) -> None:
    wanted: set[Hashable] = set()
    for key in keys:
        if key in taken or key in wanted:
            raise AlreadyExists(f"{what} {key} exists already")
        wanted.add(key)


def _accounts_of(changes: Changes) -> Iterator[int | None]:
    """The ids of all accounts that are referred to."""
    for posting in changes.postings:
        yield from (account.account_id for account in movements(posting.transfers))
    for document in changes.documents:
        yield from (document.issuer_id, document.seller_id, document.account_id)
    yield from (charge.account_id for charge in changes.charges)
    yield from (placed.account_id for placed in changes.placed)
    yield from (entry.account_id for entry in (*changes.calls, *changes.retried))
    yield from (account_id for account_id, _ in changes.used)
    yield from (issuer_id for issuer_id, _ in changes.numbers)


def _whose_books(posting: Posting) -> set[int]:
    """The accounts whose wallets a posting moves; where it moves none, all accounts in it."""
    touched = movements(posting.transfers)
    moved = {account.account_id for account in touched if account.book in MATERIALISED}
    return moved or {account.account_id for account in touched}


def _reserved(hold: Hold) -> object:
    return hold.levels, hold.minutes
