"""Scores of anomaly detection, and what they decide."""

from textwrap import fill

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from scipy import ndimage

from convae.plots.style import FAINT, INK, TEST, new_figure, open_axes, panel_title

OURS, BASELINE, OTHERS, PALE = "#1f6fd0", "#e76300", "#717581", "#eeeeee"
# Decorators for functions that draw.
small = matplotlib.rc_context(dict.fromkeys(
    ("axes.labelsize", "axes.titlesize", "legend.fontsize", "figure.labelsize"), 9))
with_grid = matplotlib.rc_context({"axes.grid": True, "grid.color": PALE, "legend.frameon": False})
# Marks differ as well as colours, for those who see none.
FAMILY_STYLES = {  # mark and line, colour
    "vae": ("o-", OURS),
    "vae_cross_entropy": ("s--", INK),
    "ae": ("^-.", "#832db6"),
    "dense_vae": ("D:", BASELINE),
    "pca": ("x--", OTHERS),
}
KIND_STYLES = {  # of methods: mark, colour, the mark's face, and the name of the kind
    "ours": ("o", OURS, OURS, "the paper's VAE, measured here"),
    "baseline": ("s", BASELINE, BASELINE, "no network, measured here"),
    "published": ("D", OTHERS, "white", "published"),
}
SCORE_STYLES = {  # mark and line, colour
    "no model": (":", INK),
    "plain error": ("s--", BASELINE),
    "largest difference": ("x-.", FAINT),
    "detector": ("o-", OURS),
}
CLASS_STYLES = (  # of up to five scores in turn: mark, colour, the mark's face
    ("x", FAINT, FAINT),
    ("s", BASELINE, BASELINE),
    ("D", INK, "white"),
    ("o", OURS, "white"),
    ("o", OURS, OURS),
)


@small
def inspections(shown) -> Figure:
    """Images with what differs in them and what they are repaired to, a column each.

    Parameters
    ----------
    shown : list of tuple
        For each image its row (``file``, ``p_value``, ``anomalous``), and its pictures by name, as
        :func:`convae.anomaly.report.pictures` makes them.
    """
    figure = new_figure(1.3 * len(shown), 4.4)
    grid = figure.subplots(3, len(shown), squeeze=False)
    for column, (row, pictures) in zip(grid.T, shown, strict=True):
        for axes, (name, picture) in zip(column, pictures.items(), strict=True):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            if axes in grid[:, 0]:
                axes.set_ylabel(fill(name, 15))
        file = row["file"].replace("/", "\n")
        called, weight = ("anomalous", "bold") if row["anomalous"] else ("not called", "normal")
        title = f"{file}\np = {row['p_value']:.2g}\n{called}"
        column[0].set_title(title, fontsize=8, color=INK, fontweight=weight)
    return figure


@with_grid
@open_axes
def ranking(rows: list[tuple[str, str, float, float, float]], bold=()) -> Figure:
    """Methods by their mean area under the ROC curve; the axis shows what is missing to 100 %, in
    logarithms.

    Parameters
    ----------
    rows : list of tuple
        Name, kind (``ours``, ``baseline``, ``published``), mean, and the interval's ends, all in
        per cent.
    bold : collection of str
        Names to be seen first.
    """
    rows = sorted(rows, key=lambda row: row[2])
    names, kinds, *areas = zip(*rows, strict=True)
    missing = 100 - np.array(areas)  # of mean, low and high
    figure = new_figure(8, 0.8 + 0.24 * len(rows))
    axes = figure.subplots()
    places = np.arange(len(rows))
    for kind, (mark, colour, face, title) in KIND_STYLES.items():
        mean, most, least = missing[:, np.equal(kinds, kind)]
        axes.errorbar(mean, places[np.equal(kinds, kind)], xerr=[mean - least, most - mean],
                      fmt=mark, color=colour, markerfacecolor=face, markersize=6, linewidth=1.5,
                      label=title)
    axes.set_yticks(places, names, fontsize=9)
    for label, name, kind in zip(axes.get_yticklabels(), names, kinds, strict=True):
        _, colour, *_ = KIND_STYLES[kind]
        label.set(color=colour, fontweight="bold" if name in bold else "normal")
    _scale_by_what_is_missing(axes, missing[0].min(), missing[0].max())
    axes.set_xlabel("mean area under the ROC curve (%)\nlogarithmic in what is missing to 100 %")
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower right")
    return figure


