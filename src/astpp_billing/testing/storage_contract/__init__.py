"""What every storage must do, as tests for those who write one.

```python
import pytest
from astpp_billing.testing.storage_contract import StorageContract

class TestMyStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        storage = MyStorage(tmp_path / "billing")
        yield storage
        storage.close()
```

pytest then runs the whole contract on it: each test says in its name and docstring what it specifies. The fixture
gives a new, empty storage each time. `everything` reads all that there is through the port, to compare two storages.
"""

from astpp_billing.testing.storage_contract.accounts import AccountsContract
from astpp_billing.testing.storage_contract.allowances import AllowancesContract
from astpp_billing.testing.storage_contract.base import everything
from astpp_billing.testing.storage_contract.calls import CallsContract
from astpp_billing.testing.storage_contract.corrections import CorrectionsContract
from astpp_billing.testing.storage_contract.documents import DocumentsContract
from astpp_billing.testing.storage_contract.holds import HoldsContract
from astpp_billing.testing.storage_contract.ledger import LedgerContract
from astpp_billing.testing.storage_contract.locking import LockingContract
from astpp_billing.testing.storage_contract.orders import OrdersContract
from astpp_billing.testing.storage_contract.prices import PricesContract
from astpp_billing.testing.storage_contract.products import ProductsContract
from astpp_billing.testing.storage_contract.reports import ReportsContract
from astpp_billing.testing.storage_contract.saving import SavingContract
from astpp_billing.testing.storage_contract.subscriptions import SubscriptionsContract
from astpp_billing.testing.storage_contract.transactions import TransactionsContract
from astpp_billing.testing.storage_contract.vouchers import VouchersContract

__all__ = ["StorageContract", "everything"]


class StorageContract(
    AccountsContract,
    PricesContract,
    LedgerContract,
    CorrectionsContract,
    CallsContract,
    DocumentsContract,
    SavingContract,
    HoldsContract,
    LockingContract,
    TransactionsContract,
    ReportsContract,
    OrdersContract,
    ProductsContract,
    VouchersContract,
    SubscriptionsContract,
    AllowancesContract,
):
    """The contract of `astpp_billing.ports.Storage`; inherit from it and give the fixture `storage`."""
