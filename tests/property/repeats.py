"""What a command gives that was done before under its key, and the same key with something else."""

from datetime import timedelta
from typing import Any

from attrs import evolve
from tests.property.commerce import Command
from tests.property.stored import Stored

from astpp_billing.calls import Approved, CallRecord, Refused, RefusedReason, Settled, Unrated
from astpp_billing.calls.admission import Agreement
from astpp_billing.ledger import Charge
from astpp_billing.services.corrections import Correction
from astpp_billing.services.orders import Purchased
from astpp_billing.services.vouchers import NewCards


def check_repeated(command: Command, result: Any, stored: Stored) -> None:
    """What was done before, and is done again, gives what was stored of it."""
    match command:
        case "settle", (CallRecord() as record,):
            check_settled(record, result, stored)
        case "authorize", (record,):
            hold = stored["holds"][record.key]
            if isinstance(result, Refused):
                assert result.reason is RefusedReason.ENDED
                assert hold not in stored["open"] or record.key in {each.key for each in stored["calls"]}
            else:
                assert result == Approved(Agreement.read(hold.terms).max_seconds, hold, repeated=True)
        case "purchase", _:
            check_purchased(result, stored)
        case (("correct" | "refund"), _):
            assert isinstance(result, Correction)
            assert result.repeated
            assert result.posting in stored["postings"]
            assert list(result.charges) == as_first_told(result.posting.key, stored)
            assert all(document in stored["documents"] for document in result.documents)
        case "generate", _:
            assert isinstance(result, NewCards)
            assert result.codes == ()  # they were given out before
            assert result.batch in stored["batches"]
        case (("tax" | "close_period"), _):
            assert not isinstance(result, type)
        case (("block" | "unblock"), _):
            assert result is None
        case name, _:
            kind = _KINDS.get(name, "accounts")
            assert all(one in stored[kind] for one in (result if isinstance(result, list) else [result]))


_KINDS = {
    **dict.fromkeys(("refill", "credit", "debit", "redeem"), "postings"),
    **dict.fromkeys(("cancel", "pause", "resume", "change_plan"), "subscriptions"),
    **dict.fromkeys(("opt_in", "change_listing", "opt_out"), "listings"),
    **dict.fromkeys(("create", "withdraw"), "products"),
    "change_product": "versions",
}
"""What is stored of what commands give; accounts of those that are not here."""


def check_settled(record: CallRecord, result: Any, stored: Stored) -> None:
    assert isinstance(result, Settled | Unrated)
    assert result.repeated
    assert [result.entry] == [each for each in stored["calls"] if each.key == record.key]
    if isinstance(result, Settled):
        assert list(result.charges) == [each for each in stored["charges"] if each.posting_key == record.key]


def check_purchased(result: Any, stored: Stored) -> None:
    assert isinstance(result, Purchased)
    assert result.repeated
    assert result.order in stored["orders"]
    assert list(result.charges) == as_first_told(result.order.posting_key, stored)


def as_first_told(posting_key: str, stored: Stored) -> list[Charge]:
    """The charges of a posting as its first result told them: what came on a document later waited for it then."""
    at_once = {document.id for document in stored["documents"] if document.period is None}
    return [
        each if each.document_id in at_once else evolve(each, document_id=None)
        for each in stored["charges"]
        if each.posting_key == posting_key
    ]


ANOTHER_KIND: Command = ("tax", ("chain-admin", "0.01"))
"""What is never done otherwise."""


def with_other_content(command: Command) -> Command:
    """A command of the same kind with something else in it."""
    match command:
        case ("settle" | "authorize") as name, (record,):
            return name, (evolve(record, number=record.number + "9"),)
        case ("refill" | "credit") as name, (number, micros, currency):
            return name, (number, micros + 1, currency)
        case "debit", (number, micros, currency, force):
            return "debit", (number, micros + 1, currency, force)
        case "correct", (posting_key, reason):
            return "correct", (posting_key, f"{reason}, or not")
        case "close_period", (after,):
            return "close_period", (after - timedelta(seconds=1),)
        case "move", (number, parent):
            return "move", (number, "chain-admin" if parent != "chain-admin" else "chain-provider")
        case "change", (number, changes):
            return "change", (number, changes | {"name": "Another"})
        case "close", _:
            return "close", ("chain-admin",)
        case "open", (parent, number):
            return "open", (parent, number + "x")
        case "tax", (number, _):
            return "tax", (number, "0.02")
        case _:
            return _other_sale(command)


def _other_sale(command: Command) -> Command:
    match command:
        case "purchase", (number, code, quantity):
            return "purchase", (number, code, quantity + 1)
        case "refund", (order_key, quantity):
            return "refund", (order_key, 1 if quantity is None else quantity + 1)
        case "create", (number, code, price):
            return "create", (number, code, f"1{price}")
        case "change_product", (code, terms, when):
            return "change_product", (code, terms | {"name": "Another"}, when)
        case "withdraw", (code,):
            return "withdraw", ("plan" if code == "box" else "box",)
        case ("opt_in" | "change_listing") as name, (number, code, terms, when):
            return name, (number, code, terms | {"can_resell": not terms.get("can_resell")}, when)
        case "opt_out", (number, code, when):
            return "opt_out", (number, code, 1 if when is None else when + 1)
        case "cancel", (place, when):
            return "cancel", (place, "at end" if when == "now" else "now")
        case ("pause" | "resume") as name, (place,):
            return "resume" if name == "pause" else "pause", (place,)
        case "change_plan", (place, code, at_once):
            return "change_plan", (place, "plan" if code == "line" else "line", at_once)
        case "generate", (number, micros, currency, count, *rest):
            return "generate", (number, micros, currency, count + 1, *rest)
        case "redeem", (number, place):
            return "redeem", ("chain-admin" if number != "chain-admin" else "chain-customer", place)
        case ("block" | "unblock") as name, (place, serial):
            return "unblock" if name == "block" else "block", (place, serial)
        case _:
            raise AssertionError(command)
