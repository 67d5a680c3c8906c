"""The SQL storage: SQLAlchemy Core tables, an explicit mapping, Alembic migrations."""
