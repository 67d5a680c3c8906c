"""The commands in the documentation work, in the order in which they stand there.

They are run in this process, as a shell would run them: starting a process for each takes longer than what it does.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from tests.cli.conftest import invoke

DOCS = Path(__file__).parents[2] / "docs"


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [command for block in blocks for command in re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE)]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs all commands of some pages, one after the other, in a folder of their own; gives what they write."""
    (tmp_path / "samples").symlink_to(Path(str(files("astpp_billing") / "data")))
    monkeypatch.chdir(tmp_path)

    def run_command(command: str) -> str:
        name, *words = shlex.split(command.replace("\\\n", " "))
        if name == "export":
            ((variable, _, value),) = (word.partition("=") for word in words)
            monkeypatch.setenv(variable, value)
            return ""
        assert name == "astpp-billing", f"a test cannot run {command!r}"
        assert not set(words) & {"|", "<", ";", "&&", "||"}, f"a test cannot run {command!r}"
        target = None
        if ">" in words:
            *words, arrow, target = words
            assert arrow == ">", f"a test cannot run {command!r}"
        result = invoke(*words)
        assert result.exit_code == 0, f"{command}: {result.stdout}{result.stderr}"
        if target is None:
            return result.stdout
        Path(target).write_text(result.stdout, encoding="utf-8")
        return ""

    def run_pages(*pages: str) -> str:
        found = [command for page in pages for command in commands(DOCS / "how-to" / page)]
        assert found
        return "".join(map(run_command, found))

    return run_pages


def test_the_commands_of_a_business_and_its_reports_work(run: Callable[..., str], tmp_path: Path) -> None:
    assert '"agrees": true' in run("use-the-command.md", "reports.md")

    assert "Jane" in (tmp_path / "accounts.csv").read_text(encoding="utf-8")
    assert "refill:payment 4711" in (tmp_path / "statement.csv").read_text(encoding="utf-8")


def test_the_commands_of_resold_products_work(run: Callable[..., str], tmp_path: Path) -> None:
    assert "the ledger agrees" in run("resell-products.md").lower()
    assert (tmp_path / "packages.db").is_file()
