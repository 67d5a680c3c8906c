"""`astpp-billing products`: what is sold besides calls, who lists it for its children, and what each account pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import click
from attrs import evolve

from astpp_billing.cli.app import App
from astpp_billing.cli.params import CURRENCY, INCLUDED, INSTANT, NUMBER, RECURRENCE, key_option
from astpp_billing.cli.tables import Row
from astpp_billing.money import Money
from astpp_billing.pricing import Allowance, Category, Listing, NotOffered, Product, ProductVersion, Recurrence
from astpp_billing.pricing.offers import Offer
from astpp_billing.pricing.products import in_force

Command = Callable[..., None]

_price = click.option("--price", type=NUMBER, help="Of one unit; of each period, where it is charged again.")
_resold: Sequence[Callable[[Any], Any]] = (
    click.option("--setup-fee", type=NUMBER, help="Of one unit, charged the first time."),
    click.option("--commission-percent", type=NUMBER, help="The share of commission resellers directly below."),
    click.option("--can-resell/--no-resell", default=None, help="Let children list it for theirs."),
    click.option("--can-purchase/--no-purchase", default=None, help="Let children buy it."),
)
_described: Sequence[Callable[[Any], Any]] = (
    click.option("--description", help="What is sold, in a sentence or more."),
    click.option("--buy-cost", type=NUMBER, help="What one unit costs the owner itself."),
    click.option("--every", "recurrence", type=RECURRENCE, help="Charged again: days:30, months:1; once if not given."),
    click.option(
        "--include",
        "allowances",
        type=INCLUDED,
        multiple=True,
        help="Included time, in seconds, with the prefixes and the direction that it is for: 3600, 3600:48,49, "
        "3600:48:in, 3600::both.",
    ),
    click.option("--carry-over/--no-carry-over", default=None, help="Use what is left of it in the next period."),
    click.option("--release-unfunded/--keep-unfunded", default=None, help="End it where there is no money to renew."),
    click.option("--rate-group", "rate_groups", multiple=True, help="Accounts that pay by it get the product."),
)
_valid_from = click.option("--valid-from", type=INSTANT, help="From when on; the present if not given.")
_at = click.option("--at", type=INSTANT, help="At this instant; the present if not given.")


def _with(*groups: Sequence[Callable[[Any], Any]]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


@click.group()
def products() -> None:
    """Sell products, and list them for resale."""


@products.command()
@click.argument("code")
@click.option("--owner", metavar="NUMBER", required=True, help="The account that sells it.")
@click.option("--category", type=click.Choice([each.value for each in Category]), required=True, help="What it is.")
@click.option("--name", required=True, help="What it is called.")
@click.option("--price", type=NUMBER, required=True, help="Of one unit; of each period, where it is charged again.")
@click.option("--currency", type=CURRENCY, help="Of its amounts; the owner's if not given.")
@_with(_resold, _described, [_valid_from, key_option])
@click.pass_obj
def add(app: App, /, code: str, owner: str, **options: Any) -> None:
    """Sell a new product under CODE."""
    product = app.billing.products.create(app.account(owner), code, **_terms(options))
    app.output.result(
        _product_row(product, owner, app.billing.products.version(product, options["valid_from"])),
        f"product {code!r} of {owner} in {product.currency}",
    )


@products.command()
@click.argument("code")
@click.option("--name", help="What it is called.")
@_price
@_with(_resold, _described, [_valid_from, key_option])
@click.pass_obj
def version(app: App, /, code: str, valid_from: datetime | None, key: str | None, **options: Any) -> None:
    """Change the product CODE, as its next version; what is not given stays as it is."""
    product = app.billing.products.get(code)
    carried = options.pop("carry_over")
    terms = _terms(options)
    if carried is not None:
        before = in_force(app.billing.products.versions(product), valid_from or app.billing.clock.now())
        kept = terms.get("allowances", () if before is None else before.allowances)
        terms["allowances"] = tuple(evolve(each, carried_over=carried) for each in kept)
    if not terms:
        raise click.UsageError("say what to change")
    changed = app.billing.products.change(product, valid_from=valid_from, key=key, **terms)
    text = f"product {code!r} has version {changed.version} from {changed.valid_from:%Y-%m-%d %H:%M:%S} UTC on"
    app.output.result(_version_row(product, changed), text)


@products.command()
@click.argument("code")
@key_option
@click.pass_obj
def withdraw(app: App, code: str, key: str | None) -> None:
    """Sell the product CODE no more; what is on order stays."""
    app.billing.products.withdraw(app.billing.products.get(code), key=key)
    app.output.result({"code": code, "status": "withdrawn"}, f"product {code!r} is withdrawn")


@products.command("list")
@click.option("--owner", metavar="NUMBER", help="Only what this account owns.")
@_at
@click.pass_obj
def list_(app: App, owner: str | None, at: datetime | None) -> None:
    """List the products, with their terms at an instant."""
    numbers = app.numbers()
    owner_id = None if owner is None else app.account(owner).id
    found = [each for each in app.billing.products.all() if owner_id in (None, each.owner_id)]
    rows = [_product_row(each, numbers[each.owner_id], app.billing.products.version(each, at)) for each in found]
    columns = {
        "code": "Code",
        "name": "Name",
        "owner": "Owner",
        "category": "Category",
        "price": "Price",
        "setup_fee": "Setup fee",
        "every": "Every",
        "commission_percent": "Comm. %",
        "status": "Status",
    }
    app.output.rows("products", rows, columns)


@products.command()
@click.argument("code")
@click.pass_obj
def versions(app: App, code: str) -> None:
    """List all versions of the product CODE."""
    product = app.billing.products.get(code)
    rows = [_version_row(product, each) for each in app.billing.products.versions(product)]
    columns = {
        "version": "Version",
        "valid_from": "From (UTC)",
        "name": "Name",
        "price": "Price",
        "setup_fee": "Setup fee",
        "every": "Every",
        "commission_percent": "Comm. %",
        "can_resell": "Resell",
        "can_purchase": "Purchase",
    }
    app.output.rows("versions", rows, columns)


_of_listing = (
    click.option("--price", type=NUMBER, help="What children pay for one unit; a distributor names it."),
    *_resold,
    click.option("--currency", type=CURRENCY, help="Of price and setup fee; the reseller's if not given."),
    click.option("--below-cost", is_flag=True, default=None, help="Less than what the reseller pays is meant."),
    _valid_from,
    key_option,
)


@products.command("opt-in")
@click.argument("reseller")
@click.argument("code")
@_with(_of_listing)
@click.pass_obj
def opt_in(app: App, /, reseller: str, code: str, **options: Any) -> None:
    """Let RESELLER offer the product CODE to its children, on terms of its own."""
    _show_listing(app, reseller, code, app.billing.products.opt_in, options)


@products.command("change-listing")
@click.argument("reseller")
@click.argument("code")
@_with(_of_listing)
@click.pass_obj
def change_listing(app: App, /, reseller: str, code: str, **options: Any) -> None:
    """Change the terms on which RESELLER offers the product CODE; what is not given stays as it is."""
    _show_listing(app, reseller, code, app.billing.products.change_listing, options)


@products.command("opt-out")
@click.argument("reseller")
@click.argument("code")
@_valid_from
@key_option
@click.pass_obj
def opt_out(app: App, /, reseller: str, code: str, **options: Any) -> None:
    """Let RESELLER offer the product CODE no more; what is on order stays."""
    _show_listing(app, reseller, code, app.billing.products.opt_out, options)


@products.command()
@click.option("--product", "code", metavar="CODE", help="Only of this product.")
@click.option("--seller", metavar="NUMBER", help="Only of this reseller.")
@click.pass_obj
def listings(app: App, code: str | None, seller: str | None) -> None:
    """List who offers what to its children, with all versions."""
    service, numbers = app.billing.products, app.numbers()
    codes = {product.id: product.code for product in service.all()}
    found = service.listings(
        None if code is None else service.get(code), None if seller is None else app.account(seller)
    )
    rows = [_listing_row(each, numbers[each.seller_id], codes[each.product_id]) for each in found]
    columns = {
        "product": "Product",
        "seller": "Seller",
        "version": "Version",
        "valid_from": "From (UTC)",
        "price": "Price",
        "setup_fee": "Setup fee",
        "commission_percent": "Comm. %",
        "active": "Listed",
    }
    app.output.rows("listings", rows, columns)


@products.command()
@click.argument("account")
@click.option("--to-resell", is_flag=True, help="What it may list for its children, and not what it may buy.")
@_at
@click.pass_obj
def visible(app: App, account: str, to_resell: bool, at: datetime | None) -> None:
    """List what ACCOUNT may see and buy, at the price that it pays."""
    numbers = app.numbers()
    found = app.billing.products.visible(app.account(account), to_resell=to_resell, at=at)
    columns = {"code": "Code", "name": "Name", "seller": "Sold by", "price": "Price", "setup_fee": "Setup fee"}
    app.output.rows(
        "offers", [_offer_row(each, numbers[each.seller_id]) for each in found], columns | {"every": "Every"}
    )


@products.command()
@click.argument("account")
@click.argument("code")
@_at
@click.pass_obj
def agreement(app: App, account: str, code: str, at: datetime | None) -> None:
    """Show what everybody would pay for one unit if ACCOUNT bought the product CODE, and who is paid a commission."""
    agreed = app.billing.products.agreement(app.account(account), app.billing.products.get(code), at)
    if isinstance(agreed, NotOffered):
        raise click.ClickException(f"{agreed.reason}: {agreed.detail}")
    numbers = app.numbers()
    levels: list[Row] = [
        {
            "payer": numbers[level.payer_id],
            "payee": numbers[level.payee_id],
            "price": Money.from_micros(level.price_micros, level.currency),
            "setup_fee": Money.from_micros(level.setup_fee_micros, level.currency),
        }
        for level in agreed.levels
    ]
    shares: list[Row] = [
        {"payer": numbers[each.payer_id], "receiver": numbers[each.receiver_id], "percent": each.percent}
        for each in agreed.commissions
    ]
    lines = [f"{each['payer']} pays {each['payee']} {each['price']}, setup {each['setup_fee']}" for each in levels]
    lines += [f"{each['payer']} pays {each['receiver']} a commission of {each['percent']} %" for each in shares]
    app.output.result({"product": code, "levels": levels, "commissions": shares}, "\n".join(lines))


def _terms(options: dict[str, Any]) -> dict[str, Any]:
    """Options that were given; included time with what is said of all of it."""
    terms = {name: value for name, value in options.items() if value is not None and value != ()}
    carried = terms.pop("carry_over", False)
    if "allowances" in terms:
        terms["allowances"] = tuple(evolve(each, carried_over=carried) for each in terms["allowances"])
    return terms


def _show_listing(app: App, reseller: str, code: str, do: Callable[..., Listing], options: dict[str, Any]) -> None:
    listing = do(app.account(reseller), app.billing.products.get(code), **_terms(options))
    does = "lists" if listing.active else "does not list"
    text = f"{reseller} {does} {code!r} from {listing.valid_from:%Y-%m-%d %H:%M:%S} UTC on"
    app.output.result(_listing_row(listing, reseller, code), text)


def _money(micros: int | None, currency: str) -> Money | None:
    return None if micros is None else Money.from_micros(micros, currency)


def _every(recurrence: Recurrence | None) -> str | None:
    return None if recurrence is None else f"{recurrence.every} {recurrence.unit}"


def _included(allowances: Sequence[Allowance]) -> list[Row]:
    names = ("seconds", "prefixes", "direction", "carried_over", "description")
    return [{name: getattr(each, name) for name in names} for each in allowances]


def _product_row(product: Product, owner: str, version: ProductVersion | None) -> Row:
    row = {
        "code": product.code,
        "owner": owner,
        "category": product.category,
        "currency": product.currency,
        "status": product.status,
    }
    return row if version is None else {**row, **_version_row(product, version)}


def _version_row(product: Product, version: ProductVersion) -> Row:
    return {
        "code": product.code,
        "version": version.version,
        "valid_from": version.valid_from,
        "name": version.name,
        "description": version.description,
        "buy_cost": _money(version.buy_cost_micros, product.currency),
        "price": _money(version.price_micros, product.currency),
        "setup_fee": _money(version.setup_fee_micros, product.currency),
        "commission_percent": version.commission_percent,
        "every": _every(version.recurrence),
        "included": _included(version.allowances),
        "can_resell": version.can_resell,
        "can_purchase": version.can_purchase,
        "release_unfunded": version.release_unfunded,
        "rate_groups": version.rate_groups,
    }


def _listing_row(listing: Listing, seller: str, code: str) -> Row:
    return {
        "product": code,
        "seller": seller,
        "version": listing.version,
        "valid_from": listing.valid_from,
        "price": _money(listing.price_micros, listing.currency),
        "setup_fee": _money(listing.setup_fee_micros, listing.currency),
        "commission_percent": listing.commission_percent,
        "can_resell": listing.can_resell,
        "can_purchase": listing.can_purchase,
        "below_cost": listing.below_cost,
        "active": listing.active,
    }


def _offer_row(offer: Offer, seller: str) -> Row:
    return {
        "code": offer.code,
        "name": offer.name,
        "description": offer.description,
        "category": offer.category,
        "seller": seller,
        "price": offer.price,
        "setup_fee": offer.setup_fee,
        "every": _every(offer.recurrence),
        "included": _included(offer.allowances),
    }
