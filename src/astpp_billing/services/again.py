"""Doing a command again whose transaction another one stood in the way of."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from astpp_billing.errors import PeriodClosed, StorageBusy

ATTEMPTS = 6
"""How often a command is tried before its error goes to the caller."""

FIRST_PAUSE_MS = 20
"""The longest pause before the second attempt, in milliseconds; it doubles with each one."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def again(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a command that is one transaction be tried again where the database refused it for another one's sake.

    A deadlock, a serialization failure and a time-out undo the whole transaction, so nothing was done. The pauses are
    random, so that those who met once do not meet again. A command that was under way while the books were closed finds
    its own instant closed (`PeriodClosed`), and is done again at once, at what is then the present. The last attempt's
    error goes to the caller.

    A commit whose answer is lost is told as `StorageBusy`, too, so whatever is tried again must find what it has done
    already: by the key of a call, a refill or a command, or by the period that was billed.
    """

    @wraps(command)
    def tried(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        for attempt in range(ATTEMPTS - 1):
            try:
                return command(*args, **kwargs)
            except PeriodClosed:
                continue
            except StorageBusy:
                time.sleep(random.randint(1, FIRST_PAUSE_MS << attempt) / 1000)  # noqa: S311 - it guards nothing
        return command(*args, **kwargs)

    return tried
