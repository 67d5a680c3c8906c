"""Corrections: what was posted can be taken back in parts, and what was billed by credit notes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from astpp_billing.storage.sql.migrations.building import ID, create_table

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Keep which posting corrects which one in a table of its own, by their ids, and the same for documents."""
    corrections = create_table(
        "corrections",
        sa.Column("posting_id", ID, autoincrement=False, nullable=False),
        sa.Column("corrected_id", ID, nullable=False),
        sa.Column("share", sa.String(length=48), nullable=True),
        sa.ForeignKeyConstraint(["corrected_id"], ["postings.id"], name=op.f("fk_corrections_corrected_id")),
        sa.ForeignKeyConstraint(["posting_id"], ["postings.id"], name=op.f("fk_corrections_posting_id")),
        sa.PrimaryKeyConstraint("posting_id", name=op.f("pk_corrections")),
    )
    op.create_index(op.f("ix_corrections_corrected_id"), "corrections", ["corrected_id"], unique=False)
    create_table(
        "credit_notes",
        sa.Column("document_id", ID, autoincrement=False, nullable=False),
        sa.Column("corrected_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["corrected_id"], ["documents.id"], name=op.f("fk_credit_notes_corrected_id")),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f("fk_credit_notes_document_id")),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_credit_notes")),
    )
    op.create_index(op.f("ix_credit_notes_corrected_id"), "credit_notes", ["corrected_id"], unique=False)
    postings = sa.table("postings", sa.column("id"), sa.column("key"), sa.column("corrects"))
    corrected = postings.alias()
    known = sa.select(postings.c.id, corrected.c.id, sa.literal("1")).join(
        corrected, corrected.c.key == postings.c.corrects
    )
    op.execute(corrections.insert().from_select(["posting_id", "corrected_id", "share"], known))
    op.drop_column("postings", "corrects")
    prefix = sa.Column("credit_note_prefix", sa.String(length=32), nullable=False, server_default="CRN-")
    op.add_column("invoice_configs", prefix)
