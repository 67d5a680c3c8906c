"""Charges and documents in SQL: reading them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Select, select

from astpp_billing.invoicing import Document
from astpp_billing.ledger import Charge
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.look import chunks
from astpp_billing.storage.sql.mapping import charge_of, document_of
from astpp_billing.storage.sql.part import Part


class Documents(Part):
    """The part of a unit of work that knows charges and documents."""

    def unbilled(self, account_id: int, before: datetime) -> Sequence[Charge]:
        """See `ports.UnitOfWork`."""
        charges = tables.charges.c
        query = _charges().where(charges.account_id == account_id, charges.document_id.is_(None), charges.at < before)
        return [charge_of(row) for row in self._all(query.order_by(charges.at, charges.posting_id, charges.position))]

    def charges(
        self,
        *,
        posting_keys: Collection[str] | None = None,
        document_id: int | None = None,
        account_id: int | None = None,
    ) -> Sequence[Charge]:
        """See `ports.UnitOfWork`."""
        charges = tables.charges.c
        query = _charges().order_by(charges.posting_id, charges.position)
        if document_id is not None:
            query = query.where(charges.document_id == document_id)
        if account_id is not None:
            query = query.where(charges.account_id == account_id)
        if posting_keys is None:
            return [charge_of(row) for row in self._all(query)]
        named = (query.where(tables.postings.c.key.in_(some)) for some in chunks(set(posting_keys)))
        rows = [row for one in named for row in self._all(one)]
        return [charge_of(row) for row in sorted(rows, key=itemgetter("posting_id", "position"))]

    def documents(
        self,
        account_id: int | None = None,
        *,
        ids: Collection[int] | None = None,
        corrects: Collection[int] | None = None,
    ) -> Sequence[Document]:
        """See `ports.UnitOfWork`."""
        documents, letterheads, credit_notes = tables.documents, tables.letterheads, tables.credit_notes
        query = (
            select(documents, letterheads.c.content, credit_notes.c.corrected_id.label("corrects_id"))
            .join(letterheads, letterheads.c.id == documents.c.letterhead_id)
            .outerjoin(credit_notes, credit_notes.c.document_id == documents.c.id)
        )
        if account_id is not None:
            query = query.where(documents.c.account_id == account_id)
        if ids is not None:
            query = query.where(documents.c.id.in_(ids))
        if corrects is not None:
            query = query.where(credit_notes.c.corrected_id.in_(corrects))
        return [document_of(row) for row in self._all(query.order_by(documents.c.issued_at, documents.c.id))]


def _charges() -> Select[Any]:
    charges, postings = tables.charges, tables.postings
    return select(charges, postings.c.key.label("posting_key")).join(postings, postings.c.id == charges.c.posting_id)
