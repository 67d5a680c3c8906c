"""The tables of products, orders and subscriptions; see `tables`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from astpp_billing.storage.sql.tables import metadata
from astpp_billing.storage.sql.types import ExactDecimal, Id, Instant, Micros

# products

products = Table(
    "products",
    metadata,
    Column("id", Id, primary_key=True),
    Column("code", String(64), nullable=False, unique=True),
    Column("owner_id", Id, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("category", String(16), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
)

product_versions = Table(
    "product_versions",
    metadata,
    Column("product_id", Id, ForeignKey("products.id"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("valid_from", Instant, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("buy_cost_micros", Micros, nullable=False),
    Column("price_micros", Micros, nullable=False),
    Column("setup_fee_micros", Micros, nullable=False),
    Column("commission_percent", ExactDecimal, nullable=False),
    Column("recurs_every", Integer),
    Column("recurs_unit", String(16)),
    Column("allowances", Text, nullable=False),  # JSON
    Column("can_resell", Boolean, nullable=False),
    Column("can_purchase", Boolean, nullable=False),
    Column("release_unfunded", Boolean, nullable=False),
    Column("rate_groups", Text, nullable=False),  # JSON
)

listings = Table(
    "listings",
    metadata,
    Column("product_id", Id, ForeignKey("products.id"), primary_key=True, autoincrement=False),
    Column("seller_id", Id, ForeignKey("accounts.id"), primary_key=True, autoincrement=False, index=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("valid_from", Instant, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("price_micros", Micros),
    Column("setup_fee_micros", Micros),
    Column("commission_percent", ExactDecimal),
    Column("can_resell", Boolean, nullable=False),
    Column("can_purchase", Boolean, nullable=False),
    Column("below_cost", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
)

# orders

orders = Table(
    "orders",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("key", String(512), nullable=False, unique=True),
    Column("buyer_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("product_id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("agreement", Text, nullable=False),  # JSON: see `pricing.products.Agreement`
    Column("status", String(16), nullable=False),
    Index("ix_orders_of_buyer", "buyer_id", "at"),
)

# refill cards

voucher_batches = Table(
    "voucher_batches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("seller_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("micros", Micros, nullable=False),
    Column("cards", Integer, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("blocked", Boolean, nullable=False),
    UniqueConstraint("seller_id", "name"),
)

vouchers = Table(
    "vouchers",
    metadata,
    Column("batch_id", Id, ForeignKey("voucher_batches.id"), primary_key=True, autoincrement=False),
    Column("serial", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False, unique=True),  # of the code, which is kept nowhere
    Column("blocked", Boolean, nullable=False),
    Column("account_id", Id),
    Column("redeemed_at", Instant),
    Column("posting_key", String(512)),
)

# What renews by itself. It has all that a renewal needs, so that thousands are read at once without anything else.
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("order_id", Id, nullable=False, index=True),
    Column("buyer_id", Id, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("product_id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("agreement", Text, nullable=False),  # JSON
    Column("description", Text, nullable=False),
    Column("every", Integer, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("release_unfunded", Boolean, nullable=False),
    Column("anchor", Instant, nullable=False),
    Column("period_start", Instant, nullable=False),
    Column("period_end", Instant, nullable=False),
    Column("status", String(16), nullable=False),
    Column("cancel_at_end", Boolean, nullable=False),
    Column("reminded_until", Instant),
    Column("next_plan", Text),  # JSON
    Column("revision", Id, nullable=False),
    Index("ix_subscriptions_due", "status", "period_end", "id"),
)

# included minutes

# Time that was sold along with something: one counter for all accounts that paid for it.
grants = Table(
    "grants",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("source", String(512), nullable=False),
    Column("position", Integer, nullable=False),
    Column("prefixes", Text, nullable=False),  # JSON
    Column("direction", String(8), nullable=False),
    Column("seconds", Id, nullable=False),
    Column("used_seconds", Id, nullable=False),
    Column("held_seconds", Id, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("carried_over", Boolean, nullable=False),
    Column("levels", Text, nullable=False),  # JSON
    Column("description", Text, nullable=False),
    UniqueConstraint("source", "position", "starts_at"),
    Index("ix_grants_live", "account_id", "expires_at"),
)

minutes_used = Table(
    "minutes_used",
    metadata,
    Column("grant_id", Id, ForeignKey("grants.id"), primary_key=True, autoincrement=False),
    Column("key", String(512), primary_key=True),
    Column("seconds", Id, nullable=False),
    Index("ix_minutes_used_of_call", "key"),
)
