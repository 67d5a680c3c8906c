"""The contract on refill cards."""

from __future__ import annotations

import pytest
from attrs import evolve

from astpp_billing.errors import AlreadyExists, NotFound
from astpp_billing.hierarchy import Account
from astpp_billing.ledger.vouchers import VoucherBatch, VoucherState
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.testing.storage_contract.base import AT, SECOND, UNIT, Base, admin, customer, fail

DIGESTS = ("a" * 64, "b" * 64, "c" * 64)


def cards(work: UnitOfWork, seller: Account, *digests: str, **more: object) -> VoucherBatch:
    """Store a batch of cards."""
    values: dict[str, object] = {"name": "spring"} | more
    batch = VoucherBatch(
        seller_id=seller.id,
        currency="USD",
        micros=UNIT,
        made_at=AT,
        count=len(digests),
        **values,  # type: ignore[arg-type]
    )
    return work.add_vouchers(batch, digests)


class VouchersContract(Base):
    """Refill cards: kept by the digests of their codes, and redeemed once."""

    def test_a_batch_comes_back_with_its_cards(self, storage: Storage) -> None:
        """Cards in the order of their digests; neither a batch nor a card is found that there is not."""
        with storage.begin() as work:
            seller, other = admin(work), admin(work, "other")
            first = cards(work, seller, *DIGESTS[:2], name="Ünï 🦊", expires_at=AT + SECOND)
            second = cards(work, other, DIGESTS[2], blocked=True)
        with storage.snapshot() as work:
            assert work.voucher_batches() == [first, second]
            assert work.voucher_batches(other.id) == [second]
            assert work.voucher_batch(first.id) == first
            assert (first.count, first.expires_at, second.expires_at) == (2, AT + SECOND, None)
            kept = list(work.vouchers(first.id))
            assert [(one.batch_id, one.serial, one.state) for one in kept] == [
                (first.id, 1, VoucherState.OPEN),
                (first.id, 2, VoucherState.OPEN),
            ]
            assert work.find_voucher(DIGESTS[1]) == kept[1]
            assert work.find_voucher("d" * 64) is None
            assert list(work.vouchers(10**6)) == []
            with pytest.raises(NotFound):
                work.voucher_batch(10**6)

    def test_names_of_one_seller_and_digests_are_unique(self, storage: Storage) -> None:
        """What was refused has stored nothing."""
        with storage.begin() as work:
            seller, other = admin(work), admin(work, "other")
            first = cards(work, seller, DIGESTS[0])
            with pytest.raises(AlreadyExists):
                cards(work, seller, DIGESTS[1])
            with pytest.raises(AlreadyExists):
                cards(work, seller, DIGESTS[1], DIGESTS[0], name="summer")
            with pytest.raises(NotFound):
                cards(work, evolve(seller, id=10**6), DIGESTS[1])
            assert work.voucher_batches() == [first]
            assert work.find_voucher(DIGESTS[1]) is None
            assert cards(work, other, DIGESTS[1]).name == first.name

    def test_a_card_is_redeemed_once(self, storage: Storage) -> None:
        """In the same transaction and later; the first one is noted with it."""
        with storage.begin() as work:
            seller = admin(work)
            buyer = customer(work, seller)
            batch = cards(work, seller, *DIGESTS)
            assert not work.redeem_voucher("d" * 64, buyer.id, "key", AT)
            assert work.redeem_voucher(DIGESTS[0], buyer.id, "key", AT + SECOND)
            assert not work.redeem_voucher(DIGESTS[0], buyer.id, "another", AT + SECOND)
        with storage.begin() as work:
            assert not work.redeem_voucher(DIGESTS[0], buyer.id, "another", AT)
            one, two, three = work.vouchers(batch.id)
            assert (one.account_id, one.redeemed_at, one.posting_key) == (buyer.id, AT + SECOND, "key")
            assert [each.state for each in (one, two, three)] == [VoucherState.REDEEMED] + 2 * [VoucherState.OPEN]

    def test_what_is_blocked_or_has_expired_is_not_redeemed(self, storage: Storage) -> None:
        """A batch and its cards are blocked each by itself; the instant of expiry is the first one too late."""
        with storage.begin() as work:
            seller = admin(work)
            batch = cards(work, seller, *DIGESTS, expires_at=AT + SECOND)
            for digest in DIGESTS:
                assert not work.redeem_voucher(digest, seller.id, "key", AT + SECOND)
            work.block_vouchers(batch.id, None, True)
            work.block_vouchers(batch.id, 2, True)
            assert not work.redeem_voucher(DIGESTS[0], seller.id, "key", AT)
            assert work.voucher_batch(batch.id).blocked
            work.block_vouchers(batch.id, None, False)
            work.block_vouchers(batch.id, None, False)
            assert not work.redeem_voucher(DIGESTS[1], seller.id, "key", AT)
            assert [one.blocked for one in work.vouchers(batch.id)] == [False, True, False]
            assert work.redeem_voucher(DIGESTS[0], seller.id, "key", AT)
            work.block_vouchers(batch.id, 2, False)
            assert work.redeem_voucher(DIGESTS[1], seller.id, "key", AT)
            for batch_id, serial in ((10**6, None), (batch.id, 4), (10**6, 1)):
                with pytest.raises(NotFound):
                    work.block_vouchers(batch_id, serial, True)

    def test_what_is_undone_leaves_a_card_open(self, storage: Storage) -> None:
        """As if it had not been tried."""
        with storage.begin() as work:
            seller = admin(work)
            cards(work, seller, *DIGESTS)
        with pytest.raises(ZeroDivisionError):
            fail(storage, lambda work: work.redeem_voucher(DIGESTS[0], seller.id, "key", AT))
        with storage.begin() as work:
            assert work.redeem_voucher(DIGESTS[0], seller.id, "key", AT)
