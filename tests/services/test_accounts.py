"""Accounts: opening, changing, moving, closing, and what stands for them."""

from datetime import timedelta
from typing import Any

import pytest
from tests.services.books import at, balance, settled

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.errors import AlreadyExists, HierarchyError, InvalidValue, NotFound
from astpp_billing.hierarchy import BillingType, Kind, ReceiptMode, ResellerModel, Status
from astpp_billing.money import Money
from astpp_billing.periods import BillingSchedule, Cadence
from astpp_billing.testing.worlds import START, chain, commission, distributor, offer

NOON = at(2026, 1, 10, 12)


def test_an_account_takes_currency_time_zone_and_locale_from_its_parent(billing: Billing, clock: FixedClock) -> None:
    admin = billing.accounts.open_admin("Acme", currency="CHF", timezone="Europe/Zurich", locale="de_CH")
    north = billing.accounts.open_reseller(admin, model=ResellerModel.DISTRIBUTOR, currency="EUR")
    jane = billing.accounts.open_customer(north, timezone="Europe/Paris")

    assert (admin.kind, admin.parent_id, admin.opened_at) == (Kind.ADMIN, None, clock.now())
    assert (north.currency, north.timezone, north.locale) == ("EUR", "Europe/Zurich", "de_CH")
    assert (jane.currency, jane.timezone, jane.locale) == ("EUR", "Europe/Paris", "de_CH")
    assert (jane.kind, jane.parent_id, jane.billing, jane.status) == (
        *(Kind.CUSTOMER, north.id),
        *(BillingType.PREPAID, Status.OPEN),
    )
    assert billing.accounts.path(jane) == (jane, north, admin)
    assert billing.accounts.all() == [admin, north, jane]
    assert billing.accounts.get(jane.number) == jane


def test_a_generated_number_has_ten_digits_and_is_taken_by_nobody(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter([1_000_000_000, 1_000_000_000, 9_999_999_999])
    monkeypatch.setattr("secrets.choice", lambda numbers: next(drawn))

    first = billing.accounts.open_admin("A", currency="USD")
    second = billing.accounts.open_admin("B", currency="USD")

    assert (first.number, second.number) == ("1000000000", "9999999999")


def test_generated_numbers_are_drawn_from_all_with_ten_digits(billing: Billing) -> None:
    numbers = {billing.accounts.open_admin("A", currency="USD").number for _ in range(20)}

    assert len(numbers) == 20
    assert all(len(number) == 10 and number.isdigit() and number[0] != "0" for number in numbers)


def test_a_number_that_is_taken_is_refused(billing: Billing) -> None:
    shop = chain(billing)

    with pytest.raises(AlreadyExists, match="account chain-customer exists"):
        billing.accounts.open_customer(shop.admin, number="chain-customer")
    assert len(billing.accounts.all()) == 3


def test_choices_may_be_given_as_text(billing: Billing) -> None:
    shop = chain(billing)
    opened = billing.accounts.open_reseller(
        shop.admin,
        model="commission",  # type: ignore[arg-type]  # what a form or a file says
        billing="postpaid",
        receipts="daily",
        commission_percent="2.5",
    )

    assert opened.is_commission_reseller
    assert opened.is_postpaid
    assert opened.receipts is ReceiptMode.DAILY
    assert billing.accounts.change(shop.customer, billing="postpaid").is_postpaid


@pytest.mark.parametrize("choice", [{"billing": "later"}, {"receipts": "hourly"}, {"billing": 1}])
def test_a_choice_that_there_is_none_names_what_there_is(billing: Billing, choice: dict[str, Any]) -> None:
    shop = chain(billing)
    (name,) = choice

    with pytest.raises(InvalidValue, match=f"{name} is one of .*daily|{name} is one of prepaid, postpaid, not"):
        billing.accounts.change(shop.customer, **choice)


def test_only_admins_and_resellers_have_children(billing: Billing) -> None:
    shop = chain(billing)

    with pytest.raises(HierarchyError, match="below chain-customer"):
        billing.accounts.open_customer(shop.customer)
    with pytest.raises(HierarchyError, match="below chain-provider"):
        billing.accounts.open_reseller(shop.provider, model=ResellerModel.DISTRIBUTOR)
    with pytest.raises(NotFound):
        billing.accounts.open_customer(billing.accounts.get("nobody"))


def test_a_commission_is_for_commission_resellers_alone(billing: Billing) -> None:
    shop = chain(billing)

    with pytest.raises(InvalidValue, match="only a commission reseller"):
        billing.accounts.open_reseller(shop.admin, model=ResellerModel.DISTRIBUTOR, commission_percent=1)


def test_an_option_that_there_is_none_is_a_type_error(billing: Billing) -> None:
    shop = chain(billing)

    with pytest.raises(TypeError, match="colour"):
        billing.accounts.open_customer(shop.admin, colour="red")
    with pytest.raises(TypeError, match="colour"):
        billing.accounts.change(shop.customer, colour="red")


def test_fields_are_changed_by_the_names_they_were_given_at_opening(billing: Billing) -> None:
    shop = chain(billing)
    schedule = BillingSchedule(Cadence.WEEKLY, 5)

    changed = billing.accounts.change(
        shop.customer, name="Jane", credit_limit="12.50", schedule=schedule, locale="fr_FR", timezone="Europe/Paris"
    )

    assert (changed.name, changed.credit_limit_micros, changed.schedule) == ("Jane", 12_500_000, schedule)
    assert billing.accounts.get("chain-customer") == changed
    assert changed.rate_group == shop.customer.rate_group


@pytest.mark.parametrize("field", ["id", "number", "kind", "parent_id", "currency", "opened_at", "status"])
def test_what_an_account_is_cannot_be_changed(billing: Billing, field: str) -> None:
    shop = chain(billing)

    with pytest.raises(TypeError, match=f"cannot be changed: {field}"):
        billing.accounts.change(shop.customer, **{field: None})


def test_a_change_of_an_account_that_does_not_exist(billing: Billing) -> None:
    shop = chain(billing)

    with pytest.raises(NotFound, match="'gone'"):
        billing.accounts.get("gone")
    with Billing.open("memory://") as other, pytest.raises(NotFound, match="'chain-customer'"):
        other.accounts.change(shop.customer, name="x")


def test_a_changed_commission_or_group_counts_for_the_next_call(billing: Billing) -> None:
    shop = chain(billing, commission(10), price="1")
    settled(billing, shop.call())
    billing.accounts.change(shop.resellers[0], commission_percent=20)
    settled(billing, shop.call())
    offer(billing, shop.admin, "dear", "2")
    billing.accounts.change(shop.customer, rate_group="dear")
    settled(billing, shop.call())

    assert dict(billing.ledger.profits(shop.resellers[0])) == {"USD": Money("0.7", "USD")}  # 0.1 + 0.2 + 2 × 0.2


def test_a_move_leaves_charges_and_documents_where_they_were(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), distributor("0.04"), price="0.06")
    upper, lower = shop.resellers
    settled(billing, shop.call())
    documents = billing.documents.documents()
    offer(billing, upper, "upper", "0.05")

    moved = billing.accounts.move(shop.customer, upper)
    billing.accounts.change(shop.customer, rate_group="upper")
    settled(billing, shop.call())

    assert billing.accounts.path(shop.customer) == (billing.accounts.get("chain-customer"), upper, shop.admin)
    assert moved.parent_id == upper.id
    assert list(billing.documents.documents())[: len(documents)] == documents
    assert dict(billing.ledger.profits(lower)) == {"USD": Money("0.02", "USD")}
    assert billing.ledger.reconcile().agrees


