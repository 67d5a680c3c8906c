"""The contract on transactions: everything or nothing, and nothing of what others have in hand."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from decimal import Decimal

import pytest
from attrs import evolve

from astpp_billing.calls import CallStatus
from astpp_billing.errors import AlreadyExists, StorageError
from astpp_billing.fx import ExchangeRate
from astpp_billing.hierarchy import Account, Endpoint, EndpointKind
from astpp_billing.invoicing import DocumentKind, InvoiceConfig
from astpp_billing.ledger import HoldState, Transfer, Used
from astpp_billing.ports import Changes, Command, Placed, Storage, UnitOfWork
from astpp_billing.services.again import again
from astpp_billing.testing.storage_contract.base import (
    AT,
    MOMENT,
    PATIENCE,
    SECOND,
    Base,
    add_document,
    add_posting,
    admin,
    call,
    charge,
    charged,
    customer,
    document,
    epochs,
    everything,
    fail,
    group,
    hold,
    place,
    posting,
    refill,
    revenue,
    row,
    save_call,
    wallet,
)


def do_everything(work: UnitOfWork, seller: Account, mark: str) -> None:
    """Use every command that changes something but `close_books`; `mark` makes it unique."""
    work.lock_tree()
    buyer = customer(work, seller, f"customer {mark}")
    work.update_account(evolve(seller, name=mark))
    work.add_endpoint(Endpoint(EndpointKind.USER, buyer.number, buyer.id))
    work.save_invoice_config(InvoiceConfig(account_id=seller.id, company=mark))
    group(work, seller, f"group {mark}")
    work.import_rates(f"group {mark}", [row("1")], None)
    work.import_rates(f"group {mark}", [row("1"), row("2")], AT)
    work.add_exchange_rate(ExchangeRate("EUR", "USD", Decimal(2), AT + len(mark) * SECOND))
    work.add_command(Command(key=f"key {mark}", fingerprint=mark, at=AT, result=mark))
    refill(work, buyer)
    reserved = [hold(call(f"{name} {mark}").key, buyer, (buyer, 9)) for name in ("open", "leg")]
    for wanted in reserved:
        assert place(work, wanted)
    assert work.extend_hold(hold(reserved[0].key, buyer, (buyer, 10)), epochs(work, buyer))
    save_call(work, call(f"old {mark}", CallStatus.UNRATED), call(f"open {mark}", CallStatus.UNRATED))
    ids = work.reserve_ids(2)
    series = (seller.id, DocumentKind.INVOICE)
    number = work.lock([buyer.id, seller.id], [series]).last_numbers[series] + 1
    placed_before = Placed(ids[1], buyer.id, AT + SECOND, 1)
    charged(work, buyer, f"placed {mark}", AT)
    work.save(
        Changes(
            postings=[
                posting(f"key {mark}", Transfer(wallet(buyer), revenue(seller), 5)),
                posting(f"wallet {mark}", Transfer(revenue(seller), wallet(seller), 3)),
            ],
            charges=[charge(buyer, f"key {mark}", document_id=ids[0])],
            documents=[evolve(document(buyer, f"INV-{number + index}"), id=each) for index, each in enumerate(ids)],
            placed=[placed_before],
            calls=[call(f"leg {mark}", account_id=buyer.id)],
            retried=[call(f"old {mark}", account_id=buyer.id, detail=mark)],
            used={(buyer.id, AT.date()): Used(5, 1, 60)},
            numbers={series: 2},
            ended=[(reserved[1], HoldState.POSTED)],
        )
    )
    charged(work, buyer, f"waiting {mark}", AT)
    work.set_billed_until(seller.id, AT + len(mark) * SECOND)


def last_number(work: UnitOfWork, issuer: Account) -> int:
    """The last number of an issuer's invoices."""
    series = (issuer.id, DocumentKind.INVOICE)
    return work.lock([], [series]).last_numbers[series]


