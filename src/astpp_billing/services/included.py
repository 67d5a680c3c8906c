"""Looking at included minutes: what an account was granted, what is left of it, and what it came with."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from astpp_billing.hierarchy import Account
from astpp_billing.ledger import Order
from astpp_billing.ports import Storage
from astpp_billing.pricing.allowances import Grant
from astpp_billing.services.again import again
from astpp_billing.services.minutes import source_of


@frozen
class Included:
    """Time that an account was granted for one period, and what became of it so far (`grant`, in seconds).

    It came with `order`, or with a renewal of it; None where it came with no order.
    """

    grant: Grant
    order: Order | None


class Minutes:
    """The use cases of included minutes; orders and renewals grant them, and calls take from them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @again
    def all(self, account: Account) -> Sequence[Included]:
        """All that an account was granted, in the order of granting: also what is used up, has ended or is to begin."""
        with self._storage.snapshot() as uow:
            grants, orders = uow.grants(account.id), uow.orders(account.id)
        by_source = {source_of(order.id): order for order in orders}
        return [Included(grant, by_source.get(grant.source)) for grant in grants]
