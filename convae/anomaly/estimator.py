"""The detector as scikit-learn's users know it: ``fit``, ``score_samples``, ``decision_function``,
``predict``."""

import math
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from convae.anomaly.conformal import check_rate
from convae.anomaly.model import Inspector
from convae.anomaly.register import resized


class AnomalyDetector(OutlierMixin, BaseEstimator):
    """Finds images that are unlike the normal ones it was fitted to.

    Each row is an image, pixel by pixel, in rows: 784 values are 28 × 28 pixels; any other number
    is laid out as nearly square as it goes, the last row filled up with zeros, and resized. Values
    should lie in [0, 1]; if some of the training data's do not, all are scaled so that the training
    data's do, and new ones are clipped to that.

    Parameters
    ----------
    latent_dim : int
        Latent variables of each autoencoder.
    members : int
        Autoencoders trained from different seeds, whose scores are averaged.
    epochs : int, optional
        As many as make a fixed number of steps if None.
    false_alarms : float
        The share of normal images that may be called anomalous. Not scikit-learn's
        ``contamination``: no anomalies are expected in the training data.
    random_state : int, RandomState or None

    Attributes
    ----------
    inspector_ : convae.anomaly.model.Inspector
        What was fitted; its ``save`` and ``load`` keep it in a file without pickle.
    offset_ : float
        ``decision_function`` is ``score_samples`` minus this.
    n_features_in_ : int
    """

    def __init__(self, latent_dim=16, members=1, epochs=None, false_alarms=0.01, random_state=None):
        self.latent_dim = latent_dim
        self.members = members
        self.epochs = epochs
        self.false_alarms = false_alarms
        self.random_state = random_state

    def fit(self, X, y=None):
        """Fit to normal images `X` ``(N, F)``; `y` is not used.

        A fifth of the images or more is held out to set the threshold, as in
        :meth:`convae.anomaly.model.Inspector.fit`.
        """
        X = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        check_rate(self.false_alarms)
        low, high = float(X.min()), float(X.max())
        self.range_ = (0.0, 1.0)
        if low < 0 or high > 1:
            self.range_ = low, max(high, math.nextafter(low, math.inf))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        inspector = Inspector.fit(
            self._images(X), "whole", self.false_alarms, seed, progress=False,
            latent_dim=self.latent_dim, members=self.members, epochs=self.epochs,
        )
        self._take(inspector)
        return self

    def score_samples(self, X):
        """How normal each image is, ``(N,)``: higher is more normal, as everywhere in
        scikit-learn."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return -np.array(list(self.inspector_.scores(self._images(X))), dtype=float)

    def decision_function(self, X):
        """``score_samples`` less the threshold, ``(N,)``: below 0 is anomalous."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """1 for normal, −1 for anomalous, ``(N,)``."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X):
        """The share of normal images that score as high, ``(N,)``: see
        :func:`convae.anomaly.conformal.p_values`."""
        return self.inspector_.p_values(-self.score_samples(X))

    def save(self, path) -> Path:
        """Write one safetensors file: joblib's and pickle's run code when they are loaded, this one
        does not.

        A `random_state` that is no number is not kept.
        """
        check_is_fitted(self)
        params = self.get_params()
        if not isinstance(params["random_state"], (int, type(None))):
            params["random_state"] = None
        notes = {"params": params, "range": self.range_, "features": self.n_features_in_}
        return self.inspector_.save(Path(path), notes)

    @classmethod
    def load(cls, path) -> "AnomalyDetector":
        """The estimator that :meth:`save` wrote; ValueError if the file is another."""
        inspector = Inspector.load(Path(path))
        notes = inspector.notes
        if not notes:
            raise ValueError(f"{path} was not written by an AnomalyDetector: use Inspector.load")
        estimator = cls(**notes["params"])
        estimator.range_, estimator.n_features_in_ = tuple(notes["range"]), notes["features"]
        estimator._take(inspector)
        return estimator

    def _take(self, inspector):
        self.inspector_ = inspector
        self.offset_ = -inspector.threshold(self.false_alarms)

    def _images(self, X):
        """The rows as images of 28 × 28 pixels."""
        low, high = self.range_
        n, features = X.shape
        width = math.ceil(math.sqrt(features))
        height = -(-features // width)
        scaled = ((X - low) / (high - low)).clip(0, 1)
        padded = np.pad(scaled, [(0, 0), (0, height * width - features)])
        return [resized(np.ascontiguousarray(row)) for row in padded.reshape(n, height, width)]
