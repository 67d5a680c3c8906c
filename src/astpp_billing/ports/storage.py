"""The storage port: units of work, and where they come from."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Protocol

from astpp_billing.calls import CallEntry, CallStatus
from astpp_billing.fx import ExchangeRate
from astpp_billing.hierarchy import Account, Endpoint, EndpointKind, Path
from astpp_billing.invoicing import Document, InvoiceConfig
from astpp_billing.ledger import (
    Charge,
    Entry,
    Flow,
    FlowGroup,
    Hold,
    LedgerAccount,
    Posting,
    Used,
    Wallet,
)
from astpp_billing.ports.allowances import AllowanceWork
from astpp_billing.ports.commissions import CommissionWork
from astpp_billing.ports.orders import OrderWork
from astpp_billing.ports.products import Products
from astpp_billing.ports.subscriptions import Subscriptions
from astpp_billing.ports.values import Changes, Command, Locked, Seen, Series
from astpp_billing.ports.vouchers import VoucherWork
from astpp_billing.pricing import Rate, RateGroup
from astpp_billing.pricing.ratefile import RateRow


class UnitOfWork(Products, OrderWork, VoucherWork, Subscriptions, AllowanceWork, CommissionWork, Protocol):
    """One transaction: everything that is done through it is saved together, or nothing is.

    What it returns are values; changing the stored state takes another call. Every `add_…`, and `save`, raises
    `AlreadyExists` where something that must be unique is taken (also where a reference is missing besides), `NotFound`
    where what it refers to is missing; every look-up by id raises `NotFound`, a `find_…` gives None. A command that
    raises has changed nothing, even if the error is caught and the transaction goes on.

    Transactions run side by side. What one has read, another may change before it is saved, unless it was locked: by
    `lock_tree` first (who changes accounts), then by one `lock` (who moves money). Locks are taken in one order, the
    tree, wallets by the id of their account, series by issuer and kind, and kept until the transaction ends.
    """

    # commands

    def find_command(self, key: str) -> Command | None:
        """The command that was done under a key, which may be that of a posting, too: the two are kept apart."""
        ...

    def add_command(self, command: Command) -> None:
        """Note that a command was done; `AlreadyExists` where its key is taken."""
        ...

    # accounts

    def lock_tree(self) -> None:
        """Wait until no other transaction has this lock, and keep it: who changes accounts does so one by one."""
        ...

    def add_account(self, account: Account) -> Account:
        """Store a new account with an empty wallet; returns it with its id.

        Its books are closed until the instant that its parent's are.
        """
        ...

    def update_account(self, account: Account) -> None:
        """Replace the account that has this id; its wallet gets the new credit limit, and the next epoch."""
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

    def look(
        self,
        *,
        keys: Collection[str] = (),
        numbers: Collection[str] = (),
        endpoints: Collection[tuple[EndpointKind, str]] = (),
        account_ids: Collection[int] = (),
        since: datetime | None = None,
    ) -> Seen:
        """What is known of the calls with these keys, and of these accounts and all above them.

        Accounts are asked for by number, by what stands for them, or by id; what is not there is left out. Where
        `since` is given, the included minutes of those that were asked for come along: what is not used up and expires
        after it, and all of which something is held.
        """
        ...

    def lock(self, account_ids: Collection[int], series: Collection[Series] = ()) -> Locked:
        """Lock wallets and series, and tell what they are now; `NotFound` for an account that there is not.

        A series of which no number was given out has the last number 0. To be called at most once in a transaction.
        """
        ...

    def reserve_ids(self, count: int) -> Sequence[int]:
        """Ids for documents, which nobody else gets; those that are not used are lost."""
        ...

    def save(self, changes: Changes) -> None:
        """Append to the books, and move the materialised balances by it.

        Besides `AlreadyExists` and `NotFound`: raises `PeriodClosed` for a posting from before what is closed,
        `InvalidValue` where a balance would be beyond the largest amount, or a wallet is in another currency;
        `StorageBusy` where a hold has ended otherwise, or not as many charges wait as are to be placed.
        """
        ...

    def find_posting(self, key: str) -> Posting | None:
        """The posting with a key, with its transfers in the order they were given."""
        ...

    def postings(self) -> Iterator[Posting]:
        """All postings, in no particular order; they are read bit by bit, as there may be very many."""
        ...

    def corrections(self, posting_key: str) -> Sequence[Posting]:
        """The postings that correct the one with a key, in their order."""
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

    def wallet(self, account_id: int) -> Wallet:
        """An account's wallet."""
        ...

    def used(self, account_id: int, since: date, until: date) -> Mapping[date, Used]:
        """What an account has used on its local days from `since` up to, and without, `until`; only days with calls."""
        ...

    def close_books(self, until: datetime) -> None:
        """Let nothing more be posted with an instant before `until`; never opens what is closed.

        It locks all wallets, so nothing but the tree may be locked before.
        """
        ...

    # holds

    def place_hold(self, hold: Hold, epochs: Mapping[int, int]) -> bool:
        """Reserve money at every level of a hold, or at none; decided inside the storage.

        False, and nothing reserved, where less is available at some level, or its wallet has another epoch. A level of
        0 needs nothing, even where less than nothing is available.
        """
        ...

    def extend_hold(self, hold: Hold, epochs: Mapping[int, int]) -> bool:
        """Let the open hold that has this key be this one, which reserves as much at every level, or more.

        False, and nothing changed, where less is available at some level than it reserves more, its wallet has another
        epoch, or the hold is no longer open.
        """
        ...

    def find_hold(self, key: str) -> Hold | None:
        """The hold with a key."""
        ...

    def holds(self, *, lapsed_at: datetime | None = None) -> Sequence[Hold]:
        """The open holds, or those of them that have lapsed at an instant, by the time of their end."""
        ...

    # calls

    def find_call(self, key: str) -> CallEntry | None:
        """What became of the call with a key."""
        ...

    def calls(self, status: CallStatus | None = None) -> Sequence[CallEntry]:
        """The calls that are kept, of one status or all, in the order of their start."""
        ...

    # reports

    def flows_between(
        self, account_ids: Collection[int], moments: Sequence[datetime], *, destinations: bool = False
    ) -> Mapping[FlowGroup, int]:
        """The flows of accounts from each of `moments` (ascending, two at least) up to the next; none that are zero.

        An event's destination is for its seller what it sold: the description of the (first) charge that was paid into
        its revenue, or where there is none, of the first charge of its own.
        """
        ...

    def balance_at(self, account: LedgerAccount, instant: datetime) -> int:
        """The balance, in micros, of any ledger account from what was posted before an instant."""
        ...

    def entries(self, account: LedgerAccount, since: datetime, until: datetime) -> Generator[Entry, None, None]:
        """What moved a ledger account from `since` up to `until`, in the order of time; equal times keep one order.

        Read bit by bit: ask for nothing else before its end, or before it is closed.
        """
        ...

    # charges and documents

    def unbilled(self, account_id: int, before: datetime) -> Sequence[Charge]:
        """An account's charges from before an instant that are on no document yet, in the order of time."""
        ...

    def charges(
        self,
        *,
        posting_keys: Collection[str] | None = None,
        document_id: int | None = None,
        account_id: int | None = None,
    ) -> Sequence[Charge]:
        """The charges of one posting or several, on one document, of one account, or all, by posting and position."""
        ...

    def documents(
        self,
        account_id: int | None = None,
        *,
        ids: Collection[int] | None = None,
        corrects: Collection[int] | None = None,
    ) -> Sequence[Document]:
        """The documents of one account, with one of these ids, or all, in the order they were issued.

        `corrects`: the credit notes that take something back of the documents with one of these ids.
        """
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

        It sees what others have committed, and never what they have in hand.
        """
        ...

    def snapshot(self) -> AbstractContextManager[UnitOfWork]:
        """A look at everything as it is at one moment, which waits for nobody; nothing can be changed through it."""
        ...

    def close(self) -> None:
        """Give back connections and files."""
        ...
