"""What a storage is told and tells that is not a value of the core: what was seen, locked, changed and done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import Factory, define, field, frozen

from astpp_billing.calls import CallEntry
from astpp_billing.clock import utc
from astpp_billing.hierarchy import Account, EndpointKind
from astpp_billing.invoicing import Document, DocumentKind, InvoiceConfig
from astpp_billing.ledger import Charge, Hold, HoldState, Posting, Used, UsedKey, Wallet, check_key
from astpp_billing.ports.allowances import Carry, Withdrawal
from astpp_billing.pricing.allowances import Grant, MinutesUsed

Series = tuple[int, DocumentKind]
"""The numbers of one kind of document of one issuer."""


@frozen(kw_only=True)
class Seen:
    """What is needed to decide about calls, as it was at one moment.

    `accounts` has every account that was asked for and all above it, by id; `wallets` has their wallets, whose epochs
    are no newer than the accounts, and `configs` what issuers among them print. `endpoints` says for whom a user or an
    address stands; `calls` and `holds` are those that have one of the keys. `grants` are the included minutes of those
    that were asked for, by account id, in the order of their ids.
    """

    accounts: Mapping[int, Account]
    wallets: Mapping[int, Wallet]
    configs: Mapping[int, InvoiceConfig]
    endpoints: Mapping[tuple[EndpointKind, str], int]
    calls: Mapping[str, CallEntry]
    holds: Mapping[str, Hold]
    grants: Mapping[int, Sequence[Grant]] = field(factory=dict)


@frozen
class Locked:
    """What was locked, as it is now: nobody else changes it before the transaction ends."""

    wallets: Mapping[int, Wallet]
    last_numbers: Mapping[Series, int]


@frozen
class Placed:
    """Puts on a document all charges of an account from before an instant that are on none yet; `count` of them."""

    document_id: int
    account_id: int
    before: datetime
    count: int


@define
class Changes:
    """What one transaction adds to the books, saved in one go.

    Documents have their ids (`UnitOfWork.reserve_ids`), and charges name them, or are put on them by `placed`. `calls`
    are new, `retried` replace unrated ones. `used` adds to the figures of local days. `numbers` says how many numbers
    of a series were given out, beginning after the last one that `lock` has told. `ended` are open holds and what they
    become; what they reserve is given back. `granted` are new included minutes, with ids from `reserve_ids`, and
    `minutes` what calls have taken of them; see `AllowanceWork` for `withdrawn` and `carried`.
    """

    postings: list[Posting] = Factory(list)
    charges: list[Charge] = Factory(list)
    documents: list[Document] = Factory(list)
    placed: list[Placed] = Factory(list)
    calls: list[CallEntry] = Factory(list)
    retried: list[CallEntry] = Factory(list)
    used: dict[UsedKey, Used] = Factory(dict)
    numbers: dict[Series, int] = Factory(dict)
    ended: list[tuple[Hold, HoldState]] = Factory(list)
    withdrawn: list[Withdrawal] = Factory(list)
    carried: list[Carry] = Factory(list)
    granted: list[Grant] = Factory(list)
    minutes: list[MinutesUsed] = Factory(list)


@frozen(kw_only=True)
class Command:
    """A command that was done, so that it is not done again.

    `fingerprint` stands for its content, `result` for what it returned, as text that only who did it understands.
    """

    key: str = field(converter=check_key)
    fingerprint: str
    at: datetime = field(converter=utc)
    result: str = ""
