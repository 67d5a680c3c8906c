"""Whatever is done with a business, every storage does what memory does, and the books agree after each step."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from tests.property.commerce import (
    CALLS,
    DAY,
    HOLDS,
    KEYED,
    LEGS,
    MONEY,
    NOTED,
    PEOPLE,
    PURCHASES,
    TIME,
    Business,
    Command,
    a_command,
    businesses,
    run,
    sell_boxes,
    usual_calls,
)
from tests.servers import wipe
from tests.storage.twins import renamed

from astpp_billing.billing import Billing
from astpp_billing.calls import Approved, CallRecord, Refused, RefusedReason, Settled, Unrated
from astpp_billing.calls.admission import Agreement
from astpp_billing.clock import FixedClock
from astpp_billing.errors import IdempotencyConflict
from astpp_billing.ledger import Hold, Order, Posting
from astpp_billing.money import Money
from astpp_billing.pricing.orders import NotSold
from astpp_billing.services.adjusting import Short
from astpp_billing.services.orders import Purchased
from astpp_billing.storage import open_storage
from astpp_billing.testing.worlds import START, call

Stored = dict[str, Any]

LEG_KEYS = [call(leg=str(leg)).key for leg in range(LEGS)]


def stored_of(billing: Billing, keys: list[str]) -> Stored:
    """All that a storage has, as far as the machine can have put it there; with the ids it has there."""
    with billing.storage.snapshot() as uow:
        accounts = uow.accounts()
        seen = uow.look(keys=LEG_KEYS, numbers=[account.number for account in accounts])
        ids = [account.id for account in accounts]
        return {
            "accounts": accounts,
            "wallets": seen.wallets,
            "billed_until": [uow.billed_until(one) for one in ids],
            "configs": seen.configs,
            "groups": uow.rate_groups(),
            "used": [uow.used(one, date(1970, 1, 1), date(2100, 1, 1)) for one in ids],
            "balances": uow.balances(),
            "proved": uow.proved_balances(),
            "calls": uow.calls(),
            "charges": uow.charges(),
            "documents": uow.documents(),
            "postings": sorted(uow.postings(), key=lambda posting: posting.key),
            "open": uow.holds(),
            "orders": uow.orders(),
            "holds": seen.holds,
            "commands": {key: found.at for key in keys if (found := uow.find_command(key)) is not None},
        }


def plain(value: Any) -> Any:
    """A value that can be compared: with what was agreed as values, and without digests, which have ids in them."""
    match value:
        case Approved():
            return evolve(value, hold=plain(value.hold))
        case Purchased():
            return evolve(value, order=plain(value.order))
        case Order():
            return evolve(value, id=0, product_id=0)
        case Hold():
            return evolve(value, terms=Agreement.read(value.terms))  # type: ignore[arg-type]  # to be compared only
        case Posting():
            return evolve(value, fingerprint="")
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value] if type(value) in (list, tuple) else value
        case _:
            return value


def translated(value: Any, stored: Stored) -> Any:
    """A value in which each account and each document has its place among all as its id."""
    accounts = {account.id: place for place, account in enumerate(stored["accounts"], 1)}
    documents = {document.id: place for place, document in enumerate(stored["documents"], 1)}
    return renamed(plain(value), lambda one: accounts.get(one, -1), lambda one: documents.get(one, -1), int)


def assert_same(one: Stored, other: Stored) -> None:
    """One kind of thing after the other, so that a failure shows which."""
    for name in one:
        assert one[name] == other[name], name


class TwoBusinesses(RuleBasedStateMachine):
    """The same business, in memory and in another storage, with the same done to both."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.clock = FixedClock(START)
        self.both = [Billing.open("memory://", self.clock), Billing.open(url, self.clock)]
        self.stored: list[Stored] = []
        self.proved: list[Stored] = []
        self.keys: list[str] = []
        self.done: list[tuple[str, Command]] = []

    def teardown(self) -> None:
        for billing in self.both:
            billing.close()

    @initialize(
        business=businesses(),
        funds=st.lists(st.sampled_from([10**9] * 6 + [30_000, 0]), min_size=4, max_size=4),
        losses=st.sampled_from([True, True, False]),
    )
    def open(self, business: Business, funds: list[int], losses: bool) -> None:
        """Most have money, and may sell at a loss, as prices are by chance: else nearly all calls were refused."""
        for billing in self.both:
            shop = business.open(billing)
            sell_boxes(billing, shop)
            for account, micros in zip(shop.path[:-1], funds, strict=False):
                if micros:
                    billing.ledger.refill(account, Money.from_micros(micros, account.currency), key=account.number)
            for seller in shop.path[1:] if losses else ():
                billing.accounts.change(seller, loss_less_routing=True)
        self.look()

    def look(self) -> None:
        self.stored = [stored_of(billing, self.keys) for billing in self.both]

    def each(self, command: Command, key: str) -> list[Any]:
        """Do it on both, and see that the same comes of it."""
        if command[0] == "pass":
            (time,) = command[1]
            self.clock.advance(time)
            return [None, None]
        results = [run(billing, command, key) for billing in self.both]
        self.look()
        one, other = (translated(result, stored) for result, stored in zip(results, self.stored, strict=True))
        assert one == other
        return results

    def do(self, command: Command) -> None:
        key = f"key {len(self.keys)}"
        self.keys.append(key)
        result, _ = self.each(command, key)
        if command == ("bill", (False,)):
            assert self.each(command, key) == [[], []]  # what a run has billed, the next one does not bill again
        if command[0] == "settle_many":
            records, _ = command[1]
            settled = zip(records, result, strict=True)
            self.done += [(key, ("settle", (record,))) for record, one in settled if not isinstance(one, type)]
        elif command[0] in KEYED and not isinstance(
            result, type | Refused | NotSold | Short
        ):  # what was refused may succeed later
            self.done.append((key, command))

    def check_unchanged(self, before: list[Stored]) -> None:
        for now, then in zip(self.stored, before, strict=True):
            assert_same(now, then)

    @rule(command=a_command(CALLS))
    def calls(self, command: Command) -> None:
        self.do(command)

    @rule(command=usual_calls)
    def call(self, command: Command) -> None:
        self.do(command)

    @rule(command=a_command(HOLDS))
    def hold(self, command: Command) -> None:
        self.do(command)

    @rule(data=st.data(), then=st.sampled_from(["settle", "settle", "void", "extend"]), seconds=st.integers(0, 900))
    @precondition(lambda self: self.stored and self.stored[0]["open"])
    def go_on_with_a_call(self, data: st.DataObject, then: str, seconds: int) -> None:
        """What is done with a call for which money is held; by chance alone it would be rare."""
        hold = data.draw(st.sampled_from(self.stored[0]["open"]))
        _, _, leg = hold.key.rpartition(":")
        agreement = Agreement.read(hold.terms)
        record = call(agreement.account, seconds, leg=leg, number=agreement.number, provider=agreement.provider)
        self.do((then, {"settle": (record,), "void": (leg,), "extend": (leg, seconds + 1)}[then]))

    @rule(command=a_command(MONEY))
    def move_money(self, command: Command) -> None:
        self.do(command)

    @rule(command=a_command(PURCHASES))
    def buy(self, command: Command) -> None:
        self.do(command)

    @rule(command=a_command(PEOPLE))
    def change_people(self, command: Command) -> None:
        self.do(command)

    @rule(command=a_command(TIME))
    def let_time_pass(self, command: Command) -> None:
        self.do(command)

    @rule(command=usual_calls)
    def rate_later(self, command: Command) -> None:
        """A call that cannot be rated when its record comes."""
        for group, then in ((None, command), ("chain-customer", ("retry", ()))):
            self.do(("change", ("chain-customer", {"rate_group": group})))
            self.do(then)

    @rule(days=st.integers(1, 12))
    def bill_another_day(self, days: int) -> None:
        self.do(("pass", (days * DAY,)))
        self.do(("bill", (False,)))

    @rule(before=st.integers(-1, 3))
    def close_what_is_over(self, before: int) -> None:
        self.do(("close_period", (self.clock.now() - START - before * DAY,)))

    @rule(data=st.data())
    @precondition(lambda self: self.done)
    def send_again(self, data: st.DataObject) -> None:
        """The same key with the same content gives the result as it is by now, and changes nothing."""
        key, command = data.draw(st.sampled_from(self.done))
        before = self.stored
        for result, stored in zip(self.each(command, key), before, strict=True):
            check_repeated(command, result, stored)
        self.check_unchanged(before)

    @rule(data=st.data(), kind=st.booleans())
    @precondition(lambda self: self.done)
    def send_something_else(self, data: st.DataObject, kind: bool) -> None:
        """The same key with another content, or for another kind of command, is a conflict, and changes nothing."""
        key, command = data.draw(st.sampled_from(self.done))
        before = self.stored
        other = ANOTHER_KIND if kind and command[0] in NOTED else with_other_content(command)
        assert self.each(other, key) == [IdempotencyConflict] * 2
        self.check_unchanged(before)

    @invariant()
    def both_have_the_same_and_the_books_agree(self) -> None:
        """After each step that changed something."""
        if self.stored != self.proved:
            assert_same(*(translated(stored, stored) for stored in self.stored))
            for billing, stored in zip(self.both, self.stored, strict=True):
                assert billing.ledger.reconcile().discrepancies == ()
                check_books(stored)
            self.proved = self.stored


