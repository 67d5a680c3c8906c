"""Doing a command once for each idempotency key, however often it is sent (rules, section 5)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from attrs import astuple

from astpp_billing.clock import Clock, to_epoch, utc
from astpp_billing.errors import AlreadyExists, IdempotencyConflict, StorageBusy
from astpp_billing.invoicing import Tax
from astpp_billing.ledger import check_key, fingerprint
from astpp_billing.money import plain
from astpp_billing.periods import BillingSchedule
from astpp_billing.ports import Command, Storage, UnitOfWork
from astpp_billing.pricing import Allowance, RateGroup, Recurrence
from astpp_billing.services.again import again

Result = TypeVar("Result")


class Once:
    """Does commands, each in one transaction, and notes under their keys what they returned."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    def __call__(
        self,
        key: str | None,
        content: tuple[object, ...],
        do: Callable[[UnitOfWork], str],
        show: Callable[[UnitOfWork, str], Result],
    ) -> Result:
        """Do a command, unless it was done under `key`, and return what `show` makes of the text that `do` returned.

        `content` begins with the command's name and has all that the caller said. The text is kept, so that a repeat
        shows the same. Without a key one is made up before the first attempt: whatever `again` repeats, also after a
        commit whose answer was lost, is one command. Raises `IdempotencyConflict` where the key stood for another
        content, `InvalidValue` for a key that is none.
        """
        made = secrets.token_hex(16) if key is None else check_key(key)
        return self._try(made, fingerprint(json.dumps([_plain(value) for value in content])), do, show)

    @again
    def _try(
        self,
        key: str,
        mark: str,
        do: Callable[[UnitOfWork], str],
        show: Callable[[UnitOfWork, str], Result],
    ) -> Result:
        try:
            with self._storage.begin() as uow:
                known = uow.find_command(key)
                if known is None:
                    known = Command(key=key, fingerprint=mark, at=self._clock.now(), result=do(uow))
                    uow.add_command(known)
                elif known.fingerprint != mark:
                    raise IdempotencyConflict(f"the key {key!r} was used before, for something else")
                return show(uow, known.result)
        except AlreadyExists as error:
            with self._storage.snapshot() as uow:
                if uow.find_command(key) is None:
                    raise
            raise StorageBusy(f"somebody did the same command meanwhile: {key!r}") from error


def _plain(value: object) -> object:
    """A value as JSON has it: equal for equal values, however they were written down."""
    match value:
        case bool() | int() | None:
            return value
        case str():
            return str(value)
        case Decimal():
            return ["number", plain(value)]
        case datetime():
            return ["instant", to_epoch(utc(value))]
        case Mapping():
            return [[str(name), _plain(value[name])] for name in sorted(value)]
        case tuple() | list():
            return [_plain(each) for each in value]
        case BillingSchedule() | RateGroup() | Tax() | Allowance() | Recurrence():
            return _plain(astuple(value, recurse=False))
        case _:
            return repr(value)  # nothing that a command takes: it will be refused
