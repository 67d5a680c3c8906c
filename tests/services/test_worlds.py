"""The builder that these specifications, and users' own tests, open their worlds with."""

from datetime import timedelta

from astpp_billing.billing import Billing
from astpp_billing.hierarchy import BillingType, Kind, ResellerModel
from astpp_billing.testing.worlds import NUMBER, START, call, chain, commission, distributor, offer


def test_a_chain_is_a_provider_an_admin_resellers_and_a_customer(billing: Billing) -> None:
    shop = chain(billing, distributor("0.02", currency="EUR"), commission("7.5"), price="0.05", currency="JPY")

    assert [account.kind for account in (shop.provider, *shop.path)] == [
        *(Kind.PROVIDER, Kind.CUSTOMER),
        *(Kind.RESELLER, Kind.RESELLER, Kind.ADMIN),
    ]
    assert [account.model for account in shop.resellers] == [ResellerModel.DISTRIBUTOR, ResellerModel.COMMISSION]
    assert [account.currency for account in shop.path] == ["EUR", "EUR", "EUR", "JPY"]
    assert str(shop.resellers[1].commission_percent) == "7.5"
    assert billing.accounts.path(shop.customer) == shop.path


def test_each_pays_by_a_group_of_its_price_owner(billing: Billing) -> None:
    shop = chain(billing, distributor("0.02"), commission(5), price="0.05", cost="0.01")

    groups = {group.name: group.owner_id for group in billing.prices.groups()}

    assert groups == {
        "chain-provider": shop.provider.id,
        "chain-1": shop.admin.id,
        "chain-customer": shop.resellers[0].id,
    }
    assert [account.rate_group for account in shop.path] == ["chain-customer", None, "chain-1", "chain-provider"]


def test_a_storage_holds_several_chains(billing: Billing) -> None:
    one, other = chain(billing, name="one"), chain(billing, name="other", billing=BillingType.POSTPAID)

    assert one.customer.number == "one-customer"
    assert other.customer.is_postpaid
    assert len(billing.accounts.all()) == 6


def test_calls_have_a_leg_each(billing: Billing) -> None:
    shop = chain(billing)

    first, second = shop.call(), shop.call(30, number="4420", caller="Jane")

    assert first.key != second.key
    assert (first.account, first.number, first.seconds, first.started_at) == ("chain-customer", NUMBER, 60, START)
    assert (second.number, second.seconds, second.caller) == ("4420", 30, "Jane")
    assert second.ended_at == START + timedelta(seconds=30)
    assert call(seconds=0).answered_at is None


def test_an_offer_is_a_group_and_its_next_version(billing: Billing) -> None:
    shop = chain(billing)

    opened = offer(billing, shop.admin, "new", {"44": "0.01", "4420": "0.02"}, markup_percent=10)
    again = offer(billing, shop.admin, "new", "0.03", valid_from=START)

    assert (opened.version, again.version, str(again.markup_percent)) == (1, 2, "10")
    assert [(rate.prefix, str(rate.price_per_minute)) for rate in billing.prices.rates("new")] == [
        ("44", "0.01"),
        ("44", "0.03"),
        ("4420", "0.02"),
    ]
