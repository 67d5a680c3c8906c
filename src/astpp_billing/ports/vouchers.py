"""The part of the storage port that keeps refill cards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from astpp_billing.ledger.vouchers import Voucher, VoucherBatch


class VoucherWork(Protocol):
    """What a unit of work knows of refill cards. Codes are never stored, only their digests."""

    def add_vouchers(self, batch: VoucherBatch, digests: Sequence[str]) -> VoucherBatch:
        """Store a batch, and a card for each digest, with the serials 1, 2, …; returns the batch with its id.

        `AlreadyExists` where the seller has a batch of this name, or a digest is taken.
        """
        ...

    def voucher_batch(self, batch_id: int) -> VoucherBatch:
        """The batch of an id."""
        ...

    def voucher_batches(self, seller_id: int | None = None) -> Sequence[VoucherBatch]:
        """The batches of one seller, or all, by id."""
        ...

    def vouchers(self, batch_id: int) -> Sequence[Voucher]:
        """The cards of a batch, by serial."""
        ...

    def find_voucher(self, digest: str) -> Voucher | None:
        """The card whose code has a digest."""
        ...

    def block_vouchers(self, batch_id: int, serial: int | None, blocked: bool) -> None:
        """Block, or unblock, one card or (`serial` None) a batch as a whole; each keeps its own mark."""
        ...

    def redeem_voucher(self, digest: str, account_id: int, posting_key: str, at: datetime) -> bool:
        """Note that a card was redeemed; decided inside the storage, so that it happens once.

        False, and nothing changed, where there is no such card, it was redeemed, it or its batch is blocked, or has
        expired at that instant.
        """
        ...