CHANGING: dict[str, Callable[[UnitOfWork, Account], object]] = {
    "add_account": lambda work, seller: admin(work, "new"),
    "update_account": lambda work, seller: work.update_account(evolve(seller, name="New")),
    "add_endpoint": lambda work, seller: work.add_endpoint(Endpoint(EndpointKind.USER, "1", seller.id)),
    "save_invoice_config": lambda work, seller: work.save_invoice_config(
        InvoiceConfig(account_id=seller.id, company="A")
    ),
    "add_command": lambda work, seller: work.add_command(Command(key="k", fingerprint="", at=AT)),
    "add_rate_group": lambda work, seller: group(work, seller, "new"),
    "import_rates": lambda work, seller: work.import_rates("retail", [row("1")], None),
    "add_exchange_rate": lambda work, seller: work.add_exchange_rate(ExchangeRate("EUR", "USD", Decimal(2), AT)),
    "save": lambda work, seller: refill(work, seller, key="new"),
    "close_books": lambda work, seller: work.close_books(AT),
    "set_billed_until": lambda work, seller: work.set_billed_until(seller.id, AT),
    "place_hold": lambda work, seller: work.place_hold(hold("new", seller, (seller, 1)), {seller.id: 0}),
    "extend_hold": lambda work, seller: work.extend_hold(hold("open", seller, (seller, 6)), {seller.id: 0}),
}
"""Every command that changes something."""


