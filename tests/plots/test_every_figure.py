"""Every figure is the same each time and leaves nothing open."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from convae.evaluation.intervals import share
from convae.evaluation.latent import plane
from convae.plots.errors import error_histograms, tail_ratios
from convae.plots.images import Mark, grids
from convae.plots.latent import decoded_planes, latent_spaces, on_the_same_axes
from convae.plots.recognition import confusion_matrix, misrecognition_by_place
from convae.plots.style import ADDED
from convae.reproduce.notebook import to_png
from tests.plots.data import COUNTS, LABELS, RATIOS, clouds, histograms, panel, pictures


def overview():
    (shares, zoomed_shares), (edges, zoomed) = histograms()
    grid, circled = plane(clouds(2), 5), [Mark(3, "circle", ADDED)]
    return {
        "latent_spaces": lambda: latent_spaces(
            {2: clouds(2), 3: clouds(3)}, LABELS, "AE", (clouds(2, width=2), "VAE")),
        "on_the_same_axes": lambda: on_the_same_axes({"a": clouds(2), "b": clouds(3)}, LABELS),
        "decoded_planes": lambda: decoded_planes(
            {"AE": (grid, pictures(25), grid, grid.counts > 1)}),
        "grids": lambda: grids(
            [panel(marks=circled), panel(signed=True)], {("circle", ADDED): "added"}),
        "error_histograms": lambda: error_histograms(
            shares, edges, zoomed_shares, zoomed, (6_000, 1_000), 99),
        "tail_ratios": lambda: tail_ratios([99, 99.9], RATIOS),
        "confusion_matrix": lambda: confusion_matrix(COUNTS),
        "misrecognition_by_place": lambda: misrecognition_by_place(
            [0, 0.5, 1], [share(1, 9), share(5, 9)], [9, 9]),
    }


@pytest.mark.parametrize("name", overview())
def test_a_figure_is_the_same_byte_for_byte_each_time(name):
    first, second = (overview()[name]() for _ in range(2))
    assert isinstance(first, Figure)
    assert to_png(first, 60) == to_png(second, 60)


def test_no_figure_is_left_open_in_pyplot():
    for draw in overview().values():
        draw()
    assert plt.get_fignums() == []
