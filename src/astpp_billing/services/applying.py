"""Products that come by themselves with rate groups: who is to have which, and one order for each.

All that is needed to find what is due is read in one look, of always the same few queries; what is not offered is known
by it, too. Each order is a transaction of its own, which looks again: whoever has had the product meanwhile, or pays by
another rate group, is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from astpp_billing.clock import Clock
from astpp_billing.errors import BillingError, StorageError
from astpp_billing.hierarchy import Account, Path, Status, walk_up
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.pricing.orders import NotSold
from astpp_billing.pricing.products import NotOffered, Product, ProductStatus, ProductVersion
from astpp_billing.services.again import again
from astpp_billing.services.catalogue import Terms, terms_of_all

if TYPE_CHECKING:  # which imports this module
    from astpp_billing.services.orders import Purchased

Check = Callable[[UnitOfWork, Account, ProductVersion], None]
"""Raises, inside the transaction of an order, where its buyer is not to have it: as it is now, by what is in force.

The buyer's wallet is locked by then.
"""

Buy = Callable[[Account, Product, int, str, datetime | None, Check], "Purchased | NotSold"]
"""Orders so many of a product for an account, under a key, at an instant (None: the present), if it is to have it."""


@frozen
class Applied:
    """An order that was placed, because `product` comes by itself with the rate group of `account`."""

    account: Account
    product: Product
    purchased: Purchased


@frozen
class NotApplied:
    """A product that an account has not got yet, because it could not be sold; nothing was charged."""

    account: Account
    product: Product
    why: NotSold


@frozen
class Failed:
    """A product that an account has not got yet, because ordering it raised an error."""

    account: Account
    product: Product
    error: BillingError


Application = Applied | NotApplied | Failed
"""What became of one product that was due to one account."""


class _NotDue(Exception):
    """Undoes the transaction in hand, in which something is no longer due."""


@frozen
class _Look:
    """What comes by itself at one instant, all accounts by id, and who has had what, by product and account."""

    terms: Sequence[Terms]
    accounts: Mapping[int, Account]
    had: AbstractSet[tuple[int, int]]

    def due(self) -> Iterator[tuple[Terms, Path]]:
        """What is due to the first of each path: by the products' codes, and then in the order of opening."""
        for terms in self.terms:
            assert terms.version is not None  # else it does not come by itself
            for account in self.accounts.values():
                named = account.status is Status.OPEN and account.rate_group in terms.version.rate_groups
                if named and (terms.product.id, account.id) not in self.had:
                    path = walk_up(self.accounts, account.id)
                    if any(above.id == terms.product.owner_id for above in path[1:]):
                        yield terms, path


def application_key(product: Product, account: Account) -> str:
    """The key of the order of a product that comes by itself to an account."""
    return f"auto:{product.id}:{account.id}"


def apply(storage: Storage, clock: Clock, at: datetime | None, buy: Buy) -> Iterator[Application]:
    """Order all that is due at an instant (None: the present); see `Orders.apply`."""
    for terms, path in _look(storage, clock.now() if at is None else at).due():
        account, product = path[0], terms.product
        agreement = terms.agree(path)
        if isinstance(agreement, NotOffered):
            yield NotApplied(account, product, NotSold.unless_offered(agreement))
            continue
        try:
            result = buy(account, product, 1, application_key(product, account), at, _check_due)
        except _NotDue:
            continue
        except StorageError:
            raise
        except BillingError as error:
            yield Failed(account, product, error)
            continue
        if isinstance(result, NotSold):
            yield NotApplied(account, product, result)
        elif not result.repeated:  # else somebody else has placed it, and tells it
            yield Applied(account, product, result)


@again
def _look(storage: Storage, at: datetime) -> _Look:
    with storage.snapshot() as uow:
        coming = [terms for terms in terms_of_all(uow, at) if _comes_by_itself(terms)]
        if not coming:
            return _Look((), {}, frozenset())
        accounts = {account.id: account for account in uow.accounts()}
        return _Look(coming, accounts, uow.buyers_of({terms.product.id for terms in coming}))


def _comes_by_itself(terms: Terms) -> bool:
    if terms.product.status is ProductStatus.WITHDRAWN or terms.version is None:
        return False
    return bool(terms.version.rate_groups)


def _check_due(uow: UnitOfWork, account: Account, version: ProductVersion) -> None:
    if account.rate_group not in version.rate_groups or uow.buyers_of([version.product_id], buyer_ids=[account.id]):
        raise _NotDue
