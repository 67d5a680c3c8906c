"""Every error the library raises, in one tree.

```
BillingError
├── InvalidValue (ValueError)         a value that can never be right: refused at construction
│   ├── CurrencyMismatch              two currencies where one is needed
│   ├── HierarchyError                a tree that is not one: a cycle, an unknown or unsuitable parent
│   ├── NotListed                     a product that is not offered to who would list it
│   ├── BelowCost                     a price below what the seller pays itself
│   ├── RateFileError                 a row of a rate file; names line, column and value
│   └── MalformedRecord               a call record that cannot be read
├── InexactAmount (TypeError)         a float where money is meant
├── NotFound (LookupError)            something named does not exist
├── MissingExchangeRate (LookupError) no rate between two currencies at an instant
├── AlreadyExists                     a number, name or key that must be unique is taken
├── PeriodClosed                  a posting into a period that was closed
├── IdempotencyConflict               a key seen before, now with other content
└── StorageError                      the database refused, or is not the one this release needs
    └── StorageBusy                   another transaction was in the way: the same one again may succeed
```

Refusals that are part of the business (no money, a limit reached) are values, not exceptions.
"""

from __future__ import annotations


class BillingError(Exception):
    """The root of every error that this library raises."""


class InvalidValue(BillingError, ValueError):
    """A value that can never be right; the message names it."""


class CurrencyMismatch(InvalidValue):
    """Two currencies met where there must be one."""


class HierarchyError(InvalidValue):
    """Accounts that do not form a tree: a cycle, an unknown parent, a parent that may not sell."""


class NotListed(InvalidValue):
    """A product that an account is not offered, or does not list, so that it cannot be listed or changed."""


class BelowCost(InvalidValue):
    """A price, or setup fee, of a product that is less than what the seller pays for it."""


class RateFileError(InvalidValue):
    """A rate file that cannot be imported; nothing of it was.

    `line` counts from 1 and includes the heading line; `column` is the heading as the file has it, or None
    where the whole line is at fault.
    """

    def __init__(self, reason: str, *, line: int, column: str | None = None, value: str | None = None) -> None:
        where = f"line {line}" if column is None else f"line {line}, column {column!r}"
        super().__init__(f"{where}: {reason}" if value is None else f"{where}: {reason}: {value!r}")
        self.reason = reason
        self.line = line
        self.column = column
        self.value = value


class MalformedRecord(InvalidValue):
    """A call record that cannot be read: not XML or JSON, cut off, too large, or with a field missing."""


class InexactAmount(BillingError, TypeError):
    """A float, or another inexact type, was given where an exact amount is needed."""


class NotFound(BillingError, LookupError):
    """Something that was named does not exist."""


class MissingExchangeRate(BillingError, LookupError):
    """No exchange rate, direct, inverse or cross, is in force between two currencies at an instant."""


class AlreadyExists(BillingError):
    """A number, name or key that must be unique is taken."""


class PeriodClosed(BillingError):
    """Something was to be posted into a period that was closed."""


class IdempotencyConflict(BillingError):
    """The idempotency key was used before, for a command with other content."""


class StorageError(BillingError):
    """The storage refused, or is not at the revision that this release needs."""


class StorageBusy(StorageError):
    """Another transaction was in the way (a deadlock, a time-out): nothing was done, and trying again may succeed."""
