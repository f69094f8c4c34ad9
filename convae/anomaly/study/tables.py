"""What the numbers of ``figures/anomaly.json`` rest on: the tasks, their committed records, and the
tables made of these."""

import json
import tomllib
from functools import reduce
from itertools import product
from operator import getitem
from pathlib import Path

import numpy as np

from convae._io import to_json, write_all_atomically
from convae.anomaly.conformal import expected_rate
from convae.anomaly.study import false_alarms, large_images, localisation, one_class, results
from convae.anomaly.study.textures import TEXTURES
from convae.dense import hidden_like_conv
from convae.evaluation.intervals import mean_with_t_interval
from convae.recipes import Recipe
from convae.reproduce import readme
from convae.reproduce.sweep import Task, sweep_studies

RECORDS = Path(__file__).parent / "records"
PUBLISHED = Path(__file__).with_name("published.toml")
DATA_SETS = {"mnist": 5, "digits": 5, "fashion": 2}  # with the number of seeds of each
REST_DIMENSIONS = {16: 2, 2: 1, 32: 1}               # the same by latent dimension
DIMENSIONS = dict.fromkeys((2, 4, 8, 16, 32, 64, 128), (1, 2, 3))  # with the seeds of each
OTHER_DIMENSIONS = dict.fromkeys((2, 8, 32, 128), (1, 2))
FAMILIES = {  # of the autoencoders that repair local defects: model, architecture, loss
    "vae": ("vae", "conv", "squared_error"),
    "vae_cross_entropy": ("vae", "conv", "cross_entropy"),
    "ae": ("ae", "conv", "squared_error"),
    "dense_vae": ("vae", "dense", "squared_error"),
}


def one_class_tasks() -> list[Task]:
    """One class is normal: of MNIST, Fashion-MNIST and scikit-learn's digits; each with the
    baselines."""
    tasks = []
    for data, seeds in DATA_SETS.items():
        for cls, of_seeds in product(range(10), (seeds, 0)):
            tasks.append(one_class.task(data, "one", cls, of_seeds))
    return tasks


def rest_tasks() -> list[Task]:
    """One digit is anomalous, with 2 and 32 latent variables as well, as others have measured; and
    the baselines."""
    tasks = []
    for cls in range(10):
        for latent_dim, seeds in REST_DIMENSIONS.items():
            tasks.append(one_class.task("mnist", "rest", cls, seeds, latent_dim))
        tasks.append(one_class.task("mnist", "rest", cls, seeds=0))
    return tasks


def defect_tasks() -> list[Task]:
    """Autoencoders of all digits: the paper's VAE in every dimension, the other families in
    some."""
    tasks = []
    for family, (model, architecture, difference) in FAMILIES.items():
        for d, seeds in _dimensions(family).items():
            hidden = {"hidden": hidden_like_conv(model, d)} if architecture == "dense" else {}
            for seed in seeds:
                name = f"{architecture}_{model}_{d}d"
                recipe = Recipe.from_name(name, difference=difference, seed=seed, **hidden)
                tasks.append(localisation.task(recipe))
    return tasks


def false_alarm_tasks() -> list[Task]:
    """Thresholds chosen on normal digits, tried on others."""
    return [false_alarms.task(digit, seed=1) for digit in range(10)]


def texture_tasks() -> list[Task]:
    """Large images, seen in tiles and as a whole; how was settled on sight of seeds 1 to 9."""
    return [large_images.task(texture, seed) for texture in TEXTURES for seed in (10, 11)]


STUDIES = {
    "one-class": one_class_tasks,
    "one-class-rest": rest_tasks,
    "false-alarms": false_alarm_tasks,
    "defects": defect_tasks,
    "textures": texture_tasks,
}


def sweep_and_publish(
    studies: list[str],
    folder: Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
) -> list[str]:
    """Do studies, and put their records and what follows from all records in their places; returns
    what was written.

    Parameters
    ----------
    studies : list of str
        Of :data:`STUDIES`.
    folder, scheduler, workers
        As for :func:`convae.reproduce.sweep.sweep`.
    """
    tasks = {study: STUDIES[study]() for study in studies}
    contents = sweep_studies(tasks, RECORDS, folder, scheduler, workers)
    if "defects" in studies:
        without = localisation.without_a_network(DIMENSIONS)
        contents[RECORDS / "without_a_network.json"] = json.dumps(without) + "\n"
    write_all_atomically(contents)
    return [*map(str, contents), *publish()]


