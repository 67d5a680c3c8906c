"""The tree of accounts: who sells to whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from astpp_billing.errors import HierarchyError, NotFound
from astpp_billing.hierarchy.account import SELLERS, Account, Kind

Path = tuple[Account, ...]
"""An account, its parent, and so on up to the admin."""


def check_parent(kind: Kind, parent: Account) -> None:
    """Raise `HierarchyError` if an account of `kind` cannot be opened below `parent`."""
    if parent.kind not in SELLERS:
        raise HierarchyError(f"a {parent.kind} has no children, so nothing can be opened below {parent.number}")
    if kind not in (Kind.RESELLER, Kind.CUSTOMER):
        raise HierarchyError(f"a {kind} is not opened below another account ({parent.number})")


def check_path(path: Path) -> Path:
    """Return `path` if it leads from an account to an admin over sellers, each the parent of the one before."""
    if not path:
        raise HierarchyError("a path has at least one account")
    if len({account.id for account in path}) != len(path):
        raise HierarchyError(f"the parents of account {path[0].number} form a cycle")
    for child, parent in pairwise(path):
        if child.parent_id != parent.id:
            raise HierarchyError(f"{parent.number} is not the parent of {child.number}")
        check_parent(child.kind, parent)
    if path[-1].kind is not Kind.ADMIN:
        raise HierarchyError(f"the path of account {path[0].number} ends at {path[-1].number}, which is no admin")
    return path


class AccountTree:
    """A set of accounts that form trees; refused at construction where a parent is missing, unsuitable or a cycle."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._accounts: dict[int, Account] = {}
        for account in accounts:
            if self._accounts.setdefault(account.id, account) is not account:
                raise HierarchyError(f"two accounts have the id {account.id}")
        self._paths: dict[int, Path] = {}
        for account in self._accounts.values():
            if account.kind is not Kind.PROVIDER:
                self.path(account.id)

    def __len__(self) -> int:
        return len(self._accounts)

    def account(self, account_id: int) -> Account:
        """The account of an id; `NotFound` if there is none."""
        try:
            return self._accounts[account_id]
        except KeyError:
            raise NotFound(f"no account has the id {account_id}") from None

    def path(self, account_id: int) -> Path:
        """The account and its ancestors, up to the admin."""
        if account_id not in self._paths:
            self._paths[account_id] = check_path(walk_up(self._accounts, account_id))
        return self._paths[account_id]

    def children(self, account_id: int) -> tuple[Account, ...]:
        """The accounts that this one sells to, by id."""
        return tuple(sorted((a for a in self._accounts.values() if a.parent_id == account_id), key=lambda a: a.id))

    def moved(self, account_id: int, parent_id: int) -> AccountTree:
        """The tree with one account below another parent; `HierarchyError` if that would close a cycle."""
        moved = self.account(account_id).under(self.account(parent_id).id)
        return AccountTree([moved if a.id == account_id else a for a in self._accounts.values()])


def walk_up(accounts: Mapping[int, Account], account_id: int) -> Path:
    """The account and its ancestors; `HierarchyError` for a cycle or a parent that does not exist."""
    path: list[Account] = []
    seen: set[int] = set()
    current: int | None = account_id
    while current is not None:
        if current not in accounts:
            missing = f"no account has the id {current}"
            raise HierarchyError(f"{missing}, the parent of {path[-1].number}") if path else NotFound(missing)
        if current in seen:
            raise HierarchyError(f"the parents of account {accounts[account_id].number} form a cycle")
        seen.add(current)
        path.append(accounts[current])
        current = accounts[current].parent_id
    return tuple(path)


def price_owner(path: Path, index: int) -> Account:
    """Who sets the price that `path[index]` pays: its nearest ancestor that is not a commission reseller."""
    for ancestor in path[index + 1 :]:
        if not ancestor.is_commission_reseller:
            return ancestor
    raise HierarchyError(f"account {path[index].number} has nobody above it who sets its price")
