"""A regularised Gaussian: features in the normal ones' own spread, so that distances between them count."""

from typing import NamedTuple

import torch
from torch import Tensor


class Gaussian(NamedTuple):
    """Mean and principal axes of normal features; along each axis a distance counts the less, the more normal ones vary."""

    mean: Tensor    #: ``(F,)``
    axes: Tensor    #: ``(F, K)``, each divided by the standard deviation along it, the floor included

    @classmethod
    def fit(cls, features: Tensor, floor: float, axes: int) -> "Gaussian":
        """From normal features ``(N, F)``.

        Parameters
        ----------
        floor : float
            Added to the variance along every axis, as a multiple of the features' mean variance: the smaller, the more counts
            a deviation in directions in which normal images hardly vary.
        axes : int
            How many are kept, at most: those along which normal features vary most.
        """
        mean = features.mean(0)
        centred = features - mean
        added = (floor * centred.square().mean()).clamp(min=torch.finfo(features.dtype).tiny)
        variances, vectors = torch.linalg.eigh(centred.T @ centred / len(features))
        return cls(mean, vectors[:, -axes:] / (variances[-axes:].clamp(min=0) + added).sqrt())

    def whiten(self, features: Tensor) -> Tensor:
        """Features ``(N, F)`` along the axes, ``(N, K)``: Euclidean distances there are regularised Mahalanobis distances."""
        return (features - self.mean) @ self.axes
