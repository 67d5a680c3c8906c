"""Short ways to look into the books."""

from datetime import UTC, date, datetime
from typing import Any, TypeVar

from attrs import evolve

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord, Settled, Unrated
from astpp_billing.hierarchy import Account
from astpp_billing.invoicing import Document
from astpp_billing.ledger import Book, Posting

Kind = TypeVar("Kind")


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]  # year, month, day and so on


def balance(billing: Billing, account: Account) -> str:
    return str(billing.ledger.balance(account))


def moved(posting: Posting) -> list[tuple[int, Book, int, Book, int, str]]:
    """Each transfer as who and which book, to whom and which book, how much."""
    return [
        (
            one.source.account_id,
            one.source.book,
            one.target.account_id,
            one.target.book,
            one.micros,
            one.source.currency,
        )
        for one in posting.transfers
    ]


def of_kind(kind: type[Kind], result: object) -> Kind:
    """A result, which must be of a kind."""
    assert isinstance(result, kind), result
    return result


def settled(billing: Billing, record: CallRecord) -> Settled:
    return of_kind(Settled, billing.calls.settle(record))


def unrated(billing: Billing, record: CallRecord) -> Unrated:
    return of_kind(Unrated, billing.calls.settle(record))


def totals(documents: list[Document]) -> list[tuple[str, str]]:
    return [(document.number, str(document.total)) for document in documents]


def everything(billing: Billing) -> dict[str, Any]:
    """All that is stored about accounts and money."""
    with billing.storage.snapshot() as uow:
        return {
            "accounts": list(uow.accounts()),
            "wallets": [uow.wallet(account.id) for account in uow.accounts()],
            "balances": dict(uow.balances()),
            "proved": dict(uow.proved_balances()),
            "calls": list(uow.calls()),
            "charges": list(uow.charges()),
            "documents": list(uow.documents()),
        }


def without_ids(stored: dict[str, Any]) -> dict[str, Any]:
    """The same without the ids of documents, in which a transaction that was undone leaves gaps."""
    numbers = {document.id: (document.issuer_id, document.number) for document in stored["documents"]}
    charges = [(evolve(each, document_id=None), numbers.get(each.document_id)) for each in stored["charges"]]
    return stored | {"charges": charges, "documents": [evolve(each, id=0) for each in stored["documents"]]}


def in_any_order(billing: Billing) -> dict[str, Any]:
    """What is the same whatever order calls were settled in: all but which document has which number and rounding."""
    stored = everything(billing)
    totals: dict[int, list[int]] = {}
    for document in stored["documents"]:
        count_and_sum = totals.setdefault(document.account_id, [0, 0])
        count_and_sum[0] += 1
        count_and_sum[1] += document.total_micros
    with billing.storage.snapshot() as uow:
        used = {account.id: uow.used(account.id, date.min, date.max) for account in uow.accounts()}
    return {
        **{name: stored[name] for name in ("accounts", "wallets", "balances", "proved")},
        "calls": {entry.key: entry for entry in stored["calls"]},
        "charges": {(each.posting_key, each.position): evolve(each, document_id=None) for each in stored["charges"]},
        "documents": totals,
        "used": used,
    }


def assert_no_gaps(billing: Billing) -> None:
    """The documents of each series have all numbers from 1 on."""
    numbers: dict[tuple[int, str], list[int]] = {}
    for document in billing.documents.documents():
        _, _, number = document.number.rpartition("-")
        numbers.setdefault((document.issuer_id, document.kind), []).append(int(number))
    assert numbers
    for series, given in numbers.items():
        assert sorted(given) == list(range(1, len(given) + 1)), series
