"""Rules, section 5: amounts go in and come out as they are, and add up to the last micro, on every database."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.servers import fresh

from astpp_billing.invoicing import Document
from astpp_billing.ledger import Book, LedgerAccount, Posting, Transfer, Used
from astpp_billing.money import MAX_MICROS
from astpp_billing.ports import Changes, Storage
from astpp_billing.storage import open_storage
from astpp_billing.testing.storage_contract.base import (
    AT,
    admin,
    charge,
    customer,
    document,
    hold,
    posting,
    revenue,
    wallet,
)
from astpp_billing.testing.strategies import micros

EXAMPLES = 30
CENT = 10_000
"""The minor unit of the documents, in micros."""

DAY = date(2025, 3, 1)
UNTIL = date(2025, 3, 2)

serial = count(1)
amounts = st.one_of(
    micros(least=1),
    micros(10**7, least=1),
    st.sampled_from([1, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 2**53 + 1, MAX_MICROS // 2, MAX_MICROS - 1, MAX_MICROS]),
)
"""From one micro to nine million million units, and often where a float or a smaller integer would give way."""


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgres", "mariadb"])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    """A storage of each kind, in which every example opens accounts of its own."""
    own = {"memory": "memory://", "sqlite": "sqlite://"}
    url = own.get(request.param) or fresh(request.getfixturevalue(f"{request.param}_server"))
    opened = open_storage(url)
    yield opened
    opened.close()


@settings(max_examples=EXAMPLES)
@given(movements=st.lists(st.tuples(st.booleans(), amounts), min_size=1, max_size=12))
def test_whatever_moves_a_wallet_comes_out_to_the_micro(storage: Storage, movements: list[tuple[bool, int]]) -> None:
    """Balance, proof, flows and postings are the sums of what went in, though some are far beyond 64 bits."""
    mark = next(serial)
    with storage.begin() as work:
        seller = admin(work, f"admin {mark}")
        buyer = customer(work, seller, f"customer {mark}")
    cash = LedgerAccount(seller.id, Book.CASH, "USD")
    paid_in = spent = 0
    postings: list[Posting] = []
    for position, (into, amount) in enumerate(movements):
        if paid_in - spent + (amount if into else -amount) not in range(-MAX_MICROS, MAX_MICROS + 1):
            into = not into  # no wallet holds more
        transfer = Transfer(cash, wallet(buyer), amount) if into else Transfer(wallet(buyer), revenue(seller), amount)
        paid_in, spent = (paid_in + amount, spent) if into else (paid_in, spent + amount)
        postings.append(posting(f"{mark} {position}", transfer, at=AT + timedelta(seconds=position)))

    with storage.begin() as work:
        for one in postings:
            work.save(Changes(postings=[one]))

    with storage.snapshot() as work:
        proved = work.proved_balances()
        assert work.balance(wallet(buyer)) == proved.get(wallet(buyer), 0) == paid_in - spent
        assert work.wallet(buyer.id).balance_micros == paid_in - spent
        assert (proved.get(cash, 0), proved.get(revenue(seller), 0)) == (-paid_in, spent)
        flows = {
            (Book.WALLET, Book.CASH, "USD"): paid_in,
            (Book.WALLET, Book.REVENUE, "USD"): -spent,
        }
        assert work.flows(buyer.id) == {flow: amount for flow, amount in flows.items() if amount}
        assert [work.find_posting(one.key) for one in postings] == postings


@settings(max_examples=EXAMPLES)
@given(drawn=st.lists(amounts, min_size=1, max_size=6))
def test_whatever_is_charged_and_billed_comes_out_to_the_micro(storage: Storage, drawn: list[int]) -> None:
    """Charges, documents, what holds reserve, and the figures of a day, which add up."""
    mark = next(serial)
    with storage.begin() as work:
        seller = admin(work, f"admin {mark}")
        buyer = customer(work, seller, f"customer {mark}", credit_limit_micros=MAX_MICROS)
        ids = work.reserve_ids(len(drawn))
    documents = [
        billed(document(buyer, f"{mark}-{one}", id=one), amount) for one, amount in zip(ids, drawn, strict=True)
    ]
    charges = [charge(buyer, f"{mark} {one}", amount, document_id=one) for one, amount in zip(ids, drawn, strict=True)]
    cash = LedgerAccount(seller.id, Book.CASH, "USD")
    used = 0

    with storage.begin() as work:
        for made, one, amount in zip(documents, charges, drawn, strict=True):
            # what the call takes out of the wallet is paid in at once: the wallet holds no more than one of them
            both = (Transfer(wallet(buyer), revenue(seller), amount), Transfer(cash, wallet(buyer), amount))
            changes = Changes(postings=[posting(one.posting_key, *both)], charges=[one], documents=[made])
            if used + amount <= MAX_MICROS:
                used += amount
                changes.used[buyer.id, DAY] = Used(amount, 1, 60)
            work.save(changes)
    with storage.begin() as work:
        epochs = {buyer.id: work.wallet(buyer.id).epoch}
        work.save(Changes(postings=[posting(f"{mark} funds", Transfer(cash, wallet(buyer), MAX_MICROS))]))
        assert work.place_hold(hold(f"{mark}", buyer, (buyer, drawn[0])), epochs)

    with storage.snapshot() as work:
        assert list(work.charges(account_id=buyer.id)) == charges
        assert list(work.documents(buyer.id)) == documents
        assert sum(each.total_micros for each in work.documents(buyer.id)) == sum(
            each.total_micros for each in documents
        )
        assert work.used(buyer.id, DAY, UNTIL).get(DAY, Used()).micros == used
        kept = work.wallet(buyer.id)
        assert (kept.balance_micros, kept.held_micros) == (MAX_MICROS, drawn[0])
        assert kept.available_micros == MAX_MICROS - drawn[0]
        found = work.find_hold(f"{mark}")
        assert found is not None
        assert found.levels[0].micros == drawn[0]


def billed(made: Document, amount: int) -> Document:
    """A document of one line for an amount, which it bills in whole minor units."""
    cents = amount // CENT * CENT
    return evolve(made, lines=(evolve(made.lines[0], exact_micros=amount, micros=cents),), total_micros=cents)
