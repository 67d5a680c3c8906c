"""The first schema: accounts, prices, the ledger, calls and documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# the types as they were at this revision, whatever becomes of `types.py`
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MICROS = sa.BigInteger()
INSTANT = sa.BigInteger()
EXACT = sa.String(48)


def create_table(name: str, *columns: sa.schema.SchemaItem, sqlite_with_rowid: bool = True) -> sa.Table:
    """Create a table whose texts are compared exactly: by case, accents and spaces at their end."""
    collation = "utf8mb4_nopad_bin" if getattr(op.get_bind().dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
    return op.create_table(
        name,
        *columns,
        sqlite_with_rowid=sqlite_with_rowid,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate=collation,
    )


def upgrade() -> None:
    """Create every table."""
    create_table(
        "accounts",
        sa.Column("id", ID, nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("parent_id", ID, nullable=True),
        sa.Column("model", sa.String(length=16), nullable=True),
        sa.Column("billing", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("rate_group", sa.String(length=64), nullable=True),
        sa.Column("own_rate_group", sa.String(length=64), nullable=True),
        sa.Column("credit_limit_micros", MICROS, nullable=False),
        sa.Column("commission_percent", EXACT, nullable=False),
        sa.Column("loss_less_routing", sa.Boolean(), nullable=False),
        sa.Column("cadence", sa.String(length=16), nullable=False),
        sa.Column("billing_day", sa.Integer(), nullable=False),
        sa.Column("receipts", sa.String(length=16), nullable=False),
        sa.Column("zero_invoices", sa.Boolean(), nullable=False),
        sa.Column("tax_number", sa.Text(), nullable=False),
        sa.Column("same_credential", sa.Boolean(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("billed_until", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["accounts.id"], name=op.f("fk_accounts_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("number", name=op.f("uq_accounts_number")),
    )
    op.create_index(op.f("ix_accounts_parent_id"), "accounts", ["parent_id"], unique=False)
    create_table(
        "exchange_rates",
        sa.Column("id", ID, nullable=False),
        sa.Column("base", sa.String(length=3), nullable=False),
        sa.Column("quote", sa.String(length=3), nullable=False),
        sa.Column("rate", EXACT, nullable=False),
        sa.Column("valid_from", INSTANT, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_rates")),
        sa.UniqueConstraint("base", "quote", "valid_from", name=op.f("uq_exchange_rates_base_quote_valid_from")),
    )
    create_table(
        "postings",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("corrects", sa.String(length=512), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_postings")),
        sa.UniqueConstraint("key", name=op.f("uq_postings_key")),
    )
    versions = create_table(
        "price_versions",
        sa.Column("id", ID, nullable=False),
        sa.Column("version", ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_versions")),
    )
    op.bulk_insert(versions, [{"id": 1, "version": 0}])
    create_table(
        "calls",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("account_id", ID, nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("settled_at", INSTANT, nullable=False),
        sa.Column("switch_id", sa.String(length=255), nullable=False),
        sa.Column("leg_uuid", sa.String(length=255), nullable=False),
        sa.Column("number", sa.String(length=255), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(length=255), nullable=True),
        sa.Column("user", sa.String(length=255), nullable=True),
        sa.Column("address", sa.String(length=255), nullable=True),
        sa.Column("caller", sa.String(length=255), nullable=False),
        sa.Column("dialled", sa.String(length=255), nullable=False),
        sa.Column("hangup_cause", sa.String(length=255), nullable=False),
        sa.Column("provider", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_calls_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
        sa.UniqueConstraint("key", name=op.f("uq_calls_key")),
    )
    op.create_index(op.f("ix_calls_status"), "calls", ["status"], unique=False)
    create_table(
        "documents",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("issuer_id", ID, nullable=False),
        sa.Column("seller_id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("period_start", INSTANT, nullable=True),
        sa.Column("period_end", INSTANT, nullable=True),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("total_micros", MICROS, nullable=False),
        sa.Column("issuer_name", sa.Text(), nullable=False),
        sa.Column("issuer_address", sa.Text(), nullable=False),
        sa.Column("issuer_tax_number", sa.Text(), nullable=False),
        sa.Column("buyer_number", sa.String(length=64), nullable=False),
        sa.Column("buyer_name", sa.Text(), nullable=False),
        sa.Column("buyer_tax_number", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_documents_account_id")),
        sa.ForeignKeyConstraint(["issuer_id"], ["accounts.id"], name=op.f("fk_documents_issuer_id")),
        sa.ForeignKeyConstraint(["seller_id"], ["accounts.id"], name=op.f("fk_documents_seller_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("issuer_id", "kind", "number", name=op.f("uq_documents_issuer_id_kind_number")),
    )
    op.create_index(op.f("ix_documents_account_id"), "documents", ["account_id"], unique=False)
    create_table(
        "endpoints",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_endpoints_account_id")),
        sa.PrimaryKeyConstraint("kind", "value", name=op.f("pk_endpoints")),
    )
    create_table(
        "invoice_configs",
        sa.Column("account_id", ID, nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("tax_number", sa.Text(), nullable=False),
        sa.Column("invoice_prefix", sa.String(length=32), nullable=False),
        sa.Column("receipt_prefix", sa.String(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("due_days", sa.Integer(), nullable=False),
        sa.Column("tax_name", sa.Text(), nullable=True),
        sa.Column("tax_percent", EXACT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_invoice_configs_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_invoice_configs")),
    )
    create_table(
        "ledger_accounts",
        sa.Column("id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("book", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("balance_micros", MICROS, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_ledger_accounts_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint("account_id", "book", "currency", name=op.f("uq_ledger_accounts_account_id_book_currency")),
    )
    create_table(
        "rate_groups",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("markup_percent", EXACT, nullable=False),
        sa.Column("default_initial_increment", sa.Integer(), nullable=False),
        sa.Column("default_increment", sa.Integer(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_rate_groups_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_rate_groups_name")),
    )
    create_table(
        "series",
        sa.Column("issuer_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("last_number", ID, nullable=False),
        sa.ForeignKeyConstraint(["issuer_id"], ["accounts.id"], name=op.f("fk_series_issuer_id")),
        sa.PrimaryKeyConstraint("issuer_id", "kind", name=op.f("pk_series")),
    )
    create_table(
        "charges",
        sa.Column("id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("posting_id", ID, nullable=False),
        sa.Column("document_id", ID, nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("micros", MICROS, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_charges_account_id")),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f("fk_charges_document_id")),
        sa.ForeignKeyConstraint(["posting_id"], ["postings.id"], name=op.f("fk_charges_posting_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charges")),
    )
    op.create_index(op.f("ix_charges_document_id"), "charges", ["document_id"], unique=False)
    op.create_index(op.f("ix_charges_posting_id"), "charges", ["posting_id"], unique=False)
    op.create_index("ix_charges_unbilled", "charges", ["account_id", "document_id", "at"], unique=False)
    create_table(
        "document_lines",
        sa.Column("document_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("seconds", ID, nullable=False),
        sa.Column("exact_micros", MICROS, nullable=False),
        sa.Column("micros", MICROS, nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f("fk_document_lines_document_id")),
        sa.PrimaryKeyConstraint("document_id", "position", name=op.f("pk_document_lines")),
    )
    create_table(
        "rate_imports",
        sa.Column("id", ID, nullable=False),
        sa.Column("group_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("valid_from", INSTANT, nullable=True),
        sa.Column("valid_until", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["rate_groups.id"], name=op.f("fk_rate_imports_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_imports")),
    )
    op.create_index(op.f("ix_rate_imports_group_id"), "rate_imports", ["group_id"], unique=False)
    create_table(
        "rates",
        sa.Column("import_id", ID, autoincrement=False, nullable=False),
        sa.Column("prefix", sa.String(length=18), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("price_per_minute", EXACT, nullable=False),
        sa.Column("connection_fee", EXACT, nullable=False),
        sa.Column("included_seconds", sa.Integer(), nullable=False),
        sa.Column("initial_increment", sa.Integer(), nullable=True),
        sa.Column("increment", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["rate_imports.id"], name=op.f("fk_rates_import_id")),
        sa.PrimaryKeyConstraint("import_id", "prefix", name=op.f("pk_rates")),
        sqlite_with_rowid=False,
    )
    create_table(
        "transfers",
        sa.Column("posting_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("source_id", ID, nullable=False),
        sa.Column("target_id", ID, nullable=False),
        sa.Column("micros", MICROS, nullable=False),
        sa.ForeignKeyConstraint(["posting_id"], ["postings.id"], name=op.f("fk_transfers_posting_id")),
        sa.ForeignKeyConstraint(["source_id"], ["ledger_accounts.id"], name=op.f("fk_transfers_source_id")),
        sa.ForeignKeyConstraint(["target_id"], ["ledger_accounts.id"], name=op.f("fk_transfers_target_id")),
        sa.PrimaryKeyConstraint("posting_id", "position", name=op.f("pk_transfers")),
    )
    op.create_index(op.f("ix_transfers_source_id"), "transfers", ["source_id"], unique=False)
    op.create_index(op.f("ix_transfers_target_id"), "transfers", ["target_id"], unique=False)
