"""Which digit becomes which, and where in the latent space (section 4.4, conclusion)."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from convae.plots.style import INK, MISREAD, new_figure, open_axes, panel_title


def confusion_matrix(counts) -> Figure:
    """Counts ``(10, 10)``: how often what reads as the row's digit comes out as the column's;
    colour is the row's share."""
    figure = new_figure(6, 5.4)
    axes = figure.subplots()
    rows = counts.sum(1, keepdims=True)
    shares = counts / np.maximum(rows, 1)
    np.fill_diagonal(shares, np.nan)  # uncoloured
    dark = shares > 0.6 * np.nanmax(shares)
    for (row, column), count in np.ndenumerate(counts):
        weight = "bold" if row == column else None
        colour = "white" if dark[row, column] else INK
        axes.text(column, row, str(count), ha="center", va="center", fontsize=8, weight=weight,
                  color=colour)
    axes.set(xlabel="the output reads", xticks=range(10))
    axes.set(ylabel="the input reads", yticks=range(10))
    axes.spines[:].set_visible(False)
    image = axes.imshow(shares, cmap="Blues", vmin=0)
    label = "share of the row, misrecognised"
    figure.colorbar(image, format=PercentFormatter(1, 0), label=label, shrink=0.8)
    return figure


@open_axes
def misrecognition_by_place(edges, shares, sizes) -> Figure:
    """Share of digits misrecognised, against their place in the latent space: the share of
    neighbours that are another digit.

    Parameters
    ----------
    edges : array
        Edges of the groups, ``(G + 1,)``, shares of neighbours.
    shares : list of :class:`convae.evaluation.intervals.Estimate`
        Misrecognised share of each group.
    sizes : array
        How many digits each group has, ``(G,)``.
    """
    figure = new_figure(8, 3.8)
    axes = figure.subplots()
    places = np.arange(len(sizes))
    value, low, high = np.array(shares).T
    axes.bar(places, value, color=MISREAD, alpha=0.55, width=0.75)
    errors = value - low, high - value
    axes.errorbar(places, value, errors, fmt="none", color=INK, capsize=4)
    for place, size, top in zip(places, sizes, high, strict=True):
        axes.text(place, top + 0.02, f"{size:,}", ha="center", fontsize=8, color=INK)
    names = [f"{a:.0%} – {b:.0%}" for a, b in zip(edges[:-1], edges[1:], strict=True)]
    axes.set_xticks(places, names)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set(xlabel="neighbours in the latent space that are another digit", ylabel="misrecognised",
             ylim=(0, 1.12))
    title = "Where in the latent space digits are misrecognised (number of digits above the bars)"
    panel_title(axes, "", title)
    return figure
