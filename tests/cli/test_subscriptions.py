"""`astpp-billing subscriptions`."""

from datetime import timedelta

import pytest
from tests.cli.conftest import Command
from tests.services.books import at
from tests.services.subscribing import subscription

from astpp_billing.billing import Billing
from astpp_billing.clock import SystemClock
from astpp_billing.pricing import Recurrence, Unit

LONG_AGO = at(2026, 1, 1)


@pytest.fixture
def subscribed(shop: Command) -> Command:
    """Customer acc1, without money, has ordered something that the agent resells."""
    with Billing.open(f"sqlite:///{shop.database}") as billing, billing.storage.begin() as uow:
        buyer = uow.find_account("acc1")
        assert buyer is not None
        now = SystemClock().now()
        uow.add_subscription(
            subscription(
                uow.path(buyer.id),
                "12",
                "12",
                recurrence=Recurrence(30, Unit.DAYS),
                anchor=now - timedelta(days=31),
                description="Flat",
            )
        )
    return shop


def fund(command: Command) -> None:
    command.run("accounts", "change", "agent", "--credit-limit", "100")
    command.run("ledger", "refill", "acc1", "100", "--key", "bank 1")


def test_subscriptions_are_listed(subscribed: Command) -> None:
    (row,) = subscribed.json("subscriptions", "list")["subscriptions"]

    assert (row["id"], row["buyer"], row["description"], row["every"], row["status"]) == (
        1,
        "acc1",
        "Flat",
        "every 30 days",
        "active",
    )
    assert "Flat" in subscribed.out("subscriptions", "list", "--buyer", "acc1")
    assert subscribed.json("subscriptions", "list", "--buyer", "p4420") == {"subscriptions": []}


def test_what_is_due_is_renewed_once(subscribed: Command) -> None:
    fund(subscribed)

    (row,) = subscribed.json("subscriptions", "renew")["renewals"]

    assert (row["result"], row["amount"]) == ("renewed", {"amount": "12.00", "currency": "USD"})
    assert subscribed.json("subscriptions", "renew") == {"renewals": []}


def test_who_has_no_money_is_named(subscribed: Command) -> None:
    (row,) = subscribed.json("subscriptions", "renew", code=1)["renewals"]

    assert (row["result"], row["refused_by"]) == ("not renewed", "acc1")
    assert "acc1 needs 12.00 USD" in row["reason"]


def test_paused_it_is_not_renewed_until_it_is_resumed(subscribed: Command) -> None:
    fund(subscribed)
    assert "is paused" in subscribed.out("subscriptions", "pause", 1, "--key", "p")
    assert subscribed.json("subscriptions", "renew") == {"renewals": []}

    assert subscribed.json("subscriptions", "resume", 1)["status"] == "active"
    assert [row["result"] for row in subscribed.json("subscriptions", "renew")["renewals"]] == ["renewed"]


def test_cancelled_it_ends(subscribed: Command) -> None:
    assert "ends then" in subscribed.out("subscriptions", "cancel", 1)
    assert [row["result"] for row in subscribed.json("subscriptions", "renew")["renewals"]] == ["ended"]
    assert "cancelled" in subscribed.run("subscriptions", "cancel", 1, "--now", code=1).stderr


def test_a_reminder_is_listed_once(subscribed: Command) -> None:
    fund(subscribed)
    subscribed.run("subscriptions", "renew")

    assert subscribed.json("subscriptions", "remind") == {"reminders": []}
    (row,) = subscribed.json("subscriptions", "remind", "--days", 30)["reminders"]
    assert row["buyer"] == "acc1"
    assert subscribed.json("subscriptions", "remind", "--days", 30) == {"reminders": []}


def test_what_is_not_there_is_named(shop: Command) -> None:
    assert "no subscription has the id 9" in shop.run("subscriptions", "pause", 9, code=1).stderr


@pytest.fixture
def ordered(shop: Command) -> Command:
    """Customer acc1 has bought a monthly plan that the agent resells; there is a larger one, too."""
    fund(shop)
    for code, price in (("small", "31"), ("large", "62"), ("huge", "5000")):
        terms = ("--owner", "acme", "--category", "subscription", "--name", code, "--price", price)
        shop.run("products", "add", code, *terms, "--every", "months:1", "--valid-from", "2025-01-01")
        shop.run("products", "opt-in", "agent", code, "--valid-from", "2025-01-01")
    shop.run("orders", "buy", "acc1", "small", "--key", "o1")
    return shop


def left(command: Command) -> str:
    (row,) = [row for row in command.json("accounts", "list")["accounts"] if row["number"] == "acc1"]
    return str(row["balance"]["amount"])


def test_a_plan_is_changed_with_the_next_renewal(ordered: Command) -> None:
    assert "then it is for 'large'" in ordered.out("subscriptions", "change-plan", 1, "large", "--key", "c")
    (row,) = ordered.json("subscriptions", "list")["subscriptions"]
    assert row["description"] == "small"


def test_a_plan_is_changed_at_once(ordered: Command) -> None:
    """All days are left on the first one: 31.00 go back, and 62.00 are paid."""
    assert ordered.json("subscriptions", "change-plan", 1, "large", "--now", "--key", "c")["description"] == "large"
    assert left(ordered) == "38.00"


def test_who_cannot_pay_for_a_plan_is_told(ordered: Command) -> None:
    refused = ordered.run("subscriptions", "change-plan", 1, "huge", "--now", code=1)
    assert "acc1 needs 5000.00 USD" in refused.stderr
    assert left(ordered) == "69.00"


def test_cancelled_at_once_what_is_left_is_paid_back(ordered: Command) -> None:
    assert "is cancelled" in ordered.out("subscriptions", "cancel", 1, "--now", "--refund")
    assert left(ordered) == "100.00"
