"""From a task (a recipe, and what to hold out) to a record: one model trained, and everything the
claims need measured.

A record is plain JSON and holds no effect, no threshold and no verdict: those are made of records
afterwards (:mod:`convae.claims.statements`), so that they can change without training anything
again.
"""

import platform
import time
from functools import cache

import numpy as np
import torch
from scipy.stats import ks_2samp, spearmanr
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score, silhouette_score
from torch import Tensor

from convae._io import key_of, plain
from convae.data import load_mnist
from convae.evaluation import correction, damage, errors, latent, recognition, sharpness, shifts
from convae.evaluation.inference import decode, encode, evaluate, reconstruct
from convae.losses import squared_error
from convae.models import count
from convae.pretrained import load_card, load_pretrained
from convae.recipes import Recipe
from convae.reproduce.sweep import Task
from convae.training import train

VERSION = 1                      # of what is measured and how: another version makes other keys
PERCENTILES = (50, 90, 95, 99, 99.5, 99.9)
SHIFTS = (0, 1, 2, 3, 4)         # pixels
TAIL_KEYS = ("threshold", "known", "unseen")  # in the records: training images are known, others unseen
CELLS = 50                       # along each side of the 2-D plane, as in notebook 02
THRESHOLD, PIXELS = 0.5, 5       # of a correction, as in notebook 03
EVERY = 5                        # for what is slow, every fifth test image


def task(recipe: Recipe, held_out: int = 0) -> Task:
    """One model to train and measure.

    Parameters
    ----------
    recipe : Recipe
    held_out : int
        So many of the 60,000 training images, drawn with the recipe's seed, are not trained on but
        measured as test images: they were written by the same people as the others, which MNIST's test
        images were not.
    """
    most = 60_000 - recipe.batch_size
    if not 0 <= held_out <= most:
        raise ValueError(f"held_out must be from 0 to {most:,} with batches of {recipe.batch_size}, got {held_out}")
    key = key_of([recipe.to_dict(), held_out, VERSION, load_card("classifier")["sha256"]])
    return Task(f"{recipe.name} seed {recipe.seed}", key, run, {"recipe": recipe, "held_out": held_out})


def run(recipe: Recipe, held_out: int) -> dict:
    """Train a model and measure it: the record, as JSON holds it."""
    started = time.perf_counter()
    images = training_images()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(recipe.seed))
    trained_on = order[held_out:].sort().values if held_out else slice(None)
    model, history = train(recipe, images[trained_on], progress=False, device="cpu")
    trained = time.perf_counter()
    record = {
        "recipe": recipe.to_dict(),
        "held_out": held_out,
        "parameters": count(model),
        "training_loss": history[-1],
        **measure(model, recipe, images[trained_on], images[order[:held_out]]),
    }
    seconds = {"training": trained - started, "measuring": time.perf_counter() - trained}
    versions = {"python": platform.python_version(), "torch": torch.__version__, "measurement": VERSION}
    return plain({**record, "seconds": seconds, "versions": versions}, digits=6)


def measure(model, recipe: Recipe, trained_on: Tensor, held_out: Tensor) -> dict:
    """All numbers of one trained model."""
    images, labels = test_set()
    z = encode(model, images)
    outputs = decode(model, z)
    numbers = {"unseen": evaluate(model, recipe, images)}
    if recipe.latent_dim <= 3:
        train_z = encode(model, training_images()).numpy()
        numbers["latent"] = of_latent_space(train_z, training_labels().numpy(), z.numpy(), labels.numpy())
    if recipe.model == "vae":  # which claims D, E, H and I are about
        numbers["look"] = of_outputs(images, outputs)
        numbers["correction"] = of_correction(model)
        if recipe.latent_dim <= 3:
            numbers["overlap"] = of_overlap(train_z, z.numpy(), outputs)
    numbers["error"] = of_errors(model, trained_on, held_out)
    numbers["shift"] = [shifts.respond(model, classifier(), images[::2 * EVERY], pixels)._asdict() for pixels in SHIFTS]
    return numbers


