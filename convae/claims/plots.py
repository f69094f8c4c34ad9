"""The claims' criteria over seeds, and over the choices that the paper leaves open.

All functions take claims, or one of them, as ``figures/claims.json`` has them.
"""

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, ScalarFormatter

from convae.claims import results
from convae.plots.style import FAINT, INK, new_figure, open_axes, panel_title

HOLDS, FAILS = "#1f6fd0", "#e76300"  # and filled against hollow, for those who see no colours
GREYS = ListedColormap(["#f1f1f1", "#a9a9a9", "#4f4f4f"])
TIMES_TICKS = (0.25, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20)
SHIFTED = (
    "error / energy of the image",
    "misrecognised",
    "displacement of z / radius of the cloud",
)
MODELS = (("#1f6fd0", "o"), ("#e76300", "s"), ("#832db6", "D"))  # in the curves of shifts


@open_axes
def forest(claims: dict) -> Figure:
    """Every criterion: its effect, the interval over the seeds, and the threshold to pass."""
    ratios, others = [], []
    for name, claim in claims.items():
        for criterion in claim["criteria"]:
            rows = ratios if criterion["unit"] == "times" else others
            rows.append((name, criterion))
    figure = new_figure(10, 1.8 + 0.2 * (len(ratios) + len(others)))
    above, below = figure.subplots(2, 1, height_ratios=(len(ratios) + 2, len(others) + 2))
    _forest_panel(above, ratios)
    above.grid(axis="x", color="#eeeeee")
    _log_axis(above)
    panel_title(above, "", "ratios")
    _forest_panel(below, others)
    panel_title(below, "", "shares, areas, correlations, and differences of these")
    figure.legend(handles=_legend(), loc="outside upper center", ncols=3, frameon=False,
                  fontsize=10)
    return figure


@open_axes
def criteria_of(claim: dict) -> Figure:
    """One claim: a strip for each criterion, with every seed, the interval and the threshold."""
    criteria = claim["criteria"]
    figure = new_figure(8, 0.3 + 0.72 * len(criteria))
    strips = figure.subplots(len(criteria), 1, squeeze=False)[:, 0]
    for axes, criterion in zip(strips, criteria, strict=True):
        effects = criterion["by_seed"]
        axes.axvline(criterion["threshold"], color=INK, linestyle="--", linewidth=1)
        # Each seed's dot stands at a height of its own: equal effects do not hide one another.
        heights = 0.25 * np.sin(np.arange(len(effects)) * 2.4)
        axes.scatter(effects, heights, s=14, color=FAINT, linewidth=0)
        _estimate(axes, 0, criterion)
        if criterion["unit"] == "times":
            _log_axis(axes)
        axes.set(yticks=[], ylim=(-0.5, 0.5))
        axes.tick_params(labelsize=8)
        side = "<" if criterion["below"] else ">"
        title = f"{criterion['measured']}  ({side} {criterion['threshold']:g})"
        axes.set_title(title, loc="left", fontsize=9, color=INK)
        axes.spines.left.set_visible(False)
    return figure


def all_universes(claims: dict, universes: list[dict]) -> Figure:
    """In which universes each claim's primary criterion passes, above their choices.

    Claims that were not followed through universes are left out.
    """
    criteria = _with_universes(claims)
    passes = np.array([_passes(criterion) for criterion in criteria.values()])
    order = np.lexsort([*passes[::-1], -passes.sum(0)])  # most passes first, then claim by claim
    choices = _choices(criteria)
    figure = new_figure(12, 0.27 * (len(criteria) + len(choices)) + 1.6)
    above, below = figure.subplots(2, 1, height_ratios=(len(criteria), len(choices)), sharex=True)
    _cells(above, passes[:, order], ListedColormap([FAILS, HOLDS]), criteria, fontweight="bold")
    shares = [f"{share:.0%}" for share in passes.mean(1)]
    _write_beside(above, shares, fontsize=9)
    levels = np.zeros((len(choices), len(universes)))
    for y, (name, values) in enumerate(choices.items()):
        chosen = _values_of(name, universes, order)
        levels[y] = [values.index(value) for value in chosen]
    _cells(below, levels, GREYS, map(results.choice_text, choices))
    _write_beside(below, map(" · ".join, choices.values()), fontsize=8)
    for axes in (above, below):
        axes.tick_params(labelsize=9)
        axes.set_xticks([])
    title = f"{len(universes)} universes, one a column: does the claim's primary criterion pass?"
    panel_title(above, "", title)
    panel_title(below, "", "the choices of each universe (light to dark, as listed on the right)")
    handles = [Patch(color=HOLDS, label="passes"), Patch(color=FAILS, label="does not")]
    above.legend(handles=handles, ncols=2, frameon=False, fontsize=9,
                 loc="lower right", bbox_to_anchor=(1, 1))
    return figure


