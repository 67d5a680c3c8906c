"""The price of a call by one rate, its inverse, and how a rate is found."""

import inspect
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest

from astpp_billing.errors import BillingError, InexactAmount, InvalidValue
from astpp_billing.pricing import Rate, RateGroup, RateTable, Tariff, Terms, max_seconds, price

JANUARY = datetime(2025, 1, 1, tzinfo=UTC)
JUNE = datetime(2025, 6, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class TestPublicNames:
    """What `from astpp_billing.pricing import Rate, RateTable, price, max_seconds` promises."""

    def test_rate_takes_its_first_fields_by_position(self) -> None:
        rate = Rate("4420", "0.012", "0.05", 3, 30, 6)

        assert rate == Rate(
            prefix="4420",
            price_per_minute=Decimal("0.012"),
            connection_fee=Decimal("0.05"),
            included_seconds=3,
            initial_increment=30,
            increment=6,
        )

    def test_rate_needs_a_prefix_and_a_price(self) -> None:
        rate = Rate("44", 1)

        assert rate.connection_fee == rate.included_seconds == 0
        assert (rate.initial_increment, rate.increment) == (None, None)

    def test_the_parameters_keep_their_names_and_order(self) -> None:
        assert list(inspect.signature(Rate).parameters)[:6] == [
            "prefix",
            "price_per_minute",
            "connection_fee",
            "included_seconds",
            "initial_increment",
            "increment",
        ]
        assert list(inspect.signature(price).parameters) == ["rate", "seconds", "places"]
        assert list(inspect.signature(max_seconds).parameters) == ["rate", "funds", "longest", "places"]
        assert inspect.signature(price).parameters["places"].default == 6
        assert inspect.signature(max_seconds).parameters["places"].default == 6

    @pytest.mark.parametrize("per_minute", ["0.60", Decimal("0.6"), Decimal("0.600000000000000000")])
    def test_price_by_position_and_by_keyword(self, per_minute: Decimal | str) -> None:
        rate = Rate("44", per_minute)

        assert price(rate, 61) == price(rate=rate, seconds=61, places=6) == Decimal("0.610000")
        assert price(rate, 61, 1) == Decimal("0.6")
        assert str(price(rate, 61)) == "0.610000"
        assert type(price(rate, 61)) is Decimal

    def test_max_seconds_by_position_and_by_keyword(self) -> None:
        rate = Rate("44", "0.60")

        assert max_seconds(rate, "0.10", 3600) == 10
        assert max_seconds(rate=rate, funds=Decimal("0.10"), longest=3600, places=6) == 10
        assert max_seconds(rate, 100, 3600) == 3600
        assert max_seconds(rate, "0.10", 3600, 1) == 14  # 0.14 is rounded to 0.1

    def test_a_table_finds_a_rate_or_none(self) -> None:
        short, long = Rate("44", 1), Rate("4420", 2)
        table = RateTable([long, short])

        assert table.find("442071838750") is long
        assert table.find(number="441") is short
        assert table.find("45") is None

    def test_prices_may_be_int(self) -> None:
        assert price(Rate("44", 6, 1), 1) == Decimal("1.1")

    @pytest.mark.parametrize("name", ["price_per_minute", "connection_fee"])
    @pytest.mark.parametrize("value", [0.1, float("nan"), 1.0, None, True])
    def test_floats_are_type_errors(self, name: str, value: object) -> None:
        with pytest.raises(TypeError, match=name.replace("_", " ")):
            rate_with(name, value)

    @pytest.mark.parametrize("name", ["price_per_minute", "connection_fee"])
    @pytest.mark.parametrize("value", ["NaN", Decimal("NaN"), "Infinity", -1, "-0.000001", "x"])
    def test_nan_and_negative_prices_are_value_errors(self, name: str, value: object) -> None:
        with pytest.raises(ValueError, match=name.replace("_", " ")):
            rate_with(name, value)

    @pytest.mark.parametrize("seconds", [1.0, 60.5, "60", Decimal(60), None, True])
    def test_seconds_that_are_no_int_are_type_errors(self, seconds: Any) -> None:
        with pytest.raises(TypeError, match="seconds"):
            price(Rate("44", 1), seconds)
        with pytest.raises(TypeError, match="seconds"):
            max_seconds(Rate("44", 1), 1, seconds)

    def test_negative_seconds_are_value_errors(self) -> None:
        with pytest.raises(ValueError, match="seconds must not be negative"):
            price(Rate("44", 1), -1)
        with pytest.raises(ValueError, match="seconds must not be negative"):
            max_seconds(Rate("44", 1), 1, -1)

    def test_funds_are_exact(self) -> None:
        with pytest.raises(TypeError, match="funds"):
            max_seconds(Rate("44", 1), 0.5, 60)  # type: ignore[arg-type]  # that is what is tested
        with pytest.raises(ValueError, match="funds"):
            max_seconds(Rate("44", 1), "NaN", 60)

    @pytest.mark.parametrize(
        ("places", "error"), [(-1, ValueError), (19, ValueError), (2.0, TypeError), (None, TypeError)]
    )
    def test_places_are_0_to_18(self, places: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match="places"):
            price(Rate("44", 1), 1, places)
        with pytest.raises(error, match="places"):
            max_seconds(Rate("44", 1), 1, 1, places)
        assert price(Rate("44", 60), 1, 0) == 1
        assert price(Rate("44", 60), 1, 18) == 1


def rate_with(name: str, value: Any) -> Rate:
    fields: dict[str, Any] = {"prefix": "44", "price_per_minute": 1}
    return Rate(**{**fields, name: value})


class TestRate:
    @pytest.mark.parametrize("prefix", ["", "+44", "44 ", "4a", "٤٤", "1" * 19, 44, None, "44\n"])
    def test_a_prefix_is_1_to_18_digits(self, prefix: Any) -> None:
        with pytest.raises(InvalidValue, match="1 to 18 digits"):
            Rate(prefix, 1)

    def test_a_prefix_may_have_18_digits(self) -> None:
        assert Rate("1" * 18, 1).prefix == "1" * 18

    @pytest.mark.parametrize(("name", "least"), [("included_seconds", 0), ("initial_increment", 0), ("increment", 1)])
    def test_blocks_last_a_day_at_the_most(self, name: str, least: int) -> None:
        for value in (least, 86_400):
            assert getattr(rate_with(name, value), name) == value
        for value in (least - 1, 86_401):
            with pytest.raises(InvalidValue, match=name.replace("_", " ")):
                rate_with(name, value)
        for inexact in (1.0, "1", True):
            with pytest.raises(InexactAmount, match=name.replace("_", " ")):
                rate_with(name, inexact)

    def test_ends_after_it_begins(self) -> None:
        assert Rate("44", 1, valid_from=JANUARY, valid_until=JUNE).valid_until == JUNE
        for until in (JANUARY, JANUARY - MICROSECOND):
            with pytest.raises(InvalidValue, match="before it is in force"):
                Rate("44", 1, valid_from=JANUARY, valid_until=until)
        with pytest.raises(InvalidValue, match="time zone"):
            Rate("44", 1, valid_from=datetime(2025, 1, 1))  # noqa: DTZ001 (that is what is tested)

    def test_is_in_force_from_its_first_instant_up_to_its_end(self) -> None:
        rate = Rate("44", 1, valid_from=JANUARY, valid_until=JUNE)

        assert [rate.in_force(at) for at in (JANUARY - MICROSECOND, JANUARY, JUNE - MICROSECOND, JUNE)] == [
            False,
            True,
            True,
            False,
        ]
        assert Rate("44", 1).in_force(JANUARY)

    def test_a_price_of_minus_nothing_is_nothing(self) -> None:
        assert str(Rate("44", Decimal("-0.0")).price_per_minute) == "0.0"

    def test_keeps_every_digit_of_its_price(self) -> None:
        digits = "123456789012345678.123456789012345678"
        with localcontext(Context(prec=5)):
            assert str(Rate("44", digits, digits).price_per_minute) == digits
            assert str(Rate("44", digits, digits).connection_fee) == digits


class TestGroup:
    def test_has_defaults(self) -> None:
        group = RateGroup(name="retail", owner_id=1, currency="EUR")

        assert group.markup_percent == 0
        assert group.default_initial_increment == group.default_increment == 1
        assert (group.places, group.version) == (6, 0)

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"name": " "}, InvalidValue),
            ({"name": "a" * 65}, InvalidValue),
            ({"currency": "XYZ"}, InvalidValue),
            ({"markup_percent": "-100.1"}, InvalidValue),
            ({"markup_percent": 12.5}, InexactAmount),
            ({"default_initial_increment": -1}, InvalidValue),
            ({"default_increment": 0}, InvalidValue),
            ({"default_increment": 1.5}, InexactAmount),
            ({"places": 7}, InvalidValue),
            ({"places": -1}, InvalidValue),
            ({"places": 2.0}, InexactAmount),
        ],
    )
    def test_is_valid_once_built(self, change: dict[str, Any], error: type[BillingError]) -> None:
        with pytest.raises(error):
            RateGroup(**{"name": "retail", "owner_id": 1, "currency": "EUR", **change})

    def test_allows_what_is_just_within_bounds(self) -> None:
        group = RateGroup(
            name="a" * 64, owner_id=1, currency="EUR", markup_percent=-100, places=0, default_initial_increment=0
        )

        assert Terms.in_group(Rate("44", 60), group).micros(60) == 0


