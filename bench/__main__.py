"""Run all benchmarks: `python -m bench`. Writes `bench/results.json`; exits 1 if a ratio is below its floor."""

import json
import sys
from pathlib import Path

from bench import import_rates, price_cascade

# Each benchmark is a function `run() -> Result` in a module of its own.
BENCHMARKS = (price_cascade.run, import_rates.run)

RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    results = [run() for run in BENCHMARKS]
    print(f"{'benchmark':<24}{'ratio':>8}{'floor':>8}")
    for result in results:
        below = "" if result.ratio >= result.floor else "  BELOW THE FLOOR"
        print(f"{result.name:<24}{result.ratio:>8.2f}{result.floor:>8.2f}{below}")
        for name, figure in result.figures.items():
            print(f"    {name:<44}{figure:>16}")
    report = {result.name: {"ratio": round(result.ratio, 3), "floor": result.floor} for result in results}
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return int(any(result.ratio < result.floor for result in results))


if __name__ == "__main__":
    sys.exit(main())
