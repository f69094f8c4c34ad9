"""On a GPU: ``python -m benchmarks.gpu``, on any machine with one; it ends within eight
minutes, unless the first setting alone takes longer.

For each setting of :mod:`benchmarks.quality`: time to quality of one model, and of 60 models that
are trained at once (:mod:`benchmarks.stacked`). Writes ``gpu.json`` beside this file, and the part
of benchmarks/README.md that is made from it.
"""

import json
import platform
import statistics
import sys
import time
from pathlib import Path

import torch

import convae
from benchmarks.quality import SETTINGS
from benchmarks.stacked import train_together
from convae._io import to_json, write_all_atomically
from convae.evaluation.inference import evaluate
from convae.recipes import Recipe
from convae.reproduce.readme import changes
from convae.training import Trained, train

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "gpu.json", HERE / "README.md"

MANY = range(60)  # seeds
WAYS = {          # in what they are called, and the seeds of each run
    "train": ("one model, `convae.train`", [[0]]),
    "one": ("one model, recorded", [[seed] for seed in range(5)]),
    "many": (f"{len(MANY)} models at once", [MANY]),
}
IMAGES = 60_000
LIMIT = 400       # seconds; a setting is begun if it probably ends before
PROBES = (20, 60)  # steps of two short trainings, whose difference is free of the set-up
GIB = 2**30


def measure(device: str = "cuda", limit: float = LIMIT) -> dict:
    """The settings that `limit` seconds suffice for, in their order; the first in any case."""
    end = time.perf_counter() + limit
    targets = json.loads((HERE / "results.json").read_text())["settings"]
    found: dict = {}
    for setting, fields in SETTINGS.items():
        recipe = Recipe.from_dict(fields)
        if found and time.perf_counter() + expected_seconds(recipe, device) > end:
            break
        print(f"measuring {setting}", flush=True)
        ways = {}
        for way, (_, runs) in WAYS.items():
            ways[way] = [measure_run(way, with_seeds(recipe, seeds), device) for seeds in runs]
        found[setting] = {
            "recipe": recipe.to_dict(),
            "target_loss": targets[setting]["target_loss"]["median"],
            "ways": ways,
        }
    return found


def measure_run(way: str, recipes: list[Recipe], device: str = "cuda") -> dict:
    """Seconds from the call to trained models, their test losses, and the most GPU memory held."""
    on_gpu = device == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    if way == "train":
        trained = [train(recipe, progress=False, device=device) for recipe in recipes]
    else:
        trained = train_together(recipes, device=device)
    seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() / GIB if on_gpu else 0.0
    losses = test_losses(recipes, trained, device)
    return {"seconds": seconds, "peak_memory_gib": peak, "losses": losses}


def test_losses(recipes: list[Recipe], trained: list[Trained], device: str) -> list[float]:
    """Each model's objective on the test set, z sampled as in training."""
    unseen = convae.load_mnist(train=False)[0].to(device)
    return [evaluate(model.to(device), recipe, unseen)["loss"]
            for recipe, (model, _) in zip(recipes, trained, strict=True)]


def with_seeds(recipe: Recipe, seeds) -> list[Recipe]:
    return [Recipe.from_dict({**recipe.to_dict(), "seed": seed}) for seed in seeds]


