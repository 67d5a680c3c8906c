"""What the parts of the contract share: a storage to test, small values to put into it, and a look at everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from astpp_billing.calls import CallEntry, CallRecord, CallStatus
from astpp_billing.hierarchy import Account, EndpointKind, Kind, ResellerModel
from astpp_billing.invoicing import Document, DocumentKind, DocumentLine, LineKind
from astpp_billing.ledger import Book, Charge, LedgerAccount, Posting, Reason, Transfer
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.pricing import RateGroup
from astpp_billing.pricing.ratefile import RateRow

AT = datetime(2025, 3, 1, 12, 30, 15, 123_457, tzinfo=UTC)
"""Some instant, with microseconds."""

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
UNIT = 1_000_000

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


def charged(work: UnitOfWork, account: Account, key: str, *instants: datetime) -> list[int]:
    """Store a posting and a charge of it for each instant; the ids of the charges."""
    work.add_posting(posting(key))
    return [stored.id for stored in work.add_charges([charge(account, key, at=at) for at in instants])]


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
    names = ("account_id", "reason", "detail")
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
    return {
        "accounts": list(accounts),
        "billed_until": [work.billed_until(account_id) for account_id in ids],
        "invoice_configs": [work.find_invoice_config(account_id) for account_id in ids],
        "endpoints": [work.find_endpoint(kind, account.number) for kind in EndpointKind for account in accounts],
        "price_version": work.price_version(),
        "rate_groups": list(work.rate_groups()),
        "rates": {each.name: list(work.rates(each.name)) for each in work.rate_groups()},
        "exchange_rates": list(work.exchange_rates()),
        "balances": dict(work.balances()),
        "proved_balances": dict(work.proved_balances()),
        "flows": [dict(work.flows(account_id)) for account_id in ids],
        "calls": list(work.calls()),
        "charges": list(work.charges()),
        "documents": list(work.documents()),
        "postings": [work.find_posting(key) for key in sorted({each.posting_key for each in work.charges()})],
    }
