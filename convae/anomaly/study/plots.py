"""Scores of anomaly detection, and what they decide."""

from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from scipy import ndimage

from convae.plots.style import FAINT, INK, UNSEEN, new_figure, panel_title

OURS, BASELINE, OTHERS = "#1f6fd0", "#e76300", "#717581"  # and filled, square, hollow, for those who see no colours
KIND_COLOURS = {"scratch": "#3f90da", "gap": "#832db6", "blot": "#e76300", "protrusion": "#a96b59", "thickening": "#ffa90e",
                "salt": "#94a4a2", "shifted_stroke": "#bd1f01"}
FAMILY_STYLES = {"vae": ("#1f6fd0", "-", "o"), "vae_cross_entropy": (INK, "--", "s"), "ae": ("#832db6", "-.", "^"),
                 "dense_vae": ("#e76300", ":", "D"), "pca": ("#717581", "--", "x")}


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
            axes.set_xticks([])
            axes.set_yticks([])
        called = "anomalous" if row["anomalous"] else "not called"
        column[0].set_title(f"{row['file'].replace('/', chr(10))}\np = {row['p_value']:.2g}\n{called}", fontsize=8, color=INK,
                            fontweight="bold" if row["anomalous"] else "normal")
    for axes, name in zip(grid[:, 0], shown[0][1], strict=True):
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
    styles = {"ours": (OURS, "o", OURS), "baseline": (BASELINE, "s", BASELINE), "published": (OTHERS, "D", "white")}
    titles = {"ours": "the paper's VAE, measured here", "baseline": "no network, measured here", "published": "published"}
    for kind, (colour, marker, face) in styles.items():
        chosen = [(y, row) for y, row in enumerate(rows) if row[1] == kind]
        axes.errorbar([100 - row[2] for _, row in chosen], [y for y, _ in chosen],
                      xerr=np.array([(row[4] - row[2], row[2] - row[3]) for _, row in chosen]).T, fmt=marker, color=colour,
                      markerfacecolor=face, markersize=6, linewidth=1.5, label=titles[kind])
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=9)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set(color=styles[row[1]][0], fontweight="bold" if row[0] in bold else "normal")
    axes.set_xscale("log")
    missing = [100 - row[2] for row in rows]
    ticks = [t for t in (20, 10, 7, 5, 4, 3, 2.5, 2, 1.5, 1) if 0.8 * min(missing) < t < 1.2 * max(missing)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{100 - t:g}"))
    axes.set_xlim(1.15 * max(missing), 0.87 * min(missing))
    axes.set_xlabel("mean area under the ROC curve (%)\nlogarithmic in what is missing to 100 %")
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(frameon=False, loc="lower right")
    return figure


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
    styles = [(FAINT, "x", FAINT), (BASELINE, "s", BASELINE), (INK, "D", "white"), (OURS, "o", "white"), (OURS, "o", OURS)]
    for i, ((name, values), (colour, marker, face)) in enumerate(zip(scores.items(), styles, strict=False)):
        axes.plot(np.arange(len(labels)) + 0.13 * (i - (len(scores) - 1) / 2), values, marker, color=colour, markerfacecolor=face,
                  label=name)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlabel(title)
    axes.set_ylabel("area under the ROC curve (%)")
    for edge in range(len(labels) - 1):
        axes.axvline(edge + 0.5, color="#eeeeee", linewidth=1)
    axes.grid(axis="y", color="#eeeeee")
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
    styles = {"no model": (INK, ":", ""), "plain error": (BASELINE, "--", "s"), "largest difference": (FAINT, "-.", "x"),
              "detector": (OURS, "-", "o")}
    for row, (measure, of_kind) in zip(grid, measures.items(), strict=True):
        for axes, kind in zip(row, kinds, strict=True):
            for score, values in of_kind[kind].items():
                colour, line, marker = styles[score]
                axes.plot(levels, values, line, marker=marker, markersize=3.5, color=colour, label=score)
            axes.grid(color="#eeeeee")
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8)
        row[0].set_ylabel(measure, fontsize=9)
    for axes, kind in zip(grid[0], kinds, strict=True):
        axes.set_title(kind.replace("_", " "), fontsize=9, color=INK)
    for axes in grid[-1]:
        axes.set_xticks(levels)
    figure.supxlabel("severity", fontsize=9)
    handles = {label: line for axes in grid[:, 0] for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
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
    grid = dict(zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True))
    ratios = [grid[quantity] for quantity in levels]
    for axes in ratios[1:]:
        axes.sharey(ratios[0])
    for (quantity, families), axes in zip(panels.items(), grid.values(), strict=True):
        axes.set_ylabel(units.get(quantity, ""), fontsize=9)
        for family, values in families.items():
            colour, line, marker = FAMILY_STYLES[family]
            axes.plot(list(values), list(values.values()), line, marker=marker, markersize=4.5, color=colour,
                      label=titles[family])
        for i, (name, value) in enumerate(sorted(levels.get(quantity, {}).items(), key=lambda level: level[1])):
            axes.axhline(value, color=INK, linewidth=1, linestyle=(0, (1, 2)))
            axes.annotate(name, (1, value), (3, 3 * (1 if i else -1)), xycoords=("axes fraction", "data"),
                          textcoords="offset points", va="center", fontsize=8, color=INK)
        axes.set_xscale("log", base=2)
        if axes in ratios:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(FixedLocator((0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10)))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda d, _: f"{d:g}"))
        axes.set_xlabel("latent variables")
        axes.grid(color="#eeeeee")
        axes.spines[["top", "right"]].set_visible(False)
        panel_title(axes, "", quantity)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def alarm_rates(rates: dict[float, dict[str, list]], expected: dict[float, tuple], titles: dict[str, str]) -> Figure:
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
    for axes, (rate, groups) in zip(figure.subplots(1, len(rates), squeeze=False)[0], rates.items(), strict=True):
        axes.axvspan(*expected[rate], color="#eeeeee", linewidth=0)
        for y, (values, colour) in enumerate(zip(groups.values(), (OTHERS, UNSEEN), strict=True)):
            axes.plot(values, y + 0.08 * (np.arange(len(values)) % 3 - 1), "o", color=colour, markersize=5, alpha=0.8)
            axes.plot([np.mean(values)] * 2, [y - 0.3, y + 0.3], color=INK, linewidth=2)
        axes.axvline(rate, color=INK, linestyle="--", linewidth=1)
        axes.set_yticks(range(len(groups)), [titles[g] for g in groups] if axes.get_subplotspec().is_first_col() else [])
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.set_xlim(0, 1.08 * max(expected[rate][1], *map(max, groups.values())))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g} %"))
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
        for axes, (image, place) in zip(row, cells.values(), strict=True):
            axes.imshow(image, cmap="gray", vmin=0, vmax=1)
            middle = np.array(image.shape) / 2
            if place.any():
                axes.contour(ndimage.binary_dilation(place, iterations=4), [0.5], colors=[BASELINE], linewidths=1)
                middle = np.argwhere(place).mean(0)
            top, left = (middle.round() - crop // 2).clip(0, np.array(image.shape) - crop)
            axes.set_xlim(left - 0.5, left + crop - 0.5)
            axes.set_ylim(top + crop - 0.5, top - 0.5)
            axes.set_xticks([])
            axes.set_yticks([])
        row[0].set_ylabel(name, fontsize=9)
    for axes, column in zip(grid[0], columns, strict=True):
        axes.set_title(column, fontsize=9, color=INK)
    return figure
