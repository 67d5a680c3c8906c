"""What a benchmark gives, and how two ways of doing the same are timed against each other."""

import gc
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from time import perf_counter_ns
from typing import Any

from attrs import Factory, frozen


class LeftOut(Exception):
    """What a benchmark measures on is not on this machine."""


@frozen
class Result:
    """How many times faster than the plain way, and how many times it must be. `figures` are for the reader."""

    name: str
    ratio: float
    floor: float
    figures: Mapping[str, str] = Factory(dict)


@frozen
class Comparison:
    """Medians over all rounds: nanoseconds per item of each way, and how many times faster the first is."""

    ours_ns: float
    plain_ns: float
    ratio: float


def nanoseconds(run: Callable[..., object], items: Sequence[Sequence[Any]]) -> float:
    """The time that `run` takes with the arguments of one item, on average."""
    begin = perf_counter_ns()
    for item in items:
        run(*item)
    return (perf_counter_ns() - begin) / len(items)


def compare(
    ours: Callable[..., object], plain: Callable[..., object], items: Sequence[Sequence[Any]], *, rounds: int
) -> Comparison:
    """Time both ways on the same items in turn, so that whatever else the machine does falls on both."""
    pairs: list[tuple[float, float]] = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            pairs.append((nanoseconds(ours, items), nanoseconds(plain, items)))
    finally:
        gc.enable()
    return Comparison(
        ours_ns=median(ours_ns for ours_ns, _ in pairs),
        plain_ns=median(plain_ns for _, plain_ns in pairs),
        ratio=median(plain_ns / ours_ns for ours_ns, plain_ns in pairs),
    )