def test_a_move_that_would_close_a_cycle_is_refused(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), distributor("0.04"))
    upper, lower = shop.resellers

    for parent in (lower, upper):
        with pytest.raises(HierarchyError, match=r"cycle|its own parent"):
            billing.accounts.move(upper, parent)
    assert billing.accounts.path(lower) == (lower, upper, shop.admin)


def test_a_move_below_one_that_cannot_sell_is_refused(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    other = billing.accounts.open_customer(shop.admin, number="other")

    for parent in (other, shop.provider):
        with pytest.raises(HierarchyError, match=f"{parent.number}"):
            billing.accounts.move(shop.customer, parent)
    with pytest.raises(HierarchyError, match="chain-admin"):
        billing.accounts.move(shop.admin, shop.resellers[0])


def test_whoever_is_left_bills_what_it_charged(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06", billing=BillingType.POSTPAID)
    north = shop.resellers[0]
    settled(billing, shop.call())
    clock.set(at(2026, 2, 10))
    settled(billing, shop.call(started_at=at(2026, 2, 9)))

    billing.accounts.move(shop.customer, shop.admin)
    billing.accounts.move(shop.customer, shop.admin)
    offer(billing, shop.admin, "direct", "0.07")
    billing.accounts.change(shop.customer, rate_group="direct")
    settled(billing, shop.call(started_at=at(2026, 2, 11)))
    clock.set(at(2026, 3, 1))
    billing.documents.run()

    documents = billing.documents.documents(shop.customer)
    assert [(one.seller_id, str(one.total), one.period and one.period.end) for one in documents] == [
        (north.id, "0.06 USD", at(2026, 2, 1)),
        (north.id, "0.06 USD", at(2026, 2, 10)),
        (shop.admin.id, "0.07 USD", at(2026, 3, 1)),
    ]
    assert billing.ledger.reconcile().agrees


def test_a_charge_of_a_call_that_starts_after_the_move_by_a_wrong_clock_is_billed_too(
    billing: Billing, clock: FixedClock
) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06", billing=BillingType.POSTPAID)
    settled(billing, shop.call(started_at=clock.now() + timedelta(minutes=3)))

    billing.accounts.move(shop.customer, shop.admin)

    (document,) = billing.documents.documents(shop.customer)
    assert (document.seller_id, str(document.total)) == (shop.resellers[0].id, "0.06 USD")


def test_charges_that_wait_for_an_invoice_get_it_before_the_account_becomes_prepaid(
    billing: Billing, clock: FixedClock
) -> None:
    shop = chain(billing, price="0.06", billing=BillingType.POSTPAID)
    settled(billing, shop.call())
    clock.set(NOON)

    billing.accounts.change(shop.customer, billing=BillingType.PREPAID)
    settled(billing, shop.call())

    assert [(one.kind, str(one.total), one.period and one.period.end) for one in billing.documents.documents()] == [
        ("invoice", "0.06 USD", NOON),
        ("receipt", "0.06 USD", None),
    ]


def test_charges_that_are_gathered_get_their_receipt_before_each_call_has_its_own(billing: Billing) -> None:
    shop = chain(billing, price="0.06", receipts=ReceiptMode.MONTHLY)
    settled(billing, shop.call())
    settled(billing, shop.call())

    billing.accounts.change(shop.customer, receipts=ReceiptMode.EACH)

    assert [(one.kind, str(one.total)) for one in billing.documents.documents()] == [("receipt", "0.12 USD")]


def test_a_new_way_of_billing_starts_with_the_change(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06", zero_invoices=True)
    settled(billing, shop.call())
    clock.set(at(2026, 3, 10))
    billing.accounts.change(shop.customer, billing=BillingType.POSTPAID)
    clock.set(at(2026, 4, 1))

    (billed,) = billing.documents.run()

    assert (billed.due.period.start, billed.due.period.end) == (at(2026, 3, 10), at(2026, 4, 1))


def test_another_name_does_not_touch_the_period_in_hand(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06", billing=BillingType.POSTPAID)
    settled(billing, shop.call())
    clock.set(NOON)

    billing.accounts.change(shop.customer, name="Jane", receipts=ReceiptMode.DAILY)

    assert billing.documents.documents() == []


def test_closing_bills_what_was_charged_and_keeps_the_history(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, price="0.06", billing=BillingType.POSTPAID)
    settled(billing, shop.call())
    clock.set(NOON)

    (closed,) = billing.accounts.close(shop.customer)

    assert closed.status is Status.CLOSED
    assert billing.accounts.get("chain-customer") == closed
    assert [str(document.total) for document in billing.documents.documents()] == ["0.06 USD"]
    assert balance(billing, shop.customer) == "-0.06 USD"
    clock.set(at(2027, 1, 1))
    assert billing.documents.run() == []
    assert billing.accounts.close(shop.customer) == [closed]


def test_an_account_with_open_children_is_not_closed(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    other = billing.accounts.open_customer(shop.admin)

    with pytest.raises(HierarchyError, match="chain-1 cannot be closed: its child chain-customer is open"):
        billing.accounts.close(other, shop.resellers[0])
    assert {account.status for account in billing.accounts.all()} == {Status.OPEN}


def test_a_reseller_is_closed_with_its_children_or_after_them(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), distributor("0.04"))
    upper, lower = shop.resellers

    together = billing.accounts.close(lower, shop.customer)
    after = billing.accounts.close(upper)

    assert [account.status for account in (*together, *after)] == [Status.CLOSED] * 3


def test_nothing_is_opened_or_moved_below_a_closed_account(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    other = billing.accounts.open_reseller(shop.admin, model=ResellerModel.DISTRIBUTOR, number="other")
    billing.accounts.close(other)

    with pytest.raises(HierarchyError, match="below other, which is closed"):
        billing.accounts.open_customer(other)
    with pytest.raises(HierarchyError, match="below other, which is closed"):
        billing.accounts.move(shop.customer, other)


def test_a_provider_is_closed_like_any_account(billing: Billing) -> None:
    shop = chain(billing)

    assert billing.accounts.close(shop.provider)[0].status is Status.CLOSED


def test_an_endpoint_stands_for_one_account(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"))
    billing.accounts.add_endpoint(shop.customer, user="4420", address="192.0.2.7")

    with pytest.raises(AlreadyExists, match="endpoint address"):
        billing.accounts.add_endpoint(shop.resellers[0], user="4421", address="192.0.2.7")
    billing.accounts.add_endpoint(shop.resellers[0], user="4421")  # the first try left nothing behind


def test_an_endpoint_is_a_user_or_an_address(billing: Billing) -> None:
    shop = chain(billing)

    with pytest.raises(InvalidValue, match="chain-customer is a user or an address"):
        billing.accounts.add_endpoint(shop.customer)


def test_calls_of_the_past_keep_their_time(billing: Billing) -> None:
    shop = chain(billing)

    assert settled(billing, shop.call()).charges[0].at == START
