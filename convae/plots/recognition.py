"""Which digit becomes which, and where in the latent space (section 4.4, conclusion)."""

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from convae.plots.style import INK, MISREAD, new_figure, panel_title


def confusion_matrix(counts) -> Figure:
    """Counts ``(10, 10)``: how often what reads as the row's digit comes out as the column's;
    colour is the row's share."""
    figure = new_figure(6, 5.4)
    axes = figure.subplots()
    shares = _off_diagonal_shares(counts)
    image = axes.imshow(shares, cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count), ha="center", va="center", fontsize=8, fontweight="bold" if row == column else None,
                  color="white" if shares[row, column] > 0.6 * np.nanmax(shares) else INK)
    axes.set(xticks=range(10), yticks=range(10), xlabel="the output reads", ylabel="the input reads")
    axes.spines[:].set_visible(False)
    figure.colorbar(image, format=PercentFormatter(1, decimals=0), label="share of the row, misrecognised", shrink=0.8)
    return figure


def interactive_confusion_matrix(counts) -> go.Figure:
    """The same to hover over."""
    shares, digits = _off_diagonal_shares(counts), [str(d) for d in range(10)]
    figure = go.Figure(go.Heatmap(
        z=np.where(np.isnan(shares), None, shares.round(4)).tolist(), x=digits, y=digits, colorscale="Blues", zmin=0,
        customdata=np.asarray(counts).tolist(), texttemplate="%{customdata}", hoverongaps=False,
        hovertemplate="a %{y} came out as %{x}:<br>%{customdata} times, %{z:.1%} of the row<extra></extra>"))
    figure.update_layout(template="plotly_white", height=520, width=620, margin={"l": 10, "r": 10, "t": 20, "b": 10})
    figure.update_xaxes(title="the output reads", type="category")
    figure.update_yaxes(title="the input reads", type="category", autorange="reversed")
    return figure


def _off_diagonal_shares(counts):
    counts = np.asarray(counts, float)
    of = counts.sum(1, keepdims=True)
    shares = np.divide(counts, of, out=np.full_like(counts, np.nan), where=of > 0)
    np.fill_diagonal(shares, np.nan)
    return shares


def misrecognition_by_place(edges, shares, sizes) -> Figure:
    """Share of digits misrecognised, against their place in the latent space: how many neighbours
    are another digit.

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
    axes.errorbar(places, value, [value - low, high - value], fmt="none", color=INK, capsize=4)
    for place, (size, top) in enumerate(zip(sizes, high, strict=True)):
        axes.text(place, top + 0.02, f"{size:,}", ha="center", fontsize=8, color=INK)
    names = [f"{a:.0%} – {b:.0%}" for a, b in zip(edges[:-1], edges[1:], strict=True)]
    axes.set_xticks(places, names)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set(xlabel="neighbours in the latent space that are another digit", ylabel="misrecognised", ylim=(0, 1.12))
    axes.spines[["top", "right"]].set_visible(False)
    panel_title(axes, "", "Where in the latent space digits are misrecognised (number of digits above the bars)")
    return figure
