"""A charge: one amount an account was charged, waiting for (or standing on) a document."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from astpp_billing.clock import utc
from astpp_billing.errors import InvalidValue
from astpp_billing.money import Money, check_currency, check_micros


class ChargeKind(StrEnum):
    """What was charged for."""

    CALL = "call"
    PRODUCT = "product"
    SETUP = "setup"
    DEBIT = "debit"
    REFUND = "refund"


@frozen(kw_only=True)
class Charge:
    """What one account was charged by one posting, without tax.

    `at` is the instant that decides to which period it belongs: for a call, the start. `description` is what a
    document groups by (the destination), `detail` says how the amount came about, as text. `seconds` are the call's
    own, before any rounding to increments. `position` tells the charges of one posting apart: it is that of the
    transfer that moved the money, from 1. `document_id` is None until the charge stands on a document. `micros` is
    positive, but for a `REFUND`, which gives back what another charge took.
    """

    account_id: int
    posting_key: str
    position: int = 1
    at: datetime = field(converter=utc)
    kind: ChargeKind = ChargeKind.CALL
    description: str
    detail: str = ""
    number: str = ""
    seconds: int = 0
    micros: int
    currency: str = field(converter=check_currency)
    document_id: int | None = None

    def __attrs_post_init__(self) -> None:
        if check_micros(self.micros, "charge") <= 0 and (self.kind is not ChargeKind.REFUND or self.micros == 0):
            raise InvalidValue(f"a charge is a positive amount, not {self.micros} micros")
        if self.kind is ChargeKind.REFUND and self.micros > 0:
            raise InvalidValue(f"a refund is a negative amount, not {self.micros} micros")

    @property
    def amount(self) -> Money:
        """What was charged."""
        return Money.from_micros(self.micros, self.currency)