def baseline() -> dict:
    """What the criteria compare with and no training changes: PCA, the test images' own look, a
    perfect repair."""
    images, labels = test_set()
    train, train_labels = training_images().flatten(1).numpy(), training_labels().numpy()
    spaces = {}
    for d in (2, 3):
        pca = PCA(d, random_state=0).fit(train)
        z = pca.transform(images.flatten(1))
        spaces[f"pca_{d}d"] = of_latent_space(pca.transform(train), train_labels, z, labels.numpy())
    accuracy = {"judge": (before().digit == labels.numpy()).mean(), "nearest": (nearest_before() == labels.numpy()).mean()}
    some, perfect = images[::EVERY], {}
    for kind in ("blot", "gap"):
        damaged, corners = damage.plant_defects(some, kind)
        perfect[kind] = correction.change_map_area(damaged, some, corners).mean()
    return plain({**spaces, "inputs": look(images), "reads_as_labelled": accuracy, "perfect_repair": perfect},
                 digits=6)


def of_latent_space(train_z, train_labels, z, labels) -> dict:
    """Claims A to C: clusters, their sizes, gaps. The permuted labels are a control: they must show
    no clusters."""
    permuted = np.random.default_rng(0).permutation(10_000)
    shares = latent.neighbour_shares(train_z, train_labels, z)
    numbers = {
        "neighbour_score": latent.knn_accuracy(train_z[:50_000], train_labels[:50_000], z, labels),
        "neighbour_score_permuted": latent.knn_accuracy(train_z[:50_000], train_labels[:50_000], z, labels[permuted]),
        "cluster_agreement": latent.adjusted_mutual_info(z, labels),
        "cluster_agreement_permuted": latent.adjusted_mutual_info(z, labels[permuted]),
        "silhouette": silhouette_score(z, labels),
        "silhouette_permuted": silhouette_score(z, labels[permuted]),
        "deep_in_own_cluster": latent.pure_neighbourhood_share(shares, labels),
        "width": latent.extent(z).width,
        "sizes": latent.cluster_sizes(z, labels),
        "median_sizes": latent.median_cluster_sizes(z, labels),
        "gap_depth": latent.gap_depth(z, labels),
    }
    if z.shape[1] == 2:
        numbers["occupied"] = latent.plane(z, CELLS).occupied
        numbers["occupied_without_gaps"] = latent.occupied_without_gaps(z, CELLS)
    return numbers


def of_overlap(train_z, z, outputs) -> dict:
    """Claim I: are digits misrecognised where clusters overlap?"""
    votes = latent.neighbour_shares(train_z, training_labels().numpy(), z)
    overlap, foreign = 1 - votes.max(1), 1 - votes[np.arange(len(votes)), before().digit]
    after = recognition.classify(classifier(), outputs)
    wrong = recognition.misrecognised(before(), after)
    wrong_to_nearest = nearest().digits(outputs) != nearest_before()
    confusion = recognition.confusion(before(), after).astype(float)
    confusion /= confusion.sum(1, keepdims=True)
    pairs = np.triu_indices(10, 1)
    return {
        "area": roc_auc_score(wrong, overlap),
        "area_nearest": roc_auc_score(wrong_to_nearest, overlap),
        "between": ((foreign[wrong] > 0.1) & (foreign[wrong] < 0.9)).mean(),
        "inside_another": (foreign[wrong] >= 0.9).mean(),
        "pair_correlation": spearmanr(latent.pairwise_overlap(train_z, training_labels().numpy())[pairs],
                                      (confusion + confusion.T)[pairs]).statistic,
    }


