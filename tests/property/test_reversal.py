"""However a posting is taken back, the parts never exceed it, and together they are the whole."""

from fractions import Fraction
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from astpp_billing.ledger import Book, LedgerAccount, Transfer, movements
from astpp_billing.ledger.reversal import reversal
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
