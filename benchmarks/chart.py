"""Test loss against time, for every peer."""

import numpy as np

from benchmarks.report import NAMES
from convae.plots.style import INK, new_figure
from convae.reproduce.output import to_png

STYLES = {
    "plain": ("#94a4a2", "o"),
    "in_memory": ("#832db6", "s"),
    "pythae": ("#3f90da", "^"),
    "lightning": ("#a96b59", "D"),
}


def draw(results: dict) -> bytes:
    """One panel a setting: the constant-rate peers' curves, and where convae is when it has
    finished."""
    figure = new_figure(13, 4.2)
    panels = figure.subplots(1, len(results["settings"]))
    for axes, (setting, measured) in zip(panels, results["settings"].items(), strict=True):
        curve = np.array(measured["curve"])
        for peer, (colour, marker) in STYLES.items():
            if peer not in measured["peers"]:
                continue
            first, others = (
                measured["peers"][peer][name]["median"]
                for name in ("first_epoch_seconds", "epoch_seconds")
            )
            seconds = first + others * np.arange(len(curve))
            axes.plot(
                seconds,
                curve,
                color=colour,
                marker=marker,
                markersize=3.5,
                linewidth=1.2,
                label=NAMES[peer],
            )
        axes.plot(
            measured["peers"]["convae"]["seconds_to_quality"]["median"],
            measured["convae_loss"]["median"],
            "*",
            color="#e76300",
            markersize=18,
            markeredgecolor="white",
            label="convae, finished",
            zorder=3,
        )
        target = measured["target_loss"]["median"]
        axes.axhline(target, color=INK, linewidth=0.8, linestyle=":")
        axes.annotate(
            "plain loop at its best",
            (0, target),
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
        axes.set_xscale("log")
        axes.set_title(setting, loc="left", fontsize=11, color=INK)
        axes.set_xlabel(f"seconds of training, {results['machine']['cores']} cores")
        low = min(target, measured["convae_loss"]["median"])
        axes.set_ylim(low - 0.06 * (curve[1] - low), curve[1])
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("test loss (of all but convae: the plain loop's)")
    panels[0].legend(frameon=False, fontsize=8)
    return to_png(figure)
