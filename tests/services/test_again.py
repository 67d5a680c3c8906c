"""What happens when another transaction is in the way."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import Connection, text

from astpp_billing.billing import Billing
from astpp_billing.calls import Settled
from astpp_billing.clock import FixedClock
from astpp_billing.errors import PeriodClosed, StorageBusy
from astpp_billing.services.again import ATTEMPTS, again
from astpp_billing.storage.sql import engine
from astpp_billing.testing.worlds import START, chain


class Refusing:
    """A command that is refused a number of times before it succeeds."""

    def __init__(self, refusals: int, error: type[Exception] = StorageBusy) -> None:
        self.refusals = refusals
        self.error = error
        self.attempts = 0

    def __call__(self) -> str:
        self.attempts += 1
        if self.attempts <= self.refusals:
            raise self.error("not now")
        return "done"


@pytest.mark.parametrize("refusals", range(ATTEMPTS))
def test_a_command_is_tried_again_until_it_succeeds(refusals: int) -> None:
    command = Refusing(refusals)

    assert again(command.__call__)() == "done"
    assert command.attempts == refusals + 1


def test_it_is_not_tried_for_ever() -> None:
    command = Refusing(ATTEMPTS)

    with pytest.raises(StorageBusy, match="not now"):
        again(command.__call__)()
    assert command.attempts == ATTEMPTS


def test_a_command_that_was_overtaken_by_a_closing_is_done_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("there is nothing to wait for"))
    command = Refusing(1, PeriodClosed)

    assert again(command.__call__)() == "done"
    assert command.attempts == 2


def test_other_errors_are_not_tried_again() -> None:
    command = Refusing(1, ValueError)

    with pytest.raises(ValueError, match="not now"):
        again(command.__call__)()
    assert command.attempts == 1


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction waits longer than a second."""
    monkeypatch.setattr(engine, "BUSY_SECONDS", 1)


@pytest.fixture
def billing(impatient: None, shared_url: str) -> Iterator[Billing]:
    with Billing.open(shared_url, FixedClock(START)) as opened:
        yield opened


@contextmanager
def in_the_way(url: str) -> Iterator[Connection]:
    """Another program's transaction, which has locked every wallet."""
    other = engine.make_engine(url)
    with closing(other.connect()) as connection:
        connection.execute(text("UPDATE wallets SET epoch = epoch"))
        yield connection
    other.dispose()


@pytest.mark.slow
def test_a_call_is_charged_once_the_transaction_in_the_way_has_ended(billing: Billing, shared_url: str) -> None:
    shop = chain(billing, price="0.05")
    with in_the_way(shared_url) as connection:
        release = threading.Timer(2.5, connection.commit)
        release.start()
        settled = billing.calls.settle(shop.call(60))
        release.join()

    assert isinstance(settled, Settled)
    assert not settled.repeated
    assert len(billing.calls.all()) == 1
    assert billing.ledger.reconcile().agrees


@pytest.mark.slow
def test_a_transaction_that_never_ends_is_told_as_what_it_is(
    billing: Billing, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astpp_billing.services.again.ATTEMPTS", 2)
    shop = chain(billing)
    with in_the_way(shared_url) as connection:
        with pytest.raises(StorageBusy):
            billing.accounts.change(shop.customer, name="Jane")
        connection.rollback()

    assert billing.accounts.get(shop.customer.number) == shop.customer


def test_who_only_reads_waits_for_nobody(billing: Billing, shared_url: str) -> None:
    shop = chain(billing)
    with in_the_way(shared_url) as connection:
        assert billing.accounts.path(shop.customer) == shop.path
        assert str(billing.ledger.available(shop.customer)) == "0.00 USD"
        assert billing.ledger.reconcile().agrees
        connection.rollback()
