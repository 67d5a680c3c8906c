"""The chapter of the demo that tells who paid whom on each call, and why."""

from __future__ import annotations

from itertools import groupby

from astpp_billing import Billing, Money
from astpp_billing.calls import CallEntry, CallStatus
from astpp_billing.cli.demo_world import World
from astpp_billing.cli.payments import Payment, of_price, payments_of
from astpp_billing.cli.story import Story
from astpp_billing.cli.tables import Row
from astpp_billing.pricing import PricedCall

_WHAT = {"charge": "", "commission": " commission", "termination": " for ending the call"}
_AMOUNTS = 52
"""The column at which amounts end."""


def explain_calls(billing: Billing, story: Story, world: World) -> list[Row]:
    """Tell of each call, of calls that are alike (payer, number, seconds) once; returns all of them as data."""
    story.chapter(
        "Who pays whom, and why",
        "Each account pays its seller by its own price list; the agent passes on what her buyer pays, and gets 10 % of "
        "it. A profit is what came in, in the buyer's currency, less what went out, in one's own.",
    )
    by_id = {account.id: account for account in world.accounts}
    rows: list[Row] = []
    entries = sorted(billing.calls.all(CallStatus.RATED), key=_alike)
    for (payer, number, seconds), group in groupby(entries, key=_alike):
        alike = list(group)
        call = billing.calls.price(billing.accounts.get(payer), number, seconds, alike[0].record.started_at)
        assert isinstance(call, PricedCall)  # it was rated, by the same prices
        found = call.profits()
        profits = {
            by_id[account_id].number: [Money.from_micros(micros, code) for code, micros in sorted(bag.items())]
            for account_id, bag in sorted(found.items())
        }
        story.gap()
        times = f", {len(alike)} times" if len(alike) > 1 else ""
        story.lines([f"{payer} calls {number}: {f'{seconds} s' if seconds else 'not answered'}{times}"], style="bold")
        _tell(story, of_price(call) if seconds else (), profits)
        rows += [_row(billing, entry, world, profits) for entry in alike]
    return rows


def _alike(entry: CallEntry) -> tuple[str, str, int]:
    record = entry.record
    return record.account or record.user or "", record.number, record.seconds


def _tell(story: Story, payments: tuple[Payment, ...], profits: dict[str, list[Money]]) -> None:
    if not payments:
        story.lines(["nothing is charged on any level"], indent=4)
        return
    for payment in payments:
        who = f"{payment.payer} pays {payment.payee}{_WHAT[payment.what]}"
        amount = str(payment.amount)
        story.lines([f"{who} {amount:>{max(1, _AMOUNTS - len(who))}}"], indent=4)
        why = payment.why.splitlines()
        # how nothing is rounded and converted needs no telling
        story.lines(why if payment.amount else why[:2], indent=8, style="dim")
    left = [f"{number} {_bag(bag)}" for number, bag in profits.items()]
    story.lines(["left to each"], indent=4)
    story.lines([f"{one:<44}{other}" for one, other in zip(left[::2], left[1::2], strict=True)], indent=8)


def _bag(bag: list[Money]) -> str:
    return " and ".join(f"{'+' if amount.micros > 0 else ''}{amount}" for amount in bag) or "nothing"


def _row(billing: Billing, entry: CallEntry, world: World, profits: dict[str, list[Money]]) -> Row:
    """A call as data, with what was posted for it."""
    numbers = {account.id: account.number for account in world.accounts}
    payer, number, seconds = _alike(entry)
    payments = payments_of(billing, entry, numbers)
    return {
        "key": entry.key,
        "payer": payer,
        "number": number,
        "seconds": seconds,
        "payments": [payment.row() for payment in payments],
        "profits": profits,
    }
