"""What an order, or a renewal of it, moves between the books, and what stands on documents because of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache

from attrs import field, frozen

from astpp_billing.clock import utc
from astpp_billing.ledger.charge import Charge, ChargeKind
from astpp_billing.ledger.posting import Book, LedgerAccount, Reason, Transfer, check_key
from astpp_billing.money import Money
from astpp_billing.pricing.orders import WHOLE, OrderLevel, PricedOrder

_NO_DOCUMENTS: Mapping[int, int] = {}


@frozen(kw_only=True)
class Sale:
    """Something that is to be paid for on every level, as one posting.

    `key` is that of the posting, `fingerprint` stands for the command that caused it. `name` is what documents call the
    product, `detail` what they say besides how the amount came about. `at` decides to which period the charges belong.
    """

    key: str = field(converter=check_key)
    fingerprint: str
    reason: Reason
    name: str
    detail: str = ""
    at: datetime = field(converter=utc)
    priced: PricedOrder

    def transfers(self) -> list[Transfer]:
        """What each level pays, as one transfer for each charge and in their order; then the commissions."""
        moved = [
            Transfer(
                LedgerAccount(level.payer.id, Book.WALLET, level.currency),
                LedgerAccount(level.payee.id, Book.REVENUE, level.currency),
                micros,
            )
            for level, _, micros in self._parts()
        ]
        for paid in self.priced.commissions:
            if paid.amount_micros:
                source = LedgerAccount(paid.payer.id, Book.COMMISSION, paid.currency)
                target = LedgerAccount(paid.receiver.id, Book.WALLET, paid.currency)
                moved.append(Transfer(source, target, paid.amount_micros))
        return moved

    def charges(self, documents: Mapping[int, int] = _NO_DOCUMENTS) -> list[Charge]:
        """What stands on each payer's documents: one charge for each price and each setup fee, the buyer's first.

        `documents` are the ids of those that are issued at once, by the account that they go to. The transfers of the
        charges are the first ones of the posting, in the same order.
        """
        return [
            Charge(
                account_id=level.payer.id,
                posting_key=self.key,
                position=position,
                at=self.at,
                kind=kind,
                description=self.name if kind is ChargeKind.PRODUCT else f"{self.name}, setup fee",
                detail=self._detail(level, kind),
                micros=micros,
                currency=level.currency,
                document_id=documents.get(level.payer.id),
            )
            for position, (level, kind, micros) in enumerate(self._parts(), 1)
        ]

    def _parts(self) -> Iterator[tuple[OrderLevel, ChargeKind, int]]:
        for level in self.priced.levels:
            if level.price_micros:
                yield level, ChargeKind.PRODUCT, level.price_micros
            if level.setup_micros:
                yield level, ChargeKind.SETUP, level.setup_micros

    def _detail(self, level: OrderLevel, kind: ChargeKind) -> str:
        agreed, priced = level.agreed, self.priced
        once = agreed.price_micros if kind is ChargeKind.PRODUCT else agreed.setup_fee_micros
        text = f"{priced.quantity} × {_written(once, agreed.currency)}"
        if kind is ChargeKind.PRODUCT and priced.share is not WHOLE and priced.share != WHOLE:
            text += f" × {priced.share}"
        if level.conversion.steps:
            text += f", by {level.conversion.told}"
        return f"{self.detail}: {text}" if self.detail else text


@lru_cache(maxsize=1024)
def _written(micros: int, currency: str) -> str:
    """An amount as text; those of one product are the same in very many sales."""
    return str(Money.from_micros(micros, currency))
