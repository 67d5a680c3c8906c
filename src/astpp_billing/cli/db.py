"""`astpp-billing db`: the revision of the database, and how it gets to the one that this release needs."""

from __future__ import annotations

import click

from astpp_billing.cli.app import App


@click.group()
def db() -> None:
    """Look at the database's revision, and upgrade it between two releases."""


@db.command("upgrade")
@click.pass_obj
def upgrade(app: App) -> None:
    """Bring the database to the revision that this release needs; nothing happens where it is there already."""
    from astpp_billing.storage.sql.maintenance import upgrade_database  # takes long to import

    revision = upgrade_database(app.database)
    app.output.result(_row(app, revision), f"the database {app.location} is at revision {revision}")


@db.command("current")
@click.pass_obj
def current(app: App) -> None:
    """Show the revision that the database is at."""
    from astpp_billing.storage.sql.maintenance import database_revision

    revision = database_revision(app.database)
    text = "is empty" if revision is None else f"is at revision {revision}"
    app.output.result(_row(app, revision), f"the database {app.location} {text}")


@db.command("check")
@click.pass_obj
def check(app: App) -> None:
    """Say whether the database is at the revision that this release needs; the exit code is 1 if not."""
    from astpp_billing.storage.sql.maintenance import check_database

    revision = check_database(app.database)
    app.output.result(_row(app, revision), f"the database {app.location} is at revision {revision}, as it must be")


def _row(app: App, revision: str | None) -> dict[str, str | None]:
    return {"database": app.location, "revision": revision}
