"""The commands in the documentation work, in the order in which they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [command for block in blocks for command in re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE)]


@pytest.mark.slow
def test_the_commands_of_the_how_tos_work(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(Path(str(files("astpp_billing") / "data")))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    pages = [DOCS / "how-to" / name for name in ("use-the-command.md", "reports.md", "resell-products.md")]
    script = "\n".join(["set -e -x", *(command for page in pages for command in commands(page))])

    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert '"agrees": true' in done.stdout
    assert "Jane" in (tmp_path / "accounts.csv").read_text(encoding="utf-8")
    assert "refill:payment 4711" in (tmp_path / "statement.csv").read_text(encoding="utf-8")
