"""Products: what is sold besides calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from astpp_billing.storage.sql.migrations.building import EXACT, ID, INSTANT, MICROS, create_table

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create every table of products."""
    create_table(
        "grants",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("source", sa.String(length=512), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("prefixes", sa.Text(), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("seconds", ID, nullable=False),
        sa.Column("used_seconds", ID, nullable=False),
        sa.Column("held_seconds", ID, nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("carried_over", sa.Boolean(), nullable=False),
        sa.Column("levels", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_grants_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint("source", "position", "starts_at", name=op.f("uq_grants_source_position_starts_at")),
    )
    op.create_index("ix_grants_live", "grants", ["account_id", "expires_at"], unique=False)
    create_table(
        "orders",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("buyer_id", ID, nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("agreement", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["buyer_id"], ["accounts.id"], name=op.f("fk_orders_buyer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("key", name=op.f("uq_orders_key")),
    )
    op.create_index("ix_orders_of_buyer", "orders", ["buyer_id", "at"], unique=False)
    create_table(
        "products",
        sa.Column("id", ID, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_products_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("code", name=op.f("uq_products_code")),
    )
    op.create_index(op.f("ix_products_owner_id"), "products", ["owner_id"], unique=False)
    create_table(
        "subscriptions",
        sa.Column("id", ID, nullable=False),
        sa.Column("order_id", ID, nullable=False),
        sa.Column("buyer_id", ID, nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("agreement", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("every", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("release_unfunded", sa.Boolean(), nullable=False),
        sa.Column("anchor", INSTANT, nullable=False),
        sa.Column("period_start", INSTANT, nullable=False),
        sa.Column("period_end", INSTANT, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("cancel_at_end", sa.Boolean(), nullable=False),
        sa.Column("reminded_until", INSTANT, nullable=True),
        sa.Column("next_plan", sa.Text(), nullable=True),
        sa.Column("revision", ID, nullable=False),
        sa.ForeignKeyConstraint(["buyer_id"], ["accounts.id"], name=op.f("fk_subscriptions_buyer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
    )
    op.create_index(op.f("ix_subscriptions_buyer_id"), "subscriptions", ["buyer_id"], unique=False)
    op.create_index("ix_subscriptions_due", "subscriptions", ["status", "period_end", "id"], unique=False)
    op.create_index(op.f("ix_subscriptions_order_id"), "subscriptions", ["order_id"], unique=False)
    create_table(
        "voucher_batches",
        sa.Column("id", ID, nullable=False),
        sa.Column("seller_id", ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("micros", MICROS, nullable=False),
        sa.Column("cards", sa.Integer(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["seller_id"], ["accounts.id"], name=op.f("fk_voucher_batches_seller_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_batches")),
        sa.UniqueConstraint("seller_id", "name", name=op.f("uq_voucher_batches_seller_id_name")),
    )
    create_table(
        "listings",
        sa.Column("product_id", ID, autoincrement=False, nullable=False),
        sa.Column("seller_id", ID, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("valid_from", INSTANT, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("price_micros", MICROS, nullable=True),
        sa.Column("setup_fee_micros", MICROS, nullable=True),
        sa.Column("commission_percent", EXACT, nullable=True),
        sa.Column("can_resell", sa.Boolean(), nullable=False),
        sa.Column("can_purchase", sa.Boolean(), nullable=False),
        sa.Column("below_cost", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_listings_product_id")),
        sa.ForeignKeyConstraint(["seller_id"], ["accounts.id"], name=op.f("fk_listings_seller_id")),
        sa.PrimaryKeyConstraint("product_id", "seller_id", "version", name=op.f("pk_listings")),
    )
    op.create_index(op.f("ix_listings_seller_id"), "listings", ["seller_id"], unique=False)
    create_table(
        "minutes_used",
        sa.Column("grant_id", ID, autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("seconds", ID, nullable=False),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name=op.f("fk_minutes_used_grant_id")),
        sa.PrimaryKeyConstraint("grant_id", "key", name=op.f("pk_minutes_used")),
    )
    op.create_index("ix_minutes_used_of_call", "minutes_used", ["key"], unique=False)
    create_table(
        "product_versions",
        sa.Column("product_id", ID, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("valid_from", INSTANT, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("buy_cost_micros", MICROS, nullable=False),
        sa.Column("price_micros", MICROS, nullable=False),
        sa.Column("setup_fee_micros", MICROS, nullable=False),
        sa.Column("commission_percent", EXACT, nullable=False),
        sa.Column("recurs_every", sa.Integer(), nullable=True),
        sa.Column("recurs_unit", sa.String(length=16), nullable=True),
        sa.Column("allowances", sa.Text(), nullable=False),
        sa.Column("can_resell", sa.Boolean(), nullable=False),
        sa.Column("can_purchase", sa.Boolean(), nullable=False),
        sa.Column("release_unfunded", sa.Boolean(), nullable=False),
        sa.Column("rate_groups", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_product_versions_product_id")),
        sa.PrimaryKeyConstraint("product_id", "version", name=op.f("pk_product_versions")),
    )
    create_table(
        "vouchers",
        sa.Column("batch_id", ID, autoincrement=False, nullable=False),
        sa.Column("serial", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("account_id", ID, nullable=True),
        sa.Column("redeemed_at", INSTANT, nullable=True),
        sa.Column("posting_key", sa.String(length=512), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["voucher_batches.id"], name=op.f("fk_vouchers_batch_id")),
        sa.PrimaryKeyConstraint("batch_id", "serial", name=op.f("pk_vouchers")),
        sa.UniqueConstraint("digest", name=op.f("uq_vouchers_digest")),
    )
    op.add_column("postings", sa.Column("note", sa.Text(), nullable=True))
