"""Linear spaces in which the distances between normal images tell how alike they are."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

SMALLEST = 1e-9  # that is added to a variance: a thousandth of what 8 bits a pixel leave uncertain


class Space(NamedTuple):
    """Features of images, shifted and projected: ``(features − mean) @ axes``; kept in single
    precision, used in double."""

    mean: Tensor  #: ``(F,)``
    axes: Tensor  #: ``(F, K)``

    @classmethod
    def fit(cls, *blocks: "Tensor | tuple[Tensor, Space]", axes: int) -> "Space":
        """The leading principal axes of several kinds of features of the same normal images, each
        kind with the same weight.

        Parameters
        ----------
        blocks : Tensor, or tuple of Tensor and Space
            Features ``(N, Fᵢ)`` of normal images, and the space in which they count, if not as they
            are. Each kind is scaled so that normal images lie at a mean squared distance of 1 from
            their mean.
        axes : int
            How many are kept, at most; what lies across them is left out.
        """
        scaled, means, maps = [], [], []
        for block in blocks:
            if isinstance(block, tuple):
                features, within = block
            else:
                features, within = block, cls(block.mean(0), torch.eye(block.shape[1]))
            inside = within.project(features)
            scale = inside.square().sum(1).mean().sqrt().clamp(min=1e-6)
            scaled.append(inside / scale)
            means.append(within.mean)
            maps.append(within.axes / scale)
        _, vectors = _principal(torch.cat(scaled, 1))
        all_maps = torch.block_diag(*maps).to(vectors.dtype)
        return cls(torch.cat(means).float(), (all_maps @ vectors[:, -axes:]).float())

    @classmethod
    def whitened(cls, features: Tensor, floor: float) -> "Space":
        """Where Euclidean distances are regularised Mahalanobis distances: the more normal features
        ``(N, F)`` vary along a principal axis, the less counts a distance along it.

        Parameters
        ----------
        floor : float
            Added to the variance along every axis, as a multiple of the features' mean variance:
            the smaller, the more counts a deviation in directions in which normal images hardly
            vary.
        """
        mean = features.double().mean(0)
        centred = features.double() - mean
        added = (floor * centred.square().mean()).clamp(min=SMALLEST)
        variances, vectors = _eigh(centred.T @ centred / len(features))
        axes = vectors / (variances.clamp(min=0) + added).sqrt()
        return cls(mean.float(), axes.float().contiguous())

    def project(self, features: Tensor) -> Tensor:
        """Features ``(N, F)`` in this space, ``(N, K)``, in double precision."""
        return (features.double() - self.mean.double()) @ self.axes.double()


def left_out(distances: Tensor, n: int) -> Tensor:
    """The distances ``(N,)`` from the mean of the `n` features that a space was whitened on, as if
    each were not one of them.

    As they are, they are far too small where there are fewer features than dimensions. In closed
    form, by Sherman and Morrison's (1950) for the inverse without one of them; that the floor would
    change as well is left out, which makes them too small where features are very few.
    """
    squared = distances.square()
    rest = (1 - squared / (n - 1)).clamp(min=1e-4)  # rounding could take all of it away
    return (n / (n - 1) * squared / rest).sqrt()


def _principal(centred):
    """Variances in ascending order and orthonormal principal axes of centred data ``(N, F)``; all,
    or the N that there are."""
    n, width = centred.shape
    if n >= width:
        return _eigh(centred.T @ centred / n)
    variances, left = _eigh(centred @ centred.T / n)  # the smaller matrix has the same variances
    kept = variances > 1e-6 * variances[-1]
    variances, left = variances[kept], left[:, kept]
    return variances, centred.T @ left / (n * variances).sqrt()


def _eigh(matrix):
    """NumPy's, in double precision: torch's may not converge if features are nearly equal."""
    found = np.linalg.eigh(matrix.double().numpy())
    variances, vectors = map(torch.from_numpy, found)
    return variances.to(matrix.dtype), vectors.to(matrix.dtype)
