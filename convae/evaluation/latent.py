"""What the eye sees in a latent space, in numbers (sections 4.1 and 4.2, Figs. 4 and 5).

Everywhere `z` are latent vectors ``(N, d)`` of test images and `labels` their digits ``(N,)``;
`train_z` ``(M, d)`` and `train_labels` ``(M,)`` are those of training images.
"""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.neighbors import KDTree, KNeighborsClassifier
from torch import Tensor

from convae.evaluation.inference import decode


def knn_accuracy(train_z, train_labels, z, labels, neighbours: int = 1) -> float:
    """k-NN accuracy: the share of `z` whose digit a vote of the nearest `train_z` names."""
    classifier = KNeighborsClassifier(neighbours).fit(np.asarray(train_z), np.asarray(train_labels))
    return float(classifier.score(np.asarray(z), np.asarray(labels)))


def neighbour_shares(train_z, train_labels, z, neighbours: int = 50) -> np.ndarray:
    """Shares of the digits among the nearest training vectors of each latent vector, ``(N, 10)``.

    Inside a cluster one digit has nearly all; where clusters overlap or touch, several have some.
    """
    classifier = KNeighborsClassifier(neighbours).fit(np.asarray(train_z), np.asarray(train_labels))
    return classifier.predict_proba(np.asarray(z))


def pure_neighbourhood_share(shares: np.ndarray, labels, purity: float = 0.9) -> np.ndarray:
    """Of each digit, the share that lies deep in a cluster of its own, ``(10,)``.

    That is where at least `purity` of the neighbours are of that digit; `shares` are those of
    :func:`neighbour_shares`.
    """
    labels = np.asarray(labels)
    own_share = shares[np.arange(len(labels)), labels]
    return np.array([(own >= purity).mean() for own in _by_digit(own_share, labels)])


def adjusted_mutual_info(z, labels, seed: int = 0) -> float:
    """Adjusted mutual information of ten k-means clusters of `z` with the digits.

    1 if they are the same, 0 by chance (Vinh, Epps and Bailey 2010). No label helps to find the
    clusters. It is independent of scale; k-means wants round clusters.
    """
    clusters = KMeans(10, n_init=4, random_state=seed).fit_predict(np.asarray(z))
    return float(adjusted_mutual_info_score(np.asarray(labels), clusters))


class Extent(NamedTuple):
    """How far a cloud of latent vectors reaches, in units of z."""

    radius: float  #: root mean square distance from the mean
    width: float   #: width of the central 98 % along an axis, mean over the axes


def extent(z) -> Extent:
    """Extent of latent vectors ``(N, d)``.

    Examples
    --------
    >>> extent([[3, 0], [-3, 0], [0, 3], [0, -3]]).radius
    3.0
    """
    z = np.asarray(z)
    low, high = np.percentile(z, [1, 99], axis=0)
    squared_distances = ((z - z.mean(0)) ** 2).sum(1)
    return Extent(float(np.sqrt(squared_distances.mean())), float((high - low).mean()))


def cluster_sizes(z, labels) -> np.ndarray:
    """Root mean square distance of each digit's z from their mean, ``(10,)``, in units of z."""
    return np.array([extent(own).radius for own in _by_digit(z, labels)])


def median_cluster_sizes(z, labels) -> np.ndarray:
    """As :func:`cluster_sizes`, by the median distance from the median: outliers count little."""
    sizes = []
    for own in _by_digit(z, labels):
        distances = np.linalg.norm(own - np.median(own, axis=0), axis=1)
        sizes.append(np.median(distances))
    return np.array(sizes)


def spread(sizes) -> float:
    """How much sizes differ: standard deviation over mean; independent of scale."""
    return float(np.std(sizes) / np.mean(sizes))


class Plane(NamedTuple):
    """A square grid of cells over a 2-D latent space, as far as the central 98 % of each axis."""

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
    limits = np.stack([low, high], axis=1)
    counts, edges = np.histogramdd(z[:, ::-1], cells, limits[::-1])
    z2, z1 = ((edge[1:] + edge[:-1]) / 2 for edge in edges)
    centres = np.stack(np.meshgrid(z1, z2), axis=-1).reshape(-1, 2)
    return Plane(low, high, torch.tensor(centres, dtype=torch.float32), counts.astype(int))