class TestPrice:
    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [(0, "0"), (1, "0.05"), (10, "0.05"), (11, "0.35"), (40, "0.35"), (41, "0.41"), (46, "0.41"), (47, "0.47")],
    )
    def test_is_charged_in_blocks_after_the_included_time(self, seconds: int, expected: str) -> None:
        # 10 s included, then 30 s, then 6 s each, at 0.01 a second
        assert price(Rate("44", "0.60", "0.05", 10, 30, 6), seconds) == Decimal(expected)

    def test_without_a_first_block(self) -> None:
        rate = Rate("44", "0.60", initial_increment=0, increment=60)

        assert [price(rate, seconds) for seconds in (0, 1, 60, 61)] == [
            0,
            Decimal("0.6"),
            Decimal("0.6"),
            Decimal("1.2"),
        ]

    def test_is_rounded_half_up_at_the_end_alone(self) -> None:
        assert price(Rate("44", "0.00003"), 1) == Decimal("0.000001")  # 0.0000005
        assert price(Rate("44", "0.000029"), 1) == 0
        assert price(Rate("44", "0.00003", "0.0000005"), 1) == Decimal("0.000001")  # 0.0000005 twice is 0.000001

    def test_of_a_group_has_its_markup_defaults_and_places(self) -> None:
        group = RateGroup(
            name="retail",
            owner_id=1,
            currency="EUR",
            markup_percent="12.5",
            default_initial_increment=30,
            default_increment=6,
            places=2,
        )
        terms = Terms.in_group(Rate("44", "0.60", "0.05"), group)

        assert terms.charged_seconds(31) == 36
        assert terms.units(31) == 46  # 0.05 + 0.60 × 1.125 × 36 / 60 = 0.455
        assert terms.micros(31) == 460_000
        assert Terms.in_group(Rate("44", "0.60", "0.05", initial_increment=0, increment=1), group).units(31) == 40

    def test_takes_as_many_digits_as_it_has(self) -> None:
        rate = Rate("44", "999999999999999999.123456789012345678")

        assert price(rate, 86_400, 18) == Decimal("1439999999999999998737.777776177777776320")

    def test_cannot_be_told_in_micros_if_it_is_finer(self) -> None:
        with pytest.raises(InvalidValue, match="7 places"):
            Terms.of(Rate("44", 1), places=7).micros(1)
        assert Terms.of(Rate("44", 1), places=6).micros_per_unit == 1
        assert Terms.of(Rate("44", 1), places=0).micros_per_unit == 1_000_000


