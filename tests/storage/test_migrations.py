"""Migrations: from every earlier revision to the newest, on every database, and nothing is lost."""

from contextlib import closing
from fractions import Fraction

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, select

from astpp_billing.errors import StorageError
from astpp_billing.storage import open_storage
from astpp_billing.storage.sql import catalogue, tables
from astpp_billing.storage.sql.engine import make_engine
from astpp_billing.storage.sql.maintenance import upgrade_database
from astpp_billing.storage.sql.migrations import NEWEST, upgrade


def revisions() -> list[str]:
    """All revisions, the oldest first."""
    config = Config()
    config.set_main_option("script_location", "astpp_billing:storage/sql/migrations")
    return [script.revision for script in reversed(list(ScriptDirectory.from_config(config).walk_revisions()))]


def add(connection: Connection, name: str, **values: object) -> None:
    """Add a row to a table as it is at the moment; what must be there and is not given is empty."""
    table = Table(name, MetaData(), autoload_with=connection)
    needed = {it.name: it.type.python_type() for it in table.columns if not it.nullable}
    connection.execute(table.insert().values(**needed | values))


def test_the_newest_revision_is_the_last_one() -> None:
    assert revisions()[-1] == NEWEST
    assert catalogue.products.metadata is tables.metadata


@pytest.mark.parametrize("revision", revisions()[:-1])
def test_an_earlier_revision_is_upgraded_and_keeps_what_it_has(empty_url: str, revision: str) -> None:
    engine = make_engine(empty_url)
    with engine.begin() as connection:
        upgrade(connection, revision)
        connection.execute(tables.id_blocks.update().values(last_id=4711))
        add(connection, "postings", id=2, key="refill:1", reason="refill")
        add(connection, "postings", id=1, key="correction:refill:1", reason="correction", corrects="refill:1")
        add(connection, "postings", id=3, key="refill:2", reason="refill")
        add(connection, "accounts", id=1, number="1")
        add(connection, "invoice_configs", account_id=1, company="Acme")
    with pytest.raises(StorageError, match=f"is at revision {revision}, this release needs {NEWEST}"):
        open_storage(empty_url)

    assert upgrade_database(empty_url) == NEWEST

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        assert connection.execute(tables.id_blocks.select()).one().last_id == 4711
        config = connection.execute(select(tables.invoice_configs)).one()
        assert (config.company, config.credit_note_prefix) == ("Acme", "CRN-")
    engine.dispose()
    with closing(open_storage(empty_url)) as storage, storage.snapshot() as work:
        correction = work.find_posting("correction:refill:1")
        assert correction is not None
        assert (correction.corrects, correction.share) == ("refill:1", Fraction(1))
        assert work.corrections("refill:1") == [correction]
        assert {one.key: one.corrects for one in work.postings()} == {
            "refill:1": None,
            "correction:refill:1": "refill:1",
            "refill:2": None,
        }
