"""What is agreed when a product is bought: rules, section 4."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from astpp_billing.hierarchy import Account, Kind, Path, ResellerModel, Status
from astpp_billing.money import share_of
from astpp_billing.pricing import (
    AgreedCommission,
    AgreedLevel,
    Agreement,
    Listing,
    NotOffered,
    NotOfferedReason,
    Product,
    ProductStatus,
    ProductVersion,
)
from astpp_billing.pricing.offers import agree

AT = datetime(2025, 1, 1, tzinfo=UTC)
UNIT = 1_000_000


def path_of(*resellers: str) -> Path:
    """A path from the admin (1) down to a customer: `d` is a distributor, `k` a commission reseller."""
    models = {"d": ResellerModel.DISTRIBUTOR, "k": ResellerModel.COMMISSION}
    accounts = [Account(id=1, number="admin", kind=Kind.ADMIN, currency="USD")]
    for account_id, what in enumerate((*resellers, "c"), start=2):
        kind = Kind.RESELLER if what in models else Kind.CUSTOMER
        fields: dict[str, Any] = {
            "kind": kind,
            "model": models.get(what),
            "parent_id": account_id - 1,
            "currency": "USD",
        }
        accounts.append(Account(id=account_id, number=f"{what}{account_id}", **fields))
    return tuple(reversed(accounts))


def product(**more: Any) -> Product:
    values: dict[str, Any] = {"id": 7, "code": "fibre", "owner_id": 1, "category": "package", "currency": "USD"}
    return Product(**values | more)


def version(price: int = 100, percent: str = "0", **more: Any) -> ProductVersion:
    values: dict[str, Any] = {"name": "Fibre", "price_micros": price * UNIT, "commission_percent": percent}
    return ProductVersion(product_id=7, valid_from=AT, **values | more)


def listing(seller_id: int, price: int | None = None, percent: str | None = None, **more: Any) -> Listing:
    values: dict[str, Any] = {"currency": "USD", "commission_percent": percent}
    if price is not None:
        values |= {"price_micros": price * UNIT, "setup_fee_micros": 0}
    return Listing(product_id=7, seller_id=seller_id, valid_from=AT, **values | more)


def agreed(path: Path, version: ProductVersion, *listings: Listing) -> Agreement:
    found = agree(path, product(), version, {each.seller_id: each for each in listings})
    assert isinstance(found, Agreement)
    return found


def refused(path: Path, *listings: Listing, **more: Any) -> NotOffered:
    values: dict[str, Any] = {"product": product(), "version": version()} | more
    found = agree(path, listings={each.seller_id: each for each in listings}, **values)
    assert isinstance(found, NotOffered)
    return found


def kept(agreement: Agreement) -> dict[int, int]:
    """What each account is left with, in whole units, where all pay in one currency: buyers less than nothing."""
    found: dict[int, int] = dict.fromkeys(agreement.account_ids, 0)
    for level in agreement.levels:
        found[level.payer_id] -= level.price_micros
        found[level.payee_id] += level.price_micros
    pool = 0
    for share in agreement.commissions:
        pool = share_of(pool if share.source is None else agreement.levels[share.source].price_micros, share.percent)
        found[share.payer_id] -= pool
        found[share.receiver_id] += pool
    assert all(micros % UNIT == 0 for micros in found.values())
    return {account_id: micros // UNIT for account_id, micros in found.items()}


def test_the_first_example_of_the_rules() -> None:
    """Product price 100.00 at the admin, commission 10 %. Admin → K1 → K2 → customer: K1 keeps 9, K2 1, admin 90."""
    path = path_of("k", "k")

    agreement = agreed(path, version(100, "10"), listing(2, percent="10"), listing(3))

    assert [(level.payer_id, level.payee_id, level.price_micros) for level in agreement.levels] == [
        (4, 3, 100_000_000),
        (3, 2, 100_000_000),
        (2, 1, 100_000_000),
    ]
    assert agreement.commissions == (
        AgreedCommission(1, 2, Decimal(10), 2),
        AgreedCommission(2, 3, Decimal(10), None),
    )
    assert kept(agreement) == {4: -100, 3: 1, 2: 9, 1: 90}


def test_the_commission_of_a_commission_reseller_follows_the_one_above() -> None:
    """K1, which says nothing of its commission, pays K2 the product's 10 % of what it is paid itself."""
    path = path_of("k", "k")

    said, left = (agreed(path, version(100, "10"), listing(2, percent=each), listing(3)) for each in ("10", None))

    assert left == said


