"""Two storages on which the same is done: what the machine of `test_equivalence` is built on.

Each storage has ids of its own for accounts, documents and products. The machine has others, from 1, which mean
the same on both.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from attrs import Factory, define, evolve, fields, has
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from astpp_billing.calls.admission import AgreedAccount
from astpp_billing.errors import BillingError
from astpp_billing.hierarchy import Account
from astpp_billing.invoicing import Document
from astpp_billing.ledger import MATERIALISED
from astpp_billing.ports import Changes, Series, Storage, UnitOfWork
from astpp_billing.pricing import Product
from astpp_billing.storage import open_storage
from astpp_billing.testing.storage_contract import everything

NOWHERE = 10**6
"""Added to an id that stands for nothing, so that it is nothing's on any storage."""

ACCOUNT_IDS = {
    "account_id",
    "parent_id",
    "owner_id",
    "issuer_id",
    "seller_id",
    "buyer_id",
    "payer_id",
    "payee_id",
    "receiver_id",
}
HAVE_ACCOUNT_IDS = (Account, AgreedAccount)

PERIOD_KEY = re.compile("((?:invoice|receipt):)([0-9]+)(:.*)")
"""The key of what is posted with a document, which has its account's id in it."""


def renamed(
    value: Any, account: Callable[[int], int], document: Callable[[int], int], product: Callable[[int], int]
) -> Any:
    """A value with other ids of accounts, documents and products, wherever they are in it."""
    inner = partial(renamed, account=account, document=document, product=product)
    if isinstance(value, Mapping):
        return {account(key) if type(key) is int else inner(key): inner(each) for key, each in value.items()}
    if isinstance(value, tuple) and value and type(value[0]) is int:  # a series, or an account's day
        return (account(value[0]), *value[1:])
    if isinstance(value, list | tuple):
        return type(value)(map(inner, value))
    if isinstance(value, str) and (found := PERIOD_KEY.fullmatch(value)):
        return f"{found[1]}{account(int(found[2]))}{found[3]}"
    if not has(type(value)):
        return value
    changed = {}
    for each in fields(type(value)):
        old = getattr(value, each.name)
        if old is None or old == 0:
            continue
        if each.name in ACCOUNT_IDS or (each.name == "id" and isinstance(value, HAVE_ACCOUNT_IDS)):
            new: Any = account(old)
        elif each.name == "document_id" or (each.name == "id" and isinstance(value, Document)):
            new = document(old)
        elif each.name == "endpoints":
            new = {key: account(stands_for) for key, stands_for in old.items()}
        elif each.name == "product_id" or (each.name == "id" and isinstance(value, Product)):
            new = product(old)
        else:
            new = inner(old)
        if new != old:
            changed[each.name] = new
    return evolve(value, **changed) if changed else value


@define
class Names:
    """What the machine's ids of accounts, documents and products are on one storage."""

    accounts: dict[int, int] = Factory(dict)
    documents: dict[int, int] = Factory(dict)
    products: dict[int, int] = Factory(dict)

    def copy(self) -> "Names":
        return Names(dict(self.accounts), dict(self.documents), dict(self.products))

    def account(self, number: int) -> int:
        return self.accounts.get(number, NOWHERE + number)

    def document(self, number: int) -> int:
        return self.documents.get(number, NOWHERE + number)

    def product(self, number: int) -> int:
        return self.products.get(number, NOWHERE + number)

    def there(self, value: Any) -> Any:
        return renamed(value, self.account, self.document, self.product)

    def here(self, value: Any) -> Any:
        maps = [{there: one for one, there in ids.items()} for ids in (self.accounts, self.documents, self.products)]
        return renamed(value, *(partial(_known, ids) for ids in maps))


def _known(ids: Mapping[int, int], one: int) -> int:
    return ids.get(one, one)


Command = Callable[[UnitOfWork, Names], object]


def outcome(do: Callable[[], object]) -> object:
    """What a command gives: a value, or the type of its error."""
    try:
        result = do()
    except BillingError as error:
        return type(error)
    return list(result) if isinstance(result, list | tuple) else result


