"""The two standard protocols: one class is normal and all others are anomalous, or one is anomalous
and all others are normal.

A task trains detectors on normal training images alone, from several seeds, and scores the whole
test set with each: by the paper's plain difference, by what the literature offers within the
paper's model, and by the detector's own score. Classical baselines are measured on the same images.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import OneClassSVM
from torch import Tensor, nn

from convae._io import key_of
from convae.anomaly import detector
from convae.anomaly.detector import Detector, Member
from convae.anomaly.space import Space
from convae.anomaly.study import datasets
from convae.anomaly.study.keys import detector_constants
from convae.evaluation.inference import decode, in_batches, reconstruct
from convae.losses import kl_to_standard_normal, squared_error
from convae.recipes import Recipe
from convae.reproduce.sweep import Task
from convae.training import reproducible

VERSION = 3                  # of what is measured and how: another version makes other keys
PROTOCOLS = ("one", "rest")  # normal: one class, or all the others
SEED = 1000                  # the first; others follow from it
SAMPLES = 10                 # of z, for the reconstruction probability
MAX_FITTED = 10_000          # training images of the baselines: the SVM takes their square


def task(data: str, protocol: str, cls: int, seeds: int, latent_dim: int = 16) -> Task:
    """One data set, one normal class: detectors from `seeds` seeds, or the baselines if it is 0.

    Parameters
    ----------
    data : str
        One of :data:`convae.anomaly.study.datasets.DATA_SETS`.
    protocol : str
        One of :data:`PROTOCOLS`.
    cls : int
        The one normal class, or the one anomalous class.
    seeds : int
        How many seeds; 0 for the baselines, which have none.
    latent_dim : int
        The detectors'.
    """
    arguments = {
        "data": data, "protocol": protocol, "cls": cls, "seeds": seeds, "latent_dim": latent_dim,
    }
    key = key_of([*arguments.values(), detector_constants(), VERSION])
    method = f"{latent_dim}-D" if seeds else "baselines"
    return Task(f"{data} {protocol} {cls} {method}", key, run, arguments)


def run(data: str, protocol: str, cls: int, seeds: int, latent_dim: int) -> dict:
    """The area under the ROC curve, over the whole test set, at the end of training.

    The parameters are those of :func:`task`. By score, one area for each seed; of ``together`` and
    ``combined_together``, by all seeds' networks, there is one.
    """
    data_set = _load(data)
    class_is_normal = protocol == "one"
    images = data_set.train[(data_set.train_labels == cls) == class_is_normal]
    anomalous = ((data_set.test_labels == cls) != class_is_normal).numpy()
    if seeds:
        scores = detector_scores(images, data_set.test, seeds, latent_dim)
    else:
        scores = baselines(images, data_set.test)
    areas: dict[str, list] = {}
    for name, score in scores:
        area = round(float(roc_auc_score(anomalous, score)), 6)
        areas.setdefault(name, []).append(area)
    return {
        "data": data, "protocol": protocol, "cls": cls, "seeds": seeds, "latent_dim": latent_dim,
        "auroc": areas,
    }


def detector_scores(images: Tensor, test: Tensor, seeds: int,
                    latent_dim: int) -> Iterator[tuple[str, np.ndarray]]:
    """Names, once for each seed, and scores ``(N,)`` of `test`; detectors learn from `images`."""
    ensemble = Detector.fit(images, latent_dim, seeds, seed=SEED, progress=False)
    for member in ensemble.members:
        alone = Detector.of([member.model], ensemble.recipe, images)
        yield from network_scores(alone, images, test).items()
    for seed in detector.seeds_of(seeds, SEED):
        yield "untrained", untrained_scores(ensemble.recipe, seed, images, test)
    together = ensemble.all_scores(test)
    yield "together", together["detector"].numpy()
    yield "combined_together", together["combined"].numpy()


def network_scores(fitted: Detector, images: Tensor, test: Tensor) -> dict[str, np.ndarray]:
    """Scores of `test` by name, each ``(N,)``, higher more anomalous.

    Parameters
    ----------
    fitted : Detector
        With one member, trained on `images`, all of which are normal; what is drawn here is seeded
        by its recipe.
    """
    model, seed = fitted.members[0].model, fitted.recipe.seed
    images, test = images.double(), test.double()
    few = images[_draw(len(images), detector.MEMORY, seed)]
    residuals, maps = (features.flatten(1) for features in _look(model, few))
    test_residuals, test_maps = (features.flatten(1) for features in _look(model, test))
    of_residuals = Space.fit(residuals, axes=detector.AXES)
    of_maps = Space.fit((maps, Space.whitened(maps, detector.FLOOR)), axes=detector.AXES)
    return {
        **_model_scores(model, images, test, seed),
        "difference_gaussian": _distance(Space.whitened(residuals, detector.FLOOR), test_residuals),
        "difference_neighbours": _nearest(of_residuals, residuals, test_residuals),
        "maps_neighbours": _nearest(of_maps, maps, test_maps),
        **{name: score.numpy() for name, score in fitted.all_scores(test).items()},
    }


@torch.no_grad()
def _model_scores(model, images, test, seed):
    """Scores that the literature makes of a VAE."""
    with reproducible(seed):
        mu, sigma = in_batches(model.posterior, test)
        normal_mu, _ = in_batches(model.posterior, images)
        error = squared_error(reconstruct(model, test), test)
        z = torch.distributions.Normal(mu, sigma)
        samples = [squared_error(decode(model, z.sample()), test) for _ in range(SAMPLES)]
    return {
        "squared_error": error.numpy(),
        "reconstruction_probability": torch.stack(samples).mean(0).numpy(),
        "negative_elbo": (error + kl_to_standard_normal(mu, sigma)).numpy(),
        "latent_distance": _distance(Space.whitened(normal_mu, 0.01), mu),
    }


def untrained_scores(recipe: Recipe, seed: int, images: Tensor, test: Tensor) -> np.ndarray:
    """The detector's score with the recipe's network as it is before training: what its form alone
    does, ``(N,)``."""
    with torch.no_grad(), reproducible(seed):
        model = recipe.build()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # plain averages over all batches
        for batch in images[torch.randperm(len(images))].split(500):
            if len(batch) > 1:
                model.train()(batch)
    member = Member.remember(model.eval(), images, seed)
    return in_batches(member.distances, *_look(member.model, test), size=500).numpy()


def baselines(images: Tensor, test: Tensor) -> Iterator[tuple[str, np.ndarray]]:
    """Names and scores without a network, on pixels and on pixels averaged over 3 × 3."""
    if len(images) > MAX_FITTED:
        images = images[_draw(len(images), MAX_FITTED, 0)]
    for name, prepared in {"pixels": nn.Identity(), "averaged": detector.averaged}.items():
        x, t = prepared(images).flatten(1).numpy(), prepared(test).flatten(1).numpy()
        pca = PCA(0.9, svd_solver="full").fit(x)
        residual = t - pca.inverse_transform(pca.transform(t))
        yield f"pca_{name}", (residual**2).sum(1)
        neighbours = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(x)
        yield f"neighbours_{name}", neighbours.kneighbors(t)[0].mean(1)
        space = Space.whitened(torch.from_numpy(x), 0.3)
        yield f"gaussian_{name}", _distance(space, torch.from_numpy(t))
    svm = OneClassSVM(nu=0.1, gamma="scale").fit(images.flatten(1).numpy())
    yield "svm_pixels", -svm.score_samples(test.flatten(1).numpy())


def _draw(n, wanted, seed):
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:wanted]


def _look(model, images):
    return in_batches(partial(detector.look, model), images, size=500)


def _nearest(space: Space, normal: Tensor, features: Tensor) -> np.ndarray:
    memory = space.project(normal)
    return in_batches(partial(_distance_to, memory, space), features, size=500).numpy()


def _distance_to(memory, space, features):
    return detector.nearest(memory, space.project(features))


def _distance(space: Space, features: Tensor) -> np.ndarray:
    return space.project(features).square().sum(1).numpy()


_load: Callable = cache(datasets.load)