def test_the_second_example_of_the_rules() -> None:
    """Admin lists at 100; D lists at 130 with 20 % for K; K's customer pays 130: D keeps 4, K 26, the admin 100."""
    agreement = agreed(path_of("d", "k"), version(100), listing(2, 130, "20"), listing(3))

    assert [level.price_micros // UNIT for level in agreement.levels] == [130, 130, 100]
    assert agreement.commissions == (AgreedCommission(2, 3, Decimal(20), 1),)
    assert kept(agreement) == {4: -130, 3: 26, 2: 4, 1: 100}


def test_each_price_is_in_the_currency_of_who_sets_it() -> None:
    """A commission reseller's level has its child's price, setup fee and currency."""
    path = path_of("d", "k")

    agreement = agreed(
        path, version(100, setup_fee_micros=5), listing(2, 90, currency="EUR", setup_fee_micros=7), listing(3)
    )

    assert agreement.levels == (
        AgreedLevel(4, 3, 90 * UNIT, 7, "EUR"),
        AgreedLevel(3, 2, 90 * UNIT, 7, "EUR"),
        AgreedLevel(2, 1, 100 * UNIT, 5, "USD"),
    )


def test_what_a_reseller_buys_for_itself_costs_what_its_parent_lists() -> None:
    """It needs no listing of its own, and it is paid no commission on what it buys."""
    path = path_of("d", "k")

    assert agreed(path[1:], version(), listing(2, 130, "20")).levels == (
        AgreedLevel(3, 2, 130 * UNIT, 0, "USD"),
        AgreedLevel(2, 1, 100 * UNIT, 0, "USD"),
    )
    assert agreed(path[1:], version(), listing(2, 130, "20")).commissions == ()
    assert agreed(path[2:], version()).levels == (AgreedLevel(2, 1, 100 * UNIT, 0, "USD"),)


def test_a_resellers_own_product_ends_at_the_reseller() -> None:
    """The levels go up to the product's owner, and no further."""
    path = path_of("d", "k")

    found = agree(path, product(owner_id=2), version(percent="50"), {3: listing(3)})

    assert isinstance(found, Agreement)
    assert (found.buyer_id, found.owner_id, found.account_ids) == (4, 2, (4, 3, 2))
    assert found.commissions == (AgreedCommission(2, 3, Decimal(50), 1),)


def test_only_what_the_parent_lists_can_be_bought() -> None:
    """The refusal names the account whose terms stand in the way, the topmost first."""
    path = path_of("d", "d")
    d2, d3 = listing(2, 130), listing(3, 140)
    cases = [
        (refused(path, d2), NotOfferedReason.NOT_LISTED, "d3"),
        (refused(path, d3), NotOfferedReason.NOT_LISTED, "d2"),
        (refused(path), NotOfferedReason.NOT_LISTED, "d2"),
        (refused(path, evolve(d2, active=False), d3), NotOfferedReason.NOT_LISTED, "d2"),
        (refused(path, evolve(d2, can_resell=False), d3), NotOfferedReason.NOT_RESOLD, "d2"),
        (refused(path, d2, evolve(d3, can_purchase=False)), NotOfferedReason.NOT_SOLD, "d3"),
        (refused(path, d2, d3, version=version(can_resell=False)), NotOfferedReason.NOT_RESOLD, "admin"),
        (refused(path[2:], version=version(can_purchase=False)), NotOfferedReason.NOT_SOLD, "admin"),
        (refused(path, d2, listing(3)), NotOfferedReason.NO_PRICE, "d3"),
        (refused(path, d2, d3, version=None), NotOfferedReason.NOT_YET, "admin"),
        (refused(path, d2, d3, product=product(status=ProductStatus.WITHDRAWN)), NotOfferedReason.WITHDRAWN, "admin"),
        (refused(path, d2, d3, product=product(owner_id=99)), NotOfferedReason.NOT_BELOW_OWNER, "c4"),
        (refused(path[1:], d2, d3, product=product(owner_id=3)), NotOfferedReason.OWN, "d3"),
    ]
    for found, reason, number in cases:
        assert (found.reason, found.account.number) == (reason, number)
        assert number in found.detail or "'fibre'" in found.detail


def test_what_holds_below_does_not_matter_above() -> None:
    """`can_purchase` counts for who buys, `can_resell` for who lists it again."""
    path = path_of("d", "d")
    d2, d3 = listing(2, 130, can_purchase=False), listing(3, 140, can_resell=False)

    assert agreed(path, version(can_purchase=False), d2, d3).levels[0].price_micros == 140 * UNIT


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_nobody_buys_where_an_account_up_to_the_owner_is_closed(index: int) -> None:
    path = path_of("d", "d")
    closed = tuple(evolve(each, status=Status.CLOSED) if at == index else each for at, each in enumerate(path))

    found = refused(closed, listing(2, 130), listing(3, 140))

    assert (found.reason, found.account) == (NotOfferedReason.CLOSED, closed[index])
