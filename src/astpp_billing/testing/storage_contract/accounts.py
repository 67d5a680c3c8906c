"""The contract on accounts, endpoints and invoice configurations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from attrs import evolve

from astpp_billing.errors import AlreadyExists, HierarchyError, InvalidValue, NotFound
from astpp_billing.hierarchy import (
    Account,
    BillingType,
    Endpoint,
    EndpointKind,
    Kind,
    ReceiptMode,
    ResellerModel,
    Status,
)
from astpp_billing.invoicing import InvoiceConfig, Tax
from astpp_billing.money import MAX_MICROS
from astpp_billing.periods import BillingSchedule, Cadence
from astpp_billing.ports import Storage
from astpp_billing.testing.storage_contract.base import AT, MICROSECOND, TEXTS, Base, admin, customer, reseller


class AccountsContract(Base):
    """Accounts, the tree, endpoints, invoice configurations, and what was billed."""

    def test_a_stored_account_has_an_id_of_its_own(self, storage: Storage) -> None:
        """`add_account` returns the account with its id; ids grow."""
        with storage.begin() as work:
            first, second = admin(work, "one"), admin(work, "two")

            assert 0 < first.id < second.id
            assert [account.id for account in work.accounts()] == [first.id, second.id]

    def test_the_id_that_a_new_account_brings_does_not_count(self, storage: Storage) -> None:
        """A new account gets a new id, whatever it says."""
        with storage.begin() as work:
            first = admin(work, "one")
            second = admin(work, "two", id=first.id)

            assert second.id != first.id
            assert work.account(first.id) == first

    def test_every_field_of_an_account_comes_back(self, storage: Storage) -> None:
        """Also the unusual ones, in a later transaction."""
        with storage.begin() as work:
            root = admin(work)
            agent = work.add_account(
                Account(
                    number="K-1",
                    name="Ägent 🦊",
                    kind=Kind.RESELLER,
                    parent_id=root.id,
                    model=ResellerModel.COMMISSION,
                    billing=BillingType.POSTPAID,
                    currency="JPY",
                    timezone="Asia/Kathmandu",
                    locale="de_CH",
                    rate_group="retail",
                    own_rate_group="own",
                    credit_limit_micros=MAX_MICROS,
                    commission_percent=Decimal("12.345678901234567"),
                    loss_less_routing=True,
                    schedule=BillingSchedule(Cadence.WEEKLY, 7),
                    receipts=ReceiptMode.MONTHLY,
                    zero_invoices=True,
                    tax_number="CHE-1",
                    same_credential=True,
                    opened_at=AT,
                    status=Status.CLOSED,
                )
            )
        with storage.begin() as work:
            assert work.account(agent.id) == agent
            assert work.find_account("K-1") == agent
            assert work.accounts() == [root, agent]

    @pytest.mark.parametrize("text", TEXTS)
    def test_texts_come_back_as_they_are(self, storage: Storage, text: str) -> None:
        """Long ones, empty ones, and those in any script."""
        with storage.begin() as work:
            stored = admin(work, name=text, tax_number=text)
        with storage.begin() as work:
            assert work.account(stored.id).name == text
            assert work.account(stored.id).tax_number == text

    def test_nothing_and_an_empty_text_differ(self, storage: Storage) -> None:
        """None stays None, "" stays ""."""
        with storage.begin() as work:
            without, empty = admin(work, "a", rate_group=None), admin(work, "b", rate_group="")
        with storage.begin() as work:
            assert work.account(without.id).rate_group is None
            assert work.account(empty.id).rate_group == ""

    def test_an_account_number_is_unique(self, storage: Storage) -> None:
        """Adding or renaming an account to a taken number raises `AlreadyExists` and changes nothing."""
        with storage.begin() as work:
            first, second = admin(work, "one"), admin(work, "two")
            with pytest.raises(AlreadyExists):
                admin(work, "one")
            with pytest.raises(AlreadyExists):
                work.update_account(evolve(second, number="one"))
            assert work.accounts() == [first, second]

    @pytest.mark.parametrize("other", ["ABC", "äbc", "a\u0308bc", "a bc"])
    def test_numbers_that_only_look_alike_are_two(self, storage: Storage, other: str) -> None:
        """No folding of case, accents or spaces."""
        with storage.begin() as work:
            one = admin(work, "abc")
            assert work.find_account(other) is None
            two = admin(work, other)

            assert work.find_account("abc") == one
            assert work.find_account(other) == two

    def test_an_account_can_be_replaced(self, storage: Storage) -> None:
        """`update_account` replaces every field but the id."""
        with storage.begin() as work:
            stored = admin(work)
            changed = evolve(stored, number="new", name="New", timezone="Asia/Kathmandu", status=Status.CLOSED)
            work.update_account(changed)
            work.update_account(changed)

            assert work.accounts() == [changed]
            assert work.find_account("admin") is None

    def test_unknown_accounts(self, storage: Storage) -> None:
        """A look-up by id raises `NotFound`, a `find_…` gives None."""
        with storage.begin() as work:
            stored = admin(work)
            missing = stored.id + 1
            assert work.find_account("nobody") is None
            assert work.find_invoice_config(missing) is None
            for ask in (work.account, work.path, work.billed_until):
                with pytest.raises(NotFound):
                    ask(missing)
            with pytest.raises(NotFound):
                work.update_account(evolve(stored, id=missing, number="other"))
            with pytest.raises(NotFound):
                work.set_billed_until(missing, AT)

    def test_what_refers_to_an_unknown_account_is_refused(self, storage: Storage) -> None:
        """With `NotFound`; nothing is stored."""
        with storage.begin() as work:
            stored = admin(work)
            nobody = evolve(stored, id=stored.id + 1, number="nobody")
            with pytest.raises(NotFound):
                customer(work, nobody)
            with pytest.raises(NotFound):
                customer(work, evolve(nobody, id=nobody.id + 1))
            with pytest.raises(NotFound):
                work.add_endpoint(Endpoint(EndpointKind.USER, "1001", nobody.id))
            with pytest.raises(NotFound):
                work.save_invoice_config(InvoiceConfig(account_id=nobody.id, company="Nobody"))
            child = customer(work, stored)
            with pytest.raises(NotFound):
                work.update_account(evolve(child, parent_id=child.id + 1))

            assert work.accounts() == [stored, child]
            assert work.find_endpoint(EndpointKind.USER, "1001") is None

    @pytest.mark.parametrize("depth", range(1, 9))
    def test_the_path_leads_up_to_the_admin(self, storage: Storage, depth: int) -> None:
        """From the account itself, over each parent, whatever the depth."""
        with storage.begin() as work:
            expected = [admin(work)]
            for level in range(1, depth):
                expected.insert(0, reseller(work, expected[0], f"r{level}"))
            leaf = customer(work, expected[0])
            customer(work, expected[-1], "beside")

            assert work.path(leaf.id) == (leaf, *expected)
            assert work.path(expected[-1].id) == (expected[-1],)

    @pytest.mark.parametrize("length", [2, 3])
    def test_a_path_that_is_a_cycle_is_refused(self, storage: Storage, length: int) -> None:
        """Where the parents form a cycle, `path` raises `HierarchyError` and comes to an end."""
        with storage.begin() as work:
            chain = [reseller(work, admin(work), "r0")]
            for level in range(1, length):
                chain.append(reseller(work, chain[-1], f"r{level}"))
            below = customer(work, chain[0])
            work.update_account(evolve(chain[0], parent_id=chain[-1].id))

            for account in (*chain, below):
                with pytest.raises(HierarchyError, match="cycle"):
                    work.path(account.id)

    def test_a_provider_has_no_path(self, storage: Storage) -> None:
        """It sells to nobody's child: `HierarchyError`."""
        with storage.begin() as work:
            provider = work.add_account(Account(number="p", kind=Kind.PROVIDER, currency="USD"))
            with pytest.raises(HierarchyError):
                work.path(provider.id)

    def test_endpoints_stand_for_an_account(self, storage: Storage) -> None:
        """One endpoint stands for one account; users and addresses do not mix."""
        with storage.begin() as work:
            one, two = admin(work, "one"), admin(work, "two")
            work.add_endpoint(Endpoint(EndpointKind.USER, "1001", one.id))
            work.add_endpoint(Endpoint(EndpointKind.ADDRESS, "1001", two.id))
            with pytest.raises(AlreadyExists):
                work.add_endpoint(Endpoint(EndpointKind.USER, "1001", two.id))
        with storage.begin() as work:
            assert work.find_endpoint(EndpointKind.USER, "1001") == one.id
            assert work.find_endpoint(EndpointKind.ADDRESS, "1001") == two.id
            assert work.find_endpoint(EndpointKind.USER, "1002") is None

    def test_an_invoice_configuration_replaces_the_one_before(self, storage: Storage) -> None:
        """And leaves no trace of it, such as its tax."""
        with storage.begin() as work:
            issuer, other = admin(work, "one"), admin(work, "two")
            first = InvoiceConfig(
                account_id=issuer.id,
                company="Acme",
                address="Line 1\nLine 2",
                tax_number="T-1",
                invoice_prefix="",
                receipt_prefix="R/",
                credit_note_prefix="C/",
                note="Danke 🦊",
                due_days=0,
                tax=Tax("VAT", Decimal("19.60")),
            )
            second = InvoiceConfig(account_id=issuer.id, company="Acme II")
            work.save_invoice_config(first)
            assert work.find_invoice_config(issuer.id) == first
            assert work.find_invoice_config(other.id) is None
            work.save_invoice_config(second)
        with storage.begin() as work:
            assert work.find_invoice_config(issuer.id) == second

    def test_how_far_an_account_was_billed(self, storage: Storage) -> None:
        """None, then the instant that was set last, to the microsecond, in UTC."""
        with storage.begin() as work:
            one, two = admin(work, "one"), admin(work, "two")
            assert work.billed_until(one.id) is None
            elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=45)))
            work.set_billed_until(one.id, elsewhere)
            assert work.billed_until(one.id) == AT
            work.set_billed_until(one.id, AT - MICROSECOND)
            with pytest.raises(InvalidValue):
                work.set_billed_until(one.id, datetime(2025, 1, 1))  # noqa: DTZ001 - this is what is refused
        with storage.begin() as work:
            found = work.billed_until(one.id)
            assert found == AT - MICROSECOND
            assert found is not None
            assert found.tzinfo is UTC
            assert work.billed_until(two.id) is None
            assert work.account(one.id) == one

    def test_replacing_an_account_leaves_what_was_billed(self, storage: Storage) -> None:
        """`update_account` is about the account's own fields."""
        with storage.begin() as work:
            one = admin(work)
            work.set_billed_until(one.id, AT)
            work.update_account(evolve(one, name="New"))

            assert work.billed_until(one.id) == AT
