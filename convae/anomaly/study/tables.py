"""What the numbers of ``figures/anomaly.json`` rest on: the tasks, their committed records, and the
tables made of these."""

import json
import tomllib
from pathlib import Path

import numpy as np

from convae._io import to_json, write_all_atomically
from convae.anomaly.conformal import expected_rate
from convae.anomaly.study import false_alarms, localisation, one_class, results, textures
from convae.dense import hidden_like_conv
from convae.evaluation.defects import KINDS
from convae.evaluation.intervals import mean_with_t_interval
from convae.recipes import Recipe
from convae.reproduce import readme
from convae.reproduce.sweep import Task, sweep_studies

RECORDS = Path(__file__).parent / "records"
PUBLISHED = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
DIMENSIONS = dict.fromkeys((2, 4, 8, 16, 32, 64, 128), (1, 2, 3))  # with the seeds of each
OTHER_DIMENSIONS = dict.fromkeys((2, 8, 32, 128), (1, 2))
FAMILIES = {  # of the autoencoders that repair local defects
    "vae": ("vae", "conv", "squared_error"), "vae_cross_entropy": ("vae", "conv", "cross_entropy"),
    "ae": ("ae", "conv", "squared_error"), "dense_vae": ("vae", "dense", "squared_error"),
}


def one_class_tasks() -> list[Task]:
    """One class is normal: MNIST's digits, Fashion-MNIST's clothes, scikit-learn's digits; and the
    baselines."""
    return [one_class.task(data, "one", cls, n) for data, seeds in (("mnist", 5), ("digits", 5), ("fashion", 2))
            for n in (seeds, 0) for cls in range(10)]


def rest_tasks() -> list[Task]:
    """One digit is anomalous, with 2 and 32 latent variables as well, as others have measured; and
    the baselines."""
    return [one_class.task("mnist", "rest", cls, seeds, d) for d, seeds in ((16, 2), (2, 1), (32, 1), (16, 0))
            for cls in range(10)]


def defect_tasks() -> list[Task]:
    """Autoencoders of all digits: the paper's VAE in every dimension, the other families in
    some."""
    return [localisation.task(Recipe.from_name(f"{architecture}_{model}_{d}d", difference=difference, seed=seed,
                              **({"hidden": hidden_like_conv(model, d)} if architecture == "dense" else {})))
            for family, (model, architecture, difference) in FAMILIES.items()
            for d, seeds in (DIMENSIONS if family == "vae" else OTHER_DIMENSIONS).items() for seed in seeds]


def false_alarm_tasks() -> list[Task]:
    """Thresholds chosen on normal digits, tried on others."""
    return [false_alarms.task(digit, seed=1) for digit in range(10)]


def texture_tasks() -> list[Task]:
    """Large images, seen in tiles and as a whole; how was settled on sight of seeds 1 to 9."""
    return [textures.task(texture, seed) for texture in textures.TEXTURES for seed in (10, 11)]


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
    """The content of ``figures/anomaly.json``, from the committed records of the studies that have
    been done."""
    makers = {"one-class": lambda records: {data: _protocol(records, data) for data in ("mnist", "digits", "fashion")},
              "one-class-rest": lambda records: {str(d): _protocol(records, "mnist", d)
                                                 for d in sorted({r["latent_dim"] for r in records})},
              "false-alarms": _rates, "defects": _defects, "textures": _textures}
    return {"published": PUBLISHED} | {study: make(_load(study)) for study, make in makers.items()
                                       if (RECORDS / f"{study}.jsonl").exists()}


def _load(study):
    return [json.loads(line) for line in (RECORDS / f"{study}.jsonl").read_text(encoding="utf-8").splitlines()]


def _protocol(records, data, latent_dim=16):
    """By score: each seed's AUROC for each class, each class's mean, and the mean over classes with
    its interval over seeds."""
    chosen = {}
    for r in records:
        if r["data"] == data and r["latent_dim"] == latent_dim:
            for score, areas in r["auroc"].items():
                chosen.setdefault(score, {})[r["cls"]] = areas
    found = {}
    for score, of in chosen.items():
        by_seed = np.transpose([of[cls] for cls in range(10)])
        mean = mean_with_t_interval(by_seed.mean(1))
        found[score] = {"mean": mean.value, "low": mean.low, "high": mean.high, "by_class": by_seed.mean(0), "by_seed": by_seed}
    return found


def _rates(records):
    """By rate and score: means over digits with intervals, each digit's shares, and the shares of
    defects found by level."""
    records = sorted(records, key=lambda r: r["digit"])
    found = {}
    for rate in false_alarms.RATES:
        low, high = expected_rate(false_alarms.HELD_OUT, rate, false_alarms.HELD_OUT)
        scores = found.setdefault(str(rate), {"expected": [low, high], "scores": {}})["scores"]
        for score in records[0]["rates"][str(rate)]:
            of = [r["rates"][str(rate)][score] for r in records]
            shares = {name: [each[name] for each in of] for name in ("unseen", "test_normal", "test_anomalous", "precision")}
            scores[score] = {
                **{name: mean_with_t_interval(values)._asdict() | {"by_digit": values} for name, values in shares.items()},
                "defects": {kind: np.mean([each["defects"][kind] for each in of], 0) for kind in KINDS}}
    return found


def _defects(records):
    """By family and dimension: the mean over seeds of each measure, by kind of defect and level."""
    found = {}
    for family, (model, architecture, difference) in FAMILIES.items():
        for d in DIMENSIONS if family == "vae" else OTHER_DIMENSIONS:
            chosen = [r for r in records if (r["recipe"]["model"], r["recipe"]["architecture"], r["recipe"]["difference"],
                                             r["recipe"]["latent_dim"]) == (model, architecture, difference, d)]
            found.setdefault(family, {})[str(d)] = {
                "clean_error": mean_with_t_interval([r["clean_error"] for r in chosen])._asdict(),
                "defects": {defect: _mean([r["defects"][defect] for r in chosen]) for defect in chosen[0]["defects"]}}
    without = json.loads((RECORDS / "without_a_network.json").read_text(encoding="utf-8"))
    return {"families": found, "without_a_network": without}


def _textures(records):
    """By texture: means over the seeds."""
    return {texture: {key: _mean([r[key] for r in records if r["texture"] == texture]) for key in ("false_alarms", "defects")}
            for texture in textures.TEXTURES}


def _mean(values):
    """The mean of numbers, or of dicts of them, place by place."""
    if isinstance(values[0], dict):
        return {key: _mean([v[key] for v in values]) for key in values[0]}
    return float(np.mean(values))
