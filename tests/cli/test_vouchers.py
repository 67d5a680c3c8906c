"""`astpp-billing vouchers`."""

import csv

import pytest
from tests.cli.conftest import Command

MAKE = ("vouchers", "generate", "agent", "10", "--name", "spring")


def test_cards_are_made_and_redeemed_once(shop: Command) -> None:
    made = shop.json(*MAKE, "--count", 2, "--expires", "2100-01-01", "--key", "1")
    assert made["batch"]["amount"] == {"amount": "10.00", "currency": "USD"}
    first, second = (card["code"] for card in made["cards"])
    again = shop.run(*MAKE, "--count", 2, "--expires", "2100-01-01", "--key", "1")
    assert "batch 1 was made before" in again.stderr
    assert first not in again.stdout

    assert shop.out("vouchers", "redeem", "acc1", first, "--key", "1") == "acc1 has 10.00 USD\n"
    assert shop.json("vouchers", "redeem", "acc1", first, "--key", "1")["balance"]["amount"] == "10.00"
    refused = shop.run("vouchers", "redeem", "acc1", first, "--key", "2", code=1).stderr
    assert "the card was not redeemed for account acc1: not valid" in refused
    assert shop.out("vouchers", "redeem", "acc1", "-", "--key", "3", stdin=f"{second}\n") == "acc1 has 20.00 USD\n"
    states = [one["state"] for one in shop.json("vouchers", "list", 1)["cards"]]
    assert states == ["redeemed", "redeemed"]
    assert first not in shop.out("vouchers", "list", 1) + shop.out("vouchers", "list")


def test_cards_are_written_as_csv(shop: Command) -> None:
    header, *rows = csv.reader(shop.out(*MAKE, "--count", 3, "--csv", "--currency", "eur").splitlines())

    assert header == ["batch", "serial", "code", "amount", "currency", "expires_at"]
    assert [(row[0], row[1], row[3], row[4]) for row in rows] == [
        ("spring", str(serial), "10.00", "EUR") for serial in (1, 2, 3)
    ]


def test_batches_and_cards_are_blocked(shop: Command) -> None:
    code = shop.json(*MAKE, "--count", 1)["cards"][0]["code"]

    assert shop.out("vouchers", "block", 1) == "batch 1 is blocked\n"
    assert [one["blocked"] for one in shop.json("vouchers", "list", "--seller", "agent")["batches"]] == [True]
    assert "not valid" in shop.run("vouchers", "redeem", "acc1", code, "--key", "1", code=1).stderr
    assert shop.out("vouchers", "block", 1, "--undo") == "batch 1 is unblocked\n"
    assert shop.out("vouchers", "block", 1, "--serial", 1) == "card 1 of batch 1 is blocked\n"
    assert shop.json("vouchers", "list", 1)["cards"][0]["state"] == "blocked"
    assert shop.json("vouchers", "list", "--seller", "acme")["batches"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("generate", "acc1", "10", "--name", "x", "--count", 1), 1, "cannot sell refill cards"),
        (("generate", "agent", "10", "--name", "x", "--count", 0), 1, "1 to 100,000 cards, not 0"),
        (("generate", "agent", "0", "--name", "x", "--count", 1), 1, "a positive amount"),
        (("generate", "agent", "10", "--count", 1), 2, "Missing option '--name'"),
        (("redeem", "acc1", "nonsense", "--key", "1"), 1, "not redeemed for account acc1: mistyped"),
        (("redeem", "acc1", "nonsense"), 2, "Missing option '--key'"),
        (("list", 7), 1, "no batch of refill cards has the id 7"),
        (("list", 7, "--seller", "agent"), 2, "not both"),
        (("block", 7), 1, "no batch of refill cards has the id 7"),
    ],
)
def test_what_cannot_be_done_is_told(shop: Command, arguments: tuple[object, ...], code: int, message: str) -> None:
    assert message in shop.run("vouchers", *arguments, code=code).stderr


def test_csv_and_json_cannot_be_had_together(shop: Command) -> None:
    assert "together" in shop.run("--json", *MAKE, "--count", 1, "--csv", code=2).stderr
