"""What accounts were charged, and what has given it back: a refund, or a correction."""

from __future__ import annotations

from collections.abc import Iterable

from astpp_billing.cli.app import App
from astpp_billing.cli.tables import Row
from astpp_billing.ledger import Charge
from astpp_billing.money import Money
from astpp_billing.services.corrections import Correction


def charged_of(charges: Iterable[Charge]) -> dict[int, Money]:
    """What each account was charged, by its id."""
    sums: dict[int, Money] = {}
    for charge in charges:
        sums[charge.account_id] = sums.get(charge.account_id, Money.zero(charge.currency)) + charge.amount
    return sums


def correction_row(app: App, found: Correction) -> Row:
    """The posting, what each account got back (without tax), and the credit notes; the buyer's first."""
    numbers = app.numbers()
    back = {account_id: -amount for account_id, amount in charged_of(found.charges).items()}
    posting = found.posting
    return {
        "key": posting.key,
        "corrects": posting.corrects,
        "part": None if posting.share is None else str(posting.share),
        "at": posting.at,
        "reason": posting.note,
        "repeated": found.repeated,
        "refunded": [{"number": numbers[account_id], "amount": amount} for account_id, amount in back.items()],
        "credit_notes": [{"number": it.number, "buyer": it.buyer_number, "total": it.total} for it in found.documents],
    }
