"""Hypothesis strategies for property tests of your own prices; they need the extra `testing`.

```python
from hypothesis import given
from astpp_billing.pricing import PricedCall
from astpp_billing.testing import strategies as billing

@given(case=billing.calls())
def test_nobody_but_the_provider_is_paid_more_than_the_buyer_pays(case):
    assert isinstance(case.priced(), PricedCall)
```

Every value they give is valid, small enough to be read in a failing example, and likely to lie near a boundary: a
prefix beside another one, a second before an increment ends, an instant at which a rate changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from attrs import evolve, frozen
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from astpp_billing.fx import ExchangeRate, ExchangeRates
from astpp_billing.hierarchy import Account, Kind, Path, ResellerModel, price_owner
from astpp_billing.money import MAX_MICROS, PLACES, Money
from astpp_billing.money import currencies as all_currencies
from astpp_billing.pricing import (
    Cascade,
    Category,
    Listing,
    NotPriced,
    PricedCall,
    Product,
    ProductVersion,
    Rate,
    RateGroup,
    RateTable,
    Tariff,
    Terms,
)

WALLETS = ("USD", "EUR", "JPY", "KWD")
"""The currencies that accounts and rate groups are in, unless others are asked for: with 2, 0 and 3 minor units."""

CHANGES = tuple(datetime(2025, 1, day, tzinfo=UTC) for day in (1, 10, 20))
"""The instants at which rates and exchange rates of these strategies begin or end to be in force."""


def currencies() -> SearchStrategy[str]:
    """The code of any currency of ISO 4217."""
    return st.sampled_from(all_currencies())


def micros(most: int = MAX_MICROS, *, least: int = 0) -> SearchStrategy[int]:
    """An amount in whole micros from `least` to `most`."""
    return st.integers(least, most)


def money(currency: str | None = None, *, most: int = MAX_MICROS) -> SearchStrategy[Money]:
    """Amounts from minus `most` to `most` micros, in `currency` or in any."""
    codes = currencies() if currency is None else st.just(currency)
    return st.builds(Money.from_micros, micros(most, least=-most), codes)


def exact_decimals(most: int = 1000, places: int = PLACES) -> SearchStrategy[Decimal]:
    """Decimals from 0 to `most` with at most `places` decimal places; often round ones, as prices are."""
    fine = st.integers(0, most * 10**places).map(lambda units: Decimal(units).scaleb(-places))
    coarse = st.integers(0, min(most, 20) * 100).map(lambda cents: Decimal(cents).scaleb(-2))
    return st.one_of(coarse, fine)


def percentages(most: int = 100) -> SearchStrategy[Decimal]:
    """Percentages from 0 to `most`, with at most four decimal places."""
    return exact_decimals(most, 4)


def instants() -> SearchStrategy[datetime]:
    """Instants in UTC around those of `CHANGES`: on them, a microsecond before, and anywhere near; none before all."""
    exactly = st.sampled_from(CHANGES)
    before = st.sampled_from(CHANGES[1:]).map(lambda instant: instant - timedelta(microseconds=1))
    between = st.datetimes(datetime(2025, 1, 1), datetime(2025, 2, 1), timezones=st.just(UTC))  # noqa: DTZ001 (as asked for)
    return st.one_of(exactly, before, between)


# What is drawn for every value is built once: Hypothesis takes longer to check a strategy than to draw from it.
_BOOLEANS = st.booleans()
_PRICES = exact_decimals()
_FEES = st.one_of(st.just(Decimal(0)), _PRICES)
_MARKUPS = st.one_of(st.just(Decimal(0)), percentages(), st.just(Decimal("-12.5")))
_COMMISSIONS = percentages()
_FACTORS = exact_decimals(200, 5).filter(bool)
_LATER = st.sampled_from([None, *CHANGES[1:]])
_SOURCES = st.sampled_from(["ecb", "manual"])
_INCLUDED = st.sampled_from([0, 0, 1, 3, 10, 61])
_INITIAL = st.sampled_from([None, 0, 1, 6, 30, 60])
_INCREMENTS = st.sampled_from([None, 1, 6, 7, 60])
_VALIDITY = st.sampled_from(
    [(begin, end) for begin in (None, *CHANGES[:-1]) for end in (None, *CHANGES) if not begin or not end or begin < end]
)
_NAMES = st.sampled_from(["retail", "wholesale", "night"])
_DEFAULT_INITIAL = st.sampled_from([0, 1, 60])
_DEFAULT_INCREMENT = st.sampled_from([1, 6, 60])
_PLACES = st.sampled_from([PLACES, PLACES, 4, 2, 0])
_VERSIONS = st.integers(0, 3)


@st.composite
def exchange_rates(draw: DrawFn, codes: Sequence[str] = WALLETS) -> ExchangeRates:
    """A table that connects all `codes` from the first of `CHANGES` on, directly or by crosses; some rates change."""
    rates: list[ExchangeRate] = []
    for index, code in enumerate(codes[1:], start=1):
        pair = [code, draw(st.sampled_from(codes[:index]))]
        later = draw(_LATER)
        for valid_from in (CHANGES[0],) if later is None else (CHANGES[0], later):
            base, quote = reversed(pair) if draw(_BOOLEANS) else pair
            rates.append(ExchangeRate(base, quote, draw(_FACTORS), valid_from, draw(_SOURCES)))
    return ExchangeRates(rates)


def prefixes(most: int = 6) -> SearchStrategy[str]:
    """Prefixes of 1 to `most` digits; with many 9s and common beginnings, so that they nest and touch."""
    nines = st.sampled_from(["9", "99", "999", "19", "199", "1999", "1", "2", "20"])
    return st.one_of(nines, st.text("019", min_size=1, max_size=most), st.text("0123456789", min_size=1, max_size=most))


_PREFIXES = prefixes()


@st.composite
def rates(draw: DrawFn, prefix: str | None = None, *, dated: bool = False) -> Rate:
    """A rate for `prefix` or any; `dated` ones may begin and end to be in force at `CHANGES`."""
    valid_from, valid_until = draw(_VALIDITY) if dated else (None, None)
    return Rate(
        draw(_PREFIXES) if prefix is None else prefix,
        draw(_PRICES),
        draw(_FEES),
        included_seconds=draw(_INCLUDED),
        initial_increment=draw(_INITIAL),
        increment=draw(_INCREMENTS),
        valid_from=valid_from,
        valid_until=valid_until,
    )


_DATED, _UNDATED = rates(dated=True), rates()


def _begin(rate: Rate) -> tuple[str, datetime | None]:
    return rate.prefix, rate.valid_from


@st.composite
def rate_lists(draw: DrawFn, *, dated: bool = True, max_size: int = 12) -> tuple[Rate, ...]:
    """Rates that fit into one table: of those for one prefix no two come into force at the same time."""
    listed = st.lists(_DATED if dated else _UNDATED, max_size=max_size, unique_by=_begin)
    return tuple(draw(listed))


def rate_tables(*, dated: bool = True, max_size: int = 12) -> SearchStrategy[RateTable]:
    """Tables of at most `max_size` rates, some of them nested, some in force for a time only if `dated`."""
    return rate_lists(dated=dated, max_size=max_size).map(RateTable)


@st.composite
def rate_groups(draw: DrawFn, owner_id: int = 1, currency: str | None = None) -> RateGroup:
    """Rate groups of one owner, with a markup, defaults and rounding of their own."""
    return RateGroup(
        name=draw(_NAMES),
        owner_id=owner_id,
        currency=draw(st.sampled_from(WALLETS)) if currency is None else currency,
        markup_percent=draw(_MARKUPS),
        default_initial_increment=draw(_DEFAULT_INITIAL),
        default_increment=draw(_DEFAULT_INCREMENT),
        places=draw(_PLACES),
        version=draw(_VERSIONS),
    )


@st.composite
def tariffs(
    draw: DrawFn,
    owner_id: int = 1,
    currency: str | None = None,
    *,
    complete: bool = True,
    choice: Sequence[Rate] | None = None,
) -> Tariff:
    """Tariffs of one owner; a `complete` one has a rate for each first digit, and so prices every number.

    The rates are some of `choice`, which must fit into one table, the first of them at another price; or any.
    """
    if choice is None:
        choice = draw(rate_lists(max_size=6))
    listed = [rate for rate in choice if draw(_BOOLEANS)]
    if listed:
        first = evolve(listed[0], price_per_minute=draw(_PRICES))
        listed = [first, *listed[1:]]
    if complete:
        listed = [evolve(rate, valid_until=None) if len(rate.prefix) == 1 else rate for rate in listed]
        taken = {rate.prefix for rate in listed if rate.valid_from is None}
        common = draw(_UNDATED)
        listed += [evolve(common, prefix=digit) for digit in "0123456789" if digit not in taken]
    return Tariff(draw(rate_groups(owner_id, currency)), RateTable(listed))


@st.composite
def paths(draw: DrawFn, *, max_resellers: int = 5, currencies: Sequence[str] = WALLETS) -> Path:
    """A buyer, any mixture of distributors and commission resellers, and the admin; each wallet in any of `currencies`.

    The buyer is a customer or, sometimes, a reseller that calls itself. The ids count from 1, the admin's.
    """
    accounts = [Account(id=1, number="admin", kind=Kind.ADMIN, currency=draw(st.sampled_from(currencies)))]
    models = draw(st.lists(st.sampled_from(ResellerModel), max_size=max_resellers))
    for account_id, model in enumerate(models, start=2):
        accounts.append(
            Account(
                id=account_id,
                number=f"{model[0]}{account_id}",
                kind=Kind.RESELLER,
                model=model,
                parent_id=account_id - 1,
                currency=draw(st.sampled_from(currencies)),
                commission_percent=draw(_COMMISSIONS) if model is ResellerModel.COMMISSION else Decimal(0),
            )
        )
    if not models or draw(st.integers(0, 9)):
        buyer_id = len(accounts) + 1
        code = draw(st.sampled_from(currencies))
        buyer = Account(id=buyer_id, number="buyer", kind=Kind.CUSTOMER, parent_id=buyer_id - 1, currency=code)
        accounts.append(buyer)
    return tuple(reversed(accounts))


@st.composite
def cascades(draw: DrawFn, *, max_resellers: int = 5, currencies: Sequence[str] = WALLETS) -> Cascade:
    """Cascades that price every number of digits, on every level, from the first of `CHANGES` on.

    Some accounts have rates of their own before those of their group; some cascades know the provider's rates.
    """
    path = draw(paths(max_resellers=max_resellers, currencies=currencies))
    codes = st.sampled_from(currencies)
    choice = draw(rate_lists(max_size=8))
    offered: dict[int, list[Tariff]] = {}
    for index, payer in enumerate(path[:-1]):
        if not index or not payer.is_commission_reseller:
            owner = price_owner(path, index)
            own = draw(_BOOLEANS)
            offered[payer.id] = [
                draw(tariffs(owner.id, draw(codes), complete=complete, choice=choice))
                for complete in ((False, True) if own else (True,))
            ]
    termination = None
    if draw(_BOOLEANS):
        provider = Account(id=99, number="carrier", kind=Kind.PROVIDER, currency=draw(codes))
        termination = (provider, draw(tariffs(provider.id, draw(codes), complete=False, choice=choice)))
    return Cascade(path, offered, draw(exchange_rates(currencies)), termination)


def numbers(known: Iterable[str] = ()) -> SearchStrategy[str]:
    """Numbers of digits that match one of the `known` prefixes, miss it by a digit, or have nothing to do with any."""
    digits = st.text("0123456789", min_size=1, max_size=9)
    listed = sorted(set(known))
    if not listed:
        return digits
    suffixes = st.one_of(st.sampled_from(["", "0", "9", "99"]), digits)
    matching = st.builds("{}{}".format, st.sampled_from(listed), suffixes)
    beside = [
        str(int(prefix) + step).zfill(len(prefix)) for prefix in listed for step in (-1, 1) if int(prefix) + step >= 0
    ]
    shorter = [prefix[:-1] for prefix in listed if len(prefix) > 1]
    missing = st.builds("{}{}".format, st.sampled_from(beside + shorter), suffixes)
    return st.one_of(matching, missing, digits)


def call_seconds(terms: Iterable[Terms] = (), *, most: int = 7200) -> SearchStrategy[int]:
    """Lengths from 0 to `most` seconds, likely around the end of the included time and of increments of `terms`."""
    edges = {0, 1, 59, 60, 61}
    for each in terms:
        begun = each.included + each.initial
        for edge in (each.included, begun, *(begun + blocks * each.increment for blocks in (1, 2, 17))):
            edges.update((edge - 1, edge, edge + 1))
    return st.one_of(st.sampled_from(sorted(edge for edge in edges if 0 <= edge <= most)), st.integers(0, most))


@frozen
class Call:
    """A cascade with a call that it can price."""

    cascade: Cascade
    number: str
    seconds: int
    at: datetime

    def priced(self) -> PricedCall | NotPriced:
        """What the cascade makes of the call."""
        return self.cascade.price(self.number, self.seconds, self.at)


@st.composite
def calls(draw: DrawFn, *, max_resellers: int = 5, currencies: Sequence[str] = WALLETS) -> Call:
    """A cascade with a call to a number near its prefixes, of a length near the edges of its increments."""
    cascade = draw(cascades(max_resellers=max_resellers, currencies=currencies))
    listed = {rate.prefix for offered in cascade.tariffs.values() for tariff in offered for rate in tariff.table}
    number, at = draw(numbers(listed)), draw(instants())
    terms = cascade.terms(number, at)
    assert not isinstance(terms, NotPriced), terms
    return Call(cascade, number, draw(call_seconds(level.terms for level in terms.payments)), at)


@frozen
class Sale:
    """A product with everything that `pricing.offers.agree` needs to know when the first of `path` buys it."""

    path: Path
    product: Product
    version: ProductVersion
    listings: dict[int, Listing]


@st.composite
def sales(draw: DrawFn, *, max_resellers: int = 5, currencies: Sequence[str] = WALLETS) -> Sale:
    """A product of the admin or a distributor that everybody below its owner lists, so that the buyer can buy it."""
    path = draw(paths(max_resellers=max_resellers, currencies=currencies))
    codes = st.sampled_from(currencies)
    owners = [index for index, each in enumerate(path) if index and not each.is_commission_reseller]
    owner = draw(st.sampled_from(owners))
    product = Product(id=1, code="product", owner_id=path[owner].id, category=Category.PACKAGE, currency=draw(codes))
    version = ProductVersion(
        product_id=1,
        valid_from=CHANGES[0],
        name="A product",
        price_micros=draw(micros(10**9)),
        setup_fee_micros=draw(micros(10**8)),
        commission_percent=draw(_COMMISSIONS),
        can_purchase=owner == 1 or draw(_BOOLEANS),
        can_resell=owner > 1 or draw(_BOOLEANS),
    )
    listings = {}
    for index, seller in enumerate(path[1:owner], start=1):
        own = not seller.is_commission_reseller
        listings[seller.id] = Listing(
            product_id=1,
            seller_id=seller.id,
            valid_from=CHANGES[0],
            currency=draw(codes),
            price_micros=draw(micros(10**9)) if own else None,
            setup_fee_micros=draw(micros(10**8)) if own else None,
            commission_percent=draw(_COMMISSIONS if own else st.none() | _COMMISSIONS),
            can_purchase=index == 1 or draw(_BOOLEANS),
            can_resell=index > 1 or draw(_BOOLEANS),
        )
    return Sale(path, product, version, listings)
