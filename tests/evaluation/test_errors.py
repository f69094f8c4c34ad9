"""The reconstruction error as a measure of strangeness, on distributions with known answers."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from convae.evaluation.damage import anomalies
from convae.evaluation.errors import probability_larger, tail


def shuffled(values, seed=0):
    return np.random.default_rng(seed).permutation(values)


@pytest.mark.parametrize(("percentile", "above"), [(50, 500), (90, 100), (99, 10), (99.9, 1), (100, 0)])
def test_as_many_training_errors_lie_above_a_percentile_as_it_says(percentile, above):
    train = shuffled(np.arange(1000.0))
    found = tail(train, train, percentile)
    assert found.train == found.test == above
    assert found.threshold == pytest.approx(999 * percentile / 100)


@pytest.mark.parametrize("planted", [0, 1, 30, 200])
def test_the_tail_holds_the_errors_planted_there_and_no_other(planted):
    train = shuffled(np.linspace(0, 1, 10_000))
    test = shuffled(np.concatenate([np.linspace(0, 0.98, 200 - planted), np.full(planted, 1.5)]))
    found = tail(train, test, 99)
    assert (found.train, found.test) == (100, planted)
    assert (found.test / 200) / (found.train / 10_000) == pytest.approx(planted / 2)  # how many times as often


def test_an_error_at_the_threshold_does_not_exceed_it():
    assert tail(np.arange(5.0), np.array([2.0, 2.0, 3.0]), 50) == (2, 2, 1)


def test_the_probability_of_a_larger_error_is_a_half_for_the_same_and_1_or_0_for_separate_errors():
    errors = shuffled(np.linspace(0, 1, 301))
    assert probability_larger(errors, shuffled(errors, 1)) == pytest.approx(0.5)
    assert probability_larger(errors + 2, errors) == 1
    assert probability_larger(errors, errors + 2) == 0


def test_the_probability_of_a_larger_error_counts_pairs_and_half_of_those_alike():
    generator = np.random.default_rng(0)
    errors, than = generator.integers(0, 6, 40), generator.integers(0, 5, 70)
    pairs = errors[:, None] - than
    assert probability_larger(errors, than) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert probability_larger(than, errors) == pytest.approx(1 - probability_larger(errors, than))


@pytest.mark.parametrize("shift", [0.1, 1.0, -2.0])
def test_the_probability_of_a_larger_error_of_two_normal_distributions_is_known(shift):
    than = norm.ppf((np.arange(2000) + 0.5) / 2000)
    errors = norm.ppf((np.arange(500) + 0.5) / 500) + shift
    assert probability_larger(errors, than) == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=0.002)


# Pictures unlike digits


@pytest.fixture
def digits():
    return torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_there_is_one_anomaly_of_each_kind_for_each_digit_and_the_digits_stay_as_they_were(digits):
    before = digits.clone()
    found = anomalies(digits)
    assert list(found) == [
        "mirrored top to bottom", "inverted grey levels", "pixels in random order", "two digits on top of each other"]
    assert {picture.shape for picture in found.values()} == {digits.shape}
    assert all(0 <= picture.min() and picture.max() <= 1 for picture in found.values())
    assert torch.equal(digits, before)


def test_mirrored_digits_have_their_first_row_last(digits):
    mirrored = anomalies(digits)["mirrored top to bottom"]
    for row in range(28):
        assert torch.equal(mirrored[:, :, row], digits[:, :, 27 - row])


def test_inverted_digits_and_the_digits_add_up_to_white(digits):
    torch.testing.assert_close(anomalies(digits)["inverted grey levels"] + digits, torch.ones_like(digits))


def test_shuffled_digits_have_their_own_pixels_all_in_one_order_that_the_seed_draws(digits):
    order = anomalies(torch.arange(784.0).view(1, 1, 28, 28), seed=3)["pixels in random order"].long().flatten()
    assert order.sort().values.tolist() == list(range(784))
    assert (order == torch.arange(784)).sum() < 10
    assert torch.equal(anomalies(digits, seed=3)["pixels in random order"].flatten(1), digits.flatten(1)[:, order])
    assert not torch.equal(anomalies(digits, seed=4)["pixels in random order"].flatten(1), digits.flatten(1)[:, order])


def test_two_digits_on_top_of_each_other_have_the_ink_of_each_and_of_the_one_before():
    dots = torch.eye(4).view(4, 1, 2, 2)
    both = anomalies(dots)["two digits on top of each other"].flatten(1)
    assert both.tolist() == [[1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
