import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from astpp_billing.errors import StorageError
from astpp_billing.storage import open_storage
from astpp_billing.testing.storage_contract import everything
from astpp_billing.testing.storage_contract.base import admin, wallet
from astpp_billing.testing.storage_contract.transactions import last_number

SCRIPT = Path(__file__).with_name("processes.py")


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/billing.db"
    storage = open_storage(url)
    with storage.begin() as work:
        admin(work)
    storage.close()
    return url


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, SCRIPT, *arguments], stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_a_writer_makes_others_wait_and_they_see_what_it_did(url: str) -> None:
    storage = open_storage(url)
    with process("hold", url, "700") as holder:
        assert said(holder) == "holding"
        begin = time.monotonic()
        with storage.begin() as work:
            waited = time.monotonic() - begin
            seller = work.accounts()[0]
            assert work.balance(wallet(seller)) == 5
        assert holder.wait(10) == 0
    storage.close()

    assert waited > 0.3


def test_who_has_waited_too_long_is_told_so(url: str) -> None:
    storage = open_storage(f"{url}?timeout=0.1")
    with process("hold", url, "5000") as holder:
        assert said(holder) == "holding"
        with pytest.raises(StorageError, match="database is locked"), storage.begin():
            pass
    with storage.begin() as work:
        assert work.balances() == {}
    storage.close()


def test_a_process_that_is_killed_leaves_nothing_half_done(url: str) -> None:
    storage = open_storage(url)
    with storage.begin() as work:
        before = everything(work)
    with process("die", url) as child:
        assert said(child) == "dying"
        assert child.wait(10) == -signal.SIGKILL
    with storage.begin() as work:
        assert everything(work) == before
        assert work.find_posting("key dying") is None
        assert last_number(work, work.accounts()[0]) == 0
    storage.close()


def test_a_database_whose_last_user_was_killed_can_be_opened(url: str) -> None:
    for _ in range(2):
        with process("die", url) as child:
            assert child.wait(10) == -signal.SIGKILL
    storage = open_storage(url)
    with storage.begin() as work:
        assert [account.number for account in work.accounts()] == ["admin"]
        assert work.proved_balances() == {}
    storage.close()


def test_processes_at_the_same_time_lose_nothing(url: str) -> None:
    with process("count", url, "a", "25") as one, process("count", url, "b", "25") as other:
        lines = []
        for child in (one, other):
            assert child.stdout is not None
            lines += [tuple(map(int, line.split())) for line in child.stdout]
            assert child.wait(20) == 0

    assert sorted(lines) == [(number, number - 1) for number in range(1, 51)]
    storage = open_storage(url)
    with storage.begin() as work:
        assert work.balance(wallet(work.accounts()[0])) == 50
    storage.close()


def test_a_new_database_can_be_opened_by_many_at_once(tmp_path: Path) -> None:
    children = [subprocess.Popen([sys.executable, SCRIPT, "create", f"sqlite:///{tmp_path}/new.db"]) for _ in range(4)]

    assert [child.wait(30) for child in children] == [0] * 4
