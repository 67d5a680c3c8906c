"""What revisions build tables of. A revision says for ever what it says, so nothing here may change: only be added."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

# the types as they were, whatever becomes of `types.py`
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
