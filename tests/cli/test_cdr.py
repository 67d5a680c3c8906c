"""`astpp-billing cdr`: from files to charges, each call once."""

import json
import os
from pathlib import Path

import pytest
from tests.cli.conftest import LOOPBACK, SIP, Command

from astpp_billing.cli.ingest import find_files

ENTITY = b'<?xml version="1.0"?><!DOCTYPE cdr [<!ENTITY x SYSTEM "file:///etc/passwd">]><cdr>&x;</cdr>'


def balances(command: Command) -> dict[str, str]:
    accounts = command.json("accounts", "list")["accounts"]
    return {one["number"]: one["balance"]["amount"] for one in accounts}


def test_a_directory_is_read_and_each_call_is_charged_once(shop: Command) -> None:
    assert shop.out("cdr", "ingest", LOOPBACK) == "5 charged, 5 repeated\n"

    # one call to 1 for 0.10 + 0.60, four to 7 for 0.30, each of them there as JSON and as XML
    assert balances(shop)["acc1"] == "-1.90"
    assert shop.out("cdr", "ingest", LOOPBACK) == "10 repeated\n"
    assert balances(shop)["acc1"] == "-1.90"


def test_only_the_billable_leg_of_a_call_is_charged(shop: Command) -> None:
    done = shop.json("cdr", "ingest", SIP, "--access-prefix", "bs")

    assert done["summary"] == {"charged": 2, "repeated": 2, "unrated": 0, "not billable": 8, "bad": 0}
    charged = [one for one in done["files"] if one["result"] == "charged"]
    assert [(one["payer"], one["number"], one["seconds"]) for one in charged] == [
        ("4420", "1234", 3),
        ("4420", "486", 0),
    ]
    assert charged[0]["amount"] == {"amount": "0.56", "currency": "EUR"}
    assert charged[1]["amount"] is None
    reasons = {one["detail"] for one in done["files"] if one["result"] == "not billable"}
    assert reasons == {"B leg: its A leg is billed", "made by the switch itself", "no access prefix dialled"}


def test_a_line_for_every_file_can_be_had(shop: Command) -> None:
    *lines, last = shop.out("cdr", "ingest", "-v", "--access-prefix", "bs", SIP / "bridged_sip_call").splitlines()

    assert [line.rpartition("/")[2] for line in lines[:3]] == [
        "a_leg_inbound.json: charged, 4420, 1234, 3, 0.56 EUR",
        "a_leg_inbound.xml: repeated, 4420, 1234, 3, 0.56 EUR",
        "b_leg_outbound.json: not billable, B leg: its A leg is billed",
    ]
    assert last == "1 charged, 1 repeated, 6 not billable"


def test_a_context_that_is_not_billed_is_told(shop: Command) -> None:
    done = shop.json("cdr", "ingest", LOOPBACK / "json_cdr_form.http", "--context", "customers")

    assert done["files"][0]["detail"] == "in another context"
    assert done["summary"]["not billable"] == 1


def test_an_international_prefix_is_taken_off(shop: Command) -> None:
    done = shop.json("cdr", "ingest", LOOPBACK / "json_cdr_form.http", "--international-prefix", "77")

    assert done["files"][0]["number"] == "71"


def test_bad_files_are_named_with_the_reason_and_the_others_go_on(shop: Command) -> None:
    whole = (SIP / "busy_call" / "a_leg_inbound.json").read_bytes()
    xml = (SIP / "busy_call" / "a_leg_inbound.xml").read_bytes()
    shop.file("cdr/1-cut.json", whole[:2000])
    shop.file("cdr/2-cut.xml", xml[:2000])
    shop.file("cdr/3-entity.xml", ENTITY)
    shop.file("cdr/4-text.txt", "hello")
    shop.file("cdr/5-empty.json", "")
    shop.file("cdr/6-large.json", b" " * (4 * 1024 * 1024 + 1))
    shop.file("cdr/7-good.http", (LOOPBACK / "json_cdr_form.http").read_bytes())
    result = shop.run("cdr", "ingest", shop.directory / "cdr", code=1)

    assert result.stdout == "1 charged, 6 bad\n"
    lines = {line.partition(": ")[0].rpartition("/")[2]: line for line in result.stderr.splitlines()}
    assert "not JSON, or cut off" in lines["1-cut.json"]
    assert "not XML, or cut off" in lines["2-cut.xml"]
    assert "declares a document type or an entity" in lines["3-entity.xml"]
    assert "neither JSON nor XML" in lines["4-text.txt"]
    assert "5-empty.json: bad: " in lines["5-empty.json"]
    assert "4194304" in lines["6-large.json"]
    assert len(lines) == 6
    assert "root:" not in result.stderr
    assert balances(shop)["acc1"] == "-0.30"


