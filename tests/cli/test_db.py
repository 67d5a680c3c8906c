"""`astpp-billing db`: the revision of the database."""

import sqlite3

from tests.cli.conftest import Command

from astpp_billing.storage.sql.migrations import NEWEST


def test_an_empty_database_is_upgraded_once_and_for_all(command: Command) -> None:
    command.database.touch()

    assert command.json("db", "current")["revision"] is None
    assert "is at revision None" in command.run("db", "check", code=1).stderr
    for _ in range(2):
        assert command.json("db", "upgrade")["revision"] == NEWEST
    assert command.json("db", "check") == command.json("db", "current")
    assert f"is at revision {NEWEST}, as it must be" in command.out("db", "check")


def test_a_database_of_a_later_release_is_left_as_it_is(command: Command) -> None:
    command.run("init")
    with sqlite3.connect(command.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    for name in ("check", "upgrade"):
        assert f"9999, {'this' if name == 'check' else 'which'}" in command.run("db", name, code=1).stderr
    assert command.json("db", "current")["revision"] == "9999"


def test_a_database_that_is_not_there_is_not_made(command: Command) -> None:
    for name in ("upgrade", "current", "check"):
        assert "there is no database" in command.run("db", name, code=1).stderr
    assert not command.database.exists()
