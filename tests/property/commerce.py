"""Random businesses, and what can be done with them: the same on every storage."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from attrs import frozen
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from tests.services.holding import attempt

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord, Failed, Settlement
from astpp_billing.clock import FixedClock
from astpp_billing.errors import BillingError
from astpp_billing.hierarchy import Account, BillingType, ReceiptMode
from astpp_billing.invoicing import Tax
from astpp_billing.money import Money
from astpp_billing.periods import BillingSchedule, Cadence
from astpp_billing.testing.worlds import START, Chain, Reseller, call, chain, commission, distributor, offer

CURRENCIES = ("USD", "EUR", "JPY")
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
DAY = timedelta(days=1)

prices = st.decimals(0, 2, places=4, allow_nan=False).map(str)
percents = st.integers(0, 1000).map(lambda tenths: str(Decimal(tenths) / 10))
schedules = st.one_of(
    st.just(BillingSchedule(Cadence.DAILY)),
    st.integers(1, 7).map(lambda day: BillingSchedule(Cadence.WEEKLY, day)),
    st.integers(1, 31).map(lambda day: BillingSchedule(Cadence.MONTHLY, day)),
)
ways_of_billing: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "billing": st.sampled_from(BillingType),
        "receipts": st.sampled_from(ReceiptMode),
        "schedule": schedules,
        "zero_invoices": st.booleans(),
    }
)
options: SearchStrategy[dict[str, Any]] = st.builds(
    lambda billing, more: billing | more,
    ways_of_billing,
    st.fixed_dictionaries(
        {
            "currency": st.sampled_from(CURRENCIES),
            "timezone": st.sampled_from(ZONES),
            "same_credential": st.booleans(),
        }
    ),
)


@frozen
class Business:
    """What is opened: resellers from the top down, the customer, prices, and the taxes of the sellers."""

    resellers: tuple[Reseller, ...]
    customer: dict[str, Any]
    price: str
    cost: str
    taxes: tuple[str | None, ...]

    def open(self, billing: Billing) -> Chain:
        billing.prices.set_exchange_rate("EUR", "USD", "1.0867", valid_from=START - DAY)
        billing.prices.set_exchange_rate("USD", "JPY", "149.37", valid_from=START - DAY)
        shop = chain(billing, *self.resellers, price=self.price, cost=self.cost, **self.customer)
        for seller, percent in zip((shop.admin, *shop.resellers), self.taxes, strict=True):
            if percent is not None:
                billing.accounts.configure_invoices(seller, tax=Tax("VAT", Decimal(percent)))
        return shop


@st.composite
def businesses(draw: DrawFn, fewest: int = 0) -> Business:
    """A chain of `fewest` up to three resellers of both models, in several currencies, billed in all ways."""
    resellers = tuple(
        distributor(draw(prices), **draw(options))
        if draw(st.booleans())
        else commission(draw(percents), **draw(options))
        for _ in range(draw(st.integers(fewest, 3)))
    )
    taxes = tuple(draw(st.none() | percents) for _ in range(len(resellers) + 1))
    return Business(resellers, draw(options), draw(prices), draw(prices), taxes)


@st.composite
def records(draw: DrawFn, legs: int | None = None) -> CallRecord:
    """A call; with `legs`, few different ones, so that some come again, and some with another content."""
    leg = draw(st.integers(0, 10**9 if legs is None else legs - 1))
    return call(
        draw(st.sampled_from(["chain-customer"] * 8 + ["chain-1", "chain-2", "chain-admin", "nobody"])),
        draw(st.integers(0, 300)),
        leg=str(leg),
        number=draw(st.sampled_from(["441", "4420", "4421", "4422", "33", "x"])),
        started_at=START + draw(st.integers(0, 70)) * DAY / 2,
        provider=draw(st.sampled_from([None] * 6 + ["chain-provider", "chain-1"])),
    )


def distinct_records() -> SearchStrategy[list[CallRecord]]:
    """Calls with different keys."""
    return st.lists(records(), max_size=8, unique_by=lambda record: record.key)


Command = tuple[str, tuple[Any, ...]]
"""What to do, and with what; accounts are named by their numbers, calls by their records."""

LEGS = 20
"""How many different calls there are, so that commands meet."""

_accounts = st.sampled_from(["chain-customer", "chain-1", "chain-2", "chain-3", "chain-admin", "chain-provider"])
_changes: SearchStrategy[dict[str, Any]] = st.one_of(
    ways_of_billing,
    st.fixed_dictionaries({"rate_group": st.sampled_from([None, "chain-customer", "chain-1", "missing"])}),
    st.fixed_dictionaries({"commission_percent": percents}),
    st.fixed_dictionaries({"credit_limit": st.sampled_from(["0", "5", "100.5"])}),
    st.fixed_dictionaries({"timezone": st.sampled_from(ZONES), "schedule": schedules}),
    st.fixed_dictionaries({"same_credential": st.booleans()}),
)


_currencies = st.sampled_from([None, None, None, *CURRENCIES])
"""None: that of the account."""

_calls = records(legs=LEGS)
_legs = st.integers(0, LEGS - 1).map(str)
_ARGUMENTS: dict[str, tuple[SearchStrategy[Any], ...]] = {
    "settle": (_calls,),
    "settle_many": (st.lists(_calls, max_size=4), st.integers(1, 3)),
    "retry": (),
    "authorize": (_calls,),
    "extend": (_legs, st.integers(1, 3000)),
    "void": (_legs,),
    "expire": (),
    "refill": (_accounts, st.integers(-1, 10**9), _currencies),
    "credit": (_accounts, st.integers(0, 10**7), _currencies),
    "debit": (_accounts, st.integers(0, 10**7), _currencies, st.booleans()),
    "move": (_accounts, _accounts),
    "change": (_accounts, _changes),
    "close": (st.sampled_from(["new", "new", "chain-3", "chain-3", "chain-customer"]),),
    "open": (_accounts, st.sampled_from(["new", "chain-1"])),
    "tax": (_accounts, percents),
    "reprice": (st.sampled_from(["chain-customer", "chain-1", "missing"]), prices),
    "pass": (st.integers(1, 40).map(lambda turns: timedelta(hours=7 * turns)) | st.just(timedelta(minutes=20)),),
    "bill": (st.booleans(),),
    "close_period": (st.integers(-1, 12).map(lambda turns: timedelta(hours=7 * turns)),),
}
usual_calls: SearchStrategy[Command] = st.builds(
    lambda name, leg, seconds, days: (
        name,
        (call("chain-customer", seconds, leg=leg, number="441", started_at=START + days * DAY),),
    ),
    st.sampled_from(["settle", "settle", "authorize"]),
    _legs,
    st.integers(1, 300),
    st.integers(0, 30),
)
"""Calls in which nothing is wrong, of which there are more than others."""

CALLS = ("settle",) * 6 + ("settle_many", "settle_many", "retry")
HOLDS = ("authorize",) * 4 + ("extend", "extend", "void", "expire")
MONEY = ("refill", "credit", "debit")
PEOPLE = ("change", "change", "move", "close", "open", "tax", "reprice")
TIME = ("pass", "pass", "bill", "bill", "close_period", "close_period")
_OFTEN = (*CALLS, *HOLDS, *MONEY, *PEOPLE, *TIME)


def a_command(names: Sequence[str]) -> SearchStrategy[Command]:
    """What people and switches do, right and wrong: one of `names`."""
    return st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), st.tuples(*_ARGUMENTS[name])))


def commands(most: int = 14) -> SearchStrategy[list[Command]]:
    """One after the other, in any order."""
    return st.lists(a_command(_OFTEN), min_size=most // 2, max_size=most)


NOTED = frozenset({"move", "change", "close", "open", "tax", "close_period"})
"""What is noted under its key, all in one place."""

KEYED = NOTED | {"refill", "credit", "debit", "correct", "settle", "settle_many", "authorize"}
"""What may be sent again: it has a key, by its nature or given to it."""


def run(billing: Billing, command: Command, key: str) -> Any:
    """Do it under a key; what came of it, which for a refusal is the kind of error. The clock is a `FixedClock`."""
    try:
        return _run(billing, key, *command)
    except BillingError as error:
        return type(error)


def _run(billing: Billing, key: str, name: str, arguments: Sequence[Any]) -> Any:
    accounts, calls = billing.accounts, billing.calls
    match name, *arguments:
        case "settle", record:
            return calls.settle(record)
        case "settle_many", records, size:
            return [without_error(each) for each in calls.settle_many(records, batch_size=size)]
        case ("retry",):
            return list(calls.retry())
        case "authorize", record:
            return calls.authorize(attempt(record))
        case "extend", leg, seconds:
            return calls.extend(call(leg=leg).key, seconds)
        case "void", leg:
            return calls.void(call(leg=leg).key)
        case ("expire",):
            return calls.expire_holds()
        case (("refill" | "credit" | "debit"), number, micros, *_):
            return _move_money(billing, key, name, accounts.get(number), micros, *arguments[2:])
        case "correct", posting_key, reason:
            return billing.ledger.correct(posting_key, reason=reason)
        case "reprice", group, price:
            return offer(billing, accounts.get("chain-admin"), group, price)
        case "bill", dry_run:
            return list(billing.documents.run(dry_run=dry_run))
        case "close_period", after:
            return billing.ledger.close_period(START + after, key=key)
        case "pass", time:
            assert isinstance(billing.clock, FixedClock)
            return billing.clock.advance(time)
        case _:
            return _change_people(billing, key, name, arguments)


def _move_money(
    billing: Billing, key: str, name: str, account: Account, micros: int, currency: str | None, force: bool = False
) -> Any:
    amount = Money.from_micros(micros, account.currency if currency is None else currency)
    if name == "refill":
        return billing.ledger.refill(account, amount, key=key)
    if name == "credit":
        return billing.ledger.credit(account, amount, reason="Goodwill", key=key)
    return billing.ledger.debit(account, amount, reason="Repair", key=key, force=force)


def _change_people(billing: Billing, key: str, name: str, arguments: Sequence[Any]) -> Any:
    accounts = billing.accounts
    match name, *arguments:
        case "move", number, parent:
            return accounts.move(accounts.get(number), accounts.get(parent), key=key)
        case "change", number, changes:
            return accounts.change(accounts.get(number), key=key, **changes)
        case "close", number:
            return list(accounts.close(accounts.get(number), key=key))
        case "open", parent, number:
            return accounts.open_customer(accounts.get(parent), number=number, key=key)
        case "tax", number, percent:
            return accounts.configure_invoices(accounts.get(number), key=key, tax=Tax("VAT", Decimal(percent)))
        case _:
            raise AssertionError(name)


def without_error(settlement: Settlement | Failed) -> Settlement | type[BillingError]:
    """What `settle` would have come to: for a failure, the kind of error."""
    return type(settlement.error) if isinstance(settlement, Failed) else settlement
