"""`astpp-billing reports`."""

import csv

import pytest
from tests.cli.conftest import LOOPBACK, Command

ALWAYS = ("--since", "2020-01-01")


@pytest.fixture
def sold(shop: Command) -> Command:
    """The shop after a refill and some calls."""
    shop.run("ledger", "refill", "acc1", "10", "--key", "bank 1")
    shop.run("cdr", "ingest", LOOPBACK)
    return shop


def test_profits_of_all_sellers_are_shown(sold: Command) -> None:
    profits = sold.json("reports", "profit", *ALWAYS)["profits"]

    assert [(one["number"], one["profit"]) for one in profits] == [
        ("acme", {"amount": "1.708168", "currency": "USD"}),
        ("agent", {"amount": "0.19", "currency": "USD"}),
    ]
    assert [one["number"] for one in sold.json("reports", "profit", "--below", "agent", *ALWAYS)["profits"]] == [
        "agent"
    ]
    header, *lines = sold.out("reports", "profit").splitlines()
    assert header.split()[:3] == ["Account", "Name", "Profit"]
    assert [line.split()[0] for line in lines] == ["acme", "agent"]
    assert "1.708168 USD" in lines[0]


def test_a_profit_is_divided_by_period_and_destination(sold: Command) -> None:
    report = sold.json("reports", "profit", "acme", *ALWAYS, "--by", "month", "--destinations")
    assert report["total"]["profit"] == {"amount": "1.708168", "currency": "USD"}
    assert {one["destination"] for one in report["rows"]} == {"US", "RU"}
    (month,) = {one["period"] for one in report["rows"]}
    assert len(month) == len("2026-01")

    header, *lines = sold.out("reports", "profit", "acme", "--destinations").splitlines()
    assert header.split()[:2] == ["Destination", "Profit"]
    assert [line.split()[0] for line in lines] == ["RU", "US", "Total"]
    by_day = sold.json("reports", "profit", "acme", "--by", "day")["rows"]
    assert [len(one["period"]) for one in by_day] == [len("2026-01-01")]
    (_, line) = sold.out("reports", "profit", "acme").splitlines()
    assert line.split()[:2] == ["acme", "1.708168"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("profit", "--by", "day"), 2, "give its NUMBER"),
        (("profit", "--destinations"), 2, "give its NUMBER"),
        (("profit", "acme", "--below", "agent"), 2, "not both"),
        (("profit", "acme", "--by", "week"), 2, "'week' is not one of"),
        (("profit", "nobody"), 1, "no account has the number 'nobody'"),
        (("profit", "acme", "--since", "yesterday"), 2, "is no instant"),
        (("profit", "acme", "--since", "2026-01-01", "--until", "2026-01-01"), 1, "must end after it starts"),
        (("profit", "acme", "--since", "0001-01-01", "--until", "9999-12-31"), 0, ""),
        (("used", "acc1", "--since", "2026-01-01T00:00"), 2, "is no day"),
        (("used", "acc1", "--since", "2026-01-01", "--until", "2026-01-01"), 1, "there is no day"),
        (("statement", "acc1", "--since", "2026-01-02", "--until", "2026-01-01"), 1, "must end after it starts"),
    ],
)
def test_what_cannot_be_reported_is_told(shop: Command, arguments: tuple[str, ...], code: int, message: str) -> None:
    assert message in shop.run("reports", *arguments, code=code).stderr


def test_a_statement_goes_from_balance_to_balance(sold: Command) -> None:
    header, *lines = sold.out("reports", "statement", "acc1").splitlines()
    assert header.split()[:3] == ["Time", "(UTC)", "Reason"]
    assert [line.split()[2] for line in lines[:2]] == ["opening", "refill"]
    assert lines[-1].split()[2] == "closing"
    balance = str(sold.json("ledger", "refill", "acc1", "10", "--key", "bank 1")["balance"]["amount"])
    assert f"{balance} USD" in lines[-1]

    data = sold.json("reports", "statement", "acc1")
    assert data["opening"] == {"amount": "0.00", "currency": "USD"}
    assert data["closing"] == {"amount": balance, "currency": "USD"}
    assert data["movements"][-1]["balance"] == data["closing"]
    assert data["movements"][0]["key"] == "refill:bank 1"
    assert len(data["movements"]) == len(lines) - 2


def test_a_statement_as_csv_can_be_opened_in_a_spreadsheet(sold: Command) -> None:
    sold.run("ledger", "refill", "acc1", "1", "--key", '=HYPERLINK("x")')
    header, *rows = csv.reader(sold.out("reports", "statement", "acc1", "--csv").splitlines())

    assert header[0] == "at"
    assert {len(row) for row in rows} == {len(header)}
    assert rows[0][header.index("other_account")] == "agent"
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)
    assert "cannot be had together" in sold.run("--json", "reports", "statement", "acc1", "--csv", code=2).stderr


def test_used_credit_is_shown_by_day_and_month(sold: Command) -> None:
    days = sold.json("reports", "used", "acc1", *ALWAYS)
    months = sold.json("reports", "used", "acc1", *ALWAYS, "--by", "month")
    assert days["total"] == months["total"]
    assert days["total"]["calls"] == sum(one["calls"] for one in days["used"]) > 0
    assert months["used"][0]["period"] == days["used"][0]["period"][:7]
    header, *lines = sold.out("reports", "used", "acc1", *ALWAYS).splitlines()
    assert header.split() == ["Day", "Used", "Calls", "Seconds"]
    assert lines[-1].split()[0] == "Total"


def test_commissions_are_added_up_and_listed(sold: Command) -> None:
    report = sold.json("reports", "commissions", "agent", *ALWAYS, "--by", "month")
    assert report["net"] == [{"amount": "0.19", "currency": "USD"}]
    assert [(one["direction"], one["account"], one["reason"]) for one in report["commissions"]] == [
        ("received", "acme", "call")
    ]
    header, line, net = sold.out("reports", "commissions", "agent").splitlines()
    assert header.split()[:2] == ["For", "Direction"]
    assert line.split() == ["call", "received", "acme", "0.19", "USD"]
    assert net.split() == ["net", "0.19", "USD"]

    lines = sold.json("reports", "commissions", "agent", *ALWAYS, "--lines")["commissions"]
    assert lines
    assert all(one["key"].startswith("call:") for one in lines)
    rows = list(csv.reader(sold.out("reports", "commissions", "agent", *ALWAYS, "--csv").splitlines()))
    assert rows[0][-1] == "posting_key"
    assert [row[-1] for row in rows[1:]] == [one["key"] for one in lines]
    assert len(sold.out("reports", "commissions", "agent", "--lines").splitlines()) == len(rows)
    for refused, message in (
        (("--csv", "--by", "day"), "--by is not for"),
        (("--lines", "--by", "day"), "--by is not"),
    ):
        assert message in sold.run("reports", "commissions", "agent", *refused, code=2).stderr
    assert "together" in sold.run("--json", "reports", "commissions", "agent", "--csv", code=2).stderr
