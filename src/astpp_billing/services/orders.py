"""Orders: what a product costs somebody on every level, and buying it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from attrs import evolve, frozen

from astpp_billing.clock import Clock, utc
from astpp_billing.errors import AlreadyExists, IdempotencyConflict, NotFound, StorageBusy
from astpp_billing.hierarchy import Account, Path, walk_up
from astpp_billing.invoicing import Document
from astpp_billing.ledger import Charge, Order, Reason, Sale, fingerprint, order_posting_key
from astpp_billing.money import Money
from astpp_billing.ports import Locked, Seen, Storage, UnitOfWork
from astpp_billing.pricing import Agreement, Bag, NotOffered, Product, ProductVersion
from astpp_billing.pricing.orders import (
    NotSold,
    NotSoldReason,
    OrderCommission,
    PricedOrder,
    check_quantity,
    price_order,
)
from astpp_billing.services.again import again
from astpp_billing.services.applying import Application, Check, apply
from astpp_billing.services.catalogue import terms_of
from astpp_billing.services.corrections import Correction
from astpp_billing.services.lapsing import expire_holds, without_holds
from astpp_billing.services.prices import PriceBook
from astpp_billing.services.refunding import refund
from astpp_billing.services.selling import Bill, Counter, Tills, payers, sell

Effect = Callable[[UnitOfWork, Order, ProductVersion, Path, datetime], None]
"""What a purchase brings about besides, in the same transaction, which has locked all that pay and saved the order.

