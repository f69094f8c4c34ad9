"""How well local defects are found, located and repaired: what Fig. 6 shows by example, measured
(sections 4.3 and 4.4).

An autoencoder of all ten digits is shown clean unseen digits and the same digits damaged. Its score
should tell the two apart, its map should cover the damage, and its output should be nearer to the
clean original than the input was.
"""

import numpy as np
import torch
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor

from convae._io import key_of
from convae.anomaly.detector import Detector, constants
from convae.data import load_mnist
from convae.evaluation.defects import KINDS, LEVELS, make_defects
from convae.evaluation.inference import reconstruct
from convae.losses import squared_error
from convae.recipes import Recipe
from convae.reproduce.sweep import Task
from convae.training import train

VERSION = 1            # of what is measured and how: another version makes other keys
EACH_DIGIT = 50        # clean unseen images: the first so many of each digit
OVERLAP_UP_TO = 0.3    # share of false pixels up to which region overlap counts (Bergmann et al. 2021)


def task(recipe: Recipe) -> Task:
    """One autoencoder of all digits, trained and measured."""
    key = key_of([recipe.to_dict(), constants(), VERSION])
    return Task(f"{recipe.name} {recipe.difference} seed {recipe.seed}", key, run, {"recipe": recipe})


def run(recipe: Recipe) -> dict:
    """For every kind of defect and level, how well it is found, located and repaired."""
    model = train(recipe, progress=False, device="cpu").model
    return {"recipe": recipe.to_dict(), **measure(model, recipe)}


def measure(model, recipe: Recipe) -> dict:
    """What :func:`run` measures, for a trained model."""
    clean, normal = clean_images(), load_mnist(train=True)[0][:10_000]
    detector = Detector.of([model], recipe, normal) if recipe.architecture == "conv" else None
    outputs = reconstruct(model, clean)
    before = _scores(outputs, detector, clean)
    defects = {}
    for kind in KINDS:
        for level in LEVELS:
            damaged, masks = make_defects(clean, kind, level)
            repaired = reconstruct(model, damaged)
            scores, maps = _scores(repaired, detector, damaged), _maps(repaired, detector, damaged)
            defects[f"{kind} {level}"] = {
                "image_auroc": {name: round(_auroc(before[name], score), 5) for name, score in scores.items()},
                **{name: _located(found, masks, (damaged - clean)[:, 0].numpy()) for name, found in maps.items()},
                "repair": round(error_ratio(repaired, damaged, clean), 5),
            }
    return {"clean_error": round(squared_error(outputs, clean).mean().item(), 4), "defects": defects}


def clean_images() -> Tensor:
    """The first :data:`EACH_DIGIT` unseen images of each digit, ``(500, 1, 28, 28)``."""
    images, labels = load_mnist(train=False)
    return torch.cat([images[labels == digit][:EACH_DIGIT] for digit in range(10)])


def error_ratio(repaired: Tensor, damaged: Tensor, clean: Tensor) -> float:
    """Squared error to the clean images of the repaired ones, over that of the damaged ones: below
    1 is a repair."""
    return (squared_error(repaired, clean).sum() / squared_error(damaged, clean).sum()).item()


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
    clean, flat = clean_images(), load_mnist(train=True)[0].flatten(1).numpy()
    pca = PCA(max(dimensions), svd_solver="covariance_eigh").fit(flat)
    made, repair, located = {}, {"median": {}, **{f"pca_{d}d": {} for d in dimensions}}, {}
    for defect, kind, level in ((f"{kind} {level}", kind, level) for kind in KINDS for level in LEVELS):
        damaged, masks = make_defects(clean, kind, level)
        damage = (damaged - clean)[:, 0].numpy()
        made[defect] = round(squared_error(damaged, clean).mean().item(), 4)
        blurred = ndimage.gaussian_filter(damaged[:, 0].numpy(), (0, 1.5, 1.5))
        from_grey = _right_sign(damaged[:, 0].numpy() - 0.5, masks, damage)
        located[defect] = _located(blurred, masks, damage) | {"right_sign": from_grey}
        median = torch.from_numpy(ndimage.median_filter(damaged.numpy(), (1, 1, 3, 3)))
        repair["median"][defect] = round(error_ratio(median, damaged, clean), 5)
        codes = pca.transform(damaged.flatten(1).numpy())
        for d in dimensions:
            output = torch.from_numpy(codes[:, :d] @ pca.components_[:d] + pca.mean_).clamp(0, 1).view_as(clean)
            repair[f"pca_{d}d"][defect] = round(error_ratio(output, damaged, clean), 5)
    return {"error_made": made, "repair": repair, "located": located}


def region_overlap(maps: np.ndarray, masks: np.ndarray) -> float:
    """Per-region overlap (PRO), in [0, 1].

    The share of each damaged region that is found, averaged over regions, against the share of
    sound pixels that are falsely found; the area under that curve up to :data:`OVERLAP_UP_TO`,
    divided by it.

    Bergmann et al., "The MVTec Anomaly Detection Dataset" (2021), section 5.2.

    Parameters
    ----------
    maps, masks : ndarray
        ``(N, H, W)``: how anomalous each pixel is, and whether it was damaged.
    """
    regions, weights = np.zeros(masks.shape, int), [0.0]
    for labels, mask in zip(regions, masks, strict=True):
        found, count = ndimage.label(mask, np.ones((3, 3)))
        labels[mask] = found[mask] + len(weights) - 1
        weights += (1 / np.bincount(found[mask], minlength=count + 1)[1:]).tolist()
    order = np.argsort(-maps, axis=None, kind="stable")
    values = maps.ravel()[order]
    last = np.flatnonzero(np.append(np.diff(values) != 0, True))  # pixels that tie are found together
    overlap = np.cumsum(np.asarray(weights)[regions.ravel()[order]])[last] / (len(weights) - 1)
    false = np.cumsum(~masks.ravel()[order])[last] / (~masks).sum()
    false, overlap = np.concatenate([[0], false]), np.concatenate([[0], overlap])
    inside = false <= OVERLAP_UP_TO
    x = np.append(false[inside], OVERLAP_UP_TO)
    y = np.append(overlap[inside], np.interp(OVERLAP_UP_TO, false, overlap))
    return float(np.trapezoid(y, x) / OVERLAP_UP_TO)


def _scores(outputs, detector, images):
    found = {"squared_error": squared_error(outputs, images).numpy()}
    if detector:
        found |= {name: score.numpy() for name, score in detector.all_scores(images).items()}
    return found


def _maps(outputs, detector, images):
    found = {"squared_error": (images - outputs)[:, 0].numpy()}
    return found | ({"detector": detector.explain(images)[1].numpy()} if detector else {})


def _located(differences, masks, damage):
    """How well signed differences ``(N, 28, 28)`` show the damaged pixels, and whether ink is
    missing there or too much."""
    size = np.abs(differences)
    return {"right_sign": _right_sign(differences, masks, damage),
            "pixel_auroc": round(roc_auc_score(masks.ravel(), size.ravel()), 5),
            "pixel_precision": round(average_precision_score(masks.ravel(), size.ravel()), 5),
            "region_overlap": round(region_overlap(size, masks), 5)}


def _right_sign(differences, masks, damage):
    return round(float((np.sign(differences) == np.sign(damage))[masks].mean()), 5)


def _auroc(normal, anomalous):
    return roc_auc_score(np.repeat([0, 1], [len(normal), len(anomalous)]), np.concatenate([normal, anomalous]))
