"""Rules, section 6: `authorize` says whether a call may begin, and holds the money for it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from tests.services.books import balance, everything, settled
from tests.services.holding import approved, attempt, extended, fund, held, held_by, refused, wallet, wallets

from astpp_billing.billing import Billing
from astpp_billing.calls import Approved, Refused, RefusedReason
from astpp_billing.clock import FixedClock
from astpp_billing.errors import IdempotencyConflict
from astpp_billing.hierarchy import BillingType, ReceiptMode
from astpp_billing.invoicing import Tax
from astpp_billing.money import Money
from astpp_billing.testing.worlds import START, call, chain, commission, distributor, offer

SECOND = timedelta(seconds=1)


# what is approved


def test_the_price_of_a_slice_is_held_on_every_level_at_once(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), commission(10), price="0.06")
    fund(billing, shop, "100")

    result = approved(billing, attempt(shop.call()))

    customer, agent, reseller = shop.path[:-1]
    assert [(level.account_id, level.micros) for level in result.levels] == [
        (customer.id, 600_000),  # 600 s at 0.06 a minute
        (agent.id, 600_000),  # a commission reseller passes the same price on, of its own money
        (reseller.id, 300_000),
    ]
    assert held(billing, shop) == [600_000, 600_000, 300_000]
    assert result.hold == billing.calls.find_hold(result.hold.key)
    assert list(billing.calls.holds()) == [result.hold]
    assert not result.repeated


def test_what_is_held_is_not_available_and_not_yet_gone(billing: Billing) -> None:
    shop = chain(billing)
    fund(billing, shop, "1")

    approved(billing, attempt(shop.call()))

    assert balance(billing, shop.customer) == "1.00 USD"
    assert wallet(billing, shop.customer).available_micros == 400_000


def test_a_call_may_last_as_long_as_the_least_of_all_levels_pays_for(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), commission(10), price="0.06")
    fund(billing, shop, "2", "1", "0.7")

    assert approved(billing, attempt(shop.call())).max_seconds == 1000  # 1.00 of the commission reseller
    assert approved(billing, attempt(shop.call())).max_seconds == 400  # less what is held for the first


def test_a_hold_covers_no_more_than_the_money_pays_for(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "0.1")

    result = approved(billing, attempt(shop.call()))

    assert (result.max_seconds, result.hold.seconds, result.levels[0].micros) == (100, 100, 100_000)


def test_no_call_is_approved_for_longer_than_the_policy_says(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "1000")

    result = approved(billing, attempt(shop.call()))

    assert (result.max_seconds, result.hold.seconds) == (4 * 3600, 600)


def test_a_postpaid_account_may_spend_its_credit(billing: Billing) -> None:
    shop = chain(billing, price="0.06", billing=BillingType.POSTPAID, credit_limit="0.10")

    assert approved(billing, attempt(shop.call())).max_seconds == 100
    assert refused(billing, attempt(shop.call())).reason is RefusedReason.NO_MONEY


def test_the_credit_limit_of_a_prepaid_account_means_nothing(billing: Billing) -> None:
    shop = chain(billing, price="0.06", credit_limit="100")

    assert refused(billing, attempt(shop.call())).account == shop.customer


def test_each_level_is_held_in_its_own_currency(billing: Billing) -> None:
    billing.prices.set_exchange_rate("EUR", "USD", "1.25", valid_from=START)
    shop = chain(billing, distributor("0.03", currency="EUR"), price="0.06")
    fund(billing, shop, "100")

    assert held_by(approved(billing, attempt(shop.call()))) == [600_000, 240_000]


def test_a_free_call_needs_no_money(billing: Billing) -> None:
    shop = chain(billing, price="0", cost="0")

    result = approved(billing, attempt(shop.call()))

    assert (result.max_seconds, held_by(result)) == (4 * 3600, [0])


def test_the_admin_calls_without_a_wallet(billing: Billing) -> None:
    shop = chain(billing)

    result = approved(billing, attempt(call(shop.admin.number)))

    assert (result.max_seconds, result.levels) == (4 * 3600, ())


def test_the_payer_may_be_named_by_what_stands_for_it(billing: Billing) -> None:
    shop = chain(billing)
    fund(billing, shop, "1")
    billing.accounts.add_endpoint(shop.customer, user="4420", address="192.0.2.7")

    for named in ({"user": "4420"}, {"user": "unknown", "address": "192.0.2.7"}):
        result = billing.calls.authorize(attempt(call(leg=str(named), **named)))  # type: ignore[arg-type]
        assert isinstance(result, Approved)
        assert result.hold.account_id == shop.customer.id


def test_the_instant_of_the_attempt_says_which_rate_counts(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06")
    fund(billing, shop, "100")
    offer(billing, shop.admin, "chain-customer", "0.12", valid_from=START + 60 * SECOND)
    clock.advance(60 * SECOND)

    assert held_by(approved(billing, attempt(shop.call(), at=START))) == [600_000]
    assert held_by(approved(billing, attempt(shop.call()))) == [1_200_000]


# what is refused


@pytest.mark.parametrize("short", [0, 1, 2])
def test_the_level_that_cannot_pay_is_named(billing: Billing, short: int) -> None:
    shop = chain(billing, distributor("0.03"), commission(10), price="0.06")
    fund(billing, shop, *("0" if index == short else "100" for index in range(3)))
    before = wallets(billing)

    result = refused(billing, attempt(shop.call()))

    assert (result.reason, result.account) == (RefusedReason.NO_MONEY, shop.path[short])
    assert "0.00 USD left" in result.detail
    assert wallets(billing) == before
    assert not billing.calls.holds()


# what a call needs: tax, and what a receipt rounds up


def test_the_tax_of_a_receipt_is_held_besides(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    billing.accounts.configure_invoices(shop.resellers[0], tax=Tax("VAT", Decimal(25)))
    fund(billing, shop, "100")

    result = approved(billing, attempt(shop.call()))

    assert held_by(result) == [750_000, 300_000]  # the admin adds none to what the reseller pays


def test_a_call_lasts_as_long_as_there_is_money_for_its_tax(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    billing.accounts.configure_invoices(shop.admin, tax=Tax("VAT", Decimal(25)))
    fund(billing, shop, "1")
    record = shop.call(800)

    assert approved(billing, attempt(record)).max_seconds == 800
    settled(billing, record)

    assert balance(billing, shop.customer) == "0.00 USD"


def test_the_tax_is_that_of_the_issuer(billing: Billing) -> None:
    """Not of the parent, where that uses its own parent's credential."""
    shop = chain(billing, distributor("0.03", same_credential=True), price="0.06")
    billing.accounts.configure_invoices(shop.admin, tax=Tax("VAT", Decimal(10)))
    billing.accounts.configure_invoices(shop.resellers[0], tax=Tax("VAT", Decimal(50)))
    fund(billing, shop, "100")

    assert held_by(approved(billing, attempt(shop.call()))) == [660_000, 330_000]


