"""Charges, documents and their numbers in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve
from sqlalchemy import RowMapping, Select, insert, select, update

from astpp_billing.errors import AlreadyExists, NotFound
from astpp_billing.invoicing import Document, DocumentKind
from astpp_billing.ledger import Charge
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.mapping import charge_of, charge_row, document_of, document_row, line_row
from astpp_billing.storage.sql.part import Part

CHUNK = 500
"""How many charges one statement names: databases limit the parameters."""


class Documents(Part):
    """The part of a unit of work that knows charges and documents."""

    def add_charges(self, charges: Iterable[Charge]) -> Sequence[Charge]:
        """See `ports.UnitOfWork`."""
        stored = []
        postings: dict[str, int] = {}
        with self._whole():
            for charge in charges:
                if charge.posting_key not in postings:
                    postings[charge.posting_key] = self._posting_id(charge.posting_key)
                row = charge_row(charge, postings[charge.posting_key])
                charge_id = self._insert(tables.charges, row, f"a charge of {charge.posting_key}")
                stored.append(evolve(charge, id=charge_id))
        return stored

    def _posting_id(self, key: str) -> int:
        found = self._first(select(tables.postings.c.id).where(tables.postings.c.key == key))
        if found is None:
            raise NotFound(f"no posting has the key {key!r}")
        return int(found["id"])

    def unbilled(self, account_id: int, before: datetime) -> Sequence[Charge]:
        """See `ports.UnitOfWork`."""
        charges = tables.charges.c
        query = _charges().where(charges.account_id == account_id, charges.document_id.is_(None), charges.at < before)
        return [charge_of(row) for row in self._all(query.order_by(charges.at, charges.id))]

    def charges(
        self, *, posting_key: str | None = None, document_id: int | None = None, account_id: int | None = None
    ) -> Sequence[Charge]:
        """See `ports.UnitOfWork`."""
        query = _charges().order_by(tables.charges.c.id)
        if posting_key is not None:
            query = query.where(tables.postings.c.key == posting_key)
        if document_id is not None:
            query = query.where(tables.charges.c.document_id == document_id)
        if account_id is not None:
            query = query.where(tables.charges.c.account_id == account_id)
        return [charge_of(row) for row in self._all(query)]

    def take_number(self, issuer_id: int, kind: DocumentKind) -> int:
        """See `ports.UnitOfWork`."""
        series = tables.series
        this = (series.c.issuer_id == issuer_id, series.c.kind == kind)
        taken = self._connection.execute(update(series).where(*this).values(last_number=series.c.last_number + 1))
        if taken.rowcount == 0:
            self._insert(series, {"issuer_id": issuer_id, "kind": kind, "last_number": 1}, f"series of {issuer_id}")
        number: int = self._connection.execute(select(series.c.last_number).where(*this)).scalar_one()
        return number

    def add_document(self, document: Document, charge_ids: Iterable[int]) -> Document:
        """See `ports.UnitOfWork`."""
        with self._whole():
            document_id = self._insert(tables.documents, document_row(document), f"document {document.number}")
            if document.lines:
                self._connection.execute(
                    insert(tables.document_lines), [line_row(line, document_id) for line in document.lines]
                )
            wanted = list(charge_ids)
            for start in range(0, len(wanted), CHUNK):
                self._put_on(document_id, wanted[start : start + CHUNK])
        return evolve(document, id=document_id)

    def _put_on(self, document_id: int, charge_ids: Sequence[int]) -> None:
        charges = tables.charges
        named = charges.c.id.in_(charge_ids)
        free = charges.c.document_id.is_(None)
        put = self._connection.execute(update(charges).where(named, free).values(document_id=document_id))
        if put.rowcount != len(charge_ids):
            found = set(self._connection.execute(select(charges.c.id).where(named)).scalars())
            for charge_id in charge_ids:
                if charge_id not in found:
                    raise NotFound(f"no charge has the id {charge_id}")
            raise AlreadyExists("a charge is on a document already, or twice on this one")

    def documents(self, account_id: int | None = None) -> Sequence[Document]:
        """See `ports.UnitOfWork`."""
        documents, lines = tables.documents, tables.document_lines
        query = select(documents).order_by(documents.c.id)
        its_lines = select(lines).order_by(lines.c.document_id, lines.c.position)
        if account_id is not None:
            query = query.where(documents.c.account_id == account_id)
            its_lines = its_lines.join(documents, documents.c.id == lines.c.document_id)
            its_lines = its_lines.where(documents.c.account_id == account_id)
        by_document: dict[int, list[RowMapping]] = {}
        for line in self._all(its_lines):
            by_document.setdefault(line["document_id"], []).append(line)
        return [document_of(row, by_document.get(row["id"], ())) for row in self._all(query)]


def _charges() -> Select[Any]:
    charges, postings = tables.charges, tables.postings
    return select(charges, postings.c.key.label("posting_key")).join(postings, postings.c.id == charges.c.posting_id)
