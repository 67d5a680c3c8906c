"""All that a storage has of a business, in words that mean the same on every storage: what the machine compares."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from attrs import asdict, evolve, fields
from tests.property.commerce import LEGS
from tests.storage.twins import renamed

from astpp_billing.billing import Billing
from astpp_billing.calls import Approved
from astpp_billing.calls import admission as calls_admission
from astpp_billing.invoicing import Document
from astpp_billing.ledger import Charge, Hold, Order, Posting
from astpp_billing.ledger.hold import HeldMinutes
from astpp_billing.ledger.vouchers import Voucher, VoucherBatch
from astpp_billing.pricing import Agreement
from astpp_billing.pricing.allowances import Grant, MinutesUsed
from astpp_billing.pricing.subscriptions import Plan, Subscription
from astpp_billing.services.corrections import Correction
from astpp_billing.services.minutes import source_of
from astpp_billing.services.orders import Purchased
from astpp_billing.services.renewing import Ended, Failed, NotRenewed, Released, Renewed
from astpp_billing.services.subscriptions import Reminder
from astpp_billing.services.vouchers import NewCards
from astpp_billing.testing.worlds import call

Stored = dict[str, Any]

LEG_KEYS = [call(leg=str(leg)).key for leg in range(LEGS)]


def stored_of(billing: Billing, key: str | None = None, before: Stored | None = None) -> Stored:
    """All that a storage has, as far as the machine can have put it there; with the ids it has there.

    Of commands, that of `key`, and what was stored of others `before`: they never change.
    """
    with billing.storage.snapshot() as uow:
        accounts = uow.accounts()
        seen = uow.look(keys=LEG_KEYS, numbers=[account.number for account in accounts])
        ids = [account.id for account in accounts]
        command, commands = uow.find_command(key) if key else None, before["commands"] if before else {}
        products, orders, batches = uow.products(), uow.orders(), uow.voucher_batches()
        return {
            "accounts": accounts,
            "wallets": seen.wallets,
            "billed_until": [uow.billed_until(one) for one in ids],
            "configs": seen.configs,
            "groups": uow.rate_groups(),
            "products": products,
            "versions": uow.product_versions([product.id for product in products]),
            "listings": uow.listings(),
            "used": [uow.used(one, date(1970, 1, 1), date(2100, 1, 1)) for one in ids],
            "balances": uow.balances(),
            "proved": uow.proved_balances(),
            "calls": uow.calls(),
            "charges": uow.charges(),
            "documents": uow.documents(),
            "postings": sorted(uow.postings(), key=lambda posting: posting.key),
            "open": uow.holds(),
            "orders": orders,
            "subscriptions": uow.subscriptions(),
            "grants": [grant for one in sorted({order.buyer_id for order in orders}) for grant in uow.grants(one)],
            "minutes": uow.minutes_used(),
            "batches": batches,
            "cards": [card for batch in batches for card in uow.vouchers(batch.id)],
            "holds": seen.holds,
            "commands": commands if command is None else commands | {key: command.at},
        }


RENEWAL_KEY = re.compile("((?:correction:|unused:)*renewal:)([0-9]+)(:.*)")
"""The key of what is posted for a renewal, and takes it back, which has its subscription's id in it."""