@pytest.mark.parametrize(
    ("options", "held"),
    [
        ({"receipts": ReceiptMode.EACH}, 740_000),
        ({"receipts": ReceiptMode.DAILY}, 733_333),
        ({"billing": BillingType.POSTPAID, "credit_limit": "5"}, 733_333),
    ],
)
def test_who_gets_a_receipt_at_once_has_whole_coins_held(billing: Billing, options: dict[str, Any], held: int) -> None:
    """0.6666660 and a tenth are 0.7333326; others pay the tax when their document comes, but must have it now."""
    shop = chain(billing, price="0.0666666", **options)
    billing.accounts.configure_invoices(shop.admin, tax=Tax("VAT", Decimal(10)))
    fund(billing, shop, "1")

    assert held_by(approved(billing, attempt(shop.call()))) == [held]


def test_what_is_rounded_up_is_there_when_the_call_is_settled(billing: Billing) -> None:
    """Each of these calls costs 0.004, and what the first ones leave over makes the receipt of another one a cent."""
    shop = chain(billing, price="0.004")
    fund(billing, shop, "0.02")
    records = [shop.call(60), shop.call(60)]

    assert approved(billing, attempt(records[0])).max_seconds == 300  # with all of it held, nothing is left for another
    assert refused(billing, attempt(records[1])).account == shop.customer
    settled(billing, records[0])
    assert approved(billing, attempt(records[1])).max_seconds == 300  # the receipt was for 0.00
    settled(billing, records[1])
    assert balance(billing, shop.customer) == "0.01 USD"
    assert wallet(billing, shop.customer).rounding_micros == 2_000


