"""Histograms and ratios of errors are drawn at their heights."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from convae.evaluation.intervals import ratio_of_shares
from convae.plots.errors import error_histograms, tail_ratios
from convae.plots.style import TEST, TRAIN
from tests.plots.data import RATIOS, histograms


@pytest.mark.parametrize("bins", [5, 8, 1_000])
def test_the_histograms_heights_are_the_shares(bins):
    (shares, zoomed_shares), (edges, zoomed) = histograms(bins)
    figure = error_histograms(shares, edges, zoomed_shares, zoomed, (60_000, 10_000), 99)
    panels = zip(figure.axes, (shares, zoomed_shares), (edges, zoomed), strict=True)
    for axes, pair, which in panels:
        for step, k in zip(axes.patches, (0, 0, 1, 1), strict=True):  # an area, an outline each
            np.testing.assert_array_equal(step.get_data().values, pair[k])
            np.testing.assert_array_equal(step.get_data().edges, which)
            colour = step.get_facecolor() if step.get_fill() else step.get_edgecolor()
            assert to_hex(colour) == (TRAIN, TEST)[k]
        assert axes.get_xlim() == (which[0], which[-1])


NO_UNSEEN = ratio_of_shares(0, 10_000, 6, 60_000)


def test_each_tail_ratio_stands_at_its_height_with_its_interval_and_number():
    (axes,) = tail_ratios([99, 99.9], RATIOS).axes
    (bars,) = axes.containers
    np.testing.assert_allclose(bars.lines[0].get_ydata(), [r.value for r in RATIOS])
    segments = bars.lines[2][0].get_segments()
    np.testing.assert_allclose([s[:, 1] for s in segments], [r[1:] for r in RATIOS])
    assert [t.get_text() for t in axes.texts] == ["1.00", "0.90"]
    assert [t.xy for t in axes.texts] == [(place, r.value) for place, r in enumerate(RATIOS)]


@pytest.mark.parametrize("ratios", [
    RATIOS[:1], [NO_UNSEEN], [NO_UNSEEN, RATIOS[0]]], ids=["one", "zero", "both"])
def test_one_threshold_alone_and_one_without_unseen_images_have_their_number_inside(ratios):
    figure = tail_ratios([99.9, 99.99][:len(ratios)], ratios)
    figure.canvas.draw()
    (axes,) = figure.axes
    box = axes.get_window_extent()
    for text, ratio in zip(axes.texts, ratios, strict=True):
        extent = text.get_window_extent()
        assert text.get_text() == f"{ratio.value:.2f}"
        assert box.x0 < extent.x0 and box.y0 - 15 < extent.y0 and extent.y1 < box.y1 + 15
