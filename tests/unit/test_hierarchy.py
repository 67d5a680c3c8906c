"""Accounts, and the tree they form."""

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from astpp_billing.errors import BillingError, HierarchyError, InexactAmount, InvalidValue, NotFound
from astpp_billing.hierarchy import (
    Account,
    AccountTree,
    BillingType,
    Kind,
    ResellerModel,
    check_parent,
    check_path,
    price_owner,
    walk_up,
)
from astpp_billing.money import MAX_MICROS

DISTRIBUTOR, COMMISSION = ResellerModel.DISTRIBUTOR, ResellerModel.COMMISSION

ADMIN = Account(id=1, number="admin", kind=Kind.ADMIN, currency="USD")
NORTH = Account(id=2, number="north", kind=Kind.RESELLER, model=DISTRIBUTOR, parent_id=1, currency="EUR")
AGENT = Account(
    id=3, number="agent", kind=Kind.RESELLER, model=COMMISSION, parent_id=2, currency="EUR", commission_percent="12.5"
)
ALICE = Account(id=4, number="alice", kind=Kind.CUSTOMER, parent_id=3, currency="EUR")
BOB = Account(id=5, number="bob", kind=Kind.CUSTOMER, parent_id=1, currency="USD")
CARRIER = Account(id=6, number="carrier", kind=Kind.PROVIDER, currency="USD")

ALL = (ALICE, CARRIER, ADMIN, BOB, AGENT, NORTH)


class TestAccount:
    @pytest.mark.parametrize("number", ["", " ", " a", "a ", "a" * 65, None, 7])
    def test_has_a_number(self, number: object) -> None:
        with pytest.raises(InvalidValue, match="1 to 64 characters"):
            evolve(ADMIN, number=number)

    def test_may_have_any_number_of_1_to_64_characters(self) -> None:
        assert evolve(ADMIN, number="a" * 64).number == "a" * 64

    @pytest.mark.parametrize("model", [DISTRIBUTOR, COMMISSION])
    @pytest.mark.parametrize("account", [ADMIN, ALICE, CARRIER])
    def test_only_a_reseller_has_a_model(self, account: Account, model: ResellerModel) -> None:
        with pytest.raises(InvalidValue, match="a reseller, and only a reseller"):
            evolve(account, model=model)

    def test_a_reseller_has_a_model(self) -> None:
        with pytest.raises(InvalidValue, match="a reseller, and only a reseller"):
            evolve(NORTH, model=None)

    @pytest.mark.parametrize("account", [ADMIN, CARRIER])
    def test_the_admin_and_providers_have_no_parent(self, account: Account) -> None:
        with pytest.raises(HierarchyError, match="cannot have the parent"):
            account.under(9)

    @pytest.mark.parametrize("account", [NORTH, ALICE])
    def test_all_others_have_one(self, account: Account) -> None:
        with pytest.raises(HierarchyError, match="cannot have the parent None"):
            evolve(account, parent_id=None)
        assert account.under(9).parent_id == 9

    def test_is_not_its_own_parent(self) -> None:
        with pytest.raises(HierarchyError, match="its own parent"):
            NORTH.under(NORTH.id)

    def test_has_a_commission_rate_only_if_it_earns_by_one(self) -> None:
        assert AGENT.commission_percent == Decimal("12.5")
        with pytest.raises(InvalidValue, match="only a commission reseller"):
            evolve(NORTH, commission_percent=1)
        for rate in (-1, "100.01", "NaN"):
            with pytest.raises(InvalidValue):
                evolve(AGENT, commission_percent=rate)
        with pytest.raises(InexactAmount):
            evolve(AGENT, commission_percent=12.5)
        assert evolve(AGENT, commission_percent=100).commission_percent == 100

    def test_a_credit_limit_means_nothing_on_a_prepaid_account(self) -> None:
        prepaid = evolve(ALICE, credit_limit_micros=7)
        postpaid = evolve(prepaid, billing=BillingType.POSTPAID)

        assert (prepaid.is_postpaid, prepaid.spendable_below_zero_micros) == (False, 0)
        assert (postpaid.is_postpaid, postpaid.spendable_below_zero_micros) == (True, 7)

    @pytest.mark.parametrize("limit", [-1, MAX_MICROS + 1, 1.5, "7", Decimal(7)])
    def test_a_credit_limit_is_an_amount(self, limit: Any) -> None:
        with pytest.raises(BillingError, match="credit limit"):
            evolve(ALICE, credit_limit_micros=limit)

    def test_has_a_currency_and_a_time_zone(self) -> None:
        with pytest.raises(InvalidValue, match="currency"):
            evolve(ALICE, currency="XYZ")
        with pytest.raises(InvalidValue, match="time zone"):
            evolve(ALICE, timezone="Nowhere")

    def test_knows_how_it_earns(self) -> None:
        assert [account.is_commission_reseller for account in (ADMIN, NORTH, AGENT, ALICE)] == [
            False,
            False,
            True,
            False,
        ]


