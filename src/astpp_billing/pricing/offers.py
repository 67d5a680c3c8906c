"""What a buyer pays for a product, and everybody above it: the listings from the buyer up to the product's owner.

A distributor's listing sets what its children pay, and so does the owner's own product version. A commission
reseller passes on what its child pays, so the price below it is that of the nearest seller above who sets one, which is
read and never copied (rules, section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from attrs import frozen

from astpp_billing.hierarchy import Account, Path, Status
from astpp_billing.money import Money
from astpp_billing.pricing.products import (
    AgreedCommission,
    AgreedLevel,
    Agreement,
    Allowance,
    Category,
    Listing,
    NotOffered,
    NotOfferedReason,
    Product,
    ProductStatus,
    ProductVersion,
    Recurrence,
)


@frozen
class Asked:
    """What the children of one seller pay, in micros of `currency`, and the share of its commission resellers."""

    price_micros: int
    setup_fee_micros: int
    currency: str
    commission_percent: Decimal


@frozen(kw_only=True)
class Offer:
    """What one seller offers to its children, and nothing of what it pays itself: fit to be shown to them.

    Amounts are in micros of `currency`, for one unit; the price is that of each period where there is a `recurrence`.
    """

    product_id: int
    code: str
    category: Category
    name: str
    description: str
    recurrence: Recurrence | None
    allowances: tuple[Allowance, ...]
    seller_id: int
    price_micros: int
    setup_fee_micros: int
    currency: str

    @property
    def price(self) -> Money:
        """The price of one unit."""
        return Money.from_micros(self.price_micros, self.currency)

    @property
    def setup_fee(self) -> Money:
        """The setup fee of one unit."""
        return Money.from_micros(self.setup_fee_micros, self.currency)


def agree(
    path: Path, product: Product, version: ProductVersion | None, listings: Mapping[int, Listing]
) -> Agreement | NotOffered:
    """What is agreed when `path[0]` buys a product, by its version and the listings that are in force.

    `listings` are by the seller's account id; `version` is None where none is in force. Nothing is said of amounts:
    they come of the agreement, the quantity and the exchange rates.
    """
    asked = asked_above(path, product, version, listings)
    return asked if isinstance(asked, NotOffered) else _agreement(path, asked)


def offer(
    path: Path,
    product: Product,
    version: ProductVersion | None,
    listings: Mapping[int, Listing],
    *,
    to_resell: bool = False,
) -> Offer | NotOffered:
    """What the parent of `path[0]` offers it to buy, or `to_resell`: on what terms, without those further up."""
    asked = asked_above(path, product, version, listings, to_resell=to_resell)
    if isinstance(asked, NotOffered):
        return asked
    assert version is not None  # else nothing is asked
    return Offer(
        product_id=product.id,
        code=product.code,
        category=product.category,
        name=version.name,
        description=version.description,
        recurrence=version.recurrence,
        allowances=version.allowances,
        seller_id=path[1].id,
        price_micros=asked[0].price_micros,
        setup_fee_micros=asked[0].setup_fee_micros,
        currency=asked[0].currency,
    )


def asked_above(
    path: Path,
    product: Product,
    version: ProductVersion | None,
    listings: Mapping[int, Listing],
    *,
    to_resell: bool = False,
) -> tuple[Asked, ...] | NotOffered:
    """What each seller above `path[0]`, up to the product's owner, asks of the one below it; the parent's first.

    `to_resell` says that `path[0]` would not buy the product, but list it for its own children.
    """
    buyer = path[0]
    if product.owner_id == buyer.id:
        detail = f"account {buyer.number} owns the product {product.code!r}, and so cannot buy it"
        return NotOffered(NotOfferedReason.OWN, buyer, detail)
    sellers = _sellers(path, product)
    if isinstance(sellers, NotOffered):
        return sellers
    refusal = _check_status(path[: len(sellers) + 1], product)
    if refusal is None:
        refusal = _check_listed(sellers, product, version, listings, to_resell=to_resell)
    if refusal is not None:
        return refusal
    assert version is not None  # it was checked
    return _asked_by(sellers, product, version, listings)


def _sellers(path: Path, product: Product) -> Path | NotOffered:
    """The accounts above the buyer, up to the product's owner."""
    for index, account in enumerate(path):
        if account.id == product.owner_id:
            return path[1 : index + 1]
    detail = f"account {path[0].number} is not below the owner of the product {product.code!r}"
    return NotOffered(NotOfferedReason.NOT_BELOW_OWNER, path[0], detail)


