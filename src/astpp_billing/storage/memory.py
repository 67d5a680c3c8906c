"""The storage in memory: plain dictionaries. It is the reference, the model that the SQL storage is compared with.

Every stored value is immutable, and every change goes through `_put`, which notes what was there before. A transaction
that fails is undone from these notes, the last one first. Each command first checks all that it has to, then changes:
one that raises has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TypeVar

from attrs import Factory, define, evolve

from astpp_billing.calls import CallEntry, CallStatus
from astpp_billing.clock import utc
from astpp_billing.errors import AlreadyExists, NotFound, StorageError
from astpp_billing.fx import ExchangeRate
from astpp_billing.hierarchy import Account, Endpoint, EndpointKind, Path, check_path, walk_up
from astpp_billing.invoicing import Document, DocumentKind, InvoiceConfig
from astpp_billing.ledger import MATERIALISED, Charge, Flow, LedgerAccount, Posting, movements
from astpp_billing.money import check_micros
from astpp_billing.pricing import Rate, RateGroup
from astpp_billing.pricing.ratefile import RateRow
from astpp_billing.storage.serial import Turns

K = TypeVar("K")
V = TypeVar("V")


@define
class Tables:
    """All that is stored. Rows are never removed, so the next id of a table is its length + 1."""

    accounts: dict[int, Account] = Factory(dict)
    billed_until: dict[int, datetime] = Factory(dict)
    endpoints: dict[tuple[EndpointKind, str], int] = Factory(dict)
    invoice_configs: dict[int, InvoiceConfig] = Factory(dict)
    last_numbers: dict[tuple[int, DocumentKind], int] = Factory(dict)
    rate_groups: dict[str, RateGroup] = Factory(dict)
    rates: dict[str, tuple[Rate, ...]] = Factory(dict)  # in the order in which they were imported
    exchange_rates: dict[int, ExchangeRate] = Factory(dict)
    price_version: dict[None, int] = Factory(dict)  # one row
    postings: dict[str, Posting] = Factory(dict)
    balances: dict[LedgerAccount, int] = Factory(dict)  # of the materialised books
    calls: dict[str, CallEntry] = Factory(dict)
    charges: dict[int, Charge] = Factory(dict)
    documents: dict[int, Document] = Factory(dict)


class MemoryStorage:
    """Everything in the memory of one process, for tests, demonstrations, and a look at what others must do."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._turns = Turns()

    @contextmanager
    def begin(self) -> Iterator[MemoryUnitOfWork]:
        """A transaction; see `ports.Storage`."""
        with self._turns.take():
            work = MemoryUnitOfWork(self._tables)
            try:
                yield work
            except BaseException:
                work.undo()
                raise
            finally:
                work.end()

    def close(self) -> None:
        """See `ports.Storage`."""
        self._turns.close()


