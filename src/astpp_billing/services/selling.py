"""Selling products, one sale or very many in one transaction: everybody pays on every level, or nobody does.

`sell` does the transaction's one lock and makes all sales; what is to be saved is in `Sales.changes`, to which its
caller adds what else it has to say. Before the lock, `Tills` says how everybody pays, and from which series receipts
are numbered; after it, a `Counter` makes one sale after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from attrs import frozen

from astpp_billing.hierarchy import Account, Path, walk_up
from astpp_billing.invoicing import Assembled, Document, InvoiceConfig, Tax
from astpp_billing.ledger import Book, Charge, Posting, Sale, Transfer, movements
from astpp_billing.money import Money, share_of
from astpp_billing.ports import Changes, Locked, Seen, Series, UnitOfWork
from astpp_billing.pricing.orders import NotSold, NotSoldReason, OrderLevel
from astpp_billing.services.issuing import Desk, Form, has_receipts_at_once, issuer_of
from astpp_billing.services.seen import check_unchanged


@frozen
class Till:
    """How one account pays: by a receipt at once, whose `form` it is, or (None) later, with the `tax` of the issuer."""

    form: Form | None
    tax: Tax | None


class Tills:
    """How the accounts pay that have been seen; each is found out once."""

    def __init__(self, accounts: Mapping[int, Account], configs: Mapping[int, InvoiceConfig]) -> None:
        self._accounts = accounts
        self._configs = configs
        self._tills: dict[int, Till] = {}

    def of(self, account_id: int) -> Till:
        """How an account pays that has a parent."""
        till = self._tills.get(account_id)
        if till is None:
            till = self._tills[account_id] = self._find(walk_up(self._accounts, account_id))
        return till

    def _find(self, path: Path) -> Till:
        payer, issuer = path[0], issuer_of(path)
        config = self._configs.get(issuer.id) or InvoiceConfig.default(issuer)
        return Till(Form(path, config) if has_receipts_at_once(payer) else None, config.tax)

    def series(self, sales: Iterable[Sale]) -> set[Series]:
        """The series from which the receipts of sales are numbered."""
        forms = (self.of(account_id).form for account_id in payers(sales))
        return {form.series for form in forms if form is not None}

    def count_receipts(self, sales: Iterable[Sale]) -> int:
        """How many receipts sales bring about, if there is money for all of them."""
        return sum(len(self.receiving(sale)) for sale in sales)

    def receiving(self, sale: Sale) -> list[int]:
        """The accounts that get a receipt for a sale at once: those that pay something; the buyer first."""
        paying = (level.payer.id for level in sale.priced.levels if level.amount_micros)
        return [account_id for account_id in paying if self.of(account_id).form is not None]


def payers(sales: Iterable[Sale]) -> set[int]:
    """The accounts that pay on some level; nobody else's wallet is moved, as commissions are paid to these, too."""
    return {level.payer.id for sale in sales for level in sale.priced.levels}


@frozen
class Bill:
    """What one level of a sale costs its payer, with tax.

    `needed_micros` is what must be available for it; it leaves the wallet at once where a receipt is given
    (`assembled`), else without the tax, which comes with the document.
    """

    level: OrderLevel
    tax_micros: int
    needed_micros: int
    form: Form | None = None
    assembled: Assembled | None = None

    @property
    def leaves_micros(self) -> int:
        """What leaves the wallet at once."""
        return self.level.amount_micros if self.assembled is None else self.needed_micros


@frozen
class Sold:
    """A sale that was made: its charges and the receipts, the buyer's first."""

    charges: tuple[Charge, ...]
    documents: tuple[Document, ...]


