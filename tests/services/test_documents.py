"""Whose documents they are, and how they are numbered."""

from typing import Any

import pytest
from tests.services.books import at, settled

from astpp_billing.billing import Billing
from astpp_billing.clock import FixedClock
from astpp_billing.hierarchy import BillingType
from astpp_billing.testing.worlds import call, chain, commission, distributor

POSTPAID: dict[str, Any] = {"billing": BillingType.POSTPAID}


def test_the_numbers_of_each_issuer_and_kind_have_no_gaps(billing: Billing, clock: FixedClock) -> None:
    shop = chain(billing, distributor("0.03"), price="0.06")
    jane = billing.accounts.open_customer(shop.resellers[0], number="jane", rate_group="chain-customer", **POSTPAID)
    for leg in range(3):
        settled(billing, shop.call())
        settled(billing, call("jane", leg=f"jane-{leg}", started_at=at(2026, 1 + leg, 5)))
    clock.set(at(2026, 4, 1))
    billing.documents.run()

    numbers: dict[tuple[int, str], list[str]] = {}
    for document in billing.documents.documents():
        numbers.setdefault((document.issuer_id, document.kind), []).append(document.number)

    assert numbers == {
        (shop.resellers[0].id, "receipt"): ["RCP-000001", "RCP-000002", "RCP-000003"],
        (shop.resellers[0].id, "invoice"): ["INV-000001", "INV-000002", "INV-000003"],
        (shop.admin.id, "receipt"): [f"RCP-00000{n}" for n in range(1, 7)],
    }
    assert [document.number for document in billing.documents.documents(jane)] == [f"INV-00000{n}" for n in (1, 2, 3)]


def test_an_issuer_prints_what_it_has_configured(billing: Billing) -> None:
    shop = chain(billing, distributor("0.03"), name="n", tax_number="DE 1")
    north = shop.resellers[0]
    billing.accounts.configure_invoices(north, company="North Ltd", address="1 Quay\nHull", receipt_prefix="N/")
    billing.accounts.configure_invoices(north, note="Thank you", tax_number="GB 2")
    settled(billing, shop.call())

    (document,) = billing.documents.documents(shop.customer)

    assert (document.number, document.issuer_name, document.issuer_address) == ("N/000001", "North Ltd", "1 Quay\nHull")
    assert (document.note, document.issuer_tax_number, document.buyer_tax_number) == ("Thank you", "GB 2", "DE 1")


def test_an_issuer_that_has_configured_nothing_prints_its_name(billing: Billing) -> None:
    shop = chain(billing)
    settled(billing, shop.call())

    assert billing.documents.documents()[0].issuer_name == "Admin"


def test_documents_are_kept_as_they_were_issued(billing: Billing) -> None:
    shop = chain(billing)
    settled(billing, shop.call())
    before = billing.documents.documents()

    billing.accounts.configure_invoices(shop.admin, company="Renamed", receipt_prefix="X")
    billing.accounts.change(shop.customer, name="Renamed")

    assert billing.documents.documents() == before


@pytest.mark.parametrize(
    ("same", "issuer"),
    [
        ((False, False, False), 3),
        ((False, False, True), 2),
        ((True, False, True), 2),
        ((False, True, True), 1),
        ((True, True, True), 0),
        ((True, True, False), 3),
    ],
)
def test_the_same_credential_is_followed_up_to_who_has_its_own(
    billing: Billing, same: tuple[bool, bool, bool], issuer: int
) -> None:
    upper, middle, lower = same
    shop = chain(
        billing,
        distributor("0.02", same_credential=upper),
        commission(5, same_credential=middle),
        distributor("0.04", same_credential=lower),
        admin={"same_credential": True},  # there is nobody above it whose credential it could use
    )
    settled(billing, shop.call())

    (document,) = billing.documents.documents(shop.customer)

    assert document.issuer_id == (shop.admin, *shop.resellers)[issuer].id
    assert document.seller_id == shop.resellers[-1].id


def test_accounts_of_one_credential_share_its_series(billing: Billing) -> None:
    shop = chain(billing, distributor("0.02", same_credential=True))
    settled(billing, shop.call())

    assert sorted(document.number for document in billing.documents.documents()) == ["RCP-000001", "RCP-000002"]
    assert {document.issuer_id for document in billing.documents.documents()} == {shop.admin.id}


def test_what_is_configured_is_the_issuers_own(billing: Billing) -> None:
    shop = chain(billing, distributor("0.02"))

    with pytest.raises(TypeError, match="account chain-1 is the issuer"):
        billing.accounts.configure_invoices(shop.resellers[0], account_id=shop.admin.id)
