"""What a seller is left with, from what went through its books."""

from __future__ import annotations

from collections.abc import Mapping

from astpp_billing.ledger.posting import Book

Flow = tuple[Book, Book, str]
"""One of an account's books, the book on the other side, and the currency."""

_EARNED = (Book.REVENUE, Book.COMMISSION, Book.COST)


def profit(flows: Mapping[Flow, int]) -> dict[str, int]:
    """An account's profit in micros by currency; currencies in which it is zero are left out.

    It is what came in as revenue, less the commissions and the costs it paid, less what it paid its parent for what it
    sold, and the commissions and the goodwill credits (a cost of the parent) that it received. Refills, taxes and
    rounding are no profit.
    """
    bag: dict[str, int] = {}
    for (book, other, currency), micros in flows.items():
        bought_or_rewarded = book is Book.WALLET and other in (Book.REVENUE, Book.COMMISSION, Book.COST)
        if book in _EARNED or bought_or_rewarded:
            bag[currency] = bag.get(currency, 0) + micros
    return {currency: micros for currency, micros in bag.items() if micros}
