"""Intervals for shares, for ratios of shares and for means."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats


class Estimate(NamedTuple):
    """A measured value with its interval.

    Examples
    --------
    >>> f"{Estimate(0.06, 0.055, 0.065):.1%}"
    '6.0% (5.5% – 6.5%)'
    """

    value: float
    low: float
    high: float

    def interval(self, form: str) -> str:
        """The interval alone, its ends in the format `form`."""
        return f"{self.low:{form}} – {self.high:{form}}"

    def __format__(self, form: str) -> str:
        return f"{self.value:{form}} ({self.interval(form)})"


def share(count: int, n: int, confidence: float = 0.95) -> Estimate:
    """A share and its exact interval (Clopper and Pearson 1934); of nothing: NaN, from 0 to 1."""
    if not n:
        return Estimate(float("nan"), 0.0, 1.0)
    interval = _clopper_pearson(count, n, confidence)
    return Estimate(count / n, float(interval.low), float(interval.high))


def ratio_of_shares(
    count: int, n: int, other_count: int, other_n: int, confidence: float = 0.95
) -> Estimate:
    """The ratio of count/n to other_count/other_n, with an exact conditional interval.

    For rare events both counts are nearly Poisson; given their sum, `count` is binomial with
    probability p = r·n / (r·n + other_n) where r is the ratio, so Clopper and Pearson's interval
    for p is one for r.

    Raises
    ------
    ValueError
        If there are no events to compare.
    """
    total = int(count) + int(other_count)
    if not total:
        raise ValueError("neither set has an event: no ratio can be estimated")

    def ratio(p):
        return p / (1 - p) * other_n / n if p < 1 else np.inf

    interval = _clopper_pearson(count, total, confidence)
    return Estimate(ratio(count / total), ratio(interval.low), ratio(interval.high))


def _clopper_pearson(count, n, confidence):
    return stats.binomtest(int(count), int(n)).proportion_ci(confidence, "exact")


def bootstrap(
    statistic: Callable, *arrays, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """`statistic(*arrays)` and its percentile interval over resamples.

    The arrays have one axis of equal length and are drawn from together.
    """
    result = stats.bootstrap(
        arrays, statistic, paired=True, vectorized=False, method="percentile",
        n_resamples=resamples, confidence_level=confidence, rng=seed,
    )
    return Estimate(float(statistic(*arrays)), *map(float, result.confidence_interval))


def mean_with_t_interval(values, confidence: float = 0.95, at_least: int = 3) -> Estimate:
    """The mean and Student's interval; of fewer than `at_least` values, their range."""
    values = np.asarray(values, float)
    mean = float(values.mean())
    if len(values) < at_least:
        return Estimate(mean, float(values.min()), float(values.max()))
    quantile = stats.t.ppf(0.5 + confidence / 2, len(values) - 1)
    half = float(quantile * values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(mean, mean - half, mean + half)


def sign_flip_p(differences) -> float:
    """Exact one-sided p-value of the hypothesis that the mean difference is not above 0.

    It is the share of all 2ⁿ choices of signs that give as large a mean (Fisher 1935). The only
    assumption is that, without an effect, a difference and its negative are equally likely. For 1
    to 16 differences; the smallest p of ten is 1/1024.
    """
    differences = np.asarray(differences, float)
    if not 1 <= len(differences) <= 16:
        raise ValueError(f"1 to 16 differences can be tested exactly, got {len(differences)}")
    if len(differences) == 1:
        return 0.5 if differences[0] > 0 else 1.0
    test = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", vectorized=True,
        n_resamples=2 ** len(differences), alternative="greater",
    )
    return float(test.pvalue)
