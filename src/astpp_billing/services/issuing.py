"""Issuing documents inside a transaction: used when a call is settled and when a billing run finds a period due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from astpp_billing.errors import HierarchyError
from astpp_billing.hierarchy import Account, Path
from astpp_billing.invoicing import (
    Assembled,
    Document,
    DocumentKind,
    InvoiceConfig,
    assemble,
    document_transfers,
    make_document,
    number_of,
)
from astpp_billing.ledger import Book, Charge, LedgerAccount, Transfer
from astpp_billing.periods import Period
from astpp_billing.ports import UnitOfWork


@frozen
class Draft:
    """A document that is worked out but has no number yet: who issues it to whom, and what it makes the ledger move."""

    kind: DocumentKind
    buyer: Account
    seller: Account
    config: InvoiceConfig
    assembled: Assembled
    period: Period | None
    issued_at: datetime

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """Tax and rounding."""
        return document_transfers(self.buyer, self.seller.id, self.assembled)

    def document(self, number: str) -> Document:
        """The document under a number."""
        return make_document(
            self.kind, self.buyer, self.seller.id, self.config, number, self.assembled, self.period, self.issued_at
        )


def draft(
    uow: UnitOfWork,
    kind: DocumentKind,
    path: Path,
    charges: Sequence[Charge],
    issued_at: datetime,
    period: Period | None = None,
) -> Draft:
    """Work out the document that puts `charges` before the account at the start of `path`."""
    if len(path) < 2:
        raise HierarchyError(f"nobody sells to {path[0].number}, so nobody can bill it")
    buyer, seller = path[0], path[1]
    config = _config(uow, path)
    rounding = uow.balance(LedgerAccount(buyer.id, Book.ROUNDING, buyer.currency))
    assembled = assemble(charges, buyer.currency, config.tax, rounding)
    return Draft(kind, buyer, seller, config, assembled, period, issued_at)


def issue(uow: UnitOfWork, drafted: Draft, charge_ids: Sequence[int]) -> Document:
    """Give a draft its number and store it; its transfers must be posted in the same transaction."""
    number = number_of(drafted.config, drafted.kind, uow.take_number(drafted.config.account_id, drafted.kind))
    return uow.add_document(drafted.document(number), charge_ids)


def _config(uow: UnitOfWork, path: Path) -> InvoiceConfig:
    """What is printed: the parent's configuration, or its parent's where it uses the same credential."""
    issuer = next(account for account in path[1:] if not account.same_credential or account.parent_id is None)
    return uow.find_invoice_config(issuer.id) or InvoiceConfig.default(issuer)
