"""`astpp-billing rates` and `astpp-billing fx`."""

import gzip

import pytest
from tests.cli.conftest import HEADINGS, Command

GOOD = HEADINGS + "44,UK,0,0,0.02,1,1\n\n49,Germany,0.01,5,0.03,30,6\n"


def packed(text: str) -> bytes:
    # without the time in its header: workers that collect the tests a second apart must find the same ones
    return gzip.compress(text.encode(), mtime=0)


@pytest.fixture
def group(shop: Command) -> Command:
    shop.run("rates", "group", "deck", "--owner", "acme", "--places", "4", "--markup-percent", "10")
    return shop


def prefixes(command: Command) -> list[str]:
    return [rate["prefix"] for rate in command.json("rates", "list", "--group", "deck")["rates"]]


def test_a_group_is_opened(group: Command) -> None:
    (deck,) = [one for one in group.json("rates", "list")["rate_groups"] if one["name"] == "deck"]

    assert deck == {
        "name": "deck",
        "owner": "acme",
        "currency": "USD",
        "markup_percent": "10",
        "default_initial_increment": 1,
        "default_increment": 1,
        "places": 4,
        "version": 0,
    }
    assert group.out("rates", "group", "other", "--owner", "acme") == "rate group 'other' of acme in USD\n"
    assert "other" in group.out("rates", "list")


def test_a_customer_offers_nothing(shop: Command) -> None:
    assert "sells nothing" in shop.run("rates", "group", "x", "--owner", "acc1", code=1).stderr


def test_a_file_is_imported(group: Command) -> None:
    result = group.json("rates", "import", group.file("deck.csv", GOOD), "--group", "deck")

    assert result == {"file": str(group.directory / "deck.csv"), "group": "deck", "version": 1, "rates": 2}
    assert prefixes(group) == ["44", "49"]


def test_it_may_be_compressed_whatever_its_name_is(group: Command) -> None:
    path = group.file("deck.csv", packed(GOOD))

    assert "2 rates imported" in group.out("rates", "import", path, "--group", "deck")
    assert prefixes(group) == ["44", "49"]


@pytest.mark.parametrize("content", [GOOD.encode(), packed(GOOD)])
def test_it_may_come_from_standard_input(group: Command, content: bytes) -> None:
    group.run("rates", "import", "-", "--group", "deck", stdin=content)

    assert prefixes(group) == ["44", "49"]


def test_it_holds_from_the_instant_that_is_given(group: Command) -> None:
    group.run("rates", "import", group.file("1.csv", GOOD), "--group", "deck")
    path = group.file("2.csv", HEADINGS + "44,UK,0,0,0.05,1,1\n")
    group.run("rates", "import", path, "--group", "deck", "--valid-from", "2030-01-01T00:00:00+01:00")

    def per_minute(at: str) -> str:
        return str(group.json("rates", "explain", "441", "--group", "deck", "--at", at)["per_minute"])

    assert per_minute("2029-12-31T22:59:59Z") == "0.022"
    assert per_minute("2029-12-31T23:00:00") == "0.055"
    (old, new, _) = group.json("rates", "list", "--group", "deck")["rates"]
    assert {old["valid_until"], new["valid_from"], old["valid_from"]} >= {"2029-12-31T23:00:00Z", None}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (HEADINGS + "44,UK,0,0,cheap,1,1\n", ["line 2", "'Cost / Min (USD)'", "'cheap'"]),
        (HEADINGS + "44,UK,0,0,0.02,1,1\n+49,DE,0,0,0.02,1,1\n", ["line 3", "'Code'", "'+49'"]),
        (HEADINGS + "44,UK,0,0,0.02,1,1\n44,UK,0,0,0.03,1,1\n", ["line 3", "twice", "'44'"]),
        (HEADINGS + "44,UK,0\n", ["line 2", "7 values are needed, not 3"]),
        (HEADINGS.replace("Code", "Cod") + "44,UK,0,0,0.02,1,1\n", ["line 1", "'Cod'"]),
        (HEADINGS.replace("USD", "EUR") + "44,UK,0,0,0.02,1,1\n", ["EUR", "USD"]),
        ("", ["line 1", "the file is empty"]),
        (b"\xff\xfe\x00", ["line 1", "utf-8"]),
        (packed(GOOD * 1000)[:-20], ["damaged or cut off"]),
        (b"\x1f\x8bnot gzip at all", ["damaged or cut off"]),
    ],
)
def test_a_bad_file_names_line_column_and_value_and_imports_nothing(
    group: Command, content: str | bytes, parts: list[str]
) -> None:
    result = group.run("rates", "import", group.file("bad.csv", content), "--group", "deck", code=1)

    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    for part in ["bad.csv: ", *parts]:
        assert part in result.stderr
    assert prefixes(group) == []


