"""What the eye sees in a latent space, in numbers (sections 4.1 and 4.2, Figs. 4 and 5)."""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score
from sklearn.neighbors import KDTree, KNeighborsClassifier
from torch import Tensor

from convae.evaluation.inference import decode


def knn_accuracy(train_z, train_labels, z, labels, neighbours: int = 1) -> float:
    """Share of `z` whose digit a vote of the nearest `train_z` names: do test digits fall among
    their own kind?

    Parameters
    ----------
    train_z, train_labels : array
        Latent vectors ``(M, d)`` of training images, and their digits ``(M,)``.
    z, labels : array
        The same of test images, ``(N, d)`` and ``(N,)``.
    neighbours : int
        How many vote.
    """
    classifier = KNeighborsClassifier(neighbours).fit(np.asarray(train_z), np.asarray(train_labels))
    return float(classifier.score(np.asarray(z), np.asarray(labels)))


def neighbour_shares(train_z, train_labels, z, neighbours: int = 50) -> np.ndarray:
    """How the nearest training vectors of each latent vector are spread over the digits: shares,
    ``(N, 10)``.

    One digit has nearly all inside a cluster; where clusters overlap or touch, several have some.
    A digit that no training vector has is left out.
    """
    classifier = KNeighborsClassifier(neighbours).fit(np.asarray(train_z), np.asarray(train_labels))
    return classifier.predict_proba(np.asarray(z))


def pure_neighbourhood_share(shares: np.ndarray, labels, purity: float = 0.9) -> np.ndarray:
    """Of each digit, the share that lies deep in a cluster of its own, ``(10,)``.

    Parameters
    ----------
    shares : array
        :func:`neighbour_shares`, ``(N, 10)``.
    labels : array
        The digits ``(N,)``.
    purity : float
        Share of the neighbours that must be of the own digit.
    """
    labels = np.asarray(labels)
    pure = shares[np.arange(len(labels)), labels] >= purity
    return np.array([pure[labels == digit].mean() for digit in range(10)])


def silhouette(z, labels) -> float:
    """Mean silhouette of the digits as clusters, from −1 to 1: how much nearer a point lies to its
    own than to the next.

    Rousseeuw (1987). Independent of scale; low for clusters that touch, and for clusters that are
    long or in two parts.
    """
    return float(silhouette_score(np.asarray(z), np.asarray(labels)))


def adjusted_mutual_info(z, labels, seed: int = 0) -> float:
    """Adjusted mutual information of ten k-means clusters of `z` with the digits: 1 if they are the
    same, 0 by chance.

    No label helps to find the clusters. Vinh, Epps and Bailey (2010). Independent of scale; k-means
    wants round clusters.
    """
    clusters = KMeans(10, n_init=4, random_state=seed).fit_predict(np.asarray(z))
    return float(adjusted_mutual_info_score(np.asarray(labels), clusters))


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
    """Size of each digit's cluster: root mean square distance from its centre, ``(10,)``, in units
    of z."""
    z, labels = np.asarray(z), np.asarray(labels)
    return np.array([extent(z[labels == digit]).radius for digit in range(10)])


def median_cluster_sizes(z, labels) -> np.ndarray:
    """As :func:`cluster_sizes`, by the median distance from the median point: stragglers count for
    little."""
    z, labels = np.asarray(z), np.asarray(labels)
    groups = [z[labels == digit] for digit in range(10)]
    return np.array([np.median(np.linalg.norm(g - np.median(g, axis=0), axis=1)) for g in groups])


def spread(sizes) -> float:
    """How much sizes differ: standard deviation over mean. 0 if all are equal; independent of
    scale."""
    return float(np.std(sizes) / np.mean(sizes))


