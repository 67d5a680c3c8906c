"""From charges to a document: lines, tax, rounding, and the transfers that keep wallet and documents agreed.

The rounding of documents is carried forward. A receipt for one call of 0.0014 EUR cannot bill 0.0014, and if every
such receipt were rounded by itself, a million calls would be free, or seven times too dear. So the buyer has a
`ROUNDING` ledger account of its own, whose balance R is what its documents have billed beyond the ledger so far
(negative: what they still owe it). With E the exact amount of a document's charges and their tax:

    total T  = E − R, rounded half-up to the minor unit
    T − E    is posted from the wallet to ROUNDING, so its balance becomes R' = R + T − E

R' is the error of one rounding, whatever came before: half a minor unit at the most. Over any row of documents the
billed totals add up to the exact amounts + R' − R, so nobody is ever more than half a minor unit off.

T is never negative: a charge is at least one micro, so E − R ≥ 1 micro − half a minor unit, which does not round
below zero. (A balance R beyond half a minor unit can only come from a currency that lost its decimals; then T stays at
zero until the following documents have worked it off.) What is refunded before it was billed is on the same document
as what it takes back, so E is not negative either.

A credit note is the same with all signs turned, but that its half goes up, too, so that R is always above −½ (what a
call's hold counts on: no receipt ever bills more than E rounded up). Its taxes are those of the document that it takes
something back of: the same part of each as of the charges, rounded once for all credit notes of the document so far, so
that together they give back exactly the tax of what they take back, and all of it in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import count, groupby

from attrs import frozen

from astpp_billing.errors import CurrencyMismatch, InvalidValue
from astpp_billing.hierarchy import Account
from astpp_billing.invoicing.documents import Document, DocumentKind, DocumentLine, InvoiceConfig, LineKind, Tax
from astpp_billing.ledger import Book, Charge, ChargeKind, LedgerAccount, Transfer, transfer
from astpp_billing.money import check_currency, check_micros, minor_step, part_of, plain, round_to_minor, share_of
from astpp_billing.periods import Period, local_date, midnight

REFUNDED = "{}, refunded"
"""What the line of refunds is called on a document that also bills what they take back."""

ROUNDING_DESCRIPTION = "Rounding, carried forward"
"""What the line of rounding is called on a document."""

NUMBER_DIGITS = 6
"""The digits that a document's number is filled up to with zeros; it may have more."""


@frozen
class Assembled:
    """The lines of a document to be, and what has to be posted with it.

    `total_micros` is the sum of the lines' `micros`. `tax_micros` is the exact tax, not rounded to the minor unit.
    `rounding_micros` is the total less the exact amounts: what the document bills beyond the ledger.
    """

    lines: tuple[DocumentLine, ...]
    total_micros: int
    tax_micros: int
    rounding_micros: int


def assemble(charges: Sequence[Charge], currency: str, tax: Tax | None, rounding_balance: int) -> Assembled:
    """The lines, tax and rounding of one document for `charges`, which are of one account and in `currency`.

    There is a line for each kind and description of charges, in the order of descriptions, then the tax (if there is
    one, even of 0 percent), then, where the rounded lines do not add up to the total, the rounding. `rounding_balance`
    is the balance of the buyer's `ROUNDING` ledger account in micros. Without charges there are no lines, and nothing
    is posted: a document never bills rounding alone.

    Raises `CurrencyMismatch` for a charge in another currency, `InvalidValue` for charges of several accounts.
    """
    _check_charges(charges, check_currency(currency))
    check_micros(rounding_balance, "the rounding balance")
    if not charges:
        return Assembled(lines=(), total_micros=0, tax_micros=0, rounding_micros=0)
    lines = _charge_lines(charges, currency)
    tax_micros = 0
    if tax is not None:
        tax_micros = share_of(sum([line.exact_micros for line in lines]), tax.percent)
        description = f"{tax.name} {plain(tax.percent)} %"
        lines.append(_line(len(lines) + 1, LineKind.TAX, description, tax_micros, currency))
    return _totalled(lines, tax_micros, currency, rounding_balance)


def assemble_credit(
    charges: Sequence[Charge], document: Document, credited: Sequence[Document], rounding_balance: int
) -> Assembled:
    """The lines, taxes and rounding of a credit note for refunds of what is on a document; no amount is positive.

    `charges` are the refunds (one at least), `credited` the credit notes that the document has already. Raises what
    `assemble` does, and `InvalidValue` for refunds of more than the document has billed.
    """
    _check_charges(charges, document.currency)
    check_micros(rounding_balance, "the rounding balance")
    billed = _of_charges(document)
    before = -sum(map(_of_charges, credited))
    after = before - sum(charge.micros for charge in charges)
    if not charges or not before < after <= billed:
        raise InvalidValue(f"{after} micros cannot be credited of document {document.number}, which bills {billed}")
    lines = _charge_lines(charges, document.currency)
    taxes = 0
    for line in document.lines:
        if line.kind is LineKind.TAX:
            exact = part_of(line.exact_micros, Fraction(before, billed)) - part_of(
                line.exact_micros, Fraction(after, billed)
            )
            lines.append(_line(len(lines) + 1, LineKind.TAX, line.description, exact, document.currency))
            taxes += exact
    return _totalled(lines, taxes, document.currency, rounding_balance)


def _of_charges(document: Document) -> int:
    return sum(line.exact_micros for line in document.lines if line.kind is LineKind.CHARGES)


