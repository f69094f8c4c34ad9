"""From a recipe to a record: one model trained, and everything measured that the claims need.

A record is plain JSON and holds no effect, no threshold and no verdict. Those are made of records
afterwards (:mod:`convae.claims.statements`), so that they can change without another training.
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

VERSION = 1                 # of what is measured and how: another version makes other keys
PERCENTILES = (50, 90, 95, 99, 99.5, 99.9)
SHIFTS = (0, 1, 2, 3, 4)    # pixels
CELLS = 50                  # along each side of the 2-D plane, as in notebook 02
THRESHOLD, PIXELS = 0.5, 5  # of a correction, as in notebook 03
EVERY = 5                   # what is slow is measured on every fifth test image
DEFECTS = ("blot", "gap")
TAIL_KEYS = ("threshold", "known", "unseen")  # records call training images known, others unseen


def task(recipe: Recipe, held_out: int = 0) -> Task:
    """One model to train and measure.

    Parameters
    ----------
    recipe : Recipe
    held_out : int
        How many of the 60,000 training images, drawn with the recipe's seed, are held out and
        measured like test images. The same people wrote them as wrote the other training images,
        unlike MNIST's test images.
    """
    most = 60_000 - recipe.batch_size
    if not 0 <= held_out <= most:
        raise ValueError(f"held_out must be from 0 to {most:,} with batches of "
                         f"{recipe.batch_size}, got {held_out}")
    key = key_of([recipe.to_dict(), held_out, VERSION, load_card("classifier")["sha256"]])
    arguments = {"recipe": recipe, "held_out": held_out}
    return Task(f"{recipe.name} seed {recipe.seed}", key, run, arguments)


def run(recipe: Recipe, held_out: int) -> dict:
    """Train a model and measure it: the record, as JSON holds it."""
    started = time.perf_counter()
    images, _ = training_set()
    generator = torch.Generator().manual_seed(recipe.seed)
    order = torch.randperm(len(images), generator=generator)
    trained_on = images[order[held_out:].sort().values] if held_out else images
    model, history = train(recipe, trained_on, progress=False, device="cpu")
    trained = time.perf_counter()
    record = {
        "recipe": recipe.to_dict(),
        "held_out": held_out,
        "parameters": count(model),
        "training_loss": history[-1],
        **measure(model, recipe, trained_on, images[order[:held_out]]),
    }
    record["seconds"] = {"training": trained - started, "measuring": time.perf_counter() - trained}
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    record["versions"] = {**versions, "measurement": VERSION}
    return plain(record, digits=6)


def measure(model, recipe: Recipe, trained_on: Tensor, held_out: Tensor) -> dict:
    """All numbers of one trained model."""
    images, _ = test_set()
    z = encode(model, images)
    outputs = decode(model, z)
    numbers = {"unseen": evaluate(model, recipe, images)}
    few_dimensions = recipe.latent_dim <= 3
    if few_dimensions:
        train_z = encode(model, training_set()[0]).numpy()
        numbers["latent"] = measure_latent_space(train_z, z.numpy())
    if recipe.model == "vae":  # which claims D, E, H and I are about
        numbers["look"] = measure_outputs(images, outputs)
        numbers["correction"] = measure_correction(model)
    if recipe.model == "vae" and few_dimensions:
        numbers["overlap"] = measure_overlap(train_z, z.numpy(), outputs)
    numbers["error"] = measure_errors(model, trained_on, held_out)
    shown = images[::2 * EVERY]
    responses = [shifts.respond(model, classifier(), shown, pixels) for pixels in SHIFTS]
    numbers["shift"] = [response._asdict() for response in responses]
    return numbers


def baseline() -> dict:
    """What the criteria compare with and no training changes: PCA, inputs, a perfect repair."""
    images, labels = test_set()
    train = training_set()[0].flatten(1).numpy()  # (60000, 784)
    numbers = {}
    for d in (2, 3):
        pca = PCA(d, random_state=0).fit(train)
        z = pca.transform(images.flatten(1))
        numbers[f"pca_{d}d"] = measure_latent_space(pca.transform(train), z)
    numbers["inputs"] = appearance(images)
    numbers["reads_as_labelled"] = {
        "judge": (predicted().digit == labels.numpy()).mean(),
        "nearest": (predicted_by_nearest() == labels.numpy()).mean(),
    }
    numbers["perfect_repair"] = {}
    some = images[::EVERY]
    for kind in DEFECTS:
        damaged, corners = damage.plant_defects(some, kind)
        area = correction.change_map_area(damaged, some, corners).mean()
        numbers["perfect_repair"][kind] = area
    return plain(numbers, digits=6)


def measure_latent_space(train_z, z) -> dict:
    """Claims A to C: clusters, their sizes, gaps.

    The permuted labels are a control: they must show no clusters.
    """
    train_labels, labels = training_set()[1].numpy(), test_set()[1].numpy()
    permuted = labels[np.random.default_rng(0).permutation(len(labels))]
    shares = latent.neighbour_shares(train_z, train_labels, z)
    some_z, some_labels = train_z[:50_000], train_labels[:50_000]
    numbers = {
        "neighbour_score": latent.knn_accuracy(some_z, some_labels, z, labels),
        "neighbour_score_permuted": latent.knn_accuracy(some_z, some_labels, z, permuted),
        "cluster_agreement": latent.adjusted_mutual_info(z, labels),
        "cluster_agreement_permuted": latent.adjusted_mutual_info(z, permuted),
        "silhouette": silhouette_score(z, labels),
        "silhouette_permuted": silhouette_score(z, permuted),
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


def measure_overlap(train_z, z, outputs) -> dict:
    """Claim I: are digits misrecognised where clusters overlap?"""
    train_labels = training_set()[1].numpy()
    votes = latent.neighbour_shares(train_z, train_labels, z)  # (N, 10)
    overlap = 1 - votes.max(1)
    foreign = 1 - votes[np.arange(len(votes)), predicted().digit]
    after = recognition.classify(classifier(), outputs)
    wrong = recognition.misrecognised(predicted(), after)
    wrong_to_nearest = nearest_image().digits(outputs) != predicted_by_nearest()
    confusion = recognition.confusion(predicted(), after).astype(float)
    confusion /= confusion.sum(1, keepdims=True)
    pairs = np.triu_indices(10, 1)
    overlap_of_pairs = latent.pairwise_overlap(train_z, train_labels)[pairs]
    confusion_of_pairs = (confusion + confusion.T)[pairs]
    between = (foreign > 0.1) & (foreign < 0.9)
    return {
        "area": roc_auc_score(wrong, overlap),
        "area_nearest": roc_auc_score(wrong_to_nearest, overlap),
        "between": between[wrong].mean(),
        "inside_another": (foreign[wrong] >= 0.9).mean(),
        "pair_correlation": spearmanr(overlap_of_pairs, confusion_of_pairs).statistic,
    }


def measure_outputs(images, outputs) -> dict:
    """Claims D and H: misrecognition, and how outputs look beside inputs blurred as much."""
    detail = float(sharpness.fine_detail(outputs).mean())
    blurred, width = images, 0.0
    # A model that has learned nothing may leave more detail than the inputs have: nothing to blur.
    if detail < sharpness.fine_detail(images).mean():
        blurred, width = sharpness.blurred_as_much(images, detail)
    of_blurred = {**compare(images, blurred), "blur_width": width}
    return {"outputs": compare(images, outputs), "inputs_blurred_as_much": of_blurred}


def compare(images, pictures) -> dict:
    """How pictures made from the test images look, and how they differ from them."""
    after = recognition.classify(classifier(), pictures)
    reach = correction.reach(images[::EVERY], pictures[::EVERY], THRESHOLD)
    misread = nearest_image().digits(pictures) != predicted_by_nearest()
    return {
        **appearance(pictures),
        "misrecognised": recognition.misrecognised(predicted(), after).mean(),
        "misrecognised_nearest": misread.mean(),
        "ink_changed": correction.changed_ink(images, pictures).mean(),
        "reach": reach.mean(),
    }


def appearance(pictures) -> dict:
    """How pictures look, means over them; the test images' labels tell which are of one digit."""
    return {
        "fine_detail": sharpness.fine_detail(pictures).mean(),
        "grey_ink": sharpness.grey_ink(pictures).mean(),
        "edge_steepness": sharpness.edge_steepness(pictures).nanmean(),
        "raggedness": sharpness.raggedness(pictures).nanmean(),
        "variety": sharpness.variety(pictures, test_set()[1]).mean(),
    }