def _scale_by_what_is_missing(axes, least, most):
    """A logarithmic axis of what is missing to 100 %, which tells the percentages themselves."""
    ticks = np.array([20, 10, 7, 5, 4, 3, 2.5, 2, 1.5, 1])
    _logarithmic(axes.xaxis, ticks[(0.8 * least < ticks) & (ticks < 1.2 * most)])
    axes.xaxis.set_major_formatter(lambda missing, _: f"{100 - missing:g}")
    axes.set_xlim(1.15 * most, 0.87 * least)


def _logarithmic(axis, ticks):
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


@matplotlib.rc_context({"axes.grid.axis": "y"})
@with_grid
@open_axes
def by_class(scores: dict[str, list], labels, title: str) -> Figure:
    """The scores side by side for each class.

    Parameters
    ----------
    scores : dict
        From a name to the mean area under the ROC curve for each class, in per cent; up to five.
    labels : sequence of str
        The classes' names.
    title : str
        Of the axis of classes.
    """
    figure = new_figure(8, 3.2)
    axes = figure.subplots()
    classes = np.arange(len(labels))
    shifts = 0.13 * (np.arange(len(scores)) - (len(scores) - 1) / 2)
    for shift, style, (name, values) in zip(shifts, CLASS_STYLES, scores.items(), strict=False):
        mark, colour, face = style
        axes.plot(classes + shift, values, mark, color=colour, markerfacecolor=face, label=name)
    axes.set_xticks(classes, labels)
    axes.set(xlabel=title, ylabel="area under the ROC curve (%)")
    for edge in classes[:-1] + 0.5:
        axes.axvline(edge, color=PALE, linewidth=1)
    figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    return figure


@with_grid
@open_axes
@small
def severities(measures: dict[str, dict[str, dict[str, list]]], levels) -> Figure:
    """Small multiples: a row for each measure, a column for each kind of defect, a line for each
    score.

    Parameters
    ----------
    measures : dict
        From a measure's name to kinds, from these to scores, from these to one value a level. The
        scores: ``no model``, ``plain error``, ``largest difference``, ``detector``, or some of
        them.
    """
    kinds = list(next(iter(measures.values())))
    figure = new_figure(10, 0.5 + 1.55 * len(measures))
    grid = figure.subplots(len(measures), len(kinds), sharex=True, sharey="row", squeeze=False)
    lines = {}  # by score, one of each
    for row, (measure, by_kind) in zip(grid, measures.items(), strict=True):
        row[0].set_ylabel(measure)
        for axes, kind in zip(row, kinds, strict=True):
            axes.tick_params(labelsize=8)
            for score, values in by_kind[kind].items():
                line, colour = SCORE_STYLES[score]
                (lines[score],) = axes.plot(levels, values, line, markersize=3.5, color=colour,
                                            label=score)
    for axes, kind in zip(grid[0], kinds, strict=True):
        axes.set_title(kind.replace("_", " "), color=INK)
    grid[-1, 0].set_xticks(levels)  # which all share
    figure.supxlabel("severity")
    figure.legend(lines.values(), lines.keys(), loc="outside upper center", ncols=len(lines))
    return figure


