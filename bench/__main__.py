"""Run all benchmarks, or those that are named: `python -m bench [NAME …]`.

Writes `bench/results.json`; exits 1 if a ratio is below its floor, or if something could not be measured where `CI` is
set.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import hot_reseller, import_rates, price_cascade, renew, settle_many
from bench.result import LeftOut, Result

# Each benchmark is a function that gives a `Result`, or raises `LeftOut` where its database server is not installed.
BENCHMARKS = {
    "price_cascade": price_cascade.run,
    "import_rates_sqlite": import_rates.run,
    "settle_many_sqlite": settle_many.run_sqlite,
    "settle_many_postgres": settle_many.run_postgres,
    "settle_many_mariadb": settle_many.run_mariadb,
    "hot_reseller_postgres": hot_reseller.run,
    "renew_postgres": renew.run_postgres,
}

RESULTS = Path(__file__).with_name("results.json")


def main(names: Sequence[str]) -> int:
    results: list[Result] = []
    left_out: list[str] = []
    for name in names or BENCHMARKS:
        try:
            results.append(BENCHMARKS[name]())
        except LeftOut as error:
            left_out.append(f"{name}: {error}")
    print(f"{'benchmark':<24}{'ratio':>8}{'floor':>8}")
    for result in results:
        below = "" if result.ratio >= result.floor else "  BELOW THE FLOOR"
        print(f"{result.name:<24}{result.ratio:>8.2f}{result.floor:>8.2f}{below}")
        for name, figure in result.figures.items():
            print(f"    {name:<44}{figure:>16}")
    for reason in left_out:
        print(f"left out: {reason}")
    report = json.loads(RESULTS.read_text(encoding="utf-8")) if names and RESULTS.exists() else {}
    report |= {result.name: {"ratio": round(result.ratio, 3), "floor": result.floor} for result in results}
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    missing = bool(left_out and os.environ.get("CI"))
    return int(missing or any(result.ratio < result.floor for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
