"""Pricing one call on every level of a path: four rate decks, a commission reseller, two currencies."""

import gzip
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from time import perf_counter_ns

from astpp_billing.fx import ExchangeRate, ExchangeRates
from astpp_billing.hierarchy import Account, Kind, ResellerModel
from astpp_billing.money import from_micros
from astpp_billing.pricing import Cascade, PricedCall, Rate, RateGroup, RateTable, Tariff
from astpp_billing.pricing.ratefile import read_rate_file
from bench.plain import Deck, Path, Payment
from bench.result import Result, compare

FLOOR = 3.0
CALLS = 20_000
AT = datetime(2025, 3, 1, 12, tzinfo=UTC)
COMMISSION_PERCENT = Decimal("12.5")
DOLLARS_PER_EURO = Decimal("1.0825")
MARKUP_PERCENT = {
    "retail": Decimal("7.5"),
    "subreseller": Decimal(0),
    "distributor": Decimal(0),
    "termination": Decimal(0),
}

Call = tuple[str, int, datetime]


def run() -> Result:
    decks = {name: load(name) for name in MARKUP_PERCENT}
    calls = mixture(decks["retail"], random.Random(20250301))
    cascade = build_cascade(decks)
    plain_decks = {name: Deck(rates, MARKUP_PERCENT[name]) for name, rates in decks.items()}
    plain = Path(plain_decks, COMMISSION_PERCENT, DOLLARS_PER_EURO)

    begin = perf_counter_ns()
    priced = [cascade.price(*call) for call in calls]
    cold_ns = (perf_counter_ns() - begin) / len(calls)
    check_equal(priced, [plain.price(*call) for call in calls])
    ranges = len({each.terms.levels for each in priced if isinstance(each, PricedCall)})
    warm = compare(cascade.price, plain.price, calls, rounds=15)
    return Result(
        "price_cascade",
        warm.ratio,
        FLOOR,
        {
            "calls, ranges of numbers": f"{len(calls)}, {ranges}",
            "a call, once its range is known": f"{warm.ours_ns / 1000:.2f} us",
            "a call in the first pass": f"{cold_ns / 1000:.2f} us",
            "a call the plain way": f"{warm.plain_ns / 1000:.2f} us",
            "ratio in the first pass": f"{warm.plain_ns / cold_ns:.2f}",
        },
    )


def load(name: str) -> tuple[Rate, ...]:
    path = files("astpp_billing").joinpath("data", "rates", f"{name}_az.csv.gz")
    text = gzip.decompress(path.read_bytes()).decode()
    return tuple(read_rate_file(text.splitlines(keepends=True)).rates())


def mixture(rates: tuple[Rate, ...], chance: random.Random) -> list[Call]:
    """Calls as they come: destinations by Zipf's law, one in eight not answered, most of the others short."""
    weights = [1 / rank for rank in range(1, len(rates) + 1)]
    rates = tuple(chance.sample(rates, len(rates)))
    calls = []
    for rate in chance.choices(rates, weights, k=CALLS):
        digits = max(chance.choice((10, 11, 11, 12, 13)), len(rate.prefix) + 3)
        number = rate.prefix + "".join(chance.choices("0123456789", k=digits - len(rate.prefix)))
        seconds = 0 if chance.random() < 0.125 else 1 + int(chance.expovariate(1 / 150))
        calls.append((number, seconds, AT))
    return calls


def build_cascade(decks: dict[str, tuple[Rate, ...]]) -> Cascade:
    admin = Account(id=1, number="admin", kind=Kind.ADMIN, currency="USD")
    distributor = Account(
        id=2, number="d", kind=Kind.RESELLER, model=ResellerModel.DISTRIBUTOR, parent_id=1, currency="EUR"
    )
    subreseller = Account(
        id=3, number="s", kind=Kind.RESELLER, model=ResellerModel.DISTRIBUTOR, parent_id=2, currency="USD"
    )
    agent = Account(
        id=4,
        number="k",
        kind=Kind.RESELLER,
        model=ResellerModel.COMMISSION,
        parent_id=3,
        currency="USD",
        commission_percent=COMMISSION_PERCENT,
    )
    customer = Account(id=5, number="c", kind=Kind.CUSTOMER, parent_id=4, currency="USD")
    provider = Account(id=6, number="p", kind=Kind.PROVIDER, currency="USD")

    def tariff(name: str, owner: Account) -> Tariff:
        group = RateGroup(name=name, owner_id=owner.id, currency="USD", markup_percent=MARKUP_PERCENT[name])
        return Tariff(group, RateTable(decks[name]))

    return Cascade(
        (customer, agent, subreseller, distributor, admin),
        {
            customer.id: [tariff("retail", subreseller)],
            subreseller.id: [tariff("subreseller", distributor)],
            distributor.id: [tariff("distributor", admin)],
        },
        ExchangeRates([ExchangeRate("EUR", "USD", DOLLARS_PER_EURO, datetime(2025, 1, 1, tzinfo=UTC))]),
        (provider, tariff("termination", provider)),
    )


def check_equal(priced: Sequence[object], expected: Sequence[tuple[list[Payment], Decimal]]) -> None:
    for ours, (payments, share) in zip(priced, expected, strict=True):
        assert isinstance(ours, PricedCall), ours
        paid = [
            (terms.rate, from_micros(amount)) for terms, amount in zip(ours.terms.payments, ours.amounts, strict=True)
        ]
        assert paid == [(rate, amount) for _, _, rate, amount in payments], (paid, payments)
        assert tuple(map(from_micros, ours.shares)) == (share,), (ours, share)
