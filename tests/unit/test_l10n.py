"""How amounts, dates and durations are written."""

import decimal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from astpp_billing import l10n
from astpp_billing.errors import InexactAmount, InvalidValue
from astpp_billing.money import MAX_MICROS, currencies, minor_units

NBSP = "\xa0"
LATE = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("micros", "currency", "locale", "expected"),
    [
        (1_234_500_000, "USD", "en_US", "$1,234.50"),
        (1_234_500_000, "EUR", "de_DE", f"1.234,50{NBSP}€"),
        (1_234_500_000, "JPY", "en_US", "¥1,235"),
        (1_234_567_400, "KWD", "en_US", f"KWD{NBSP}1,234.567"),
        (-5_000, "USD", "en_US", "-$0.01"),
        (4_999, "USD", "en_US", "$0.00"),
        (0, "INR", "hi_IN", "₹0.00"),
        (12_345_678_000_000, "INR", "en_IN", "₹1,23,45,678.00"),
    ],
)
def test_money_is_rounded_half_up_to_the_minor_unit(micros: int, currency: str, locale: str, expected: str) -> None:
    assert l10n.format_money(micros, currency, locale) == expected


def test_an_exact_amount_keeps_all_six_places() -> None:
    assert l10n.format_exact_money(1365, "USD", "en_US") == "$0.001365"
    assert l10n.format_exact_money(1365, "JPY", "de") == f"0,001365{NBSP}¥"
    assert l10n.format_exact_money(2_000_000, "USD", "en_US") == "$2.000000"


@pytest.mark.parametrize("currency", currencies())
def test_every_currency_has_the_places_that_it_is_billed_in(currency: str) -> None:
    written = l10n.format_money(1_111_111_111, currency, "en_US")

    assert written.rpartition("1,111")[2] == ("." + "1" * minor_units(currency) if minor_units(currency) else "")


def test_no_digit_of_the_largest_amount_is_lost() -> None:
    assert l10n.format_exact_money(MAX_MICROS - 1, "USD", "en_US") == "$8,999,999,999,999.999999"


def test_the_callers_own_decimal_context_changes_nothing() -> None:
    with decimal.localcontext(prec=2):
        assert l10n.format_exact_money(123_456_789, "USD", "en_US") == "$123.456789"
        assert l10n.format_number(Decimal("1234.5678"), "en_US") == "1,234.5678"
        assert l10n.format_percent(Decimal("8.875"), "en_US") == "8.875%"


def test_a_float_is_no_amount() -> None:
    with pytest.raises(InexactAmount):
        l10n.format_money(1.5, "USD", "en_US")  # type: ignore[arg-type]
    with pytest.raises(InexactAmount):
        l10n.format_number(1.5, "en_US")  # type: ignore[arg-type]


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(InvalidValue, match="XXX"):
        l10n.format_exact_money(1, "XXX", "en_US")


def test_percentages_keep_their_places() -> None:
    assert l10n.format_percent(19, "en_US") == "19%"
    assert l10n.format_percent(Decimal("7.50"), "de_DE") == f"7,5{NBSP}%"


def test_days_and_times_are_local() -> None:
    assert l10n.format_date(LATE, "en_US", "UTC") == "January 31, 2026"
    assert l10n.format_date(LATE, "en_GB", "Asia/Tokyo") == "1 February 2026"
    assert l10n.format_date(LATE, "de", "Asia/Tokyo", "short") == "01.02.26"
    assert l10n.format_datetime(LATE, "de_DE", "Europe/Berlin") == "01.02.2026, 00:30:00"
    assert l10n.format_datetime(LATE, "en_GB", "America/New_York", "short") == "31/01/2026, 18:30"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidValue, match="time zone"):
        l10n.format_date(datetime(2026, 1, 1), "en_US", "UTC")  # noqa: DTZ001
    with pytest.raises(InvalidValue, match="IANA"):
        l10n.format_datetime(LATE, "en_US", "Mars/Olympus")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0:00:00"), (65, "0:01:05"), (3599, "0:59:59"), (3600, "1:00:00"), (3_600_000 + 61, "1,000:01:01")],
)
def test_a_duration_counts_hours_on(seconds: int, expected: str) -> None:
    assert l10n.format_duration(seconds, "en_US") == expected


@pytest.mark.parametrize("seconds", [-1, True, "1"])
def test_a_duration_is_whole_seconds_from_zero(seconds: object) -> None:
    with pytest.raises(InvalidValue):
        l10n.format_duration(seconds, "en_US")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["en_US", "en-US", "ar", "zh_TW", "sr_Latn_RS"])
def test_a_locale_is_returned_as_it_was_given(name: str) -> None:
    assert l10n.check_locale(name) == name


@pytest.mark.parametrize("name", ["", "xx", "english", "../../etc/passwd", "e\x00n", "en_US.UTF-8\n", 5, None])
def test_an_unknown_locale_is_refused(name: object) -> None:
    with pytest.raises(InvalidValue, match="locale"):
        l10n.check_locale(name)


def test_every_locale_writes_digits_that_can_be_compared() -> None:
    for locale in ("ar_EG", "fa_IR", "hi_IN", "my_MM", "bn_BD"):
        assert "1" in l10n.format_exact_money(1365, "EUR", locale)
        assert "2026" in l10n.format_date(LATE, locale, "UTC")


def test_a_page_learns_its_language_and_direction() -> None:
    assert (l10n.language_tag("pt_BR"), l10n.text_direction("pt_BR")) == ("pt-BR", "ltr")
    assert (l10n.language_tag("zh_TW"), l10n.text_direction("he")) == ("zh-Hant-TW", "rtl")


def test_babel_is_loaded_by_the_first_call_only() -> None:
    code = "import sys, astpp_billing.l10n, astpp_billing.invoicing.html; sys.exit('babel' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
