"""What ``figures/claims.json`` and ``figures/anomaly.json`` hold, read and put in words.

How it was found is `convae.claims`' and `convae.anomaly`'s business; notebooks and README only report it.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np

from convae.evaluation.statistics import Estimate

CLAIMS = Path(__file__).parents[1] / "figures" / "claims.json"
ANOMALY = CLAIMS.with_name("anomaly.json")
FORMS = {"share": ".1%", "times": ".2f", "number": ".2f"}

SCORES = {  # of anomaly detection, as in figures/anomaly.json
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
BASELINES = tuple(name for name in SCORES if name.endswith(("_pixels", "_averaged")))  # without a network


@cache
def load() -> dict:
    """The content of ``figures/claims.json``."""
    return json.loads(CLAIMS.read_text(encoding="utf-8"))


def results_sha256() -> dict[str, str]:
    """Which state of the committed results this is: the SHA-256 of each file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (ANOMALY, CLAIMS)}


def effect(criterion: dict) -> str:
    """A criterion's effect with its interval over the seeds, such as ``2.41 (2.13 – 2.75) times``."""
    text = f"{Estimate(criterion['effect'], criterion['low'], criterion['high']):{FORMS[criterion['unit']]}}"
    return f"{text} times" if criterion["unit"] == "times" else text


def number(criterion: dict, value: float) -> str:
    """A value of a criterion's effect, without an interval, such as ``2.41 times``."""
    text = f"{value:{FORMS[criterion['unit']]}}"
    return f"{text} times" if criterion["unit"] == "times" else text


def text_of(choice) -> str:
    """A choice or its value as it is read, such as ``cross entropy`` or ``none``."""
    return str(choice).replace("_", " ") if choice != [] else "none"


def rule(criterion: dict) -> str:
    """The threshold that it must pass, such as ``> 1.5``."""
    threshold = f"{criterion['threshold']:.0%}" if criterion["unit"] == "share" else f"{criterion['threshold']:g}"
    return f"{'<' if criterion['below'] else '>'} {threshold}"


def in_words(claim: dict) -> str:
    """What was measured for a claim: its primary criterion, how many hold, with how many seeds and in how many universes the
    primary one passes."""
    primary = claim["criteria"][0]
    held = sum(criterion["holds"] for criterion in claim["criteria"])
    words = [f"{primary['measured'][0].upper()}{primary['measured'][1:]}: {effect(primary)}; claimed: {rule(primary)}.",
             f"{held} of {len(claim['criteria'])} criteria hold."]
    if primary["universes"]:
        words.append(f"The first passes with {seeds_that_pass(primary)} seeds and in {universes_that_pass(primary)} universes.")
    return " ".join(words)


def passes(criterion: dict, effects) -> np.ndarray:
    """Which of `effects`, of any shape, lie on the claim's side of its threshold."""
    effects = np.asarray(effects, float)
    return effects < criterion["threshold"] if criterion["below"] else effects > criterion["threshold"]


def seeds_that_pass(criterion: dict) -> str:
    """With how many seeds it passes its threshold, such as ``7 of 10``."""
    passing = passes(criterion, criterion["by_seed"])
    return f"{passing.sum()} of {len(passing)}"


def universes_that_pass(criterion: dict) -> str:
    """In how many universes it passes its threshold, such as ``27 of 36``."""
    n = len(criterion["universes"]["effects"])
    return f"{round(n * criterion['universes']['share'])} of {n}"


def verdict(claim: dict) -> str:
    """The verdict, and that over seeds alone where it differs."""
    return "; ".join([f"**{claim['verdict']}**", *with_our_choices(claim)])


def with_our_choices(claim: dict) -> list[str]:
    """What the verdict is over seeds alone, if it is another; else nothing."""
    alone = claim["verdict_over_seeds"]
    return [f"with our choices {alone}"] if alone != claim["verdict"] else []


@cache
def load_anomaly() -> dict:
    """The content of ``figures/anomaly.json``."""
    return json.loads(ANOMALY.read_text(encoding="utf-8"))


def per_cent(score: dict) -> Estimate:
    """A score's mean area under the ROC curve with its interval over the seeds, in per cent."""
    return Estimate(*(100 * score[key] for key in ("mean", "low", "high")))


def area(score: dict) -> str:
    """The same as text, such as ``97.77 (97.70 – 97.84)``; of two seeds with their range, of one without."""
    return f"{per_cent(score):.2f}" if len(score["by_seed"]) > 1 else f"{per_cent(score).value:.2f}"


def best_baseline(scores: dict) -> str:
    """The name of the best score without a network, of a table of ``figures/anomaly.json``."""
    return max(BASELINES, key=lambda name: scores[name]["mean"])