def expected_seconds(recipe: Recipe, device: str) -> float:
    """About how long a setting takes, from a few steps of all models at once."""
    images = convae.load_mnist(train=True)[0]
    short = with_seeds(Recipe.from_dict({**recipe.to_dict(), "epochs": 1}), MANY)
    seconds = []
    for steps in PROBES:
        start = time.perf_counter()
        train_together(short, images[:steps * recipe.batch_size], device)
        seconds.append(time.perf_counter() - start)
    a_step = (seconds[1] - seconds[0]) / (PROBES[1] - PROBES[0])
    # All the other runs together are taken to last three times as long as that of many models.
    return 4 * a_step * recipe.epochs * (IMAGES // recipe.batch_size)


def describe_machine() -> dict:
    """The GPU and the versions; no name of the machine."""
    gpu = torch.cuda.get_device_properties("cuda")
    return {"gpu": gpu.name, "memory_gib": gpu.total_memory / GIB, "torch": torch.__version__,
            "cuda": torch.version.cuda, "python": platform.python_version()}


def report(results: dict | None):
    """The lines of benchmarks/README.md; None where there are no results."""
    if results is None:
        yield "This has not been run: no GPU was at hand."
        return
    machine, settings = results["machine"], results["settings"]
    seeds = len(WAYS["one"][1])
    yield (f"On one {machine['gpu']} ({machine['memory_gib']:.0f} GiB; torch {machine['torch']}), "
           "in float32 throughout (TF32 is off). Seconds from the call to trained models: reading "
           "the data and recording the step are part of it, imports are not. The range is over "
           f"{seeds} seeds for one model, and over {len(MANY)} for that many. Memory is the most "
           "that torch held, what its libraries kept of the runs before included.\n")
    yield from table(settings)
    changed = [name for name in settings if name in SETTINGS
               and settings[name]["recipe"] != Recipe.from_dict(SETTINGS[name]).to_dict()]
    if changed:
        yield f"\nThe recipe has changed since: {', '.join(changed)}."
    missing = [name for name in SETTINGS if name not in settings]
    if missing:
        yield f"\nNot measured: {', '.join(missing)}."


def table(settings: dict):
    """A column for each setting; for each way of training, what it took and what it reached."""
    def row(title, cell):
        return f"| {title} | {' | '.join(map(cell, settings.values()))} |"

    yield f"| | {' | '.join(settings)} |"
    yield "|---|" + "---|" * len(settings)
    yield row("target: the plain loop's best test loss", lambda s: f"{s['target_loss']:.2f}")
    for way, (name, _) in WAYS.items():
        yield row(f"**{name}**: seconds", lambda s, way=way: spread(seconds_of(s, way), 1))
        yield row("test loss", lambda s, way=way: spread(losses_of(s, way), 2))
        yield row("reach the target", lambda s, way=way: reached(s, way))
        yield row("images a second", lambda s, way=way: f"{images_a_second(s, way):,.0f}")
        yield row("memory of the GPU", lambda s, way=way: f"{memory(s, way):.1f} GiB")


def spread(values: list[float], digits: int) -> str:
    median, low, high = (f"{f(values):.{digits}f}" for f in (statistics.median, min, max))
    return f"{median} ({low} – {high})" if len(values) > 1 else median


def seconds_of(setting: dict, way: str) -> list[float]:
    return [run["seconds"] for run in setting["ways"][way]]


def losses_of(setting: dict, way: str) -> list[float]:
    return sum((run["losses"] for run in setting["ways"][way]), [])


def reached(setting: dict, way: str) -> str:
    losses = losses_of(setting, way)
    return f"{sum(loss <= setting['target_loss'] for loss in losses)} of {len(losses)}"


def images_a_second(setting: dict, way: str) -> float:
    """Over whole trainings, what comes before the first step included."""
    models = len(setting["ways"][way][0]["losses"])
    images = models * setting["recipe"]["epochs"] * IMAGES
    return images / statistics.median(seconds_of(setting, way))


def memory(setting: dict, way: str) -> float:
    return max(run["peak_memory_gib"] for run in setting["ways"][way])


def page_changes(results: dict | None) -> dict:
    """The page as it has to be with these results, if that differs from what it is."""
    return changes("benchmarks/gpu.json", report(results), PAGE)


def main():
    if not torch.cuda.is_available():
        sys.exit("benchmarks.gpu needs a GPU that torch can use, and torch finds none here; "
                 "benchmarks/README.md shows what was measured elsewhere, if it was")
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    text = to_json({"machine": describe_machine(), "settings": measure()})
    results = json.loads(text)
    write_all_atomically({RESULTS: text, **page_changes(results)})
    print("\n".join(report(results)))


if __name__ == "__main__":
    main()