class TestTree:
    TREE = AccountTree(ALL)

    def test_gives_paths_up_to_the_admin(self) -> None:
        assert self.TREE.path(ALICE.id) == (ALICE, AGENT, NORTH, ADMIN)
        assert self.TREE.path(ADMIN.id) == (ADMIN,)
        assert len(self.TREE) == 6

    def test_gives_children_by_id(self) -> None:
        assert self.TREE.children(ADMIN.id) == (NORTH, BOB)
        assert self.TREE.children(ALICE.id) == ()

    def test_knows_its_accounts_only(self) -> None:
        assert self.TREE.account(BOB.id) is BOB
        for look_up in (self.TREE.account, self.TREE.path):
            with pytest.raises(NotFound, match="no account has the id 99"):
                look_up(99)

    def test_a_provider_is_on_no_path(self) -> None:
        with pytest.raises(HierarchyError, match="no admin"):
            self.TREE.path(CARRIER.id)

    def test_moves_a_branch(self) -> None:
        moved = self.TREE.moved(AGENT.id, ADMIN.id)

        assert [account.number for account in moved.path(ALICE.id)] == ["alice", "agent", "admin"]
        assert self.TREE.path(ALICE.id) == (ALICE, AGENT, NORTH, ADMIN)

    def test_refuses_a_move_below_itself(self) -> None:
        with pytest.raises(HierarchyError, match="cycle"):
            self.TREE.moved(NORTH.id, AGENT.id)
        with pytest.raises(HierarchyError, match="its own parent"):
            self.TREE.moved(NORTH.id, NORTH.id)

    @pytest.mark.parametrize("parent", [BOB, CARRIER])
    def test_refuses_a_move_below_what_has_no_children(self, parent: Account) -> None:
        with pytest.raises(HierarchyError, match="has no children"):
            self.TREE.moved(NORTH.id, parent.id)

    def test_refuses_a_move_of_or_to_nobody(self) -> None:
        with pytest.raises(NotFound):
            self.TREE.moved(99, ADMIN.id)
        with pytest.raises(NotFound):
            self.TREE.moved(ALICE.id, 99)

    def test_refuses_a_parent_that_does_not_exist(self) -> None:
        with pytest.raises(HierarchyError, match="no account has the id 99, the parent of alice"):
            AccountTree([ADMIN, ALICE.under(99)])

    def test_refuses_a_cycle(self) -> None:
        with pytest.raises(HierarchyError, match="cycle"):
            AccountTree([NORTH.under(AGENT.id), AGENT])

    def test_refuses_two_accounts_with_one_id(self) -> None:
        with pytest.raises(HierarchyError, match="two accounts have the id 1"):
            AccountTree([*ALL, evolve(ADMIN, number="other")])


@pytest.mark.parametrize("kind", Kind)
def test_only_admins_and_resellers_have_children(kind: Kind) -> None:
    for parent in (ALICE, CARRIER):
        with pytest.raises(HierarchyError, match="has no children"):
            check_parent(kind, parent)
    for parent in (ADMIN, NORTH, AGENT):
        if kind in (Kind.RESELLER, Kind.CUSTOMER):
            assert check_parent(kind, parent) is None  # type: ignore[func-returns-value]  # that it does not raise
        else:
            with pytest.raises(HierarchyError, match="is not opened below"):
                check_parent(kind, parent)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ((), "at least one"),
        ((ALICE,), "no admin"),
        ((ALICE, NORTH, ADMIN), "not the parent"),
        ((AGENT, NORTH), "no admin"),
        ((NORTH.under(3), AGENT, NORTH.under(3)), "cycle"),
        ((ALICE.under(5), BOB, ADMIN), "has no children"),
    ],
)
def test_a_path_leads_from_parent_to_parent_up_to_an_admin(path: tuple[Account, ...], reason: str) -> None:
    with pytest.raises(HierarchyError, match=reason):
        check_path(path)


def test_walking_up_needs_a_beginning() -> None:
    with pytest.raises(NotFound, match="no account has the id 7"):
        walk_up({}, 7)


def test_the_price_owner_is_the_nearest_that_sets_prices() -> None:
    path = (ALICE, AGENT, NORTH, ADMIN)

    assert [price_owner(path, index).number for index in range(3)] == ["north", "north", "admin"]
    with pytest.raises(HierarchyError, match="nobody above it"):
        price_owner(path, 3)
