from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from astpp_billing.errors import HierarchyError
from astpp_billing.hierarchy import SELLERS, Account, AccountTree, Kind, Path, check_path, price_owner
from astpp_billing.testing import strategies as billing


@st.composite
def trees(draw: st.DrawFn) -> list[Account]:
    """The accounts of a path of any depth, with customers anywhere below it."""
    path = draw(billing.paths())
    sellers = [account for account in path if account.kind in SELLERS]
    parents = draw(st.lists(st.sampled_from(sellers), max_size=5))
    customers = [
        Account(id=100 + index, number=f"c{index}", kind=Kind.CUSTOMER, parent_id=parent.id, currency="USD")
        for index, parent in enumerate(parents)
    ]
    return draw(st.permutations([*path, *customers]))


@given(trees())
def test_every_account_has_a_path_to_the_admin(accounts: list[Account]) -> None:
    """Any depth: admin → resellers → … → customers, whatever order the accounts come in."""
    tree = AccountTree(accounts)

    assert len(tree) == len(accounts)
    for account in accounts:
        path = tree.path(account.id)
        assert path[0] == account == tree.account(account.id)
        assert path[-1].kind is Kind.ADMIN
        assert all(child.parent_id == parent.id for child, parent in pairwise(path))
        assert check_path(path) == path
        assert list(tree.children(account.id)) == sorted(
            (each for each in accounts if each.parent_id == account.id), key=lambda each: each.id
        )


@given(trees(), st.data())
def test_a_move_takes_the_whole_branch_along_or_is_refused(accounts: list[Account], data: st.DataObject) -> None:
    """No cycles: an account moves below any seller that is not itself or below it, with all that is below it."""
    tree = AccountTree(accounts)
    moving, target = data.draw(st.sampled_from(accounts)), data.draw(st.sampled_from(accounts))
    assume(moving.kind is not Kind.ADMIN)

    if target.kind not in SELLERS or moving in tree.path(target.id):
        with pytest.raises(HierarchyError):
            tree.moved(moving.id, target.id)
        return

    moved = tree.moved(moving.id, target.id)

    assert moved.path(moving.id) == (evolve(moving, parent_id=target.id), *tree.path(target.id))
    for account in accounts:
        before = tree.path(account.id)
        if moving not in before:
            assert moved.path(account.id) == before
        else:
            assert moved.path(account.id)[: before.index(moving)] == before[: before.index(moving)]
    assert tree.path(moving.id)[0] == moving  # the tree itself stays as it was


@given(billing.paths(), st.data())
def test_an_account_that_is_its_own_ancestor_is_refused(path: Path, data: st.DataObject) -> None:
    """No cycles, wherever they close."""
    resellers = [account for account in path if account.kind is Kind.RESELLER]
    assume(resellers)
    top = resellers[-1]
    bottom = data.draw(st.sampled_from(resellers))
    assume(bottom is not top)

    with pytest.raises(HierarchyError, match="cycle"):
        AccountTree([each if each is not top else evolve(top, parent_id=bottom.id) for each in path])


@given(billing.paths())
def test_the_price_owner_is_the_nearest_ancestor_that_sets_prices(path: Path) -> None:
    """A price owner is the nearest ancestor that is not a commission reseller."""
    for index in range(len(path) - 1):
        owner = price_owner(path, index)
        between = path[index + 1 : path.index(owner)]
        assert not owner.is_commission_reseller
        assert all(each.is_commission_reseller for each in between)
    with pytest.raises(HierarchyError):
        price_owner(path, len(path) - 1)
