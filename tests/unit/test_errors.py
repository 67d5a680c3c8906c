"""The error tree: one root, and beside it the standard type that a caller would expect."""

import inspect

import pytest

from astpp_billing import errors
from astpp_billing.errors import (
    AlreadyExists,
    BillingError,
    CurrencyMismatch,
    HierarchyError,
    IdempotencyConflict,
    InexactAmount,
    InvalidValue,
    MalformedRecord,
    MissingExchangeRate,
    NotFound,
    RateFileError,
    StorageError,
)

ALL = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if error.__module__ == errors.__name__ and issubclass(error, BaseException)
]


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_has_the_one_root(error: type[BaseException]) -> None:
    assert issubclass(error, BillingError)


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_is_in_the_drawing_at_the_top_of_the_module(error: type[BaseException]) -> None:
    assert errors.__doc__ is not None
    assert error.__name__ in errors.__doc__.split()


@pytest.mark.parametrize(
    ("error", "also"),
    [
        (InvalidValue, ValueError),
        (CurrencyMismatch, InvalidValue),
        (HierarchyError, InvalidValue),
        (RateFileError, InvalidValue),
        (MalformedRecord, InvalidValue),
        (InexactAmount, TypeError),
        (NotFound, LookupError),
        (MissingExchangeRate, LookupError),
    ],
)
def test_misuse_is_also_what_python_calls_it(error: type[Exception], also: type[Exception]) -> None:
    assert issubclass(error, also)


@pytest.mark.parametrize("error", [AlreadyExists, IdempotencyConflict, StorageError])
def test_what_is_no_misuse_of_a_value_is_no_value_error(error: type[Exception]) -> None:
    assert not issubclass(error, ValueError | TypeError | LookupError)


class TestRateFileError:
    def test_names_line_column_and_value(self) -> None:
        error = RateFileError("not a number", line=3, column="Cost", value="1,5")

        assert str(error) == "line 3, column 'Cost': not a number: '1,5'"
        assert (error.reason, error.line, error.column, error.value) == ("not a number", 3, "Cost", "1,5")

    def test_names_the_line_alone_where_all_of_it_is_at_fault(self) -> None:
        error = RateFileError("too few columns", line=7)

        assert str(error) == "line 7: too few columns"
        assert (error.column, error.value) == (None, None)

    def test_an_empty_cell_is_shown_as_one(self) -> None:
        assert (
            str(RateFileError("no prefix", line=2, column="Code", value="")) == "line 2, column 'Code': no prefix: ''"
        )
