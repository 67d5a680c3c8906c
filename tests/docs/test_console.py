"""The commands in the documentation work, in the order in which they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [command for block in blocks for command in re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE)]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Runs all commands of some pages, one after the other, in a folder of their own; gives what they write."""

    def run_pages(*pages: str) -> str:
        (tmp_path / "samples").symlink_to(Path(str(files("astpp_billing") / "data")))
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        script = "\n".join(["set -e -x", *(command for page in pages for command in commands(DOCS / "how-to" / page))])
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_pages


@pytest.mark.slow
def test_the_commands_of_a_business_and_its_reports_work(run: Callable[..., str], tmp_path: Path) -> None:
    assert '"agrees": true' in run("use-the-command.md", "reports.md")

    assert "Jane" in (tmp_path / "accounts.csv").read_text(encoding="utf-8")
    assert "refill:payment 4711" in (tmp_path / "statement.csv").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_commands_of_resold_products_work(run: Callable[..., str], tmp_path: Path) -> None:
    assert "the ledger agrees" in run("resell-products.md").lower()
    assert (tmp_path / "packages.db").is_file()