def _check_status(path: Path, product: Product) -> NotOffered | None:
    if product.status is ProductStatus.WITHDRAWN:
        detail = f"the product {product.code!r} is withdrawn"
        return NotOffered(NotOfferedReason.WITHDRAWN, path[-1], detail)
    for account in path:
        if account.status is Status.CLOSED:
            return NotOffered(NotOfferedReason.CLOSED, account, f"account {account.number} is closed")
    return None


def _check_listed(
    sellers: Path,
    product: Product,
    version: ProductVersion | None,
    listings: Mapping[int, Listing],
    *,
    to_resell: bool,
) -> NotOffered | None:
    """Why the chain of listings does not reach from the owner down to the buyer, if so: the topmost reason."""
    *resellers, owner = sellers
    if version is None:
        detail = f"the product {product.code!r} of {owner.number} is not in force yet"
        return NotOffered(NotOfferedReason.NOT_YET, owner, detail)
    above, offered = owner, (version.can_resell, version.can_purchase)
    for reseller in reversed(resellers):
        if not offered[0]:
            return _not_resold(above, product)
        listing = listings.get(reseller.id)
        if listing is None or not listing.active:
            detail = f"account {reseller.number} does not list the product {product.code!r}"
            return NotOffered(NotOfferedReason.NOT_LISTED, reseller, detail)
        above, offered = reseller, (listing.can_resell, listing.can_purchase)
    if to_resell:
        return None if offered[0] else _not_resold(above, product)
    if not offered[1]:
        detail = f"account {above.number} does not let the product {product.code!r} be purchased"
        return NotOffered(NotOfferedReason.NOT_SOLD, above, detail)
    return None


def _not_resold(seller: Account, product: Product) -> NotOffered:
    detail = f"account {seller.number} does not let the product {product.code!r} be resold"
    return NotOffered(NotOfferedReason.NOT_RESOLD, seller, detail)


def _asked_by(
    sellers: Path, product: Product, version: ProductVersion, listings: Mapping[int, Listing]
) -> tuple[Asked, ...] | NotOffered:
    """What each of `sellers`, the last of which is the owner, asks of its children; along `sellers`.

    A commission reseller's price, setup fee and currency are those of the seller above it. Every seller but the owner
    has a listing.
    """
    *resellers, _ = sellers
    found = [
        Asked(version.price_micros, version.setup_fee_micros, product.currency, version.commission_percent),
    ]
    for reseller in reversed(resellers):
        above, listing = found[-1], listings[reseller.id]
        share = above.commission_percent if listing.commission_percent is None else listing.commission_percent
        if reseller.is_commission_reseller:
            found.append(Asked(above.price_micros, above.setup_fee_micros, above.currency, share))
        elif listing.price_micros is None or listing.setup_fee_micros is None:
            detail = f"account {reseller.number} is no commission reseller, and lists {product.code!r} without a price"
            return NotOffered(NotOfferedReason.NO_PRICE, reseller, detail)
        else:
            found.append(Asked(listing.price_micros, listing.setup_fee_micros, listing.currency, share))
    return tuple(reversed(found))


def _agreement(path: Path, asked: tuple[Asked, ...]) -> Agreement:
    levels = [
        AgreedLevel(payer.id, payee.id, each.price_micros, each.setup_fee_micros, each.currency)
        for payer, payee, each in zip(path, path[1:], asked, strict=False)
    ]
    # For each run of commission resellers, from the top down: the topmost is paid a share of the price that it passes
    # on, each further one a share of what the one above is paid. The buyer, who sells to nobody, earns nothing.
    shares: list[AgreedCommission] = []
    for index in range(len(levels) - 1, 0, -1):
        payer, payee = path[index], path[index + 1]
        if payer.is_commission_reseller:
            topmost = index == len(levels) - 1 or not payee.is_commission_reseller
            source = index if topmost else None
            shares.append(AgreedCommission(payee.id, payer.id, asked[index].commission_percent, source))
    return Agreement(tuple(levels), tuple(shares))
