"""What is agreed when a product is bought, over random trees and listings."""

from itertools import pairwise
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from astpp_billing.hierarchy import price_owner
from astpp_billing.pricing import Agreement, NotOffered
from astpp_billing.pricing.offers import agree
from astpp_billing.testing import strategies as billing
from astpp_billing.testing.strategies import Sale


def agreed(sale: Sale) -> Agreement:
    found = agree(sale.path, sale.product, sale.version, sale.listings)
    assert isinstance(found, Agreement)
    return found


@given(billing.sales())
def test_each_level_pays_what_its_price_owner_asks(sale: Sale) -> None:
    """The price owner is the nearest seller above that is no commission reseller; the levels go up to the owner."""
    agreement = agreed(sale)

    assert agreement.buyer_id == sale.path[0].id
    assert agreement.owner_id == sale.product.owner_id
    for index, (level, (payer, payee)) in enumerate(zip(agreement.levels, pairwise(sale.path), strict=False)):
        seller = price_owner(sale.path, index)
        terms = sale.version if seller.id == sale.product.owner_id else sale.listings[seller.id]
        currency = sale.product.currency if terms is sale.version else sale.listings[seller.id].currency
        assert (level.payer_id, level.payee_id) == (payer.id, payee.id)
        assert (level.price_micros, level.setup_fee_micros) == (terms.price_micros, terms.setup_fee_micros)
        assert level.currency == currency


@given(billing.sales())
def test_each_commission_reseller_that_sells_is_paid_once_by_its_parent(sale: Sale) -> None:
    """The topmost of a run shares the price that it passes on, each other one what its parent is paid just before."""
    agreement = agreed(sale)
    sellers = {each.id: each for each in sale.path[1 : len(agreement.levels)]}

    receivers = [share.receiver_id for share in agreement.commissions]

    assert sorted(receivers) == sorted(each.id for each in sellers.values() if each.is_commission_reseller)
    for share in agreement.commissions:
        assert sellers[share.receiver_id].parent_id == share.payer_id
        payer = sellers.get(share.payer_id)
        if payer is not None and payer.is_commission_reseller:
            assert share.source is None
        else:
            assert share.source is not None
            assert agreement.levels[share.source].payer_id == share.receiver_id


@given(billing.sales())
def test_the_share_is_the_one_that_the_payer_lists(sale: Sale) -> None:
    """A commission reseller that lists none passes on the share that is listed above it."""
    for share in agreed(sale).commissions:
        lister, percent = share.payer_id, None
        while percent is None:
            listing = sale.listings.get(lister)
            percent = sale.version.commission_percent if listing is None else listing.commission_percent
            lister = next(each.parent_id or 0 for each in sale.path if each.id == lister)
        assert share.percent == percent


@given(billing.sales(), st.data())
def test_a_chain_with_one_link_less_reaches_nobody(sale: Sale, data: st.DataObject) -> None:
    """Who stops listing it, or forbids what the chain needs of it, is named; all else stays as it was agreed."""
    agreement = agreed(sale)
    account_id = data.draw(st.sampled_from(agreement.account_ids[1:]))
    lower = "can_purchase" if account_id == agreement.account_ids[1] else "can_resell"
    version, listings = sale.version, dict(sale.listings)
    if account_id == sale.product.owner_id:
        forbidden: dict[str, Any] = {lower: False}
        version = evolve(version, **forbidden)
    else:
        change = data.draw(st.sampled_from([lower, "active"]))
        listings[account_id] = evolve(listings[account_id], **{change: False})

    found = agree(sale.path, sale.product, version, listings)

    assert isinstance(found, NotOffered)
    assert found.account.id == account_id
    assert found.account.number in found.detail


@given(billing.sales())
def test_an_agreement_is_the_same_after_it_was_text(sale: Sale) -> None:
    """What an order keeps is what was agreed, to the last digit."""
    agreement = agreed(sale)

    assert Agreement.from_json(agreement.to_json()) == agreement
