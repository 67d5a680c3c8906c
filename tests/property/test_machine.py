"""Whatever is done with a business, every storage does what memory does, and the books agree after each step."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from tests.property.commerce import (
    CALLS,
    DAY,
    HOLDS,
    KEYED,
    MONEY,
    NOTED,
    PEOPLE,
    TIME,
    Business,
    Command,
    a_command,
    businesses,
    run,
    usual_calls,
)
from tests.property.repeats import ANOTHER_KIND, check_repeated, with_other_content
from tests.property.sales import (
    CARDS,
    LISTINGS,
    PURCHASES,
    READING,
    SALES,
    SALES_KEYED,
    SALES_NOTED,
    SUBSCRIPTIONS,
    a_sale,
    check_as_quoted,
    open_shelves,
    run_sale,
    usual_listings,
    usual_purchases,
)
from tests.property.stored import Places, Stored, assert_same, check_books, compared, stored_of
from tests.servers import wipe

from astpp_billing.billing import Billing
from astpp_billing.calls import Refused
from astpp_billing.calls.admission import Agreement
from astpp_billing.clock import FixedClock
from astpp_billing.errors import IdempotencyConflict
from astpp_billing.ledger import Reason
from astpp_billing.money import Money
from astpp_billing.pricing.orders import NotSold
from astpp_billing.pricing.subscriptions import SubscriptionStatus
from astpp_billing.services.adjusting import CORRECTABLE, Short
from astpp_billing.services.vouchers import CardRefused
from astpp_billing.storage import open_storage
from astpp_billing.testing.worlds import START, call

REFUSALS = (type, Refused, NotSold, Short, CardRefused)
"""What a command comes to that may succeed later, under the same key."""

OF_DOCUMENTS = (Reason.INVOICE, Reason.RECEIPT)
"""Postings whose keys have ids of accounts in them, which differ between storages."""

COMMANDS = {
    "call": usual_calls | a_command(CALLS),
    "hold": a_command(HOLDS),
    "move_money": a_command(MONEY),
    "change_people": a_command(PEOPLE),
    "let_time_pass": a_command(TIME),
}
"""Steps that are one command each."""

STEPS = {
    "renew_another_day": 3,
    "call": 4,
    "hold": 1,
    "go_on_with_a_call": 2,
    "rate_later": 1,
    "move_money": 2,
    "take_back": 2,
    "refund": 1,
    "buy": 4,
    "list_otherwise": 4,
    "go_on_with_a_subscription": 4,
    "make_cards": 1,
    "use_cards": 3,
    "change_people": 3,
    "let_time_pass": 1,
    "bill_another_day": 1,
    "close_what_is_over": 1,
    "send_again": 3,
    "send_something_else": 2,
}
"""What can be done next, and how often."""

TURNS = [name for turn in range(max(STEPS.values())) for name, often in STEPS.items() if turn < often]


class TwoBusinesses(RuleBasedStateMachine):
    """The same business, in memory and in another storage, with the same done to both."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.clock = FixedClock(START)
        self.both = [Billing.open("memory://", self.clock), Billing.open(url, self.clock)]
        self.codes: list[list[str]] = [[], []]
        self.stored: list[Stored] = []
        self.proved: list[Stored] = []
        self.keys, self.turns = count(), count()
        self.done: list[tuple[str, Command]] = []

    def teardown(self) -> None:
        for billing in self.both:
            billing.close()

    @initialize(
        business=businesses(fewest=1),
        poor=st.sampled_from([None] * 5 + [0, 1, 2, 3]),
        losses=st.sampled_from([True, True, False]),
    )
    def open(self, business: Business, poor: int | None, losses: bool) -> None:
        """Most have money, and may sell at a loss, as prices are by chance: else nearly all calls were refused."""
        for billing in self.both:
            shop = business.open(billing)
            open_shelves(billing, shop)
            for place, account in enumerate(shop.path[:-1]):
                micros = 10**7 if place == poor else 10**11
                billing.ledger.refill(account, Money.from_micros(micros, account.currency), key=account.number)
            for seller in shop.path[1:] if losses else ():
                billing.accounts.change(seller, loss_less_routing=True)
        self.stored = [stored_of(billing) for billing in self.both]
        for number, code in (("chain-customer", "plan"), ("chain-1", "line")):
            self.do(("purchase", (number, code, 1)))
        self.generate("cards", 3, 60)

    def generate(self, name: str, cards: int, days: int) -> None:
        """Make cards that the customer can use."""
        accounts = {account.id: account for account in self.stored[0]["accounts"]}
        customer = next(account for account in accounts.values() if account.number == "chain-customer")
        seller = accounts[customer.parent_id].number
        self.do(("generate", (seller, 10_000_000, customer.currency, cards, name, days)))

    def look(self, key: str) -> None:
        before = self.stored
        self.stored = [stored_of(billing, key, stored) for billing, stored in zip(self.both, before, strict=True)]

    def each(self, command: Command, key: str) -> list[Any]:
        """Do it on both, and see that the same comes of it."""
        if command[0] == "pass":
            (time,) = command[1]
            self.clock.advance(time)
            return [None, None]
        if command[0] in SALES:
            pairs = zip(self.both, self.codes, strict=True)
            results = [run_sale(billing, codes, command, key) for billing, codes in pairs]
        elif command[0] == "correct":
            posting_key, reason = command[1]
            there = [("correct", (Places(stored).key_there(posting_key), reason)) for stored in self.stored]
            results = [run(billing, each, key) for billing, each in zip(self.both, there, strict=True)]
        else:
            results = [run(billing, command, key) for billing in self.both]
        if command[0] not in READING and not all(isinstance(each, type) for each in results):
            self.look(key)  # after what raised, the next look is early enough: it finds what should not have been done
        one, other = (Places(stored).here(result) for result, stored in zip(results, self.stored, strict=True))
        assert one == other
        return results

    def do(self, command: Command) -> list[Any]:
        key = f"key {next(self.keys)}"
        results = self.each(command, key)
        result = results[0]
        if command == ("bill", (False,)):
            # what a run has billed, the next one does not bill again
            assert [run(billing, command, key) for billing in self.both] == [[], []]
        if command[0] == "settle_many":
            records, _ = command[1]
            settled = zip(records, result, strict=True)
            self.done += [(key, ("settle", (record,))) for record, one in settled if not isinstance(one, type)]
        elif command[0] in KEYED | SALES_KEYED and not isinstance(result, REFUSALS):
            self.done.append((key, command))
        return results

    def check_unchanged(self, before: list[Stored]) -> None:
        for now, then in zip(self.stored, before, strict=True):
            assert_same(now, then)

    @rule(data=st.data(), ahead=st.integers(0, len(TURNS) - 1))
    def step(self, data: st.DataObject, ahead: int) -> None:
        """All in one rule: of many rules, Hypothesis leaves out some in each example, and there are few examples.

        They take turns, so that the simplest example, which is always tried, has each of them in it.
        """
        what = TURNS[(next(self.turns) + ahead) % len(TURNS)]
        if what in COMMANDS:
            self.do(data.draw(COMMANDS[what]))
        else:
            getattr(self, what)(data)

    def go_on_with_a_call(self, data: st.DataObject) -> None:
        """What is done with a call for which money is held; by chance alone it would be rare."""
        if not self.stored[0]["open"]:
            self.do(("authorize", data.draw(usual_calls)[1]))
            return
        hold = data.draw(st.sampled_from(self.stored[0]["open"]))
        _, _, leg = hold.key.rpartition(":")
        agreement = Agreement.read(hold.terms)
        seconds = data.draw(st.integers(0, 900))
        record = call(agreement.account, seconds, leg=leg, number=agreement.number, provider=agreement.provider)
        then = data.draw(st.sampled_from(["settle", "settle", "void", "extend"]))
        self.do((then, {"settle": (record,), "void": (leg,), "extend": (leg, seconds + 1)}[then]))

    def rate_later(self, data: st.DataObject) -> None:
        """A call that cannot be rated when its record comes."""
        for group, then in ((None, data.draw(usual_calls)), ("chain-customer", ("retry", ()))):
            self.do(("change", ("chain-customer", {"rate_group": group})))
            self.do(then)

    def take_back(self, data: st.DataObject) -> None:
        """What was wrong, in whole, and once; not what cannot be corrected, and not for another reason."""
        postings = [each for each in self.stored[0]["postings"] if each.reason not in OF_DOCUMENTS]
        if data.draw(st.integers(0, 3)):
            postings = [each for each in postings if each.reason in CORRECTABLE]
        if postings:
            wrong = Places(self.stored[0]).here(data.draw(st.sampled_from(postings)))
            self.do(("correct", (wrong.key, data.draw(st.sampled_from(["typo", "no"])))))

    def refund(self, data: st.DataObject) -> None:
        if self.stored[0]["orders"]:
            name, (_, quantity) = data.draw(a_sale(["refund"]))
            self.do((name, (data.draw(st.sampled_from(self.stored[0]["orders"][::-1])).key, quantity)))

    def buy(self, data: st.DataObject) -> None:
        """A purchase does what a quote said."""
        command = data.draw(usual_purchases | a_sale(PURCHASES))
        quotes = self.each(("quote", command[1]), "")
        for quote, bought in zip(quotes, self.do(command), strict=True):
            check_as_quoted(quote, bought)

    def list_otherwise(self, data: st.DataObject) -> None:
        self.do(data.draw(a_sale(LISTINGS) | usual_listings(self.stored[0])))
        self.do(data.draw(a_sale(["visible"])))

    def go_on_with_a_subscription(self, data: st.DataObject) -> None:
        if not self.stored[0]["subscriptions"]:
            self.do(data.draw(usual_purchases))
            return
        place = data.draw(st.integers(0, len(self.stored[0]["subscriptions"]) - 1))
        paused = self.stored[0]["subscriptions"][place].status is SubscriptionStatus.PAUSED
        name, (_, *arguments) = data.draw(a_sale(["resume"] if paused and data.draw(st.booleans()) else SUBSCRIPTIONS))
        self.do((name, (place, *arguments)))

    def renew_another_day(self, data: st.DataObject) -> None:
        """After some periods that were missed, at times."""
        days = data.draw(st.sampled_from([5, 0, 2, 6, 12, 31]))
        for command in (("pass", (days * DAY,)), data.draw(a_sale(["reminders"])), data.draw(a_sale(["renew"]))):
            self.do(command)

    def make_cards(self, data: st.DataObject) -> None:
        days = (self.clock.now() - START) // DAY + data.draw(st.sampled_from([60, 2]))
        self.generate(f"cards {data.draw(st.integers(1, 9))}", data.draw(st.integers(1, 3)), days)

    def use_cards(self, data: st.DataObject) -> None:
        name, arguments = data.draw(a_sale(CARDS))
        if name == "redeem":
            arguments = (arguments[0], data.draw(st.integers(0, len(self.codes[0]))))
        elif name != "generate":
            arguments = (data.draw(st.integers(0, len(self.stored[0]["batches"]))), arguments[1])
        self.do((name, arguments))

    def bill_another_day(self, data: st.DataObject) -> None:
        self.do(("pass", (data.draw(st.integers(1, 12)) * DAY,)))
        self.do(("bill", (False,)))

    def close_what_is_over(self, data: st.DataObject) -> None:
        before = data.draw(st.integers(-1, 3))
        self.do(("close_period", (self.clock.now() - START - before * DAY,)))

    def send_again(self, data: st.DataObject) -> None:
        """The same key with the same content gives the result as it is by now, and changes nothing."""
        if self.done:
            key, command = data.draw(st.sampled_from(self.done))
            before = self.stored
            for result, stored in zip(self.each(command, key), before, strict=True):
                check_repeated(command, result, stored)
            self.check_unchanged(before)

    def send_something_else(self, data: st.DataObject) -> None:
        """The same key with another content, or for another kind of command, is a conflict, and changes nothing."""
        if self.done:
            key, command = data.draw(st.sampled_from(self.done))
            before = self.stored
            kind = command[0] in NOTED | SALES_NOTED and data.draw(st.booleans())
            other = ANOTHER_KIND if kind else with_other_content(command)
            assert self.each(other, key) == [IdempotencyConflict] * 2
            self.look(key)
            self.check_unchanged(before)

    @invariant()
    def both_have_the_same_and_the_books_agree(self) -> None:
        """After each step that changed something."""
        if self.stored != self.proved:
            assert_same(*map(compared, self.stored))
            for billing, stored in zip(self.both, self.stored, strict=True):
                assert billing.ledger.reconcile().discrepancies == ()
                check_books(stored)
            self.proved = self.stored


def check_alike(make: Callable[[], TwoBusinesses], examples: int, steps: int) -> None:
    run_machine(
        make,  # type: ignore[arg-type]  # what makes a machine will do
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


def test_sqlite_does_what_memory_does() -> None:
    check_alike(partial(TwoBusinesses, "sqlite://"), 8, 32)


@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_a_server_does_what_memory_does(server: str, request: pytest.FixtureRequest) -> None:
    url: str = request.getfixturevalue(f"{server}_url")
    open_storage(url).close()
    check_alike(lambda: TwoBusinesses(wipe(url)), 5, 28)
