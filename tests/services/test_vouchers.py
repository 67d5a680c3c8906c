"""Refill cards: made in batches, redeemed once whatever runs at the same time, and refused without telling why."""

import csv
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.services.books import at, balance, everything, moved
from tests.services.conftest import on_every_storage
from tests.services.test_processes import Worker

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import AlreadyExists, HierarchyError, IdempotencyConflict, InvalidValue, NotFound
from astpp_billing.hierarchy import Account
from astpp_billing.ledger import Book, Posting, Reason
from astpp_billing.ledger.vouchers import ALPHABET, VoucherState, read_code
from astpp_billing.money import Money
from astpp_billing.services.vouchers import COLUMNS, CardRefusal, CardRefused, NewCards, vouchers_csv
from astpp_billing.testing.worlds import START, chain, commission, distributor

TEN = Money("10", "USD")
DAY = timedelta(days=1)

billing = on_every_storage


def make(billing: Billing, seller: Account, count: int = 3, **more: Any) -> NewCards:
    said: dict[str, Any] = {"amount": TEN, "count": count, "name": "spring"} | more
    return billing.vouchers.generate(seller, **said)


def redeemed(billing: Billing, account: Account, code: str, key: str = "1") -> Posting:
    posting = billing.vouchers.redeem(account, code, key=key)
    assert isinstance(posting, Posting), posting
    return posting


def refusal(billing: Billing, account: Account, code: str, key: str = "1") -> CardRefusal:
    """Why a card is refused; and that nothing has changed."""
    before = everything(billing)
    refused = billing.vouchers.redeem(account, code, key=key)
    assert isinstance(refused, CardRefused), refused
    assert everything(billing) == before
    return refused.reason


def states(billing: Billing, cards: NewCards) -> list[str]:
    return [one.state.value for one in billing.vouchers.cards(cards.batch.id)]