@with_grid
@open_axes
@small
def trade_off(panels: dict[str, dict[str, dict[int, float]]], levels: dict[str, dict[str, float]],
              titles: dict[str, str], units: dict[str, str]) -> Figure:
    """What an output's error depends on: a panel for each quantity, a line for each family over the
    latent dimension.

    Parameters
    ----------
    panels : dict
        From a quantity to families, from these to the value by dimension.
    levels : dict
        From each quantity that is a ratio, and shares its axis with the others that are, to what
        does not depend on a dimension: name and value, drawn across.
    titles : dict
        The families' names.
    units : dict
        From a quantity to what its axis says.
    """
    figure = new_figure(12, 3.5)
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    ratios = []
    for axes, (quantity, families) in zip(row, panels.items(), strict=True):
        panel_title(axes, "", quantity)
        axes.set_ylabel(units.get(quantity, ""))
        for family, values in families.items():
            line, colour = FAMILY_STYLES[family]
            axes.plot(values.keys(), values.values(), line, markersize=4.5, color=colour,
                      label=titles[family])
        axes.set_xlabel("latent variables", fontsize=10)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        if quantity in levels:
            _draw_levels(axes, levels[quantity])
            ratios.append(axes)
    for axes in ratios:
        if axes is not ratios[0]:
            axes.sharey(ratios[0])
        _logarithmic(axes.yaxis, (0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10))
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _draw_levels(axes, levels):
    """Dotted lines across, the lowest with its name below and the others above."""
    for name, value in levels.items():
        above = 3 if value > min(levels.values()) else -3
        axes.axhline(value, color=INK, linewidth=1, linestyle=(0, (1, 2)))
        axes.annotate(name, (1, value), (3, above), xycoords=("axes fraction", "data"),
                      textcoords="offset points", va="center", fontsize=8, color=INK)


@open_axes
def alarm_rates(rates: dict[float, dict[str, list]], expected: dict[float, tuple],
                titles: dict[str, str]) -> Figure:
    """Shares of alarms by the rate asked for; a dot a digit, a bar for the mean, shaded where a
    right threshold puts them.

    Parameters
    ----------
    rates : dict
        From the rate asked for to groups of images, from these to each digit's share.
    expected : dict
        From the rate asked for to the ends of what is shaded.
    titles : dict
        The groups' names.
    """
    figure = new_figure(8, 3.4)
    row = figure.subplots(1, len(rates), squeeze=False)[0]
    for axes, (rate, groups) in zip(row, rates.items(), strict=True):
        axes.axvspan(*expected[rate], color=PALE, linewidth=0)
        for y, (values, colour) in enumerate(zip(groups.values(), (OTHERS, TEST), strict=True)):
            scattered = y + 0.08 * (np.arange(len(values)) % 3 - 1)
            axes.plot(values, scattered, "o", color=colour, markersize=5, alpha=0.8)
            axes.plot([np.mean(values)] * 2, [y - 0.3, y + 0.3], color=INK, linewidth=2)
        axes.axvline(rate, color=INK, linestyle="--", linewidth=1)
        largest = max(expected[rate][1], *map(max, groups.values()))
        axes.set(xlim=(0, 1.08 * largest), ylim=(len(groups) - 0.5, -0.5))
        names = [titles[group] for group in groups] if axes is row[0] else []
        axes.set_yticks(range(len(groups)), names)
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        panel_title(axes, "", f"asked for: {rate:.0%}")
    return figure


@small
def outlined(rows: dict[str, dict[str, tuple]], crop: int) -> Figure:
    """Parts of images with places outlined in orange, such as those of defects; a row and a column
    for each name.

    Parameters
    ----------
    rows : dict
        From a row's name to columns' names, from these to an image ``(H, W)`` in [0, 1] and where
        it is outlined, ``(H, W)`` of bool.
    crop : int
        Side of the parts, in pixels; they have the outlined place in their middle, as far as the
        image reaches.
    """
    columns = next(iter(rows.values()))
    figure = new_figure(1.35 * len(columns), 1.35 * len(rows) + 0.3)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for row, (name, cells) in zip(grid, rows.items(), strict=True):
        row[0].set_ylabel(name)
        for axes, (image, mask) in zip(row, cells.values(), strict=True):
            axes.imshow(image, cmap="gray", vmin=0, vmax=1)
            middle = np.array(image.shape) / 2
            if mask.any():
                around = ndimage.binary_dilation(mask, iterations=4)
                axes.contour(around, [0.5], colors=[BASELINE], linewidths=1)
                middle = np.argwhere(mask).mean(0)
            corner = middle.round() - crop // 2
            top, left = corner.clip(0, np.array(image.shape) - crop) - 0.5
            axes.set(xticks=[], yticks=[], xlim=(left, left + crop), ylim=(top + crop, top))
    for axes, column in zip(grid[0], columns, strict=True):
        axes.set_title(column, color=INK)
    return figure
