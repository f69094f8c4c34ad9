"""What the eye sees in a latent space, in numbers (sections 4.1 and 4.2, Figs. 4 and 5)."""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KDTree, KNeighborsClassifier
from torch import Tensor

from convae.evaluation.forward import decode


def neighbour_accuracy(known_z, known_labels, z, labels, neighbours: int = 1) -> float:
    """Share of `z` whose digit a vote of the nearest `known_z` names: do unseen digits fall among their own kind?

    Parameters
    ----------
    known_z, known_labels : array
        Latent vectors ``(M, d)`` of training images, and their digits ``(M,)``.
    z, labels : array
        The same of unseen images, ``(N, d)`` and ``(N,)``.
    neighbours : int
        How many vote.
    """
    classifier = KNeighborsClassifier(neighbours).fit(np.asarray(known_z), np.asarray(known_labels))
    return float(classifier.score(np.asarray(z), np.asarray(labels)))


def silhouette(z, labels) -> float:
    """Mean silhouette of the digits as clusters, from −1 to 1: how much nearer a point lies to its own than to the next.

    Rousseeuw (1987). Independent of scale; low for clusters that touch, and for clusters that are long or in two parts.
    """
    return float(silhouette_score(np.asarray(z), np.asarray(labels)))


class Extent(NamedTuple):
    """How far a cloud of latent vectors reaches, in units of z."""

    radius: float  #: root mean square distance from the mean
    width: float   #: width of the central 98 % along an axis, mean over the axes


def extent(z) -> Extent:
    """Extent of latent vectors ``(N, d)``."""
    z = np.asarray(z)
    low, high = np.percentile(z, [1, 99], axis=0)
    return Extent(float(np.sqrt(((z - z.mean(0)) ** 2).sum(1).mean())), float((high - low).mean()))


def cluster_sizes(z, labels) -> np.ndarray:
    """Size of each digit's cluster: root mean square distance from its centre, ``(10,)``, in units of z."""
    z, labels = np.asarray(z), np.asarray(labels)
    return np.array([extent(z[labels == digit]).radius for digit in range(10)])


def spread(sizes) -> float:
    """How much sizes differ: standard deviation over mean. 0 if all are equal; independent of scale."""
    return float(np.std(sizes) / np.mean(sizes))


class Plane(NamedTuple):
    """A square grid of cells over the part of a 2-D latent space where the central 98 % of the data lie, on each axis."""

    low: np.ndarray     #: the grid's lower corner, ``(2,)``
    high: np.ndarray    #: its upper corner, ``(2,)``
    centres: Tensor     #: of the cells, row by row from the lowest z₂, ``(cells², 2)``
    counts: np.ndarray  #: data in each cell, ``(cells, cells)``, first index z₂

    @property
    def occupied(self) -> float:
        """Share of the cells that hold at least one of the data."""
        return float((self.counts > 0).mean())


def plane(z, cells: int) -> Plane:
    """The grid of `cells` × `cells` over latent vectors `z` ``(N, 2)``."""
    z = np.asarray(z)
    low, high = np.percentile(z, [1, 99], axis=0)
    edges = [np.linspace(low[axis], high[axis], cells + 1) for axis in (0, 1)]
    counts = np.histogram2d(z[:, 1], z[:, 0], bins=(edges[1], edges[0]))[0].astype(int)
    first, second = np.meshgrid(*[(e[1:] + e[:-1]) / 2 for e in edges])
    return Plane(low, high, torch.tensor(np.stack([first.ravel(), second.ravel()], 1), dtype=torch.float32), counts)


def occupied_without_gaps(z, cells: int, draws: int = 20, seed: int = 0) -> float:
    """Share of the cells that the data would occupy if nothing but gaps were taken away.

    Every point is turned to a random direction around the median, on the ellipse that the covariance gives: the same
    elongation, the same thin tails, and no gaps between clusters. The mean over `draws`; the yardstick for
    :attr:`Plane.occupied`.
    """
    z, generator = np.asarray(z, float), np.random.default_rng(seed)
    centre, to_ellipse = np.median(z, axis=0), np.linalg.cholesky(np.cov(z.T))
    radii = np.hypot(*np.linalg.solve(to_ellipse, (z - centre).T))
    angles = generator.uniform(0, 2 * np.pi, (draws, len(z)))
    clouds = np.stack([radii * np.cos(angles), radii * np.sin(angles)], -1) @ to_ellipse.T + centre
    return float(np.mean([plane(cloud, cells).occupied for cloud in clouds]))


def clear_cells(model, judge, grid: Plane, probability: float) -> np.ndarray:
    """Which cells decode to an image that the judge reads with at least `probability`, ``(cells, cells)`` of bool."""
    certainty = judge.probabilities(decode(model, grid.centres)).amax(1)
    return (certainty >= probability).numpy().reshape(grid.counts.shape)


def neighbour_shares(known_z, known_labels, z, neighbours: int = 50) -> np.ndarray:
    """How the nearest training vectors of each latent vector are spread over the digits: shares, ``(N, 10)``.

    One digit has nearly all inside a cluster; where clusters overlap or touch, several have some.
    """
    nearest = KDTree(np.asarray(known_z)).query(np.asarray(z), neighbours, return_distance=False)
    return (np.asarray(known_labels)[nearest][..., None] == np.arange(10)).mean(1)
