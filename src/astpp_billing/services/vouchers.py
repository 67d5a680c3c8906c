"""Refill cards: making batches of them, redeeming each once, blocking and listing them.

A card is money that its seller has been paid. Redeeming it is a refill of every wallet from the account's up to, and
without, the seller's: the seller's cash goes into the wallet of the reseller below it, and by way of that reseller on
to the next, as if each had been paid and had refilled its own wallet. So whoever sells the account its calls can pay
for them. A card of the account's parent is a plain refill.
"""

from __future__ import annotations

import csv
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from attrs import field, frozen

from astpp_billing.clock import Clock
from astpp_billing.errors import HierarchyError, InvalidValue, NotFound, StorageBusy
from astpp_billing.hierarchy import SELLERS, Account, Status
from astpp_billing.hierarchy.export import safe_text
from astpp_billing.ledger import Book, LedgerAccount, Posting, Reason, Transfer, fingerprint
from astpp_billing.ledger.vouchers import (
    ALPHABET,
    RANDOM,
    Voucher,
    VoucherBatch,
    VoucherState,
    code_digest,
    make_code,
    read_code,
)
from astpp_billing.money import Money, minor_units, plain
from astpp_billing.ports import Changes, Storage, UnitOfWork
from astpp_billing.services.adjusting import find_once, save_once
from astpp_billing.services.again import again
from astpp_billing.services.once import Once

COLUMNS = ("batch", "serial", "code", "amount", "currency", "expires_at")
"""The headings of new cards as CSV, in their order."""


class CardRefusal(StrEnum):
    """Why a card was not redeemed."""

    MISTYPED = "mistyped"
    """The check characters do not agree: no such code was ever made, and none was looked for."""
    NOT_VALID = "not valid"
    """Unknown, used, blocked, expired, or sold by somebody above whom, or beside whom, the account is."""
    OTHER_CURRENCY = "other currency"
    """A good card, whose currency is not that of the account, or of a reseller between it and the seller."""
    CLOSED = "closed"
    """The account is closed."""


@frozen
class CardRefused:
    """A card was not redeemed, and nothing has changed.

    It does not tell apart the cards that are not valid, so that nobody learns by trying which codes there are; the
    seller does, by `Vouchers.find`.
    """

    reason: CardRefusal
    account: Account

    def __str__(self) -> str:
        return f"the card was not redeemed for account {self.account.number}: {self.reason}"


@frozen
class NewCards:
    """A batch that was made, and the codes of its cards in the order of their serials.

    The codes are nowhere else. They are empty where the command was done before: then they were given out before.
    """

    batch: VoucherBatch
    codes: tuple[str, ...] = field(repr=False)


@frozen
class Card:
    """One card and its batch."""

    batch: VoucherBatch
    voucher: Voucher


