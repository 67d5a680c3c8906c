"""Refill cards, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from astpp_billing.clock import utc
from astpp_billing.errors import AlreadyExists, NotFound
from astpp_billing.ledger.vouchers import Voucher, VoucherBatch, VoucherState
from astpp_billing.storage.memory.part import Part


class Vouchers(Part):
    """The part of a unit of work that knows refill cards."""

    def add_vouchers(self, batch: VoucherBatch, digests: Sequence[str]) -> VoucherBatch:
        """See `ports.VoucherWork`."""
        self._check_changing()
        tables = self._tables
        if any((one.seller_id, one.name) == (batch.seller_id, batch.name) for one in tables.voucher_batches.values()):
            raise AlreadyExists(f"the batch {batch.name} exists already")
        if len(set(digests)) < len(digests) or any(digest in tables.vouchers for digest in digests):
            raise AlreadyExists(f"a card of the batch {batch.name} exists already")
        self._need_account(batch.seller_id)
        stored = evolve(batch, id=len(tables.voucher_batches) + 1)
        self._put(tables.voucher_batches, stored.id, stored)
        for serial, digest in enumerate(digests, 1):
            self._put(tables.vouchers, digest, Voucher(batch_id=stored.id, serial=serial))
        return stored

    def voucher_batch(self, batch_id: int) -> VoucherBatch:
        """See `ports.VoucherWork`."""
        batch = self._tables.voucher_batches.get(batch_id)
        if batch is None:
            raise NotFound(f"no batch of refill cards has the id {batch_id}")
        return batch

    def voucher_batches(self, seller_id: int | None = None) -> Sequence[VoucherBatch]:
        """See `ports.VoucherWork`."""
        batches = self._tables.voucher_batches.values()
        return [batch for batch in batches if seller_id in (None, batch.seller_id)]

    def vouchers(self, batch_id: int) -> Sequence[Voucher]:
        """See `ports.VoucherWork`."""
        found = (one for one in self._tables.vouchers.values() if one.batch_id == batch_id)
        return sorted(found, key=lambda one: one.serial)

    def find_voucher(self, digest: str) -> Voucher | None:
        """See `ports.VoucherWork`."""
        return self._tables.vouchers.get(digest)

    def block_vouchers(self, batch_id: int, serial: int | None, blocked: bool) -> None:
        """See `ports.VoucherWork`."""
        self._check_changing()
        if serial is None:
            batch = self.voucher_batch(batch_id)
            self._put(self._tables.voucher_batches, batch_id, evolve(batch, blocked=blocked))
            return
        for digest, one in self._tables.vouchers.items():
            if (one.batch_id, one.serial) == (batch_id, serial):
                self._put(self._tables.vouchers, digest, evolve(one, blocked=blocked))
                return
        raise NotFound(f"batch {batch_id} has no card {serial}")

    def redeem_voucher(self, digest: str, account_id: int, posting_key: str, at: datetime) -> bool:
        """See `ports.VoucherWork`."""
        self._check_changing()
        card = self._tables.vouchers.get(digest)
        if card is None or card.state is not VoucherState.OPEN or not self.voucher_batch(card.batch_id).is_valid_at(at):
            return False
        redeemed = evolve(card, account_id=account_id, posting_key=posting_key, redeemed_at=utc(at))
        self._put(self._tables.vouchers, digest, redeemed)
        return True