class TestMaxSeconds:
    @pytest.mark.parametrize(
        ("funds", "expected"),
        [
            ("-1", 0),
            ("0", 0),
            ("0.049999", 0),
            ("0.05", 10),
            ("0.349999", 10),
            ("0.35", 40),
            ("0.409999", 40),
            ("0.41", 46),
        ],
    )
    def test_is_the_inverse_of_the_price(self, funds: str, expected: int) -> None:
        assert max_seconds(Rate("44", "0.60", "0.05", 10, 30, 6), funds, 3600) == expected

    def test_has_a_bound(self) -> None:
        rate = Rate("44", "0.60")

        assert [max_seconds(rate, 1, longest) for longest in (0, 99, 100, 101)] == [0, 99, 100, 100]

    def test_a_call_that_costs_nothing_has_no_other(self) -> None:
        assert max_seconds(Rate("44", 0), 0, 7200) == 7200
        assert max_seconds(Rate("44", 0, "0.01"), "0.009999", 7200) == 0
        assert max_seconds(Rate("44", 0, "0.01"), "0.01", 7200) == 7200

    def test_nothing_can_be_paid_from_less_than_nothing(self) -> None:
        assert max_seconds(Rate("44", 0), "-0.000001", 7200) == 0

    def test_funds_finer_than_a_price_do_not_help(self) -> None:
        assert max_seconds(Rate("44", "0.60"), "0.0999999999", 7200) == 9

    def test_funds_in_units_are_whole(self) -> None:
        with pytest.raises(InexactAmount, match="funds"):
            Terms.of(Rate("44", 1)).max_seconds(1.0, 60)  # type: ignore[arg-type]  # that is what is tested


