"""The codes of refill cards: what they look like, and which mistakes are found without asking anybody."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astpp_billing.errors import InvalidValue
from astpp_billing.ledger.vouchers import ALPHABET, RANDOM, VoucherBatch, code_digest, make_code, read_code

numbers = st.lists(st.integers(0, len(ALPHABET) - 1), min_size=RANDOM, max_size=RANDOM)
AT = datetime(2026, 1, 1, tzinfo=UTC)


def batch(**more: Any) -> VoucherBatch:
    known: dict[str, Any] = {"seller_id": 1, "name": "b", "currency": "USD", "micros": 1, "count": 1, "made_at": AT}
    return VoucherBatch(**known | more)


def test_a_code_has_four_groups_and_no_character_that_looks_like_another() -> None:
    # the sum of 1 and 30 is 31, that of 17 * 1 and 18 * 30 is 557: 0 and 30 of 31
    assert make_code([0] * 16 + [1, 30]) == "22222-22222-22222-23Z2Z"
    assert len(ALPHABET) == len(set(ALPHABET)) == 31
    assert not set("01ILO") & set(ALPHABET)


@given(numbers)
def test_a_code_is_read_however_it_was_typed(random: list[int]) -> None:
    """In small letters, without dashes, with blanks around it: the same characters, and the same digest."""
    code = make_code(random)
    read = read_code(code)

    assert read == code.replace("-", "")
    assert read_code(f"  {code.lower().replace('-', ' ')}\t") == read
    assert len(code_digest(read)) == 64


@given(numbers, st.data())
def test_two_wrong_characters_are_always_found(random: list[int], data: st.DataObject) -> None:
    """Also check characters; and so is every pair that changed places, and every character that is missing."""
    typed = list(make_code(random).replace("-", ""))
    places = data.draw(st.lists(st.integers(0, len(typed) - 1), min_size=1, max_size=2, unique=True))
    wrong = list(typed)
    for place in places:
        wrong[place] = data.draw(st.sampled_from([char for char in ALPHABET if char != typed[place]]))
    one, other = data.draw(st.integers(0, len(typed) - 1)), data.draw(st.integers(0, len(typed) - 1))
    swapped = list(typed)
    swapped[one], swapped[other] = swapped[other], swapped[one]

    assert read_code("".join(wrong)) is None
    assert (read_code("".join(swapped)) is None) == (swapped != typed)
    assert read_code("".join(typed[:-1])) is None


@given(st.text(max_size=40))
def test_whatever_is_typed_is_read_or_not(text: str) -> None:
    """Nothing that a person or a program sends is an error."""
    read = read_code(text)

    assert read is None or set(read) <= set(ALPHABET)


@pytest.mark.parametrize(
    "said",
    [
        {"name": ""},
        {"name": " "},
        {"name": "two\nlines"},
        {"name": "x" * 65},
        {"count": 0},
        {"count": True},
        {"count": 100_001},
        {"micros": 0},
        {"micros": -1},
        {"currency": "XX"},
        {"expires_at": AT},
        {"expires_at": AT - timedelta(days=1)},
    ],
)
def test_a_batch_that_can_never_be_right_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        batch(**said)


def test_a_code_is_made_of_all_its_numbers() -> None:
    with pytest.raises(InvalidValue, match="made of 18 numbers, not of 3"):
        make_code([1, 2, 3])


def test_a_batch_is_valid_until_it_expires_and_while_it_is_not_blocked() -> None:
    expiring = batch(expires_at=AT + timedelta(days=1))

    assert batch().is_valid_at(AT + timedelta(days=10_000))
    assert expiring.is_valid_at(AT)
    assert not expiring.is_valid_at(AT + timedelta(days=1))
    assert not batch(blocked=True).is_valid_at(AT)
    assert str(batch().amount) == "0.000001 USD"
