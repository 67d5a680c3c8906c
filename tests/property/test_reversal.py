"""However a posting is taken back, the parts never exceed it, and together they are the whole."""

from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astpp_billing.errors import InvalidValue
from astpp_billing.ledger import Book, LedgerAccount, Transfer, movements
from astpp_billing.ledger.reversal import rest_of, reversal
from astpp_billing.money import MAX_MICROS

CHARGED = (Book.WALLET, Book.REVENUE), (Book.COMMISSION, Book.WALLET), (Book.COST, Book.PAYABLE)

accounts = st.integers(1, 4)
sold = st.lists(
    st.builds(
        lambda payer, books, currency, micros: Transfer(
            LedgerAccount(payer, books[0], currency), LedgerAccount(payer + 1, books[1], currency), micros
        ),
        accounts,
        st.sampled_from(CHARGED),
        st.sampled_from(["USD", "JPY"]),
        st.integers(1, 20) | st.integers(1, MAX_MICROS),
    ),
    max_size=5,
)
shares = st.lists(st.integers(1, 10), min_size=1, max_size=8)


@given(transfers=sold, weights=shares)
def test_parts_that_add_up_to_the_whole_take_back_the_whole(transfers: list[Transfer], weights: list[int]) -> None:
    """What all parts move, and what was posted, together move nothing; no part of them moves more than was posted."""
    parts = [Fraction(weight, sum(weights)) for weight in weights]
    taken = dict.fromkeys(range(1, len(transfers) + 1), 0)
    everything = list(transfers)
    for before, part in zip(accumulate(parts, initial=Fraction(0)), parts, strict=False):
        for back in reversal(transfers, before, part):
            taken[back.position] += back.transfer.micros
            everything.append(back.transfer)
            assert taken[back.position] <= transfers[back.position - 1].micros

    assert set(movements(everything).values()) <= {0}


@given(transfers=sold, weights=shares, size=st.integers(1, 8))
def test_several_parts_are_the_same_as_one_of_their_sum(
    transfers: list[Transfer], weights: list[int], size: int
) -> None:
    """So it makes no difference in how many steps something is taken back."""
    parts = [Fraction(weight, 100) for weight in weights][:size]
    one_by_one = [
        back.transfer
        for before, part in zip(accumulate(parts, initial=Fraction(0)), parts, strict=False)
        for back in reversal(transfers, before, part)
    ]
    at_once = [back.transfer for back in reversal(transfers, Fraction(0), sum(parts, Fraction(0)))]

    def moved(found: list[Transfer]) -> dict[LedgerAccount, int]:
        return {account: micros for account, micros in movements(found).items() if micros}

    assert moved(one_by_one) == moved(at_once)


@given(transfers=sold, part=st.fractions(0, 1), data=st.data())
def test_a_rest_is_all_that_is_left(transfers: list[Transfer], part: Fraction, data: st.DataObject) -> None:
    """Whatever was taken back before, of each transfer by itself; together with it everything is back."""
    weights = {position: data.draw(st.fractions(0, 1)) for position in range(1, len(transfers) + 1)}
    before = reversal(transfers, Fraction(0), part, weights) if part else ()

    rest = rest_of(transfers, {one.position: one.transfer.micros for one in before})

    assert set(movements([*transfers, *(one.transfer for one in (*before, *rest))]).values()) <= {0}
    assert rest_of(transfers, {position: one.micros for position, one in enumerate(transfers, 1)}) == ()


def test_more_than_there_was_cannot_have_been_taken_back() -> None:
    one = Transfer(LedgerAccount(1, Book.WALLET, "USD"), LedgerAccount(2, Book.REVENUE, "USD"), 5)
    with pytest.raises(InvalidValue, match="6 micros were taken back of transfer 1, of 5"):
        rest_of([one], {1: 6})
