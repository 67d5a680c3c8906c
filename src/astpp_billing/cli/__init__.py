"""The `astpp-billing` command.

click and rich come with the extra `cli`; this module imports neither, so that it can say so where they are missing.
"""

from __future__ import annotations

import sys

_EXTRA = {"click", "rich"}


def main() -> None:
    """Run the command with the arguments of the process, and end the process with its exit code."""
    try:
        from astpp_billing.cli.app import cli
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        sys.stderr.write(f"astpp-billing needs {missing}: install astpp-billing[cli]\n")
        sys.exit(2)
    cli(prog_name="astpp-billing")
