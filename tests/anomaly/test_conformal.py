"""Thresholds keep the rate that they promise, on distributions of every shape."""

import math

import numpy as np
import pytest

from convae.anomaly.conformal import expected_rate, needed, p_values, threshold


def test_p_values_by_hand():
    assert p_values([3, 1, 2], [0, 1, 1.5, 3, 9]) == pytest.approx([1, 1, 0.75, 0.5, 0.25])


@pytest.mark.parametrize("false_alarms", [0.01, 0.05, 0.3, 0.5])
@pytest.mark.parametrize("n", [10, 99, 100, 250])
def test_above_the_threshold_is_where_p_is_small_enough(n, false_alarms):
    generator = np.random.default_rng(n)
    calibration = generator.integers(40, size=n)  # with ties
    scores = generator.integers(40, size=500)
    above = scores > threshold(calibration, false_alarms)
    assert (above == (p_values(calibration, scores) <= false_alarms + 1e-12)).all()


@pytest.mark.parametrize("distribution", ["normal", "exponential", "standard_cauchy"])
def test_the_false_alarm_rate_is_kept_and_its_spread_foretold(distribution):
    generator = np.random.default_rng(0)
    n, images, rate = 199, 400, 0.05
    draw = getattr(generator, distribution)
    found = np.array([(draw(size=images) > threshold(draw(size=n), rate)).mean()
                      for _ in range(2000)])
    assert found.mean() == pytest.approx(rate, abs=0.002)
    low, high = expected_rate(n, rate, images)
    assert ((found >= low) & (found <= high)).mean() == pytest.approx(0.95, abs=0.02)


def test_how_many_calibration_images_a_false_alarm_rate_needs():
    assert (needed(0.01), needed(0.05), needed(0.5)) == (99, 19, 1)
    assert threshold(np.arange(99), 0.01) == 98
    assert threshold(np.arange(98), 0.01) == math.inf
    assert expected_rate(98, 0.01, 1000) == (0, 0)


@pytest.mark.parametrize("wrong", [0, 1, -0.1, 1.5, "0.01", None, True, math.nan])
def test_a_false_alarm_rate_that_is_no_share_is_refused(wrong):
    with pytest.raises(ValueError, match="false_alarms must be a share between 0 and 1"):
        threshold([1, 2], wrong)
