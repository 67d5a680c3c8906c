"""Column types that keep money and instants exact on every database."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Dialect, Integer, String
from sqlalchemy.types import TypeDecorator

from astpp_billing.clock import from_epoch, to_epoch, utc
from astpp_billing.money import check_micros, exact

Id = BigInteger().with_variant(Integer, "sqlite")
"""A surrogate key; SQLite counts up by itself only in a plain INTEGER."""


class Micros(TypeDecorator[int]):
    """An amount in whole millionths, in a 64-bit integer."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Refuse everything that is not a whole number in range."""
        return None if value is None else check_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> int | None:
        """Sums come back as decimals from some databases."""
        return None if value is None else int(value)


class Instant(TypeDecorator[datetime]):
    """An instant in UTC, as whole microseconds from 1970: exact, and alike on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """An aware datetime as microseconds."""
        return None if value is None else to_epoch(utc(value))

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Microseconds as a datetime in UTC."""
        return None if value is None else from_epoch(value)


class ExactDecimal(TypeDecorator[Decimal]):
    """An exact decimal number, as text: SQLite would keep a NUMERIC as a binary float."""

    impl = String(48)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """A finite decimal as plain text, without exponent."""
        return None if value is None else f"{exact(value):f}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """The text as a decimal."""
        return None if value is None else Decimal(value)
