"""What the parts of the contract share: a storage to test, small values to put into it, and a look at everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from astpp_billing.calls import CallEntry, CallRecord, CallStatus
from astpp_billing.hierarchy import Account, Endpoint, EndpointKind, Kind, ResellerModel
from astpp_billing.invoicing import Document, DocumentKind, DocumentLine, LineKind
from astpp_billing.ledger import Book, Charge, HeldLevel, Hold, LedgerAccount, Posting, Reason, Transfer
from astpp_billing.ports import Changes, Placed, Storage, UnitOfWork
from astpp_billing.pricing import RateGroup
from astpp_billing.pricing.ratefile import RateRow

AT = datetime(2025, 3, 1, 12, 30, 15, 123_457, tzinfo=UTC)
"""Some instant, with microseconds."""

SECOND = timedelta(seconds=1)

REPORTED = (datetime(1970, 1, 1, tzinfo=UTC), AT - timedelta(hours=12), AT, datetime(2100, 1, 1, tzinfo=UTC))
"""The moments between which `everything` adds up flows."""

MICROSECOND = timedelta(microseconds=1)
UNIT = 1_000_000

MOMENT = timedelta(milliseconds=200)
"""How long it takes until whoever has not gone on is taken to wait."""

PATIENCE = 60
"""Seconds that a thread is waited for."""

TEXTS = (
    "",
    " ",
    "Ünïcödé — “quoted”; DROP TABLE accounts; --",
    "🦊☎️ 電話 هاتف",
    "e\u0301 is not \u00e9",
    "line one\nline two\r\n\tthree",
    "%s ? :name \\ ' \"",
    "long " * 2_000,
)
"""Texts that have been lost or changed by one storage or another."""


class Base:
    """A part of the contract; `storage` is the fixture that whoever tests a storage gives."""

    @pytest.fixture
    def storage(self) -> Iterator[Storage]:
        """A new, empty storage, which is closed after the test."""
        raise NotImplementedError("a test class that inherits from StorageContract gives a fixture `storage`")


def admin(work: UnitOfWork, number: str = "admin", **more: Any) -> Account:
    """Store an admin."""
    return work.add_account(Account(number=number, kind=Kind.ADMIN, **{"currency": "USD"} | more))


def reseller(work: UnitOfWork, parent: Account, number: str) -> Account:
    """Store a distributor below another account."""
    model = ResellerModel.DISTRIBUTOR
    return work.add_account(
        Account(number=number, kind=Kind.RESELLER, model=model, parent_id=parent.id, currency="USD")
    )


def customer(work: UnitOfWork, parent: Account, number: str = "customer", **more: Any) -> Account:
    """Store a customer below another account."""
    return work.add_account(
        Account(number=number, kind=Kind.CUSTOMER, parent_id=parent.id, **{"currency": "USD"} | more)
    )


def wallet(account: Account, currency: str = "USD") -> LedgerAccount:
    """The wallet of an account."""
    return LedgerAccount(account.id, Book.WALLET, currency)


def revenue(account: Account, currency: str = "USD") -> LedgerAccount:
    """The revenue of an account."""
    return LedgerAccount(account.id, Book.REVENUE, currency)


def posting(key: str, *transfers: Transfer, **more: Any) -> Posting:
    """A posting of some transfers."""
    values: dict[str, Any] = {"fingerprint": f"print of {key}"[:64], "at": AT, "reason": Reason.CALL} | more
    return Posting(key=key, transfers=transfers, **values)


def charge(account: Account, posting_key: str, micros: int = UNIT, **more: Any) -> Charge:
    """A charge that is not stored yet."""
    values: dict[str, Any] = {"at": AT, "description": "Poland", "currency": "USD"} | more
    return Charge(account_id=account.id, posting_key=posting_key, micros=micros, **values)


def document(buyer: Account, number: str = "INV-1", lines: int = 1, **more: Any) -> Document:
    """An invoice to an account by its parent, with lines of one unit each."""
    seller = buyer.parent_id or 0
    values: dict[str, Any] = {
        "kind": DocumentKind.INVOICE,
        "issuer_id": seller,
        "currency": "USD",
        "issued_at": AT,
    } | more
    return Document(
        number=number,
        seller_id=seller,
        account_id=buyer.id,
        lines=tuple(
            DocumentLine(
                position=position,
                kind=LineKind.CHARGES,
                description=f"line {position}",
                quantity=1,
                seconds=60,
                exact_micros=UNIT,
                micros=UNIT,
            )
            for position in range(1, lines + 1)
        ),
        total_micros=lines * UNIT,
        **values,
    )


def hold(key: str, buyer: Account, *levels: tuple[Account, int], **more: Any) -> Hold:
    """A hold of ten minutes on so many micros of each level."""
    values: dict[str, Any] = {
        "fingerprint": f"print of {key}"[:64],
        "placed_at": AT,
        "expires_at": AT + 600 * SECOND,
        "levels": tuple(HeldLevel(account.id, micros) for account, micros in levels),
    } | more
    return Hold(key=key, account_id=buyer.id, **values)


def epochs(work: UnitOfWork, *accounts: Account) -> dict[int, int]:
    """The epochs of the wallets of accounts."""
    return {account.id: work.wallet(account.id).epoch for account in accounts}


def place(work: UnitOfWork, wanted: Hold) -> bool:
    """Place a hold, decided by what the accounts are now."""
    return work.place_hold(wanted, {each.account_id: work.wallet(each.account_id).epoch for each in wanted.levels})


def add_posting(work: UnitOfWork, *new: Posting) -> None:
    """Save postings and nothing else."""
    work.save(Changes(postings=list(new)))


def save_call(work: UnitOfWork, *new: CallEntry) -> None:
    """Save new calls and nothing else."""
    work.save(Changes(calls=list(new)))


def retry_call(work: UnitOfWork, *entries: CallEntry) -> None:
    """Replace unrated calls and do nothing else."""
    work.save(Changes(retried=list(entries)))


def charged(work: UnitOfWork, account: Account, key: str, *instants: datetime) -> list[Charge]:
    """Save a posting and a charge of it for each instant; gives the charges."""
    charges = [charge(account, key, at=at, position=position) for position, at in enumerate(instants, 1)]
    work.save(Changes(postings=[posting(key)], charges=charges))
    return charges


def add_document(work: UnitOfWork, new: Document, *placed: tuple[datetime, int]) -> Document:
    """Save a document with an id of its own, and put so many of its account's charges from before instants on it."""
    (document_id,) = work.reserve_ids(1)
    stored = evolve(new, id=document_id)
    put = [Placed(document_id, new.account_id, before, count) for before, count in placed]
    work.save(Changes(documents=[stored], placed=put))
    return stored


