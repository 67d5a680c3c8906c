"""The contract on rate groups, rates and exchange rates."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from astpp_billing.errors import AlreadyExists, InvalidValue, NotFound
from astpp_billing.fx import ExchangeRate
from astpp_billing.ports import Storage
from astpp_billing.pricing import Rate, RateGroup
from astpp_billing.testing.storage_contract.base import AT, MICROSECOND, SECOND, TEXTS, Base, admin, group, row


class PricesContract(Base):
    """Rate groups, imports of rates, exchange rates, and the version of all of them."""

    def test_rate_groups_come_by_name(self, storage: Storage) -> None:
        """Each with every field; `rate_groups` sorts them by name, capitals first."""
        with storage.begin() as work:
            owner = admin(work)
            beta = group(work, owner, "beta", markup_percent=Decimal("-12.5"), places=2, version=7)
            alpha = group(work, owner, "alpha", default_initial_increment=0, default_increment=86_400)
            upper = group(work, owner, "Beta")
        with storage.begin() as work:
            assert work.rate_groups() == [upper, alpha, beta]
            assert [list(work.rates(each.name)) for each in work.rate_groups()] == [[], [], []]

    def test_the_name_of_a_rate_group_is_unique(self, storage: Storage) -> None:
        """`AlreadyExists` for a name that is taken, `NotFound` for an owner that is not there."""
        with storage.begin() as work:
            owner = admin(work)
            first = group(work, owner)
            with pytest.raises(AlreadyExists):
                work.add_rate_group(RateGroup(name="retail", owner_id=owner.id, currency="EUR"))
            with pytest.raises(NotFound):
                work.add_rate_group(RateGroup(name="other", owner_id=owner.id + 1, currency="EUR"))

            assert work.rate_groups() == [first]

    def test_the_price_version_grows_with_every_change(self, storage: Storage) -> None:
        """Of rate groups, rates and exchange rates; not with anything else, and not with what is refused."""
        with storage.begin() as work:
            seen = [work.price_version()]
            owner = admin(work)
            assert work.price_version() == seen[0]
            group(work, owner)
            seen.append(work.price_version())
            for valid_from in (None, AT, AT):
                work.import_rates("retail", [row("1")], valid_from)
                seen.append(work.price_version())
            work.import_rates("retail", [], None)
            seen.append(work.price_version())
            work.add_exchange_rate(ExchangeRate("EUR", "USD", Decimal("1.1"), AT))
            seen.append(work.price_version())
            with pytest.raises(AlreadyExists):
                group(work, owner)
            with pytest.raises(AlreadyExists):
                work.add_exchange_rate(ExchangeRate("EUR", "USD", Decimal("1.2"), AT))
        with storage.begin() as work:
            assert seen == sorted(set(seen))
            assert work.price_version() == seen[-1]

    def test_rates_come_back_exactly(self, storage: Storage) -> None:
        """Every column of a row, with the version and the dates of its import, sorted by prefix as text."""
        with storage.begin() as work:
            group(work, admin(work))
            made = work.import_rates(
                "retail",
                [
                    ("49", "Deutschland ☎", "0.000000000000000001", "999999999999.999999", 86_400, 1, 86_400),
                    ("4", "", "0.10", "0", 0, None, None),
                    ("123456789012345678", "=cmd", "0", "0.5", 30, None, 6),
                ],
                AT,
            )
        with storage.begin() as work:
            assert made.version == 1
            assert work.rate_groups() == [made]
            assert work.rates("retail") == [
                Rate("123456789012345678", "0", "0.5", 30, None, 6, "=cmd", AT, None, 1),
                Rate("4", "0.10", "0", 0, None, None, "", AT, None, 1),
                Rate(
                    "49",
                    "0.000000000000000001",
                    "999999999999.999999",
                    86_400,
                    1,
                    86_400,
                    "Deutschland ☎",
                    AT,
                    None,
                    1,
                ),
            ]
            assert str(work.rates("retail")[1].price_per_minute) == "0.10"

    @pytest.mark.parametrize("text", TEXTS)
    def test_destinations_come_back_as_they_are(self, storage: Storage, text: str) -> None:
        """Long ones, empty ones, and those in any script."""
        with storage.begin() as work:
            group(work, admin(work))
            work.import_rates("retail", [("4", text, "1", "0", 0, None, None)], None)
        with storage.begin() as work:
            assert [rate.destination for rate in work.rates("retail")] == [text]

    def test_an_import_for_always_replaces_everything(self, storage: Storage) -> None:
        """None: the rates of the group are these, always."""
        with storage.begin() as work:
            group(work, admin(work))
            work.import_rates("retail", [row("1"), row("2")], None)
            work.import_rates("retail", [row("3")], AT)
            made = work.import_rates("retail", [row("2", "9")], None)

            assert made.version == 3
            assert work.rates("retail") == [Rate("2", "9", destination="to 2", version=3)]

    def test_a_later_import_ends_the_rates_before_it(self, storage: Storage) -> None:
        """At that instant, so that a late call is rated by what held when it started."""
        with storage.begin() as work:
            group(work, admin(work))
            work.import_rates("retail", [row("1"), row("2")], None)
            work.import_rates("retail", [row("1", "5")], AT)
        with storage.begin() as work:
            assert work.rates("retail") == [
                Rate("1", "0.01", destination="to 1", valid_until=AT, version=1),
                Rate("1", "5", destination="to 1", valid_from=AT, version=2),
                Rate("2", "0.01", destination="to 2", valid_until=AT, version=1),
            ]

    def test_an_import_drops_what_would_have_come_later(self, storage: Storage) -> None:
        """Also what would have come at the same instant; and what was to end later ends now."""
        with storage.begin() as work:
            group(work, admin(work))
            work.import_rates("retail", [row("1", "1")], None)
            work.import_rates("retail", [row("1", "2")], AT)
            work.import_rates("retail", [row("1", "3")], AT + SECOND)
            work.import_rates("retail", [row("1", "4")], AT + SECOND)
            dates = [(rate.version, rate.valid_from, rate.valid_until) for rate in work.rates("retail")]
            assert dates == [(1, None, AT), (2, AT, AT + SECOND), (4, AT + SECOND, None)]
            work.import_rates("retail", [row("1", "5")], AT - MICROSECOND)
        with storage.begin() as work:
            dates = [(rate.version, rate.valid_from, rate.valid_until) for rate in work.rates("retail")]
            assert dates == [(1, None, AT - MICROSECOND), (5, AT - MICROSECOND, None)]

    def test_rates_that_have_ended_stay_as_they_were(self, storage: Storage) -> None:
        """A later import does not move the end of what ended before it."""
        with storage.begin() as work:
            group(work, admin(work))
            for version, at in enumerate((None, AT, AT + SECOND, AT + 2 * SECOND), 1):
                assert work.import_rates("retail", [row("1")], at).version == version
            ends = [rate.valid_until for rate in work.rates("retail")]

            assert ends == [AT, AT + SECOND, AT + 2 * SECOND, None]

    def test_an_import_of_nothing_ends_what_there_is(self, storage: Storage) -> None:
        """It is a version like any other."""
        with storage.begin() as work:
            group(work, admin(work))
            work.import_rates("retail", [row("1")], None)
            assert work.import_rates("retail", [], AT).version == 2
            assert [rate.valid_until for rate in work.rates("retail")] == [AT]
            assert work.import_rates("retail", [], None).version == 3
            assert list(work.rates("retail")) == []

    def test_groups_do_not_touch_each_other(self, storage: Storage) -> None:
        """An import is of one group only."""
        with storage.begin() as work:
            owner = admin(work)
            for name in ("one", "two"):
                group(work, owner, name)
                work.import_rates(name, [row("1")], None)
            before = work.rates("two")
            work.import_rates("one", [row("2")], AT)
            work.import_rates("one", [], None)

            assert work.rates("two") == before
            assert [each.version for each in work.rate_groups()] == [3, 1]

    def test_an_import_that_is_refused_changes_nothing(self, storage: Storage) -> None:
        """A prefix that comes twice, a group that is not there, an instant without a time zone."""
        with storage.begin() as work:
            made = group(work, admin(work))
            work.import_rates("retail", [row("1")], None)
            before = (work.rates("retail"), work.rate_groups(), work.price_version())
            with pytest.raises(AlreadyExists):
                work.import_rates("retail", [row("2"), row("3"), row("2")], AT)
            with pytest.raises(NotFound):
                work.import_rates("wholesale", [row("2")], AT)
            with pytest.raises(InvalidValue):
                work.import_rates(made.name, [row("2")], datetime(2025, 1, 1))  # noqa: DTZ001 - this is refused

            assert (work.rates("retail"), work.rate_groups(), work.price_version()) == before

    def test_an_unknown_group_has_no_rates(self, storage: Storage) -> None:
        """`rates` is no look-up by id."""
        with storage.begin() as work:
            assert list(work.rates("nothing")) == []

    def test_exchange_rates_come_back_exactly(self, storage: Storage) -> None:
        """In the order of their instants, with every digit."""
        later = ExchangeRate("EUR", "USD", Decimal("1.123456789012345678"), AT, "ECB")
        first = ExchangeRate("EUR", "USD", Decimal("0.000000000000000001"), AT - MICROSECOND)
        same = ExchangeRate("GBP", "USD", Decimal(10) ** 18, AT, "")
        with storage.begin() as work:
            for rate in (later, first, same):
                work.add_exchange_rate(rate)
        with storage.begin() as work:
            assert work.exchange_rates() == [first, later, same]

    def test_a_pair_has_one_exchange_rate_at_an_instant(self, storage: Storage) -> None:
        """Whichever way round it is given."""
        with storage.begin() as work:
            work.add_exchange_rate(ExchangeRate("EUR", "USD", Decimal(2), AT))
            for base, quote in (("EUR", "USD"), ("USD", "EUR")):
                with pytest.raises(AlreadyExists):
                    work.add_exchange_rate(ExchangeRate(base, quote, Decimal(3), AT))
            work.add_exchange_rate(ExchangeRate("USD", "EUR", Decimal(3), AT + MICROSECOND))

            assert len(work.exchange_rates()) == 2
