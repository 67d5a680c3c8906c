"""`astpp-billing orders`."""

from typing import Any

import pytest
from tests.cli.conftest import Command


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


@pytest.fixture
def seller(shop: Command) -> Command:
    """A package at 100 and a setup fee of 5, which `agent` resells for 10 percent; `acc1` has 150."""
    fibre = ("products", "add", "fibre", "--owner", "acme", "--category", "package", "--name", "Fibre")
    shop.run(*fibre, "--price", "100", "--setup-fee", "5", "--commission-percent", "10", "--valid-from", "2025-01-01")
    shop.run("products", "opt-in", "agent", "fibre", "--valid-from", "2025-01-01")
    shop.run("accounts", "change", "agent", "--credit-limit", "150")
    shop.run("ledger", "refill", "acc1", "150", "--key", "bank 1")
    return shop


def test_a_quote_shows_every_level(seller: Command) -> None:
    found = seller.json("orders", "quote", "acc1", "fibre")

    level = {"what": "order", "price": usd("100.00"), "setup_fee": usd("5.00"), "tax": usd("0.00")}
    nothing: dict[str, Any] = {"price": None, "setup_fee": None, "tax": None}
    assert found["payments"] == [
        level | {"payer": "acc1", "payee": "agent", "total": usd("105.00")},
        level | {"payer": "agent", "payee": "acme", "total": usd("105.00")},
        nothing | {"payer": "acme", "payee": "agent", "what": "commission", "total": usd("10.50")},
    ]
    assert found["profits"] == [
        {"number": "agent", "profit": [usd("10.50")]},
        {"number": "acme", "profit": [usd("94.50")]},
    ]
    assert (found["product"], found["version"], found["quantity"], found["lacking"]) == ("fibre", 1, 1, None)
    assert seller.json("orders", "list") == {"orders": []}


def test_a_quote_says_who_lacks_money(seller: Command) -> None:
    result = seller.run("orders", "quote", "acc1", "fibre", "--quantity", "2")

    assert "210.00 USD" in result.stdout
    assert "refused now: account acc1 needs 210.00 USD, and has 150.00 USD" in result.stderr


def test_a_product_is_bought_once_for_each_key(seller: Command) -> None:
    first = seller.json("orders", "buy", "acc1", "fibre", "--key", "o1")

    assert first["charged"] == [
        {"number": "acc1", "amount": usd("105.00")},
        {"number": "agent", "amount": usd("105.00")},
    ]
    assert first["receipts"] == [{"number": "RCP-000001", "buyer": "acc1", "total": usd("105.00")}]
    assert (first["buyer"], first["product"], first["repeated"]) == ("acc1", "fibre", False)
    assert seller.json("orders", "buy", "acc1", "fibre", "--key", "o1") == first | {"repeated": True}
    assert (
        seller.out("orders", "buy", "acc1", "fibre", "--key", "o1")
        == "acc1 had bought 1 of 'fibre' for 105.00 USD without tax\n"
    )
    (order,) = seller.json("orders", "list", "--buyer", "acc1")["orders"]
    assert (order["key"], order["buyer"], order["product"], order["status"]) == ("o1", "acc1", "fibre", "placed")
    assert (order["price"], order["setup_fee"], order["at"]) == (usd("100.00"), usd("5.00"), first["at"])
    assert seller.json("orders", "list", "--buyer", "agent") == {"orders": []}
    assert "o1" in seller.out("orders", "list")
    seller.run("ledger", "reconcile")


def test_a_refusal_names_the_level(seller: Command) -> None:
    seller.run("accounts", "change", "agent", "--credit-limit", "104")

    told = seller.run("orders", "buy", "acc1", "fibre", "--key", "o1", code=1).stderr

    assert "no money: account agent needs 105.00 USD, and has 104.00 USD" in told
    assert seller.json("orders", "list") == {"orders": []}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("acc1", "fibre", "--quantity", "0"), "1 to 1000000 of a product, not 0"),
        (("nobody", "fibre"), "nobody"),
        (("acc1", "missing"), "missing"),
        (("acme", "fibre"), "product of its own"),
    ],
)
def test_what_cannot_be_sold_is_named(seller: Command, arguments: tuple[str, ...], message: str) -> None:
    assert message in seller.run("orders", "buy", *arguments, "--key", "o1", code=1).stderr
    assert message in seller.run("orders", "quote", *arguments, code=1).stderr


