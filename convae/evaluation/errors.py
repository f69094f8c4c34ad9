"""The reconstruction error as an anomaly score (section 4.3, Fig. 7)."""

import numpy as np
from scipy.stats import mannwhitneyu


def tail(train, test, percentile: float) -> tuple[float, int, int]:
    """The threshold at a percentile of the training images' errors, and how many exceed it.

    `train` ``(M,)`` and `test` ``(N,)`` are errors; the counts are those of training and of test
    images.
    """
    threshold = float(np.percentile(train, percentile))
    return threshold, int((train > threshold).sum()), int((test > threshold).sum())


def probability_larger(errors, others) -> float:
    """Probability that a random one of `errors` exceeds a random one of `others`; ties count half.

    The statistic of Mann and Whitney (1947) over the number of pairs. If `others` are the errors
    of normal images, it is the area under the ROC curve.

    Examples
    --------
    >>> probability_larger([1, 3], [0, 1])
    0.875
    """
    wins = mannwhitneyu(errors, others, method="asymptotic").statistic
    return float(wins / (len(errors) * len(others)))