def test_a_bad_import_leaves_the_version_before(group: Command) -> None:
    group.run("rates", "import", group.file("good.csv", GOOD), "--group", "deck")
    group.run("rates", "import", group.file("bad.csv", GOOD + "1,x,0,0,-1,1,1\n"), "--group", "deck", code=1)

    assert prefixes(group) == ["44", "49"]
    assert group.json("rates", "explain", "44", "--group", "deck")["version"] == 1


def test_a_file_that_is_not_there_is_named(group: Command) -> None:
    result = group.run("rates", "import", "nowhere.csv", "--group", "deck", code=1)

    assert result.stderr == "Error: nowhere.csv: No such file or directory\n"


def test_a_group_that_is_not_there_is_named_before_anything_is_read(shop: Command) -> None:
    assert "'no'" in shop.run("rates", "import", "-", "--group", "no", stdin=GOOD, code=1).stderr


def test_rates_can_be_listed_by_prefix(shop: Command) -> None:
    rates = shop.json("rates", "list", "--group", "retail", "--prefix", "7")["rates"]

    assert [(rate["prefix"], rate["price_per_minute"], rate["connection_fee"]) for rate in rates] == [("7", "0.3", "0")]
    header, line = shop.out("rates", "list", "--group", "retail", "--prefix", "7").splitlines()
    assert header.startswith("Prefix")
    assert line.split()[:2] == ["7", "RU"]
    assert shop.run("rates", "list", "--group", "no", code=1).stderr.startswith("Error: no rate group")


def test_a_price_is_explained_step_by_step(group: Command) -> None:
    group.run("rates", "import", group.file("deck.csv", GOOD), "--group", "deck")
    text = group.out("rates", "explain", "+49 (30) 123-456", "--group", "deck", "--seconds", "50")

    assert "4930123456, rate 49 Germany of group 'deck' version 1" in text
    assert "50 s - 5 s included = 45 s, charged 30 s + 3 x 6 s = 48 s" in text
    assert "0.01 connection + 0.03 + 10 % markup per minute x 48 s / 60 = 0.0364 USD (4 places)" in text


def test_an_explanation_is_data_too(group: Command) -> None:
    group.run("rates", "import", group.file("deck.csv", GOOD), "--group", "deck")
    data = group.json("rates", "explain", "4930", "--group", "deck", "--seconds", "50")

    assert data["price"] == {"amount": "0.0364", "currency": "USD"}
    assert (data["charged_seconds"], data["blocks"], data["exchange_rates"]) == (48, 3, [])
    assert data["text"][0].startswith("rate 49")


def test_what_everybody_pays_is_explained(shop: Command) -> None:
    text = shop.out("rates", "explain", "12125550100", "--account", "p4420", "--seconds", "61")

    assert "p4420 pays agent: 1.04 EUR" in text
    assert "1.3 USD = 1.04 EUR by 1 EUR = 1.25 USD from 2025-01-01 (bank)" in text
    assert "agent pays acme: 1.30 USD\n    passes on its buyer's price, 1.30 USD\n" in text
    assert "acme pays agent (commission): 0.13 USD\n    10 % of what agent passes on, 1.30 USD\n" in text
    assert "acme pays carrier (termination): 0.010167 USD" in text


