"""`astpp-billing products`."""

import pytest
from tests.cli.conftest import Command


@pytest.fixture
def seller(shop: Command) -> Command:
    """A product of the admin, who is `acme`; `agent` is its commission reseller, `north` a distributor."""
    shop.run("accounts", "open", "reseller", "--parent", "acme", "--number", "north", "--model", "distributor")
    shop.run("accounts", "open", "customer", "--parent", "north", "--number", "n1")
    fibre = ("products", "add", "fibre", "--owner", "acme", "--category", "package", "--name", "Fibre")
    shop.run(
        *fibre, "--price", "100", "--commission-percent", "10", "--every", "months:1", "--valid-from", "2025-01-01"
    )
    return shop


def test_a_product_is_sold(shop: Command) -> None:
    row = shop.json(
        *("products", "add", "mobile", "--owner", "acme", "--category", "subscription", "--name", "Mobile"),
        *("--price", "12.5", "--currency", "eur", "--setup-fee", "1", "--buy-cost", "0.5", "--every", "days:30"),
        *("--include", "3600:48,49:both", "--include", "60", "--carry-over", "--no-resell", "--release-unfunded"),
        *("--rate-group", "retail", "--description", "An hour", "--valid-from", "2025-01-01T00:00:00Z"),
    )

    def included(seconds: int, prefixes: list[str], direction: str) -> dict[str, object]:
        named = {"seconds": seconds, "prefixes": prefixes, "direction": direction}
        return {**named, "carried_over": True, "description": ""}

    assert row == {
        "code": "mobile",
        "owner": "acme",
        "category": "subscription",
        "currency": "EUR",
        "status": "active",
        "version": 1,
        "valid_from": "2025-01-01T00:00:00Z",
        "name": "Mobile",
        "description": "An hour",
        "buy_cost": {"amount": "0.50", "currency": "EUR"},
        "price": {"amount": "12.50", "currency": "EUR"},
        "setup_fee": {"amount": "1.00", "currency": "EUR"},
        "commission_percent": "0",
        "every": "30 days",
        "included": [included(3600, ["48", "49"], "both"), included(60, [""], "out")],
        "can_resell": False,
        "can_purchase": True,
        "release_unfunded": True,
        "rate_groups": ["retail"],
    }
    assert shop.json("products", "list", "--owner", "acme")["products"] == [row]
    assert shop.json("products", "list", "--owner", "agent")["products"] == []


def test_a_product_has_versions(seller: Command) -> None:
    seller.run("products", "version", "fibre", "--price", "110", "--include", "60", "--valid-from", "2030-01-01")
    told = seller.out("products", "version", "fibre", "--carry-over", "--valid-from", "2031-01-01")

    first, second, third = seller.json("products", "versions", "fibre")["versions"]
    assert told == "product 'fibre' has version 3 from 2031-01-01 00:00:00 UTC on\n"
    assert [each["price"]["amount"] for each in (first, second, third)] == ["100.00", "110.00", "110.00"]
    assert [[each["carried_over"] for each in row["included"]] for row in (second, third)] == [[False], [True]]
    assert "110.00" not in seller.out("products", "list")
    assert "110.00" in seller.out("products", "list", "--at", "2030-01-01")
    assert "say what to change" in seller.run("products", "version", "fibre", code=2).stderr


def test_resellers_list_it_and_their_children_see_it(seller: Command) -> None:
    offered = seller.json("products", "visible", "north", "--to-resell")["offers"]
    listing = seller.json("products", "opt-in", "north", "fibre", "--price", "130", "--setup-fee", "5")
    seen = seller.json("products", "visible", "n1")["offers"]

    assert [each["price"]["amount"] for each in offered] == ["100.00"]
    assert (listing["seller"], listing["version"], listing["active"]) == ("north", 1, True)
    assert [(each["code"], each["seller"], each["price"]["amount"], each["every"]) for each in seen] == [
        ("fibre", "north", "130.00", "1 months")
    ]
    changed = seller.json("products", "change-listing", "north", "fibre", "--price", "140")
    assert (changed["price"]["amount"], changed["setup_fee"]["amount"]) == ("140.00", "5.00")
    told = seller.out("products", "opt-out", "north", "fibre", "--valid-from", "2040-01-01")
    assert told == "north does not list 'fibre' from 2040-01-01 00:00:00 UTC on\n"
    assert "north" in seller.out("products", "listings")
    assert [each["active"] for each in seller.json("products", "listings", "--seller", "north")["listings"]] == [
        True,
        True,
        False,
    ]
    assert seller.json("products", "listings", "--product", "fibre", "--seller", "agent")["listings"] == []
    assert seller.json("products", "visible", "n1", "--at", "2040-01-01")["offers"] == []


def test_an_agreement_shows_every_level(seller: Command) -> None:
    seller.run("products", "opt-in", "agent", "fibre")

    agreed = seller.json("products", "agreement", "acc1", "fibre")

    assert [(each["payer"], each["payee"], each["price"]["amount"]) for each in agreed["levels"]] == [
        ("acc1", "agent", "100.00"),
        ("agent", "acme", "100.00"),
    ]
    assert agreed["commissions"] == [{"payer": "acme", "receiver": "agent", "percent": "10"}]
    assert seller.out("products", "agreement", "acc1", "fibre").splitlines() == [
        "acc1 pays agent 100.00 USD, setup 0.00 USD",
        "agent pays acme 100.00 USD, setup 0.00 USD",
        "acme pays agent a commission of 10 %",
    ]


def test_refusals_are_told_in_a_line(seller: Command) -> None:
    def refused(*arguments: str, code: int = 1) -> str:
        return seller.run("products", *arguments, code=code).stderr

    assert "not listed by the seller: account north does not list" in refused("agreement", "n1", "fibre")
    assert "below its cost: the price is '99.00 USD'" in refused("opt-in", "north", "fibre", "--price", "99")
    assert "'agent' is a commission reseller" in refused("opt-in", "agent", "fibre", "--price", "200")
    assert "no product has the code 'nothing'" in refused("versions", "nothing")
    assert "does not list" in refused("opt-out", "north", "fibre")
    assert "months:120" in refused("version", "fibre", "--every", "weeks:1", code=2)
    assert "3600:48,49:out" in refused("version", "fibre", "--include", "3600:+48", code=2)


def test_less_than_cost_may_be_meant(seller: Command) -> None:
    row = seller.json("products", "opt-in", "north", "fibre", "--price", "99", "--below-cost")

    assert (row["below_cost"], row["price"]["amount"]) == (True, "99.00")


def test_a_product_is_withdrawn(seller: Command) -> None:
    assert seller.out("products", "withdraw", "fibre") == "product 'fibre' is withdrawn\n"
    assert seller.json("products", "visible", "north")["offers"] == []


def test_a_key_makes_a_command_unique(seller: Command) -> None:
    command = ("products", "opt-in", "north", "fibre", "--price", "130", "--key", "once")

    assert seller.json(*command) == seller.json(*command)
    assert len(seller.json("products", "listings")["listings"]) == 1