def _totalled(lines: list[DocumentLine], tax_micros: int, currency: str, rounding_balance: int) -> Assembled:
    """The whole document, with a line of rounding where the others do not add up to its total."""
    exact = sum([line.exact_micros for line in lines])
    total = round_to_minor(exact - rounding_balance, currency)
    if 2 * (exact - rounding_balance - total) == minor_step(currency):  # a half goes up below zero, too
        total += minor_step(currency)
    total = max(0, total) if exact >= 0 else min(0, total)
    carried = total - sum([line.micros for line in lines])
    if carried:
        lines.append(
            DocumentLine(
                position=len(lines) + 1,
                kind=LineKind.ROUNDING,
                description=ROUNDING_DESCRIPTION,
                quantity=0,
                seconds=0,
                exact_micros=0,
                micros=carried,
            )
        )
    return Assembled(lines=tuple(lines), total_micros=total, tax_micros=tax_micros, rounding_micros=total - exact)


def _check_charges(charges: Sequence[Charge], currency: str) -> None:
    for charge in charges:
        if charge.currency != currency:
            raise CurrencyMismatch(f"a document in {currency} cannot have a charge in {charge.currency}")
    accounts = {charge.account_id for charge in charges}
    if len(accounts) > 1:
        raise InvalidValue(f"a document has the charges of one account, not of {sorted(accounts)}")


def line_name(charge: Charge) -> str:
    """What the line is called on which a charge stands."""
    return REFUNDED.format(charge.description) if charge.kind is ChargeKind.REFUND else charge.description


def _by_line(charge: Charge) -> tuple[str, ChargeKind]:
    return line_name(charge), charge.kind


def _charge_lines(charges: Sequence[Charge], currency: str) -> list[DocumentLine]:
    if len(charges) == 1:  # a receipt, of which there are as many as charges
        (one,) = charges
        return [_line(1, LineKind.CHARGES, line_name(one), one.micros, currency, 1, one.seconds)]
    grouped = groupby(sorted(charges, key=_by_line), key=_by_line)
    lines = []
    for position, ((description, _), members) in zip(count(1), grouped, strict=False):
        of_line = list(members)
        exact = sum(charge.micros for charge in of_line)
        seconds = sum(charge.seconds for charge in of_line)
        lines.append(_line(position, LineKind.CHARGES, description, exact, currency, len(of_line), seconds))
    return lines


def _line(
    position: int, kind: LineKind, description: str, exact: int, currency: str, quantity: int = 0, seconds: int = 0
) -> DocumentLine:
    return DocumentLine(
        position=position,
        kind=kind,
        description=description,
        quantity=quantity,
        seconds=seconds,
        exact_micros=exact,
        micros=round_to_minor(exact, currency),
    )


class DocumentBooks:
    """The ledger accounts that the documents of one account move, made once for all of them."""

    __slots__ = ("_rounding", "_tax", "_wallet")

    def __init__(self, buyer: Account, seller_id: int) -> None:
        self._wallet = LedgerAccount(buyer.id, Book.WALLET, buyer.currency)
        self._tax = LedgerAccount(seller_id, Book.TAX, buyer.currency)
        self._rounding = LedgerAccount(buyer.id, Book.ROUNDING, buyer.currency)

    def transfers(self, assembled: Assembled) -> tuple[Transfer, ...]:
        """What a document posts: the exact tax to the seller, and the rounding between the buyer's own two books.

        The charges themselves are in the ledger already. None at all where there is neither tax nor rounding.
        """
        rounding = transfer(self._wallet, self._rounding, assembled.rounding_micros)
        tax = assembled.tax_micros
        return (*transfer(self._wallet, self._tax, tax), *rounding) if tax else rounding


def document_transfers(buyer: Account, seller_id: int, assembled: Assembled) -> tuple[Transfer, ...]:
    """What one document posts; see `DocumentBooks.transfers`."""
    return DocumentBooks(buyer, seller_id).transfers(assembled)


def make_document(
    kind: DocumentKind,
    buyer: Account,
    seller_id: int,
    config: InvoiceConfig,
    number: str,
    assembled: Assembled,
    period: Period | None,
    issued_at: datetime,
    *,
    document_id: int = 0,
    corrects_id: int | None = None,
) -> Document:
    """The document to store: what was assembled, with issuer and buyer as they are called now.

    An invoice is due at the first instant of the local day `config.due_days` after the one it is issued on, in the
    buyer's time zone.
    """
    due_at = None
    if kind is DocumentKind.INVOICE:
        due_day = local_date(issued_at, buyer.timezone) + timedelta(days=config.due_days)
        due_at = midnight(due_day, buyer.timezone)
    return Document(
        id=document_id,
        kind=kind,
        number=number,
        issuer_id=config.account_id,
        seller_id=seller_id,
        account_id=buyer.id,
        currency=buyer.currency,
        locale=buyer.locale,
        timezone=buyer.timezone,
        period=period,
        issued_at=issued_at,
        due_at=due_at,
        corrects_id=corrects_id,
        lines=assembled.lines,
        total_micros=assembled.total_micros,
        issuer_name=config.company,
        issuer_address=config.address,
        issuer_tax_number=config.tax_number,
        buyer_number=buyer.number,
        buyer_name=buyer.name,
        buyer_tax_number=buyer.tax_number,
        note=config.note,
    )


def number_of(config: InvoiceConfig, kind: DocumentKind, value: int) -> str:
    """The number of the `value`-th document of its series (from 1), as it is printed: `INV-000042`."""
    if type(value) is not int or value < 1:
        raise InvalidValue(f"the documents of a series are counted from 1, not {value!r}")
    return f"{config.prefix(kind)}{value:0{NUMBER_DIGITS}d}"