def test_a_file_that_cannot_be_opened_is_named(shop: Command) -> None:
    result = shop.run("cdr", "ingest", "nowhere.json", LOOPBACK / "json_cdr_form.http", code=1)

    assert result.stderr == "nowhere.json: bad: No such file or directory\n"
    assert result.stdout == "1 charged, 1 bad\n"


def test_bad_files_are_in_the_json_too(shop: Command) -> None:
    shop.file("cdr/bad\x1b[31m.json", "{")
    result = shop.run("--json", "cdr", "ingest", shop.directory / "cdr", code=1)
    (bad,) = json.loads(result.stdout)["files"]

    assert bad["result"] == "bad"
    assert bad["key"] is None
    assert "\x1b" not in result.stderr


def test_one_record_may_come_from_standard_input(shop: Command) -> None:
    body = (LOOPBACK / "json_cdr_form.http").read_bytes()

    assert shop.json("cdr", "ingest", "-", stdin=body)["summary"]["charged"] == 1
    assert shop.run("cdr", "ingest", "-", stdin=b"", code=1).stderr.startswith("-: bad: ")


def test_the_same_leg_with_other_content_is_a_conflict_and_is_not_charged(shop: Command) -> None:
    body = (SIP / "bridged_sip_call" / "a_leg_inbound.json").read_bytes()
    shop.run("cdr", "ingest", shop.file("first.json", body))
    other = json.loads(body)
    profile = other["callflow"][0]["caller_profile"]
    profile["destination_number"] = "1999"
    result = shop.run("cdr", "ingest", shop.file("second.json", json.dumps(other)), code=1)

    assert "second.json: bad: call:fstest:" in result.stderr
    assert len(shop.json("cdr", "list")["calls"]) == 1


