"""What ``figures/anomaly.json`` holds, read and put in words: for notebook 07, and for the
README."""

import json
from functools import cache
from pathlib import Path

import numpy as np

from convae._io import FIGURES
from convae.anomaly.study.textures import PARTS
from convae.evaluation.intervals import Estimate
from convae.reproduce.readme import render

ANOMALY = FIGURES / "anomaly.json"
TEMPLATE = Path(__file__).with_name("readme.md.j2")

SCORES = {  # names of the anomaly scores in figures/anomaly.json
    "squared_error": "plain error (the paper's score)",
    "reconstruction_probability": "reconstruction probability",
    "negative_elbo": "negative ELBO",
    "latent_distance": "latent distance",
    "difference_gaussian": "difference, Gaussian",
    "difference_neighbours": "difference, nearest",
    "maps_neighbours": "maps, nearest",
    "untrained": "both, network untrained",
    "detector": "both: difference and maps",
    "together": "both, all seeds together",
    "largest_difference": "largest difference",
    "combined": "detector: both or largest",
    "combined_together": "detector, all seeds together",
    "pca_pixels": "PCA residual",
    "pca_averaged": "PCA residual, averaged",
    "neighbours_pixels": "nearest neighbours",
    "neighbours_averaged": "nearest neighbours, averaged",
    "gaussian_pixels": "Gaussian",
    "gaussian_averaged": "Gaussian, averaged",
    "svm_pixels": "one-class SVM",
}
BASELINES = (  # scores without a network
    "pca_pixels", "pca_averaged", "neighbours_pixels", "neighbours_averaged", "gaussian_pixels",
    "gaussian_averaged", "svm_pixels",
)


@cache
def load() -> dict:
    """The content of ``figures/anomaly.json``."""
    return json.loads(ANOMALY.read_text(encoding="utf-8"))


def per_cent(score: dict) -> Estimate:
    """A score's mean area under the ROC curve with its interval over the seeds, in per cent."""
    return Estimate(*(100 * score[key] for key in ("mean", "low", "high")))


def area(score: dict) -> str:
    """The same as text, such as ``97.77 (97.70 – 97.84)``; of two seeds with their range, of one
    without."""
    mean = per_cent(score)
    return f"{mean:.2f}" if len(score["by_seed"]) > 1 else f"{mean.value:.2f}"


def best_baseline(scores: dict) -> str:
    """The name of the best score without a network, of a table of ``figures/anomaly.json``."""
    return max(BASELINES, key=lambda name: scores[name]["mean"])


def mean_areas(textures: dict, names) -> dict[str, float]:
    """By score, the mean area under the ROC curve over all defects of the `names` among the
    `textures`, in [0, 1]."""
    areas: dict[str, list[float]] = {}
    for name in names:
        for defect in textures[name]["defects"].values():
            for score, value in defect["image_auroc"].items():
                areas.setdefault(score, []).append(value)
    return {score: sum(values) / len(values) for score, values in areas.items()}


def readme_block() -> list[str]:
    """What the README says of how good the detector is, and where it is worse."""
    results = load()
    mnist, fashion = results["one-class"]["mnist"], results["one-class"]["fashion"]
    published, textures = results["published"]["one_class"], results["textures"]
    autoencoders = [method for method in published if method["autoencoder"]]
    alarms = results["false-alarms"]["0.01"]["scores"]["combined"]
    on_parts = mean_areas(textures, PARTS)
    text = render(
        TEMPLATE,
        area=area,
        share=lambda value, digits=0: f"{value:.{digits}%}",
        names=SCORES,
        mnist=mnist, baseline=best_baseline(mnist), baselines=BASELINES,
        fashion=fashion, fashion_baseline=best_baseline(fashion),
        rest=per_cent(results["one-class-rest"]["16"]["combined"]).value,
        best=max(published, key=_mean), autoencoder=max(autoencoders, key=_mean),
        alarms=alarms, severest=np.mean([levels[-1] for levels in alarms["defects"].values()]),
        part=textures["part"]["defects"], part_alarms=textures["part"]["false_alarms"],
        plate=textures["plate"]["defects"],
        alone=on_parts["gaussian_in_place"], together=on_parts["combined"],
    )
    return [text.rstrip("\n")]


def _mean(method: dict) -> float:
    return method["mean"]
