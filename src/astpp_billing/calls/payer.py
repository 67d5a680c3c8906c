"""Who pays for a call, and whether they can: what settling and authorising both check before they look for a price."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from attrs import frozen

from astpp_billing.hierarchy import Account, EndpointKind, Kind, Path, Status, walk_up

Endpoints = Mapping[tuple[EndpointKind, str], int]
"""The ids of the accounts for which users and addresses stand."""


class Call(Protocol):
    """What names the parties of a call: a call record, or an attempt."""

    @property
    def account(self) -> str | None:
        """The payer's account number."""
        ...

    @property
    def user(self) -> str | None:
        """The SIP user that stands for the payer."""
        ...

    @property
    def address(self) -> str | None:
        """The network address that stands for the payer."""
        ...

    @property
    def number(self) -> str:
        """The number that is called."""
        ...

    @property
    def provider(self) -> str | None:
        """The carrier's account number, where it is known."""
        ...


class UnpayableReason(StrEnum):
    """Why nobody can pay for a call, whatever its price."""

    UNKNOWN_ACCOUNT = "unknown account"
    ACCOUNT_CLOSED = "account closed"
    BAD_NUMBER = "not a phone number"


@frozen
class Unpayable:
    """A call that nobody can pay for; `account` is the one on the path that is at fault, where there is one."""

    reason: UnpayableReason
    detail: str
    account: Account | None = None


@frozen
class Parties:
    """Who takes part in a call: the buyer and all above it, and the carrier where the call names one."""

    path: Path
    carrier: Account | None = None


def party_numbers(call: Call) -> tuple[str, ...]:
    """The numbers of accounts that a call names."""
    return tuple(number for number in (call.account, call.provider) if number is not None)


def payer_endpoints(call: Call) -> tuple[tuple[EndpointKind, str], ...]:
    """What stands for the payer of a call that names no account, in the order in which it is asked for."""
    if call.account is not None:
        return ()
    stands = ((EndpointKind.USER, call.user), (EndpointKind.ADDRESS, call.address))
    return tuple((kind, value) for kind, value in stands if value is not None)


class Directory:
    """The accounts that calls may name, with all above them, and what stands for them."""

    def __init__(self, accounts: Mapping[int, Account], stands_for: Endpoints) -> None:
        self._accounts = accounts
        self._by_number = {account.number: account for account in accounts.values()}
        self._stands_for = stands_for

    def buyer(self, call: Call) -> Account | Unpayable:
        """Who pays: the account that the call names, else the one that its user or address stands for."""
        buyer = self._named(call)
        if isinstance(buyer, Account) and buyer.kind is Kind.PROVIDER:
            detail = f"account {buyer.number} is a provider, which pays for no calls"
            return Unpayable(UnpayableReason.UNKNOWN_ACCOUNT, detail, buyer)
        return buyer

    def _named(self, call: Call) -> Account | Unpayable:
        unknown = UnpayableReason.UNKNOWN_ACCOUNT
        if call.account is not None:
            named = self._by_number.get(call.account)
            return named or Unpayable(unknown, f"no account has the number {call.account!r}")
        for endpoint in payer_endpoints(call):
            account_id = self._stands_for.get(endpoint)
            if account_id is not None:
                return self._accounts[account_id]
        detail = f"neither the user {call.user!r} nor the address {call.address!r} belongs to an account"
        return Unpayable(unknown, detail)

    def parties(self, call: Call, buyer: Account) -> Parties | Unpayable:
        """Who takes part in a call by `buyer`: all of them open, the number one that can be called."""
        path = walk_up(self._accounts, buyer.id)
        for account in path:
            if account.status is Status.CLOSED:
                return Unpayable(UnpayableReason.ACCOUNT_CLOSED, f"account {account.number} is closed", account)
        if not (call.number.isascii() and call.number.isdigit()):
            return Unpayable(UnpayableReason.BAD_NUMBER, f"not a phone number: {call.number!r}")
        if call.provider is None:
            return Parties(path)
        carrier = self._by_number.get(call.provider)
        if carrier is None or carrier.kind is not Kind.PROVIDER:
            return Unpayable(UnpayableReason.UNKNOWN_ACCOUNT, f"no provider has the number {call.provider!r}")
        return Parties(path, carrier)