@open_axes
def specification_curve(name: str, claim: dict, universes: list[dict]) -> Figure:
    """One claim's primary effect in all universes, in ascending order, above their choices.

    Circles are the universes' means, dots their seeds.
    """
    criterion = claim["criteria"][0]
    order = np.argsort(criterion["universes"]["effects"])
    choices = _choices({name: criterion})
    height = 0.21 * sum(map(len, choices.values()))
    figure = new_figure(12, 2.6 + height)
    above, below = figure.subplots(2, 1, height_ratios=(2.6, height), sharex=True)
    _effects_in_order(above, criterion, order)
    colours = np.where(_passes(criterion)[order], HOLDS, FAILS)
    _choices_in_order(below, choices, universes, order, colours)
    below.set(xlim=(-0.7, len(universes) - 0.3), xticks=[], xlabel="universes, by effect")
    key = ("circles: universes, dots: their seeds, dashed: the threshold, "
           "grey: the interval of the default choices")
    panel_title(above, "", f"{name}: {criterion['measured']}\n{key}")
    return figure


def explained(claims: dict) -> Figure:
    """How much of the variance between universes each choice explains, for each primary effect.

    Bold shares are significant. The last column stands apart: what chance leads to expect, which is
    in all other columns, too.
    """
    criteria = _with_universes(claims)
    choices = _choices(criteria)
    shares = np.zeros((len(criteria), len(choices) + 1))
    significant = np.zeros(shares.shape, bool)
    for y, criterion in enumerate(criteria.values()):
        for x, choice in enumerate(criterion["universes"]["choices"].values()):
            shares[y, x] = choice["explains"]
            significant[y, x] = choice["p"] < 0.05
        shares[y, -1] = criterion["universes"]["seeds_explain"]
    figure = new_figure(10, 0.3 * len(criteria) + 1)
    axes = figure.subplots()
    _cells(axes, shares, "Blues", criteria, fontweight="bold")
    axes.axvline(len(choices), color="white", linewidth=8)
    for y, x in np.argwhere(shares >= 0.05):
        share, sure = shares[y, x], significant[y, x]
        colour = INK if sure or x == len(choices) else FAINT
        axes.text(x + 0.5, y + 0.5, f"{share:.0%}", ha="center", va="center", fontsize=9,
                  fontweight="bold" if sure else "normal", color="white" if share > 0.6 else colour)
    columns = [*map(results.choice_text, choices), "chance alone"]
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, fontsize=9)
    panel_title(axes, "", "share of the variance between universes that each choice explains "
                          "(5 % and more; bold: p < 5 %)")
    return figure