def refill(work: UnitOfWork, account: Account, micros: int = UNIT, key: str = "refill") -> None:
    """Put money into a wallet."""
    cash = LedgerAccount(account.id, Book.CASH, account.currency)
    add_posting(work, posting(f"{key} {account.number}", Transfer(cash, wallet(account, account.currency), micros)))


def group(work: UnitOfWork, owner: Account, name: str = "retail", **more: Any) -> RateGroup:
    """Store a rate group."""
    made = RateGroup(name=name, owner_id=owner.id, currency="USD", **more)
    work.add_rate_group(made)
    return made


def row(prefix: str, price: str = "0.01") -> RateRow:
    """A row of a rate file."""
    return (prefix, f"to {prefix}", price, "0", 0, None, None)


def call(leg: str, status: CallStatus = CallStatus.RATED, start: datetime = AT, **more: Any) -> CallEntry:
    """A call of a minute."""
    names = ("account_id", "reason", "detail", "micros")
    record = CallRecord(
        switch_id="s1",
        leg_uuid=leg,
        number="4812345",
        started_at=start,
        answered_at=start + SECOND,
        ended_at=start + 61 * SECOND,
        seconds=60,
        **{name: value for name, value in more.items() if name not in names},
    )
    kept = {name: value for name, value in more.items() if name in names}
    return CallEntry(record=record, status=status, settled_at=start + 62 * SECOND, **kept)


def fail(storage: Storage, do: Callable[[UnitOfWork], object], error: BaseException | None = None) -> None:
    """Do something in a transaction that then raises an error."""
    with storage.begin() as work:
        do(work)
        raise error or ZeroDivisionError("on purpose")


def everything(work: UnitOfWork) -> dict[str, object]:
    """All that can be read of a storage through the port, to be compared with another look at it."""
    accounts = work.accounts()
    ids = [account.id for account in accounts]
    postings = sorted(work.postings(), key=lambda each: each.key)
    keys = [posting.key for posting in postings] + [entry.key for entry in work.calls()]
    seen = work.look(keys=keys, numbers=[account.number for account in accounts])
    return {
        "accounts": list(accounts),
        "wallets": [work.wallet(account_id) for account_id in ids],
        "billed_until": [work.billed_until(account_id) for account_id in ids],
        "invoice_configs": [work.find_invoice_config(account_id) for account_id in ids],
        "endpoints": [
            Endpoint(kind, account.number, found)
            for kind in EndpointKind
            for account in accounts
            if (found := work.find_endpoint(kind, account.number)) is not None
        ],
        "price_version": work.price_version(),
        "rate_groups": list(work.rate_groups()),
        "rates": {each.name: list(work.rates(each.name)) for each in work.rate_groups()},
        "exchange_rates": list(work.exchange_rates()),
        "products": list(work.products()),
        "orders": list(work.orders()),
        "product_versions": list(work.product_versions([each.id for each in work.products()])),
        "listings": list(work.listings()),
        "balances": dict(work.balances()),
        "proved_balances": dict(work.proved_balances()),
        "flows": [dict(work.flows(account_id)) for account_id in ids],
        "used": [dict(work.used(account_id, date(1970, 1, 1), date(2100, 1, 1))) for account_id in ids],
        "reported": dict(work.flows_between(ids, REPORTED, destinations=True)),
        "entries": {each: list(work.entries(each, REPORTED[0], REPORTED[-1])) for each in work.proved_balances()},
        "calls": list(work.calls()),
        "holds": list(work.holds()),
        "charges": list(work.charges()),
        "documents": list(work.documents()),
        "subscriptions": list(work.subscriptions()),
        "postings": postings,
        "vouchers": [(batch, list(work.vouchers(batch.id))) for batch in work.voucher_batches()],
        "commissions": [
            (
                dict(work.commissions_between(account_id, REPORTED)),
                list(work.commission_entries(account_id, REPORTED[0], REPORTED[-1])),
            )
            for account_id in ids
        ],
        "commands": [work.find_command(key) for key in keys],
        "grants": [list(work.grants(account_id)) for account_id in ids],
        "minutes": list(work.minutes_used()),
        "live": dict(work.look(numbers=[account.number for account in accounts], since=AT).grants),
        "seen": [dict(each) for each in (seen.accounts, seen.wallets, seen.configs, seen.calls, seen.holds)],
    }
