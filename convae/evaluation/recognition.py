"""Is the reconstruction still the same digit? Judged by a classifier instead of by eye (sections
4.3, 4.4, Fig. 8)."""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor


class Reading(NamedTuple):
    """What the judge reads in images."""

    digit: np.ndarray        #: ``(N,)``
    probability: np.ndarray  #: that the judge gives to this digit, ``(N,)``


def read(judge, images: Tensor) -> Reading:
    """The judge's reading of `images` ``(N, 1, 28, 28)``."""
    probability, digit = judge.probabilities(images).max(1)
    return Reading(digit.numpy(), probability.double().numpy())


class NearestImage:
    """A reader without a network: the digit of the nearest known image, in the first principal
    components.

    Parameters
    ----------
    images, labels : Tensor
        Known images ``(M, 1, 28, 28)`` and their digits ``(M,)``.
    components : int
        How many principal components of the known images count.
    """

    def __init__(self, images: Tensor, labels: Tensor, components: int = 50):
        pixels = images.flatten(1).numpy()
        self._pca = PCA(components, svd_solver="covariance_eigh").fit(pixels)
        self._nearest = KNeighborsClassifier(1, algorithm="brute").fit(self._pca.transform(pixels), labels.numpy())

    def digits(self, images: Tensor) -> np.ndarray:
        """The digit read in each of `images` ``(N, 1, 28, 28)``, ``(N,)``."""
        return self._nearest.predict(self._pca.transform(images.flatten(1).numpy()))


def misrecognised(before: Reading, after: Reading) -> np.ndarray:
    """Where input and reconstruction are read as different digits, ``(N,)`` of bool. No label is
    needed."""
    return before.digit != after.digit


def legibility_gain(before: Reading, after: Reading, labels) -> np.ndarray:
    """By how much the probability of the right digit rose, ``(N,)``; NaN where input or output is
    read as another.

    Parameters
    ----------
    before, after : Reading
        Of the inputs and of the outputs.
    labels : array
        The right digits, ``(N,)``.
    """
    right = (before.digit == np.asarray(labels)) & (after.digit == np.asarray(labels))
    return np.where(right, after.probability - before.probability, np.nan)


def confusion(before: Reading, after: Reading) -> np.ndarray:
    """Which digit becomes which: counts ``(10, 10)``, rows for the input, columns for the
    reconstruction."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (before.digit, after.digit), 1)
    return counts
