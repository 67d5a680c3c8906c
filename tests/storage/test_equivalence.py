"""SQL does what memory does: the same commands, one after the other, on both."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from attrs import evolve, has
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from astpp_billing.calls import CallStatus
from astpp_billing.errors import BillingError
from astpp_billing.fx import ExchangeRate
from astpp_billing.hierarchy import Account, Endpoint, EndpointKind, Kind, ResellerModel
from astpp_billing.invoicing import DocumentKind, InvoiceConfig, Tax
from astpp_billing.ledger import MATERIALISED, Book, LedgerAccount, Transfer
from astpp_billing.money import MAX_MICROS
from astpp_billing.ports import Storage, UnitOfWork
from astpp_billing.pricing import RateGroup
from astpp_billing.storage import open_storage
from astpp_billing.testing.storage_contract import everything
from astpp_billing.testing.storage_contract.base import call, charge, document, posting

START = datetime(2025, 3, 1, tzinfo=UTC)

# few values, so that they meet; ids go beyond what there is, so that some refer to nothing
ids = st.integers(1, 7)
numbers = st.sampled_from(["admin", "4711", "Ünï", "🦊", "A", "a"])
keys = st.sampled_from(["k1", "k2", "k3", "k4", "K1"])
legs = st.sampled_from(["a", "b", "c", "B"])
names = st.sampled_from(["retail", "Retail", "own"])
texts = st.text(st.characters(codec="utf-8"), max_size=12)
instants = st.integers(0, 6).map(lambda steps: START + timedelta(microseconds=steps))
currencies = st.sampled_from(["USD", "EUR"])
books = st.builds(LedgerAccount, ids, st.sampled_from(Book), currencies)
amounts = st.one_of(st.integers(1, 5), st.sampled_from([10**6, 10**12, MAX_MICROS - 1, MAX_MICROS]))
pairs = st.tuples(books, books, currencies).filter(lambda pair: pair[0].book != pair[1].book)
transfers = st.builds(
    lambda pair, micros: Transfer(evolve(pair[0], currency=pair[2]), evolve(pair[1], currency=pair[2]), micros),
    pairs,
    amounts,
)
rows = st.lists(st.tuples(st.sampled_from(["1", "12", "2", "48"]), texts, st.sampled_from(["0.01", "1.50", "0"])))

Command = Callable[[UnitOfWork], object]


def outcome(do: Callable[[], object]) -> object:
    """What a command gives: a value, or the type of its error."""
    try:
        result = do()
    except BillingError as error:
        return type(error)
    return list(result) if isinstance(result, list | tuple) and not has(type(result)) else result


class TwoStorages(RuleBasedStateMachine):
    """Transactions on both storages; some are undone at their end."""

    def __init__(self) -> None:
        super().__init__()
        self.storages: list[Storage] = [open_storage("memory://"), open_storage("sqlite://")]
        self.transactions: list[Any] = []
        self.works: list[UnitOfWork] = []

    @initialize()
    def begin_with_a_tree(self) -> None:
        self.begin()
        self.both(lambda work: work.add_account(Account(number="admin", kind=Kind.ADMIN, currency="USD")))
        for number in ("one", "two"):
            self.add_account(number, Kind.CUSTOMER, 1, "", None)
        self.commit()

    def teardown(self) -> None:
        try:
            self.commit()
            self.begin()
            seen = [everything(work) for work in self.works]
            self.commit()
            assert seen[0] == seen[1]
        finally:
            for storage in self.storages:
                storage.close()

    # transactions

    def begin(self) -> None:
        if not self.works:
            self.transactions = [storage.begin() for storage in self.storages]
            self.works = [transaction.__enter__() for transaction in self.transactions]

    def both(self, command: Command) -> object:
        self.begin()
        results = [outcome(partial(command, work)) for work in self.works]
        assert results[0] == results[1]
        return results[0]

    @rule()
    def commit(self) -> None:
        for transaction in self.transactions:
            transaction.__exit__(None, None, None)
        self.transactions, self.works = [], []

    @rule()
    @precondition(lambda self: self.works)
    def undo(self) -> None:
        for transaction in self.transactions:
            error = ZeroDivisionError("on purpose")
            with suppress(ZeroDivisionError):
                transaction.__exit__(type(error), error, None)
        self.transactions, self.works = [], []

    # commands

    @rule(
        number=numbers,
        kind=st.sampled_from([Kind.ADMIN, Kind.RESELLER, Kind.CUSTOMER, Kind.PROVIDER]),
        parent=ids,
        name=texts,
        group=st.none() | texts,
    )
    def add_account(self, number: str, kind: Kind, parent: int, name: str, group: str | None) -> None:
        account = Account(
            number=number,
            kind=kind,
            parent_id=parent if kind in (Kind.RESELLER, Kind.CUSTOMER) else None,
            model=ResellerModel.DISTRIBUTOR if kind is Kind.RESELLER else None,
            currency="USD",
            name=name,
            rate_group=group,
        )
        self.both(lambda work: work.add_account(account))

    @rule(number=numbers, account_id=ids, parent=ids)
    def move(self, number: str, account_id: int, parent: int) -> None:
        account = Account(
            id=account_id,
            number=number,
            kind=Kind.RESELLER,
            model=ResellerModel.DISTRIBUTOR,
            parent_id=parent if parent != account_id else parent + 1,
            currency="EUR",
        )
        self.both(lambda work: work.update_account(account))

    @rule(kind=st.sampled_from(EndpointKind), value=numbers, account_id=ids)
    def add_endpoint(self, kind: EndpointKind, value: str, account_id: int) -> None:
        self.both(lambda work: work.add_endpoint(Endpoint(kind, value, account_id)))

    @rule(account_id=ids, note=texts, tax=st.none() | st.decimals(0, 100, places=3))
    def save_invoice_config(self, account_id: int, note: str, tax: Decimal | None) -> None:
        config = InvoiceConfig(
            account_id=account_id, company="Acme", note=note, tax=None if tax is None else Tax("VAT", tax)
        )
        self.both(lambda work: work.save_invoice_config(config))

    @rule(account_id=ids, instant=instants)
    def set_billed_until(self, account_id: int, instant: datetime) -> None:
        self.both(lambda work: work.set_billed_until(account_id, instant))

    @rule(name=names, owner=ids, currency=currencies)
    def add_rate_group(self, name: str, owner: int, currency: str) -> None:
        self.both(lambda work: work.add_rate_group(RateGroup(name=name, owner_id=owner, currency=currency)))

    @rule(name=names, rows=rows, valid_from=st.none() | instants)
    def import_rates(self, name: str, rows: list[tuple[str, str, str]], valid_from: datetime | None) -> None:
        whole = [(prefix, destination, price, "0", 0, None, 6) for prefix, destination, price in rows]
        self.both(lambda work: work.import_rates(name, whole, valid_from))

    @rule(pair=st.permutations(["EUR", "USD", "GBP"]), rate=st.sampled_from(["0.5", "2"]), instant=instants)
    def add_exchange_rate(self, pair: list[str], rate: str, instant: datetime) -> None:
        self.both(lambda work: work.add_exchange_rate(ExchangeRate(pair[0], pair[1], Decimal(rate), instant)))

    @rule(key=keys, transfers=st.lists(transfers, max_size=4), at=instants)
    def add_posting(self, key: str, transfers: list[Transfer], at: datetime) -> None:
        self.both(lambda work: work.add_posting(posting(key, *transfers, at=at)))

    @rule(leg=legs, status=st.sampled_from(CallStatus), start=instants, account_id=st.none() | ids, detail=texts)
    def save_call(self, leg: str, status: CallStatus, start: datetime, account_id: int | None, detail: str) -> None:
        self.both(lambda work: work.save_call(call(leg, status, start, account_id=account_id, detail=detail)))

    @rule(new=st.lists(st.tuples(ids, keys, amounts, instants), max_size=4))
    def add_charges(self, new: list[tuple[int, str, int, datetime]]) -> None:
        account = Account(number="x", kind=Kind.ADMIN, currency="USD")
        made = [charge(evolve(account, id=each[0]), each[1], each[2], at=each[3]) for each in new]
        self.both(lambda work: work.add_charges(made))

    @rule(buyer=ids, issuer=ids, kind=st.sampled_from(DocumentKind))
    def take_number(self, buyer: int, issuer: int, kind: DocumentKind) -> None:
        self.both(lambda work: work.take_number(issuer, kind))

    @rule(
        buyer=ids, issuer=ids, number=st.sampled_from("123"), charges=st.lists(ids, max_size=3), lines=st.integers(0, 3)
    )
    def add_document(self, buyer: int, issuer: int, number: str, charges: list[int], lines: int) -> None:
        account = Account(id=buyer, number="x", kind=Kind.CUSTOMER, parent_id=8 if buyer != 8 else 9, currency="USD")
        new = evolve(document(account, number, lines), issuer_id=issuer, seller_id=1)
        self.both(lambda work: work.add_document(new, charges))

    @rule(account_id=ids)
    def bill_what_is_unbilled(self, account_id: int) -> None:
        found = self.both(lambda work: work.unbilled(account_id, START + timedelta(microseconds=4)))
        assert isinstance(found, list)
        self.add_document(account_id, 1, f"all {account_id}", [each.id for each in found], 1)

    # looking

    @rule(account_id=ids, number=numbers, key=keys, leg=legs, name=names, before=instants)
    def look(self, account_id: int, number: str, key: str, leg: str, name: str, before: datetime) -> None:
        looks: list[Command] = [
            lambda work: work.account(account_id),
            lambda work: work.find_account(number),
            lambda work: work.path(account_id),
            lambda work: work.billed_until(account_id),
            lambda work: work.find_invoice_config(account_id),
            lambda work: work.find_endpoint(EndpointKind.USER, number),
            lambda work: work.find_posting(key),
            lambda work: work.find_call(f"call:s1:{leg}"),
            lambda work: work.rates(name),
            lambda work: work.unbilled(account_id, before),
            lambda work: work.charges(posting_key=key),
            lambda work: work.charges(document_id=account_id),
            lambda work: work.charges(account_id=account_id),
            lambda work: work.documents(account_id),
            lambda work: work.calls(CallStatus.RATED),
            lambda work: dict(work.flows(account_id)),
        ]
        for command in looks:
            self.both(command)

    @invariant()
    def the_balances_are_proved(self) -> None:
        for work in self.works:
            proved = work.proved_balances()
            assert sum(proved.values()) == 0
            assert {book: micros for book, micros in proved.items() if book.book in MATERIALISED} == work.balances()


def test_the_same_commands_do_the_same_in_memory_and_in_sql() -> None:
    run_state_machine_as_test(
        TwoStorages,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
