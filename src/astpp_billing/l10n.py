"""Amounts, dates and durations as people read them, in a locale and a time zone (Babel).

Babel is imported by the first call, not by importing this module: most programs never print anything. Amounts stay
exact: they go to Babel as `Decimal`, already rounded, with the decimal places that the library's own table of
currencies gives (CLDR, which Babel follows, has fewer for some: none for ALL or IQD). Digits are always 0-9, also in
locales that have their own, so that a number on a document can be compared with the same number elsewhere.
"""

from __future__ import annotations

import re
from copy import copy
from datetime import datetime
from decimal import Context, Decimal, localcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue
from astpp_billing.money import PLACES, check_micros, exact, from_micros, minor_units, round_to_minor
from astpp_billing.periods import check_timezone

if TYPE_CHECKING:
    from babel import Locale
    from babel.numbers import NumberPattern

Width = Literal["short", "medium", "long", "full"]
"""How much room a date may take: from `1/31/26` to `Saturday, January 31, 2026`."""

_LOCALE_NAME = re.compile("[A-Za-z0-9_@-]+")
_NBSP = "\N{NO-BREAK SPACE}"

# Every amount fits, whatever precision the calling program has set for its own decimals.
_CONTEXT = Context(prec=60)


def check_locale(name: object) -> str:
    """Return `name` if it is a locale that can be formatted in (`en_US`, also `en-US`), else raise `InvalidValue`."""
    if not isinstance(name, str):
        raise InvalidValue(f"a locale is named by a text, not {name!r}")
    _locale(name)
    return name


def language_tag(locale: str) -> str:
    """The locale as HTML and HTTP name it (BCP 47): `pt-BR`."""
    it = _locale(locale)
    return "-".join(part for part in (it.language, it.script, it.territory) if part)


def text_direction(locale: str) -> Literal["ltr", "rtl"]:
    """Which way the locale's script is written: `rtl` for Arabic or Hebrew."""
    return "rtl" if _locale(locale).text_direction == "rtl" else "ltr"


def format_money(micros: int, currency: str, locale: str) -> str:
    """An amount in micros, rounded half-up to the currency's minor unit: `€1,234.50`, `1.234,50 €`, `¥1,235`."""
    return _money(round_to_minor(check_micros(micros), currency), currency, locale, minor_units(currency))


def format_exact_money(micros: int, currency: str, locale: str) -> str:
    """An amount in micros with all its six decimal places, as the ledger has it: `$0.001365`."""
    minor_units(currency)  # refuses what is no currency
    return _money(check_micros(micros), currency, locale, PLACES)


def format_number(number: Decimal | int, locale: str) -> str:
    """A number with the locale's separators and all of its decimal places (18 at the most): `1,234.5`."""
    value = exact(number, "number")
    it = _locale(locale)
    with localcontext(_CONTEXT):
        text: str = it.decimal_formats[None].apply(value, it, decimal_quantization=False)
    return text


def format_percent(percentage: Decimal | int, locale: str) -> str:
    """A percentage with all of its decimal places: 7.5 as `7.5%`, `7,5 %`."""
    value = exact(percentage, "percentage")
    it = _locale(locale)
    with localcontext(_CONTEXT):
        text: str = it.percent_formats[None].apply(value.scaleb(-2), it, decimal_quantization=False)
    return text


def format_date(instant: datetime, locale: str, timezone: str, width: Width = "long") -> str:
    """The local day of an instant: `January 31, 2026`."""
    from babel.dates import format_date

    return format_date(_local(instant, timezone), format=width, locale=_locale(locale))


def format_datetime(instant: datetime, locale: str, timezone: str, width: Width = "medium") -> str:
    """The local day and time of an instant: `Jan 31, 2026, 11:59:59 PM`."""
    from babel.dates import format_datetime

    zone = ZoneInfo(check_timezone(timezone))
    return format_datetime(_local(instant, timezone), format=width, tzinfo=zone, locale=_locale(locale))


def format_duration(seconds: int, locale: str) -> str:
    """A duration in hours, minutes and seconds, however many hours there are: `0:01:05`, `1,234:00:00`."""
    if type(seconds) is not int or seconds < 0:
        raise InvalidValue(f"a duration is a whole number of seconds from 0, not {seconds!r}")
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{format_number(hours, locale)}:{minutes:02d}:{rest:02d}"


def _local(instant: datetime, timezone: str) -> datetime:
    return utc(instant).astimezone(ZoneInfo(check_timezone(timezone)))


def _money(micros: int, currency: str, locale: str, places: int) -> str:
    with localcontext(_CONTEXT):
        pattern = _currency_pattern(locale, currency, places)
        text: str = pattern.apply(from_micros(micros), _locale(locale), currency=currency, currency_digits=False)
    return text


@lru_cache(maxsize=1024)
def _currency_pattern(locale: str, currency: str, places: int) -> NumberPattern:
    """The locale's own pattern for amounts, with the decimal places asked for, and no letter beside a digit.

    CLDR wants a space between a digit and a currency that is written in letters (`KWD 1.000`); Babel leaves it out.
    """
    from babel.numbers import get_currency_symbol

    it = _locale(locale)
    pattern: NumberPattern = copy(it.currency_formats["standard"])
    pattern.frac_prec = (places, places)
    symbol = get_currency_symbol(currency, it)
    if symbol[-1].isalpha():
        positive, negative = (text + _NBSP if text.endswith("¤") else text for text in pattern.prefix)
        pattern.prefix = (positive, negative)
    if symbol[0].isalpha():
        positive, negative = (_NBSP + text if text.startswith("¤") else text for text in pattern.suffix)
        pattern.suffix = (positive, negative)
    return pattern


@lru_cache(maxsize=256)
def _locale(name: str) -> Locale:
    from babel import Locale, UnknownLocaleError

    try:
        if not _LOCALE_NAME.fullmatch(name):  # Babel would cut off what follows a dot
            raise ValueError
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        raise InvalidValue(f"not a locale: {name!r}") from None
