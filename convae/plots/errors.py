"""Histograms of the reconstruction error, and the tail in numbers (Fig. 7)."""

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter, ScalarFormatter
from plotly.subplots import make_subplots

from convae.plots.style import FAINT, INK, TRAINING, UNSEEN, new_figure, panel_title

SETS = (("training images", TRAINING), ("unseen images", UNSEEN))
X_TITLE = "reconstruction error: squared difference, summed over the pixels"


def error_histograms(shares, edges, zoomed_shares, zoomed_edges, sizes, percentile: float) -> Figure:
    """Panels a and b: how the errors are distributed, and the same where they are large.

    Parameters
    ----------
    shares, zoomed_shares : pair of array
        For the training and for the unseen images, the share of their own set in each bin.
    edges, zoomed_edges : array
        The bins' edges.
    sizes : pair of int
        How many images the two sets have.
    percentile : float
        Of the training images' errors, where panel b begins.
    """
    figure = new_figure(12, 4.6)
    titles = "all errors", f"the errors above the training images' percentile {percentile:g}"
    for axes, letter, title, pair, bins in zip(figure.subplots(1, 2), "ab", titles, (shares, zoomed_shares),
                                               (edges, zoomed_edges), strict=True):
        for share, size, (name, colour) in zip(pair, sizes, SETS, strict=True):
            axes.stairs(share, bins, fill=True, color=colour, alpha=0.45)
            axes.stairs(share, bins, color=colour, linewidth=1.4, label=f"{size:,} {name}")
        panel_title(axes, letter, title)
        axes.set(xlabel=X_TITLE, ylabel="share of its own set", xlim=(bins[0], bins[-1]))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0 if letter == "a" else 2))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure


def interactive_error_histograms(shares, edges, zoomed_shares, zoomed_edges) -> go.Figure:
    """The same to zoom into and hover over."""
    figure = make_subplots(1, 2, subplot_titles=("a) all errors", "b) large errors, enlarged"))
    for column, (pair, bins) in enumerate(((shares, edges), (zoomed_shares, zoomed_edges)), 1):
        for share, (name, colour) in zip(pair, SETS, strict=True):
            figure.add_trace(go.Bar(x=((bins[1:] + bins[:-1]) / 2).round(3).tolist(), y=share.round(6).tolist(),
                                    width=np.diff(bins).round(4).tolist(), name=name, legendgroup=name, opacity=0.6,
                                    marker={"color": colour, "line": {"width": 0}}, showlegend=column == 1,
                                    hovertemplate="error %{x:.1f}: %{y:.2%}"), 1, column)
    figure.update_xaxes(title="reconstruction error")
    figure.update_yaxes(title="share of its own set", tickformat=".1%")
    figure.update_layout(template="plotly_white", barmode="overlay", height=420, legend={"orientation": "h", "y": 1.15},
                         margin={"l": 10, "r": 10, "t": 60, "b": 10})
    return figure


def tail_ratios(percentiles, ratios) -> Figure:
    """Share of unseen over share of training images above a threshold, with intervals, against the
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
    axes.errorbar(places, value, [value - low, high - value], fmt="o", color=INK, capsize=4, markersize=6)
    axes.set_yscale("log")
    for place, ratio, height in zip(places, value, value.clip(*axes.get_ylim()), strict=True):  # 0 stands at the edge
        axes.annotate(f"{ratio:.2f}", (place, height), (9, 0), textcoords="offset points", va="center", fontsize=9, color=INK)
    axes.set_yticks([t for t in (0.1, 0.2, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10) if axes.get_ylim()[0] <= t <= axes.get_ylim()[1]])
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, [f"largest {100 - p:.3g} %" for p in percentiles])
    axes.set(ylabel="unseen / training", xlim=(-0.5, len(places) - 0.3))
    axes.spines[["top", "right"]].set_visible(False)
    panel_title(axes, "", "Are unseen images over-represented among large errors? (1: no; 95 % intervals)")
    return figure