def of_outputs(images, outputs) -> dict:
    """Claims D and H: misrecognition, and how the outputs look beside inputs blurred as much."""
    detail, blurred, width = float(sharpness.fine_detail(outputs).mean()), images, 0.0
    if detail < sharpness.fine_detail(images).mean():  # else nothing to imitate: outputs of a model that learned nothing
        blurred, width = sharpness.blurred_as_much(images, detail)
    some = slice(None, None, EVERY)

    def compared(pictures):
        return {
            **look(pictures),
            "misrecognised": recognition.misrecognised(before(), recognition.classify(classifier(), pictures)).mean(),
            "misrecognised_nearest": (nearest().digits(pictures) != nearest_before()).mean(),
            "ink_changed": correction.changed_ink(images, pictures).mean(),
            "reach": correction.reach(images[some], pictures[some], THRESHOLD).mean(),
        }

    return {"outputs": compared(outputs), "inputs_blurred_as_much": {**compared(blurred), "blur_width": width}}


def look(pictures) -> dict:
    """How pictures look, means over them; the test images' labels tell which are of one digit."""
    return {
        "fine_detail": sharpness.fine_detail(pictures).mean(),
        "grey_ink": sharpness.grey_ink(pictures).mean(),
        "edge_steepness": sharpness.edge_steepness(pictures).nanmean(),
        "raggedness": sharpness.raggedness(pictures).nanmean(),
        "variety": sharpness.variety(pictures, test_set()[1]).mean(),
    }


def of_correction(model) -> dict:
    """Claim E: planted defects, found and localised; and digits left as they are."""
    images = test_set()[0][::EVERY]

    def regions(inputs, outputs):
        return [correction.corrected_regions(x, y, THRESHOLD, PIXELS) for x, y in zip(inputs, outputs, strict=True)]

    numbers = {"left_alone": np.mean([not r for r in regions(images, reconstruct(model, images))])}
    for kind in ("blot", "gap"):
        damaged, corners = damage.plant_defects(images, kind)
        outputs = reconstruct(model, damaged)
        hits = [correction.localises(r, corner) for r, corner in zip(regions(damaged, outputs), corners, strict=True)]
        numbers[kind] = {"found": np.mean(hits), "map_area": correction.change_map_area(damaged, outputs, corners).mean()}
    return numbers


def of_errors(model, trained_on, held_out) -> dict:
    """Claims F and G: errors of images trained on, of images not trained on, and of pictures unlike
    digits."""
    def error(pictures):
        return squared_error(reconstruct(model, pictures), pictures).double().numpy()

    images = test_set()[0]
    train, new = error(trained_on), error(images)
    sets = {"unseen": new} | ({"held_out": error(held_out)} if len(held_out) else {})
    strange = damage.anomalies(images)
    for kind in ("blot", "gap"):
        strange[kind] = damage.plant_defects(images[::EVERY], kind)[0]
    alarm, numbers = np.percentile(train, 99), {"images_trained_on": len(train), "mean_trained_on": train.mean()}
    for name, other in sets.items():
        numbers[name] = {
            "images": len(other), "mean": other.mean(),
            "largest_distance": ks_2samp(train, other).statistic,
            "probability_larger": errors.probability_larger(other, train),
            "tail": {f"{p:g}": dict(zip(TAIL_KEYS, errors.tail(train, other, p), strict=True)) for p in PERCENTILES},
        }
    scores = {kind: error(pictures) for kind, pictures in strange.items()}
    numbers["false_alarms"] = (new > alarm).mean()
    numbers["caught"] = {kind: (s > alarm).mean() for kind, s in scores.items()}
    numbers["area"] = {kind: errors.probability_larger(s, new) for kind, s in scores.items()}
    return numbers


# What every task of a process shares, made when first used.

@cache
def training_images() -> Tensor:
    return load_mnist(train=True)[0]


@cache
def training_labels() -> Tensor:
    return load_mnist(train=True)[1]


@cache
def test_set() -> tuple[Tensor, Tensor]:
    return load_mnist(train=False)


@cache
def classifier():
    return load_pretrained("classifier")


@cache
def before() -> recognition.Prediction:
    """What the classifier takes the test images for."""
    return recognition.classify(classifier(), test_set()[0])


@cache
def nearest() -> recognition.NearestImage:
    """The classifier without a network, on every third training image."""
    return recognition.NearestImage(training_images()[::3], training_labels()[::3])


@cache
def nearest_before() -> np.ndarray:
    """What it takes the test images for."""
    return nearest().digits(test_set()[0])
