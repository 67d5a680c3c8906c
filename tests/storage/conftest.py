import pytest

# so that a failing assertion of the contract shows its values, as those of the test modules do
pytest.register_assert_rewrite("astpp_billing.testing.storage_contract")