def occupied_without_gaps(z, cells: int, draws: int = 20, seed: int = 0) -> float:
    """Share of the cells that the data would occupy if nothing but gaps were taken away.

    Every point is turned to a random direction around the median, on the ellipse that the
    covariance gives: the same elongation, the same thin tails, and no gaps between clusters. The
    mean over `draws`; the yardstick for :attr:`Plane.occupied`.
    """
    z, generator = np.asarray(z, float), np.random.default_rng(seed)
    centre = np.median(z, axis=0)
    to_ellipse = np.linalg.cholesky(np.cov(z.T))
    radii = np.hypot(*np.linalg.solve(to_ellipse, (z - centre).T))
    occupied = []
    for angles in generator.uniform(0, 2 * np.pi, (draws, len(z))):
        directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        cloud = radii[:, None] * directions @ to_ellipse.T + centre
        occupied.append(plane(cloud, cells).occupied)
    return float(np.mean(occupied))


def clear_cells(model, classifier, grid: Plane, probability: float) -> np.ndarray:
    """Which cells decode to a clear digit, ``(cells, cells)`` of bool.

    Clear is what the classifier takes for some digit with at least `probability`.
    """
    certainty = classifier.probabilities(decode(model, grid.centres)).amax(1)
    return (certainty >= probability).numpy().reshape(grid.counts.shape)


def gap_depth(z, labels, neighbours: int = 50, steps: int = 20) -> np.ndarray:
    """How deep the gap is between each digit's cluster and the nearest other one, ``(10,)``.

    From 0 (no gap) to 1 (an empty one).

    A cluster's summit is where its digit's points lie densest. Along the straight line between two
    summits, the gap's depth is 1 − (the lowest density of all points) / (the lower of the two
    summits'). Densities are estimated by the distance r to the k-th neighbour, as proportional to
    1/rᵈ (Loftsgaarden and Quesenberry 1965): no unit is involved. That smooths over k points: a gap
    narrower than these keeps some density, and noise makes shallow gaps look deeper (0.1 becomes
    0.3 or 0.4, 0.7 hardly changes). Compare values of the same k and number of points.
    There must be more than k = `neighbours` of each digit; the line has `steps` points.
    """
    z = np.asarray(z, float)
    summits = np.array([_densest(own, neighbours) for own in _by_digit(z, labels)])  # (10, d)
    everything = KDTree(z)
    fractions = np.linspace(0, 1, steps)[:, None]
    depths = []
    for summit in summits:
        distances = np.linalg.norm(summits - summit, axis=1)
        nearest_other = summits[distances.argsort()[1]]
        line = summit + fractions * (nearest_other - summit)
        density = _log_density(everything, line, neighbours)
        fall = density.min() - min(density[0], density[-1])
        depths.append(1 - np.exp(min(0.0, fall)))
    return np.array(depths)


def _densest(points, neighbours):
    return points[_log_density(KDTree(points), points, neighbours).argmax()]


def _log_density(tree, points, neighbours):
    """Of the tree's points at other points ``(N, d)``, but for a constant, ``(N,)``."""
    distances, _ = tree.query(points, neighbours)
    return -points.shape[1] * np.log(distances[:, -1])


def pairwise_overlap(z, labels, cells: int = 20) -> np.ndarray:
    """How much each two digits' clusters overlap: Bhattacharyya's coefficient, ``(10, 10)``.

    From 0 for separate clusters to 1 for equal ones: Σ √(p q) over the cells of a grid of `cells`
    along each axis, p and q being the shares of the digits' points in a cell; what lies beyond the
    central 98 % of an axis counts into its outermost cells. No classifier takes part. With fewer
    points than cells, as for MNIST in 3-D, all values come out too low (0.65 for equal clusters);
    their ranks stay.
    """
    z = np.asarray(z, float)
    low, high = np.percentile(z, [1, 99], axis=0)
    limits = np.stack([low, high], axis=1)
    shares = []
    for own in _by_digit(z.clip(low, high), labels):
        counts, _ = np.histogramdd(own, cells, limits)
        shares.append(counts.ravel() / len(own))
    roots = np.sqrt(shares)
    return roots @ roots.T


def _by_digit(values, labels):
    values, labels = np.asarray(values), np.asarray(labels)
    return [values[labels == digit] for digit in range(10)]