It gets the order, the version that was bought, the path from the buyer up to the admin, and the instant. It may save
more, and must not lock.
"""


@frozen
class QuotedLevel:
    """What one account would pay another for an order: `price` and `setup_fee`, the `tax` on both, and the `total`.

    All are in the currency of the payer's wallet. The total is what must be available: where a receipt is given at
    once it is the receipt's, in whole minor units, with what the rounding of earlier ones carries forward.
    """

    payer: Account
    payee: Account
    price: Money
    setup_fee: Money
    tax: Money
    total: Money


@frozen
class Quote:
    """What a purchase would do now: every level, the buyer's first, all commissions, and who would earn what.

    `profits` are bags of micros by currency, by account id, before tax. `lacking` is the refusal that a purchase would
    meet because somebody on the path has too little money.
    """

    product: Product
    version: ProductVersion
    quantity: int
    at: datetime
    agreement: Agreement
    levels: tuple[QuotedLevel, ...]
    commissions: tuple[OrderCommission, ...]
    profits: Mapping[int, Bag]
    lacking: NotSold | None

    @property
    def total(self) -> Money:
        """What the buyer would pay, with tax."""
        return self.levels[0].total


@frozen
class Purchased:
    """An order that was placed: the charges of all levels, and the receipts of those who got one; the buyer's first.

    `repeated` says that nothing was done, because the same order was placed under this key before.
    """

    order: Order
    charges: tuple[Charge, ...]
    documents: tuple[Document, ...]
    repeated: bool = False


@frozen
class _Offer:
    """What a buyer can have, decided by what was seen."""

    seen: Seen
    path: Path
    version: ProductVersion
    agreement: Agreement
    priced: PricedOrder
    at: datetime

    def sale(self, key: str, fingerprint: str) -> Sale:
        return Sale(
            key=key,
            fingerprint=fingerprint,
            reason=Reason.ORDER,
            name=self.version.name,
            at=self.at,
            priced=self.priced,
        )


class Orders:
    """The use cases of orders. `effects` are what a purchase brings about besides, in their order."""

    def __init__(self, storage: Storage, clock: Clock, book: PriceBook, effects: Sequence[Effect] = ()) -> None:
        self._storage = storage
        self._clock = clock
        self._book = book
        self._effects = tuple(effects)

    @again
    def quote(self, buyer: Account, product: Product, quantity: int = 1) -> Quote | NotSold:
        """What buying a product would do now, on every level; nothing is changed.

        A purchase then does exactly this, unless prices, exchange rates, accounts or balances change before. Who has
        too little money is named by `Quote.lacking`; all other refusals are a `NotSold`. Raises `NotFound` for an
        account or a product that there is not, `InvalidValue` for a quantity below 1.
        """
        check_quantity(quantity)
        with self._storage.snapshot() as uow:
            offer = self._offer(uow, uow.look(numbers=(buyer.number,)), buyer, product, quantity)
            if isinstance(offer, NotSold):
                return offer
            quote = _quote(offer, product)
            if quote.lacking is None:
                return quote
            # a purchase would give back first what these reserve
            seen = without_holds(offer.seen, uow.holds(lapsed_at=offer.at))
            return _quote(evolve(offer, seen=seen), product)

    def purchase(self, buyer: Account, product: Product, quantity: int = 1, *, key: str) -> Purchased | NotSold:
        """Buy a product: every level up to its owner pays its price and tax, and every commission is paid, or nothing.

        Prepaid payers get their receipts at once, where they get one for each charge; the others' charges wait for
        their documents. Each level is paid of the payer's own money: what must be available is the receipt's total, or
        the price with the tax that its document will add. Sent again under the same key, the same order gives the
        first result. Where money is short, what lapsed holds reserve is given back first. A refusal is not kept: it has
        charged nothing, and the same key may be tried again.

        Raises `NotFound` for an account or a product that there is not, `InvalidValue` for a quantity below 1 or a key
        that is none, and `IdempotencyConflict` where the key stood for another order.
        """
        check_quantity(quantity)
        order_posting_key(key)
        return self._buy(buyer, product, quantity, key)

    def _buy(
        self,
        buyer: Account,
        product: Product,
        quantity: int,
        key: str,
        at: datetime | None = None,
        check: Check | None = None,
    ) -> Purchased | NotSold:
        """Buy a product; where money is short, with what lapsed holds give back."""
        result = self._purchase(buyer, product, quantity, key, at, check)
        short = isinstance(result, NotSold) and result.reason is NotSoldReason.NO_MONEY
        if short and expire_holds(self._storage, self._clock.now()):
            return self._purchase(buyer, product, quantity, key, at, check)
        return result

    @again
    def _purchase(
        self,
        buyer: Account,
        product: Product,
        quantity: int,
        key: str,
        at: datetime | None = None,
        check: Check | None = None,
    ) -> Purchased | NotSold:
        with self._storage.begin() as uow:
            seen = uow.look(numbers=(buyer.number,))  # first, because it begins the transaction by the way
            known = uow.find_order(key)
            if known is not None:
                return _repeated(uow, known, (buyer.id, product.id, quantity))
            offer = self._offer(uow, seen, buyer, product, quantity, at)
            if isinstance(offer, NotSold):
                return offer
            sale = offer.sale(order_posting_key(key), fingerprint("order", buyer.id, product.id, quantity))
            sales = sell(uow, offer.seen, (sale,), offer.at)
            if check is not None:  # with the buyer's wallet locked, so that no other order of it is under way
                check(uow, offer.path[0], offer.version)
            (sold,) = sales.results
            if isinstance(sold, NotSold):
                return sold
            (order_id,) = uow.reserve_ids(1)
            order = Order(
                id=order_id,
                key=key,
                buyer_id=buyer.id,
                product_id=product.id,
                version=offer.version.version,
                quantity=quantity,
                at=offer.at,
                agreement=offer.agreement,
            )
            try:
                uow.save(sales.changes)
                uow.add_orders([order])
            except AlreadyExists as error:
                raise StorageBusy(f"somebody placed the order {key!r} meanwhile") from error
            for effect in self._effects:
                effect(uow, order, offer.version, offer.path, offer.at)
            return Purchased(order, sold.charges, sold.documents)

    @again
    def refund(self, order: Order, quantity: int | None = None, *, reason: str, key: str) -> Correction:
        """Give back what an order has cost, or `quantity` of it: on every level, with taxes, and with the commissions.

        What was billed gets credit notes, what was not comes with its refund on the next document. Without a quantity
        it is all that is left. An order that is refunded as a whole has ended: what it includes is for no call that
        begins later, and its subscription is cancelled (its renewals stay paid; see `Ledger.correct`). One that renews
        is refunded as a whole only. Of what another one includes, as much is taken back as is refunded, unless calls
        have used it already. `reason` is one line, and is kept. Once for each `key`; the
        same again gives the first result.

        Raises `NotFound` for an order that there is not, `InvalidValue` for more than is left or an order that has cost
        nothing, and `IdempotencyConflict` where the key stood for another refund.
        """
        with self._storage.begin() as uow:
            return refund(uow, self._clock, order, quantity, reason, key)

    def _offer(
        self, uow: UnitOfWork, seen: Seen, buyer: Account, product: Product, quantity: int, at: datetime | None = None
    ) -> _Offer | NotSold:
        """What a buyer is offered, by what was seen of it, and at which price."""
        if buyer.id not in seen.accounts:
            raise NotFound(f"no account has the number {buyer.number}")
        path = walk_up(seen.accounts, buyer.id)
        now = self._clock.now() if at is None else at
        terms = terms_of(uow, uow.product(product.id), path, now)
        agreement = terms.agree(path)
        if isinstance(agreement, NotOffered):
            return NotSold.unless_offered(agreement)
        assert terms.version is not None  # else nothing is offered
        priced = price_order(agreement, seen.accounts, quantity, self._book.rates(uow), now)
        return priced if isinstance(priced, NotSold) else _Offer(seen, path, terms.version, agreement, priced, now)

    def apply(self, *, now: datetime | None = None) -> Iterator[Application]:
        """Order what comes by itself with rate groups for whoever has not had it yet, and tell what became of it.

        Every open account below the owner of a product whose `rate_group` is among those of the product in force gets
        one of it, on the terms of any purchase, under a key made of both: once, however often this is done and by how
        many. Who has had the product before, whoever ordered it and whatever became of that, does not get it. What
        cannot be sold (no money, not listed) is told each time, and tried again the next time. `now` (the present, if
        not given) is the instant of the orders, and of the terms. Each order is a transaction of its own, which is
        done when its result is told. Raises only `StorageError`; another error is that of one order (`Failed`), and
        the others go on. (An order that was stored although the connection was lost over it is found by `orders`, and
        not among the results.)
        """
        return apply(self._storage, self._clock, None if now is None else utc(now, "now"), self._buy)

    @again
    def get(self, key: str) -> Order:
        """The order that was placed under a key; `NotFound` if there is none."""
        with self._storage.snapshot() as uow:
            found = uow.find_order(key)
        if found is None:
            raise NotFound(f"no order has the key {key!r}")
        return found

    @again
    def orders(self, buyer: Account | None = None) -> Sequence[Order]:
        """The orders of one buyer, or all, in the order of time."""
        with self._storage.snapshot() as uow:
            return uow.orders(None if buyer is None else buyer.id)


def _quote(offer: _Offer, product: Product) -> Quote:
    sale = offer.sale(order_posting_key("quote"), "")
    seen, priced = offer.seen, offer.priced
    locked = Locked({account_id: seen.wallets[account_id] for account_id in payers((sale,))}, {})
    counter = Counter(locked, Tills(seen.accounts, seen.configs), offer.at)
    bills = counter.bills(sale)
    return Quote(
        product=product,
        version=offer.version,
        quantity=priced.quantity,
        at=offer.at,
        agreement=offer.agreement,
        levels=tuple(map(_quoted, bills)),
        commissions=priced.commissions,
        profits=priced.profits(),
        lacking=counter.lacking(bills),
    )


def _quoted(bill: Bill) -> QuotedLevel:
    level = bill.level
    price, setup, tax, total = (
        Money.from_micros(micros, level.currency)
        for micros in (level.price_micros, level.setup_micros, bill.tax_micros, bill.needed_micros)
    )
    return QuotedLevel(level.payer, level.payee, price, setup, tax, total)


def _repeated(uow: UnitOfWork, order: Order, content: tuple[int, int, int]) -> Purchased:
    """What was done for an order, as it was told the first time."""
    if (order.buyer_id, order.product_id, order.quantity) != content:
        raise IdempotencyConflict(f"the key {order.key!r} was used before, for another order")
    charges = uow.charges(posting_keys=[order.posting_key])
    ids = {charge.document_id for charge in charges if charge.document_id is not None}
    # what was placed on a document later waited for it then
    receipts = {one.id: one for one in uow.documents(ids=ids) if one.period is None} if ids else {}
    told = tuple(one if one.document_id in receipts else evolve(one, document_id=None) for one in charges)
    documents = dict.fromkeys(one.document_id for one in told if one.document_id is not None)
    return Purchased(order, told, tuple(receipts[one] for one in documents), repeated=True)
