"""Reading the files of call records and settling what they hold, in batches."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path

from attrs import field, frozen

from astpp_billing import Billing
from astpp_billing.calls import CallRecord, Failed, Settled, Settlement
from astpp_billing.cli.tables import Row
from astpp_billing.errors import MalformedRecord
from astpp_billing.freeswitch import Billable, NotBillableReason, ReadOptions, read_file
from astpp_billing.money import Money

STDIN = "-"

BATCH = 100
"""How many files are read before what is in them is settled."""

_NOT_BILLABLE = {
    NotBillableReason.B_LEG: "B leg: its A leg is billed",
    NotBillableReason.INNER_LOOPBACK: "inner end of a loopback",
    NotBillableReason.OUTBOUND: "made by the switch itself",
    NotBillableReason.OTHER_CONTEXT: "in another context",
    NotBillableReason.NO_ACCESS_PREFIX: "no access prefix dialled",
}


class Result(StrEnum):
    """What became of a file."""

    CHARGED = "charged"
    REPEATED = "repeated"
    UNRATED = "unrated"
    NOT_BILLABLE = "not billable"
    BAD = "bad"


@frozen(kw_only=True)
class Ingested:
    """A file, and what became of the record in it; `detail` says why it was not charged."""

    file: str
    result: Result
    detail: str = ""
    record: CallRecord | None = None
    amount: Money | None = None
    settlement: Settlement | None = field(default=None, repr=False)

    def row(self) -> Row:
        """The same as data."""
        record = self.record
        return {
            "file": self.file,
            "result": self.result,
            "detail": self.detail,
            "key": record and record.key,
            "started_at": record and record.started_at,
            "payer": record and (record.account or record.user or record.address),
            "number": record and record.number,
            "seconds": record and record.seconds,
            "amount": self.amount,
        }


def find_files(names: Iterable[str]) -> Iterator[str]:
    """The files that are named, and in directories all files but hidden ones, in the order of their names.

    They come one by one: there may be more than anybody wants to hold. What cannot be opened is left to `ingest`.
    """
    for name in names:
        if name == STDIN or not os.path.isdir(name):
            yield name
        else:
            yield from _walk(name)


def _walk(directory: str) -> Iterator[str]:
    for entry in sorted(os.listdir(directory)):
        if not entry.startswith("."):
            path = os.path.join(directory, entry)
            # a link to a directory could lead round in circles
            if os.path.isdir(path) and not os.path.islink(path):
                yield from _walk(path)
            elif not os.path.isdir(path):
                yield path


def ingest(billing: Billing, files: Iterable[str], options: ReadOptions) -> Iterator[Ingested]:
    """Settle the record in each file; a bad one is told, and the others go on.

    The records of up to `BATCH` files are settled in one transaction. What came of the files is told in their order.
    """
    names = iter(files)
    while batch := list(islice(names, BATCH)):
        read = [_read_record(name, options) for name in batch]
        settled = billing.calls.settle_many([one for one in read if isinstance(one, CallRecord)], batch_size=BATCH)
        for name, one in zip(batch, read, strict=True):
            yield _settled(name, one, next(settled)) if isinstance(one, CallRecord) else one


def _read_record(name: str, options: ReadOptions) -> CallRecord | Ingested:
    """The record in a file, or what became of a file that has none to settle."""
    try:
        outcome = read_file(_read(name, options.max_bytes), options)
    except OSError as error:
        return Ingested(file=name, result=Result.BAD, detail=error.strerror or str(error))
    except MalformedRecord as error:
        return Ingested(file=name, result=Result.BAD, detail=str(error))
    if isinstance(outcome, Billable):
        return outcome.record
    return Ingested(file=name, result=Result.NOT_BILLABLE, detail=_NOT_BILLABLE[outcome.reason])


def _read(name: str, most: int) -> bytes:
    # one byte more than is allowed, so that a file of any size is refused as too large, and not read
    if name == STDIN:
        return sys.stdin.buffer.read(most + 1)
    with Path(name).open("rb") as file:
        return file.read(most + 1)


def _settled(name: str, record: CallRecord, settlement: Settlement | Failed) -> Ingested:
    if isinstance(settlement, Failed):
        return Ingested(file=name, result=Result.BAD, detail=str(settlement.error), record=record)
    return Ingested(
        file=name,
        result=_result(settlement),
        detail=unrated_detail(settlement),
        record=record,
        amount=buyer_amount(settlement),
        settlement=settlement,
    )


def _result(settlement: Settlement) -> Result:
    if settlement.repeated:
        return Result.REPEATED
    return Result.CHARGED if isinstance(settlement, Settled) else Result.UNRATED


def unrated_detail(settlement: Settlement) -> str:
    """Why a record was kept without a price; nothing for one that was charged."""
    entry = settlement.entry
    return "" if isinstance(settlement, Settled) else f"{entry.reason}: {entry.detail}"


def buyer_amount(settlement: Settlement) -> Money | None:
    """What the buyer pays; None for a call that costs it nothing, or that has no price yet."""
    if isinstance(settlement, Settled):
        for charge in settlement.charges:
            if charge.account_id == settlement.entry.account_id:
                return Money.from_micros(charge.micros, charge.currency)
    return None


def summary(counted: Counter[Result]) -> str:
    """How many files came to what, in words."""
    return ", ".join(f"{counted[result]:,} {result}" for result in Result if counted[result]) or "no files"