class TestTable:
    @pytest.mark.parametrize(
        ("number", "prefix"),
        [
            ("9", "9"),
            ("98", "9"),
            ("99", "99"),
            ("990", "99"),
            ("199", "199"),
            ("1998", "199"),
            ("19990", "1999"),
            ("2", "2"),
            ("20", "20"),
            ("1", None),
            ("19", None),
            ("3", None),
            ("", None),
            ("+99", None),
            ("#9", None),
            ("bs99", None),
            ("9a", "9"),
            ("99#", "99"),
            ("99a", "99"),
            ("19a", None),
            ("199:", "199"),
            ("1:", None),
            ("1#", None),
            (":", None),
        ],
    )
    def test_finds_the_longest_prefix_of_anything_that_is_dialled(self, number: str, prefix: str | None) -> None:
        rates = {each: Rate(each, 1) for each in ("9", "99", "199", "1999", "2", "20")}

        found = RateTable(rates.values()).find(number)

        assert found is (None if prefix is None else rates[prefix])

    def test_never_by_price(self) -> None:
        cheap, dear = Rate("44", 1), Rate("4420", 100)

        assert RateTable([cheap, dear]).find("44207") is dear

    def test_the_later_of_two_rates_for_one_prefix_holds_from_its_instant(self) -> None:
        old, new, first = Rate("44", 2, valid_from=JANUARY), Rate("44", 3, valid_from=JUNE), Rate("44", 1)
        table = RateTable([old, new, first])

        assert table.find("441", JANUARY - MICROSECOND) is first
        assert table.find("441", JUNE - MICROSECOND) is old
        assert table.find("441", JUNE) is new
        assert table.find("441") is new
        assert list(table) == [new, old, first]
        assert len(table) == 3

    def test_a_rate_that_has_ended_leaves_the_price_to_the_shorter_prefix(self) -> None:
        short = Rate("44", 1)
        long = Rate("4420", 2, valid_until=JUNE)
        table = RateTable([short, long])

        assert table.find("44207", JUNE - MICROSECOND) is long
        assert table.find("44207", JUNE) is short
        assert table.find("44207") is long

    def test_no_rate_may_be_in_force(self) -> None:
        assert RateTable([Rate("44", 1, valid_from=JUNE)]).find("441", JANUARY) is None

    @pytest.mark.parametrize("begin", [None, JANUARY])
    def test_two_rates_that_begin_together_are_refused(self, begin: datetime | None) -> None:
        rates = [Rate("44", each, valid_from=begin) for each in (1, 2)]

        with pytest.raises(InvalidValue, match="two rates for the prefix 44"):
            RateTable(rates)

    def test_may_be_empty(self) -> None:
        assert len(RateTable([])) == 0
        assert RateTable([]).find("44") is None


class TestTariff:
    GROUP = RateGroup(name="retail", owner_id=1, currency="EUR", markup_percent=10)

    def test_gives_the_price_per_minute_after_markup(self) -> None:
        assert Tariff(self.GROUP, RateTable([])).per_minute(Rate("44", "0.3")) == Fraction("0.33")

    def test_never_takes_the_terms_of_a_rate_that_is_gone(self) -> None:
        tariff = Tariff(self.GROUP, RateTable([]))

        prices = [tariff.terms(Rate("44", per_minute)).micros(60) for per_minute in range(50)]

        assert prices == [per_minute * 1_100_000 for per_minute in range(50)]

    def test_works_terms_out_once(self) -> None:
        rate = Rate("44", 1)
        tariff = Tariff(self.GROUP, RateTable([rate]))

        assert tariff.terms(rate) is tariff.terms(rate)
