"""The contract on transactions: everything or nothing, and one after the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from attrs import evolve

from astpp_billing.errors import AlreadyExists
from astpp_billing.fx import ExchangeRate
from astpp_billing.hierarchy import Account, Endpoint, EndpointKind
from astpp_billing.invoicing import DocumentKind, InvoiceConfig
from astpp_billing.ledger import Transfer
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.testing.storage_contract.base import (
    AT,
    SECOND,
    Base,
    admin,
    call,
    charge,
    customer,
    document,
    everything,
    fail,
    group,
    posting,
    revenue,
    row,
    wallet,
)


def do_everything(work: UnitOfWork, seller: Account, mark: str) -> None:
    """Use every command that changes something; `mark` makes it unique."""
    buyer = customer(work, seller, f"customer {mark}")
    work.update_account(evolve(seller, name=mark))
    work.add_endpoint(Endpoint(EndpointKind.USER, buyer.number, buyer.id))
    work.save_invoice_config(InvoiceConfig(account_id=seller.id, company=mark))
    group(work, seller, f"group {mark}")
    work.import_rates(f"group {mark}", [row("1")], None)
    work.import_rates(f"group {mark}", [row("1"), row("2")], AT)
    work.add_exchange_rate(ExchangeRate("EUR", "USD", Decimal(2), AT + len(mark) * SECOND))
    work.add_posting(posting(f"key {mark}", Transfer(wallet(buyer), revenue(seller), 5)))
    work.add_posting(posting(f"wallet {mark}", Transfer(revenue(seller), wallet(seller), 3)))
    work.save_call(call(f"leg {mark}", account_id=buyer.id))
    work.save_call(call("leg", account_id=buyer.id, detail=mark))
    charges = work.add_charges([charge(buyer, f"key {mark}"), charge(buyer, f"key {mark}")])
    number = work.take_number(seller.id, DocumentKind.INVOICE)
    work.add_document(document(buyer, f"INV-{number}"), [charges[0].id])
    work.set_billed_until(seller.id, AT + len(mark) * SECOND)


class TransactionsContract(Base):
    """`begin`: committed when the block ends, undone when it raises."""

    def test_what_a_transaction_has_done_is_there_afterwards(self, storage: Storage) -> None:
        """It is read alike within it and after it."""
        with storage.begin() as work:
            do_everything(work, admin(work), "x")
            within = everything(work)
        with storage.begin() as work:
            assert everything(work) == within
            assert len(work.documents()) == 1

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
            assert work.take_number(seller.id, DocumentKind.INVOICE) == 2

    def test_the_same_can_be_done_after_it_was_undone(self, storage: Storage) -> None:
        """Nothing is left that would be in its way."""
        with storage.begin() as work:
            seller = admin(work)
        with pytest.raises(ZeroDivisionError):
            fail(storage, lambda work: do_everything(work, seller, "x"))
        with storage.begin() as work:
            assert work.balances() == work.proved_balances() == {}
            do_everything(work, seller, "x")
            assert work.take_number(seller.id, DocumentKind.INVOICE) == 2

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
                lambda: work.add_posting(posting("key x", Transfer(revenue(seller), wallet(seller), 3))),
                lambda: work.add_document(document(customer(work, seller, "new"), "INV-1"), []),
            ):
                with pytest.raises(AlreadyExists):
                    refused()
            do_everything(work, seller, "xx")
            within = everything(work)
        with storage.begin() as work:
            assert everything(work) == within
            assert work.find_account("new") is not None

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

    def test_transactions_are_serial(self, storage: Storage) -> None:
        """Threads that read, think and write at the same time never lose a number or an amount."""
        with storage.begin() as work:
            seller = admin(work)
            work.add_posting(posting("start", Transfer(revenue(seller), wallet(seller), 1)))

        def double(index: int) -> int:
            with storage.begin() as work:
                before = work.balance(wallet(seller))
                work.add_posting(posting(f"k{index}", Transfer(revenue(seller), wallet(seller), before)))
                return work.take_number(seller.id, DocumentKind.INVOICE)

        with ThreadPoolExecutor(4) as threads:
            numbers = list(threads.map(double, range(24)))
        with storage.begin() as work:
            assert sorted(numbers) == list(range(1, 25))
            assert work.balance(wallet(seller)) == 2**24
