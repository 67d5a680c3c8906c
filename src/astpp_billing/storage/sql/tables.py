"""The tables, as SQLAlchemy Core sees them. What creates them is the migrations; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from astpp_billing.storage.sql.types import ExactDecimal, Id, Instant, Micros

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("number", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("parent_id", Id, ForeignKey("accounts.id"), index=True),
    Column("model", String(16)),
    Column("billing", String(16), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("locale", Text, nullable=False),
    Column("rate_group", String(64)),
    Column("own_rate_group", String(64)),
    Column("credit_limit_micros", Micros, nullable=False),
    Column("commission_percent", ExactDecimal, nullable=False),
    Column("loss_less_routing", Boolean, nullable=False),
    Column("cadence", String(16), nullable=False),
    Column("billing_day", Integer, nullable=False),
    Column("receipts", String(16), nullable=False),
    Column("zero_invoices", Boolean, nullable=False),
    Column("tax_number", Text, nullable=False),
    Column("same_credential", Boolean, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("status", String(16), nullable=False),
    Column("billed_until", Instant),
)

# What was done under which idempotency key; postings have keys of their own.
commands = Table(
    "commands",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(512), nullable=False, unique=True),
    Column("fingerprint", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("result", Text, nullable=False),
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("value", String(255), primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
)

invoice_configs = Table(
    "invoice_configs",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id"), primary_key=True),
    Column("company", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("tax_number", Text, nullable=False),
    Column("invoice_prefix", String(32), nullable=False),
    Column("receipt_prefix", String(32), nullable=False),
    Column("credit_note_prefix", String(32), nullable=False),
    Column("note", Text, nullable=False),
    Column("due_days", Integer, nullable=False),
    Column("tax_name", Text),
    Column("tax_percent", ExactDecimal),
)

series = Table(
    "series",
    metadata,
    Column("issuer_id", Id, ForeignKey("accounts.id"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("last_number", Id, nullable=False),
)

price_versions = Table(
    "price_versions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("version", Id, nullable=False),
)

rate_groups = Table(
    "rate_groups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("owner_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("markup_percent", ExactDecimal, nullable=False),
    Column("default_initial_increment", Integer, nullable=False),
    Column("default_increment", Integer, nullable=False),
    Column("places", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)

rate_imports = Table(
    "rate_imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("group_id", Id, ForeignKey("rate_groups.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("valid_from", Instant),
    Column("valid_until", Instant),
)

# The rates of one import begin and end together, so that is noted once, in `rate_imports`. The columns are in the order
# of a `RateRow`, which is what an import writes; in SQLite the rows lie in their primary key, with no index beside it.
rates = Table(
    "rates",
    metadata,
    Column("import_id", Id, ForeignKey("rate_imports.id"), primary_key=True, autoincrement=False),
    Column("prefix", String(18), primary_key=True),
    Column("destination", Text, nullable=False),
    Column("price_per_minute", ExactDecimal, nullable=False),
    Column("connection_fee", ExactDecimal, nullable=False),
    Column("included_seconds", Integer, nullable=False),
    Column("initial_increment", Integer),
    Column("increment", Integer),
    sqlite_with_rowid=False,
)

exchange_rates = Table(
    "exchange_rates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("base", String(3), nullable=False),
    Column("quote", String(3), nullable=False),
    Column("rate", ExactDecimal, nullable=False),
    Column("valid_from", Instant, nullable=False),
    Column("source", Text, nullable=False),
    UniqueConstraint("base", "quote", "valid_from"),
)

# What is decided under a lock for one account, in one row; everything else about an account may be read at leisure.
wallets = Table(
    "wallets",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
    Column("currency", String(3), nullable=False),
    Column("balance_micros", Micros, nullable=False),
    Column("rounding_micros", Micros, nullable=False),
    Column("held_micros", Micros, nullable=False),
    Column("credit_micros", Micros, nullable=False),
    Column("epoch", Id, nullable=False),
    Column("closed_until", Instant),
)

used = Table(
    "used",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
    Column("day", Integer, primary_key=True, autoincrement=False),  # the ordinal of a local day
    Column("micros", Micros, nullable=False),
    Column("calls", Id, nullable=False),
    Column("seconds", Id, nullable=False),
)

# One row: the ids that were given out, to whole processes at once.
id_blocks = Table(
    "id_blocks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("last_id", Id, nullable=False),
)

# One row, which is locked by whoever changes accounts.
locks = Table("locks", metadata, Column("name", String(16), primary_key=True))

# Names for what transfers move between; they never change, so a process reads each of them once.
ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("book", String(16), nullable=False),
    Column("currency", String(3), nullable=False),
    UniqueConstraint("account_id", "book", "currency"),
)

# The tables below grow with every call. They refer to what never goes away, or was made in the same transaction, and
# checking it for each row would lock the rows that everybody refers to: foreign keys are only where they cost little.
postings = Table(
    "postings",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("key", String(512), nullable=False, unique=True),
    Column("fingerprint", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("note", Text),
)

# Which posting puts which other one right, and the part of it that it takes back: few do.
corrections = Table(
    "corrections",
    metadata,
    Column("posting_id", Id, ForeignKey("postings.id"), primary_key=True, autoincrement=False),
    Column("corrected_id", Id, ForeignKey("postings.id"), nullable=False, index=True),
    Column("share", String(48)),  # an exact fraction: 1, 2/3
)

transfers = Table(
    "transfers",
    metadata,
    Column("posting_id", Id, ForeignKey("postings.id"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("source_id", Id, nullable=False, index=True),
    Column("target_id", Id, nullable=False, index=True),
    Column("micros", Micros, nullable=False),
    sqlite_with_rowid=False,
)

calls = Table(
    "calls",
    metadata,
    Column("id", Id, primary_key=True),
    Column("leg_uuid", String(255), nullable=False),
    Column("switch_id", String(255), nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("account_id", Id),
    Column("micros", Micros, nullable=False),
    Column("reason", String(64)),
    Column("detail", Text, nullable=False),
    Column("settled_at", Instant, nullable=False),
    Column("number", String(255), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("answered_at", Instant),
    Column("ended_at", Instant, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("account", String(255)),
    Column("user", String(255)),
    Column("address", String(255)),
    Column("caller", String(255), nullable=False),
    Column("dialled", String(255), nullable=False),
    Column("hangup_cause", String(255), nullable=False),
    Column("provider", String(255)),
    UniqueConstraint("leg_uuid", "switch_id"),
)

holds = Table(
    "holds",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(512), nullable=False, unique=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("placed_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("terms", Text, nullable=False),
    Column("levels", Text, nullable=False),  # JSON: [[account id, micros], …]; see `mapping.levels_text`
    Index("ix_holds_lapsing", "state", "expires_at"),
)

# Who issues to whom, and what they are called: the same on very many documents.
letterheads = Table(
    "letterheads",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("content", Text, nullable=False),  # JSON
)

documents = Table(
    "documents",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("number", String(64), nullable=False),
    Column("issuer_id", Id, nullable=False),
    Column("account_id", Id, nullable=False, index=True),
    Column("letterhead_id", Id, nullable=False),
    Column("period_start", Instant),
    Column("period_end", Instant),
    Column("issued_at", Instant, nullable=False),
    Column("due_at", Instant),
    Column("total_micros", Micros, nullable=False),
    Column("lines", Text, nullable=False),  # JSON: they are never read but with their document
    UniqueConstraint("issuer_id", "kind", "number"),
)

# Which document takes something back of which other one.
credit_notes = Table(
    "credit_notes",
    metadata,
    Column("document_id", Id, ForeignKey("documents.id"), primary_key=True, autoincrement=False),
    Column("corrected_id", Id, ForeignKey("documents.id"), nullable=False, index=True),
)

charges = Table(
    "charges",
    metadata,
    Column("posting_id", Id, ForeignKey("postings.id"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Id, nullable=False),
    Column("document_id", Id),
    Column("at", Instant, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("description", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("micros", Micros, nullable=False),
    Column("currency", String(3), nullable=False),
    Index("ix_charges_of_account", "account_id", "document_id", "at"),
    sqlite_with_rowid=False,
)
