"""The reconstruction error as a measure of strangeness, on distributions with known answers."""

import numpy as np
import pytest
from scipy.stats import norm

from convae.evaluation.errors import probability_larger, tail


def shuffled(values, seed=0):
    return np.random.default_rng(seed).permutation(values)


@pytest.mark.parametrize(("percentile", "above"), [
    (50, 500), (90, 100), (99, 10), (99.9, 1), (100, 0)])
def test_as_many_training_errors_lie_above_a_percentile_as_it_says(percentile, above):
    train = shuffled(np.arange(1000.0))
    threshold, of_train, of_test = tail(train, train, percentile)
    assert of_train == of_test == above
    assert threshold == pytest.approx(999 * percentile / 100)


@pytest.mark.parametrize("planted", [0, 1, 30, 200])
def test_the_tail_counts_the_errors_planted_there_and_no_other(planted):
    train = shuffled(np.linspace(0, 1, 10_000))
    test = shuffled(np.concatenate([np.linspace(0, 0.98, 200 - planted), np.full(planted, 1.5)]))
    assert tail(train, test, 99)[1:] == (100, planted)


def test_an_error_at_the_tails_threshold_does_not_exceed_it():
    assert tail(np.arange(5.0), np.array([2.0, 2.0, 3.0]), 50) == (2, 2, 1)


def test_the_probability_of_a_larger_error_is_a_half_if_equal_and_1_or_0_if_separate():
    errors = shuffled(np.linspace(0, 1, 301))
    assert probability_larger(errors, shuffled(errors, 1)) == pytest.approx(0.5)
    assert probability_larger(errors + 2, errors) == 1
    assert probability_larger(errors, errors + 2) == 0


def test_the_probability_of_a_larger_error_counts_pairs_and_half_of_the_ties():
    generator = np.random.default_rng(0)
    errors, than = generator.integers(0, 6, 40), generator.integers(0, 5, 70)
    pairs = errors[:, None] - than
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert probability_larger(errors, than) == pytest.approx(expected)
    assert probability_larger(than, errors) == pytest.approx(1 - expected)


@pytest.mark.parametrize("shift", [0.1, 1.0, -2.0])
def test_the_probability_of_a_larger_error_of_two_normal_distributions_is_known(shift):
    than = norm.ppf((np.arange(2000) + 0.5) / 2000)
    errors = norm.ppf((np.arange(500) + 0.5) / 500) + shift
    expected = norm.cdf(shift / np.sqrt(2))
    assert probability_larger(errors, than) == pytest.approx(expected, abs=0.002)
