"""How well local defects are found, located and repaired: what Fig. 6 shows by example, measured
(sections 4.3 and 4.4).

An autoencoder of all ten digits is shown clean unseen digits and the same digits damaged. Its score
should tell the two apart, its map should cover the damage, and its output should be nearer to the
clean original than the input was.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
import torch
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from torch import Tensor

from convae._io import key_of
from convae.anomaly.detector import Detector
from convae.anomaly.study.keys import detector_constants
from convae.data import load_mnist
from convae.evaluation.defects import KINDS, LEVELS, make_defects
from convae.evaluation.inference import reconstruct
from convae.losses import squared_error
from convae.recipes import Recipe
from convae.reproduce.sweep import Task
from convae.training import train

VERSION = 1            # of what is measured and how: another version makes other keys
EACH_DIGIT = 50        # clean unseen images: the first so many of each digit
OVERLAP_UP_TO = 0.3    # false-positive rate up to which region overlap counts


def task(recipe: Recipe) -> Task:
    """One autoencoder of all digits, trained and measured."""
    key = key_of([recipe.to_dict(), detector_constants(), VERSION])
    name = f"{recipe.name} {recipe.difference} seed {recipe.seed}"
    return Task(name, key, run, {"recipe": recipe})


def run(recipe: Recipe) -> dict:
    """For every kind of defect and level, how well it is found, located and repaired."""
    model = train(recipe, progress=False, device="cpu").model
    return {"recipe": recipe.to_dict(), **measure(model, recipe)}


def measure(model, recipe: Recipe) -> dict:
    """What :func:`run` measures, for a trained model."""
    clean, detector = clean_images(), None
    if recipe.architecture == "conv":
        normal, _ = load_mnist(train=True)
        detector = Detector.of([model], recipe, normal[:10_000])
    outputs = reconstruct(model, clean)
    before = _scores(outputs, detector, clean)
    defects = {}
    for defect, damaged, masks, damage in _all_defects(clean):
        repaired = reconstruct(model, damaged)
        scores = _scores(repaired, detector, damaged)
        areas = {name: auroc(before[name], score) for name, score in scores.items()}
        ratio = error_ratio(repaired, damaged, clean)
        defects[defect] = {"image_auroc": areas, "repair": ratio}
        for name, signed in _maps(repaired, detector, damaged).items():
            defects[defect][name] = _located(signed, masks, damage)
    clean_error = squared_error(outputs, clean).mean().item()
    return {"clean_error": round(clean_error, 4), "defects": defects}


def clean_images() -> Tensor:
    """The first :data:`EACH_DIGIT` unseen images of each digit, ``(500, 1, 28, 28)``."""
    images, labels = load_mnist(train=False)
    return torch.cat([images[labels == digit][:EACH_DIGIT] for digit in range(10)])


def _all_defects(clean: Tensor) -> Iterator[tuple[str, Tensor, np.ndarray, np.ndarray]]:
    """Of each kind and level: its name, damaged images, masks, and what was added to each pixel."""
    for kind, level in product(KINDS, LEVELS):
        damaged, masks = make_defects(clean, kind, level)
        yield f"{kind} {level}", damaged, masks, (damaged - clean)[:, 0].numpy()


def error_ratio(repaired: Tensor, damaged: Tensor, clean: Tensor) -> float:
    """Squared error to the clean images of the repaired ones, over that of the damaged ones: below
    1 is a repair."""
    ratio = squared_error(repaired, clean).sum() / squared_error(damaged, clean).sum()
    return round(ratio.item(), 5)


def without_a_network(dimensions) -> dict:
    """What autoencoders are to be compared with, by kind of defect and level.

    Parameters
    ----------
    dimensions : iterable of int
        How many principal components of the training images repair.

    Returns
    -------
    dict
        ``error_made``: the mean squared error that the defect makes, summed over pixels;
        ``repair``: :func:`error_ratio` of a 3 × 3 median filter and of principal components;
        ``located``: how well the damaged image itself shows the damage, blurred, or, for the sign,
        less an even grey.
    """
    clean = clean_images()
    train_images = load_mnist(train=True)[0].flatten(1).numpy()
    pca = PCA(max(dimensions), svd_solver="covariance_eigh").fit(train_images)
    made, located, median = {}, {}, {}
    pca_repair: dict[str, dict] = {f"pca_{d}d": {} for d in dimensions}
    for defect, damaged, masks, damage in _all_defects(clean):
        made[defect] = round(squared_error(damaged, clean).mean().item(), 4)
        pixels = damaged[:, 0].numpy()
        blurred = ndimage.gaussian_filter(pixels, (0, 1.5, 1.5))
        located[defect] = _located(blurred, masks, damage)
        located[defect]["right_sign"] = _right_sign(pixels - 0.5, masks, damage)
        smoothed = torch.from_numpy(ndimage.median_filter(damaged.numpy(), (1, 1, 3, 3)))
        median[defect] = error_ratio(smoothed, damaged, clean)
        codes = pca.transform(damaged.flatten(1).numpy())
        for d in dimensions:
            output = torch.from_numpy(codes[:, :d] @ pca.components_[:d] + pca.mean_)
            output = output.clamp(0, 1).view_as(clean)
            pca_repair[f"pca_{d}d"][defect] = error_ratio(output, damaged, clean)
    repair = {"median": median, **pca_repair}
    return {"error_made": made, "repair": repair, "located": located}


def region_overlap(maps: np.ndarray, masks: np.ndarray) -> float:
    """Area under per-region overlap against false-positive rate, up to :data:`OVERLAP_UP_TO`,
    normalised to [0, 1] (PRO).

    The overlap is the share of each damaged region that is found, averaged over regions; Bergmann
    et al., "The MVTec Anomaly Detection Dataset" (2021), section 5.2.

    Parameters
    ----------
    maps, masks : ndarray
        ``(N, H, W)``: how anomalous each pixel is, and whether it was damaged.
    """
    weights = np.ones(masks.shape)  # of each damaged pixel: its share of its region
    for weights_of_image, mask in zip(weights, masks, strict=True):
        labels, _ = ndimage.label(mask, np.ones((3, 3)))
        areas = np.bincount(labels.ravel())
        weights_of_image[mask] = 1 / areas[labels[mask]]
    false_positives, overlap, _ = roc_curve(masks.ravel(), maps.ravel(),
                                            sample_weight=weights.ravel())
    inside = false_positives <= OVERLAP_UP_TO
    at_limit = np.interp(OVERLAP_UP_TO, false_positives, overlap)
    x = np.append(false_positives[inside], OVERLAP_UP_TO)
    y = np.append(overlap[inside], at_limit)
    return float(np.trapezoid(y, x) / OVERLAP_UP_TO)


def _scores(outputs, detector, images):
    scores = {"squared_error": squared_error(outputs, images)}
    return scores | detector.all_scores(images) if detector else scores


def _maps(outputs, detector, images):
    maps = {"squared_error": (images - outputs)[:, 0].numpy()}
    if detector:
        maps["detector"] = detector.explain(images)[1].numpy()
    return maps


def _located(differences, masks, damage):
    """How well signed differences ``(N, 28, 28)`` show the damaged pixels, and whether ink is
    missing there or too much."""
    size, damaged = np.abs(differences), masks.ravel()
    return {"right_sign": _right_sign(differences, masks, damage),
            "pixel_auroc": round(roc_auc_score(damaged, size.ravel()), 5),
            "pixel_precision": round(average_precision_score(damaged, size.ravel()), 5),
            "region_overlap": round(region_overlap(size, masks), 5)}


def _right_sign(differences, masks, damage):
    right = np.sign(differences) == np.sign(damage)
    return round(float(right[masks].mean()), 5)


def auroc(normal, anomalous) -> float:
    """Area under the ROC curve of two samples of scores, to five digits."""
    labels = np.repeat([0, 1], [len(normal), len(anomalous)])
    area = roc_auc_score(labels, np.concatenate([normal, anomalous]))
    return round(float(area), 5)
