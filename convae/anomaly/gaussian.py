"""A regularised Gaussian: how far features lie from those of normal images, in the normal ones' own spread."""

from typing import NamedTuple

import torch
from torch import Tensor


class Gaussian(NamedTuple):
    """Mean and principal axes of normal features; along each axis a distance counts the less, the more normal ones vary."""

    mean: Tensor     #: ``(F,)``
    axes: Tensor     #: ``(F, K)``, orthonormal: all along which normal images vary more than the floor matters
    weights: Tensor  #: ``(K,)``, one over the variance along each axis, the floor included
    rest: Tensor     #: ``()``, one over the floor: the weight of all other directions

    @classmethod
    def fit(cls, features: Tensor, floor: float) -> "Gaussian":
        """From normal features ``(N, F)``.

        Parameters
        ----------
        floor : float
            Added to the variance in every direction, as a share of the features' mean variance: the smaller, the more counts
            a deviation in directions in which normal images do not vary.
        """
        mean = features.mean(0)
        centred = features - mean
        added = (floor * centred.square().mean()).clamp(min=torch.finfo(features.dtype).tiny)
        if len(features) < features.shape[1]:  # the small matrix of the two has the same non-zero eigenvalues
            values, vectors = torch.linalg.eigh(centred @ centred.T / len(features))
            vectors = centred.T @ vectors / (values * len(features)).clamp(min=1e-30).sqrt()
        else:
            values, vectors = torch.linalg.eigh(centred.T @ centred / len(features))
        kept = values > 0.01 * added
        return cls(mean, vectors[:, kept], 1 / (values[kept] + added), 1 / added)

    def distances(self, features: Tensor) -> Tensor:
        """Squared Mahalanobis distance of features ``(N, F)``, per feature: ``(N,)``, about 1 or less for normal ones."""
        centred = features - self.mean
        along = (centred @ self.axes).square()
        outside = (centred.square().sum(1) - along.sum(1)).clamp(min=0)
        return (along @ self.weights + outside * self.rest) / features.shape[1]