def test_an_order_needs_a_key(seller: Command) -> None:
    assert "--key" in seller.run("orders", "buy", "acc1", "fibre", code=2).stderr


def test_a_product_for_nothing(seller: Command) -> None:
    gift = ("products", "add", "gift", "--owner", "acme", "--category", "one-time", "--name", "Gift", "--price", "0")
    seller.run(*gift, "--valid-from", "2025-01-01")

    assert seller.out("orders", "buy", "agent", "gift", "--key", "g") == "agent has bought 1 of 'gift' for nothing\n"


# what comes by itself


@pytest.fixture
def welcome(seller: Command) -> Command:
    """A product at 7 that comes by itself with `retail`, by which `acc1` and `p4420` pay, and which `agent` lists."""
    terms = ("--price", "7", "--rate-group", "retail", "--valid-from", "2025-01-01")
    seller.run("products", "add", "sim", "--owner", "acme", "--category", "one-time", "--name", "SIM card", *terms)
    seller.run("products", "opt-in", "agent", "sim", "--valid-from", "2025-01-01")
    return seller


def test_what_comes_by_itself_is_ordered_once(welcome: Command) -> None:
    first, second = welcome.json("orders", "apply")["orders"]

    product, account = first["key"].split(":")[1:]
    assert first == {
        "product": "sim",
        "buyer": "acc1",
        "key": f"auto:{product}:{account}",
        "result": "ordered",
        "amount": usd("7.00"),
        "reason": None,
        "refused_by": None,
    }
    assert (second["buyer"], second["amount"]) == ("p4420", {"amount": "5.60", "currency": "EUR"})
    assert [order["key"] for order in welcome.json("orders", "list")["orders"]] == [first["key"], second["key"]]
    assert welcome.json("orders", "apply") == {"orders": []}
    welcome.run("ledger", "reconcile")


def test_what_could_not_be_ordered_is_named(welcome: Command) -> None:
    """The exit code says that something is still due; a table names it as well."""
    welcome.run("accounts", "change", "p4420", "--credit-limit", "5")
    taken = ("orders", "buy", "agent", "fibre", "--key", "auto:2:4")
    welcome.run(*taken)

    failed, refused = welcome.json("orders", "apply", code=1)["orders"]

    assert (failed["buyer"], failed["result"], failed["amount"]) == ("acc1", "failed", None)
    assert "used before" in failed["reason"]
    assert (refused["buyer"], refused["result"], refused["refused_by"]) == ("p4420", "not ordered", "p4420")
    assert "needs 5.60 EUR, and has 5.00 EUR" in refused["reason"]
    assert "not ordered" in welcome.out("orders", "apply", code=1)


def test_it_is_applied_by_the_terms_of_an_instant(welcome: Command) -> None:
    welcome.run("products", "version", "sim", "--price", "9", "--valid-from", "2025-06-01")
    assert welcome.json("orders", "apply", "--at", "2024-06-01") == {"orders": []}

    (first, _) = welcome.json("orders", "apply", "--at", "2025-03-01T00:00:00Z")["orders"]

    assert first["amount"] == usd("7.00")
    assert {one["at"] for one in welcome.json("orders", "list")["orders"]} == {"2025-03-01T00:00:00Z"}


