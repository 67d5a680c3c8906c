"""`astpp-billing minutes`."""

import pytest
from tests.cli.conftest import Command

ANY = {"direction": "out", "used_seconds": 0, "held_seconds": 0, "carried_over": False, "description": ""}


@pytest.fixture
def granted(shop: Command) -> Command:
    """The agent has ordered an hour to 48 and 49 with a day's end, and a minute to anywhere for good."""
    terms = ("--owner", "acme", "--category", "package", "--name", "Talk", "--price", "0", "--valid-from", "2025-01-01")
    shop.run("products", "add", "talk", *terms, "--every", "days:1", "--include", "3600:48,49", "--carry-over")
    shop.run("products", "add", "gift", *terms, "--include", "60::both")
    shop.run("orders", "buy", "agent", "talk", "--key", "o1")
    shop.run("orders", "buy", "agent", "gift", "--key", "o2")
    return shop


def test_minutes_are_listed_with_what_they_came_with(granted: Command) -> None:
    first, second = granted.json("minutes", "list", "agent")["minutes"]

    (ordered,) = (order for order in granted.json("orders", "list")["orders"] if order["key"] == "o1")
    assert first["starts_at"] == ordered["at"] < first.pop("expires_at")
    del first["starts_at"], second["starts_at"]
    assert first == ANY | {
        "prefixes": ["48", "49"],
        "seconds": 3600,
        "left_seconds": 3600,
        "carried_over": True,
        "product": "talk",
        "order": "o1",
    }
    assert second == ANY | {
        "prefixes": [""],
        "direction": "both",
        "expires_at": None,
        "seconds": 60,
        "left_seconds": 60,
        "product": "gift",
        "order": "o2",
    }


def test_a_table_shows_them(granted: Command) -> None:
    heading, first, second = granted.out("minutes", "list", "agent").splitlines()

    assert heading.split("  ")[0] == "Prefixes"
    assert "48, 49" in first
    assert first.split()[-6:] == ["3600", "0", "0", "3600", "talk", "o1"]
    assert second.split()[-2:] == ["gift", "o2"]


def test_an_account_without_minutes_and_one_that_is_not_there(granted: Command) -> None:
    assert granted.json("minutes", "list", "acc1") == {"minutes": []}
    assert "nobody" in granted.run("minutes", "list", "nobody", code=1).stderr
