"""What ``figures/anomaly.json`` holds, read and put in words: for notebook 07, and for the
README."""

import json
from functools import cache

from convae._io import FIGURES
from convae.evaluation.intervals import Estimate

ANOMALY = FIGURES / "anomaly.json"

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


ANOMALIES = """**How good is it?** With one digit of MNIST normal and the nine others to be found, the mean area under the
ROC curve, in per cent with its 95 % interval over seeds, is {plain} by the paper's plain difference of input and
output, {baseline} by the best of {baselines} methods without a network, none of them tuned ({baseline_name}),
**{combined}** by what `convae detect` uses and **{detector}** by one part of it alone, the
distance to the nearest normal images. Of the published ones in [notebook 07](notebooks/07_anomaly_detection.ipynb),
the best has {best:.1f} ({best_name}, {best_checked}), and the best of the autoencoders that reproduce their input
as it is {autoencoder:.1f} ({autoencoder_name}). With a false-alarm rate of 1 % asked for, `convae detect` calls {unseen:.1%} of
unseen normal training digits anomalous and {test:.1%} of the test digits, which other people wrote, and finds {recall:.0%} of
all other digits. Small defects are harder: of seven kinds made on normal digits, at the severest of five levels, it finds
{defects:.0%} on average; the notebook has each kind and level.

**Where is it worse?** With one digit as the anomaly, and nine normal, the mean area is {rest:.1f}. On
Fashion-MNIST it is {fashion:.1f}, and {fashion_baseline:.1f} by a method without a network ({fashion_baseline_name}).
Of synthetic large images, with 60 good ones and a rate of 5 %, it finds {marks:.0%} of the marks that are missing or
misplaced on a plate, and in pictures of a smooth part on brushed metal {scratch:.0%} of the clear scratches and {stain:.0%} of
the clear stains, but {faint:.0%} of the faint stains; of pictures with a blurred place it calls {smear:.0%} bad, and of good
ones {sound:.0%}. On these parts a plain statistic of the pixels, in tiles alone, has a mean area of {alone:.1f}, and all of
it, with the networks, {together:.1f}. Try it on some bad parts of your own before you rely on it."""


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
    return f"{per_cent(score):.2f}" if len(score["by_seed"]) > 1 else f"{per_cent(score).value:.2f}"


def best_baseline(scores: dict) -> str:
    """The name of the best score without a network, of a table of ``figures/anomaly.json``."""
    return max(BASELINES, key=lambda name: scores[name]["mean"])


def readme_block() -> list[str]:
    """What the README says of how good the detector is, and where it is worse."""
    results = load()
    scores, published = results["one-class"]["mnist"], results["published"]["one_class"]
    baseline = best_baseline(scores)
    autoencoder, best = (max(of, key=lambda method: method["mean"]) for of in
                         ([method for method in published if method["autoencoder"]], published))
    found = results["false-alarms"]["0.01"]["scores"]["combined"]
    severest = [levels[-1] for levels in found["defects"].values()]
    fashion = results["one-class"]["fashion"]
    fashion_baseline = best_baseline(fashion)
    on_plate, on_part = ({name: of["found"] for name, of in results["textures"][texture]["defects"].items()}
                         for texture in ("plate", "part"))
    on_parts = [of["image_auroc"] for texture in ("part", "plate") for of in results["textures"][texture]["defects"].values()]
    alone, together = (100 * sum(of[score] for of in on_parts) / len(on_parts) for score in ("gaussian_in_place", "combined"))
    return [ANOMALIES.format(
        baselines=sum(name in BASELINES for name in scores),
        rest=per_cent(results["one-class-rest"]["16"]["combined"]).value,
        fashion=per_cent(fashion["combined"]).value,
        fashion_baseline=per_cent(fashion[fashion_baseline]).value,
        fashion_baseline_name=SCORES[fashion_baseline],
        marks=(on_plate["missing mark"] + on_plate["misplaced mark"]) / 2, scratch=on_part["clear scratch"],
        stain=on_part["clear stain"], faint=on_part["faint stain"], smear=on_part["clear smear"],
        sound=results["textures"]["part"]["false_alarms"], alone=alone, together=together,
        plain=area(scores["squared_error"]), detector=area(scores["detector"]),
        combined=area(scores["combined"]), baseline=area(scores[baseline]),
        baseline_name=SCORES[baseline], autoencoder=autoencoder["mean"], autoencoder_name=autoencoder["method"],
        best=best["mean"], best_name=best["method"],
        best_checked="read" if best["checked"].startswith("read") else "not read at its source", unseen=found["unseen"]["value"],
        test=found["test_normal"]["value"], recall=found["test_anomalous"]["value"], defects=sum(severest) / len(severest))]
