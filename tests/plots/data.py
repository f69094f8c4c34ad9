"""Data to draw: latent vectors, images, errors and counts."""

import numpy as np
import torch

from convae.evaluation.intervals import ratio_of_shares
from convae.evaluation.recognition import Prediction, confusion
from convae.plots.images import Grid

N = 400
LABELS = np.arange(N) % 10


def generator(seed=0):
    return np.random.default_rng(seed)


def clouds(d, seed=0, width=1.0):
    """Latent vectors of N digits, those of a digit near one another."""
    centres = generator(seed).uniform(-5, 5, (10, d))
    noise = 0.3 * generator(seed + 1).standard_normal((N, d))
    return (width * (centres[LABELS] + noise)).astype(np.float32)


def pictures(n, seed=0):
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def constant(*levels):
    """Images of one grey level each, by which they are known again."""
    return torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)


def histograms(bins=8):
    """Shares of training and of test errors, all and large ones, in bins, and the bins' edges."""
    train, test = generator().gamma(4, 3, 6_000), generator(1).gamma(4, 3, 1_000)
    edges = np.linspace(0, max(train.max(), test.max()), bins + 1)
    zoomed = np.linspace(np.percentile(train, 99), edges[-1], bins // 2 + 1)

    def shares(edges):
        return [np.histogram(errors, edges)[0] / len(errors) for errors in (train, test)]

    return [shares(edges), shares(zoomed)], (edges, zoomed)


RATIOS = [ratio_of_shares(40, 10_000, 240, 60_000), ratio_of_shares(9, 10_000, 60, 60_000)]
CERTAIN = np.ones(N)
COUNTS = confusion(
    Prediction(LABELS, CERTAIN), Prediction(generator().integers(10, size=N), CERTAIN))


def panel(n=30, marks=(), **kwargs):
    return Grid("digits", pictures(n), list(marks), break_before=20, **kwargs)


def build(kind, *args, **kwargs):
    torch.manual_seed(0)
    return kind(*args, **kwargs).eval()
