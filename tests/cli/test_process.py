"""The command as a process of its own: exit codes, streams, pipes, and an installation without the extra."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import HEADINGS, LOOPBACK, Command

ASTPP = [sys.executable, "-c", "from astpp_billing.cli import main; main()"]


def run(command: Command, *arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"ASTPP_BILLING_DATABASE": f"sqlite:///{command.database}"}
    return subprocess.run(
        [*ASTPP, *map(str, arguments)], input=stdin, capture_output=True, env=environment, timeout=60, check=False
    )


def test_results_go_to_standard_output_and_the_exit_code_is_0(shop: Command) -> None:
    done = run(shop, "accounts", "list")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Number")
    assert b"\x1b" not in done.stdout


def test_what_the_work_finds_wrong_is_exit_code_1(shop: Command) -> None:
    done = run(shop, "cdr", "ingest", "nowhere.json")

    assert done.returncode == 1
    assert done.stderr == b"nowhere.json: bad: No such file or directory\n"


def test_a_mistake_in_use_is_exit_code_2(shop: Command) -> None:
    done = run(shop, "ledger", "refill", "acc1")

    assert done.returncode == 2
    assert done.stdout == b""


def test_an_error_of_the_library_is_one_line_without_a_trace(shop: Command) -> None:
    done = run(shop, "ledger", "refill", "--key", "k", "--", "acc1", "-1")

    assert done.returncode == 1
    assert done.stderr == b"Error: a refill of account acc1 is a positive amount, not -1.00 USD\n"


def test_rates_come_through_a_pipe(shop: Command) -> None:
    done = run(shop, "rates", "import", "-", "--group", "retail", stdin=(HEADINGS + "44,UK,0,0,1,1,1\n").encode())

    assert (done.returncode, done.stdout) == (0, b"1 rates imported into 'retail', version 2\n")


def test_a_record_comes_through_a_pipe(shop: Command) -> None:
    body = (LOOPBACK / "json_cdr_base64.http").read_bytes()

    assert run(shop, "cdr", "ingest", "-", stdin=body).stdout == b"1 charged\n"


def test_a_reader_that_has_enough_is_no_crash(shop: Command) -> None:
    rates = HEADINGS + "".join(f"{prefix},{'x' * 100},0,0,1,1,1\n" for prefix in range(10_000, 15_000))
    shop.run("rates", "import", shop.file("many.csv", rates), "--group", "retail")
    process = subprocess.Popen(
        [*ASTPP, "--database", f"sqlite:///{shop.database}", "rates", "list", "--group", "retail"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b"Prefix")
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()

    assert process.wait(timeout=60) == 1
    assert errors == b""


def test_nothing_of_the_terminal_is_needed(shop: Command) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "LC_ALL": "C"}
    done = subprocess.run(
        [*ASTPP, "--database", f"sqlite:///{shop.database}", "accounts", "list"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_on_a_terminal_there_is_progress_and_the_result_stays_clean(shop: Command, options: list[str]) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*ASTPP, "--database", f"sqlite:///{shop.database}", *options, "cdr", "ingest", "-v", str(LOOPBACK)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(theirs)
    assert process.stdout is not None
    result = process.stdout.read()
    process.stdout.close()
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not shown:
            break
    os.close(ours)

    assert process.wait(timeout=60) == 0
    if options:
        assert json.loads(result)["summary"]["charged"] == 5
    else:
        assert result.count(b"\n") == 11
        assert result.endswith(b"\n5 charged, 5 repeated\n")
    assert b"Reading call records" in shown


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_it_says_which_to_install(missing: str) -> None:
    block = f"import sys; sys.modules[{missing!r}] = None; from astpp_billing.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, timeout=60, check=False)

    assert done.returncode == 2
    assert done.stderr.decode() == f"astpp-billing needs {missing}: install astpp-billing[cli]\n"


def test_another_module_that_is_missing_is_not_blamed_on_the_extra() -> None:
    block = (
        "import sys; sys.modules['sqlite3'] = sys.modules['attrs'] = None; from astpp_billing.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, timeout=60, check=False)

    assert done.returncode == 1
    assert b"ModuleNotFoundError" in done.stderr


def test_a_record_in_xml_without_its_extra_says_which_to_install(shop: Command, tmp_path: Path) -> None:
    block = "import sys; sys.modules['defusedxml'] = None; from astpp_billing.cli import main; main()"
    done = subprocess.run(
        [
            *(sys.executable, "-c", block, "--database", f"sqlite:///{shop.database}"),
            *("cdr", "ingest", LOOPBACK / "xml_cdr_form.http"),
        ],
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert b"astpp-billing[freeswitch]" in done.stderr
    assert b"Traceback" not in done.stderr


def test_thousands_of_files_are_not_held_in_memory(shop: Command) -> None:
    """The most memory that is needed hardly grows with the number of files."""
    for number in range(300):
        shop.file(f"many/{number}.json", b"[" + b"0," * 500_000)
    measure = (
        "import resource, sys; from astpp_billing.cli.app import cli\n"
        "try: cli()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    peaks = []
    for names in (["0.json", "1.json"], [""]):
        files = [str(shop.directory / "many" / name) for name in names]
        done = subprocess.run(
            [sys.executable, "-c", measure, "--database", f"sqlite:///{shop.database}", "cdr", "ingest", *files],
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 1
        peaks.append(int(done.stderr.splitlines()[-1]))

    assert peaks[1] < peaks[0] + 20_000  # kilobytes; the files together have 300,000
