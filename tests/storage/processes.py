"""What the processes of `test_processes` do: `python processes.py TASK URL …`, with a line of output when ready."""

import os
import signal
import sys
import time
from collections.abc import Callable

from astpp_billing.invoicing import DocumentKind
from astpp_billing.ledger import Transfer
from astpp_billing.ports import Changes
from astpp_billing.storage import open_storage
from astpp_billing.testing.storage_contract.base import add_posting, posting, revenue, wallet
from astpp_billing.testing.storage_contract.transactions import do_everything


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def hold(url: str, seconds: str) -> None:
    """Keep a transaction open for a while, and commit it."""
    storage = open_storage(url)
    with storage.begin() as work:
        seller = work.accounts()[0]
        add_posting(work, posting("held", Transfer(revenue(seller), wallet(seller), 5)))
        say("holding")
        time.sleep(int(seconds) / 1000)
    storage.close()


def die(url: str) -> None:
    """Be killed in the middle of a transaction that has changed everything."""
    storage = open_storage(url)
    with storage.begin() as work:
        do_everything(work, work.accounts()[0], "dying")
        say("dying")
        os.kill(os.getpid(), signal.SIGKILL)


def count(url: str, mark: str, times: str) -> None:
    """Open, read, write and take a number, many times."""
    storage = open_storage(url)
    for index in range(int(times)):
        with storage.begin() as work:
            seller = work.accounts()[0]
            series = (seller.id, DocumentKind.INVOICE)
            locked = work.lock([seller.id], [series])
            before, number = locked.wallets[seller.id].balance_micros, locked.last_numbers[series] + 1
            moved = posting(f"{mark} {index}", Transfer(revenue(seller), wallet(seller), 1))
            work.save(Changes(postings=[moved], numbers={series: 1}))
            say(f"{number} {before}")
    storage.close()


def create(url: str) -> None:
    """Open a database that may not be there yet."""
    open_storage(url).close()


if __name__ == "__main__":
    tasks: dict[str, Callable[..., None]] = {"hold": hold, "die": die, "count": count, "create": create}
    tasks[sys.argv[1]](*sys.argv[2:])
