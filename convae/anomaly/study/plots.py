"""Scores of anomaly detection, and what they decide."""

from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from scipy import ndimage

from convae.plots.style import FAINT, INK, TEST, new_figure, panel_title

# Marks are filled, square or hollow as well, for those who see no colours.
OURS, BASELINE, OTHERS = "#1f6fd0", "#e76300", "#717581"
PALE = "#eeeeee"
FAMILY_STYLES = {  # colour, line, marker
    "vae": ("#1f6fd0", "-", "o"),
    "vae_cross_entropy": (INK, "--", "s"),
    "ae": ("#832db6", "-.", "^"),
    "dense_vae": ("#e76300", ":", "D"),
    "pca": ("#717581", "--", "x"),
}
KIND_STYLES = {  # of methods: colour, marker, its face, and the name of the kind
    "ours": (OURS, "o", OURS, "the paper's VAE, measured here"),
    "baseline": (BASELINE, "s", BASELINE, "no network, measured here"),
    "published": (OTHERS, "D", "white", "published"),
}
SCORE_STYLES = {  # colour, line, marker
    "no model": (INK, ":", ""),
    "plain error": (BASELINE, "--", "s"),
    "largest difference": (FAINT, "-.", "x"),
    "detector": (OURS, "-", "o"),
}
CLASS_STYLES = (  # of up to five scores in turn: colour, marker, its face
    (FAINT, "x", FAINT), (BASELINE, "s", BASELINE), (INK, "D", "white"), (OURS, "o", "white"),
    (OURS, "o", OURS),
)


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
        for axes, picture in zip(column, pictures.values(), strict=True):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
        file = row["file"].replace("/", "\n")
        called = "anomalous" if row["anomalous"] else "not called"
        weight = "bold" if row["anomalous"] else "normal"
        column[0].set_title(f"{file}\np = {row['p_value']:.2g}\n{called}", fontsize=8, color=INK,
                            fontweight=weight)
    _, pictures = shown[0]
    for axes, name in zip(grid[:, 0], pictures, strict=True):
        axes.set_ylabel(fill(name, 15), fontsize=9)
    return figure


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
    figure = new_figure(8, 0.8 + 0.24 * len(rows))
    axes = figure.subplots()
    for kind, (colour, marker, face, title) in KIND_STYLES.items():
        places = [y for y, row in enumerate(rows) if row[1] == kind]
        means, lows, highs = np.array([rows[y][2:] for y in places]).reshape(-1, 3).T
        axes.errorbar(100 - means, places, xerr=[highs - means, means - lows], fmt=marker,
                      color=colour, markerfacecolor=face, markersize=6, linewidth=1.5, label=title)
    names, kinds, means, *_ = zip(*rows, strict=True)
    axes.set_yticks(range(len(rows)), names, fontsize=9)
    for label, name, kind in zip(axes.get_yticklabels(), names, kinds, strict=True):
        label.set(color=KIND_STYLES[kind][0], fontweight="bold" if name in bold else "normal")
    _scale_by_what_is_missing(axes, 100 - max(means), 100 - min(means))
    axes.set_xlabel("mean area under the ROC curve (%)\nlogarithmic in what is missing to 100 %")
    axes.grid(color=PALE)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(frameon=False, loc="lower right")
    return figure


def _scale_by_what_is_missing(axes, least, most):
    """A logarithmic axis of what is missing to 100 %, which tells the percentages themselves."""
    ticks = [t for t in (20, 10, 7, 5, 4, 3, 2.5, 2, 1.5, 1) if 0.8 * least < t < 1.2 * most]
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda missing, _: f"{100 - missing:g}")
    axes.set_xlim(1.15 * most, 0.87 * least)


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
        colour, marker, face = style
        axes.plot(classes + shift, values, marker, color=colour, markerfacecolor=face, label=name)
    axes.set_xticks(classes, labels)
    axes.set_xlabel(title)
    axes.set_ylabel("area under the ROC curve (%)")
    for edge in classes[:-1] + 0.5:
        axes.axvline(edge, color=PALE, linewidth=1)
    axes.grid(axis="y", color=PALE)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", frameon=False, ncols=3, fontsize=9)
    return figure


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
    for row, (measure, of_kind) in zip(grid, measures.items(), strict=True):
        row[0].set_ylabel(measure, fontsize=9)
        for axes, kind in zip(row, kinds, strict=True):
            for score, values in of_kind[kind].items():
                colour, line, marker = SCORE_STYLES[score]
                axes.plot(levels, values, line, marker=marker, markersize=3.5, color=colour,
                          label=score)
            axes.grid(color=PALE)
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8)
    for axes, kind in zip(grid[0], kinds, strict=True):
        axes.set_title(kind.replace("_", " "), fontsize=9, color=INK)
    for axes in grid[-1]:
        axes.set_xticks(levels)
    figure.supxlabel("severity", fontsize=9)
    handles = {line.get_label(): line for axes in grid[:, 0] for line in axes.get_lines()}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles),
                  frameon=False, fontsize=9)
    return figure


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
        axes.set_ylabel(units.get(quantity, ""), fontsize=9)
        for family, values in families.items():
            colour, line, marker = FAMILY_STYLES[family]
            axes.plot(list(values), list(values.values()), line, marker=marker, markersize=4.5,
                      color=colour, label=titles[family])
        axes.set_xlabel("latent variables")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        if quantity in levels:
            _draw_levels(axes, levels[quantity])
            ratios.append(axes)
        axes.grid(color=PALE)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in ratios[1:]:
        axes.sharey(ratios[0])
    for axes in ratios:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(FixedLocator((0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=5,
                  frameon=False, fontsize=9)
    return figure


def _draw_levels(axes, levels):
    """Dotted lines across, the lowest with its name below and the others above."""
    for i, (name, value) in enumerate(sorted(levels.items(), key=lambda level: level[1])):
        axes.axhline(value, color=INK, linewidth=1, linestyle=(0, (1, 2)))
        axes.annotate(name, (1, value), (3, 3 if i else -3), xycoords=("axes fraction", "data"),
                      textcoords="offset points", va="center", fontsize=8, color=INK)


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
        axes.set_yticks(range(len(groups)), [titles[g] for g in groups] if axes is row[0] else [])
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        axes.spines[["top", "right"]].set_visible(False)
        panel_title(axes, "", f"asked for: {rate:.0%}")
    return figure


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
    columns = list(next(iter(rows.values())))
    figure = new_figure(1.35 * len(columns), 1.35 * len(rows) + 0.3)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for row, (name, cells) in zip(grid, rows.items(), strict=True):
        row[0].set_ylabel(name, fontsize=9)
        for axes, (image, mask) in zip(row, cells.values(), strict=True):
            axes.imshow(image, cmap="gray", vmin=0, vmax=1)
            middle = np.array(image.shape) / 2
            if mask.any():
                around = ndimage.binary_dilation(mask, iterations=4)
                axes.contour(around, [0.5], colors=[BASELINE], linewidths=1)
                middle = np.argwhere(mask).mean(0)
            corner = middle.round() - crop // 2
            top, left = corner.clip(0, np.array(image.shape) - crop)
            axes.set(xticks=[], yticks=[], xlim=(left - 0.5, left + crop - 0.5),
                     ylim=(top + crop - 0.5, top - 0.5))
    for axes, column in zip(grid[0], columns, strict=True):
        axes.set_title(column, fontsize=9, color=INK)
    return figure