def check_books(stored: Stored) -> None:
    """All books together have nothing, in each currency; what is held is what open holds reserve."""
    sums: dict[str, int] = {}
    for account, micros in stored["proved"].items():
        sums[account.currency] = sums.get(account.currency, 0) + micros
    assert set(sums.values()) <= {0}
    held = dict.fromkeys(stored["wallets"], 0)
    for level in (level for hold in stored["open"] for level in hold.levels):
        held[level.account_id] += level.micros
    assert {account_id: wallet.held_micros for account_id, wallet in stored["wallets"].items()} == held


def check_repeated(command: Command, result: Any, stored: Stored) -> None:
    """What was done before, and is done again, gives what was stored of it."""
    match command:
        case "settle", (CallRecord() as record,):
            check_settled(record, result, stored)
        case "authorize", (record,):
            hold = stored["holds"][record.key]
            if isinstance(result, Refused):
                assert result.reason is RefusedReason.ENDED
                assert hold not in stored["open"] or record.key in {each.key for each in stored["calls"]}
            else:
                assert result == Approved(Agreement.read(hold.terms).max_seconds, hold, repeated=True)
        case (("refill" | "credit" | "debit"), _):
            assert result in stored["postings"]
        case "purchase", _:
            assert isinstance(result, Purchased)
            assert result.repeated
            assert result.order in stored["orders"]
            at_once = {document.id for document in stored["documents"] if document.period is None}
            # as the first result told it: what came on a document later waited for it then
            assert list(result.charges) == [
                each if each.document_id in at_once else evolve(each, document_id=None)
                for each in stored["charges"]
                if each.posting_key == result.order.posting_key
            ]
        case ("tax", _) | ("close_period", _):
            assert not isinstance(result, type)
        case _:
            changed = result if isinstance(result, list) else [result]
            assert all(account in stored["accounts"] for account in changed)


