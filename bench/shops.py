"""Resellers with several hundred customers, real rate decks, and the records of their calls."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from io import StringIO

from astpp_billing.billing import Billing
from astpp_billing.calls import CallRecord
from astpp_billing.hierarchy import Account, ResellerModel

AT = datetime(2025, 3, 1, 12, tzinfo=UTC)
CUSTOMERS = 300
RESELLERS = (1, 1, 4)
"""How many distributors there are on each level below the admin."""
LEVELS = len(RESELLERS) + 1
"""How many accounts pay for each call."""


def read_deck(name: str) -> str:
    return gzip.decompress(files("astpp_billing").joinpath("data", "rates", f"{name}_az.csv.gz").read_bytes()).decode()


def open_shop(billing: Billing) -> None:
    """Admin → distributor → distributor → distributor → customers, all prepaid, with a receipt for each call."""

    def offer(owner: Account, name: str, deck: str, markup: int = 0) -> None:
        billing.prices.add_group(name, owner, markup_percent=markup)
        billing.prices.import_file(name, StringIO(read_deck(deck), newline=""))

    provider = billing.accounts.open_provider("Carrier", number="carrier", currency="USD")
    offer(provider, "termination", "termination")
    admin = billing.accounts.open_admin("Acme", number="acme", currency="USD", rate_group="termination")
    level = [admin]
    for depth, count in enumerate(RESELLERS, 1):
        below = []
        for index in range(count):
            seller = level[index % len(level)]
            name = f"from {seller.number}"
            if index < len(level):
                offer(seller, name, "distributor" if depth == 1 else "subreseller", 5 * depth)
            below.append(
                billing.accounts.open_reseller(
                    seller, model=ResellerModel.DISTRIBUTOR, number=f"d{depth}-{index}", rate_group=name
                )
            )
        level = below
    for index in range(CUSTOMERS):
        seller = level[index % len(level)]
        name = f"from {seller.number}"
        if index < len(level):
            offer(seller, name, "retail", 20)
        billing.accounts.open_customer(seller, number=f"c{index}", rate_group=name)


def prefixes() -> Sequence[str]:
    return [row["Code"] for row in csv.DictReader(StringIO(read_deck("retail")))]


def records(known: Sequence[str], count: int, *, seed: int) -> Iterator[CallRecord]:
    """Answered calls: destinations by Zipf's law, most of them short, in the order in which they ended."""
    popular = random.Random(len(known)).sample(known, len(known))
    chance = random.Random(seed)
    weights = [1 / rank for rank in range(1, len(known) + 1)]
    for index, prefix in enumerate(chance.choices(popular, weights, k=count)):
        digits = max(chance.choice((10, 11, 11, 12, 13)), len(prefix) + 3)
        number = prefix + "".join(chance.choices("0123456789", k=digits - len(prefix)))
        seconds = 20 + int(chance.expovariate(1 / 150))  # beyond what any rate gives away
        ended_at = AT + timedelta(seconds=index / 10)
        yield CallRecord(
            switch_id="switch",
            leg_uuid=f"{chance.getrandbits(128):032x}",
            number=number,
            started_at=ended_at - timedelta(seconds=seconds + 5),
            answered_at=ended_at - timedelta(seconds=seconds),
            ended_at=ended_at,
            seconds=seconds,
            account=f"c{chance.randrange(CUSTOMERS)}",
            caller="12025550143",
            dialled=number,
            hangup_cause="NORMAL_CLEARING",
        )