def measure_correction(model) -> dict:
    """Claim E: planted defects, found and localised; and digits left as they are."""
    images = test_set()[0][::EVERY]
    unchanged = [not regions for regions in _corrections(images, reconstruct(model, images))]
    numbers = {"left_alone": np.mean(unchanged)}
    for kind in DEFECTS:
        damaged, corners = damage.plant_defects(images, kind)
        outputs = reconstruct(model, damaged)
        found = map(correction.localises, _corrections(damaged, outputs), corners)
        area = correction.change_map_area(damaged, outputs, corners)
        numbers[kind] = {"found": np.mean(list(found)), "map_area": area.mean()}
    return numbers


def measure_errors(model, trained_on, held_out) -> dict:
    """Claims F and G: errors of images trained on, of others, and of pictures unlike digits."""
    images, _ = test_set()
    train, test = _errors(model, trained_on), _errors(model, images)
    numbers = {"images_trained_on": len(train), "mean_trained_on": train.mean()}
    numbers["unseen"] = _compare_errors(train, test)
    if len(held_out):
        numbers["held_out"] = _compare_errors(train, _errors(model, held_out))
    strange = damage.anomalies(images)
    for kind in DEFECTS:
        strange[kind], _ = damage.plant_defects(images[::EVERY], kind)
    alarm = np.percentile(train, 99)
    numbers |= {"false_alarms": (test > alarm).mean(), "caught": {}, "area": {}}
    for kind, pictures in strange.items():
        scores = _errors(model, pictures)
        numbers["caught"][kind] = (scores > alarm).mean()
        numbers["area"][kind] = errors.probability_larger(scores, test)
    return numbers


