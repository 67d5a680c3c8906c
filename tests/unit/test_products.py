"""Products, their versions, listings and agreements as values."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from astpp_billing.errors import InexactAmount, InvalidValue
from astpp_billing.pricing import (
    AgreedCommission,
    AgreedLevel,
    Agreement,
    Allowance,
    Direction,
    Listing,
    Product,
    ProductVersion,
    Recurrence,
    Unit,
)
from astpp_billing.pricing.products import in_force

AT = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)

PRODUCT = Product(code="fibre", owner_id=1, category="package", currency="USD")
VERSION = ProductVersion(product_id=1, valid_from=AT, name="Fibre", price_micros=100)
LISTING = Listing(product_id=1, seller_id=2, valid_from=AT, currency="USD", price_micros=1, setup_fee_micros=0)


@pytest.mark.parametrize(
    ("value", "change", "told"),
    [
        (PRODUCT, {"code": ""}, "code"),
        (PRODUCT, {"code": " fibre"}, "' fibre'"),
        (PRODUCT, {"code": "x" * 65}, "64"),
        (PRODUCT, {"code": "nul\0"}, "nul"),
        (PRODUCT, {"code": "half \ud83e"}, "half"),
        (PRODUCT, {"currency": "XXX"}, "XXX"),
        (PRODUCT, {"category": "house"}, "house"),
        (VERSION, {"name": " "}, "name of a product"),
        (VERSION, {"price_micros": -1}, "price must not be negative"),
        (VERSION, {"setup_fee_micros": -1}, "setup fee must not be negative"),
        (VERSION, {"buy_cost_micros": -1}, "buy cost must not be negative"),
        (VERSION, {"commission_percent": "100.01"}, "commission rate"),
        (VERSION, {"commission_percent": -1}, "commission rate"),
        (VERSION, {"version": 0}, "versions count from 1"),
        (VERSION, {"rate_groups": ("retail", "retail")}, "twice"),
        (VERSION, {"valid_from": datetime(2025, 1, 1)}, "time zone"),  # noqa: DTZ001 - what is refused
        (LISTING, {"price_micros": -1}, "price must not be negative"),
        (LISTING, {"price_micros": None}, "or neither"),
        (LISTING, {"commission_percent": 101}, "commission rate"),
    ],
)
def test_a_value_that_can_never_be_right_is_refused(value: Any, change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        evolve(value, **change)


@pytest.mark.parametrize("field", ["price_micros", "setup_fee_micros", "buy_cost_micros", "commission_percent"])
def test_no_float_comes_near_a_price(field: str) -> None:
    change: dict[str, Any] = {field: 1.5}

    with pytest.raises(InexactAmount):
        evolve(VERSION, **change)


@pytest.mark.parametrize(
    ("seconds", "prefixes"),
    [(0, ("",)), (-60, ("",)), (10**12, ("",)), (60, ()), (60, ("48", "48")), (60, ("+48",)), (60, ("4" * 19,))],
)
def test_included_time_is_of_some_seconds_and_prefixes(seconds: int, prefixes: tuple[str, ...]) -> None:
    with pytest.raises(InvalidValue):
        Allowance(seconds=seconds, prefixes=prefixes)


def test_one_prefix_may_be_given_as_a_text() -> None:
    assert Allowance(seconds=60, prefixes="48").prefixes == ("48",)
    assert Allowance(seconds=60).prefixes == ("",)
    assert Allowance(seconds=60).direction is Direction.OUT


@pytest.mark.parametrize(("every", "unit"), [(0, "days"), (-1, "months"), (121, "months"), (3661, "days")])
def test_a_recurrence_is_some_days_or_months_long(every: int, unit: str) -> None:
    with pytest.raises(InvalidValue, match=unit):
        Recurrence(every, Unit(unit))


def test_the_newest_version_that_has_begun_holds() -> None:
    """A version ends all older ones, also those that would have begun later than it."""
    first, planned, instead = (
        evolve(VERSION, version=number, valid_from=AT + days * DAY) for number, days in ((1, 0), (2, 30), (3, 10))
    )

    assert in_force((), AT) is None
    assert in_force((first, planned), AT - DAY) is None
    assert in_force((first, planned), AT) == first
    assert in_force((planned, first), AT + 30 * DAY) == planned
    assert in_force((first, planned, instead), AT + 9 * DAY) == first
    assert in_force((instead, first, planned), AT + 40 * DAY) == instead


AGREEMENT = Agreement(
    (
        AgreedLevel(4, 3, 130_000_000, 5, "EUR"),
        AgreedLevel(3, 2, 130_000_000, 5, "EUR"),
        AgreedLevel(2, 1, 0, 0, "JPY"),
    ),
    (AgreedCommission(2, 3, Decimal("12.345"), 1),),
)


def test_an_agreement_is_kept_as_text() -> None:
    assert Agreement.from_json(AGREEMENT.to_json()) == AGREEMENT


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"levels": [], "commissions": []}', '{"levels": [[1, 2, 3]], "commissions": []}'],
)
def test_a_text_that_is_no_agreement_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        Agreement.from_json(text)


def test_the_levels_and_shares_of_an_agreement_follow_each_other() -> None:
    levels = AGREEMENT.levels
    share = AGREEMENT.commissions[0]

    with pytest.raises(InvalidValue, match="pays on the next"):
        Agreement((levels[0], levels[2]))
    with pytest.raises(InvalidValue, match="what it is not paid"):
        Agreement(levels, (evolve(share, source=None),))
    with pytest.raises(InvalidValue, match="level 3"):
        Agreement(levels, (evolve(share, source=3),))