class MemoryUnitOfWork:
    """One transaction in memory; see `ports.UnitOfWork`, which says what each method does."""

    def __init__(self, tables: Tables) -> None:
        self._open_tables: Tables | None = tables
        self._before: list[Callable[[], object]] = []

    @property
    def _tables(self) -> Tables:
        if self._open_tables is None:
            raise StorageError("the transaction has ended")
        return self._open_tables

    def undo(self) -> None:
        """Put everything back to what it was when the transaction began."""
        while self._before:
            self._before.pop()()

    def end(self) -> None:
        """Let nothing more be done."""
        self._open_tables = None

    def _put(self, table: dict[K, V], key: K, value: V) -> None:
        restore = partial(table.__setitem__, key, table[key]) if key in table else partial(table.__delitem__, key)
        self._before.append(restore)
        table[key] = value

    def _need_account(self, *ids: int | None) -> None:
        for account_id in ids:
            if account_id is not None and account_id not in self._tables.accounts:
                raise NotFound(f"no account has the id {account_id}")

    # accounts

    def add_account(self, account: Account) -> Account:
        """See `ports.UnitOfWork`."""
        self._check_account(account)
        stored = evolve(account, id=len(self._tables.accounts) + 1)
        self._put(self._tables.accounts, stored.id, stored)
        return stored

    def update_account(self, account: Account) -> None:
        """See `ports.UnitOfWork`."""
        self._need_account(account.id)
        self._check_account(account)
        self._put(self._tables.accounts, account.id, account)

    def _check_account(self, account: Account) -> None:
        namesake = self.find_account(account.number)
        if namesake is not None and namesake.id != account.id:
            raise AlreadyExists(f"account {account.number} exists already")
        self._need_account(account.parent_id)

    def account(self, account_id: int) -> Account:
        """See `ports.UnitOfWork`."""
        self._need_account(account_id)
        return self._tables.accounts[account_id]

    def find_account(self, number: str) -> Account | None:
        """See `ports.UnitOfWork`."""
        return next((account for account in self._tables.accounts.values() if account.number == number), None)

    def path(self, account_id: int) -> Path:
        """See `ports.UnitOfWork`."""
        return check_path(walk_up(self._tables.accounts, account_id))

    def accounts(self) -> Sequence[Account]:
        """See `ports.UnitOfWork`."""
        return list(self._tables.accounts.values())

    def add_endpoint(self, endpoint: Endpoint) -> None:
        """See `ports.UnitOfWork`."""
        key = (endpoint.kind, endpoint.value)
        if key in self._tables.endpoints:
            raise AlreadyExists(f"endpoint {endpoint.kind} {endpoint.value} exists already")
        self._need_account(endpoint.account_id)
        self._put(self._tables.endpoints, key, endpoint.account_id)

    def find_endpoint(self, kind: EndpointKind, value: str) -> int | None:
        """See `ports.UnitOfWork`."""
        return self._tables.endpoints.get((kind, value))

    def save_invoice_config(self, config: InvoiceConfig) -> None:
        """See `ports.UnitOfWork`."""
        self._need_account(config.account_id)
        self._put(self._tables.invoice_configs, config.account_id, config)

    def find_invoice_config(self, account_id: int) -> InvoiceConfig | None:
        """See `ports.UnitOfWork`."""
        return self._tables.invoice_configs.get(account_id)

    def billed_until(self, account_id: int) -> datetime | None:
        """See `ports.UnitOfWork`."""
        self._need_account(account_id)
        return self._tables.billed_until.get(account_id)

    def set_billed_until(self, account_id: int, instant: datetime) -> None:
        """See `ports.UnitOfWork`."""
        self._need_account(account_id)
        self._put(self._tables.billed_until, account_id, utc(instant))

    # prices

    def price_version(self) -> int:
        """See `ports.UnitOfWork`."""
        return self._tables.price_version.get(None, 0)

    def _prices_changed(self) -> None:
        self._put(self._tables.price_version, None, self.price_version() + 1)

    def add_rate_group(self, group: RateGroup) -> None:
        """See `ports.UnitOfWork`."""
        if group.name in self._tables.rate_groups:
            raise AlreadyExists(f"rate group {group.name!r} exists already")
        self._need_account(group.owner_id)
        self._put(self._tables.rate_groups, group.name, group)
        self._put(self._tables.rates, group.name, ())
        self._prices_changed()

    def rate_groups(self) -> Sequence[RateGroup]:
        """See `ports.UnitOfWork`."""
        return sorted(self._tables.rate_groups.values(), key=lambda group: group.name)

    def import_rates(self, group_name: str, rows: Sequence[RateRow], valid_from: datetime | None) -> RateGroup:
        """See `ports.UnitOfWork`."""
        if group_name not in self._tables.rate_groups:
            raise NotFound(f"no rate group is named {group_name!r}")
        if len({row[0] for row in rows}) < len(rows):
            raise AlreadyExists("a prefix of the import exists already")
        begin = None if valid_from is None else utc(valid_from)
        former = self._tables.rate_groups[group_name]
        group = evolve(former, version=former.version + 1)
        kept = () if begin is None else _ended(self._tables.rates[group_name], begin)
        new = [
            Rate(prefix, per_minute, fee, included, initial, increment, destination, begin, None, group.version)
            for prefix, destination, per_minute, fee, included, initial, increment in rows
        ]
        self._put(self._tables.rate_groups, group_name, group)
        self._put(self._tables.rates, group_name, (*kept, *new))
        self._prices_changed()
        return group

    def rates(self, group_name: str) -> Sequence[Rate]:
        """See `ports.UnitOfWork`."""
        return sorted(self._tables.rates.get(group_name, ()), key=lambda rate: rate.prefix)

    def add_exchange_rate(self, rate: ExchangeRate) -> None:
        """See `ports.UnitOfWork`."""
        for other in self._tables.exchange_rates.values():
            if other.valid_from == rate.valid_from and {other.base, other.quote} == {rate.base, rate.quote}:
                raise AlreadyExists(f"an exchange rate of {rate.base} and {rate.quote} from {rate.valid_from} exists")
        self._put(self._tables.exchange_rates, len(self._tables.exchange_rates) + 1, rate)
        self._prices_changed()

    def exchange_rates(self) -> Sequence[ExchangeRate]:
        """See `ports.UnitOfWork`."""
        return sorted(self._tables.exchange_rates.values(), key=lambda rate: rate.valid_from)

    # the ledger

    def find_posting(self, key: str) -> Posting | None:
        """See `ports.UnitOfWork`."""
        return self._tables.postings.get(key)

    def add_posting(self, posting: Posting) -> None:
        """See `ports.UnitOfWork`."""
        if posting.key in self._tables.postings:
            raise AlreadyExists(f"posting {posting.key} exists already")
        moved = movements(posting.transfers)
        self._need_account(*(account.account_id for account in moved))
        balances = {
            account: check_micros(self.balance(account) + micros, f"balance of {account}")
            for account, micros in moved.items()
            if account.book in MATERIALISED
        }
        self._put(self._tables.postings, posting.key, posting)
        for account, balance in balances.items():
            self._put(self._tables.balances, account, balance)

    def balance(self, account: LedgerAccount) -> int:
        """See `ports.UnitOfWork`."""
        return self._tables.balances.get(account, 0)

    def balances(self) -> Mapping[LedgerAccount, int]:
        """See `ports.UnitOfWork`."""
        return {account: micros for account, micros in self._tables.balances.items() if micros}

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

    # calls

    def find_call(self, key: str) -> CallEntry | None:
        """See `ports.UnitOfWork`."""
        return self._tables.calls.get(key)

    def save_call(self, entry: CallEntry) -> None:
        """See `ports.UnitOfWork`."""
        self._need_account(entry.account_id)
        self._put(self._tables.calls, entry.key, entry)

    def calls(self, status: CallStatus | None = None) -> Sequence[CallEntry]:
        """See `ports.UnitOfWork`."""
        wanted = (entry for entry in self._tables.calls.values() if status in (None, entry.status))
        return sorted(wanted, key=lambda entry: (entry.record.started_at, entry.key))

    # charges and documents

    def add_charges(self, charges: Iterable[Charge]) -> Sequence[Charge]:
        """See `ports.UnitOfWork`."""
        wanted = list(charges)
        for charge in wanted:
            if charge.posting_key not in self._tables.postings:
                raise NotFound(f"no posting has the key {charge.posting_key!r}")
            if charge.document_id is not None and charge.document_id not in self._tables.documents:
                raise NotFound(f"no document has the id {charge.document_id}")
            self._need_account(charge.account_id)
        first = len(self._tables.charges) + 1
        stored = [evolve(charge, id=charge_id) for charge_id, charge in enumerate(wanted, first)]
        for charge in stored:
            self._put(self._tables.charges, charge.id, charge)
        return stored

    def unbilled(self, account_id: int, before: datetime) -> Sequence[Charge]:
        """See `ports.UnitOfWork`."""
        end = utc(before)
        mine = (charge for charge in self._tables.charges.values() if charge.account_id == account_id)
        waiting = (charge for charge in mine if charge.document_id is None and charge.at < end)
        return sorted(waiting, key=lambda charge: (charge.at, charge.id))

    def charges(
        self, *, posting_key: str | None = None, document_id: int | None = None, account_id: int | None = None
    ) -> Sequence[Charge]:
        """See `ports.UnitOfWork`."""
        return [
            charge
            for charge in self._tables.charges.values()
            if posting_key in (None, charge.posting_key)
            and document_id in (None, charge.document_id)
            and account_id in (None, charge.account_id)
        ]

    def take_number(self, issuer_id: int, kind: DocumentKind) -> int:
        """See `ports.UnitOfWork`."""
        self._need_account(issuer_id)
        number = self._tables.last_numbers.get((issuer_id, kind), 0) + 1
        self._put(self._tables.last_numbers, (issuer_id, kind), number)
        return number

    def add_document(self, document: Document, charge_ids: Iterable[int]) -> Document:
        """See `ports.UnitOfWork`."""
        wanted = list(charge_ids)
        for other in self._tables.documents.values():
            if (other.issuer_id, other.kind, other.number) == (document.issuer_id, document.kind, document.number):
                raise AlreadyExists(f"document {document.number} exists already")
        self._need_account(document.issuer_id, document.seller_id, document.account_id)
        self._check_free(wanted)
        stored = evolve(document, id=len(self._tables.documents) + 1)
        self._put(self._tables.documents, stored.id, stored)
        for charge_id in wanted:
            charge = self._tables.charges[charge_id]
            self._put(self._tables.charges, charge_id, evolve(charge, document_id=stored.id))
        return stored

    def _check_free(self, charge_ids: Sequence[int]) -> None:
        for charge_id in charge_ids:
            if charge_id not in self._tables.charges:
                raise NotFound(f"no charge has the id {charge_id}")
        if len(set(charge_ids)) < len(charge_ids):
            raise AlreadyExists("a charge cannot be twice on a document")
        for charge_id in charge_ids:
            document_id = self._tables.charges[charge_id].document_id
            if document_id is not None:
                raise AlreadyExists(f"charge {charge_id} is on document {document_id} already")

    def documents(self, account_id: int | None = None) -> Sequence[Document]:
        """See `ports.UnitOfWork`."""
        return [doc for doc in self._tables.documents.values() if account_id in (None, doc.account_id)]


def _ended(rates: Iterable[Rate], at: datetime) -> Iterator[Rate]:
    """The rates that were in force before an instant, which end at it."""
    for rate in rates:
        if rate.valid_from is None or rate.valid_from < at:
            yield rate if rate.valid_until is not None and rate.valid_until <= at else evolve(rate, valid_until=at)
