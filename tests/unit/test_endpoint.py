"""Endpoints, and the names that the package offers."""

import pytest

import astpp_billing
from astpp_billing.errors import InvalidValue
from astpp_billing.hierarchy import Endpoint, EndpointKind


@pytest.mark.parametrize("value", ["", "x" * 256, None, 4420])
def test_an_endpoint_is_named_by_a_text(value: object) -> None:
    with pytest.raises(InvalidValue, match="1 to 255 characters"):
        Endpoint(EndpointKind.USER, value, 1)


def test_the_package_lists_the_names_that_it_loads_at_their_first_use() -> None:
    assert set(astpp_billing.__all__) <= set(dir(astpp_billing))
    assert all(getattr(astpp_billing, name).__name__ == name for name in astpp_billing.__all__)
