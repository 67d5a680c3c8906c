"""The ids of what never changes, which each process reads once: ledger accounts, letterheads, accounts that exist."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256

from sqlalchemy import select

from astpp_billing.errors import NotFound
from astpp_billing.ledger import Book, LedgerAccount
from astpp_billing.storage.sql import tables
from astpp_billing.storage.sql.look import Look, chunks
from astpp_billing.storage.sql.mapping import Letterhead, letterhead_text
from astpp_billing.storage.sql.shared import Name
from astpp_billing.storage.sql.wire import Insert


class Names(Look):
    """The part of a unit of work that knows what things are called in the tables."""

    def _known(self, names: Collection[Name]) -> dict[Name, int]:
        known = self._shared.known(names)
        return known | {name: self.found[name] for name in names if name in self.found}

    def _ledger_ids(self, accounts: Collection[LedgerAccount]) -> Mapping[Name, int]:
        """The ids of ledger accounts; those that are new are made."""
        unknown = self._unknown(accounts)
        if not unknown:
            return self._known(accounts)
        self._read_ledger_accounts({account.account_id for account in unknown})
        made = sorted(
            (account.account_id, account.book.value, account.currency)
            for account in unknown
            if account not in self.found
        )
        if made:
            self._send(Insert(tables.ledger_accounts, ("account_id", "book", "currency"), made, adding=()))
            self._read_ledger_accounts({account_id for account_id, _, _ in made})
        return self._known(accounts)

    def _read_ledger_accounts(self, account_ids: Collection[int]) -> None:
        table = tables.ledger_accounts
        for some in chunks(account_ids):
            for row in self._all(select(table).where(table.c.account_id.in_(some))):
                self.found[LedgerAccount(row["account_id"], Book(row["book"]), row["currency"])] = row["id"]

    def _letterhead_ids(self, heads: Collection[Letterhead]) -> Mapping[Name, int]:
        """The ids of letterheads; those that are new are made."""
        texts = {letterhead_text(head): head for head in self._unknown(heads)}
        digests = {sha256(text.encode()).hexdigest(): text for text in texts}
        if digests:
            rows = [(digest, digests[digest]) for digest in sorted(digests)]
            self._send(Insert(tables.letterheads, ("digest", "content"), rows, adding=()))
            table = tables.letterheads
            for some in chunks(digests):
                for row in self._all(select(table.c.id, table.c.digest).where(table.c.digest.in_(some))):
                    self.found[texts[digests[row["digest"]]]] = row["id"]
        return self._known(heads)

    def _check_accounts(self, account_ids: Collection[int]) -> None:
        """Raise `NotFound` for an account that there is not."""
        unknown = self._unknown(account_ids)
        for some in chunks(unknown):
            table = tables.accounts
            for row in self._all(select(table.c.id).where(table.c.id.in_(some))):
                self.found[row["id"]] = row["id"]
        for account_id in unknown:
            if account_id not in self.found:
                raise NotFound(f"no account has the id {account_id}")