def test_a_card_of_the_parent_is_a_refill(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.03"))
    cards = make(billing, shop.resellers[0], expires_at=START + DAY)

    posting = redeemed(billing, shop.customer, cards.codes[1])

    assert moved(posting) == [(shop.resellers[0].id, Book.CASH, shop.customer.id, Book.WALLET, 10_000_000, "USD")]
    assert (posting.key, posting.reason, posting.at) == ("voucher:1", Reason.REFILL, clock.now())
    assert posting.note == "refill card spring 2"
    assert balance(billing, shop.customer) == "10.00 USD"
    assert states(billing, cards) == ["open", "redeemed", "open"]
    card = billing.vouchers.find(cards.codes[1]).voucher
    assert (card.account_id, card.posting_key, card.redeemed_at) == (shop.customer.id, "voucher:1", clock.now())
    with billing.reports.statement(shop.customer, at(2026, 1, 1), at(2027, 1, 1)) as statement:
        assert [line.entry.description for line in statement.lines] == ["refill card spring 2"]
    assert billing.ledger.reconcile().discrepancies == ()


def test_a_card_from_further_up_refills_every_wallet_on_the_way(billing: Billing) -> None:
    shop = chain(billing, distributor("0.02"), commission(10))
    top, agent = shop.resellers
    cards = make(billing, shop.admin)

    posting = redeemed(billing, shop.customer, cards.codes[0])

    assert moved(posting) == [
        (agent.id, Book.CASH, shop.customer.id, Book.WALLET, 10_000_000, "USD"),
        (top.id, Book.CASH, agent.id, Book.WALLET, 10_000_000, "USD"),
        (shop.admin.id, Book.CASH, top.id, Book.WALLET, 10_000_000, "USD"),
    ]
    assert [balance(billing, account) for account in shop.path[:-1]] == 3 * ["10.00 USD"]
    assert all(not billing.ledger.profits(account) for account in shop.path)
    assert isinstance(billing.vouchers.redeem(agent, cards.codes[1], key="2"), Posting)
    assert [balance(billing, account) for account in shop.path[:-1]] == ["10.00 USD", "20.00 USD", "20.00 USD"]


def test_codes_are_given_out_once_and_nowhere_stored(billing: Billing) -> None:
    shop = chain(billing)
    cards = make(billing, shop.admin, 50, key="k")

    assert len(set(cards.codes)) == 50
    assert all(read_code(code) for code in cards.codes)
    assert {char for code in cards.codes for char in code} <= {*ALPHABET, "-"}
    again = make(billing, shop.admin, 50, key="k")
    assert again == NewCards(cards.batch, ())
    assert billing.vouchers.batches() == [cards.batch]
    kept = repr([cards.batch, cards, *billing.vouchers.cards(cards.batch.id)])
    assert not any(code in kept or code.replace("-", "") in kept for code in cards.codes)


def test_a_batch_is_made_once_for_each_key_and_name(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    make(billing, shop.admin, key="k")

    with pytest.raises(IdempotencyConflict, match="'k' was used before"):
        make(billing, shop.admin, 4, key="k")
    with pytest.raises(AlreadyExists, match="spring exists already"):
        make(billing, shop.admin, key="another")
    assert make(billing, shop.resellers[0], name="spring").codes
    assert [one.seller_id for one in billing.vouchers.batches()] == [shop.admin.id, shop.resellers[0].id]
    assert [one.seller_id for one in billing.vouchers.batches(shop.admin)] == [shop.admin.id]


@pytest.mark.parametrize(
    "said",
    [
        {"count": 0},
        {"count": 100_001},
        {"amount": Money("0", "USD")},
        {"amount": Money("-1", "USD")},
        {"name": ""},
        {"name": "two\nlines"},
        {"expires_at": START},
    ],
)
def test_a_batch_that_can_never_be_right_is_refused(billing: Billing, said: dict[str, Any]) -> None:
    shop = chain(billing)

    with pytest.raises(InvalidValue):
        make(billing, shop.admin, **said)
    assert billing.vouchers.batches() == []


def test_only_open_sellers_make_cards(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    billing.accounts.close(shop.customer)
    billing.accounts.close(shop.resellers[0])

    for account in (shop.customer, shop.provider, shop.resellers[0]):
        with pytest.raises(HierarchyError, match="cannot sell refill cards"):
            make(billing, account)
    assert billing.vouchers.batches() == []


def test_the_same_key_gives_the_first_result(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.03"))
    cards = make(billing, shop.admin, expires_at=START + DAY)
    first = redeemed(billing, shop.customer, cards.codes[0])
    clock.advance(2 * DAY)
    before = everything(billing)

    assert redeemed(billing, shop.customer, cards.codes[0].lower()) == first
    for account, code in ((shop.customer, cards.codes[1]), (shop.resellers[0], cards.codes[0])):
        with pytest.raises(IdempotencyConflict, match="'voucher:1' was used before"):
            billing.vouchers.redeem(account, code, key="1")
    with pytest.raises(InvalidValue, match="needs a key"):
        billing.vouchers.redeem(shop.customer, cards.codes[0], key="")
    assert everything(billing) == before


def test_cards_that_are_not_valid_are_not_told_apart(billing: Billing, clock: FixedClock) -> None:
    """Unknown, used, expired, blocked, of a stranger, and the seller's own: all the same to whoever tries."""
    shop, stranger = chain(billing, distributor("0.03")), chain(billing, name="other")
    seller, buyer = shop.resellers[0], shop.customer
    first = make(billing, seller)
    used, blocked, fine = first.codes
    dead = make(billing, seller, 1, name="dead", expires_at=START + DAY)
    off = make(billing, seller, 1, name="off")
    billing.vouchers.block(first.batch.id, serial=2)
    billing.vouchers.block(off.batch.id)
    redeemed(billing, buyer, used)
    clock.advance(DAY)
    others = make(billing, stranger.admin, 1).codes[0]

    unknown = "22222-22222-22222-22222"
    for number, code in enumerate((unknown, used, blocked, dead.codes[0], off.codes[0], others)):
        assert refusal(billing, buyer, code, str(100 + number)) is CardRefusal.NOT_VALID
    assert refusal(billing, seller, fine, "2") is CardRefusal.NOT_VALID
    assert refusal(billing, shop.admin, fine, "2") is CardRefusal.NOT_VALID
    assert refusal(billing, shop.provider, fine, "2") is CardRefusal.NOT_VALID
    assert refusal(billing, stranger.customer, fine, "2") is CardRefusal.NOT_VALID
    assert refusal(billing, buyer, f"{fine[:-1]}{'2' if fine[-1] != '2' else '3'}", "2") is CardRefusal.MISTYPED
    assert refusal(billing, buyer, "", "2") is CardRefusal.MISTYPED
    redeemed(billing, buyer, fine, "2")


def test_a_card_in_another_currency_is_refused(billing: Billing) -> None:
    """Also where only a reseller in between has another one."""
    shop = chain(billing, distributor("0.03", currency="EUR"))
    code = make(billing, shop.admin, 1).codes[0]
    euros = make(billing, shop.resellers[0], 1, amount=Money("10", "EUR")).codes[0]
    in_dollars = billing.accounts.open_customer(shop.resellers[0], number="dollars", currency="USD")

    assert refusal(billing, shop.resellers[0], code) is CardRefusal.OTHER_CURRENCY
    assert refusal(billing, shop.customer, code) is CardRefusal.OTHER_CURRENCY
    assert refusal(billing, in_dollars, code) is CardRefusal.OTHER_CURRENCY
    assert refusal(billing, in_dollars, euros) is CardRefusal.OTHER_CURRENCY
    redeemed(billing, shop.customer, euros)


def test_a_closed_account_redeems_nothing(billing: Billing) -> None:
    shop = chain(billing)
    code = make(billing, shop.admin, 1).codes[0]
    billing.accounts.close(shop.customer)

    assert refusal(billing, shop.customer, code) is CardRefusal.CLOSED


def test_batches_and_cards_are_blocked_and_unblocked_each_by_itself(billing: Billing) -> None:
    shop = chain(billing)
    cards = make(billing, shop.admin)
    billing.vouchers.block(cards.batch.id, serial=1, key="a")
    billing.vouchers.block(cards.batch.id, key="b")
    assert refusal(billing, shop.customer, cards.codes[1]) is CardRefusal.NOT_VALID
    billing.vouchers.unblock(cards.batch.id)
    assert states(billing, cards) == ["blocked", "open", "open"]
    assert refusal(billing, shop.customer, cards.codes[0]) is CardRefusal.NOT_VALID
    billing.vouchers.block(cards.batch.id, key="b")  # done before: once for each key
    assert billing.vouchers.find(cards.codes[0]).batch == cards.batch
    billing.vouchers.unblock(cards.batch.id, serial=1)
    redeemed(billing, shop.customer, cards.codes[0])
    billing.vouchers.block(cards.batch.id, serial=1)
    assert states(billing, cards)[0] == VoucherState.REDEEMED
    with pytest.raises(NotFound, match="no card 4"):
        billing.vouchers.block(cards.batch.id, serial=4)
    with pytest.raises(NotFound, match="no batch of refill cards"):
        billing.vouchers.unblock(10**6)
    with pytest.raises(NotFound, match="no batch of refill cards"):
        billing.vouchers.cards(10**6)
    for code in ("22222-22222-22222-22222", "nonsense"):
        with pytest.raises(NotFound, match="no card has this code"):
            billing.vouchers.find(code)


def test_new_cards_are_exported_and_nothing_becomes_a_formula(billing: Billing) -> None:
    shop = chain(billing)
    cards = make(billing, shop.admin, 2, name="=1+1", expires_at=START + DAY)
    forever = make(billing, shop.admin, 1, name="plain")

    header, *rows = csv.reader(vouchers_csv(cards))
    assert tuple(header) == COLUMNS
    ends = "2026-01-02T00:00:00+00:00"
    assert rows == [["'=1+1", str(serial), code, "10.00", "USD", ends] for serial, code in enumerate(cards.codes, 1)]
    assert list(csv.reader(vouchers_csv(forever)))[1][-1] == ""


def test_a_card_is_redeemed_on_the_path_that_the_account_has_by_then(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    cards = make(billing, shop.resellers[0])
    billing.accounts.move(shop.customer, shop.admin)

    assert refusal(billing, shop.customer, cards.codes[0]) is CardRefusal.NOT_VALID


@pytest.mark.slow
@pytest.mark.parametrize("keys", [1, 8])
def test_eight_threads_redeem_one_card_once(shared_url: str, keys: int) -> None:
    """For several accounts or one, under one key or several: one refill, and the others are refused or repeat it."""
    with Billing.open(shared_url, FixedClock(START)) as billing:
        shop = chain(billing, distributor("0.03"))
        buyers = [shop.customer]
        if keys > 1:
            buyers += [billing.accounts.open_customer(shop.resellers[0], number=f"more-{one}") for one in range(3)]
        for turn in range(5):
            code = make(billing, shop.admin, 1, name=str(turn)).codes[0]

            def redeem(number: int, code: str = code, turn: int = turn) -> Posting | CardRefused:
                buyer = buyers[number % len(buyers)]
                return billing.vouchers.redeem(buyer, code, key=f"{turn}-{number % keys}")

            with ThreadPoolExecutor(8) as pool:
                results = list(pool.map(redeem, range(8)))
            done = [one for one in results if isinstance(one, Posting)]
            assert len({one.key for one in done}) == 1
            assert keys == 8 or len(done) == 8
            assert all(one.reason is CardRefusal.NOT_VALID for one in results if isinstance(one, CardRefused))
        assert sum(billing.ledger.balance(buyer).micros for buyer in buyers) == 5 * TEN.micros
        assert balance(billing, shop.resellers[0]) == "50.00 USD"
        assert billing.ledger.reconcile().discrepancies == ()


REDEEM = """
import sys
from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.testing.worlds import START

url, name, *codes = sys.argv[1:]
with Billing.open(url, FixedClock(START)) as billing:
    print("ready", flush=True)
    sys.stdin.readline()
    for number, code in enumerate(codes):
        account = billing.accounts.get("chain-customer")
        print(type(billing.vouchers.redeem(account, code, key=name + str(number))).__name__)
"""


@pytest.mark.slow
def test_processes_redeem_each_card_once(shared_url: str) -> None:
    with Billing.open(shared_url, FixedClock(START)) as billing:
        shop = chain(billing)
        cards = make(billing, shop.admin, 10)
    workers = [Worker(REDEEM, shared_url, f"worker {number} ", *cards.codes) for number in range(4)]
    for worker in workers:
        worker.wait()
    for worker in workers:
        worker.go()
    said = [line for worker in workers for line in worker.finish()]

    assert sorted(said) == 30 * ["CardRefused"] + 10 * ["Posting"]
    with Billing.open(shared_url, FixedClock(START)) as billing:
        assert balance(billing, shop.customer) == "100.00 USD"
        assert states(billing, cards) == 10 * ["redeemed"]
        assert billing.ledger.reconcile().discrepancies == ()


@settings(max_examples=25)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["redeem", "redeem", "redeem", "block", "unblock", "pass"]),
            st.integers(0, 3),
            st.integers(0, 5),
        ),
        max_size=20,
    )
)
@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
def test_whatever_is_done_each_card_refills_once_or_never(url: str, steps: list[tuple[str, int, int]]) -> None:
    """The wallets have what the redeemed cards are worth; what was redeemed stays so; everything is proved."""
    clock = FixedClock(START)
    with Billing.open(url, clock) as billing:
        shop = chain(billing, distributor("0.03"))
        cards = make(billing, shop.resellers[0], expires_at=START + 3 * DAY)
        more = make(billing, shop.admin, name="admin's")
        codes = (*cards.codes, *more.codes)
        for number, (what, who, which) in enumerate(steps):
            batch = (cards, more)[which // 3].batch
            before = {code for code in codes if billing.vouchers.find(code).voucher.account_id is not None}
            if what == "pass":
                clock.advance(DAY)
            elif what == "redeem":
                billing.vouchers.redeem((*shop.path, shop.provider)[who], codes[which], key=str(number))
            else:
                (billing.vouchers.block if what == "block" else billing.vouchers.unblock)(
                    batch.id, serial=None if who == 0 else which % 3 + 1
                )
            after = {code for code in codes if billing.vouchers.find(code).voucher.account_id is not None}
            assert before <= after
            assert len(after) <= len(before) + 1
        refills = [one for one in codes if billing.vouchers.find(one).voucher.account_id == shop.customer.id]
        assert billing.ledger.balance(shop.customer).micros == len(refills) * TEN.micros
        used = [billing.vouchers.find(one).voucher for one in more.codes]
        by_admin = sum(1 for one in used if one.account_id is not None)
        assert billing.ledger.balance(shop.resellers[0]).micros == by_admin * TEN.micros
        assert billing.ledger.reconcile().discrepancies == ()