def test_commissions_in_a_row_and_in_other_currencies_are_explained(shop: Command) -> None:
    sub = ("--parent", "agent", "--number", "sub", "--model", "commission", "--commission-percent", "50")
    shop.run("accounts", "open", "reseller", *sub, "--currency", "EUR")
    shop.run("accounts", "open", "customer", "--parent", "sub", "--number", "deep", "--rate-group", "retail")
    payments = shop.json("rates", "explain", "7771", "--account", "deep")["payments"]

    assert [(one["payer"], one["payee"], one["what"]) for one in payments] == [
        ("deep", "sub", "charge"),
        ("sub", "agent", "charge"),
        ("agent", "acme", "charge"),
        ("acme", "agent", "commission"),
        ("agent", "sub", "commission"),
        ("acme", "carrier", "termination"),
    ]
    assert payments[1]["why"] == [
        "passes on its buyer's price, 0.30 USD",
        "0.3 USD = 0.24 EUR by 1 EUR = 1.25 USD from 2025-01-01 (bank)",
    ]
    assert payments[3]["why"] == ["10 % of what agent passes on, 0.30 USD"]
    assert payments[4]["why"] == ["50 % of the commission that agent is paid, 0.03 USD, by 1 EUR = 1.25 USD"]
    assert payments[4]["amount"] == {"amount": "0.012", "currency": "EUR"}


def test_an_agent_that_calls_by_itself_pays_by_its_own_list(shop: Command) -> None:
    shop.run("accounts", "change", "agent", "--rate-group", "retail")
    first = shop.json("rates", "explain", "7771", "--account", "agent")["payments"][0]

    assert first["why"][0] == "rate 7 RU of group 'retail' version 1"


def test_without_a_provider_nothing_is_paid_for_termination(shop: Command) -> None:
    shop.run("accounts", "open", "admin", "--number", "root", "--currency", "USD")
    shop.run("rates", "group", "root list", "--owner", "root")
    shop.rates("root list", "1,US,0,0,1,1,1")
    shop.run("accounts", "open", "customer", "--parent", "root", "--number", "c", "--rate-group", "root list")
    payments = shop.json("rates", "explain", "1", "--account", "c")["payments"]

    assert [payment["what"] for payment in payments] == ["charge"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("44",), 2, "give either --group or --account"),
        (("44", "--group", "retail", "--account", "acc1"), 2, "give either --group or --account"),
        (("44", "--group", "retail"), 1, "rate group 'retail' has no rate for 44"),
        (("44", "--group", "no"), 1, "no rate group is named 'no'"),
        (("44", "--account", "acc1"), 1, "no rate: account acc1 has no rate for 44"),
        (("4x4", "--group", "retail"), 2, "'4x4' is no phone number"),
        (("", "--group", "retail"), 2, "'' is no phone number"),
        (("44", "--group", "retail", "--seconds", "-1"), 2, "--seconds"),
        (("44", "--group", "retail", "--at", "yesterday"), 2, "'yesterday' is no instant in ISO 8601"),
        (("44", "--group", "retail", "--at", "0001-01-01T00:00:00+10:00"), 2, "is no instant"),
    ],
)
def test_what_cannot_be_explained_is_said(shop: Command, arguments: tuple[str, ...], code: int, message: str) -> None:
    assert message in shop.run("rates", "explain", *arguments, code=code).stderr


def test_exchange_rates_are_set_and_listed(shop: Command) -> None:
    text = shop.out("fx", "set", "usd", "jpy", "150.25", "--valid-from", "2026-01-01T00:00:00Z")

    assert text == "1 USD = 150.25 JPY from 2026-01-01 00:00:00 UTC on\n"
    assert shop.json("fx", "list")["exchange_rates"] == [
        {"base": "EUR", "quote": "USD", "rate": "1.25", "valid_from": "2025-01-01T00:00:00Z", "source": "bank"},
        {"base": "USD", "quote": "JPY", "rate": "150.25", "valid_from": "2026-01-01T00:00:00Z", "source": "manual"},
    ]
    assert "150.25" in shop.out("fx", "list")


@pytest.mark.parametrize("rate", ["0", "-1"])
def test_an_exchange_rate_is_above_zero(shop: Command, rate: str) -> None:
    assert "above zero" in shop.run("fx", "set", "EUR", "JPY", "--", rate, code=1).stderr
