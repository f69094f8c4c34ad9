"""How a sweep scales: ``python -m benchmarks.scaling`` (some ten minutes on two cores; let nothing
else run meanwhile).

Measures Dask's overhead a task and how time falls from one worker to two, and reckons from that,
and from the committed records, what many machines would do. Writes ``scaling.json`` beside this
file, and the part of convae/claims/README.md that is made from it.
"""

import json
import os
import statistics
import tempfile
import time
from itertools import product
from pathlib import Path

from convae._io import write_all_atomically
from convae.claims import records
from convae.claims.design import CHOICES, SEEDS, one_universe
from convae.claims.measure import task
from convae.recipes import Recipe
from convae.reproduce import sweep
from convae.reproduce.readme import replace_block

HERE = Path(__file__).parent
PAGE = HERE.parent / "convae" / "claims" / "README.md"
ROUNDS = 3
NOTHINGS = 400  # tasks that do nothing, for the overhead
MACHINES = 1_000


def measure() -> dict:
    """Seconds of sweeps, in alternating rounds."""
    nothings = [sweep.Task(f"nothing {n}", f"{n:016x}", _nothing, {}) for n in range(NOTHINGS)]
    recipes = [Recipe.from_name("dense_ae_2d", hidden=14, epochs=3, seed=seed) for seed in range(8)]
    somethings = [task(recipe) for recipe in recipes]
    found: dict = {"overhead": [], "workers": {"1": [], "2": []}}
    for _ in range(ROUNDS):
        found["overhead"].append(_seconds(nothings, 2) / NOTHINGS)
        for workers in (1, 2):
            found["workers"][str(workers)].append(_seconds(somethings, workers))
    return found


def summarise(found: dict, seconds_a_task: list[float]) -> dict:
    """Medians, and what they come to on many machines.

    Parameters
    ----------
    found : dict
        Of :func:`measure`.
    seconds_a_task : list of float
        Training and measuring, of the committed records.
    """
    overhead = statistics.median(found["overhead"])
    one, two = (statistics.median(found["workers"][w]) for w in ("1", "2"))
    mean = statistics.mean(seconds_a_task)
    combinations = (
        dict(zip(CHOICES, values, strict=True)) for values in product(*CHOICES.values())
    )
    every = len(
        {task.key for choices in combinations for task in one_universe(choices, 0).values()}
    ) * len(SEEDS)
    return {
        **found,
        "overhead_seconds": overhead,
        "two_workers_times_as_fast": one / two,
        "seconds_a_task": mean,
        "cores": os.cpu_count(),
        "tasks_of_every_combination": every,
        "days_on_two_cores": every * mean / 2 / 86_400,
        "minutes_on_many": max(every * mean / MACHINES, every * overhead) / 60,
        "machines_that_one_scheduler_keeps_busy": mean / overhead,
    }


def report(result: dict) -> list[str]:
    """The lines of convae/claims/README.md."""
    return [
        f"Measured on {result['cores']} cores, medians of {ROUNDS} rounds: Dask's overhead is "
        f"{1000 * result['overhead_seconds']:.0f} ms a task, everything included: handing out, "
        "fetching, writing the record. "
        f"Eight small tasks take {result['two_workers_times_as_fast']:.2f} times less with two "
        "workers than with one, each "
        "worker's start included. A task of the study over seeds took "
        f"{result['seconds_a_task']:.0f} s on one core, on average.",
        "",
        f"On paper: all {result['tasks_of_every_combination']:,} different models of all "
        "combinations of the choices with ten "
        f"seeds would take {result['days_on_two_cores']:.0f} days on two such cores, and "
        f"{result['minutes_on_many']:.0f} "
        f"minutes on {MACHINES:,} machines with one such core each, if no worker is lost and each "
        "has MNIST. One scheduler could "
        f"keep {result['machines_that_one_scheduler_keeps_busy']:,.0f} of them busy; records are "
        "three kilobytes each.",
    ]


def _seconds(tasks, workers):
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        sweep.sweep(tasks, Path(folder), workers=workers)
        return time.perf_counter() - start


def _nothing():
    return {"numbers": list(range(500))}


def main():
    seconds = [sum(record["seconds"].values()) for record in records.load("seeds").values()]
    result = summarise(measure(), seconds)
    page = replace_block(
        PAGE.read_text(encoding="utf-8"), "benchmarks/scaling.json", report(result)
    )
    write_all_atomically({HERE / "scaling.json": json.dumps(result, indent=1) + "\n", PAGE: page})
    print("\n".join(report(result)))


if __name__ == "__main__":
    main()