class Plane(NamedTuple):
    """A square grid of cells over the part of a 2-D latent space where the central 98 % of the data
    lie, on each axis."""

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

    Every point is turned to a random direction around the median, on the ellipse that the
    covariance gives: the same elongation, the same thin tails, and no gaps between clusters. The
    mean over `draws`; the yardstick for :attr:`Plane.occupied`.
    """
    z, generator = np.asarray(z, float), np.random.default_rng(seed)
    centre, to_ellipse = np.median(z, axis=0), np.linalg.cholesky(np.cov(z.T))
    radii = np.hypot(*np.linalg.solve(to_ellipse, (z - centre).T))
    angles = generator.uniform(0, 2 * np.pi, (draws, len(z)))
    clouds = np.stack([radii * np.cos(angles), radii * np.sin(angles)], -1) @ to_ellipse.T + centre
    return float(np.mean([plane(cloud, cells).occupied for cloud in clouds]))


def clear_cells(model, classifier, grid: Plane, probability: float) -> np.ndarray:
    """Which cells decode to an image that the classifier takes for a digit with at least
    `probability`, ``(cells, cells)`` of bool."""
    certainty = classifier.probabilities(decode(model, grid.centres)).amax(1)
    return (certainty >= probability).numpy().reshape(grid.counts.shape)


def gap_depth(z, labels, neighbours: int = 50, steps: int = 20) -> np.ndarray:
    """How deep the gap is between each digit's cluster and the nearest other one, from 0 (none) to
    1 (empty), ``(10,)``.

    A cluster's summit is where its digit's points lie densest. Along the straight line between two
    summits, the gap's depth is 1 − (the lowest density of all points) / (the lower of the two
    summits'). Densities are estimated by the distance r to the k-th neighbour, as proportional to
    1/rᵈ (Loftsgaarden and Quesenberry 1965): no unit is involved. That smooths over k points: a gap
    narrower than these keeps some density, and noise makes shallow gaps look deeper (0.1 becomes
    0.3 or 0.4, 0.7 hardly changes). Compare values of the same k and number of points.

    Parameters
    ----------
    z, labels : array
        Latent vectors ``(N, d)`` and their digits ``(N,)``, more than `neighbours` of each.
    neighbours : int
        The k of the density.
    steps : int
        Points on the line, its ends included.
    """
    z, labels = np.asarray(z, float), np.asarray(labels)

    def log_density(tree, points):
        return -z.shape[1] * np.log(tree.query(points, neighbours)[0][:, -1])

    summits = []
    for digit in range(10):
        own = z[labels == digit]
        summits.append(own[log_density(KDTree(own), own).argmax()])
    summits, everything, depths = np.array(summits), KDTree(z), []
    for summit in summits:
        other = summits[np.linalg.norm(summits - summit, axis=1).argsort()[1]]
        line = log_density(everything, summit + np.linspace(0, 1, steps)[:, None] * (other - summit))
        depths.append(1 - np.exp(min(0.0, line.min() - min(line[0], line[-1]))))
    return np.array(depths)


def pairwise_overlap(z, labels, cells: int = 20) -> np.ndarray:
    """How much each two digits' clusters overlap: Bhattacharyya's coefficient, ``(10, 10)``, 0 if
    apart and 1 if alike.

    Σ √(p q) over the cells of a grid of `cells` along each axis, p and q being the shares of the
    digits' points in a cell; what lies beyond the central 98 % of an axis counts into its outermost
    cells. No classifier takes part. With fewer points than cells, as for MNIST in 3-D, all values
    come out too low (0.65 for clusters that are alike); their ranks stay.
    """
    z, labels = np.asarray(z, float), np.asarray(labels)
    low, high = np.percentile(z, [1, 99], axis=0)
    places = np.clip(((z - low) / (high - low) * cells).astype(int), 0, cells - 1)
    cell = np.ravel_multi_index(places.T, (cells,) * z.shape[1])
    roots = np.sqrt([np.bincount(cell[labels == d], minlength=cells ** z.shape[1]) / (labels == d).sum() for d in range(10)])
    return roots @ roots.T