class Vouchers:
    """The use cases of refill cards; `key` makes a command unique, as in `Accounts`."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._commands = Once(storage, clock)

    def generate(
        self,
        seller: Account,
        amount: Money,
        count: int,
        *,
        name: str,
        expires_at: datetime | None = None,
        key: str | None = None,
    ) -> NewCards:
        """Make a batch of cards, each worth `amount`; the name is one that the seller has no other batch of.

        The codes are random (89 bits), and only here in clear: only their hashes are kept. So the same key again gives
        the batch without them; a batch whose codes were lost is to be blocked. Raises `InvalidValue` for an amount, a
        number of cards or a name that can never be right, `HierarchyError` for an account that does not sell or is
        closed, `AlreadyExists` where the name is taken.
        """
        mark = secrets.token_hex(8)  # tells this command from an earlier one of the same key
        codes: list[str] = []

        def do(uow: UnitOfWork) -> str:
            owner = uow.account(seller.id)
            if owner.kind not in SELLERS or owner.status is Status.CLOSED:
                raise HierarchyError(f"account {owner.number} cannot sell refill cards: it is closed, or no seller")
            batch = VoucherBatch(
                seller_id=owner.id,
                name=name,
                currency=amount.currency,
                micros=amount.micros,
                count=count,
                made_at=self._clock.now(),
                expires_at=expires_at,
            )
            codes[:] = codes or [_random_code() for _ in range(batch.count)]
            stored = uow.add_vouchers(batch, [_digest(code) for code in codes])
            return f"{stored.id} {mark}"

        def show(uow: UnitOfWork, result: str) -> NewCards:
            batch_id, made_by = result.split()
            return NewCards(uow.voucher_batch(int(batch_id)), tuple(codes) if made_by == mark else ())

        said = ("make refill cards", seller.id, amount.micros, amount.currency, count, name, expires_at)
        return self._commands(key, said, do, show)

    @again
    def redeem(self, account: Account, code: str, *, key: str) -> Posting | CardRefused:
        """Refill an account's wallet by a card, once; the same key again gives the first posting.

        The card is of a seller above the account, its parent or further up, and in the currency of the account and of
        all between the two. Nothing is converted. A refusal has changed nothing, and may be tried again. Raises
        `InvalidValue` for an empty key, `IdempotencyConflict` where it stood for another card or account.
        """
        if not key:
            raise InvalidValue(f"redeeming a card for account {account.number} needs a key that nothing else has")
        read = read_code(code)
        if read is None:
            return CardRefused(CardRefusal.MISTYPED, account)
        digest = code_digest(read)
        with self._storage.begin() as uow:
            return self._redeem(uow, account, digest, f"voucher:{key}")

    def _redeem(self, uow: UnitOfWork, account: Account, digest: str, key: str) -> Posting | CardRefused:
        mark = fingerprint("voucher", account.id, digest)
        known = find_once(uow, key, mark)
        if known is not None:
            return known
        account = uow.account(account.id)
        path = (account,) if account.parent_id is None else uow.path(account.id)
        card = _find(uow, digest)
        depth = 0 if card is None else next((at for at, one in enumerate(path) if one.id == card.batch.seller_id), 0)
        if card is None or depth == 0:
            return CardRefused(CardRefusal.NOT_VALID, account)
        levels = path[:depth]  # whose wallets are refilled
        uow.lock([one.id for one in levels])
        if uow.path(account.id) != path:  # who changes an account has the lock of its wallet
            raise StorageBusy(f"account {account.number}, or one above it, has changed meanwhile")
        known = find_once(uow, key, mark)
        if known is not None:
            return known
        if account.status is Status.CLOSED:
            return CardRefused(CardRefusal.CLOSED, account)
        now = self._clock.now()
        card = _find(uow, digest)
        assert card is not None
        if card.voucher.state is not VoucherState.OPEN or not card.batch.is_valid_at(now):
            return CardRefused(CardRefusal.NOT_VALID, account)
        if any(one.currency != card.batch.currency for one in levels):
            return CardRefused(CardRefusal.OTHER_CURRENCY, account)
        if not uow.redeem_voucher(digest, account.id, key, now):  # somebody else was faster
            return CardRefused(CardRefusal.NOT_VALID, account)
        posting = Posting(
            key=key,
            fingerprint=mark,
            at=now,
            reason=Reason.REFILL,
            transfers=_refills(path[: depth + 1], card.batch),
            note=f"refill card {card.batch.name} {card.voucher.serial}",
        )
        save_once(uow, Changes(postings=[posting]), key)
        return posting

    def block(self, batch_id: int, *, serial: int | None = None, key: str | None = None) -> None:
        """Let one card, or (without `serial`) no card of a batch be redeemed; what was redeemed stays so.

        Raises `NotFound` where there is no such batch or card.
        """
        self._mark(batch_id, serial, key, blocked=True)

    def unblock(self, batch_id: int, *, serial: int | None = None, key: str | None = None) -> None:
        """Undo `block`: a batch and its cards are blocked, and unblocked, each by itself."""
        self._mark(batch_id, serial, key, blocked=False)

    def _mark(self, batch_id: int, serial: int | None, key: str | None, *, blocked: bool) -> None:
        def do(uow: UnitOfWork) -> str:
            uow.block_vouchers(batch_id, serial, blocked)
            return ""

        self._commands(key, ("block refill cards", batch_id, serial, blocked), do, lambda uow, _: None)

    @again
    def batches(self, seller: Account | None = None) -> Sequence[VoucherBatch]:
        """The batches of one seller, or all, in the order in which they were made."""
        with self._storage.snapshot() as uow:
            return uow.voucher_batches(None if seller is None else seller.id)

    @again
    def cards(self, batch_id: int) -> Sequence[Voucher]:
        """The cards of a batch, by serial, without their codes. Raises `NotFound` where there is no such batch."""
        with self._storage.snapshot() as uow:
            uow.voucher_batch(batch_id)
            return uow.vouchers(batch_id)

    @again
    def find(self, code: str) -> Card:
        """The card of a code, for whoever sells it: not for customers. Raises `NotFound` where there is none."""
        read = read_code(code)
        with self._storage.snapshot() as uow:
            card = None if read is None else _find(uow, code_digest(read))
        if card is None:
            raise NotFound("no card has this code")
        return card


def _random_code() -> str:
    return make_code([secrets.randbelow(len(ALPHABET)) for _ in range(RANDOM)])


def _digest(code: str) -> str:
    read = read_code(code)
    assert read is not None
    return code_digest(read)


def _find(uow: UnitOfWork, digest: str) -> Card | None:
    voucher = uow.find_voucher(digest)
    return None if voucher is None else Card(uow.voucher_batch(voucher.batch_id), voucher)


def _refills(path: Sequence[Account], batch: VoucherBatch) -> tuple[Transfer, ...]:
    """A refill of each wallet by who is above it, the account's first; the seller is the last of the path."""
    return tuple(
        Transfer(
            LedgerAccount(parent.id, Book.CASH, batch.currency),
            LedgerAccount(child.id, Book.WALLET, batch.currency),
            batch.micros,
        )
        for child, parent in pairwise(path)
    )


def vouchers_csv(cards: NewCards) -> Iterator[str]:
    """New cards as CSV (RFC 4180), each line with its end (CR LF), the headings first.

    A name that a spreadsheet would take for a formula has an apostrophe in front; a code cannot begin like one.
    """
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)  # the writer gives back what the file's write does: the line
    batch = cards.batch
    amount = plain(batch.amount.amount, minor_units(batch.currency))
    expires = "" if batch.expires_at is None else batch.expires_at.isoformat()
    for serial, code in enumerate(cards.codes, 1):
        yield writer.writerow([safe_text(batch.name), serial, safe_text(code), amount, batch.currency, expires])


class _Line:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line
