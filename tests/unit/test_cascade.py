"""The cascade: what every account on the path of a call pays to its parent, and who is paid a commission."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from astpp_billing.errors import HierarchyError, InexactAmount, InvalidValue, MissingExchangeRate
from astpp_billing.fx import ExchangeRate, ExchangeRates
from astpp_billing.hierarchy import Account, Kind, Path, ResellerModel
from astpp_billing.money import MAX_MICROS
from astpp_billing.pricing import (
    Cascade,
    NotPriced,
    NotPricedReason,
    PricedCall,
    Rate,
    RateGroup,
    RateTable,
    Tariff,
    explain_level,
)

JANUARY = datetime(2025, 1, 1, tzinfo=UTC)
JUNE = datetime(2025, 6, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

UNIT = 1_000_000

CARRIER = Account(id=90, number="carrier", kind=Kind.PROVIDER, currency="USD")


def path_of(*resellers: str, currencies: Sequence[str] = ()) -> Path:
    """A path from the admin down: `d` is a distributor, `k20` a commission reseller with 20 percent, `c` a customer."""
    accounts: list[Account] = []
    for account_id, what in enumerate(("admin", *resellers), start=1):
        given: dict[str, Any] = {"kind": Kind.ADMIN, "parent_id": None}
        if what == "c":
            given = {"kind": Kind.CUSTOMER}
        elif what == "d":
            given = {"kind": Kind.RESELLER, "model": ResellerModel.DISTRIBUTOR}
        elif what.startswith("k"):
            given = {"kind": Kind.RESELLER, "model": ResellerModel.COMMISSION, "commission_percent": what[1:]}
        code = currencies[account_id - 1] if currencies else "USD"
        fields = {"parent_id": account_id - 1, "id": account_id, "number": f"{what}{account_id}", "currency": code}
        accounts.append(Account(**{**fields, **given}))
    return tuple(reversed(accounts))


def tariff(owner_id: int, *rates: Rate, currency: str = "USD", **group: Any) -> Tariff:
    return Tariff(RateGroup(name=f"of {owner_id}", owner_id=owner_id, currency=currency, **group), RateTable(rates))


def priced(call: PricedCall | NotPriced) -> PricedCall:
    assert isinstance(call, PricedCall), call
    return call


def refused(call: object) -> NotPriced:
    assert isinstance(call, NotPriced), call
    return call


class TestWorkedExamples:
    def test_two_commission_resellers_below_the_admin(self) -> None:
        """100.00 at the admin, commission 10 %: K1 keeps 9.00, K2 1.00, the admin 90.00."""
        path = path_of("k10", "k10", "c")
        customer, k2, k1, admin = path

        call = priced(Cascade(path, {customer.id: [tariff(admin.id, Rate("44", 100))]}).price("441", 60, JANUARY))

        assert [(level.payer, level.payee, level.amount_micros) for level in call.levels] == [
            (customer, k2, 100 * UNIT),
            (k2, k1, 100 * UNIT),
            (k1, admin, 100 * UNIT),
        ]
        assert [(each.payer, each.receiver, each.amount_micros) for each in call.commissions] == [
            (admin, k1, 10 * UNIT),
            (k1, k2, 1 * UNIT),
        ]
        assert call.profits() == {k2.id: {"USD": 1 * UNIT}, k1.id: {"USD": 9 * UNIT}, admin.id: {"USD": 90 * UNIT}}
        assert call.termination is None

    def test_a_commission_reseller_below_a_distributor(self) -> None:
        """Admin 100, D 130 with 20 % for K: D keeps 4, K 26, the admin 100."""
        path = path_of("d", "k20", "c")
        customer, agent, distributor, admin = path
        tariffs = {
            customer.id: [tariff(distributor.id, Rate("44", 130))],
            distributor.id: [tariff(admin.id, Rate("44", 100))],
        }

        call = priced(Cascade(path, tariffs).price("441", 60, JANUARY))

        assert [level.amount_micros // UNIT for level in call.levels] == [130, 130, 100]
        assert [each.amount_micros // UNIT for each in call.commissions] == [26]
        assert call.profits() == {
            agent.id: {"USD": 26 * UNIT},
            distributor.id: {"USD": 4 * UNIT},
            admin.id: {"USD": 100 * UNIT},
        }


class TestCommission:
    def test_a_distributor_between_ends_a_run(self) -> None:
        path = path_of("k50", "d", "k10", "k50", "c")
        customer, _, _, distributor, _, admin = path
        tariffs = {
            customer.id: [tariff(distributor.id, Rate("44", 200))],
            distributor.id: [tariff(admin.id, Rate("44", 100))],
        }

        call = priced(Cascade(path, tariffs).price("441", 60, JANUARY))

        assert [(each.payer.number, each.receiver.number, each.amount_micros // UNIT) for each in call.commissions] == [
            ("admin1", "k502", 50),
            ("d3", "k104", 20),
            ("k104", "k505", 10),
        ]
        assert [level.amount_micros // UNIT for level in call.levels] == [200, 200, 200, 100, 100]

    def test_a_pool_is_worked_out_in_its_receivers_currency(self) -> None:
        path = path_of("k10", "k10", "c", currencies=("USD", "EUR", "USD", "USD"))
        rates = ExchangeRates([ExchangeRate("EUR", "USD", "1.10", JANUARY)])

        cascade = Cascade(path, {4: [tariff(1, Rate("44", "1.00"))]}, rates)
        call = priced(cascade.price("441", 60, JANUARY))

        # 1.00 USD are 0.909091 EUR; a tenth is 0.090909 EUR; a tenth of that, in USD, is 0.010000
        assert [(level.currency, level.amount_micros) for level in call.levels] == [
            ("USD", 1_000_000),
            ("USD", 1_000_000),
            ("EUR", 909_091),
        ]
        assert [(each.receiver.currency, each.amount_micros) for each in call.commissions] == [
            ("EUR", 90_909),
            ("USD", 10_000),
        ]
        assert call.profits() == {
            3: {"USD": 10_000},
            2: {"USD": 1_000_000 - 10_000, "EUR": 90_909 - 909_091},
            1: {"EUR": 909_091 - 90_909},
        }

    def test_a_commission_reseller_that_calls_itself_earns_nothing(self) -> None:
        path = path_of("k10", "k20")
        cascade = Cascade(path, {3: [tariff(1, Rate("44", 100))]})

        call = priced(cascade.price("441", 60, JANUARY))

        assert [(each.receiver.id, each.amount_micros // UNIT) for each in call.commissions] == [(2, 10)]
        assert 3 not in call.profits()

    def test_of_nothing_is_nothing(self) -> None:
        call = priced(Cascade(path_of("k0", "k10", "c"), {4: [tariff(1, Rate("44", 100))]}).price("441", 60, JANUARY))

        assert [each.amount_micros for each in call.commissions] == [0, 0]


class TestRates:
    def test_the_accounts_own_rates_come_first_whatever_their_prefix(self) -> None:
        own, group = tariff(1, Rate("4", 1)), tariff(1, Rate("4420", 2), Rate("5", 3))
        cascade = Cascade(path_of("c"), {2: [own, group]})

        assert priced(cascade.price("44207", 60, JANUARY)).amounts == (UNIT,)
        assert priced(cascade.price("55", 60, JANUARY)).amounts == (3 * UNIT,)

    def test_own_rates_that_have_ended_leave_the_price_to_the_group(self) -> None:
        own, group = tariff(1, Rate("44", 1, valid_until=JUNE)), tariff(1, Rate("4", 2))
        cascade = Cascade(path_of("c"), {2: [own, group]})

        for at, expected in ((JUNE - MICROSECOND, 1), (JUNE, 2), (JUNE - MICROSECOND, 1)):
            assert priced(cascade.price("441", 60, at)).amounts == (expected * UNIT,)

    def test_exchange_rates_change_between_two_calls(self) -> None:
        rates = ExchangeRates([ExchangeRate("EUR", "USD", 2, JANUARY), ExchangeRate("EUR", "USD", 3, JUNE)])
        cascade = Cascade(path_of("c"), {2: [tariff(1, Rate("44", 1), currency="EUR")]}, rates)

        for at, expected in ((JUNE, 3), (JUNE - MICROSECOND, 2), (JUNE, 3)):
            assert priced(cascade.price("441", 60, at)).amounts == (expected * UNIT,)

    def test_a_price_is_rounded_to_the_groups_places_and_then_converted(self) -> None:
        rates = ExchangeRates([ExchangeRate("EUR", "USD", "1.5", JANUARY)])
        cascade = Cascade(path_of("c"), {2: [tariff(1, Rate("44", "0.555"), currency="EUR", places=2)]}, rates)

        level = priced(cascade.price("441", 60, JANUARY)).levels[0]

        assert (level.price_micros, level.amount_micros, level.currency) == (560_000, 840_000, "USD")
        assert str(explain_level(level).amount) == "0.840000"

    def test_terms_tell_the_rates_before_the_length_is_known(self) -> None:
        rate = Rate("44", 1)
        cascade = Cascade(path_of("c"), {2: [tariff(1, rate)]})

        terms = cascade.terms("441", JANUARY)

        assert not isinstance(terms, NotPriced)
        assert [level.rate for level in terms.payments] == [rate]
        assert terms.payments[0].max_seconds(UNIT - 1, 3600) == 59
        assert terms.payments[0].max_seconds(-1, 3600) == 0
        with pytest.raises(InexactAmount, match="funds"):
            terms.payments[0].max_seconds(1.0, 3600)  # type: ignore[arg-type]  # that is what is tested

    def test_tariffs_of_accounts_that_do_not_pay_by_them_play_no_part(self) -> None:
        other = tariff(7, Rate("44", 9, valid_from=JANUARY))
        cascade = Cascade(path_of("k10", "c"), {1: [other], 2: [other], 3: [tariff(1, Rate("4", 1))], 99: [other]})

        assert priced(cascade.price("441", 60, JANUARY)).amounts == (UNIT, UNIT)
        assert list(cascade.tariffs) == [3]


class TestTermination:
    CASCADE = Cascade(
        path_of("c"), {2: [tariff(1, Rate("4", 2))]}, None, (CARRIER, tariff(CARRIER.id, Rate("44", "0.5")))
    )

    def test_is_what_the_admin_pays(self) -> None:
        call = priced(self.CASCADE.price("441", 60, JANUARY))

        assert call.termination is not None
        assert (call.termination.payer.id, call.termination.payee) == (1, CARRIER)
        assert call.termination.amount_micros == 500_000
        assert call.amounts == (2 * UNIT, 500_000)
        assert call.profits() == {1: {"USD": 1_500_000}}
        assert len(call.levels) == 1

    def test_a_number_that_the_provider_does_not_know_is_charged_all_the_same(self) -> None:
        call = priced(self.CASCADE.price("431", 60, JANUARY))

        assert call.termination is None
        assert call.profits() == {1: {"USD": 2 * UNIT}}

    def test_of_an_admin_that_calls_itself(self) -> None:
        cascade = Cascade(path_of(), {}, None, (CARRIER, tariff(CARRIER.id, Rate("44", "0.5"))))

        call = priced(cascade.price("441", 60, JANUARY))

        assert (call.levels, call.amounts, call.profits()) == ((), (500_000,), {1: {"USD": -500_000}})
        assert priced(Cascade(path_of(), {}).price("441", 60, JANUARY)).amounts == ()


class TestNotPriced:
    def test_without_a_rate_group(self) -> None:
        path = path_of("d", "c")
        sold = [tariff(2, Rate("44", 1))]
        for cascade in (Cascade(path, {3: sold}), Cascade(path, {3: sold, 2: []})):
            answer = refused(cascade.price("441", 60, JANUARY))

            assert (answer.reason, answer.account.id) == (NotPricedReason.NO_RATE_GROUP, 2)
            assert "d2 has no rate group" in answer.detail
            assert cascade.terms("441", JANUARY) == answer

    @pytest.mark.parametrize("owner_id", [2, 4, 90])
    def test_with_a_rate_group_of_somebody_else(self, owner_id: int) -> None:
        path = path_of("k10", "c")
        own = tariff(1, Rate("44", 1))

        answer = refused(Cascade(path, {3: [own, tariff(owner_id, Rate("44", 1))]}).price("441", 60, JANUARY))

        assert (answer.reason, answer.account.id) == (NotPricedReason.NOT_OFFERED, 3)
        assert "is not one of admin1's" in answer.detail

    @pytest.mark.parametrize("number", ["45", "", "+441", "bs44", "#441", "4", ":", "\U0010ffff"])
    def test_without_a_rate(self, number: str) -> None:
        cascade = Cascade(path_of("d", "c"), {3: [tariff(2, Rate("4", 1))], 2: [tariff(1, Rate("44", 1))]})
        for _ in range(2):
            answer = refused(cascade.price(number, 60, JANUARY))

            assert answer.reason is NotPricedReason.NO_RATE
            assert answer.account.id == (2 if number.startswith("4") else 3)
            assert answer.detail.endswith(f"has no rate for {number}")
            assert cascade.terms(number, JANUARY) == answer

    @pytest.mark.parametrize("number", ["441", "44#", "441x", "44:"])
    def test_but_whatever_begins_with_the_prefix_has_one(self, number: str) -> None:
        cascade = Cascade(path_of("c"), {2: [tariff(1, Rate("44", 1))]})

        assert priced(cascade.price(number, 60, JANUARY)).amounts == (UNIT,)

    @pytest.mark.parametrize(
        ("currencies", "account_id"),
        [(("USD", "USD", "USD", "EUR"), 4), (("USD", "USD", "EUR", "USD"), 3), (("USD", "EUR", "USD", "USD"), 2)],
    )
    def test_without_an_exchange_rate(self, currencies: Sequence[str], account_id: int) -> None:
        cascade = Cascade(path_of("k10", "k10", "c", currencies=currencies), {4: [tariff(1, Rate("44", 1))]})

        answer = refused(cascade.price("441", 60, JANUARY))

        assert (answer.reason, answer.account.id) == (NotPricedReason.NO_EXCHANGE_RATE, account_id)
        assert "no exchange rate from USD to EUR" in answer.detail

    def test_without_an_exchange_rate_between_two_commission_resellers(self) -> None:
        rates = ExchangeRates([ExchangeRate("GBP", "EUR", 1, JANUARY)])
        path = path_of("k10", "k10", "c", currencies=("USD", "USD", "EUR", "USD"))

        answer = refused(Cascade(path, {4: [tariff(1, Rate("44", 1))]}, rates).price("441", 60, JANUARY))

        assert (answer.reason, answer.account.id) == (NotPricedReason.NO_EXCHANGE_RATE, 3)

    def test_without_an_exchange_rate_to_the_provider(self) -> None:
        provider = Account(id=90, number="carrier", kind=Kind.PROVIDER, currency="EUR")
        cascade = Cascade(path_of("c"), {2: [tariff(1, Rate("44", 1))]}, None, (provider, tariff(90, Rate("44", 1))))

        answer = refused(cascade.price("441", 60, JANUARY))

        assert (answer.reason, answer.account.id) == (NotPricedReason.NO_EXCHANGE_RATE, 1)

    def test_before_the_first_exchange_rate(self) -> None:
        rates = ExchangeRates([ExchangeRate("EUR", "USD", 2, JUNE)])
        cascade = Cascade(path_of("c"), {2: [tariff(1, Rate("44", 1), currency="EUR")]}, rates)

        assert refused(cascade.price("441", 60, JUNE - MICROSECOND)).reason is NotPricedReason.NO_EXCHANGE_RATE
        assert priced(cascade.price("441", 60, JUNE)).amounts == (2 * UNIT,)


class TestTooLarge:
    """An amount that no database holds is never given out; one that just fits is."""

    def check_edge(self, cascade: Cascade, longest: int) -> None:
        call = priced(cascade.price("441", longest, JANUARY))
        answer = refused(cascade.price("441", longest + 1, JANUARY))

        assert max(*call.amounts, *call.shares, 0) <= MAX_MICROS
        assert (answer.reason, answer.account) == (NotPricedReason.TOO_LARGE, cascade.path[0])
        assert f"a call of {longest + 1} s" in answer.detail
        assert priced(cascade.price("441", 0, JANUARY)).amounts[0] == 0

    def test_on_a_level(self) -> None:
        cascade = Cascade(path_of("c"), {2: [tariff(1, Rate("44", 60 * (MAX_MICROS // UNIT // 100)))]})
        self.check_edge(cascade, 100)

    def test_after_conversion(self) -> None:
        rates = ExchangeRates([ExchangeRate("USD", "JPY", 100, JANUARY)])
        path = path_of("k10", "c", currencies=("USD", "JPY", "USD"))
        cascade = Cascade(path, {3: [tariff(1, Rate("44", 60 * (MAX_MICROS // UNIT // 10**4)))]}, rates)
        self.check_edge(cascade, 100)

    def test_in_a_pool(self) -> None:
        # by way of euros a dollar is a thousand yen, directly it is one: the pool is larger than any price
        rates = ExchangeRates(
            [
                ExchangeRate("USD", "EUR", 1, JANUARY),
                ExchangeRate("USD", "JPY", 1, JANUARY),
                ExchangeRate("EUR", "JPY", 1000, JANUARY),
            ]
        )
        path = path_of("k100", "k100", "c", currencies=("USD", "EUR", "JPY", "USD"))
        cascade = Cascade(path, {4: [tariff(1, Rate("44", 60 * (MAX_MICROS // UNIT // 10**5)))]}, rates)

        self.check_edge(cascade, 100)
        call = priced(cascade.price("441", 100, JANUARY))
        assert call.shares == (MAX_MICROS // 1000, MAX_MICROS)
        assert max(call.amounts) == MAX_MICROS // 1000

    def test_in_one_run_says_nothing_about_another(self) -> None:
        rates = ExchangeRates(
            [
                ExchangeRate("USD", "EUR", 1, JANUARY),
                ExchangeRate("USD", "JPY", 1, JANUARY),
                ExchangeRate("EUR", "JPY", 1000, JANUARY),
            ]
        )
        path = path_of("k10", "d", "k100", "k100", "c", currencies=("USD", "USD", "USD", "EUR", "JPY", "USD"))
        dear = tariff(1, Rate("44", 60 * (MAX_MICROS // UNIT // 100)))

        self.check_edge(Cascade(path, {6: [tariff(3, Rate("44", 1))], 3: [dear]}, rates), 100)

    def test_but_not_in_a_pool_of_nothing(self) -> None:
        rates = ExchangeRates([ExchangeRate("USD", "JPY", 10**18, JANUARY)])
        path = path_of("k0", "k100", "c")
        cascade = Cascade(path, {4: [tariff(1, Rate("44", 1))]}, rates)

        assert priced(cascade.price("441", 10**9, JANUARY)).shares == (0, 0)

    def test_of_the_connection_fee_alone(self) -> None:
        cascade = Cascade(path_of("c"), {2: [tariff(1, Rate("44", 0, 10**18))]})

        assert refused(cascade.price("441", 1, JANUARY)).reason is NotPricedReason.TOO_LARGE
        assert priced(cascade.price("441", 0, JANUARY)).amounts == (0,)


class TestSeconds:
    CASCADE = Cascade(path_of("k10", "c"), {3: [tariff(1, Rate("44", 1, "0.25", 5))]})

    @pytest.mark.parametrize("seconds", [1.0, 60.5, "60", Decimal(60), Fraction(60), None, True])
    def test_that_are_no_int_are_type_errors(self, seconds: Any) -> None:
        with pytest.raises(InexactAmount, match="seconds"):
            self.CASCADE.price("441", seconds, JANUARY)

    def test_that_are_negative_are_value_errors(self) -> None:
        with pytest.raises(InvalidValue, match="negative"):
            self.CASCADE.price("441", -1, JANUARY)

    def test_none_cost_nothing(self) -> None:
        call = priced(self.CASCADE.price("441", 0, JANUARY))

        assert (call.seconds, call.amounts, call.shares, call.profits()) == (0, (0, 0), (0,), {1: {}, 2: {}})

    def test_that_are_included_cost_the_connection_fee(self) -> None:
        assert priced(self.CASCADE.price("441", 5, JANUARY)).amounts == (250_000, 250_000)
        assert priced(self.CASCADE.price("441", 6, JANUARY)).amounts == (266_667, 266_667)


class TestLosses:
    def losing(self, sold: Rate, bought: Rate, **group: Any) -> list[int]:
        path = path_of("d", "k10", "c")
        cascade = Cascade(path, {4: [tariff(2, sold, **group)], 2: [tariff(1, bought)]})
        call = priced(cascade.price("441", 60, JANUARY))
        return [account.id for account in call.losses(ExchangeRates(), JANUARY)]

    def test_are_prices_per_minute_below_cost(self) -> None:
        assert self.losing(Rate("44", "0.10"), Rate("44", "0.100001")) == [2]
        assert self.losing(Rate("44", "0.10"), Rate("44", "0.10")) == []
        assert self.losing(Rate("44", "0.10"), Rate("44", "0.09")) == []

    def test_include_the_markup(self) -> None:
        assert self.losing(Rate("44", "0.10"), Rate("44", "0.11"), markup_percent=10) == []
        assert self.losing(Rate("44", "0.10"), Rate("44", "0.11"), markup_percent="9.99") == [2]

    def test_are_not_a_matter_of_connection_fees(self) -> None:
        assert self.losing(Rate("44", "0.10", 0), Rate("44", "0.10", 5)) == []

    def test_are_compared_exactly_across_currencies(self) -> None:
        rates = ExchangeRates([ExchangeRate("EUR", "USD", 3, JANUARY), ExchangeRate("EUR", "USD", 2, JUNE)])
        path = path_of("d", "c")
        tariffs = {3: [tariff(2, Rate("44", 1), currency="EUR")], 2: [tariff(1, Rate("44", "2.5"))]}
        cascade = Cascade(path, tariffs, rates)

        for at, expected in ((JANUARY, []), (JUNE, [2])):
            call = priced(cascade.price("441", 60, at))
            assert [account.id for account in call.losses(rates, at)] == expected
            assert call.terms.losses(rates, at) == call.losses(rates, at)
        with pytest.raises(MissingExchangeRate):
            call.losses(ExchangeRates(), JUNE)

    def test_of_the_admin_are_its_own_affair(self) -> None:
        cascade = Cascade(path_of("c"), {2: [tariff(1, Rate("4", 1))]}, None, (CARRIER, tariff(90, Rate("4", 2))))

        call = priced(cascade.price("441", 60, JANUARY))

        assert call.losses(ExchangeRates(), JANUARY) == ()
        assert call.profits() == {1: {"USD": -UNIT}}


def test_a_path_is_checked() -> None:
    with pytest.raises(HierarchyError):
        Cascade((), {})
    with pytest.raises(HierarchyError, match="no admin"):
        Cascade(path_of("c")[:1], {})


def test_a_range_is_learned_once() -> None:
    """Two numbers of one range share one plan, as do two threads that learn it at the same time."""
    cascade = Cascade(path_of("c"), {2: [tariff(1, Rate("44", 1), Rate("4420", 2), Rate("4422", 3))]})

    assert priced(cascade.price("44201", 1, JANUARY)).terms is priced(cascade.price("44209", 1, JANUARY)).terms
    assert priced(cascade.price("44215", 60, JANUARY)).amounts == (UNIT,)
    assert cascade.terms("4421", JANUARY) is cascade.terms("44219", JANUARY)
    assert cascade.terms("44201", JANUARY) is not cascade.terms("44215", JANUARY)


def test_a_range_that_another_thread_has_just_learned_is_taken() -> None:
    cascade = Cascade(path_of("c"), {2: [tariff(1, Rate("44", 1))]})

    assert cascade._learn("441") is cascade._learn("442")
    assert cascade._starts == ["44"]