def test_less_than_a_coin_pays_for_no_receipt(billing: Billing) -> None:
    shop = chain(billing, price="0.0006")
    fund(billing, shop, "0.009999")

    assert refused(billing, attempt(shop.call())).reason is RefusedReason.NO_MONEY


# who has less than nothing


def test_who_has_less_than_nothing_is_refused_what_costs_money(billing: Billing) -> None:
    shop = chain(billing, price="0.06")
    settled(billing, shop.call(60))

    result = refused(billing, attempt(shop.call()))

    assert (result.reason, result.account) == (RefusedReason.NO_MONEY, shop.customer)
    assert "-0.06 USD left" in result.detail


def test_who_has_less_than_nothing_may_make_a_free_call(billing: Billing) -> None:
    """No money is needed, so none is lacking; all others on the path need theirs."""
    shop = chain(billing, distributor("0.03"), price="0.06")
    settled(billing, shop.call(60))
    offer(billing, shop.resellers[0], "chain-customer", "0")
    reseller = billing.accounts.change(shop.resellers[0], loss_less_routing=True)
    assert refused(billing, attempt(shop.call())).account == reseller
    billing.ledger.refill(shop.resellers[0], Money("1.03", "USD"), key="refill")
    record = shop.call(600)

    result = approved(billing, attempt(record))
    longer = extended(billing, result.hold.key, 1200)
    settled(billing, record)

    assert (result.max_seconds, held_by(result), held_by(longer)) == (2000, [0, 300_000], [0, 600_000])
    assert [wallet(billing, account).available_micros for account in shop.path[:-1]] == [-60_000, 700_000]


