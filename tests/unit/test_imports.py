"""Importing the values and the prices loads nothing that they do not need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("sqlalchemy", "alembic", "pendulum", "babel", "hypothesis", "jinja2", "click", "rich")


def loaded_by(statement: str) -> set[str]:
    code = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(result.stdout)}


def test_the_package_loads_neither_sqlalchemy_nor_pendulum_nor_babel() -> None:
    loaded = loaded_by("import astpp_billing")

    assert "astpp_billing" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("module", ["pricing", "hierarchy", "money", "fx", "clock"])
def test_prices_load_neither_sqlalchemy_nor_babel(module: str) -> None:
    # pendulum is needed for the time zone and the billing schedule of an account
    loaded = loaded_by(f"import astpp_billing.{module}")

    assert "astpp_billing" in loaded
    assert loaded.isdisjoint(set(HEAVY) - {"pendulum"})


def test_money_needs_no_calendar() -> None:
    assert "pendulum" not in loaded_by("import astpp_billing.money, astpp_billing.fx")


def test_the_testing_package_loads_hypothesis_only_when_it_is_asked_to() -> None:
    assert "hypothesis" not in loaded_by("import astpp_billing.testing")
    assert "hypothesis" in loaded_by("from astpp_billing.testing import strategies")


def test_the_command_loads_neither_a_database_nor_what_other_commands_need() -> None:
    assert loaded_by("from astpp_billing.cli.app import cli").isdisjoint(set(HEAVY) - {"click", "rich"})


def test_a_database_that_is_up_to_date_is_opened_without_what_upgrades_it(tmp_path: Path) -> None:
    statement = f"from astpp_billing import Billing; Billing.open('sqlite:///{tmp_path}/billing.db').close()"

    assert "alembic" in loaded_by(statement)
    assert "alembic" not in loaded_by(statement)
