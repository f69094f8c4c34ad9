"""The reconstruction error as a measure of strangeness: its distribution, its tail, anomalies
(section 4.3, Fig. 7)."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import ks_2samp
from torch import Tensor


class Tail(NamedTuple):
    """How many errors of each set exceed a threshold."""

    threshold: float
    known: int
    unseen: int


def tail(known, unseen, percentile: float) -> Tail:
    """The known images' errors at a percentile, and how many errors of either set exceed it."""
    threshold = float(np.percentile(known, percentile))
    return Tail(threshold, int((known > threshold).sum()), int((unseen > threshold).sum()))


def largest_distance(known, unseen) -> float:
    """The largest distance between two cumulative distributions (Kolmogorov and Smirnov), from 0 to
    1."""
    return float(ks_2samp(known, unseen).statistic)


def probability_larger(errors, than) -> float:
    """That a random one of `errors` exceeds a random one of `than`; ½ if the two are alike (Mann
    and Whitney)."""
    than = np.sort(than)
    below_or_level = [np.searchsorted(than, errors, side).mean() for side in ("left", "right")]  # of two alike, half counts
    return float(np.mean(below_or_level) / len(than))


def anomalies(images: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """Pictures unlike digits, made from digits ``(N, 1, 28, 28)`` by a rule: one of each kind for
    each digit.

    Parameters
    ----------
    images : Tensor
        In [0, 1].
    seed : int
        Of the order in which pixels are shuffled, one for all images.

    Returns
    -------
    dict
        From what was done to pictures of the images' shape. A mirrored 0, 1, 3 or 8 is still a
        digit.
    """
    order = np.random.default_rng(seed).permutation(images[0].numel())
    return {
        "mirrored top to bottom": images.flip(2),
        "inverted grey levels": 1 - images,
        "pixels in random order": images.flatten(1)[:, order].view_as(images),
        "two digits on top of each other": torch.maximum(images, images.roll(1, 0)),
    }
