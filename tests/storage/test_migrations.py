"""Migrations: from every earlier revision to the newest, on every database, and nothing is lost."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

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


def test_the_newest_revision_is_the_last_one() -> None:
    assert revisions()[-1] == NEWEST
    assert catalogue.products.metadata is tables.metadata


@pytest.mark.parametrize("revision", revisions()[:-1])
def test_an_earlier_revision_is_upgraded_and_keeps_what_it_has(empty_url: str, revision: str) -> None:
    engine = make_engine(empty_url)
    with engine.begin() as connection:
        upgrade(connection, revision)
        connection.execute(tables.id_blocks.update().values(last_id=4711))
    with pytest.raises(StorageError, match=f"is at revision {revision}, this release needs {NEWEST}"):
        open_storage(empty_url)

    assert upgrade_database(empty_url) == NEWEST

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        assert connection.execute(tables.id_blocks.select()).one().last_id == 4711
    engine.dispose()
    open_storage(empty_url).close()
