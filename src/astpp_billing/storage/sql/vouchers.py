"""Refill cards in SQL: a card is redeemed by a conditional update, so that the database decides who has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve
from sqlalchemy import false, insert, or_, select, update

from astpp_billing.errors import NotFound
from astpp_billing.ledger.vouchers import Voucher, VoucherBatch
from astpp_billing.storage.sql import catalogue
from astpp_billing.storage.sql.part import Part

_CARDS_AT_ONCE = 5_000
_BATCH = ("id", "seller_id", "name", "currency", "micros", "made_at", "expires_at", "blocked")
_CARD = ("batch_id", "serial", "blocked", "account_id", "redeemed_at", "posting_key")


class Vouchers(Part):
    """The part of a unit of work that knows refill cards."""

    def add_vouchers(self, batch: VoucherBatch, digests: Sequence[str]) -> VoucherBatch:
        """See `ports.VoucherWork`."""
        row = {name: getattr(batch, name) for name in _BATCH if name != "id"} | {"cards": batch.count}
        with self._whole():
            stored = evolve(batch, id=self._insert(catalogue.voucher_batches, row, f"the batch {batch.name}"))
            rows = [
                {"batch_id": stored.id, "serial": serial, "digest": digest, "blocked": False}
                for serial, digest in enumerate(digests, 1)
            ]
            with self._naming(f"a card of the batch {batch.name}"):
                for first in range(0, len(rows), _CARDS_AT_ONCE):
                    self._connection.execute(insert(catalogue.vouchers), rows[first : first + _CARDS_AT_ONCE])
        return stored

    def voucher_batch(self, batch_id: int) -> VoucherBatch:
        """See `ports.VoucherWork`."""
        row = self._first(select(catalogue.voucher_batches).where(catalogue.voucher_batches.c.id == batch_id))
        if row is None:
            raise NotFound(f"no batch of refill cards has the id {batch_id}")
        return _batch_of(row)

    def voucher_batches(self, seller_id: int | None = None) -> Sequence[VoucherBatch]:
        """See `ports.VoucherWork`."""
        batches = catalogue.voucher_batches
        query = select(batches).order_by(batches.c.id)
        if seller_id is not None:
            query = query.where(batches.c.seller_id == seller_id)
        return [_batch_of(row) for row in self._all(query)]

    def vouchers(self, batch_id: int) -> Sequence[Voucher]:
        """See `ports.VoucherWork`."""
        cards = catalogue.vouchers
        query = select(cards).where(cards.c.batch_id == batch_id).order_by(cards.c.serial)
        return [_card_of(row) for row in self._all(query)]

    def find_voucher(self, digest: str) -> Voucher | None:
        """See `ports.VoucherWork`."""
        row = self._first(select(catalogue.vouchers).where(catalogue.vouchers.c.digest == digest))
        return None if row is None else _card_of(row)

    def block_vouchers(self, batch_id: int, serial: int | None, blocked: bool) -> None:
        """See `ports.VoucherWork`."""
        batches, cards = catalogue.voucher_batches, catalogue.vouchers
        if serial is None:
            done = self._connection.execute(update(batches).where(batches.c.id == batch_id).values(blocked=blocked))
            if done.rowcount != 1:
                raise NotFound(f"no batch of refill cards has the id {batch_id}")
            return
        named = (cards.c.batch_id == batch_id, cards.c.serial == serial)
        if self._connection.execute(update(cards).where(*named).values(blocked=blocked)).rowcount != 1:
            raise NotFound(f"batch {batch_id} has no card {serial}")

    def redeem_voucher(self, digest: str, account_id: int, posting_key: str, at: datetime) -> bool:
        """See `ports.VoucherWork`."""
        batches, cards = catalogue.voucher_batches.c, catalogue.vouchers.c
        lasting = or_(batches.expires_at.is_(None), batches.expires_at > at)
        valid = select(batches.id).where(batches.blocked == false(), lasting)
        redeem = (
            update(catalogue.vouchers)
            .where(cards.digest == digest, cards.account_id.is_(None), cards.blocked == false())
            .where(cards.batch_id.in_(valid))
            .values(account_id=account_id, posting_key=posting_key, redeemed_at=at)
        )
        return self._connection.execute(redeem).rowcount == 1


def _batch_of(row: Mapping[Any, Any]) -> VoucherBatch:
    return VoucherBatch(count=row["cards"], **{name: row[name] for name in _BATCH})


def _card_of(row: Mapping[Any, Any]) -> Voucher:
    return Voucher(**{name: row[name] for name in _CARD})
