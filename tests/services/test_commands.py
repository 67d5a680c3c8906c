"""Idempotency keys: a command that is sent again under its key was done once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from tests.services.books import at, everything

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import AlreadyExists, IdempotencyConflict, InvalidValue, StorageBusy
from astpp_billing.hierarchy import BillingType, EndpointKind, ResellerModel
from astpp_billing.invoicing import Tax
from astpp_billing.ledger import MAX_KEY
from astpp_billing.money import Money
from astpp_billing.periods import BillingSchedule, Cadence
from astpp_billing.ports import Command, Storage, UnitOfWork
from astpp_billing.storage import open_storage
from astpp_billing.testing.worlds import Chain, chain, distributor

Do = Callable[[Billing, Chain, Any, str | None], Any]
"""A command with some content, under a key."""

DECK = ["Code,Cost / Min", "44,0.01"]


def weekly(day: int) -> BillingSchedule:
    return BillingSchedule(Cadence.WEEKLY, day)


COMMANDS: dict[str, tuple[Do, Any, Any]] = {
    "open_admin": (lambda b, shop, name, key: b.accounts.open_admin(name, currency="USD", key=key), "A", "B"),
    "open_provider": (lambda b, shop, name, key: b.accounts.open_provider(name, currency="USD", key=key), "A", "B"),
    "open_reseller": (
        lambda b, shop, share, key: b.accounts.open_reseller(
            shop.admin, model=ResellerModel.COMMISSION, commission_percent=share, key=key
        ),
        *("2.5", "2.6"),
    ),
    "open_customer": (
        lambda b, shop, number, key: b.accounts.open_customer(shop.admin, number=number, key=key),
        *("one", "two"),
    ),
    "change": (
        lambda b, shop, day, key: b.accounts.change(shop.customer, schedule=weekly(day), key=key),
        *(5, 6),
    ),
    "move": (
        lambda b, shop, level, key: b.accounts.move(shop.customer, shop.path[level], key=key),
        *(2, 1),
    ),
    "close": (lambda b, shop, number, key: b.accounts.close(*shop.path[:number], key=key), 1, 2),
    "add_endpoint": (lambda b, shop, user, key: b.accounts.add_endpoint(shop.customer, user=user, key=key), "1", "2"),
    "configure_invoices": (
        lambda b, shop, percent, key: b.accounts.configure_invoices(shop.admin, tax=Tax("VAT", percent), key=key),
        *(Decimal(20), Decimal(21)),
    ),
    "add_group": (
        lambda b, shop, markup, key: b.prices.add_group("new", shop.admin, markup_percent=markup, key=key),
        *("5", "6"),
    ),
    "import_file": (
        lambda b, shop, deck, key: b.prices.import_file("chain-customer", deck, key=key),
        *(DECK, [*DECK, "45,0.01"]),
    ),
    "set_exchange_rate": (
        lambda b, shop, rate, key: b.prices.set_exchange_rate("EUR", "USD", rate, key=key),
        *("1.1", "1.2"),
    ),
    "close_period": (
        lambda b, shop, until, key: b.ledger.close_period(until, key=key),
        *(at(2025, 12, 1), at(2025, 12, 2)),
    ),
}

TAKING = [COMMANDS[name][0] for name in ("open_customer", "add_endpoint", "add_group")]
"""Commands that cannot be done twice, because something must be unique."""

every_command = pytest.mark.parametrize(("do", "content", "other"), COMMANDS.values(), ids=COMMANDS)


def state(billing: Billing) -> dict[str, Any]:
    """All that a command could have changed."""
    with billing.storage.snapshot() as uow:
        accounts = uow.accounts()
        settings = {
            "configs": [uow.find_invoice_config(account.id) for account in accounts],
            "billed": [uow.billed_until(account.id) for account in accounts],
            "endpoints": [uow.find_endpoint(EndpointKind.USER, user) for user in ("1", "2")],
            "groups": uow.rate_groups(),
            "rates": uow.rates("chain-customer"),
            "exchange_rates": uow.exchange_rates(),
        }
    return everything(billing) | settings


def open_shop(billing: Billing) -> Chain:
    return chain(billing, distributor("0.03"), billing=BillingType.POSTPAID)


@every_command
def test_a_command_that_is_sent_again_returns_the_first_result_and_changes_nothing(
    billing: Billing, clock: FixedClock, do: Do, content: Any, other: Any
) -> None:
    shop = open_shop(billing)
    first = do(billing, shop, content, "k1")
    before = state(billing)
    clock.advance(timedelta(hours=1))

    assert do(billing, shop, content, "k1") == first
    assert state(billing) == before


@every_command
def test_a_key_that_stood_for_something_else_is_a_conflict(billing: Billing, do: Do, content: Any, other: Any) -> None:
    shop = open_shop(billing)
    do(billing, shop, content, "k1")
    before = state(billing)

    with pytest.raises(IdempotencyConflict, match="'k1' was used before"):
        do(billing, shop, other, "k1")
    assert state(billing) == before


@every_command
def test_another_key_or_none_is_another_command(
    billing: Billing, clock: FixedClock, do: Do, content: Any, other: Any
) -> None:
    shop = open_shop(billing)
    do(billing, shop, content, "k1")

    for key in (None, "k2", None):
        clock.advance(timedelta(hours=1))
        with suppress(AlreadyExists):  # a number or a name that is taken: told, not taken for a repeat
            do(billing, shop, content, key)

    with billing.storage.snapshot() as uow:
        assert (uow.find_command("k2") is None) == (do in TAKING)


def test_one_key_stands_for_one_command_whatever_its_kind(billing: Billing) -> None:
    shop = open_shop(billing)
    billing.accounts.open_admin("A", currency="USD", key="k1")

    with pytest.raises(IdempotencyConflict):
        billing.accounts.open_provider("A", currency="USD", key="k1")
    with pytest.raises(IdempotencyConflict):
        billing.accounts.close(shop.customer, key="k1")


def test_keys_of_commands_refills_and_calls_have_nothing_to_do_with_each_other(billing: Billing) -> None:
    shop = open_shop(billing)
    record = shop.call()
    billing.ledger.refill(shop.customer, Money("1", "USD"), key="k1")
    billing.calls.settle(record)

    for key in ("k1", "refill:k1", record.key):
        billing.accounts.change(shop.customer, name=key, key=key)
    billing.ledger.refill(shop.customer, Money("1", "USD"), key=record.key)

    assert billing.accounts.get(shop.customer.number).name == record.key
    assert billing.ledger.reconcile().agrees


def test_what_a_repeat_returns_is_the_account_as_it_is_now(billing: Billing) -> None:
    shop = open_shop(billing)
    opened = billing.accounts.open_customer(shop.admin, key="k1")
    renamed = billing.accounts.change(opened, name="Jane", key="k2")
    (closed,) = billing.accounts.close(opened)

    assert billing.accounts.open_customer(shop.admin, key="k1") == closed
    assert billing.accounts.change(opened, name="Jane", key="k2") == closed != renamed


def test_a_repeated_import_returns_its_own_version(billing: Billing) -> None:
    open_shop(billing)
    first = billing.prices.import_file("chain-customer", DECK, key="k1")
    billing.prices.import_file("chain-customer", DECK, key="k2")

    assert billing.prices.import_file("chain-customer", DECK, key="k1") == first


def test_the_content_is_what_is_meant_and_not_how_it_is_written(billing: Billing) -> None:
    shop = open_shop(billing)
    noon = at(2025, 12, 1, 12)
    billing.accounts.change(shop.customer, credit_limit="12.50", billing="prepaid", name="Jane", key="k1")
    billing.accounts.change(
        shop.customer, name="Jane", billing=BillingType.PREPAID, credit_limit=Decimal("12.5"), key="k1"
    )
    billing.ledger.close_period(noon, key="k2")
    billing.ledger.close_period(noon.astimezone(timezone(timedelta(hours=5))), key="k2")

    assert billing.accounts.get(shop.customer.number).name == "Jane"
    with pytest.raises(IdempotencyConflict):
        billing.accounts.change(shop.customer, credit_limit="12.5", billing="prepaid", key="k1")


@pytest.mark.parametrize("key", ["", "x" * (MAX_KEY + 1), 1])
def test_a_key_is_a_text_that_is_not_too_long(billing: Billing, key: Any) -> None:
    with pytest.raises(InvalidValue, match="idempotency key"):
        billing.accounts.open_admin("A", currency="USD", key=key)
    assert billing.accounts.all() == []


def test_a_refused_command_leaves_its_key_free(billing: Billing) -> None:
    shop = open_shop(billing)
    with pytest.raises(AlreadyExists, match="chain-customer"):
        billing.accounts.open_customer(shop.admin, number="chain-customer", key="k1")

    assert billing.accounts.open_customer(shop.admin, number="free", key="k1").number == "free"


class LosingAnswers:
    """A storage whose connection is lost while it answers that a transaction is committed."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.losses = 0
        self.snapshot = storage.snapshot
        self.close = storage.close

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        with self.storage.begin() as uow:
            yield uow
        if self.losses:
            self.losses -= 1
            raise StorageBusy("the connection was lost")


