"""Looking at the books, and locking them, in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime

from attrs import evolve

from astpp_billing.calls import CallEntry, CallStatus
from astpp_billing.clock import utc
from astpp_billing.errors import StorageError
from astpp_billing.hierarchy import Account, EndpointKind
from astpp_billing.ledger import Book, Flow, LedgerAccount, Posting, Used, Wallet, movements
from astpp_billing.ports import Locked, Seen, Series
from astpp_billing.storage.memory.allowances import Allowances
from astpp_billing.storage.memory.part import picked


class Ledger(Allowances):
    """The part of a unit of work that knows postings, balances and calls, and locks them."""

    def look(
        self,
        *,
        keys: Collection[str] = (),
        numbers: Collection[str] = (),
        endpoints: Collection[tuple[EndpointKind, str]] = (),
        account_ids: Collection[int] = (),
        since: datetime | None = None,
    ) -> Seen:
        """See `ports.UnitOfWork`."""
        known = picked(self._tables.endpoints, endpoints)
        named = set(numbers)
        wanted = {account.id for account in self._tables.accounts.values() if account.number in named}
        wanted |= set(known.values()) | picked(self._tables.accounts, account_ids).keys()
        accounts = {account.id: account for account in self._with_all_above(wanted)}
        return Seen(
            accounts=accounts,
            wallets=picked(self._tables.wallets, accounts),
            configs=picked(self._tables.invoice_configs, accounts),
            endpoints=known,
            calls=picked(self._tables.calls, keys),
            holds=picked(self._tables.holds, keys),
            grants={} if since is None else self._live_grants(sorted(wanted), since),
        )

    def _with_all_above(self, ids: Collection[int]) -> Iterator[Account]:
        """Each account once, also where the parents form a cycle."""
        seen: set[int] = set()
        for start in ids:
            current: int | None = start
            while current is not None and current not in seen:
                seen.add(current)
                account = self._tables.accounts[current]
                yield account
                current = account.parent_id

    def lock(self, account_ids: Collection[int], series: Collection[Series] = ()) -> Locked:
        """See `ports.UnitOfWork`."""
        self._check_changing()
        if self._locked_series is not None:
            raise StorageError("wallets and series are to be locked once in a transaction, all of them together")
        self._need_account(*account_ids, *(issuer_id for issuer_id, _ in series))
        self._locked_series = frozenset(series)
        return Locked(
            wallets={account_id: self._tables.wallets[account_id] for account_id in account_ids},
            last_numbers={each: self._tables.last_numbers.get(each, 0) for each in series},
        )

    def reserve_ids(self, count: int) -> Sequence[int]:
        """See `ports.UnitOfWork`."""
        last = self._tables.last_id.get(None, 0)
        self._put(self._tables.last_id, None, last + count)
        return range(last + 1, last + count + 1)

    def find_posting(self, key: str) -> Posting | None:
        """See `ports.UnitOfWork`."""
        return self._tables.postings.get(key)

    def postings(self) -> Iterator[Posting]:
        """See `ports.UnitOfWork`."""
        return iter(list(self._tables.postings.values()))

    def corrections(self, posting_key: str) -> Sequence[Posting]:
        """See `ports.UnitOfWork`."""
        found = (posting for posting in self._tables.postings.values() if posting.corrects == posting_key)
        return sorted(found, key=lambda posting: self._tables.posting_ids[posting.key])

    def balance(self, account: LedgerAccount) -> int:
        """See `ports.UnitOfWork`."""
        wallet = self._tables.wallets.get(account.account_id)
        if wallet is None or wallet.currency != account.currency:
            return 0
        return {Book.WALLET: wallet.balance_micros, Book.ROUNDING: wallet.rounding_micros}.get(account.book, 0)

    def balances(self) -> Mapping[LedgerAccount, int]:
        """See `ports.UnitOfWork`."""
        return {
            LedgerAccount(wallet.account_id, book, wallet.currency): micros
            for wallet in self._tables.wallets.values()
            for book, micros in ((Book.WALLET, wallet.balance_micros), (Book.ROUNDING, wallet.rounding_micros))
            if micros
        }

    def proved_balances(self) -> Mapping[LedgerAccount, int]:
        """See `ports.UnitOfWork`."""
        transfers = (transfer for posting in self._tables.postings.values() for transfer in posting.transfers)
        return {account: micros for account, micros in movements(transfers).items() if micros}

    def flows(self, account_id: int) -> Mapping[Flow, int]:
        """See `ports.UnitOfWork`."""
        flows: dict[Flow, int] = {}
        for posting in self._tables.postings.values():
            for one in posting.transfers:
                for own, other, micros in ((one.target, one.source, one.micros), (one.source, one.target, -one.micros)):
                    if own.account_id == account_id:
                        flow = (own.book, other.book, own.currency)
                        flows[flow] = flows.get(flow, 0) + micros
        return flows

    def wallet(self, account_id: int) -> Wallet:
        """See `ports.UnitOfWork`."""
        self._need_account(account_id)
        return self._tables.wallets[account_id]

    def used(self, account_id: int, since: date, until: date) -> Mapping[date, Used]:
        """See `ports.UnitOfWork`."""
        return {
            day: used
            for (user_id, day), used in self._tables.used.items()
            if user_id == account_id and since <= day < until
        }

    def close_books(self, until: datetime) -> None:
        """See `ports.UnitOfWork`."""
        end = utc(until)
        self._check_changing()
        if self._locked_series is not None:
            raise StorageError("closing the books locks all wallets, so none is to be locked before")
        self._locked_series = frozenset()
        for account_id, wallet in self._tables.wallets.items():
            if wallet.closed_until is None or wallet.closed_until < end:
                self._put(self._tables.wallets, account_id, evolve(wallet, closed_until=end))

    def find_call(self, key: str) -> CallEntry | None:
        """See `ports.UnitOfWork`."""
        return self._tables.calls.get(key)

    def calls(self, status: CallStatus | None = None) -> Sequence[CallEntry]:
        """See `ports.UnitOfWork`."""
        wanted = (entry for entry in self._tables.calls.values() if status in (None, entry.status))
        return sorted(wanted, key=lambda entry: (entry.record.started_at, entry.key))