def publish() -> list[str]:
    """Write what follows from the committed records; returns what was written."""
    return readme.publish(results.ANOMALY, to_json(tables()), _readme_block)


def _readme_block():
    results.load.cache_clear()  # the file was written anew
    return results.readme_block()


def tables() -> dict:
    """The content of ``figures/anomaly.json``, from the committed records."""
    rest = load("one-class-rest")
    dimensions = sorted({record["latent_dim"] for record in rest})
    return {
        "published": tomllib.loads(PUBLISHED.read_text(encoding="utf-8")),
        "one-class": {data: protocol(load("one-class"), data) for data in DATA_SETS},
        "one-class-rest": {str(d): protocol(rest, "mnist", d) for d in dimensions},
        "false-alarms": alarm_rates(load("false-alarms")),
        "defects": defects(load("defects")),
        "textures": textures(load("textures")),
    }


def load(study: str) -> list[dict]:
    """The committed records of a study."""
    lines = (RECORDS / f"{study}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def protocol(records: list[dict], data: str, latent_dim: int = 16) -> dict:
    """By score: each seed's AUROC for each class, each class's mean, and the mean over classes with
    its interval over seeds."""
    areas: dict[str, dict] = {}  # by score and class, one for each seed
    for record in records:
        if (record["data"], record["latent_dim"]) == (data, latent_dim):
            for score, by_seed in record["auroc"].items():
                areas.setdefault(score, {})[record["cls"]] = by_seed
    table = {}
    for score, of_score in areas.items():
        by_seed = np.transpose([of_score[cls] for cls in range(10)])  # (seeds, classes)
        mean = mean_with_t_interval(by_seed.mean(1))
        table[score] = {"mean": mean.value, "low": mean.low, "high": mean.high,
                        "by_class": by_seed.mean(0), "by_seed": by_seed}
    return table


def alarm_rates(records: list[dict]) -> dict:
    """By rate and score: means over digits with intervals, each digit's shares, and the shares of
    defects found by level."""
    by_digit = sorted(records, key=lambda record: record["digit"])
    n, table = false_alarms.HELD_OUT, {}
    for rate in map(str, false_alarms.RATES):
        at_rate = _column(by_digit, "rates", rate)
        scores = {score: _shares(_column(at_rate, score)) for score in at_rate[0]}
        table[rate] = {"expected": list(expected_rate(n, float(rate), n)), "scores": scores}
    return table


def _shares(by_digit: list[dict]) -> dict:
    """One score's shares at one rate, from those of each digit."""
    shares = {"defects": mean(_column(by_digit, "defects"))}
    for name in ("unseen", "test_normal", "test_anomalous", "precision"):
        values = _column(by_digit, name)
        shares[name] = mean_with_t_interval(values)._asdict() | {"by_digit": values}
    return shares


def defects(records: list[dict]) -> dict:
    """By family and dimension: the mean over seeds of each measure, by kind of defect and level."""
    families: dict[str, dict] = {family: {} for family in FAMILIES}
    for name, (model, architecture, difference) in FAMILIES.items():
        family = {"model": model, "architecture": architecture, "difference": difference}
        for d in _dimensions(name):
            wanted = family | {"latent_dim": d}
            chosen = [record for record in records if record["recipe"].items() >= wanted.items()]
            clean_error = mean_with_t_interval(_column(chosen, "clean_error"))
            families[name][str(d)] = {"clean_error": clean_error._asdict(),
                                      "defects": mean(_column(chosen, "defects"))}
    without = json.loads((RECORDS / "without_a_network.json").read_text(encoding="utf-8"))
    return {"families": families, "without_a_network": without}


def textures(records: list[dict]) -> dict:
    """By texture: means over the seeds."""
    table = {}
    for texture in TEXTURES:
        chosen = [record for record in records if record["texture"] == texture]
        table[texture] = {"false_alarms": mean(_column(chosen, "false_alarms")),
                          "defects": mean(_column(chosen, "defects"))}
    return table


def mean(values: list):
    """The mean of numbers or of lists of them, or of dicts of these, key by key."""
    if isinstance(values[0], dict):
        return {key: mean(_column(values, key)) for key in values[0]}
    return np.mean(values, 0)


def _column(records: list[dict], *keys: str) -> list:
    """What each record has under a key, and in that under the next."""
    return [reduce(getitem, keys, record) for record in records]


def _dimensions(family):
    return DIMENSIONS if family == "vae" else OTHER_DIMENSIONS
