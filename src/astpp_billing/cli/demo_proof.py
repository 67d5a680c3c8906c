"""The chapter of the demo that adds everything up: profits, the identity of each currency, and the ledger's proof."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from astpp_billing import Billing, Money
from astpp_billing.cli.demo_world import BILLING_DAY, REFILL, World
from astpp_billing.cli.ledger import proof_text
from astpp_billing.cli.story import Story
from astpp_billing.cli.tables import Row
from astpp_billing.fx import ExchangeRates
from astpp_billing.ledger import Book, LedgerAccount

Profits = Mapping[str, Mapping[str, Money]]
"""What each seller earned, by its number and the currency."""


def prove(billing: Billing, story: Story, world: World) -> Row:
    """Add up, from the ledger alone, and tell; returns the sums as data."""
    profits: Profits = {seller.number: billing.ledger.profits(seller) for seller in world.sellers}
    story.chapter("What is left")
    rates = ExchangeRates(billing.prices.exchange_rates())
    rows: list[Row] = [
        {
            "account": seller.number,
            "name": seller.name,
            "profit": [amount for _, amount in sorted(profits[seller.number].items())],
            "about": _in_one(rates, profits[seller.number].values()),
        }
        for seller in world.sellers
    ]
    story.table(rows, {"account": "Account", "name": "Name", "profit": "Profit", "about": "Converted"})
    story.text(
        "Europe Voice loses on calls to 7771: as chapter 4 shows, Acme's list takes 0.05 USD for each connection, and "
        "its own list nothing."
    )
    identity = _identity(billing, world, profits)
    story.gap()
    story.text("What the customers paid is what the carrier got and all profits together, to the last digit:")
    columns = {"customers": "Customers paid", "carrier": "Carrier got", "profits": "Profits", "rest": "Difference"}
    story.table(identity, {"currency": "", **columns})
    wallets = _wallets(billing, world)
    story.gap()
    story.text("In each wallet is what came in (a refill, a commission), less what its documents have billed:")
    columns = {"came": "Came in", "billed": "Billed", "wallet": "Wallet", "rest": "Difference"}
    story.table(wallets, {"account": "Account", **columns})
    story.gap()
    story.text("Every posting takes from one book what it puts into another, so all books together hold nothing:")
    story.table(_books(billing), {"currency": "", "books": "Books", "sum": "Sum"})
    proof = billing.ledger.reconcile()
    story.text(f"Each balance, charge and document proved by itself: {proof_text(proof)}.")
    return {
        "profits": {number: list(bag.values()) for number, bag in profits.items()},
        "identity": identity,
        "wallets": wallets,
        "agrees": proof.agrees,
    }


def _in_one(rates: ExchangeRates, amounts: Iterable[Money]) -> Money:
    return Money.total((rates.convert(amount, "USD", BILLING_DAY) for amount in amounts), "USD")


def _identity(billing: Billing, world: World, profits: Profits) -> list[Row]:
    paid: Counter[str] = Counter()
    for customer in (world.prepaid, world.postpaid):
        for currency, amount in billing.ledger.profits(customer).items():
            paid[currency] -= amount.micros
    got: Counter[str] = Counter()
    for book, balance in billing.ledger.books().items():
        if book.book is Book.PAYABLE and book.account_id == world.provider.id:
            got[book.currency] += balance.micros
    earned: Counter[str] = Counter()
    for bag in profits.values():
        for currency, amount in bag.items():
            earned[currency] += amount.micros
    return [
        {
            "currency": currency,
            "customers": Money.from_micros(paid[currency], currency),
            "carrier": Money.from_micros(got[currency], currency),
            "profits": Money.from_micros(earned[currency], currency),
            "rest": Money.from_micros(paid[currency] - got[currency] - earned[currency], currency),
        }
        for currency in sorted({*paid, *got, *earned})
    ]


def _wallets(billing: Billing, world: World) -> list[Row]:
    paid = LedgerAccount(world.europe.id, Book.COMMISSION, world.agent.currency)
    commission = -billing.ledger.books()[paid]
    rows: list[Row] = []
    for account in (world.europe, world.agent, world.city, world.prepaid, world.postpaid):
        nothing = Money.zero(account.currency)
        came = {world.prepaid: REFILL, world.agent: commission}.get(account, nothing)
        billed = Money.total((it.total for it in billing.documents.documents(account)), account.currency)
        wallet = billing.ledger.balance(account)
        sums = {"came": came, "billed": billed, "wallet": wallet, "rest": came - billed - wallet}
        rows.append({"account": account.number, **sums})
    return rows


def _books(billing: Billing) -> list[Row]:
    sums: dict[str, Money] = {}
    count: Counter[str] = Counter()
    for book, balance in billing.ledger.books().items():
        sums[book.currency] = sums.get(book.currency, Money.zero(book.currency)) + balance
        count[book.currency] += 1
    return [{"currency": code, "books": count[code], "sum": sums[code]} for code in sorted(sums)]