class Counter:
    """Makes sales, one after the other, and notes in `changes` what is to be saved because of them.

    `ids` are for the receipts, as many as `Tills.count_receipts` says; none where it is only asked what sales cost.
    What one sale takes from a wallet is no longer there for the next one, and commissions that were paid are.
    """

    def __init__(self, locked: Locked, tills: Tills, now: datetime, ids: Sequence[int] = ()) -> None:
        self.changes = Changes()
        self.desk = Desk(locked)
        self._tills = tills
        self._available = {account_id: wallet.available_micros for account_id, wallet in locked.wallets.items()}
        self._ids = ids
        self._given = 0
        self._now = now

    def moved(self, transfers: Iterable[Transfer]) -> None:
        """Note what the same transaction has moved besides: it is there for the next sale, or no longer."""
        for account, micros in movements(transfers).items():
            if account.book is Book.WALLET:
                self._available[account.account_id] = self._available.get(account.account_id, 0) + micros

    def bills(self, sale: Sale) -> tuple[Bill, ...]:
        """What each level of a sale would cost now; the buyer's first."""
        return self._bills(sale, sale.charges())

    def _bills(self, sale: Sale, charges: Iterable[Charge]) -> tuple[Bill, ...]:
        of_payer: dict[int, list[Charge]] = {}
        for charge in charges:
            of_payer.setdefault(charge.account_id, []).append(charge)
        return tuple(self._bill(level, of_payer.get(level.payer.id, ())) for level in sale.priced.levels)

    def _bill(self, level: OrderLevel, charges: Sequence[Charge]) -> Bill:
        till = self._tills.of(level.payer.id)
        if till.form is not None and charges:
            assembled = till.form.assemble(self.desk, charges)
            return Bill(level, assembled.tax_micros, assembled.total_micros, till.form, assembled)
        tax = 0 if till.tax is None else share_of(level.amount_micros, till.tax.percent)
        return Bill(level, tax, level.amount_micros + tax)

    def lacking(self, bills: Iterable[Bill]) -> NotSold | None:
        """Who has too little for its bill, the first one from the buyer up; None where there is money for all."""
        for bill in bills:
            payer = bill.level.payer
            available = self._available[payer.id]
            if available < bill.needed_micros:
                has, needs = (Money.from_micros(micros, payer.currency) for micros in (available, bill.needed_micros))
                return NotSold(NotSoldReason.NO_MONEY, payer, f"account {payer.number} needs {needs}, and has {has}")
        return None

    def sell(self, sale: Sale) -> Sold | NotSold:
        """Make a sale, if there is money for it on every level: one posting with charges and receipts.

        One that costs nothing on any level is not posted.
        """
        # from the root down, which is how the numbers of one event follow each other
        receiving = self._tills.receiving(sale)[::-1]
        given = self._given + len(receiving)
        receipts = dict(zip(receiving, self._ids[self._given : given], strict=True))
        charges = tuple(sale.charges(receipts))
        bills = self._bills(sale, charges)
        lacking = self.lacking(bills)
        if lacking is not None:
            return lacking
        self._given = given
        documents: list[Document] = []
        issued: list[tuple[Transfer, ...]] = []
        for bill in reversed(bills):
            if bill.form is not None and bill.assembled is not None:
                document_id = receipts[bill.level.payer.id]
                document, moved = bill.form.issue(self.desk, bill.assembled, document_id, self._now)
                documents.append(document)
                issued.append(moved)
            self._available[bill.level.payer.id] -= bill.leaves_micros
        for paid in sale.priced.commissions:
            self._available[paid.receiver.id] += paid.amount_micros
        transfers = sale.transfers()
        for moved in reversed(issued):
            transfers += moved
        self.changes.documents += documents
        self.changes.charges += charges
        if transfers:  # else it costs nobody anything
            posting = Posting(
                key=sale.key,
                fingerprint=sale.fingerprint,
                at=self._now,
                reason=sale.reason,
                transfers=tuple(transfers),
            )
            self.changes.postings.append(posting)
        return Sold(charges, tuple(reversed(documents)))

    def finish(self) -> None:
        """Note how many numbers were given out in all."""
        for series, count in self.desk.given().items():
            self.changes.numbers[series] = self.changes.numbers.get(series, 0) + count


@frozen
class Sales:
    """What became of sales, in their order, and what is to be saved because of them."""

    results: tuple[Sold | NotSold, ...]
    changes: Changes


def sell(uow: UnitOfWork, seen: Seen, sales: Sequence[Sale], now: datetime) -> Sales:
    """Make sales in their order, each of them on all levels or not at all; does the transaction's one lock.

    They were decided by what was seen, which has the buyers and all above them: raises `StorageBusy` where one of the
    payers has changed since. The same as one transaction for each, one after the other, in fewer round trips. A sale
    that finds no money changes nothing. The caller saves the changes.
    """
    tills = Tills(seen.accounts, seen.configs)
    locked = uow.lock(payers(sales), tills.series(sales))
    check_unchanged(seen, locked)
    receipts = tills.count_receipts(sales)
    counter = Counter(locked, tills, now, uow.reserve_ids(receipts) if receipts else ())
    results = tuple(counter.sell(sale) for sale in sales)
    counter.finish()
    return Sales(results, counter.changes)
