"""Whether a classifier takes a reconstruction for the same digit (sections 4.3, 4.4, Fig. 8)."""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor


class Prediction(NamedTuple):
    """What a classifier takes images for."""

    digit: np.ndarray        #: the most probable one, ``(N,)``
    probability: np.ndarray  #: that the classifier gives to it, ``(N,)``


def classify(classifier, images: Tensor) -> Prediction:
    """The classifier's prediction for `images` ``(N, 1, 28, 28)``."""
    probability, digit = classifier.probabilities(images).max(1)
    return Prediction(digit.numpy(), probability.double().numpy())


class NearestImage:
    """A classifier without a network: the digit of the nearest training image.

    Nearness is measured in the first principal components of the training `images`
    ``(M, 1, 28, 28)``; `labels` ``(M,)`` are their digits.
    """

    def __init__(self, images: Tensor, labels: Tensor, components: int = 50):
        pixels = images.flatten(1).numpy()
        self._pca = PCA(components, svd_solver="covariance_eigh").fit(pixels)
        self._nearest = KNeighborsClassifier(1, algorithm="brute")
        self._nearest.fit(self._pca.transform(pixels), labels.numpy())

    def digits(self, images: Tensor) -> np.ndarray:
        """The predicted digit of each of `images` ``(N, 1, 28, 28)``, ``(N,)``."""
        return self._nearest.predict(self._pca.transform(images.flatten(1).numpy()))


def misrecognised(before: Prediction, after: Prediction) -> np.ndarray:
    """Where input and reconstruction are taken for different digits, ``(N,)`` of bool."""
    return before.digit != after.digit


def legibility_gain(before: Prediction, after: Prediction, labels) -> np.ndarray:
    """How much the probability of the right digits, `labels`, rose from input to output, ``(N,)``.

    NaN where input or output is taken for another digit.
    """
    labels = np.asarray(labels)
    right = (before.digit == labels) & (after.digit == labels)
    return np.where(right, after.probability - before.probability, np.nan)


def confusion(before: Prediction, after: Prediction) -> np.ndarray:
    """Which digit becomes which: counts ``(10, 10)``, a row an input, a column an output."""
    return confusion_matrix(before.digit, after.digit, labels=range(10))