def _corrections(inputs, outputs):
    pairs = zip(inputs, outputs, strict=True)
    return [correction.corrected_regions(x, y, THRESHOLD, PIXELS) for x, y in pairs]


def _errors(model, pictures):
    return squared_error(reconstruct(model, pictures), pictures).double().numpy()


def _compare_errors(train, others):
    tails = {}
    for percentile in PERCENTILES:
        tail = errors.tail(train, others, percentile)
        tails[f"{percentile:g}"] = dict(zip(TAIL_KEYS, tail, strict=True))
    return {
        "images": len(others),
        "mean": others.mean(),
        "largest_distance": ks_2samp(train, others).statistic,
        "probability_larger": errors.probability_larger(others, train),
        "tail": tails,
    }


# What all tasks of a process share, made when first used.

@cache
def training_set() -> tuple[Tensor, Tensor]:
    return load_mnist(train=True)


@cache
def test_set() -> tuple[Tensor, Tensor]:
    return load_mnist(train=False)


@cache
def classifier():
    return load_pretrained("classifier")


@cache
def predicted() -> recognition.Prediction:
    """What the classifier takes the test images for."""
    return recognition.classify(classifier(), test_set()[0])


@cache
def nearest_image() -> recognition.NearestImage:
    """The classifier without a network, on every third training image."""
    images, labels = training_set()
    return recognition.NearestImage(images[::3], labels[::3])


@cache
def predicted_by_nearest() -> np.ndarray:
    """What that takes the test images for."""
    return nearest_image().digits(test_set()[0])
