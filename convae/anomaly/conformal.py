"""From scores to decisions: p-values and thresholds that keep a false-alarm rate for any
distribution of scores.

Split conformal prediction (Vovk, Gammerman & Shafer 2005; Laxhammar & Falkman 2010): a new normal
image is as likely as any of n held-out normal ones to have the largest of the n + 1 scores, the
second largest, and so on. Nothing is assumed but that they are exchangeable: that the new image is
made as those were.
"""

import math

import numpy as np
from scipy.stats import betabinom


def p_values(calibration, scores) -> np.ndarray:
    """Share of n + 1 normal images with a score at least as high, the image itself counted.

    Parameters
    ----------
    calibration : array
        Scores of n normal images that nothing was fitted on, ``(n,)``; higher is more anomalous.
    scores : array
        ``(N,)``.

    Returns
    -------
    ndarray
        ``(N,)``, in [1 / (n + 1), 1]. Of normal images, at most a share α has p ≤ α, on average
        over calibrations.

    Examples
    --------
    >>> p_values([3, 1, 2], [0, 1.5, 9]).tolist()
    [1.0, 0.75, 0.25]
    """
    ordered = np.sort(np.asarray(calibration))
    as_high = len(ordered) - np.searchsorted(ordered, np.asarray(scores), side="left")
    return (1 + as_high) / (len(ordered) + 1)


def threshold(calibration, false_alarms: float) -> float:
    """The score above which p ≤ `false_alarms`: the calibration's k-th largest, k = ⌊α(n + 1)⌋;
    infinite if k is 0."""
    ordered = np.sort(np.asarray(calibration))
    k = math.floor(check_rate(false_alarms) * (len(ordered) + 1) + 1e-9)
    return float(ordered[-k]) if k else math.inf


def needed(false_alarms: float) -> int:
    """How many held-out normal images a false-alarm rate needs: with fewer, no image can have so
    small a p-value.

    Examples
    --------
    >>> needed(0.01)
    99
    """
    return math.ceil(1 / check_rate(false_alarms) - 1 - 1e-9)


def expected_rate(n: int, false_alarms: float, images: int,
                  confidence: float = 0.95) -> tuple[float, float]:
    """The interval in which the share of false alarms among `images` new normal images will lie.

    Over calibrations with n images, the number of alarms follows a beta-binomial distribution (Vovk
    2012): also a threshold that is right on average is too high or too low by chance, the less so
    the larger n.
    """
    k = math.floor(check_rate(false_alarms) * (n + 1) + 1e-9)
    if not k:
        return 0.0, 0.0
    low, high = betabinom(images, k, n + 1 - k).interval(confidence)
    return float(low) / images, float(high) / images


def check_rate(false_alarms: float) -> float:
    """The rate itself, or ValueError unless it lies between 0 and 1."""
    number = isinstance(false_alarms, (int, float)) and not isinstance(false_alarms, bool)
    if not number or not 0 < false_alarms < 1:
        raise ValueError("false_alarms must be a share between 0 and 1, such as 0.01, "
                         f"got {false_alarms!r}")
    return float(false_alarms)
