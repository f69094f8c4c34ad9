"""The claims' criteria over seeds, and over the choices that the paper leaves open."""

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, ScalarFormatter

from convae.claims import results
from convae.plots.style import FAINT, INK, new_figure, panel_title

HOLDS, FAILS = "#1f6fd0", "#e76300"  # and filled against hollow, for those who see no colours
TIMES_TICKS = (0.25, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20)


def forest(claims: dict) -> Figure:
    """Every criterion of every claim: its effect, the interval over the seeds, and the threshold
    that it must pass.

    Parameters
    ----------
    claims : dict
        Of ``figures/claims.json``, by name.
    """
    rows = [(name, criterion) for name, claim in claims.items() for criterion in claim["criteria"]]
    panels = ([row for row in rows if row[1]["unit"] == "times"], [row for row in rows if row[1]["unit"] != "times"])
    figure = new_figure(10, 1.8 + 0.2 * len(rows))
    halves = figure.subplots(2, 1, height_ratios=[len(panel) + 2 for panel in panels])
    for axes, panel, log in zip(halves, panels, (True, False), strict=True):
        for y, (name, criterion) in enumerate(panel):
            _estimate(axes, y, criterion)
            if y and panel[y - 1][0] != name:
                axes.axhline(y - 0.5, color="#e4e4e4", linewidth=0.8, zorder=0)
        labels = [f"{criterion['measured']}  " + (rf"$\bf{{{name}}}$" if not y or panel[y - 1][0] != name else "      ")
                  for y, (name, criterion) in enumerate(panel)]
        axes.set_yticks(range(len(panel)), labels, fontsize=8)
        axes.set_ylim(len(panel) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        if log:
            axes.grid(axis="x", color="#eeeeee")
            _log_axis(axes)
        axes.set_axisbelow(True)
        panel_title(axes, "", "ratios" if log else "shares, areas, correlations, and differences of these")
        axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(handles=_legend(), loc="outside upper center", ncols=3, frameon=False, fontsize=10)
    return figure


def criteria_of(claim: dict) -> Figure:
    """One claim: a strip for each criterion, with every seed, the interval and the threshold.

    Parameters
    ----------
    claim : dict
        One of ``figures/claims.json``.
    """
    criteria = claim["criteria"]
    figure = new_figure(8, 0.3 + 0.72 * len(criteria))
    for axes, criterion in zip(np.atleast_1d(figure.subplots(len(criteria), 1)), criteria, strict=True):
        axes.axvline(criterion["threshold"], color=INK, linestyle="--", linewidth=1)
        wobble = 0.25 * np.sin(np.arange(len(criterion["by_seed"])) * 2.4)
        axes.scatter(criterion["by_seed"], wobble, s=14, color=FAINT, linewidth=0)
        _estimate(axes, 0, criterion, threshold=False)
        if criterion["unit"] == "times":
            _log_axis(axes)
        axes.set(yticks=[], ylim=(-0.5, 0.5))
        axes.tick_params(labelsize=8)
        axes.set_title(f"{criterion['measured']}  ({'<' if criterion['below'] else '>'} {criterion['threshold']:g})", loc="left",
                       fontsize=9, color=INK)
        axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def all_universes(claims: dict, universes: list[dict]) -> Figure:
    """In which universes each claim's primary criterion passes its threshold, above the choices
    that make each universe.

    Parameters
    ----------
    claims : dict
        Of ``figures/claims.json``; those without universes are left out.
    universes : list of dict
        The choices of each universe, by name.
    """
    claims = _with_universes(claims)
    passes = np.array([_passes(criterion) for criterion in claims.values()])
    order = np.lexsort([*passes[::-1], -passes.sum(0)])
    choices = _choices(claims)
    figure = new_figure(12, 0.27 * (len(claims) + len(choices)) + 1.6)
    above, below = figure.subplots(2, 1, height_ratios=(len(claims), len(choices)), sharex=True)
    above.pcolormesh(passes[:, order], cmap=ListedColormap([FAILS, HOLDS]), vmin=0, vmax=1, edgecolors="white", linewidth=1)
    above.set_yticks(np.arange(len(claims)) + 0.5, claims, fontweight="bold")
    for y, row in enumerate(passes):
        above.text(len(universes) + 0.4, y + 0.5, f"{row.mean():.0%}", va="center", fontsize=9, color=INK)
    levels = np.array([[choices[name].index(results.choice_text(universes[u][name])) for u in order] for name in choices])
    greys = ListedColormap(["#f1f1f1", "#a9a9a9", "#4f4f4f"])
    below.pcolormesh(levels, cmap=greys, vmin=0, vmax=2, edgecolors="white", linewidth=1)
    below.set_yticks(np.arange(len(choices)) + 0.5, [name.replace("_", " ") for name in choices])
    for y, values in enumerate(choices.values()):
        below.text(len(universes) + 0.4, y + 0.5, " · ".join(values), va="center", fontsize=8, color=INK)
    for axes in (above, below):
        axes.invert_yaxis()
        axes.tick_params(length=0, labelsize=9)
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
    panel_title(above, "", f"{len(universes)} universes, one a column: does the claim's primary criterion pass?")
    panel_title(below, "", "the choices of each universe (light to dark, as listed on the right)")
    above.legend(handles=[Patch(color=HOLDS, label="passes"), Patch(color=FAILS, label="does not")], ncols=2, frameon=False,
                 loc="lower right", bbox_to_anchor=(1, 1), fontsize=9)
    return figure


def specification_curve(name: str, claim: dict, universes: list[dict]) -> Figure:
    """One claim's primary effect in every universe, in ascending order, above the choices that make
    each universe.

    Circles are the universes' means, dots their seeds.
    """
    criterion = claim["criteria"][0]
    effects, passes = np.array(criterion["universes"]["effects"]), _passes(criterion)
    order = effects.argsort()
    rows = [(choice, value) for choice, values in _choices({name: criterion}).items() for value in values]
    figure = new_figure(12, 2.6 + 0.21 * len(rows))
    above, below = figure.subplots(2, 1, height_ratios=(2.6, 0.21 * len(rows)), sharex=True)
    by_seed = np.array(criterion["universes"]["by_seed"])[order]
    above.vlines(np.arange(len(order)), by_seed.min(1), by_seed.max(1), color=FAINT, linewidth=1, zorder=1)
    above.scatter(np.repeat(np.arange(len(order)), by_seed.shape[1]), by_seed, s=7, color=FAINT, linewidth=0, zorder=2)
    for kind, colour in ((True, HOLDS), (False, FAILS)):
        at = np.flatnonzero(passes[order] == kind)
        above.scatter(at, effects[order][at], s=30, facecolor=colour if kind else "white", edgecolor=colour, zorder=3)
    above.axhline(criterion["threshold"], color=INK, linestyle="--", linewidth=1)
    above.axhspan(criterion["low"], criterion["high"], color=FAINT, alpha=0.35, linewidth=0)
    if criterion["unit"] == "times":
        _log_axis(above, "y")
    elif criterion["unit"] == "share":
        above.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    for y, (choice, value) in enumerate(rows):
        at = [i for i, u in enumerate(order) if results.choice_text(universes[u][choice]) == value]
        below.scatter(at, [y] * len(at), s=16, marker="s", color=[HOLDS if passes[order[i]] else FAILS for i in at])
        if y and rows[y - 1][0] != choice:
            below.axhline(y - 0.5, color="#dddddd", linewidth=0.8)
    below.set_yticks(range(len(rows)), [f"{c.replace('_', ' ')}: {v}" for c, v in rows], fontsize=8)
    below.set(ylim=(len(rows) - 0.4, -0.6), xlim=(-0.7, len(universes) - 0.3), xticks=[], xlabel="universes, by effect")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    panel_title(above, "", f"{name}: {criterion['measured']}\ncircles: universes, dots: their seeds, dashed: the threshold, "
                           "grey: the interval of the default choices")
    return figure


def explained(claims: dict) -> Figure:
    """How much of the variance between universes each choice explains, for each claim's primary
    effect; bold: surely some.

    The last column stands apart: what chance leads to expect, which is in all other columns, too.
    """
    claims = {name: criterion["universes"] for name, criterion in _with_universes(claims).items()}
    choices = list(next(iter(claims.values()))["choices"])
    shares = np.array([[*(of["choices"][choice]["explains"] for choice in choices), of["seeds_explain"]]
                       for of in claims.values()], float)
    surely = np.array([[*(of["choices"][choice]["p"] < 0.05 for choice in choices), False] for of in claims.values()])
    figure = new_figure(10, 0.3 * len(claims) + 1)
    axes = figure.subplots()
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
    axes.axvline(len(choices), color="white", linewidth=8)
    for y, x in np.argwhere(shares >= 0.05):
        axes.text(x + 0.5, y + 0.5, f"{shares[y, x]:.0%}", ha="center", va="center", fontsize=9,
                  fontweight="bold" if surely[y, x] else "normal",
                  color="white" if shares[y, x] > 0.6 else INK if surely[y, x] or x == len(choices) else FAINT)
    axes.set_yticks(np.arange(len(claims)) + 0.5, claims, fontweight="bold")
    axes.set_xticks(np.arange(len(choices) + 1) + 0.5, [*(c.replace("_", " ") for c in choices), "chance alone"], fontsize=9)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    panel_title(axes, "", "share of the variance between universes that each choice explains (5 % and more; bold: p < 5 %)")
    return figure


def shift_curves(curves: dict, shifts) -> Figure:
    """What shifts do to convolutional and to fully connected models: error, misrecognition,
    displacement.

    Parameters
    ----------
    curves : dict
        By title of a model, ``(seeds, shifts, 3)``.
    shifts : tuple of int
        Pixels.
    """
    figure = new_figure(13, 3.8)
    titles = "error / energy of the image", "misrecognised", "displacement of z / radius of the cloud"
    for axes, title, k in zip(figure.subplots(1, 3), titles, range(3), strict=True):
        for (name, values), colour, marker in zip(curves.items(), (HOLDS, FAILS, "#832db6"), "osD", strict=True):
            values = np.asarray(values)[:, :, k]
            axes.plot(shifts, values.mean(0), color=colour, marker=marker, markersize=5, label=name)
            axes.fill_between(shifts, values.min(0), values.max(0), color=colour, alpha=0.2, linewidth=0)
        axes.set(xlabel="shift in pixels", xticks=shifts, ylim=(0, None))
        if k == 1:
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel_title(axes, "", title)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(curves), frameon=False)
    return figure


