"""What the services need from outside: a storage that works in transactions, and a clock (`astpp_billing.clock`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from astpp_billing.calls import CallEntry, CallStatus
from astpp_billing.fx import ExchangeRate
from astpp_billing.hierarchy import Account, Endpoint, EndpointKind, Path
from astpp_billing.invoicing import Document, DocumentKind, InvoiceConfig
from astpp_billing.ledger import Charge, Flow, LedgerAccount, Posting
from astpp_billing.pricing import Rate, RateGroup
from astpp_billing.pricing.ratefile import RateRow


class UnitOfWork(Protocol):
    """One transaction: everything that is done through it is saved together, or nothing is.

    What it returns are values; changing the stored state takes another call. Every `add_…` raises `AlreadyExists`
    where something that must be unique is taken (also where a reference is missing besides), `NotFound` where what it
    refers to is missing; every look-up by id raises `NotFound`, a `find_…` gives None. A command that raises has
    changed nothing, even if the error is caught and the transaction goes on.
    """

    # accounts

    def add_account(self, account: Account) -> Account:
        """Store a new account; returns it with its id."""
        ...

    def update_account(self, account: Account) -> None:
        """Replace the account that has this id."""
        ...

    def account(self, account_id: int) -> Account:
        """The account of an id."""
        ...

    def find_account(self, number: str) -> Account | None:
        """The account of a number."""
        ...

    def path(self, account_id: int) -> Path:
        """The account and its ancestors, up to the admin."""
        ...

    def accounts(self) -> Sequence[Account]:
        """All accounts, by id."""
        ...

    def add_endpoint(self, endpoint: Endpoint) -> None:
        """Let a SIP user or an address stand for an account."""
        ...

    def find_endpoint(self, kind: EndpointKind, value: str) -> int | None:
        """The id of the account that an endpoint stands for."""
        ...

    def save_invoice_config(self, config: InvoiceConfig) -> None:
        """Store what an issuer prints on its documents, in place of what was there."""
        ...

    def find_invoice_config(self, account_id: int) -> InvoiceConfig | None:
        """What an issuer prints on its documents."""
        ...

    # prices

    def price_version(self) -> int:
        """A number that grows with every change of rate groups, rates and exchange rates."""
        ...

    def add_rate_group(self, group: RateGroup) -> None:
        """Store a new rate group, without rates."""
        ...

    def rate_groups(self) -> Sequence[RateGroup]:
        """All rate groups, by name."""
        ...

    def import_rates(self, group_name: str, rows: Sequence[RateRow], valid_from: datetime | None) -> RateGroup:
        """Let `rows` be the rates of a group from `valid_from` on (None: always), as its next version.

        Rates in force before end at that instant, so that a late call is still rated by what held when it started;
        rates that would have come into force later are dropped.
        """
        ...

    def rates(self, group_name: str) -> Sequence[Rate]:
        """The rates of a group, of all versions, by prefix."""
        ...

    def add_exchange_rate(self, rate: ExchangeRate) -> None:
        """Store a dated exchange rate."""
        ...

    def exchange_rates(self) -> Sequence[ExchangeRate]:
        """All exchange rates."""
        ...

    # the ledger

    def find_posting(self, key: str) -> Posting | None:
        """The posting with a key, with its transfers in the order they were given."""
        ...

    def add_posting(self, posting: Posting) -> None:
        """Append a posting and move the materialised balances by it."""
        ...

    def balance(self, account: LedgerAccount) -> int:
        """The materialised balance, in micros, of a wallet or rounding account; 0 before its first transfer."""
        ...

    def balances(self) -> Mapping[LedgerAccount, int]:
        """All materialised balances that are not zero."""
        ...

    def proved_balances(self) -> Mapping[LedgerAccount, int]:
        """The balances of all ledger accounts as the transfers prove them; those of zero are left out."""
        ...

    def flows(self, account_id: int) -> Mapping[Flow, int]:
        """What went into (positive) or out of each book of an account, by the book on the other side and currency."""
        ...

    # calls

    def find_call(self, key: str) -> CallEntry | None:
        """What became of the call with a key."""
        ...

    def save_call(self, entry: CallEntry) -> None:
        """Keep a call, or replace what is kept of it."""
        ...

    def calls(self, status: CallStatus | None = None) -> Sequence[CallEntry]:
        """The calls that are kept, of one status or all, in the order of their start."""
        ...

    # charges and documents

    def add_charges(self, charges: Iterable[Charge]) -> Sequence[Charge]:
        """Store charges; returns them with their ids."""
        ...

    def unbilled(self, account_id: int, before: datetime) -> Sequence[Charge]:
        """An account's charges from before an instant that are on no document yet, in the order of time."""
        ...

    def charges(
        self, *, posting_key: str | None = None, document_id: int | None = None, account_id: int | None = None
    ) -> Sequence[Charge]:
        """The charges of one posting, on one document, of one account, or all, by id."""
        ...

    def take_number(self, issuer_id: int, kind: DocumentKind) -> int:
        """The next number of an issuer's series, from 1, without gaps: it is given back if the transaction fails."""
        ...

    def add_document(self, document: Document, charge_ids: Iterable[int]) -> Document:
        """Store a document and put the charges on it; returns it with its id."""
        ...

    def documents(self, account_id: int | None = None) -> Sequence[Document]:
        """The documents of one account, or all, by id."""
        ...

    def billed_until(self, account_id: int) -> datetime | None:
        """The end of the last period that was billed."""
        ...

    def set_billed_until(self, account_id: int, instant: datetime) -> None:
        """Note that everything that ended by an instant has been billed."""
        ...


class Storage(Protocol):
    """Where everything is kept."""

    def begin(self) -> AbstractContextManager[UnitOfWork]:
        """A transaction: committed when the block ends, undone when it raises.

        Transactions are serial: none sees or overwrites what another has in hand.
        """
        ...

    def close(self) -> None:
        """Give back connections and files."""
        ...