@every_command
def test_a_command_whose_answer_is_lost_is_done_once(do: Do, content: Any, other: Any) -> None:
    sound, losing = open_storage("memory://"), LosingAnswers(open_storage("memory://"))
    states = []
    for storage in (sound, losing):
        with Billing(storage, FixedClock(at(2026, 1, 1))) as billing:
            shop = open_shop(billing)
            losing.losses = 3
            result = do(billing, shop, content, None)
            accounts = len(billing.accounts.all())
            states.append((accounts, state(billing), None if accounts > len(shop.path) + 1 else result))

    assert losing.losses == 0
    assert states[0] == states[1] or states[0][0] == states[1][0] > 4  # numbers of accounts are random


def test_a_refill_whose_answer_is_lost_is_posted_once() -> None:
    losing = LosingAnswers(open_storage("memory://"))
    with Billing(losing, FixedClock(at(2026, 1, 1))) as billing:
        shop = open_shop(billing)
        losing.losses = 1
        billing.ledger.refill(shop.customer, Money("1", "USD"), key="k1")

        assert losing.losses == 0
        assert str(billing.ledger.balance(shop.customer)) == "1.00 USD"


def test_whoever_comes_second_with_a_key_gets_what_the_first_one_did(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking for the key and noting it, somebody else may have done the same command."""
    shop = open_shop(billing)
    first = billing.accounts.open_customer(shop.admin, number="one", key="k1")
    with billing.storage.begin() as uow:
        kind = type(uow)
    find = kind.find_command
    looked: list[str] = []

    def find_late(self: Any, key: str) -> Command | None:
        looked.append(key)
        return None if len(looked) == 1 else find(self, key)

    monkeypatch.setattr(kind, "find_command", find_late)

    assert billing.accounts.open_customer(shop.admin, number="one", key="k1") == first
    assert len(looked) == 3


@every_command
def test_many_at_once_with_one_key_do_it_once(shared_url: str, do: Do, content: Any, other: Any) -> None:
    clock = FixedClock(at(2026, 1, 1))
    with ExitStack() as stack:
        several = [stack.enter_context(Billing.open(shared_url, clock)) for _ in range(3)]
        shop = open_shop(several[0])
        with ThreadPoolExecutor(len(several)) as pool:
            results = list(pool.map(lambda billing: do(billing, shop, content, "k1"), several))
        with several[0].storage.snapshot() as uow:
            known = uow.find_command("k1")

        assert results[1:] == results[:-1]
        assert known is not None
        assert len(several[0].accounts.all()) <= len(shop.path) + 2
        assert max(group.version for group in several[0].prices.groups()) <= 2
        assert len(several[0].prices.exchange_rates()) <= 1
