"""The contract on what reports are made of: flows in spans of time, balances of the past, and movements."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from attrs import evolve

from astpp_billing.hierarchy import Account
from astpp_billing.ledger import Book, Entry, Flow, FlowGroup, LedgerAccount, Reason, Transfer
from astpp_billing.money import MAX_MICROS
from astpp_billing.ports import Changes, Storage, UnitOfWork
from astpp_billing.testing.storage_contract.base import (
    AT,
    MICROSECOND,
    SECOND,
    Base,
    add_posting,
    admin,
    charge,
    customer,
    posting,
    reseller,
    revenue,
    wallet,
)

ALL = (AT - 100 * SECOND, AT + 100 * SECOND)
"""A span in which everything is that these tests post without saying when."""

SOLD: Flow = (Book.REVENUE, Book.WALLET, "USD")
PAID: Flow = (Book.WALLET, Book.REVENUE, "USD")


class ReportsContract(Base):
    """What the storage adds up for reports is what one would add up by hand."""

    def test_flows_between_two_moments_are_those_of_the_postings_in_between(self, storage: Storage) -> None:
        """From the first moment on, up to and without the last; other accounts' flows are not among them."""
        with storage.begin() as work:
            seller, buyer, _ = _chain(work)
            for micros, at in ((1, AT - MICROSECOND), (10, AT), (100, AT + SECOND - MICROSECOND), (1000, AT + SECOND)):
                _sell(work, f"k{micros}", seller, buyer, micros, at=at)
        with storage.snapshot() as work:
            assert work.flows_between([seller.id], (AT, AT + SECOND)) == {FlowGroup(seller.id, AT, None, SOLD): 110}
            assert work.flows_between([buyer.id], (AT, AT + SECOND)) == {FlowGroup(buyer.id, AT, None, PAID): -110}
            assert work.flows_between([], (AT, AT + SECOND)) == {}

    def test_flows_are_told_apart_by_the_span_that_they_lie_in(self, storage: Storage) -> None:
        """However many moments there are, and whether something was posted right at one of them or just before."""
        moments = [AT + steps * SECOND for steps in range(601)]
        with storage.begin() as work:
            seller, buyer, _ = _chain(work)
            for steps in (0, 1, 255, 256, 257, 511, 512, 599):
                _sell(work, f"at {steps}", seller, buyer, 10, at=moments[steps])
                _sell(work, f"before {steps}", seller, buyer, 1, at=moments[steps] - MICROSECOND)
        with storage.snapshot() as work:
            flows = work.flows_between([seller.id], moments)
        expected = {0: 11, 1: 10, 254: 1, 255: 11, 256: 11, 257: 10, 510: 1, 511: 11, 512: 10, 598: 1, 599: 10}
        assert {group.since: micros for group, micros in flows.items()} == {
            moments[steps]: micros for steps, micros in expected.items()
        }

    def test_flows_of_all_books_and_currencies_of_many_accounts_are_had_at_once(self, storage: Storage) -> None:
        """What `flows` tells of each of them, where the span is everything; flows of zero are left out."""
        with storage.begin() as work:
            seller, buyer, middle = _chain(work)
            euros = Transfer(
                LedgerAccount(seller.id, Book.COST, "EUR"), LedgerAccount(middle.id, Book.PAYABLE, "EUR"), 5
            )
            own = Transfer(LedgerAccount(seller.id, Book.TAX, "USD"), LedgerAccount(seller.id, Book.CASH, "USD"), 3)
            add_posting(work, posting("k1", Transfer(wallet(buyer), revenue(seller), 7), euros, own))
            add_posting(work, posting("k2", Transfer(wallet(middle), revenue(seller), 9)))
            add_posting(work, posting("k3", Transfer(revenue(seller), wallet(middle), 9)))
            add_posting(work, posting("k4", Transfer(LedgerAccount(seller.id, Book.TAX, "USD"), wallet(buyer), 1)))
        with storage.snapshot() as work:
            accounts = [seller, buyer, middle]
            expected = {
                FlowGroup(account.id, ALL[0], None, flow): micros
                for account in accounts
                for flow, micros in work.flows(account.id).items()
                if micros
            }
            assert work.flows_between([account.id for account in accounts], ALL) == expected
            assert len(expected) == 8

    def test_sums_of_flows_may_be_beyond_any_amount(self, storage: Storage) -> None:
        """They are exact, to the last micro."""
        with storage.begin() as work:
            seller, _, _ = _chain(work)
            cost, cash = LedgerAccount(seller.id, Book.COST, "USD"), LedgerAccount(seller.id, Book.CASH, "USD")
            for number, micros in enumerate((MAX_MICROS, MAX_MICROS - 1, MAX_MICROS - 2)):
                add_posting(work, posting(f"k{number}", Transfer(cost, cash, micros)))
        with storage.snapshot() as work:
            flows = _by_flow(work.flows_between([seller.id], ALL))
            assert flows == {
                (None, (Book.CASH, Book.COST, "USD")): 3 * MAX_MICROS - 3,
                (None, (Book.COST, Book.CASH, "USD")): 3 - 3 * MAX_MICROS,
            }
            assert work.balance_at(cash, ALL[1]) == 3 * MAX_MICROS - 3

    def test_a_destination_is_what_the_account_sold(self, storage: Storage) -> None:
        """Each seller by the charge that was paid into its own revenue, for all that it moved in the same posting."""
        with storage.begin() as work:
            seller, buyer, middle = _chain(work)
            cost = Transfer(
                LedgerAccount(seller.id, Book.COST, "USD"), LedgerAccount(seller.id, Book.PAYABLE, "USD"), 2
            )
            sold = Transfer(wallet(buyer), revenue(middle), 9)
            bought = Transfer(wallet(middle), revenue(seller), 5)
            work.save(
                Changes(
                    postings=[posting("k", sold, bought, cost)],
                    charges=[
                        charge(buyer, "k", 9, description="Poland, retail"),
                        charge(middle, "k", 5, position=2, description="Poland, wholesale"),
                    ],
                )
            )
        with storage.snapshot() as work:
            assert _by_flow(work.flows_between([middle.id], ALL, destinations=True)) == {
                ("Poland, retail", SOLD): 9,
                ("Poland, retail", PAID): -5,
            }
            assert _by_flow(work.flows_between([buyer.id], ALL, destinations=True)) == {("Poland, retail", PAID): -9}
            flows = _by_flow(work.flows_between([seller.id], ALL, destinations=True))
            assert {destination for destination, _ in flows} == {"Poland, wholesale"}
            assert len(flows) == 3

    def test_where_nothing_was_sold_the_destination_is_what_was_bought_or_none(self, storage: Storage) -> None:
        """The first of several charges counts; a charge that was not paid into a revenue makes nobody its seller."""
        with storage.begin() as work:
            seller, buyer, middle = _chain(work)
            tax = Transfer(wallet(buyer), LedgerAccount(seller.id, Book.TAX, "USD"), 1)
            paid = Transfer(wallet(buyer), revenue(seller), 2)
            work.save(
                Changes(
                    postings=[posting("k", tax, paid, paid), posting("none", paid, tax)],
                    charges=[
                        charge(buyer, "k", 1, position=1, description="first"),
                        charge(buyer, "k", 2, position=2, description="second"),
                        charge(buyer, "k", 2, position=3, description=""),
                    ],
                )
            )
            add_posting(work, posting("other", Transfer(wallet(middle), revenue(seller), 4)))
        with storage.snapshot() as work:
            flows = _by_flow(work.flows_between([buyer.id], ALL, destinations=True))
            taxed: Flow = (Book.WALLET, Book.TAX, "USD")
            assert flows == {("first", PAID): -4, ("first", taxed): -1, (None, PAID): -2, (None, taxed): -1}
            assert {one for one, _ in _by_flow(work.flows_between([seller.id], ALL, destinations=True))} == {
                "second",
                None,
            }

    @pytest.mark.parametrize("names", [("a", "A"), ("é", "e\u0301"), ("x", "x "), ("🦊" * 250, "🦊" * 249 + "🐺")])
    def test_destinations_are_told_apart_by_every_character(self, storage: Storage, names: tuple[str, str]) -> None:
        """By case, accents, blanks at their end, and what comes after many others."""
        with storage.begin() as work:
            seller, buyer, _ = _chain(work)
            for index in range(20):
                _sell(work, f"k{index}", seller, buyer, 1 + 9 * (index % 2), description=names[index % 2])
        with storage.snapshot() as work:
            flows = _by_flow(work.flows_between([seller.id], ALL, destinations=True))
            assert flows == {(names[0], SOLD): 10, (names[1], SOLD): 100}

    def test_the_balance_of_any_book_can_be_had_as_it_was(self, storage: Storage) -> None:
        """By what was posted before an instant; 0 for what was never used."""
        with storage.begin() as work:
            seller, buyer, _ = _chain(work)
            _sell(work, "k1", seller, buyer, 5, at=AT)
            _sell(work, "k2", seller, buyer, 7, at=AT + SECOND)
            add_posting(work, posting("k3", Transfer(revenue(seller), wallet(buyer), 20), at=AT + 2 * SECOND))
        with storage.snapshot() as work:
            instants = [AT, AT + MICROSECOND, AT + SECOND, AT + 2 * SECOND, ALL[1]]
            assert [work.balance_at(wallet(buyer), instant) for instant in instants] == [0, -5, -5, -12, 8]
            assert [work.balance_at(revenue(seller), instant) for instant in instants] == [0, 5, 5, 12, -8]
            assert work.balance_at(wallet(buyer, "EUR"), ALL[1]) == 0
            assert work.balance_at(wallet(buyer), ALL[1]) == work.balance(wallet(buyer))

    def test_entries_tell_all_that_moved_a_ledger_account(self, storage: Storage) -> None:
        """Gains and losses, who is on the other side, and what the charge says, if there is one."""
        with storage.begin() as work:
            seller, buyer, _ = _chain(work)
            cash = LedgerAccount(seller.id, Book.CASH, "USD")
            _sell(work, "k2", seller, buyer, 5, at=AT + SECOND, description="Poland", number="4812")
            add_posting(work, posting("k1", Transfer(cash, wallet(buyer), 20), reason=Reason.REFILL))
            add_posting(work, posting("others", Transfer(cash, wallet(seller), 20)))
        refill = Entry(at=AT, reason=Reason.REFILL, posting_key="k1", position=1, other=cash, micros=20)
        call = Entry(
            at=AT + SECOND,
            reason=Reason.CALL,
            posting_key="k2",
            position=1,
            other=revenue(seller),
            micros=-5,
            description="Poland",
            number="4812",
        )
        with storage.snapshot() as work:
            assert list(work.entries(wallet(buyer), *ALL)) == [refill, call]
            assert list(work.entries(wallet(buyer), AT, AT + SECOND)) == [refill]
            assert list(work.entries(wallet(buyer), AT + SECOND, AT + 2 * SECOND)) == [call]
            seen = list(work.entries(revenue(seller), *ALL))
            assert seen == [evolve(call, micros=5, other=wallet(buyer))]
            assert list(work.entries(wallet(buyer, "EUR"), *ALL)) == []

    def test_entries_come_in_the_order_of_time_however_many_there_are(self, storage: Storage) -> None:
        """Those of one posting in the order of its transfers; those of one instant in the same order each time."""
        with storage.begin() as work:
            seller, buyer, _ = _chain(work)
            pay, back = Transfer(wallet(buyer), revenue(seller), 3), Transfer(revenue(seller), wallet(buyer), 2)
            late_first = [
                posting(f"k{number}", pay, back, pay, at=AT + (number * 7 % 50) * SECOND) for number in range(800)
            ]
            add_posting(work, *late_first)
        with storage.snapshot() as work:
            seen = list(work.entries(wallet(buyer), *ALL))
            assert list(work.entries(wallet(buyer), *ALL)) == seen
        assert len(seen) == 2400
        assert [entry.at for entry in seen] == sorted(entry.at for entry in seen)
        by_posting = [[entry for entry in seen if entry.posting_key == f"k{number}"] for number in (0, 1, 799)]
        assert [[(entry.position, entry.micros) for entry in one] for one in by_posting] == [
            [(1, -3), (2, 2), (3, -3)]
        ] * 3
        assert sum(entry.micros for entry in seen) == -3200

    def test_who_has_read_some_entries_need_not_read_the_rest(self, storage: Storage) -> None:
        """They can be closed; what comes after is not disturbed."""
        with storage.begin() as work:
            seller, buyer, _ = _chain(work)
            for number in range(3):
                _sell(work, f"k{number}", seller, buyer, 1)
        with storage.snapshot() as work:
            entries = work.entries(wallet(buyer), *ALL)
            assert next(entries).micros == -1
            entries.close()
            assert work.balance_at(wallet(buyer), ALL[1]) == -3
        with storage.snapshot() as work:
            assert len(list(work.entries(wallet(buyer), *ALL))) == 3


def _chain(work: UnitOfWork) -> tuple[Account, Account, Account]:
    """An admin, a customer, and a reseller, whose books are empty."""
    seller = admin(work)
    middle = reseller(work, seller, "middle")
    return seller, customer(work, middle), middle


def _sell(
    work: UnitOfWork,
    key: str,
    seller: Account,
    buyer: Account,
    micros: int,
    *,
    at: datetime = AT,
    description: str = "Poland",
    number: str = "",
) -> None:
    work.save(
        Changes(
            postings=[posting(key, Transfer(wallet(buyer), revenue(seller), micros), at=at)],
            # a charge is of when the call started, which is not when it is posted
            charges=[charge(buyer, key, micros, description=description, number=number, at=at - timedelta(days=1))],
        )
    )


def _by_flow(flows: Mapping[FlowGroup, int]) -> dict[tuple[str | None, Flow], int]:
    return {(group.destination, group.flow): micros for group, micros in flows.items()}
