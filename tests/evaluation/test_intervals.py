"""Intervals that cover as often as they say."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import beta, poisson
from sklearn.metrics import roc_auc_score

from convae.evaluation.intervals import (
    Estimate,
    bootstrap,
    mean_with_t_interval,
    ratio_of_shares,
    share,
    sign_flip_p,
)


def normal(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


@pytest.mark.parametrize(("count", "n", "low", "high"), [
    (0, 10, 0, 0.3084971),       # 1 − 0.025^(1/10)
    (10, 10, 0.6915029, 1),
    (5, 10, 0.1870860, 0.8129140),
    (1, 10, 0.0025286, 0.4450161),
])
def test_a_share_has_clopper_and_pearsons_interval(count, n, low, high):
    found = share(count, n)
    assert found == pytest.approx((count / n, low, high), abs=1e-6)


@pytest.mark.parametrize(("count", "n", "confidence"), [
    (3, 40, 0.9), (597, 10_000, 0.95), (17, 18, 0.99)])
def test_the_interval_of_a_share_is_that_of_the_beta_distribution(count, n, confidence):
    tail = (1 - confidence) / 2
    expected = beta.ppf(tail, count, n - count + 1), beta.ppf(1 - tail, count + 1, n - count)
    assert share(np.int64(count), torch.tensor(n), confidence)[1:] == pytest.approx(expected)


def test_a_share_of_nothing_can_be_anything():
    found = share(0, np.int64(0))
    assert np.isnan(found.value) and found[1:] == (0, 1)


@pytest.mark.parametrize(("counts", "expected"), [
    ((10, 100, 60, 600), 1), ((30, 100, 60, 600), 3), ((1, 10, 1, 5), 0.5)])
def test_a_ratio_is_that_of_the_shares_and_lies_in_its_interval(counts, expected):
    found = ratio_of_shares(*counts)
    assert found.value == pytest.approx(expected)
    assert found.low < expected < found.high


def test_the_ratio_of_exchanged_sets_is_the_inverse():
    one, other = ratio_of_shares(9, 10_000, 60, 60_000), ratio_of_shares(60, 60_000, 9, 10_000)
    assert other == pytest.approx((1 / one.value, 1 / one.high, 1 / one.low))


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_of_a_ratio_is_clopper_and_pearsons_for_one_sets_events(confidence):
    tail = (1 - confidence) / 2
    part = beta.ppf([tail, 1 - tail], [9, 10], [61, 60])  # 9 of 69 events
    expected = tuple(part / (1 - part) * 6)
    assert ratio_of_shares(9, 10_000, 60, 60_000, confidence)[1:] == pytest.approx(expected)


def test_a_ratio_without_events_on_one_side_is_zero_or_infinite():
    none, all_of_them = ratio_of_shares(0, 10_000, 6, 60_000), ratio_of_shares(6, 10_000, 0, 60_000)
    assert (none.value, none.low) == (0, 0) and 1 < none.high < np.inf
    assert (all_of_them.value, all_of_them.high) == (np.inf, np.inf) and all_of_them.low > 1


def test_a_ratio_without_any_event_is_refused():
    with pytest.raises(ValueError, match="neither set has an event"):
        ratio_of_shares(0, 10, 0, 20)


def likely_counts(mean):
    low, high = poisson.ppf([1e-3, 1 - 1e-3], mean)
    return np.arange(low, high + 1, dtype=int)


@pytest.mark.parametrize("truth", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("expected_events", [10, 30])
def test_the_interval_of_a_ratio_of_rare_shares_covers_the_truth(truth, expected_events):
    """The coverage is exact: over all likely pairs of Poisson counts, weighted by probability."""
    n, other_n = 10_000, 60_000
    mean, other_mean = truth * expected_events * n / other_n, expected_events
    covered = total = 0.0
    for count, other_count in product(likely_counts(mean), likely_counts(other_mean)):
        weight = poisson.pmf(count, mean) * poisson.pmf(other_count, other_mean)
        interval = ratio_of_shares(count, n, other_count, other_n)
        total += weight
        covered += weight * (interval.low <= truth <= interval.high)
    assert 0.95 <= covered / total < 0.995  # exact: at least as often as it says, and not always


def test_a_bootstrap_is_the_same_for_the_same_seed_only():
    values = normal(200)
    one, again, other = (bootstrap(np.mean, values, resamples=100, seed=s) for s in (0, 0, 1))
    assert one == again != other
    assert one.value == other.value == values.mean()
    assert one.low < one.value < one.high


def test_a_bootstrap_covers_the_truth_about_as_often_as_it_says():
    intervals = [bootstrap(np.mean, normal(60, seed=s), resamples=200) for s in range(200)]
    inside = [interval.low <= 0 <= interval.high for interval in intervals]
    assert 0.90 <= np.mean(inside) <= 0.985


def test_a_bootstrap_has_the_width_of_theory():
    found = bootstrap(np.mean, normal(400), resamples=2_000)
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(400), rel=0.12)
    narrower = bootstrap(np.mean, normal(400), resamples=2_000, confidence=0.5)
    assert narrower.high - narrower.low == pytest.approx(2 * 0.6745 / np.sqrt(400), rel=0.12)


def test_a_bootstrap_draws_its_arrays_together():
    x = normal(100)
    found = bootstrap(lambda a, b: float(np.abs(a - b).max()), x, x, resamples=50)
    assert found == (0, 0, 0)
    assert bootstrap(roc_auc_score, x > 0, x, resamples=50) == pytest.approx((1, 1, 1))


def test_an_estimate_is_written_with_its_interval():
    assert f"{Estimate(0.0597, 0.0551, 0.0645):.1%}" == "6.0% (5.5% – 6.5%)"
    assert Estimate(1, 0.5, 2).interval(".2f") == "0.50 – 2.00"


def test_students_interval_covers_what_it_says_and_two_values_have_a_range():
    samples = np.random.default_rng(0).normal(3, 2, (4000, 5))
    intervals = [mean_with_t_interval(sample) for sample in samples]
    assert np.mean([e.low <= 3 <= e.high for e in intervals]) == pytest.approx(0.95, abs=0.015)
    assert mean_with_t_interval([1, 4]) == (2.5, 1, 4)
    assert mean_with_t_interval([2]) == (2, 2, 2)


def test_the_sign_flip_test_counts_all_choices_of_signs():
    differences = np.array([3.0, 1.0, -2.0, 0.5])
    means = [np.mean(differences * signs) for signs in product((1, -1), repeat=4)]
    as_large = [mean >= differences.mean() - 1e-12 for mean in means]
    assert sign_flip_p(differences) == pytest.approx(np.mean(as_large))


def test_the_sign_flip_test_finds_no_more_than_chance_where_there_is_no_effect():
    generator = np.random.default_rng(0)
    p = np.array([sign_flip_p(generator.normal(size=8)) for _ in range(400)])
    assert np.mean(p < 0.05) < 0.09
    assert 0.4 < np.mean(p) < 0.6


@pytest.mark.parametrize("count", [0, 17])
def test_the_sign_flip_test_refuses_what_it_cannot_do_exactly(count):
    with pytest.raises(ValueError, match=f"got {count}"):
        sign_flip_p(np.ones(count))
