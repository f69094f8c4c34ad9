"""The two standard protocols: one class is normal and all others are anomalous, or one is anomalous
and all others are normal.

A task trains detectors on normal training images alone, from several seeds, and scores the whole
test half with each: by the paper's plain difference, by what the literature offers within the
paper's model, and by the detector's own score. Classical baselines are measured on the same images.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import OneClassSVM
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from convae._io import key_of
from convae.anomaly import detector
from convae.anomaly.detector import Detector, Member, constants
from convae.anomaly.space import Space
from convae.anomaly.study import datasets
from convae.evaluation.inference import decode, reconstruct
from convae.losses import kl_to_standard_normal, squared_error
from convae.recipes import Recipe
from convae.reproduce.sweep import Task
from convae.training import reproducible

VERSION = 3               # of what is measured and how: another version makes other keys
PROTOCOLS = ("one", "rest")  # normal: one class, or all the others
SEED = 1000              # the first; others follow from it
SAMPLES = 10              # of z, for the reconstruction probability
FEW = 10_000              # training images that the baselines are fitted to, at most: the one-class SVM takes the square of it


def task(data: str, protocol: str, cls: int, seeds: int, latent_dim: int = 16) -> Task:
    """Detectors from several seeds on one data set with one choice of what is normal; or, with
    none, the classical baselines.

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
    name = f"{data} {protocol} {cls} " + (f"{latent_dim}-D" if seeds else "baselines")
    return Task(name, key_of([*arguments.values(), constants(), VERSION]), run, arguments)


def run(data: str, protocol: str, cls: int, seeds: int, latent_dim: int) -> dict:
    """The area under the ROC curve, over the whole test half, at the end of training.

    The parameters are those of :func:`task`. By score, one area for each seed; of ``together`` and
    ``combined_together``, by all seeds' networks, there is one.
    """
    given = _load(data)
    normal = {"one": given.train_labels == cls, "rest": given.train_labels != cls}[protocol]
    anomalous = {"one": given.test_labels != cls, "rest": given.test_labels == cls}[protocol].numpy()
    images, test = given.train[normal], given.test
    if seeds:
        found = Detector.fit(images, latent_dim, seeds, seed=SEED, progress=False)
        each = [network_scores(Detector.of([member.model], found.recipe, images), images, test)
                for member in found.members]
        scores = {name: [of[name] for of in each] for name in each[0]}
        scores["untrained"] = [untrained_scores(found.recipe, seed, images, test)
                               for seed in detector.seeds_of(seeds, SEED)]
        scores["together"] = [found.scores(test).numpy()]
        scores["combined_together"] = [found.combined(test).numpy()]
    else:
        scores = {name: [score] for name, score in baselines(images, test).items()}
    areas = {name: [round(float(roc_auc_score(anomalous, score)), 6) for score in of]
             for name, of in scores.items()}
    return {"data": data, "protocol": protocol, "cls": cls, "seeds": seeds, "latent_dim": latent_dim,
            "auroc": areas}


def network_scores(found: Detector, images: Tensor, test: Tensor) -> dict[str, np.ndarray]:
    """Scores of `test` by name, each ``(N,)``, higher more anomalous.

    Parameters
    ----------
    found : Detector
        With one member, trained on `images`, all of which are normal; what is drawn here is seeded
        by its recipe.
    """
    model, recipe = found.members[0].model, found.recipe
    images, test = images.double(), test.double()
    with torch.no_grad(), reproducible(recipe.seed):
        mu, sigma = map(torch.cat, zip(*(model.posterior(part) for part in test.split(1000)), strict=True))
        normal_mu = torch.cat([model.posterior(part)[0] for part in images.split(1000)])
        error = squared_error(reconstruct(model, test), test)
        samples = [squared_error(decode(model, torch.distributions.Normal(mu, sigma).sample()), test) for _ in range(SAMPLES)]
    few = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(recipe.seed))[:detector.MEMORY]]
    known, seen = ([each.flatten(1) for each in _look(model, x)] for x in (few, test))
    return {
        "squared_error": error.numpy(),
        "reconstruction_probability": torch.stack(samples).mean(0).numpy(),
        "negative_elbo": (error + kl_to_standard_normal(mu, sigma)).numpy(),
        "latent_distance": _distance(Space.whitened(normal_mu, 0.01), mu),
        "difference_gaussian": _distance(Space.whitened(known[0], detector.FLOOR), seen[0]),
        "difference_neighbours": _nearest(Space.fit(known[0], axes=detector.AXES), known[0], seen[0]),
        "maps_neighbours": _nearest(Space.fit((known[1], Space.whitened(known[1], detector.FLOOR)), axes=detector.AXES),
                                    known[1], seen[1]),
        **{name: score.numpy() for name, score in found.all_scores(test).items()},
    }


def untrained_scores(recipe: Recipe, seed: int, images: Tensor, test: Tensor) -> np.ndarray:
    """The detector's score with the recipe's network as it is before training: what its form alone
    does, ``(N,)``."""
    with torch.no_grad(), reproducible(seed):
        model = recipe.build()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # plain averages over all parts
        for part in images[torch.randperm(len(images))].split(500):  # the normalisations' averages, as training leaves them
            if len(part) > 1:
                model.train()(part)
    return _scores(Member.remember(model.eval(), images, seed), test)


def baselines(images: Tensor, test: Tensor) -> dict[str, np.ndarray]:
    """Scores without a network, on pixels and on pixels averaged over 3 × 3."""
    if len(images) > FEW:
        images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:FEW]]
    found = {}
    for name, view in {"pixels": lambda x: x, "averaged": lambda x: avg_pool2d(x, 3, 1, 1)}.items():
        x, t = (view(each).flatten(1).numpy() for each in (images, test))
        pca = PCA(0.9, svd_solver="full").fit(x)
        found[f"pca_{name}"] = ((t - pca.inverse_transform(pca.transform(t)))**2).sum(1)
        found[f"neighbours_{name}"] = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(x).kneighbors(t)[0].mean(1)
        found[f"gaussian_{name}"] = _distance(Space.whitened(torch.from_numpy(x), 0.3), torch.from_numpy(t))
    svm = OneClassSVM(nu=0.1, gamma="scale").fit(images.flatten(1).numpy())
    return found | {"svm_pixels": -svm.score_samples(test.flatten(1).numpy())}


def _look(model, images):
    return [torch.cat(each) for each in zip(*(detector.look(model, part) for part in images.split(500)), strict=True)]


def _scores(member: Member, test: Tensor) -> np.ndarray:
    return torch.cat([member.distances(*detector.look(member.model, part)) for part in test.split(500)]).numpy()


def _nearest(space: Space, known: Tensor, seen: Tensor) -> np.ndarray:
    memory = space.project(known)
    return torch.cat([detector.nearest(memory, space.project(part)) for part in seen.split(500)]).numpy()


def _distance(space: Space, features: Tensor) -> np.ndarray:
    return space.project(features).square().sum(1).numpy()


_load: Callable = cache(datasets.load)