def check_settled(record: CallRecord, result: Any, stored: Stored) -> None:
    assert isinstance(result, Settled | Unrated)
    assert result.repeated
    assert [result.entry] == [each for each in stored["calls"] if each.key == record.key]
    if isinstance(result, Settled):
        assert list(result.charges) == [each for each in stored["charges"] if each.posting_key == record.key]


ANOTHER_KIND: Command = ("tax", ("chain-admin", "0.01"))
"""What is never done otherwise."""


def with_other_content(command: Command) -> Command:
    """A command of the same kind with something else in it."""
    match command:
        case ("settle" | "authorize") as name, (record,):
            return name, (evolve(record, number=record.number + "9"),)
        case ("refill" | "credit") as name, (number, micros, currency):
            return name, (number, micros + 1, currency)
        case "debit", (number, micros, currency, force):
            return "debit", (number, micros + 1, currency, force)
        case "purchase", (number, quantity):
            return "purchase", (number, quantity + 1)
        case "close_period", (after,):
            return "close_period", (after - timedelta(seconds=1),)
        case "move", (number, parent):
            return "move", (number, "chain-admin" if parent != "chain-admin" else "chain-provider")
        case "change", (number, changes):
            return "change", (number, changes | {"name": "Another"})
        case "close", _:
            return "close", ("chain-admin",)
        case "open", (parent, number):
            return "open", (parent, number + "x")
        case "tax", (number, _):
            return "tax", (number, "0.02")
        case _:
            raise AssertionError(command)


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
    check_alike(partial(TwoBusinesses, "sqlite://"), 10, 30)


@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_a_server_does_what_memory_does(server: str, request: pytest.FixtureRequest) -> None:
    url: str = request.getfixturevalue(f"{server}_url")
    open_storage(url).close()
    check_alike(lambda: TwoBusinesses(wipe(url)), 4, 25)