def test_hidden_files_and_links_to_directories_are_left_out(tmp_path: Path) -> None:
    for name in ("b/2", "b/.hidden", ".git/3", "a"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    (tmp_path / "b" / "round").symlink_to(tmp_path)
    found = [os.path.relpath(name, tmp_path) for name in find_files([str(tmp_path), "-", "nowhere"])]

    assert found == ["a", "b/2", os.path.relpath("-", tmp_path), os.path.relpath("nowhere", tmp_path)]


def test_files_come_one_by_one(tmp_path: Path) -> None:
    files = find_files(name for name in (str(tmp_path / "1"), pytest.fail))  # type: ignore[misc]  # never reached

    assert next(files) == str(tmp_path / "1")


def test_an_unknown_account_is_kept_listed_and_settled_by_a_retry(shop: Command) -> None:
    shop.run("accounts", "open", "admin", "--number", "elsewhere", "--currency", "USD")
    body = json.loads((SIP / "bridged_sip_call" / "a_leg_inbound.json").read_bytes())
    body["variables"]["accountcode"] = "newbie"
    record = shop.file("new.json", json.dumps(body))
    first = shop.run("cdr", "ingest", record, "--access-prefix", "bs")

    assert first.stdout == "1 unrated\n"
    assert "new.json: unrated: unknown account: no account has the number 'newbie'" in first.stderr
    assert shop.out("cdr", "ingest", record, "--access-prefix", "bs") == "1 repeated\n"
    (waiting,) = shop.json("cdr", "list", "--unrated")["calls"]
    assert (waiting["status"], waiting["reason"], waiting["payer"]) == ("unrated", "unknown account", "newbie")
    assert "no account has the number 'newbie'" in shop.out("cdr", "list", "--unrated")
    assert shop.out("cdr", "explain", waiting["leg"]).startswith("not rated, unknown account: ")

    still = shop.run("cdr", "retry")
    assert still.stderr == "0 calls rated, 1 still not\n"
    assert "unknown account" in still.stdout

    shop.run("accounts", "open", "customer", "--parent", "agent", "--number", "newbie", "--rate-group", "retail")
    (rated,) = shop.json("cdr", "retry")["calls"]
    assert (rated["status"], rated["amount"]) == ("rated", {"amount": "0.70", "currency": "USD"})
    assert shop.json("cdr", "retry") == {"calls": []}
    assert shop.json("cdr", "list", "--unrated") == {"calls": []}
    assert balances(shop)["newbie"] == "-0.70"


def test_calls_are_listed_in_the_order_of_their_start(shop: Command) -> None:
    shop.run("cdr", "ingest", LOOPBACK, SIP / "bridged_sip_call" / "a_leg_inbound.xml", "--access-prefix", "bs")
    shop.run("cdr", "ingest", LOOPBACK)
    calls = shop.json("cdr", "list")["calls"]

    assert [call["payer"] for call in calls] == ["acc1"] * 5 + ["4420"]
    assert [call["started_at"] for call in calls] == sorted(call["started_at"] for call in calls)
    assert shop.out("cdr", "list").splitlines()[1].split()[2:5] == ["acc1", "1234", "3"]


def test_a_call_is_explained_by_what_was_posted(shop: Command) -> None:
    shop.run("invoices", "configure", "agent", "--tax", "VAT", "20")
    shop.run("cdr", "ingest", LOOPBACK / "json_cdr_default.http")
    (call,) = shop.json("cdr", "list")["calls"]

    assert shop.out("cdr", "explain", call["key"]) == shop.out("cdr", "explain", call["leg"])
    payments = shop.json("cdr", "explain", call["leg"])["payments"]
    assert [(one["payer"], one["payee"], one["what"], one["amount"]["amount"]) for one in payments] == [
        ("acc1", "agent", "charge", "0.70"),
        ("agent", "acme", "charge", "0.70"),
        ("acme", "agent", "commission", "0.07"),
        ("acme", "carrier", "termination", "0.0005"),
        ("acc1", "agent", "tax", "0.14"),
    ]
    assert payments[0]["why"][0] == "rate 1 US of group 'retail' version 1"


def test_a_call_that_cost_nothing_has_nothing_to_explain(shop: Command) -> None:
    shop.run("cdr", "ingest", "--access-prefix", "bs", SIP / "busy_call")
    (call,) = shop.json("cdr", "list")["calls"]

    assert shop.out("cdr", "explain", call["leg"]) == "nothing was charged\n"


@pytest.mark.parametrize("key", ["nothing", "call:fstest:nothing"])
def test_a_call_that_is_not_there_cannot_be_explained(shop: Command, key: str) -> None:
    assert key in shop.run("cdr", "explain", key, code=1).stderr


def test_a_leg_of_two_switches_needs_the_whole_key(shop: Command) -> None:
    body = (SIP / "bridged_sip_call" / "a_leg_inbound.json").read_text()
    shop.run("cdr", "ingest", shop.file("1.json", body), "--access-prefix", "bs")
    shop.run("cdr", "ingest", shop.file("2.json", body.replace("fstest", "other")), "--access-prefix", "bs")
    leg = shop.json("cdr", "list")["calls"][0]["leg"]
    result = shop.run("cdr", "explain", leg, code=2)

    assert f"give one of call:fstest:{leg}, call:other:{leg}" in result.stderr
    assert "p4420 pays agent" in shop.out("cdr", "explain", f"call:other:{leg}")


def test_something_must_be_ingested(shop: Command) -> None:
    assert "Missing argument" in shop.run("cdr", "ingest", code=2).stderr
    empty = shop.directory / "empty"
    empty.mkdir()
    assert shop.out("cdr", "ingest", empty) == "no files\n"
    assert shop.json("cdr", "ingest", empty)["files"] == []
