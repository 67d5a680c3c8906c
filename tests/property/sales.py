"""What can be done with products, listings, orders, subscriptions and refill cards: the same on every storage."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from tests.property.commerce import CURRENCIES, DAY, Command
from tests.property.stored import Stored

from astpp_billing.billing import Billing
from astpp_billing.errors import BillingError
from astpp_billing.hierarchy import Account, Kind
from astpp_billing.ledger.vouchers import RANDOM, make_code
from astpp_billing.money import Money
from astpp_billing.pricing import Allowance, Category, Recurrence, Unit
from astpp_billing.pricing.subscriptions import Subscription
from astpp_billing.services.orders import Purchased, Quote
from astpp_billing.testing.worlds import START, Chain

_CODES = ("box", "plan", "line")
_TERMS: dict[str, dict[str, Any]] = {
    "box": {"price": "1.05", "setup_fee": "0.333333", "commission_percent": 10},
    "plan": {"price": "2.5", "setup_fee": "1", "commission_percent": 20},
    "line": {"price": "0.99", "commission_percent": "12.5"},
}
_KINDS: dict[str, dict[str, Any]] = {
    "box": {"category": Category.PACKAGE, "allowances": [Allowance(seconds=100)]},
    "plan": {
        "category": Category.SUBSCRIPTION,
        "recurrence": Recurrence(5, Unit.DAYS),
        "allowances": [Allowance(seconds=90, prefixes=("44",), carried_over=True)],
    },
    "line": {
        "category": Category.SUBSCRIPTION,
        "recurrence": Recurrence(1, Unit.MONTHS),
        "release_unfunded": True,
    },
}


def open_shelves(billing: Billing, shop: Chain) -> None:
    """Let the admin sell something once, by the day and by the month, and all resellers offer it, of both models."""
    for code in _CODES:
        product = billing.products.create(shop.admin, code, name=f"A {code}", **_KINDS[code], **_TERMS[code])
        for seller in shop.resellers:
            own = {} if seller.is_commission_reseller else _TERMS[code] | {"below_cost": True}
            billing.products.opt_in(seller, product, **own)


_buyers = st.sampled_from(["chain-customer"] * 6 + ["chain-1", "chain-1", "chain-2", "chain-admin"])
_sellers = st.sampled_from(["chain-1"] * 4 + ["chain-2"] * 3 + ["chain-3", "chain-admin", "chain-customer"])
_codes = st.sampled_from(["plan", "plan", "box", "line", "extra"])
_amounts = st.sampled_from(["0", "0.5", "1.05", "2", "3.333333", "400"])
_shares = st.sampled_from([0, 10, "33.3", 100, 101])
_whens = st.sampled_from([None, None, None, -1, 3, 9])
_listed: dict[str, SearchStrategy[Any]] = {
    "price": _amounts,
    "setup_fee": _amounts,
    "commission_percent": _shares,
    "can_resell": st.booleans(),
    "can_purchase": st.booleans(),
}
_OF_DISTRIBUTORS = frozenset({"price", "setup_fee", "currency", "below_cost"})
_listing_terms = st.fixed_dictionaries(
    {}, optional=_listed | {"currency": st.sampled_from(CURRENCIES), "below_cost": st.just(True)}
)
_product_terms = st.fixed_dictionaries(
    {},
    optional=_listed
    | {
        "recurrence": st.sampled_from([None, Recurrence(2, Unit.DAYS), Recurrence(1, Unit.MONTHS)]),
        "allowances": st.sampled_from([(), (Allowance(seconds=30), Allowance(seconds=70, prefixes=("442", "33")))]),
        "release_unfunded": st.booleans(),
    },
)
_places = st.integers(0, 3)
_batch_sizes = st.sampled_from([1, 2, 1000])
_ARGUMENTS: dict[str, tuple[SearchStrategy[Any], ...]] = {
    "purchase": (_buyers, _codes, st.sampled_from([1, 1, 2, 3, 0])),
    "refund": (st.just(""), st.sampled_from([None, None, 1, 2])),
    "visible": (_buyers, st.booleans()),
    "create": (_sellers, st.sampled_from(["extra", "box"]), _amounts),
    "change_product": (_codes, _product_terms, _whens),
    "withdraw": (st.sampled_from(["box", "extra"]),),
    "opt_in": (_sellers, _codes, _listing_terms, _whens),
    "change_listing": (_sellers, _codes, _listing_terms, _whens),
    "opt_out": (_sellers, _codes, _whens),
    "renew": (_batch_sizes,),
    "reminders": (st.integers(1, 12), _batch_sizes),
    "cancel": (_places, st.sampled_from(["at end", "now", "refund"])),
    "pause": (_places,),
    "resume": (_places,),
    "change_plan": (_places, st.sampled_from(["line", "plan", "line", "plan", "box", "extra"]), st.booleans()),
    "generate": (
        _sellers,
        st.sampled_from([0, 2_500_000, 10_000_000]),
        st.sampled_from(CURRENCIES),
        st.integers(0, 3),
        st.sampled_from(["spring", "summer"]),
        st.sampled_from([None, None, 2, 20]),
    ),
    "redeem": (_buyers, st.integers(0, 5)),
    "block": (_places, st.none() | st.integers(1, 3)),
    "unblock": (_places, st.none() | st.integers(1, 3)),
}

PURCHASES = ("purchase",)
SUBSCRIPTIONS = ("change_plan", "change_plan", "pause", "pause", "cancel", "resume")
LISTINGS = ("withdraw", "change_product", "change_product", "create", "opt_in", "change_listing", "opt_out")
CARDS = ("redeem", "redeem", "redeem", "redeem", "block", "unblock", "generate")

SALES = frozenset(_ARGUMENTS) | {"quote"}
"""What is done here; all else is in `commerce`."""

READING = frozenset({"quote", "visible"})
"""What changes nothing."""

SALES_NOTED = SALES - READING - {"purchase", "refund", "renew", "reminders", "redeem"}
"""What is noted under its key, all in one place."""

SALES_KEYED = SALES_NOTED | {"purchase", "refund", "redeem"}
"""What may be sent again."""


def a_sale(names: Sequence[str]) -> SearchStrategy[Command]:
    """What sellers and buyers do, right and wrong: one of `names`."""
    return st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), st.tuples(*_ARGUMENTS[name])))


usual_purchases: SearchStrategy[Command] = st.sampled_from(["plan", "plan", "line"]).map(
    lambda code: ("purchase", ("chain-customer", code, 1))
)
"""Purchases in which nothing is wrong, and which are renewed."""


def usual_listings(stored: Stored) -> SearchStrategy[Command]:
    """What resellers can do: opt in to what they do not list, and change or end what they do."""
    accounts = {each.id: each for each in stored["accounts"]}
    codes = {each.id: each.code for each in stored["products"]}
    active = {(each.seller_id, each.product_id): each.active for each in stored["listings"]}  # the newest comes last
    listed = {(accounts[seller], codes[product]) for (seller, product), yes in active.items() if yes}
    sellers = [each for each in accounts.values() if each.kind is Kind.RESELLER]
    pairs = [(seller, code) for seller in sellers for code in codes.values()]
    unlisted = [pair for pair in pairs if pair not in listed]

    def command(pair: tuple[Account, str], terms: dict[str, Any], when: int | None, out: bool) -> Command:
        seller, code = pair
        priced: dict[str, Any] = {"price": "3", "below_cost": True}
        if seller.is_commission_reseller:
            terms, priced = {name: value for name, value in terms.items() if name not in _OF_DISTRIBUTORS}, {}
        if pair not in listed:
            return "opt_in", (seller.number, code, priced | terms, when)
        return (
            ("opt_out", (seller.number, code, when)) if out else ("change_listing", (seller.number, code, terms, when))
        )

    some = st.sampled_from(unlisted) | st.sampled_from(pairs) if unlisted else st.sampled_from(pairs)
    return st.builds(command, some, _listing_terms, _whens, st.booleans())


def run_sale(billing: Billing, codes: list[str], command: Command, key: str) -> Any:
    """Do it under a key; what came of it, which for a refusal is the kind of error.

    `codes` are those of all cards that were made, which are nowhere else; those of new ones are put behind them.
    """
    name, arguments = command
    try:
        if name in CARDS:
            return _use_cards(billing, codes, key, name, arguments)
        if name in _OF_SUBSCRIPTIONS:
            return _subscribe(billing, key, name, arguments)
        return _sell(billing, key, name, arguments)
    except BillingError as error:
        return type(error)


def _sell(billing: Billing, key: str, name: str, arguments: Sequence[Any]) -> Any:
    products, account = billing.products, billing.accounts.get
    match name, *arguments:
        case "purchase", number, code, quantity:
            return billing.orders.purchase(account(number), products.get(code), quantity, key=key)
        case "refund", order_key, quantity:
            order = billing.orders.get(order_key)
            return billing.orders.refund(order, quantity, reason="broken", key=key)
        case "quote", number, code, quantity:
            return billing.orders.quote(account(number), products.get(code), quantity)
        case "visible", number, to_resell:
            return products.visible(account(number), to_resell=to_resell)
        case "create", number, code, price:
            return products.create(account(number), code, category="did", name="Extra", price=price, key=key)
        case "change_product", code, terms, when:
            return products.change(products.get(code), valid_from=_instant(when), key=key, **terms)
        case "withdraw", code:
            return products.withdraw(products.get(code), key=key)
        case "opt_in", number, code, terms, when:
            return products.opt_in(account(number), products.get(code), valid_from=_instant(when), key=key, **terms)
        case "change_listing", number, code, terms, when:
            seller, begin = account(number), _instant(when)
            return products.change_listing(seller, products.get(code), valid_from=begin, key=key, **terms)
        case "opt_out", number, code, when:
            return products.opt_out(account(number), products.get(code), valid_from=_instant(when), key=key)
        case _:
            raise AssertionError(name)


def _instant(days: int | None) -> Any:
    return None if days is None else START + days * DAY


_OF_SUBSCRIPTIONS = frozenset({"renew", "reminders", "cancel", "pause", "resume", "change_plan"})


def _subscribe(billing: Billing, key: str, name: str, arguments: Sequence[Any]) -> Any:
    subscriptions = billing.subscriptions
    match name, *arguments:
        case "renew", batch_size:
            return list(subscriptions.renew(batch_size=batch_size))
        case "reminders", days, batch_size:
            return list(subscriptions.reminders(timedelta(days=days), batch_size=batch_size))
        case "cancel", place, when:
            ending = {"at_end": when == "at end", "refund": when == "refund"}
            return subscriptions.cancel(_subscription(billing, place), **ending, key=key)
        case "pause", place:
            return subscriptions.pause(_subscription(billing, place), key=key)
        case "resume", place:
            return subscriptions.resume(_subscription(billing, place), key=key)
        case "change_plan", place, code, at_once:
            product = billing.products.get(code)
            return subscriptions.change_plan(_subscription(billing, place), product, at_once=at_once, key=key)
        case _:
            raise AssertionError(name)


def _subscription(billing: Billing, place: int) -> Subscription:
    """The subscription that was begun after so many others."""
    return billing.subscriptions.all()[place]


UNKNOWN = make_code([7] * RANDOM)
"""A code that no card has."""


def _use_cards(billing: Billing, codes: list[str], key: str, name: str, arguments: Sequence[Any]) -> Any:
    vouchers, account = billing.vouchers, billing.accounts.get
    match name, *arguments:
        case "generate", number, micros, currency, count, batch, days:
            amount = Money.from_micros(micros, currency)
            made = vouchers.generate(account(number), amount, count, name=batch, expires_at=_instant(days), key=key)
            codes += made.codes
            return made
        case "redeem", number, place:
            code = codes[place] if place < len(codes) else UNKNOWN
            return vouchers.redeem(account(number), code, key=key)
        case ("block" | "unblock") as which, place, serial:
            batches = vouchers.batches()
            batch_id = batches[place].id if place < len(batches) else 0
            return getattr(vouchers, which)(batch_id, serial=serial, key=key)
        case _:
            raise AssertionError(name)


def check_as_quoted(quote: Any, bought: Any) -> None:
    """A purchase does what a quote told just before: the same refusal, or the same prices, receipts and agreement."""
    if not isinstance(quote, Quote):
        assert bought == quote
    elif quote.lacking is not None:
        assert bought == quote.lacking
    else:
        assert isinstance(bought, Purchased)
        order = bought.order
        agreed = (order.agreement, order.version, order.quantity, order.at)
        assert agreed == (quote.agreement, quote.version.version, quote.quantity, quote.at)
        charged = {level.payer.id: 0 for level in quote.levels}
        for charge in bought.charges:
            charged[charge.account_id] += charge.micros
        assert charged == {level.payer.id: (level.price + level.setup_fee).micros for level in quote.levels}
        totals = {level.payer.id: level.total.micros for level in quote.levels}
        assert all(document.total_micros == totals[document.account_id] for document in bought.documents)
