"""Who pays whom for a call, how much and why: from the price of a call, or from what was posted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from astpp_billing import Billing
from astpp_billing.calls import CallEntry
from astpp_billing.cli.tables import Row, printable
from astpp_billing.errors import NotFound
from astpp_billing.ledger import Book, Charge, Posting
from astpp_billing.money import Money, plain
from astpp_billing.pricing import Commission, Level, PricedCall
from astpp_billing.pricing.explain import explain_level


@frozen
class Payment:
    """One payment of a call: `what` is charge, commission or termination, `why` how the amount came about."""

    payer: str
    payee: str
    what: str
    amount: Money
    why: str = ""

    def row(self) -> Row:
        """The payment as data."""
        return {
            "payer": self.payer,
            "payee": self.payee,
            "what": self.what,
            "amount": self.amount,
            "why": self.why.splitlines(),
        }


_BOOKS = {
    (Book.WALLET, Book.REVENUE): "charge",
    (Book.COMMISSION, Book.WALLET): "commission",
    (Book.COST, Book.PAYABLE): "termination",
    (Book.WALLET, Book.TAX): "tax",
}


def of_price(call: PricedCall) -> tuple[Payment, ...]:
    """The payments of a priced call, the buyer's first; also those of nothing, which say why."""
    found = []
    for position, level in enumerate(call.levels):
        amount = Money.from_micros(level.amount_micros, level.currency)
        # a commission reseller that calls by itself has no buyer, and pays by its own list
        passes_on = position > 0 and level.payer.is_commission_reseller
        why = _passed_on(level) if passes_on else explain_level(level).text()
        found.append(Payment(level.payer.number, level.payee.number, "charge", amount, why))
    for position, share in enumerate(call.commissions):
        amount = Money.from_micros(share.amount_micros, share.receiver.currency)
        why = _commission_text(call, share, position)
        found.append(Payment(share.payer.number, share.receiver.number, "commission", amount, why))
    end = call.termination
    if end is not None:
        amount = Money.from_micros(end.amount_micros, end.currency)
        found.append(Payment(end.payer.number, end.payee.number, "termination", amount, explain_level(end).text()))
    return tuple(found)


def _passed_on(level: Level) -> str:
    it = explain_level(level)
    converted = it.text().splitlines()[-1:] if it.conversion.steps else ()
    return "\n".join((f"passes on its buyer's price, {Money(it.price, it.group.currency)}", *converted))


def _commission_text(call: PricedCall, share: Commission, position: int) -> str:
    source = share.terms.source
    conversion = share.terms.conversion
    if source is None:
        pool = Money.from_micros(call.shares[position - 1], conversion.base)
        of = f"the commission that {share.payer.number} is paid"
    else:
        pool = Money.from_micros(call.amounts[source], conversion.base)
        of = f"what {share.receiver.number} passes on"
    steps = ", ".join(f"1 {step.base} = {plain(step.rate)} {step.quote}" for step in conversion.steps)
    by = f", by {steps}" if steps else ""
    return f"{plain(share.receiver.commission_percent)} % of {of}, {pool}{by}"


def payments_of(billing: Billing, entry: CallEntry, numbers: Mapping[int, str]) -> tuple[Payment, ...]:
    """The payments that were posted for a call; none for one that is not rated, or that costs nothing on any level."""
    try:
        posting = billing.ledger.posting(entry.key)
    except NotFound:
        return ()
    return of_posting(posting, billing.calls.charges(entry), numbers)


def of_posting(posting: Posting, charges: Sequence[Charge], numbers: Mapping[int, str]) -> tuple[Payment, ...]:
    """The payments that were posted for a call, with the explanations that were kept with its charges."""
    why = {charge.account_id: charge.detail for charge in charges}
    found = []
    for one in posting.transfers:
        what = _BOOKS.get((one.source.book, one.target.book))
        if what is not None:
            payer, payee = one.source.account_id, one.target.account_id
            reason = why.get(payer, "") if what == "charge" else ""
            amount = Money.from_micros(one.micros, one.source.currency)
            found.append(Payment(numbers[payer], numbers[payee], what, amount, reason))
    return tuple(found)


def payment_lines(payment: Payment, indent: str = "    ") -> Iterator[str]:
    """A payment as text: one line of who and how much, below it why."""
    who = f"{payment.payer} pays {payment.payee}"
    what = "" if payment.what == "charge" else f" ({payment.what})"
    yield printable(f"{who}{what}: {payment.amount}")
    for line in payment.why.splitlines():
        yield printable(f"{indent}{line}")
