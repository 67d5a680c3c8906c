"""SQL does what memory does: the same commands, one after the other, on both."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from tests.servers import wipe
from tests.storage.twins import Command, Twins

from astpp_billing.calls import CallEntry, CallStatus
from astpp_billing.fx import ExchangeRate
from astpp_billing.hierarchy import Account, BillingType, Endpoint, EndpointKind, Kind, ResellerModel
from astpp_billing.invoicing import DocumentKind, InvoiceConfig, Tax
from astpp_billing.ledger import Book, Hold, HoldState, LedgerAccount, Transfer, Used
from astpp_billing.money import MAX_MICROS
from astpp_billing.ports import Changes, Placed, Series, UnitOfWork
from astpp_billing.ports import Command as Done
from astpp_billing.pricing import (
    Allowance,
    Category,
    Listing,
    Product,
    ProductStatus,
    ProductVersion,
    RateGroup,
    Recurrence,
    Unit,
)
from astpp_billing.testing.storage_contract.base import call, charge, document, hold, posting

START = datetime(2025, 3, 1, tzinfo=UTC)
LAST = date(2100, 1, 1)
# few values, so that they meet; ids go a little beyond what there is, so that some refer to nothing
ids = st.sampled_from([1, 2, 3] * 6 + [4, 5, 9])
numbers = st.sampled_from(["admin", "4711", "Ünï", "🦊", "A", "a"])
keys = st.sampled_from(["k1", "k2", "k3", "K1"])
hold_keys = st.sampled_from(["h1", "h2"])
legs = st.sampled_from(["a", "b", "B"])
names = st.sampled_from(["retail", "Retail", "own"])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)  # PostgreSQL takes no NUL
instants = st.integers(0, 6).map(lambda steps: START + timedelta(microseconds=steps))
days = st.integers(0, 2).map(lambda steps: START.date() + timedelta(days=steps))
currencies = st.sampled_from(["USD"] * 9 + ["EUR"])
books = st.builds(LedgerAccount, ids, st.sampled_from(Book), st.just("USD"))
small = st.integers(1, 5)
amounts = st.one_of(small, small, small, st.sampled_from([10**6, 10**12, MAX_MICROS - 1, MAX_MICROS]))
transfers = st.builds(
    lambda pair, currency, micros: Transfer(
        evolve(pair[0], currency=currency), evolve(pair[1], currency=currency), micros
    ),
    st.tuples(books, books).filter(lambda pair: pair[0].book != pair[1].book),
    currencies,
    amounts,
)
new_postings = st.lists(
    st.tuples(keys, st.lists(transfers, max_size=4), instants), max_size=3, unique_by=lambda n: n[0]
)
rows = st.lists(st.tuples(st.sampled_from(["1", "12", "2", "48"]), texts, st.sampled_from(["0.01", "1.50", "0"])))
included = st.lists(st.sampled_from(["", "48"]), max_size=2)
levels = st.lists(st.tuples(ids, st.integers(0, 3) | amounts), min_size=1, max_size=3, unique_by=lambda level: level[0])
limits = st.sampled_from([0, 5, 10**6])


def stands_for(work: UnitOfWork, kind: EndpointKind, value: str) -> Account | None:
    """The account that an endpoint stands for."""
    account_id = work.find_endpoint(kind, value)
    return None if account_id is None else work.account(account_id)


class TwoStorages(Twins):
    """Everything that can be done through the port, with little, so that it meets."""

    @initialize()
    def begin_with_a_tree(self) -> None:
        self.begin()
        credit: dict[str, Any] = {"billing": BillingType.POSTPAID, "credit_limit_micros": 10**6}
        self.learn_account(Account(number="admin", kind=Kind.ADMIN, currency="USD", **credit))
        for number in ("one", "two"):
            self.learn_account(Account(number=number, kind=Kind.CUSTOMER, parent_id=1, currency="USD", **credit))
        self.place_hold("h1", 2, [(2, 3), (1, 2)], 2, False)
        for leg in "aB":
            self.save_call(leg, CallStatus.UNRATED, START, 2, False)
        self.save_postings([("k1", [], START)], [(2, 5), (3, 1), (2, 2)], False)
        self.commit()

    # commands

    @rule(
        number=numbers,
        kind=st.sampled_from([Kind.ADMIN, Kind.RESELLER, Kind.CUSTOMER, Kind.PROVIDER]),
        parent=ids,
        name=texts,
        group=st.none() | texts,
        currency=currencies,
        credit=limits,
    )
    def add_account(
        self, number: str, kind: Kind, parent: int, name: str, group: str | None, currency: str, credit: int
    ) -> None:
        account = Account(
            number=number,
            kind=kind,
            parent_id=parent if kind in (Kind.RESELLER, Kind.CUSTOMER) else None,
            model=ResellerModel.DISTRIBUTOR if kind is Kind.RESELLER else None,
            billing=BillingType.POSTPAID if credit else BillingType.PREPAID,
            credit_limit_micros=credit,
            currency=currency,
            name=name,
            rate_group=group,
        )
        self.learn_account(account)

    @rule(number=numbers, account_id=ids, parent=ids, credit=limits)
    def move(self, number: str, account_id: int, parent: int, credit: int) -> None:
        stored = self.both(lambda work, names: work.account(names.account(account_id)))
        account = Account(
            id=account_id,
            number=number,
            kind=Kind.RESELLER,
            model=ResellerModel.DISTRIBUTOR,
            parent_id=parent if parent != account_id else parent + 1,
            billing=BillingType.POSTPAID,
            credit_limit_micros=credit,
            currency=stored.currency if isinstance(stored, Account) else "USD",
        )
        self.both(lambda work, names: work.update_account(names.there(account)))

    @rule(kind=st.sampled_from(EndpointKind), value=numbers, account_id=ids)
    def add_endpoint(self, kind: EndpointKind, value: str, account_id: int) -> None:
        self.both(lambda work, names: work.add_endpoint(Endpoint(kind, value, names.account(account_id))))

    @rule(account_id=ids, note=texts, tax=st.none() | st.decimals(0, 100, places=3))
    def save_invoice_config(self, account_id: int, note: str, tax: Decimal | None) -> None:
        config = InvoiceConfig(
            account_id=account_id, company="Acme", note=note, tax=None if tax is None else Tax("VAT", tax)
        )
        self.both(lambda work, names: work.save_invoice_config(names.there(config)))

    @rule(account_id=ids, instant=instants)
    def set_billed_until(self, account_id: int, instant: datetime) -> None:
        self.both(lambda work, names: work.set_billed_until(names.account(account_id), instant))

    @rule(key=keys, result=texts)
    def add_command(self, key: str, result: str) -> None:
        done = Done(key=key, fingerprint="f", at=START, result=result)
        self.both(lambda work, names: work.add_command(done))

    @rule(name=names, owner=ids, currency=currencies)
    def add_rate_group(self, name: str, owner: int, currency: str) -> None:
        group = RateGroup(name=name, owner_id=owner, currency=currency)
        self.both(lambda work, names: work.add_rate_group(names.there(group)))

    @rule(name=names, rows=rows, valid_from=st.none() | instants)
    def import_rates(self, name: str, rows: list[tuple[str, str, str]], valid_from: datetime | None) -> None:
        whole = [(prefix, destination, price, "0", 0, None, 6) for prefix, destination, price in rows]
        self.both(lambda work, names: work.import_rates(name, whole, valid_from))

    @rule(pair=st.permutations(["EUR", "USD", "GBP"]), rate=st.sampled_from(["0.5", "2"]), instant=instants)
    def add_exchange_rate(self, pair: list[str], rate: str, instant: datetime) -> None:
        dated = ExchangeRate(pair[0], pair[1], Decimal(rate), instant)
        self.both(lambda work, names: work.add_exchange_rate(dated))

    # products

    @rule(code=names, owner=ids, currency=currencies)
    def add_product(self, code: str, owner: int, currency: str) -> None:
        self.learn_product(Product(code=code, owner_id=owner, category=Category.DID, currency=currency))

    @rule(product=st.integers(1, 3), code=names, owner=ids, status=st.sampled_from(ProductStatus))
    def update_product(self, product: int, code: str, owner: int, status: ProductStatus) -> None:
        changed = Product(
            id=product, code=code, owner_id=owner, category=Category.PACKAGE, currency="USD", status=status
        )
        self.both(lambda work, names: work.update_product(names.there(changed)))

    @rule(product=st.integers(1, 3), version=st.integers(1, 2), text=texts, instant=instants, included=included)
    def add_product_version(
        self, product: int, version: int, text: str, instant: datetime, included: list[str]
    ) -> None:
        made = ProductVersion(
            product_id=product,
            version=version,
            valid_from=instant,
            name="P",
            description=text,
            price_micros=len(text),
            recurrence=Recurrence(version, Unit.DAYS) if included else None,
            allowances=[Allowance(seconds=60, prefixes=each, description=text) for each in included],
        )
        self.both(lambda work, names: work.add_product_version(names.there(made)))
        self.both(lambda work, names: work.find_product("retail"))

    @rule(product=st.integers(1, 3), seller=ids, version=st.integers(1, 2), instant=instants, active=st.booleans())
    def add_listing(self, product: int, seller: int, version: int, instant: datetime, active: bool) -> None:
        made = Listing(
            product_id=product, seller_id=seller, version=version, valid_from=instant, currency="USD", active=active
        )
        self.both(lambda work, names: work.add_listing(names.there(made)))

    # locks

    @rule(
        account_ids=st.lists(ids, max_size=3),
        series=st.lists(st.tuples(st.integers(1, 3), st.sampled_from(DocumentKind))),
    )
    @precondition(lambda self: self.locked is None)
    def lock(self, account_ids: list[int], series: list[Series]) -> None:
        self.begin()
        self.locked = set(series)
        found = self.both(
            lambda work, names: work.lock([names.account(each) for each in account_ids], names.there(series))
        )
        if isinstance(found, type):
            self.locked = set()

    @rule()
    @precondition(lambda self: self.locked is None)
    def lock_tree(self) -> None:
        self.both(lambda work, names: work.lock_tree())

    @rule(until=instants)
    @precondition(lambda self: self.locked is None)
    def close_books(self, until: datetime) -> None:
        self.begin()
        self.locked = set()
        self.both(lambda work, names: work.close_books(until))

    # the books

    @rule(new=new_postings, charged=st.lists(st.tuples(ids, small)), later=st.booleans())
    def save_postings(
        self, new: list[tuple[str, list[Transfer], datetime]], charged: list[tuple[int, int]], later: bool
    ) -> None:
        made = [posting(key, *moved, at=at) for key, moved, at in new]
        charges = [
            charge(evolve(ANYBODY, id=account_id), made[0].key, micros, position=position, at=made[0].at)
            for position, (account_id, micros) in enumerate(charged if made else (), 1)
        ]
        self.save(Changes(postings=made, charges=charges), later)

    @rule(leg=legs, status=st.sampled_from(CallStatus), start=instants, account_id=st.none() | ids, later=st.booleans())
    def save_call(self, leg: str, status: CallStatus, start: datetime, account_id: int | None, later: bool) -> None:
        self.save(Changes(calls=[call(leg, status, start, account_id=account_id)]), later)

    @rule(leg=legs, status=st.sampled_from(CallStatus), detail=texts, account_id=st.none() | ids)
    @precondition(lambda self: not self.pending.calls)
    def retry_call(self, leg: str, status: CallStatus, detail: str, account_id: int | None) -> None:
        known = self.both(lambda work, names: work.find_call(f"call:s1:{leg}"))
        entry = known if isinstance(known, CallEntry) else call(leg)
        self.save(Changes(retried=[evolve(entry, status=status, detail=detail, account_id=account_id)]))

    @rule(account_id=ids, day=days, micros=st.integers(0, 9), seconds=st.integers(1, 100), later=st.booleans())
    def save_used(self, account_id: int, day: date, micros: int, seconds: int, later: bool) -> None:
        self.save(Changes(used={(account_id, day): Used(micros, 1, seconds)}), later)

    @rule(data=st.data(), count=st.integers(1, 3))
    @precondition(lambda self: self.locked)
    def give_out_numbers(self, data: st.DataObject, count: int) -> None:
        assert self.locked
        self.save(Changes(numbers={data.draw(st.sampled_from(sorted(self.locked))): count}))

    @rule(
        buyer=ids,
        issuer=ids,
        number=st.sampled_from("123"),
        lines=st.integers(0, 3),
        placed=st.none() | st.integers(0, 3),
        later=st.booleans(),
    )
    def save_document(self, buyer: int, issuer: int, number: str, lines: int, placed: int | None, later: bool) -> None:
        """With the charges that wait, or as many as may not wait."""
        self.begin()
        for names, work in zip(self.names, self.works, strict=True):
            names.documents[len(names.documents) + 1] = work.reserve_ids(1)[0]
        document_id = len(self.names[0].documents)
        account = Account(id=buyer, number="x", kind=Kind.CUSTOMER, parent_id=8, currency="USD")
        new = evolve(document(account, number, lines), id=document_id, issuer_id=issuer, seller_id=1)
        before = START + timedelta(microseconds=4)
        waiting = self.both(lambda work, names: work.unbilled(names.account(buyer), before))
        assert isinstance(waiting, list)
        put = [Placed(document_id, buyer, before, len(waiting) if placed is None else placed)]
        self.save(Changes(documents=[new], placed=put if placed != 0 else []), later)

    # holds

    @rule(key=hold_keys, buyer=ids, levels=levels, end=st.integers(1, 3), stale=st.sampled_from([True] + [False] * 9))
    def place_hold(self, key: str, buyer: int, levels: list[tuple[int, int]], end: int, stale: bool) -> None:
        made = self.made_hold(key, buyer, levels, end)
        epochs = self.epochs(made, stale)
        self.both(lambda work, names: work.place_hold(names.there(made), names.there(epochs)))

    @rule(
        key=hold_keys,
        more=st.lists(st.integers(0, 3) | amounts, min_size=3, max_size=3),
        stale=st.sampled_from([True] + [False] * 9),
    )
    def extend_hold(self, key: str, more: list[int], stale: bool) -> None:
        known = self.both(lambda work, names: work.find_hold(key))
        made = self.made_hold(key, 1, [(1, 1)], 1)
        if isinstance(known, Hold):
            again = [
                (each.account_id, min(each.micros + plus, MAX_MICROS))
                for each, plus in zip(known.levels, more, strict=False)
            ]
            made = self.made_hold(key, known.account_id, again[::-1], 5)
        epochs = self.epochs(made, stale)
        self.both(lambda work, names: work.extend_hold(names.there(made), names.there(epochs)))

    def made_hold(self, key: str, buyer: int, levels: list[tuple[int, int]], end: int) -> Hold:
        by_account = [(evolve(ANYBODY, id=account_id), micros) for account_id, micros in levels]
        ends = START + timedelta(microseconds=end)
        return hold(key, evolve(ANYBODY, id=buyer), *by_account, placed_at=START, expires_at=ends)

    def epochs(self, made: Hold, stale: bool) -> dict[int, int]:
        """The epochs of the levels as they are; in one case out of ten, as they were."""
        epochs = {}
        for level in made.levels:
            found: Any = self.both(lambda work, names, level=level: work.wallet(names.account(level.account_id)))  # type: ignore[misc]
            epochs[level.account_id] = 0 if isinstance(found, type) or stale else found.epoch
        return epochs

    @rule(
        key=hold_keys,
        state=st.sampled_from([HoldState.POSTED, HoldState.VOIDED, HoldState.EXPIRED]),
        later=st.booleans(),
    )
    def end_hold(self, key: str, state: HoldState, later: bool) -> None:
        known = self.both(lambda work, names: work.find_hold(key))
        ended = known if isinstance(known, Hold) else self.made_hold(key, 1, [(1, 1)], 1)
        self.save(Changes(ended=[(ended, state)]), later)

    # looking

    @rule(account_id=ids, number=numbers, key=keys, leg=legs, name=names, before=instants)
    def look(self, account_id: int, number: str, key: str, leg: str, name: str, before: datetime) -> None:
        looks: list[Command] = [
            lambda work, names: work.account(names.account(account_id)),
            lambda work, names: work.find_account(number),
            lambda work, names: work.path(names.account(account_id)),
            lambda work, names: work.billed_until(names.account(account_id)),
            lambda work, names: work.find_invoice_config(names.account(account_id)),
            lambda work, names: stands_for(work, EndpointKind.USER, number),
            lambda work, names: stands_for(work, EndpointKind.ADDRESS, number),
            lambda work, names: work.find_command(key),
            lambda work, names: work.find_posting(key),
            lambda work, names: work.find_call(f"call:s1:{leg}"),
            lambda work, names: work.rates(name),
            lambda work, names: work.unbilled(names.account(account_id), before),
            lambda work, names: work.charges(posting_keys=(key, "k1")),
            lambda work, names: work.charges(document_id=names.document(account_id)),
            lambda work, names: work.charges(account_id=names.account(account_id)),
            lambda work, names: work.documents(names.account(account_id)),
            lambda work, names: work.calls(CallStatus.RATED),
            lambda work, names: dict(work.flows(names.account(account_id))),
            lambda work, names: work.wallet(names.account(account_id)),
            lambda work, names: dict(work.used(names.account(account_id), START.date(), before.date())),
            lambda work, names: dict(work.used(names.account(account_id), START.date(), LAST)),
            lambda work, names: work.find_hold("h1"),
            lambda work, names: work.holds(),
            lambda work, names: work.holds(lapsed_at=before),
            lambda work, names: work.look(
                keys=["h1", "h2", f"call:s1:{leg}"], numbers=[number, "one"], endpoints=[(EndpointKind.ADDRESS, number)]
            ),
        ]
        for command in looks:
            self.both(command)


ANYBODY = Account(number="x", kind=Kind.ADMIN, currency="USD")


def check_alike(make: Callable[[], TwoStorages], examples: int) -> None:
    run(
        make,  # type: ignore[arg-type]  # what makes a machine will do
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


def test_the_machine_agrees_with_itself() -> None:
    """Memory does what memory does; otherwise the machine would be wrong."""
    check_alike(partial(TwoStorages, "memory://"), 20)


def test_the_same_commands_do_the_same_in_memory_and_in_sqlite() -> None:
    check_alike(partial(TwoStorages, "sqlite://"), 30)


@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_the_same_commands_do_the_same_in_memory_and_on_a_server(server: str, request: pytest.FixtureRequest) -> None:
    url: str = request.getfixturevalue(f"{server}_url")
    check_alike(lambda: TwoStorages(wipe(url)), 8)
