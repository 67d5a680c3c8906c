"""`astpp-billing minutes`: the included minutes of an account."""

from __future__ import annotations

from collections.abc import Mapping

import click

from astpp_billing.cli.app import App
from astpp_billing.cli.tables import Row
from astpp_billing.pricing.allowances import NEVER
from astpp_billing.services.included import Included


@click.group()
def minutes() -> None:
    """Look at included minutes."""


@minutes.command("list")
@click.argument("number", metavar="ACCOUNT")
@click.pass_obj
def list_(app: App, number: str) -> None:
    """List the time that ACCOUNT was granted, in seconds, and what is left of it; also what is used up or has ended.

    Each line is one period of what was ordered; of a subscription whose plan was changed, the first order is named. An
    empty prefix stands for everywhere. What is held is for calls that are up.
    """
    codes = {product.id: product.code for product in app.billing.products.all()}
    rows = [_row(one, codes) for one in app.billing.minutes.all(app.account(number))]
    columns = {
        "prefixes": "Prefixes",
        "direction": "Direction",
        "starts_at": "From (UTC)",
        "expires_at": "Until (UTC)",
        "seconds": "Included",
        "used_seconds": "Used",
        "held_seconds": "Held",
        "left_seconds": "Left",
        "product": "Ordered",
        "order": "Order",
    }
    app.output.rows("minutes", rows, columns)


def _row(one: Included, codes: Mapping[int, str]) -> Row:
    grant, order = one.grant, one.order
    return {
        "prefixes": grant.prefixes,
        "direction": grant.direction,
        "starts_at": grant.starts_at,
        "expires_at": None if grant.expires_at == NEVER else grant.expires_at,
        "seconds": grant.seconds,
        "used_seconds": grant.used_seconds,
        "held_seconds": grant.held_seconds,
        "left_seconds": grant.left_seconds,
        "carried_over": grant.carried_over,
        "description": grant.description,
        "product": None if order is None else codes[order.product_id],
        "order": None if order is None else order.key,
    }
