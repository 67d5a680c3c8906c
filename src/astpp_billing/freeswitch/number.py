"""The dialled number, as rates are looked up by it."""

from __future__ import annotations

from collections.abc import Sequence

_SEPARATORS = str.maketrans("", "", " -.()")


def strip_access_prefix(dialled: str, prefixes: Sequence[str]) -> str | None:
    """`dialled` without the longest of `prefixes` that it starts with; None if it starts with none of them."""
    prefix = _longest(dialled, prefixes)
    return None if prefix is None else dialled.removeprefix(prefix)


def normalise(dialled: str, international_prefixes: Sequence[str]) -> str:
    """The digits of `dialled`, without the longest of `international_prefixes` that it starts with.

    Spaces and `-.()`, which RFC 3966 allows for legibility, go where digits are all that is left then. A text that
    comes to no digits (`*98`, `alice`) is returned as it is but for the prefix: settlement says that it cannot be
    rated, and the call is not lost.
    """
    number = dialled.removeprefix(_longest(dialled, international_prefixes) or "")
    digits = number.translate(_SEPARATORS)
    return digits if digits.isascii() and digits.isdigit() else number


def _longest(text: str, prefixes: Sequence[str]) -> str | None:
    return max((prefix for prefix in prefixes if text.startswith(prefix)), key=len, default=None)