class Twins(RuleBasedStateMachine):
    """Transactions on both storages; some are undone at their end."""

    def __init__(self, url: str = "memory://") -> None:
        super().__init__()
        self.storages: list[Storage] = [open_storage("memory://"), open_storage(url)]
        self.transactions: list[Any] = []
        self.works: list[UnitOfWork] = []
        self.names = [Names(), Names()]
        self.begin_anew()

    def begin_anew(self) -> None:
        self.names_before = [names.copy() for names in self.names]
        self.locked: set[Series] | None = None
        self.pending = Changes()

    def teardown(self) -> None:
        try:
            self.commit()
            looks = [storage.snapshot() for storage in self.storages]
            seen = [names.here(everything(look.__enter__())) for look, names in zip(looks, self.names, strict=True)]
            for look in looks:
                look.__exit__(None, None, None)
            assert seen[0] == seen[1]
        finally:
            for storage in self.storages:
                storage.close()

    # transactions

    def begin(self) -> None:
        if not self.works:
            self.transactions = [storage.begin() for storage in self.storages]
            self.works = [transaction.__enter__() for transaction in self.transactions]
            self.begin_anew()

    def each(self, command: Command) -> list[object]:
        self.begin()
        return [outcome(partial(command, work, names)) for work, names in zip(self.works, self.names, strict=True)]

    def both(self, command: Command) -> object:
        one, other = (names.here(result) for names, result in zip(self.names, self.each(command), strict=True))
        assert one == other
        return one

    def learn_account(self, account: Account) -> None:
        found = self.each(lambda work, names: work.add_account(names.there(account)))
        for names, new in zip(self.names, found, strict=True):
            if isinstance(new, Account):
                names.accounts[len(names.accounts) + 1] = new.id
        one, other = (names.here(new) for names, new in zip(self.names, found, strict=True))
        assert one == other

    def learn_product(self, product: Product) -> None:
        found = self.each(lambda work, names: work.add_product(names.there(product)))
        for names, new in zip(self.names, found, strict=True):
            if isinstance(new, Product):
                names.products[len(names.products) + 1] = new.id
        one, other = (names.here(new) for names, new in zip(self.names, found, strict=True))
        assert one == other

    def save(self, changes: Changes, later: bool = False) -> None:
        """Save something, with what was put off until now; or put it off, too. What is wrong with it may vary."""
        self.begin()
        for each in fields(Changes):
            old, new = getattr(self.pending, each.name), getattr(changes, each.name)
            setattr(self.pending, each.name, old | new if isinstance(old, dict) else old + new)
        if not later:
            together, self.pending = self.pending, Changes()
            found = self.each(lambda work, names: work.save(names.there(together)))
            assert (found[0] is None) == (found[1] is None), found

    @rule()
    def commit(self) -> None:
        for transaction in self.transactions:
            transaction.__exit__(None, None, None)
        self.transactions, self.works = [], []
        self.begin_anew()

    @rule()
    @precondition(lambda self: self.works)
    def undo(self) -> None:
        for transaction in self.transactions:
            error = ZeroDivisionError("on purpose")
            with suppress(ZeroDivisionError):
                transaction.__exit__(type(error), error, None)
        self.transactions, self.works = [], []
        self.names = self.names_before
        self.begin_anew()

    @invariant()
    def the_balances_are_proved(self) -> None:
        for work in self.works:
            proved = work.proved_balances()
            assert sum(proved.values()) == 0
            assert {book: micros for book, micros in proved.items() if book.book in MATERIALISED} == work.balances()

    @invariant()
    def what_is_held_is_what_open_holds_reserve(self) -> None:
        for work in self.works:
            held: dict[int, int] = {}
            for level in (level for each in work.holds() for level in each.levels):
                held[level.account_id] = held.get(level.account_id, 0) + level.micros
            wallets = [work.wallet(account.id) for account in work.accounts()]
            assert {each.account_id: each.held_micros for each in wallets if each.held_micros} == {
                account_id: micros for account_id, micros in held.items() if micros
            }