class TransactionsContract(Base):
    """`begin`: committed when the block ends, undone when it raises."""

    def test_what_a_transaction_has_done_is_there_afterwards(self, storage: Storage) -> None:
        """It is read alike within it and after it."""
        with storage.begin() as work:
            do_everything(work, admin(work), "x")
            within = everything(work)
        with storage.begin() as work:
            assert everything(work) == within
            assert len(work.documents()) == 2

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_a_transaction_that_raises_has_done_nothing(self, storage: Storage, error: type[BaseException]) -> None:
        """Whatever it did and whatever it raises: accounts, prices, postings, balances, numbers, charges, documents."""
        with storage.begin() as work:
            seller = admin(work)
            do_everything(work, seller, "x")
            before = everything(work)
        raised = error("on purpose")
        with pytest.raises(error) as caught:
            fail(storage, lambda work: do_everything(work, seller, "xx"), raised)
        assert caught.value is raised
        with storage.begin() as work:
            assert everything(work) == before
            assert work.find_posting("key xx") is None
            assert work.find_account("customer xx") is None
            assert work.find_hold(call("leg xx").key) is None
            assert work.find_command("key xx") is None
            assert last_number(work, seller) == 2

    def test_the_same_can_be_done_after_it_was_undone(self, storage: Storage) -> None:
        """Nothing is left that would be in its way."""
        with storage.begin() as work:
            seller = admin(work)
        with pytest.raises(ZeroDivisionError):
            fail(storage, lambda work: do_everything(work, seller, "x"))
        with storage.begin() as work:
            assert work.balances() == work.proved_balances() == {}
            do_everything(work, seller, "x")
        with storage.begin() as work:
            assert last_number(work, seller) == 2

    def test_an_error_of_the_storage_undoes_the_transaction_too(self, storage: Storage) -> None:
        """If it leaves the block."""
        with storage.begin() as work:
            seller = admin(work)
            before = everything(work)
        with pytest.raises(AlreadyExists):
            self._do_everything_and_be_refused(storage, seller)
        with storage.begin() as work:
            assert everything(work) == before

    def _do_everything_and_be_refused(self, storage: Storage, seller: Account) -> None:
        with storage.begin() as work:
            do_everything(work, seller, "x")
            admin(work)

    def test_a_command_that_was_refused_can_be_caught(self, storage: Storage) -> None:
        """It has done nothing, and what the transaction did before and after it is kept."""
        with storage.begin() as work:
            seller = admin(work)
            do_everything(work, seller, "x")
            for refused in (
                lambda: admin(work),
                lambda: add_posting(work, posting("key x", Transfer(revenue(seller), wallet(seller), 3))),
                lambda: add_document(work, document(customer(work, seller, "new"), "INV-1")),
                lambda: place(work, hold(call("leg x").key, seller, (seller, 1))),
                lambda: work.add_command(Command(key="key x", fingerprint="", at=AT)),
            ):
                with pytest.raises(AlreadyExists):
                    refused()
            refill(work, seller)
            within = everything(work)
        with storage.begin() as work:
            assert everything(work) == within
            assert work.find_account("new") is not None
            do_everything(work, seller, "xx")

    def test_an_empty_transaction_changes_nothing(self, storage: Storage) -> None:
        """Also in a storage in which there is nothing yet."""
        with storage.begin() as work:
            before = everything(work)
        with storage.begin():
            pass
        with storage.begin() as work:
            assert everything(work) == before
            assert list(work.accounts()) == []

    def test_what_is_returned_does_not_change(self, storage: Storage) -> None:
        """Values are read once: a later change is not seen in them."""
        with storage.begin() as work:
            seller = admin(work)
            accounts, balances, charges = work.accounts(), work.balances(), work.charges()
            do_everything(work, seller, "x")

            assert list(accounts) == [seller]
            assert balances == {}
            assert list(charges) == []

    def test_nobody_sees_what_a_transaction_has_in_hand(self, storage: Storage) -> None:
        """Others wait for it, or see what was there before it; in a snapshot, too."""
        with storage.begin() as work:
            seller = admin(work)

        def balance(look: Callable[[], AbstractContextManager[UnitOfWork]]) -> int:
            with look() as work:
                return work.balance(wallet(seller))

        with ThreadPoolExecutor(2) as threads:
            with storage.begin() as work:
                refill(work, seller, 5)
                looks = [threads.submit(balance, look) for look in (storage.begin, storage.snapshot)]
                at_once = wait(looks, MOMENT.total_seconds()).done
            found = [look.result(PATIENCE) for look in looks]

        assert set(found) <= {0, 5}
        assert all(look.result() == 0 for look in at_once)

    def test_a_snapshot_shows_everything_as_it_is(self, storage: Storage) -> None:
        """To all that only look."""
        with storage.begin() as work:
            do_everything(work, admin(work), "x")
            within = everything(work)
        with storage.snapshot() as work:
            assert everything(work) == within
            assert [each.key for each in work.holds()] == [call("open x").key]
        with storage.snapshot() as work:
            assert everything(work) == within

    def test_a_snapshot_is_of_one_moment(self, storage: Storage) -> None:
        """What others do meanwhile is not seen in it, if they need not wait for its end; in the next one it is."""
        with storage.begin() as work:
            seller = admin(work)

        @again
        def change() -> None:
            with storage.begin() as work:
                do_everything(work, seller, "x")

        with ThreadPoolExecutor(1) as threads:
            with storage.snapshot() as work:
                before = everything(work)
                changing = threads.submit(change)
                wait([changing], MOMENT.total_seconds())
                assert everything(work) == before
            changing.result(PATIENCE)
        with storage.snapshot() as work:
            assert everything(work) != before
            assert work.find_account("customer x") is not None

    @pytest.mark.parametrize("what", CHANGING)
    def test_nothing_can_be_changed_through_a_snapshot(self, storage: Storage, what: str) -> None:
        """`StorageError`, whatever it is."""
        with storage.begin() as work:
            seller = admin(work)
            group(work, seller)
            refill(work, seller)
            assert place(work, hold("open", seller, (seller, 5)))
            before = everything(work)
        with storage.snapshot() as work, pytest.raises(StorageError):
            CHANGING[what](work, seller)
        with storage.begin() as work:
            assert everything(work) == before
            refill(work, seller, key="more")