def test_a_call_without_cost_for_a_seller_needs_none_of_its_money(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    settled(billing, shop.call(60))
    fund(billing, shop, "10", "0")
    offer(billing, shop.admin, "chain-1", "0")

    assert held_by(approved(billing, attempt(shop.call()))) == [600_000, 0]


# what cannot be


@pytest.mark.parametrize(
    ("reason", "fields", "level"),
    [
        (RefusedReason.UNKNOWN_ACCOUNT, {"account": "nobody"}, None),
        (RefusedReason.UNKNOWN_ACCOUNT, {"account": None, "user": "nobody"}, None),
        (RefusedReason.UNKNOWN_ACCOUNT, {"provider": "nobody"}, None),
        (RefusedReason.UNKNOWN_ACCOUNT, {"account": "chain-provider"}, "chain-provider"),
        (RefusedReason.BAD_NUMBER, {"number": "sip:jane"}, None),
        (RefusedReason.NO_RATE, {"number": "33"}, "chain-customer"),
    ],
)
def test_what_names_nobody_or_has_no_rate_is_refused(
    billing: Billing, reason: RefusedReason, fields: dict[str, Any], level: str | None
) -> None:
    shop = chain(billing)
    fund(billing, shop, "100")
    before = everything(billing)

    result = refused(billing, attempt(shop.call(), **fields))

    assert (result.reason, None if result.account is None else result.account.number) == (reason, level)
    assert result.detail
    assert everything(billing) == before


def test_an_account_that_is_closed_anywhere_on_the_path_refuses(billing: Billing) -> None:
    shop = chain(billing)
    fund(billing, shop, "100")
    (closed,) = billing.accounts.close(shop.customer)

    result = refused(billing, attempt(shop.call()))

    assert (result.reason, result.account) == (RefusedReason.ACCOUNT_CLOSED, closed)


def test_without_a_rate_group_or_with_one_of_somebody_else_there_is_no_call(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    fund(billing, shop, "100")

    billing.accounts.change(shop.customer, rate_group=None)
    assert refused(billing, attempt(shop.call())).reason is RefusedReason.NO_RATE_GROUP
    billing.accounts.change(shop.customer, rate_group="chain-1")
    result = refused(billing, attempt(shop.call()))

    assert result.reason is RefusedReason.NOT_OFFERED
    assert result.account is not None
    assert result.account.number == "chain-customer"


def test_without_an_exchange_rate_there_is_no_call(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03", currency="EUR"), price="0.06")

    result = refused(billing, attempt(shop.call()))

    assert (result.reason, result.account) == (RefusedReason.NO_EXCHANGE_RATE, shop.resellers[0])


def test_what_is_too_much_to_be_charged_is_refused(billing: Billing) -> None:
    shop = chain(billing, price="0.01", cost="9000000000000")
    fund(billing, shop, "100")

    assert refused(billing, attempt(shop.call())).reason is RefusedReason.TOO_LARGE


def test_a_call_that_a_reseller_would_sell_at_a_loss_is_refused_before_it_starts(billing: Billing) -> None:
    shop = chain(billing, distributor("0.07"), price="0.06")
    fund(billing, shop, "100")

    result = refused(billing, attempt(shop.call()))

    assert (result.reason, result.account) == (RefusedReason.LOSS, shop.resellers[0])


def test_a_reseller_with_loss_less_routing_allows_its_losses_and_nobody_elses(billing: Billing) -> None:
    shop = chain(billing, distributor("0.08"), distributor("0.07", loss_less_routing=True), price="0.06")
    fund(billing, shop, "100")

    assert refused(billing, attempt(shop.call())).account == shop.resellers[0]
    billing.accounts.change(shop.resellers[0], loss_less_routing=True)
    assert isinstance(billing.calls.authorize(attempt(shop.call())), Approved)


def test_prices_that_cannot_be_compared_are_refused_unless_losses_are_allowed(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06", currency="USD")
    fund(billing, shop, "100")
    offer(billing, shop.resellers[0], "in-euros", "0.06", currency="EUR")
    other = billing.accounts.open_customer(shop.resellers[0], number="other", currency="EUR", rate_group="in-euros")
    billing.ledger.refill(other, Money("100", "EUR"), key="other")

    assert refused(billing, attempt(call("other"))).reason is RefusedReason.NO_EXCHANGE_RATE
    billing.accounts.change(shop.resellers[0], loss_less_routing=True)
    assert isinstance(billing.calls.authorize(attempt(call("other"))), Approved)


# once


def test_the_same_attempt_again_gives_the_same_and_holds_nothing_more(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing)
    fund(billing, shop, "1")
    wanted = attempt(shop.call())
    first = approved(billing, wanted)
    before = wallets(billing)
    clock.advance(30 * SECOND)

    assert approved(billing, evolve(wanted, caller="Jane")) == evolve(first, repeated=True)
    assert wallets(billing) == before


@pytest.mark.parametrize(
    "other", [{"number": "4499"}, {"account": "x"}, {"user": "x"}, {"address": "x"}, {"provider": "x"}, {"at": START}]
)
def test_another_attempt_with_the_same_switch_and_leg_is_a_conflict(billing: Billing, other: dict[str, Any]) -> None:
    shop = chain(billing)
    fund(billing, shop, "1")
    wanted = attempt(shop.call())
    approved(billing, wanted)
    before = wallets(billing)

    with pytest.raises(IdempotencyConflict, match="was another attempt before"):
        billing.calls.authorize(evolve(wanted, **other))
    assert wallets(billing) == before


def test_a_call_that_was_settled_is_not_authorised_again(billing: Billing) -> None:
    shop = chain(billing)
    fund(billing, shop, "1")
    record, unheld = shop.call(), shop.call()
    approved(billing, attempt(record))
    settled(billing, record)
    settled(billing, unheld)

    assert refused(billing, attempt(record)).reason is RefusedReason.ENDED
    assert refused(billing, attempt(unheld)).reason is RefusedReason.ENDED
    assert held(billing, shop) == [0]


def test_a_hold_that_has_ended_is_not_opened_again(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing)
    fund(billing, shop, "1")
    voided, lapsed = attempt(shop.call()), attempt(shop.call())
    approved(billing, voided)
    billing.calls.void(voided.key)
    approved(billing, lapsed)
    clock.advance(timedelta(hours=1))
    billing.calls.expire_holds()

    assert refused(billing, voided) == Refused(RefusedReason.ENDED, shop.customer, "its hold was voided")
    assert refused(billing, lapsed) == Refused(RefusedReason.ENDED, shop.customer, "its hold was expired")
