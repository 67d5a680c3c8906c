"""Hypothesis profiles and database servers.

The profile `ci` repeats itself exactly, `dev` looks somewhere else each time. Servers are those that
`ASTPP_BILLING_TEST_POSTGRES` and `ASTPP_BILLING_TEST_MARIADB` name (their databases are emptied!), or throw-away ones.
"""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.opening import tables_made_once
from tests.servers import Server, ServerNotInstalled, empty, fresh, mariadb, postgres

# so that a failing assertion of the contract shows its values, as those of the test modules do; here, before any test
# module imports it
pytest.register_assert_rewrite("astpp_billing.testing.storage_contract")

# How long an example takes says more about the machine, and about coverage being measured, than about the code.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
    print_blob=True,
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


MEASURING = "COVERAGE_PROCESS_CONFIG"
"""What lets coverage measure the processes that a test starts."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure processes in `tests/cli` alone: in others hardly anything runs that the tests do not run themselves."""
    measuring = os.environ.get(MEASURING)
    if measuring is not None and item.path.parent.name != "cli":
        del os.environ[MEASURING]
    try:
        return (yield)
    finally:
        if measuring is not None:
            os.environ[MEASURING] = measuring


def serve(start: Callable[[], AbstractContextManager[Server]], variable: str) -> Iterator[str]:
    """The URL of a server: the one that an environment variable names, or of a throw-away one."""
    if variable in os.environ:
        yield os.environ[variable]
        return
    try:
        running = start()
        server = running.__enter__()
    except ServerNotInstalled as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error} is not installed, and {variable} names no server")
        pytest.skip(f"{error} is not installed, and {variable} names no server")
    try:
        yield server.url
    finally:
        running.__exit__(None, None, None)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test by the argument, not by its value, where the value is long or bytes: pages of it name nothing."""
    return argname if isinstance(val, bytes) or (isinstance(val, str) and len(val) > 60) else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    yield from serve(postgres, "ASTPP_BILLING_TEST_POSTGRES")


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    yield from serve(mariadb, "ASTPP_BILLING_TEST_MARIADB")


@pytest.fixture(scope="session", autouse=True)
def _tables_made_once() -> Iterator[None]:
    with tables_made_once():
        yield


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """A database on PostgreSQL, with its tables and nothing in them."""
    return fresh(postgres_server)


@pytest.fixture
def mariadb_url(mariadb_server: str) -> str:
    """A database on MariaDB, with its tables and nothing in them."""
    return fresh(mariadb_server)


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with nothing in it that several processes can open, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/billing.db"
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that has no tables yet, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/billing.db"
    else:
        url: str = request.getfixturevalue(f"{request.param}_server")
        yield empty(url)
        empty(url)