def test_an_order_is_refunded_once_for_each_key(seller: Command) -> None:
    """In parts, with credit notes; all wallets are as they were in the end."""
    seller.run("ledger", "refill", "acc1", "60", "--key", "bank 2")
    seller.run("accounts", "change", "agent", "--credit-limit", "300")
    seller.run("orders", "buy", "acc1", "fibre", "--quantity", "2", "--key", "o1")
    part = ("orders", "refund", "o1", "--quantity", "1", "--reason", "one was broken", "--key", "r1")

    first = seller.json(*part)

    assert {name: first[name] for name in ("order", "buyer", "status", "key", "corrects", "part", "reason")} == {
        "order": "o1",
        "buyer": "acc1",
        "status": "placed",
        "key": "refund:r1",
        "corrects": "order:o1",
        "part": "1/2",
        "reason": "one was broken",
    }
    assert first["refunded"] == [
        {"number": "acc1", "amount": usd("105.00")},
        {"number": "agent", "amount": usd("105.00")},
    ]
    assert first["credit_notes"] == [{"number": "CRN-000001", "buyer": "acc1", "total": usd("-105.00")}]
    assert (first["repeated"], seller.json(*part)) == (False, first | {"repeated": True})
    assert seller.out(*part) == "acc1 had been refunded 105.00 USD without tax for the order 'o1'\n"
    rest = seller.out("orders", "refund", "o1", "--reason", "unhappy")
    assert rest == "acc1 was refunded 105.00 USD without tax for the order 'o1'\n"
    (order,) = seller.json("orders", "list")["orders"]
    assert order["status"] == "refunded"
    statement = seller.json("reports", "statement", "acc1", "--since", "2020-01-01")
    assert statement["movements"][-1]["balance"] == usd("210.00")
    seller.run("ledger", "reconcile")


def test_what_cannot_be_refunded_is_named(seller: Command) -> None:
    seller.run("orders", "buy", "acc1", "fibre", "--key", "o1")
    refund = ("orders", "refund", "o1", "--reason")

    assert "only 1 of the order 'o1'" in seller.run(*refund, "unhappy", "--quantity", "2", code=1).stderr
    assert "one line of 1 to" in seller.run(*refund, "", code=1).stderr
    assert "Missing option '--reason'" in seller.run("orders", "refund", "o1", code=2).stderr
    assert "no order has the key 'o2'" in seller.run("orders", "refund", "o2", "--reason", "x", code=1).stderr
    seller.run(*refund, "unhappy", "--key", "r1")
    assert "was refunded already" in seller.run(*refund, "unhappy", code=1).stderr
    assert "'refund:r1' was used before" in seller.run(*refund, "other", "--key", "r1", code=1).stderr


def test_a_credit_note_is_listed_and_shown(seller: Command) -> None:
    """It names what it takes something back of, as text, as data and as a page."""
    seller.run("invoices", "configure", "agent", "--tax", "VAT", "20", "--credit-note-prefix", "C/")
    seller.run("orders", "buy", "acc1", "fibre", "--key", "o1")
    seller.run("orders", "refund", "o1", "--reason", "unhappy")

    receipt, note = seller.json("invoices", "list", "--account", "acc1")["documents"]
    assert (receipt["kind"], receipt["corrects"], receipt["total"]) == ("receipt", None, usd("126.00"))
    assert (note["kind"], note["number"], note["corrects"], note["total"], note["due_at"]) == (
        "credit_note",
        "C/000001",
        "RCP-000001",
        usd("-126.00"),
        None,
    )
    assert "-126.00 USD" in seller.out("invoices", "list")
    shown = seller.out("invoices", "show", "C/000001").splitlines()
    assert shown[0].startswith("CREDIT NOTE C/000001  ")
    assert shown[1].endswith("for document RCP-000001")
    assert shown[-1].split() == ["Total", "-$126.00"]
    data = seller.json("invoices", "show", "C/000001")
    assert (data["corrects"], data["charges"][0]["amount"]) == ("RCP-000001", usd("-100.00"))
    assert data["charges"][0]["why"][0].startswith("unhappy: 100.00 USD of ")
    text = _page_of(seller, "C/000001")
    assert "<title>Credit note C/000001</title>" in text
    assert "<dt>For document</dt><dd><bdi>RCP-000001</bdi></dd>" in text
    assert "For document" not in _page_of(seller, "RCP-000001")


def _page_of(seller: Command, number: str) -> str:
    page = seller.directory / "page.html"
    seller.run("invoices", "show", number, "--html", page)
    return page.read_text(encoding="utf-8")
