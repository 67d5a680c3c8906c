"""`astpp-billing holds`."""

from datetime import UTC, datetime, timedelta

from tests.cli.conftest import Command

from astpp_billing.billing import Billing
from astpp_billing.calls import Approved, CallAttempt


def authorize(command: Command) -> Approved:
    """A call by acc1 for which 10 minutes are held."""
    with Billing.open(f"sqlite:///{command.database}") as billing:
        attempt = CallAttempt(switch_id="fs:1", leg_uuid="leg-1", number="12025550123", account="acc1")
        result = billing.calls.authorize(attempt)
    assert isinstance(result, Approved), result
    return result


def fund(command: Command) -> None:
    command.run("accounts", "change", "agent", "--credit-limit", "100")
    command.run("ledger", "refill", "acc1", "100", "--key", "bank 1")


def test_open_holds_are_listed(shop: Command) -> None:
    assert shop.json("holds", "list") == {"holds": []}
    fund(shop)
    authorize(shop)

    (hold,) = shop.json("holds", "list")["holds"]

    assert (hold["key"], hold["switch"], hold["leg"]) == ("call:fs%3A1:leg-1", "fs:1", "leg-1")
    assert (hold["payer"], hold["seconds"]) == ("acc1", 600)
    # 0.10 and ten minutes at 0.60, of the customer and of the agent, which passes the price on
    assert hold["held"] == 2 * [{"amount": "6.10", "currency": "USD"}]
    placed, lapses = (datetime.fromisoformat(hold[name]) for name in ("placed_at", "expires_at"))
    assert lapses - placed == timedelta(minutes=15)
    assert "6.10 USD, 6.10 USD" in shop.out("holds", "list")
    assert shop.json("holds", "list", "--lapsed") == {"holds": []}


def test_lapsed_holds_are_given_back(shop: Command) -> None:
    fund(shop)
    lapses = authorize(shop).hold.expires_at

    assert shop.out("holds", "expire") == "0 holds ended\n"
    assert shop.json("holds", "expire", "--at", (lapses - timedelta(seconds=1)).isoformat()) == {"expired": 0}
    assert shop.out("holds", "expire", "--at", lapses.astimezone(UTC).isoformat()) == "1 holds ended\n"
    assert shop.json("holds", "list") == {"holds": []}


def test_an_instant_is_needed_to_expire_at(shop: Command) -> None:
    assert "is no instant" in shop.run("holds", "expire", "--at", "soon", code=2).stderr
