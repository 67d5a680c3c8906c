"""`astpp-billing demo`: the main job on real input, and the folder it leaves."""

import re
import shlex
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.cli.conftest import Command

from astpp_billing.cli.app import cli
from astpp_billing.cli.demo import program_name
from astpp_billing.cli.demo_files import DemoFolder


@pytest.fixture(scope="module", autouse=True)
def _named() -> Iterator[None]:
    """Whatever runs the tests, it is the command that runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bin/astpp-billing"])
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "made" / "by it"


@pytest.fixture(scope="module")
def told(folder: Path) -> str:
    """What the demo tells; its database and documents stay for the tests."""
    return Command(folder).run("demo", "--directory", folder).stdout


def test_it_tells_the_whole_story(told: str) -> None:
    chapters = re.findall(r"^\d\. (.+)$", told, re.MULTILINE)

    assert chapters == [
        "The business",
        "The prices",
        "The calls",
        "Who pays whom, and why",
        "The documents",
        "What is left",
        "Try it yourself",
    ]


def test_it_is_at_most_a_hundred_columns_wide(told: str) -> None:
    assert [line for line in told.splitlines() if len(line) > 100 and "--database" not in line] == []


def test_real_records_were_charged_once_and_one_payer_was_waited_for(told: str) -> None:
    results = re.findall(r" (charged|repeated|unrated|not billable)  ", told)

    assert {result: results.count(result) for result in set(results)} == {
        "charged": 5,
        "repeated": 7,
        "unrated": 2,
        "not billable": 8,
    }
    assert len(re.findall(r" charged$", told, re.MULTILINE)) == 2  # the two that waited, after the retry
    assert "refused, with the reason: not JSON, or cut off" in told


def test_it_explains_own_rates_conversion_commission_margin_and_cost(told: str) -> None:
    text = " ".join(told.split())

    for phrase in (
        "4420 pays city 0.363636 EUR rate 1 US Proper of group '4420-special'",
        "0.4 USD = 0.363636 EUR by 1 EUR = 1.1 USD",
        "europe pays agent commission 0.001095 EUR 10 % of what agent passes on, 0.010945 EUR",
        "acme pays carrier for ending the call 0.000774 USD",
        "acc1 calls 7771: 1 s, 4 times",
        "VAT 20 %",
    ):
        assert phrase in text


def test_the_ledger_agrees(told: str) -> None:
    assert "the ledger agrees: 10 balances and 8 documents compared" in " ".join(told.split())


def test_every_command_that_it_names_works(told: str, folder: Path) -> None:
    _, _, commands = told.partition("These work on it:\n")
    lines = commands.replace("\\\n", "").splitlines()

    assert len(lines) == 6
    for line in lines:
        program, *arguments = shlex.split(line)
        result = CliRunner().invoke(cli, arguments)
        assert program.endswith("astpp-billing")
        assert (result.exit_code, bool(result.output)) == (0, True), line


def test_it_leaves_the_documents_as_pages(told: str, folder: Path) -> None:
    pages = sorted(path.name for path in folder.glob("*.html"))

    assert len(pages) == 8
    assert all((folder / page).read_text(encoding="utf-8").startswith("<!DOCTYPE html>") for page in pages)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*pages, "demo-files.txt", "demo.db"])


def test_it_starts_afresh_and_tells_the_same_again(told: str, folder: Path) -> None:
    other = folder / "notes.txt"
    other.write_text("mine")
    again = Command(folder).run("demo", "--directory", folder).stdout

    assert again == told
    assert other.read_text() == "mine"
    other.unlink()


def test_it_is_data_too(tmp_path: Path) -> None:
    data: Any = Command(tmp_path).json("demo", "--directory", tmp_path / "demo")

    assert data["agrees"] is True
    assert len(data["files"]) == 22
    assert len(data["calls"]) == 7
    assert len(data["documents"]) == 8
    assert {row["rest"]["amount"] for row in [*data["identity"], *data["wallets"]]} == {"0.00"}
    for row in data["identity"]:
        paid, got, earned = (Decimal(row[name]["amount"]) for name in ("customers", "carrier", "profits"))
        assert paid == got + earned != 0
    commission = [one for one in data["calls"][0]["payments"] if one["what"] == "commission"]
    assert commission[0]["amount"] == {"amount": "0.001095", "currency": "EUR"}


@pytest.mark.parametrize("name", ["demo.db", "demo-files.txt"])
def test_it_removes_nothing_that_it_did_not_make(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    result = Command(tmp_path).run("demo", "--directory", tmp_path, code=1)

    assert "was not made by the demo" in result.stderr
    assert (tmp_path / name).read_text() == "mine"


def test_names_that_the_demo_never_gives_are_not_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.html"
    outside.write_text("mine")
    folder = DemoFolder(tmp_path / "demo")
    folder.start_afresh()
    page = folder.add("INV-1.html")
    page.write_text("page")
    (folder.path / "link.html").symlink_to(outside)
    manifest = folder.path / "demo-files.txt"
    manifest.write_text(manifest.read_text() + "../outside.html\nnotes.txt\nlink.html\nINV-2.html\n")
    (folder.path / "notes.txt").write_text("mine")
    DemoFolder(folder.path).start_afresh()

    assert outside.read_text() == "mine"
    assert (folder.path / "notes.txt").exists()
    assert (folder.path / "link.html").is_symlink()
    assert not page.exists()


def test_what_the_database_left_beside_it_goes_with_it(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    folder.start_afresh()
    for name in ("demo.db", "demo.db-wal", "demo.db-shm"):
        (tmp_path / name).write_text("")
    DemoFolder(tmp_path).start_afresh()

    assert [path.name for path in tmp_path.iterdir()] == ["demo-files.txt"]


def test_an_empty_list_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "demo-files.txt").write_text("")

    assert "was not made by the demo" in Command(tmp_path).run("demo", "--directory", tmp_path, code=1).stderr


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = Command(tmp_path).run("demo", "--directory", tmp_path / "file" / "demo", code=1)

    assert result.stderr.startswith(f"Error: {tmp_path / 'file' / 'demo'}: ")
    assert "question mark" in Command(tmp_path).run("demo", "--directory", "what?", code=2).stderr


def test_it_names_the_command_as_the_shell_would_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("sys.argv", ["/my tools/astpp-billing", "demo"])

    assert program_name() == "'/my tools/astpp-billing'"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert program_name() == "astpp-billing"
