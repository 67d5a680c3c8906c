"""Looking at charges and documents in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from astpp_billing.clock import utc
from astpp_billing.invoicing import Document
from astpp_billing.ledger import Charge
from astpp_billing.storage.memory.part import Part


class Documents(Part):
    """The part of a unit of work that knows what was charged, and on which documents it is."""

    def unbilled(self, account_id: int, before: datetime) -> Sequence[Charge]:
        """See `ports.UnitOfWork`."""
        return sorted((self._tables.charges[key] for key in self._waiting(account_id, before)), key=lambda one: one.at)

    def _waiting(self, account_id: int, before: datetime) -> Sequence[tuple[int, int]]:
        """The keys of the charges of an account from before an instant that are on no document, in their order."""
        end = utc(before)
        return sorted(
            key
            for key, charge in self._tables.charges.items()
            if charge.account_id == account_id and charge.document_id is None and charge.at < end
        )

    def charges(
        self,
        *,
        posting_keys: Collection[str] | None = None,
        document_id: int | None = None,
        account_id: int | None = None,
    ) -> Sequence[Charge]:
        """See `ports.UnitOfWork`."""
        named = None if posting_keys is None else set(posting_keys)
        return [
            charge
            for _, charge in sorted(self._tables.charges.items(), key=lambda row: row[0])
            if (named is None or charge.posting_key in named)
            and document_id in (None, charge.document_id)
            and account_id in (None, charge.account_id)
        ]

    def documents(
        self,
        account_id: int | None = None,
        *,
        ids: Collection[int] | None = None,
        corrects: Collection[int] | None = None,
    ) -> Sequence[Document]:
        """See `ports.UnitOfWork`."""
        wanted = (
            document
            for document in self._tables.documents.values()
            if account_id in (None, document.account_id)
            and (ids is None or document.id in ids)
            and (corrects is None or document.corrects_id in corrects)
        )
        return sorted(wanted, key=lambda document: (document.issued_at, document.id))
