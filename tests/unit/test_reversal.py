"""Taking back what was posted: by exact shares, each transfer by itself."""

from fractions import Fraction
from typing import Any

import pytest

from astpp_billing.errors import InvalidValue
from astpp_billing.ledger import Book, LedgerAccount, Transfer
from astpp_billing.ledger.reversal import Reversed, reversal

NOTHING, WHOLE = Fraction(0), Fraction(1)
BUYER, SELLER = LedgerAccount(1, Book.WALLET, "USD"), LedgerAccount(2, Book.REVENUE, "USD")
TAX, ROUNDING = LedgerAccount(2, Book.TAX, "USD"), LedgerAccount(1, Book.ROUNDING, "USD")
REWARD, REWARDED = LedgerAccount(2, Book.COMMISSION, "USD"), LedgerAccount(3, Book.WALLET, "USD")


def test_the_whole_goes_back_the_way_it_came() -> None:
    sold = [Transfer(BUYER, SELLER, 1_000), Transfer(REWARD, REWARDED, 99)]

    assert reversal(sold, NOTHING, WHOLE) == (
        Reversed(1, Transfer(SELLER, BUYER, 1_000)),
        Reversed(2, Transfer(REWARDED, REWARD, 99)),
    )


def test_taxes_and_rounding_are_left_to_the_documents() -> None:
    sold = [Transfer(BUYER, TAX, 200), Transfer(ROUNDING, BUYER, 3), Transfer(BUYER, SELLER, 1_000)]

    assert reversal(sold, NOTHING, WHOLE) == (Reversed(3, Transfer(SELLER, BUYER, 1_000)),)


def test_thirds_of_a_hundred_are_33_34_and_33() -> None:
    third = Fraction(1, 3)
    parts = [reversal([Transfer(BUYER, SELLER, 100)], done * third, third) for done in range(3)]

    assert [part[0].transfer.micros for part in parts] == [33, 34, 33]


def test_what_is_less_than_half_a_micro_waits_for_the_next_part() -> None:
    sold = [Transfer(BUYER, SELLER, 1)]

    assert reversal(sold, NOTHING, Fraction(1, 3)) == ()
    assert reversal(sold, Fraction(1, 3), Fraction(1, 3)) == (Reversed(1, Transfer(SELLER, BUYER, 1)),)
    assert reversal(sold, Fraction(2, 3), Fraction(1, 3)) == ()


@pytest.mark.parametrize(
    ("before", "part"),
    [(0, 0), (0, -1), (0, Fraction(4, 3)), (Fraction(1, 2), Fraction(2, 3)), (1, Fraction(1, 100)), (-1, 1), (2, 1)],
)
def test_no_more_is_taken_back_than_is_left(before: Any, part: Any) -> None:
    with pytest.raises(InvalidValue, match=r"whole|left"):
        reversal([Transfer(BUYER, SELLER, 100)], Fraction(before), Fraction(part))


@pytest.mark.parametrize("part", [0.5, 1, "1/2"])
def test_a_part_is_exact(part: Any) -> None:
    with pytest.raises(TypeError, match="exact fraction"):
        reversal([Transfer(BUYER, SELLER, 100)], NOTHING, part)