def _estimate(axes, y, criterion, threshold=True):
    colour = HOLDS if criterion["holds"] else FAILS
    axes.plot([criterion["low"], criterion["high"]], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=2)
    filled = colour if criterion["holds"] else "white"
    axes.scatter([criterion["effect"]], [y], s=34, facecolor=filled, edgecolor=colour, zorder=3)
    if threshold:
        axes.scatter([criterion["threshold"]], [y], marker="<" if criterion["below"] else ">", s=28, color=INK, zorder=1)


def _legend():
    return [Line2D([], [], color=HOLDS, marker="o", linewidth=2.2, label="holds (mean and 95 % interval over the seeds)"),
            Line2D([], [], color=FAILS, marker="o", markerfacecolor="white", linewidth=2.2, label="does not hold"),
            Line2D([], [], color=INK, marker=">", linewidth=0, label="threshold; the claim lies where it points")]


def _log_axis(axes, which="x"):
    axis = axes.xaxis if which == "x" else axes.yaxis
    getattr(axes, f"set_{which}scale")("log")
    low, high = axis.get_view_interval()
    axis.set_major_locator(FixedLocator([t for t in TIMES_TICKS if low <= t <= high] or [1]))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_locator(NullLocator())


def _with_universes(claims):
    """The claims' primary criteria, of those that were followed through universes."""
    return {name: claim["criteria"][0] for name, claim in claims.items() if claim["criteria"][0]["universes"]}


def _choices(criteria):
    """The choices with their values as text, the default first."""
    choices = next(iter(criteria.values()))["universes"]["choices"]
    return {name: [results.choice_text(level["value"]) for level in of["levels"]] for name, of in choices.items()}


def _passes(criterion):
    return results.passes(criterion, criterion["universes"]["effects"])
