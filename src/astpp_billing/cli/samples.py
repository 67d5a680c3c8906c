"""The rate decks and call records that come with the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

DECKS = {
    "termination": "termination_az.csv.gz",
    "distributor": "distributor_az.csv.gz",
    "subreseller": "subreseller_az.csv.gz",
    "retail": "retail_az.csv.gz",
}
"""The rate groups of the demo, and the files that their rates come from."""

LOOPBACK = "loopback"
"""The folder with the calls of account `acc1`."""

SIP = "sip"
"""The folder with the calls of SIP user `4420`, who dials `bs` before a number."""


@contextmanager
def rate_decks() -> Iterator[Path]:
    """The folder of the rate decks."""
    with as_file(files("astpp_billing").joinpath("data", "rates")) as folder:
        yield folder


@contextmanager
def call_records() -> Iterator[Path]:
    """The folder of the call records."""
    with as_file(files("astpp_billing").joinpath("data", "freeswitch")) as folder:
        yield folder
