"""Short ways to authorise calls."""

from typing import Any

from attrs import evolve
from tests.services.books import of_kind

from astpp_billing.billing import Billing
from astpp_billing.calls import Approved, CallAttempt, CallRecord, Refused
from astpp_billing.hierarchy import Account
from astpp_billing.ledger import Wallet
from astpp_billing.money import Exact, Money
from astpp_billing.testing.worlds import Chain


def attempt(record: CallRecord, **fields: Any) -> CallAttempt:
    """The attempt of the call that the record will be of."""
    made = CallAttempt(
        switch_id=record.switch_id,
        leg_uuid=record.leg_uuid,
        number=record.number,
        account=record.account,
        user=record.user,
        address=record.address,
        provider=record.provider,
    )
    return evolve(made, **fields)


def fund(billing: Billing, shop: Chain, *amounts: Exact) -> None:
    """Give amounts to the customer, its parent, and so on; the last one to all that are left."""
    for index, account in enumerate(shop.path[:-1]):
        amount = Money(amounts[min(index, len(amounts) - 1)], account.currency)
        if amount:
            billing.ledger.refill(account, amount, key=f"{account.number} {amount}")


def approved(billing: Billing, wanted: CallAttempt) -> Approved:
    return of_kind(Approved, billing.calls.authorize(wanted))


def refused(billing: Billing, wanted: CallAttempt) -> Refused:
    return of_kind(Refused, billing.calls.authorize(wanted))


def extended(billing: Billing, key: str, seconds: int) -> Approved:
    return of_kind(Approved, billing.calls.extend(key, seconds))


def not_extended(billing: Billing, key: str, seconds: int) -> Refused:
    return of_kind(Refused, billing.calls.extend(key, seconds))


def wallet(billing: Billing, account: Account) -> Wallet:
    with billing.storage.snapshot() as uow:
        return uow.wallet(account.id)


def wallets(billing: Billing) -> list[Wallet]:
    return [wallet(billing, account) for account in billing.accounts.all()]


def held(billing: Billing, shop: Chain) -> list[int]:
    """What is held in the wallets of the customer, its parent, and so on, without the admin's."""
    return [wallet(billing, account).held_micros for account in shop.path[:-1]]


def held_by(result: Approved) -> list[int]:
    """What the hold of an approved call reserves, of the customer, its parent, and so on."""
    return [level.micros for level in result.levels]
