"""Products and their resale: what is sold, who lists it for its children, and on what terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from astpp_billing.clock import Clock, utc
from astpp_billing.errors import InvalidValue, NotFound, NotListed
from astpp_billing.hierarchy import Account
from astpp_billing.money import exact, to_micros
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.pricing import (
    Agreement,
    Category,
    Listing,
    NotOffered,
    Product,
    ProductStatus,
    ProductVersion,
)
from astpp_billing.pricing.offers import Offer
from astpp_billing.pricing.products import in_force
from astpp_billing.services.again import again
from astpp_billing.services.catalogue import all_terms, terms_of
from astpp_billing.services.once import Once
from astpp_billing.services.reselling import (
    OF_PRICE,
    check_cost,
    check_owner,
    check_reseller,
    check_sold,
    listed_before,
    unsaid,
)

_AMOUNTS = {
    "price": "price_micros",
    "setup_fee": "setup_fee_micros",
    "buy_cost": "buy_cost_micros",
}
_PLAIN = frozenset(
    {
        "name",
        "description",
        "recurrence",
        "can_resell",
        "can_purchase",
        "release_unfunded",
    }
)
_LISTS = frozenset({"allowances", "rate_groups"})
_OF_LISTINGS = frozenset(
    {"price", "setup_fee", "currency", "commission_percent", "can_resell", "can_purchase", "below_cost"}
)


class Products:
    """The use cases of products and listings.

    The terms of a product that `create` and `change` take by name: `name`, `description`, `price`, `setup_fee` and
    `buy_cost` (exact, in the product's currency, for one unit), `commission_percent` (the share that commission
    resellers directly below the owner are paid), `recurrence` (a `Recurrence`; None: charged once), `allowances` (of
    `Allowance`), `can_resell`, `can_purchase`, `release_unfunded`, `rate_groups` (names).

    The terms of a listing that `opt_in` and `change_listing` take by name: `price` and `setup_fee` (exact, in
    `currency`, which is the reseller's unless another is named), `below_cost` (True: they may be less than what the
    reseller pays), `commission_percent`, `can_resell`, `can_purchase`. A commission reseller names no price, setup fee
    or currency: its listing follows its parent's, and so does its commission if it names none.

    Terms hold from `valid_from` on (the present, if not given), in place of all that was said before about that time,
    also of what was planned for later. What is on order stays as it was agreed. Everything that changes something also
    takes a `key`, as in `Accounts`.
    """

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._once = Once(storage, clock)

    # products

    def create(
        self,
        owner: Account,
        code: str,
        *,
        category: Category | str,
        currency: str | None = None,
        valid_from: datetime | None = None,
        key: str | None = None,
        **terms: Any,
    ) -> Product:
        """Let an admin or a distributor sell a new product, in its own currency unless another is named.

        `name` and `price` must be given. Raises `AlreadyExists` where the code is taken, `NotFound` for a rate group
        that there is not.
        """
        missing = {"name", "price"} - terms.keys()
        if missing:
            raise TypeError(f"a product needs its {' and its '.join(sorted(missing))}")
        fields = _product_terms(terms)
        product = Product(
            code=code, owner_id=owner.id, category=_category(category), currency=currency or owner.currency
        )

        def do(uow: UnitOfWork) -> str:
            uow.lock_tree()
            check_owner(uow.account(owner.id))
            stored = uow.add_product(product)
            begin = self._instant(valid_from)
            _add_version(uow, ProductVersion(product_id=stored.id, valid_from=begin, **fields))
            return str(stored.id)

        content = ("create product", owner.id, code, product.category, product.currency, fields, valid_from)
        return self._once(key, content, do, lambda uow, product_id: uow.product(int(product_id)))

    def change(
        self, product: Product, *, valid_from: datetime | None = None, key: str | None = None, **terms: Any
    ) -> ProductVersion:
        """Let a product be something else from an instant on, as its next version; what is not named stays."""
        fields = _product_terms(terms)

        def do(uow: UnitOfWork) -> str:
            uow.lock_tree()
            stored = uow.product(product.id)
            check_sold(stored)
            begin = self._instant(valid_from)
            versions = uow.product_versions([stored.id])
            before = in_force(versions, begin)
            if before is None:
                raise InvalidValue(
                    f"the product {stored.code!r} cannot be changed from {begin} on: it is not there yet"
                )
            number = versions[-1].version + 1
            _add_version(uow, evolve(before, version=number, valid_from=begin, **fields))
            return str(number)

        def show(uow: UnitOfWork, number: str) -> ProductVersion:
            return next(each for each in uow.product_versions([product.id]) if each.version == int(number))

        return self._once(key, ("change product", product.id, fields, valid_from), do, show)

    def withdraw(self, product: Product, *, key: str | None = None) -> Product:
        """Let nobody buy a product any more; what is on order stays. One that is withdrawn already stays so."""

        def do(uow: UnitOfWork) -> str:
            uow.lock_tree()
            uow.update_product(evolve(uow.product(product.id), status=ProductStatus.WITHDRAWN))
            return ""

        return self._once(key, ("withdraw product", product.id), do, lambda uow, _: uow.product(product.id))

    # listings

    def opt_in(
        self,
        reseller: Account,
        product: Product,
        *,
        valid_from: datetime | None = None,
        key: str | None = None,
        **terms: Any,
    ) -> Listing:
        """Let a reseller offer a product to its children, on terms of its own.

        A distributor names its price at least. Raises `NotListed` where its parent does not offer it for resale, or
        the reseller lists it already; `BelowCost` where a distributor's price or setup fee, in the currency of its
        listing at that instant, is less than what it pays, unless `below_cost` is said; `MissingExchangeRate` where
        the two cannot be compared.
        """
        fields = _listing_terms(terms)

        def make(uow: UnitOfWork, seller: Account, stored: Product, before: Listing | None, begin: datetime) -> Listing:
            if before is not None and before.active:
                raise NotListed(f"account {seller.number!r} lists the product {stored.code!r} already")
            if not seller.is_commission_reseller and "price_micros" not in fields:
                raise InvalidValue(
                    f"account {seller.number!r} is a distributor, and names its price for {stored.code!r}"
                )
            values = {"currency": seller.currency, **unsaid(seller), **fields}
            listing = Listing(product_id=stored.id, seller_id=seller.id, valid_from=begin, **values)
            check_cost(uow, seller, stored, listing)
            return listing

        return self._list("opt in", reseller, product, fields, valid_from, key, make)

    def change_listing(
        self,
        reseller: Account,
        product: Product,
        *,
        valid_from: datetime | None = None,
        key: str | None = None,
        **terms: Any,
    ) -> Listing:
        """Change the terms of a listing from an instant on; what is not named stays.

        Raises `NotListed` where the reseller does not list it then, and where the price changes what `opt_in` raises:
        that a price below cost is meant is to be said again with each new one.
        """
        fields = _listing_terms(terms)
        of_price = OF_PRICE & fields.keys()

        def make(uow: UnitOfWork, seller: Account, stored: Product, before: Listing | None, begin: datetime) -> Listing:
            listed = listed_before(seller, stored, before)
            values: dict[str, Any] = {"below_cost": False} if of_price else {}
            if listed.price_micros is None and of_price:  # it was a commission reseller's when it was made
                values |= unsaid(seller)
            listing = evolve(listed, valid_from=begin, **values | fields)
            if of_price or listed.below_cost != listing.below_cost:
                check_cost(uow, seller, stored, listing)
            return listing

        return self._list("change listing", reseller, product, fields, valid_from, key, make)

    def opt_out(
        self, reseller: Account, product: Product, *, valid_from: datetime | None = None, key: str | None = None
    ) -> Listing:
        """Let a reseller offer a product no more, and so nobody below it either; what is on order stays.

        Raises `NotListed` where the reseller does not list it then.
        """

        def make(uow: UnitOfWork, seller: Account, stored: Product, before: Listing | None, begin: datetime) -> Listing:
            return evolve(listed_before(seller, stored, before), valid_from=begin, active=False)

        return self._list("opt out", reseller, product, {}, valid_from, key, make)

    def _list(
        self,
        name: str,
        reseller: Account,
        product: Product,
        fields: Mapping[str, Any],
        valid_from: datetime | None,
        key: str | None,
        make: Callable[[UnitOfWork, Account, Product, Listing | None, datetime], Listing],
    ) -> Listing:
        def versions(uow: UnitOfWork) -> Sequence[Listing]:
            return uow.listings(product_ids=[product.id], seller_ids=[reseller.id])

        def do(uow: UnitOfWork) -> str:
            uow.lock_tree()
            begin = self._instant(valid_from)
            seller, stored = uow.account(reseller.id), uow.product(product.id)
            check_reseller(seller, fields)
            known = versions(uow)
            listing = make(uow, seller, stored, in_force(known, begin), begin)
            number = known[-1].version + 1 if known else 1
            uow.add_listing(evolve(listing, version=number))
            return str(number)

        def show(uow: UnitOfWork, number: str) -> Listing:
            return next(each for each in versions(uow) if each.version == int(number))

        content = (name, reseller.id, product.id, fields, valid_from)
        return self._once(key, content, do, show)

    # looking

    @again
    def get(self, code: str) -> Product:
        """The product of a code; `NotFound` if there is none."""
        with self._storage.snapshot() as uow:
            found = uow.find_product(code)
        if found is None:
            raise NotFound(f"no product has the code {code!r}")
        return found

    @again
    def all(self) -> Sequence[Product]:
        """All products, by code."""
        with self._storage.snapshot() as uow:
            return uow.products()

    @again
    def versions(self, product: Product) -> Sequence[ProductVersion]:
        """All versions of a product, the oldest first."""
        with self._storage.snapshot() as uow:
            return uow.product_versions([product.id])

    def version(self, product: Product, at: datetime | None = None) -> ProductVersion | None:
        """What a product is at an instant (the present, if not given); None before its first version."""
        return in_force(self.versions(product), self._instant(at))

    @again
    def listings(self, product: Product | None = None, seller: Account | None = None) -> Sequence[Listing]:
        """All versions of the listings of a product, of a seller, or all: by product, seller and version."""
        with self._storage.snapshot() as uow:
            return uow.listings(
                product_ids=None if product is None else [product.id],
                seller_ids=None if seller is None else [seller.id],
            )

    @again
    def visible(self, account: Account, *, to_resell: bool = False, at: datetime | None = None) -> Sequence[Offer]:
        """What an account may see and buy at an instant (the present, if not given), by code, at the price it pays.

        That is only what its parent lists, or owns, with `can_purchase`; `to_resell`: what it may list for its
        children itself.
        """
        with self._storage.snapshot() as uow:
            path = uow.path(account.id)
            found = [terms.offer(path, to_resell=to_resell) for terms in all_terms(uow, path, self._instant(at))]
        return [each for each in found if isinstance(each, Offer)]

    @again
    def agreement(self, account: Account, product: Product, at: datetime | None = None) -> Agreement | NotOffered:
        """What every level would pay for a product that an account buys at an instant (the present, if not given)."""
        with self._storage.snapshot() as uow:
            path = uow.path(account.id)
            return terms_of(uow, uow.product(product.id), path, self._instant(at)).agree(path)

    def _instant(self, given: datetime | None) -> datetime:
        return self._clock.now() if given is None else utc(given)


def _category(value: Category | str) -> Category:
    try:
        return Category(value)
    except ValueError:
        raise InvalidValue(f"category is one of {', '.join(Category)}, not {value!r}") from None


def _product_terms(terms: Mapping[str, Any]) -> dict[str, Any]:
    """Terms as fields of `ProductVersion`."""
    unknown = terms.keys() - _AMOUNTS.keys() - _PLAIN - _LISTS - {"commission_percent"}
    if unknown:
        raise TypeError(f"a product has no terms named {', '.join(sorted(unknown))}")
    return _fields(terms)


def _listing_terms(terms: Mapping[str, Any]) -> dict[str, Any]:
    """Terms as fields of `Listing`."""
    unknown = terms.keys() - _OF_LISTINGS
    if unknown:
        raise TypeError(f"a listing has no terms named {', '.join(sorted(unknown))}")
    return _fields({name: value for name, value in terms.items() if value is not None or name == "commission_percent"})


def _fields(terms: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in terms.items():
        if name in _AMOUNTS:
            fields[_AMOUNTS[name]] = to_micros(value, name.replace("_", " "))
        elif name == "commission_percent":
            fields[name] = None if value is None else exact(value, "commission rate")
        else:
            fields[name] = tuple(value) if name in _LISTS else value
    return fields


def _add_version(uow: UnitOfWork, version: ProductVersion) -> None:
    known = {group.name for group in uow.rate_groups()} if version.rate_groups else set()
    for name in version.rate_groups:
        if name not in known:
            raise NotFound(f"no rate group is named {name!r}")
    uow.add_product_version(version)
