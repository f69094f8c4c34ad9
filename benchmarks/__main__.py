"""Speed against peers: ``python -m benchmarks``, or ``make bench``, which installs the peers first.

Takes about an hour on two cores; interrupted, it goes on where it stopped. Writes ``results.json``
and ``time_to_quality.png`` beside this file, and the README's table.
"""

import json
import platform
import sys
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks import chart, quality, report, speed
from benchmarks.peers import IMPORTS
from convae._io import write_all_atomically

HERE = Path(__file__).parent
FOLDER = HERE.parent / "build" / "benchmarks"


def main():
    if missing := [
        name
        for names in IMPORTS.values()
        for name in names
        if not find_spec(name.partition(".")[0])
    ]:
        sys.exit(
            f"the peers are not installed ({', '.join(missing)}): run this as `make bench`, which "
            "installs them"
        )
    try:
        runs = quality.measure(FOLDER)
        rounds = speed.measure(FOLDER)
    except KeyboardInterrupt:
        sys.exit("interrupted; what was measured is kept, and the same command goes on from there")
    results = report.summarise(rounds, runs)
    results["machine"] = {
        "cores": torch.get_num_threads(),
        "processor": _processor(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    write_all_atomically(
        {
            HERE / "results.json": json.dumps(results, indent=1) + "\n",
            HERE / "time_to_quality.png": chart.draw(results),
            **report.readme_changes(results),
        }
    )
    print("\n".join(report.table(results)))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


if __name__ == "__main__":
    main()