@open_axes
def shift_curves(curves: dict, shifts) -> Figure:
    """What shifts do to convolutional and to fully connected models.

    Parameters
    ----------
    curves : dict
        By title of a model, its error, misrecognition and displacement, ``(seeds, shifts, 3)``.
    shifts : tuple of int
        Pixels.
    """
    figure = new_figure(13, 3.8)
    panels = figure.subplots(1, 3)
    for k, axes in enumerate(panels):
        for (name, values), (colour, marker) in zip(curves.items(), MODELS, strict=True):
            of_seeds = np.asarray(values)[:, :, k]
            low, high = of_seeds.min(0), of_seeds.max(0)
            axes.plot(shifts, of_seeds.mean(0), color=colour, label=name,
                      marker=marker, markersize=5)
            axes.fill_between(shifts, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.set(xlabel="shift in pixels", xticks=shifts, ylim=(0, None))
        panel_title(axes, "", SHIFTED[k])
    panels[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(curves), frameon=False)
    return figure


def _forest_panel(axes, rows):
    labels, above = [], None
    for y, (name, criterion) in enumerate(rows):
        _estimate(axes, y, criterion)
        marker = "<" if criterion["below"] else ">"
        axes.scatter([criterion["threshold"]], [y], marker=marker, s=28, color=INK, zorder=1)
        if above and name != above:
            axes.axhline(y - 0.5, color="#e4e4e4", linewidth=0.8, zorder=0)
        title = "      " if name == above else rf"$\bf{{{name}}}$"
        labels.append(f"{criterion['measured']}  {title}")
        above = name
    axes.set_yticks(range(len(rows)), labels, fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_axisbelow(True)
    axes.spines.left.set_visible(False)


def _estimate(axes, y, criterion):
    colour = HOLDS if criterion["holds"] else FAILS
    face = colour if criterion["holds"] else "white"
    ends = [criterion["low"], criterion["high"]]
    axes.plot(ends, [y, y], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=2)
    axes.scatter([criterion["effect"]], [y], s=34, facecolor=face, edgecolor=colour, zorder=3)


def _legend():
    dot = {"marker": "o", "linewidth": 2.2}
    return [
        Line2D([], [], color=HOLDS, label="holds (mean and 95 % interval over the seeds)", **dot),
        Line2D([], [], color=FAILS, label="does not hold", markerfacecolor="white", **dot),
        Line2D([], [], color=INK, label="threshold; the claim lies where it points",
               marker=">", linewidth=0),
    ]


def _effects_in_order(axes, criterion, order):
    effects = np.array(criterion["universes"]["effects"])[order]
    by_seed = np.array(criterion["universes"]["by_seed"])[order]  # (universes, seeds)
    passes = _passes(criterion)[order]
    x = np.arange(len(order))
    axes.vlines(x, by_seed.min(1), by_seed.max(1), color=FAINT, linewidth=1, zorder=1)
    for of_seed in by_seed.T:
        axes.scatter(x, of_seed, s=7, color=FAINT, linewidth=0, zorder=2)
    for chosen, edge, face in ((passes, HOLDS, HOLDS), (~passes, FAILS, "white")):
        axes.scatter(x[chosen], effects[chosen], s=30, facecolor=face, edgecolor=edge, zorder=3)
    axes.axhline(criterion["threshold"], color=INK, linestyle="--", linewidth=1)
    axes.axhspan(criterion["low"], criterion["high"], color=FAINT, alpha=0.35, linewidth=0)
    if criterion["unit"] == "times":
        _log_axis(axes, "y")
    elif criterion["unit"] == "share":
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))


def _choices_in_order(axes, choices, universes, order, colours):
    labels = []
    for name, values in choices.items():
        if labels:
            axes.axhline(len(labels) - 0.5, color="#dddddd", linewidth=0.8)
        chosen = _values_of(name, universes, order)
        for value in values:
            x = np.flatnonzero(chosen == value)
            y = np.full(len(x), len(labels))
            axes.scatter(x, y, s=16, marker="s", color=colours[x])
            labels.append(f"{results.choice_text(name)}: {value}")
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def _cells(axes, values, colours, labels, **font):
    """Coloured cells, a row a label, from 0 to the largest whole value."""
    largest = max(1, values.max())
    axes.pcolormesh(values, cmap=colours, vmin=0, vmax=largest, edgecolors="white", linewidth=1)
    axes.set_yticks(np.arange(len(values)) + 0.5, labels, **font)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _write_beside(axes, texts, fontsize):
    _, right = axes.get_xlim()
    for y, text in enumerate(texts):
        axes.text(right + 0.4, y + 0.5, text, va="center", fontsize=fontsize, color=INK)


def _log_axis(axes, which="x"):
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log"})
    low, high = axis.get_view_interval()
    ticks = [tick for tick in TIMES_TICKS if low <= tick <= high]
    axis.set_major_locator(FixedLocator(ticks or [1]))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_locator(NullLocator())


def _with_universes(claims):
    """The primary criteria of the claims that were followed through universes."""
    followed = {}
    for name, claim in claims.items():
        primary, *_ = claim["criteria"]
        if primary["universes"]:
            followed[name] = primary
    return followed


def _choices(criteria):
    """The choices with their values as text, the default first."""
    choices = {}
    first, *_ = criteria.values()
    for name, choice in first["universes"]["choices"].items():
        choices[name] = [results.choice_text(level["value"]) for level in choice["levels"]]
    return choices


def _values_of(choice, universes, order):
    return np.array([results.choice_text(universes[number][choice]) for number in order])


def _passes(criterion):
    return results.passes(criterion, criterion["universes"]["effects"])
