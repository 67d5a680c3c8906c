"""What a priced call moves between the books of a path, and what stands on documents because of it."""

from __future__ import annotations

from collections.abc import Mapping

from astpp_billing.calls.record import CallRecord
from astpp_billing.ledger import Book, Charge, LedgerAccount, Transfer
from astpp_billing.pricing import LevelTerms, PathTerms, PricedCall

_NO_DOCUMENTS: Mapping[int, int] = {}


class PathBooks:
    """The ledger accounts between which the calls on one path move money, each made once.

    `terms` are those of any call on the path; who pays whom, and in which currency, is the same for all of them.
    """

    __slots__ = ("_commissions", "_levels", "_termination")

    def __init__(self, terms: PathTerms) -> None:
        self._levels = [
            _pair(level.payer.id, Book.WALLET, level.payee.id, Book.REVENUE, level) for level in terms.levels
        ]
        self._commissions = [
            (
                LedgerAccount(share.payer.id, Book.COMMISSION, share.receiver.currency),
                LedgerAccount(share.receiver.id, Book.WALLET, share.receiver.currency),
            )
            for share in terms.commissions
        ]
        self._termination: tuple[LedgerAccount, LedgerAccount] | None = None

    def transfers(self, call: PricedCall) -> list[Transfer]:
        """Everything that moves because of a call: what each level pays, each commission, and the provider's cost."""
        amounts = call.amounts
        moved = [Transfer(*pair, micros) for pair, micros in zip(self._levels, amounts, strict=False) if micros]
        moved += [
            Transfer(*pair, micros) for pair, micros in zip(self._commissions, call.shares, strict=True) if micros
        ]
        end = call.terms.termination
        if end is not None and amounts[-1]:
            if self._termination is None:  # not every number on a path is one that the provider knows
                self._termination = _pair(end.payer.id, Book.COST, end.payee.id, Book.PAYABLE, end)
            moved.append(Transfer(*self._termination, amounts[-1]))
        return moved


def _pair(payer: int, source: Book, payee: int, target: Book, terms: LevelTerms) -> tuple[LedgerAccount, LedgerAccount]:
    currency = terms.conversion.quote
    return LedgerAccount(payer, source, currency), LedgerAccount(payee, target, currency)


def call_charges(record: CallRecord, call: PricedCall, documents: Mapping[int, int] = _NO_DOCUMENTS) -> list[Charge]:
    """What stands on each payer's document: one charge for every level that costs something; the buyer first.

    `documents` are the ids of those that are issued at once, by the account that they go to. The transfers of these
    levels are the first ones of the call's posting, in the same order, as `Charge.position` says. Seconds that included
    minutes cover are not charged, and the detail tells how many.
    """
    key, at, number = record.key, record.started_at, record.number
    charges: list[Charge] = []
    for index, (terms, micros) in enumerate(zip(call.terms.levels, call.amounts, strict=False)):
        if micros:
            rate = terms.rate
            seconds = call.seconds_at(index)
            included = "" if seconds == call.seconds else f"{call.seconds - seconds} of {call.seconds} s are included\n"
            charges.append(
                Charge(
                    account_id=terms.payer.id,
                    posting_key=key,
                    position=len(charges) + 1,
                    at=at,
                    description=rate.destination or rate.prefix,
                    detail=included + terms.tariff.wording(rate).text(seconds, terms.conversion, micros),
                    number=number,
                    seconds=seconds,
                    micros=micros,
                    currency=terms.conversion.quote,
                    document_id=documents.get(terms.payer.id),
                )
            )
    return charges
