"""Rate groups, imports and exchange rates; and the cascades that are kept of them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path as File
from typing import Any

import pytest
from tests.services.books import settled, unrated

from astpp_billing.billing import Billing
from astpp_billing.calls import Settled
from astpp_billing.clock import FixedClock
from astpp_billing.errors import AlreadyExists, CurrencyMismatch, InvalidValue, NotFound, RateFileError
from astpp_billing.hierarchy import BillingType, Path
from astpp_billing.pricing import Cascade
from astpp_billing.testing.worlds import START, chain, commission, distributor, offer

DAY = timedelta(days=1)


def test_a_group_has_its_owners_currency_unless_another_is_named(billing: Billing) -> None:
    shop = chain(billing, currency="EUR")

    own = billing.prices.add_group("own", shop.admin)
    other = billing.prices.add_group("other", shop.admin, currency="USD", markup_percent="12.5", places=4)

    assert (own.currency, other.currency, str(other.markup_percent), other.places) == ("EUR", "USD", "12.5", 4)
    assert {"own", "other"} <= {group.name for group in billing.prices.groups()}


def test_the_name_of_a_group_is_taken_once(billing: Billing) -> None:
    shop = chain(billing)

    with pytest.raises(AlreadyExists, match="chain-customer"):
        billing.prices.add_group("chain-customer", shop.admin)


def test_only_who_sets_prices_offers_a_group(billing: Billing) -> None:
    shop = chain(billing, commission(10))

    with pytest.raises(InvalidValue, match="chain-customer cannot offer"):
        billing.prices.add_group("x", shop.customer)
    with pytest.raises(InvalidValue, match="chain-1 offers no group"):
        billing.prices.add_group("x", shop.resellers[0])


def test_the_first_import_always_held_and_each_later_one_holds_from_its_instant(
    billing: Billing, clock: FixedClock
) -> None:
    shop = chain(billing, price="0.06")
    clock.advance(DAY)
    now = clock.now()
    group = offer(billing, shop.admin, "chain-customer", "0.07")
    offer(billing, shop.admin, "chain-customer", "0.08", valid_from=now + DAY)

    def price(at: Any) -> str:
        found = billing.prices.find("chain-customer", "441", at)
        assert found is not None
        return str(found[1].price_per_minute)

    assert group.version == 2
    assert [price(now - 9999 * DAY), price(now), price(None), price(now + DAY)] == ["0.06", "0.07", "0.07", "0.08"]
    assert [(rate.version, rate.valid_from) for rate in billing.prices.rates("chain-customer")] == [
        (1, None),
        (2, now),
        (3, now + DAY),
    ]


def test_a_number_without_a_rate_is_not_found(billing: Billing) -> None:
    chain(billing)

    assert billing.prices.find("chain-customer", "33") is None


def test_a_group_that_does_not_exist_is_named(billing: Billing) -> None:
    for ask in (
        lambda: billing.prices.find("gone", "44"),
        lambda: billing.prices.rates("gone"),
        lambda: billing.prices.import_file("gone", ["Code,Cost / Min", "44,1"]),
    ):
        with pytest.raises(NotFound, match="'gone'"):
            ask()


def test_a_file_in_another_currency_is_refused_whole(billing: Billing) -> None:
    chain(billing)

    with pytest.raises(CurrencyMismatch, match="in EUR, those of rate group 'chain-customer' in USD"):
        billing.prices.import_file("chain-customer", ["Code,Cost / Min (EUR)", "44,1"])
    with pytest.raises(RateFileError, match="line 3"):
        billing.prices.import_file("chain-customer", ["Code,Cost / Min (USD)", "44,1", "45,x"])
    assert len(billing.prices.rates("chain-customer")) == 1


def test_exchange_rates_hold_from_the_present_unless_told_otherwise(billing: Billing, clock: FixedClock) -> None:
    now = billing.prices.set_exchange_rate("EUR", "USD", "1.1")
    then = billing.prices.set_exchange_rate("EUR", "USD", "1.2", valid_from=START - DAY, source="bank")

    assert (now.valid_from, now.source, then.source) == (clock.now(), "manual", "bank")
    assert billing.prices.exchange_rates() == [then, now]
    with pytest.raises(AlreadyExists):
        billing.prices.set_exchange_rate("USD", "EUR", "0.9")


# what is kept is never older than what is stored


def test_an_import_counts_for_the_next_call(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    first = settled(billing, shop.call())
    offer(billing, shop.admin, "chain-customer", "0.07", valid_from=START)
    second = settled(billing, shop.call())

    assert [str(one.charges[0].amount) for one in (first, second)] == ["0.06 USD", "0.07 USD"]


def test_an_exchange_rate_counts_for_the_next_call(billing: Billing) -> None:
    shop = chain(billing, price="0.06", admin={"rate_group": None})
    billing.accounts.open_customer(shop.admin, number="euro", currency="EUR", rate_group="chain-customer")
    unrated(billing, shop.call(account="euro"))
    billing.prices.set_exchange_rate("EUR", "USD", "2")

    assert str(settled(billing, shop.call(account="euro")).charges[0].amount) == "0.03 EUR"


def test_a_group_that_is_added_later_is_found(billing: Billing) -> None:
    shop = chain(billing, rate_group="later")
    unrated(billing, shop.call())
    offer(billing, shop.admin, "later", "0.01")

    assert settled(billing, shop.call()).charges


def test_what_another_process_imported_counts_for_the_next_call(tmp_path: File, clock: FixedClock) -> None:
    url = f"sqlite:///{tmp_path}/billing.db"
    with Billing.open(url, clock) as one, Billing.open(url, clock) as other:
        shop = chain(one, distributor("0.03"), price="0.06")
        before = settled(one, shop.call())
        offer(other, shop.resellers[0], "chain-customer", "0.07", valid_from=START)
        other.accounts.change(shop.resellers[0], name="Renamed", billing=BillingType.POSTPAID)
        after = settled(one, shop.call())

        assert [str(result.charges[0].amount) for result in (before, after)] == ["0.06 USD", "0.07 USD"]
        assert [result.charges[1].document_id is None for result in (before, after)] == [False, True]


def test_a_path_that_is_called_often_is_built_once(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = chain(billing, distributor("0.03"))
    built = built_cascades(monkeypatch)

    for _ in range(3):
        settled(billing, shop.call())

    assert built == ["chain-customer"]


def built_cascades(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The numbers of the accounts for whose path a cascade was built, from now on."""
    built: list[str] = []

    def build(path: Path, *given: Any) -> Cascade:
        built.append(path[0].number)
        return Cascade(path, *given)

    monkeypatch.setattr("astpp_billing.services.prices.Cascade", build)
    return built


def test_of_too_many_paths_the_one_not_used_for_longest_makes_room(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (chain(billing, name=name) for name in ("one", "two", "three"))
    built = built_cascades(monkeypatch)
    monkeypatch.setattr("astpp_billing.services.prices.MAX_CASCADES", 2)

    for shop in (one, two, one, three, one, two):
        settled(billing, shop.call())

    assert built == ["one-customer", "two-customer", "three-customer", "two-customer"]


def test_one_object_settles_in_many_threads_while_prices_change(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03", billing="postpaid"), price="0.06", billing=BillingType.POSTPAID)
    records = [shop.call() for _ in range(40)]

    def work(position: int) -> Any:
        if position % 10 == 0:
            offer(billing, shop.admin, "chain-1", "0.02", valid_from=START + (position + 1) * DAY)
        return billing.calls.settle(records[position % len(records)])

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(80)))

    assert all(isinstance(result, Settled) for result in results)
    assert sum(not result.repeated for result in results) == 40
    assert str(billing.ledger.balance(shop.customer)) == "-2.40 USD"
    assert billing.ledger.reconcile().agrees
