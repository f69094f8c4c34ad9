"""Histograms of the reconstruction error, and the tail in numbers (Fig. 7)."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, ScalarFormatter

from convae.plots.style import FAINT, INK, TEST, TRAIN, new_figure, open_axes, panel_title

SETS = {"training images": TRAIN, "unseen images": TEST}
X_TITLE = "reconstruction error: squared difference, summed over the pixels"
RATIO_TICKS = FixedLocator([0.1, 0.2, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10])


@open_axes
def error_histograms(shares, edges, zoomed_shares, zoomed_edges, sizes, percentile) -> Figure:
    """Panels a and b: how the errors are distributed, and the same where they are large.

    Parameters
    ----------
    shares, zoomed_shares : pair of array
        For the training and for the test images, the share of their own set in each bin.
    edges, zoomed_edges : array
        The bins' edges.
    sizes : pair of int
        How many images the two sets have.
    percentile : float
        Of the training images' errors, where panel b begins.
    """
    figure = new_figure(12, 4.6)
    everything, tail = figure.subplots(1, 2)
    _draw_histogram(everything, shares, edges, sizes, decimals=0)
    _draw_histogram(tail, zoomed_shares, zoomed_edges, sizes, decimals=2)
    panel_title(everything, "a", "all errors")
    panel_title(tail, "b", f"the errors above the training images' percentile {percentile:g}")
    return figure


def _draw_histogram(axes, shares, edges, sizes, decimals):
    for share, size, (name, colour) in zip(shares, sizes, SETS.items(), strict=True):
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.45)
        axes.stairs(share, edges, color=colour, linewidth=1.4, label=f"{size:,} {name}")
    axes.set(xlabel=X_TITLE, ylabel="share of its own set", xlim=(edges[0], edges[-1]))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals))
    axes.legend(frameon=False)


@open_axes
def tail_ratios(percentiles, ratios) -> Figure:
    """Share of test over share of training images above a threshold, with intervals, against the
    threshold.

    Parameters
    ----------
    percentiles : list of float
        The thresholds: percentiles of the training images' errors.
    ratios : list of :class:`convae.evaluation.intervals.Estimate`
    """
    figure = new_figure(8, 3.6)
    axes = figure.subplots()
    places = np.arange(len(percentiles))
    value, low, high = np.array(ratios).T
    axes.axhline(1, color=FAINT, linewidth=1)
    errors = value - low, high - value
    axes.errorbar(places, value, errors, fmt="o", color=INK, capsize=4, markersize=6)
    axes.set_yscale("log")
    heights = np.clip(value, *axes.get_ylim())  # 0 stands at the edge
    beside = {"xytext": (9, 0), "textcoords": "offset points", "va": "center"}
    for place, height, ratio in zip(places, heights, value, strict=True):
        axes.annotate(f"{ratio:.2f}", (place, height), fontsize=9, color=INK, **beside)
    axes.yaxis.set_major_locator(RATIO_TICKS)
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, [f"largest {100 - p:.3g} %" for p in percentiles])
    axes.set(ylabel="unseen / training", xlim=(-0.5, len(places) - 0.3))
    title = "Are unseen images over-represented among large errors? (1: no; 95 % intervals)"
    panel_title(axes, "", title)
    return figure