class Places:
    """The places that things have among all of their kind, which are their ids where storages are compared."""

    def __init__(self, stored: Stored) -> None:
        self._accounts = _places(stored["accounts"])
        self._documents = _places(stored["documents"])
        self._products = _places(stored["products"])
        self._orders = _places(stored["orders"])
        self._subscriptions = _places(stored["subscriptions"])
        self._grants = _places(stored["grants"])
        self._batches = _places(stored["batches"])

    def here(self, value: Any) -> Any:
        """A value in which each id is a place; texts that have ids in them are values, and digests of them are gone."""
        return renamed(
            self._plain(value),
            lambda one: self._accounts.get(one, -1),
            lambda one: self._documents.get(one, -1),
            lambda one: self._products.get(one, -1),
        )

    def _plain(self, value: Any) -> Any:
        """What `renamed` does not know of."""
        match value:
            case list() | tuple():
                return [self._plain(each) for each in value] if type(value) in (list, tuple) else value
            case dict():
                return {key: self._plain(each) for key, each in value.items()}
            case Posting():
                corrects = None if value.corrects is None else self._key(value.corrects)
                return evolve(value, key=self._key(value.key), fingerprint="", corrects=corrects)
            case Charge():
                key = self._key(value.posting_key)
                return value if key is value.posting_key else evolve(value, posting_key=key)
            case Document(corrects_id=int(corrects_id)):
                return evolve(value, corrects_id=self._documents[corrects_id])
            case Hold():
                terms: Any = calls_admission.Agreement.read(value.terms)  # to be compared only
                return evolve(value, terms=terms, minutes=tuple(map(self._plain, value.minutes)))
            case HeldMinutes() | MinutesUsed():
                return evolve(value, grant_id=self._grants[value.grant_id])
            case _:
                return self._of_sales(value)

    def _of_sales(self, value: Any) -> Any:
        match value:
            case Order():
                return evolve(value, id=self._orders[value.id])
            case Subscription():
                return evolve(
                    value,
                    id=self._subscriptions[value.id],
                    order_id=self._orders[value.order_id],
                    agreement=_agreement(value),
                    next_plan=self._plain(value.next_plan),
                )
            case Plan():
                return evolve(value, agreement=_agreement(value))
            case Grant():
                sources = {source_of(one): source_of(place) for one, place in self._orders.items()}
                return asdict(value, recurse=False) | {
                    "id": self._grants[value.id],
                    "account_id": self._accounts[value.account_id],
                    "source": sources[value.source],
                    "levels": [self._accounts[one] for one in value.levels],
                }
            case VoucherBatch():
                return evolve(value, id=self._batches[value.id])
            case Voucher():
                return evolve(value, batch_id=self._batches[value.batch_id])
            case NewCards():
                return evolve(value, batch=self._plain(value.batch), codes=("some code",) * len(value.codes))
            case Failed():
                return [self._plain(value.subscription), type(value.error)]
            case Approved() | Purchased() | Correction() | Renewed() | Ended() | Released() | NotRenewed() | Reminder():
                changes = {each.name: self._plain(getattr(value, each.name)) for each in fields(type(value))}
                return evolve(value, **changes)
            case _:
                return value

    def _key(self, key: str) -> str:
        found = RENEWAL_KEY.fullmatch(key)
        return key if found is None else f"{found[1]}{self._subscriptions[int(found[2])]}{found[3]}"

    def key_there(self, key: str) -> str:
        """The key that a posting has on the storage, by the one that it has where storages are compared."""
        found = RENEWAL_KEY.fullmatch(key)
        ids = {place: one for one, place in self._subscriptions.items()}
        return key if found is None else f"{found[1]}{ids[int(found[2])]}{found[3]}"


def _places(things: Iterable[Any]) -> dict[int, int]:
    return {one.id: place for place, one in enumerate(things, 1)}


def _agreement(value: Subscription | Plan) -> Any:
    return Agreement.from_json(value.agreement)


def compared(stored: Stored) -> Stored:
    """All that is stored, as it can be compared with another storage."""
    here: Stored = Places(stored).here(stored)
    here["postings"].sort(key=lambda posting: posting.key)
    return here


def assert_same(one: Stored, other: Stored) -> None:
    """One kind of thing after the other, so that a failure shows which."""
    for name in one:
        assert one[name] == other[name], name


def check_books(stored: Stored) -> None:
    """All books together have nothing, in each currency; what is held is what open holds reserve."""
    sums: dict[str, int] = {}
    for account, micros in stored["proved"].items():
        sums[account.currency] = sums.get(account.currency, 0) + micros
    assert set(sums.values()) <= {0}
    held = dict.fromkeys(stored["wallets"], 0)
    for level in (level for hold in stored["open"] for level in hold.levels):
        held[level.account_id] += level.micros
    assert {account_id: wallet.held_micros for account_id, wallet in stored["wallets"].items()} == held
