"""Scores of anomaly detection, and what they decide."""

import numpy as np
from matplotlib.figure import Figure

from convae.plots.style import INK, TRAINING, UNSEEN, new_figure


def score_histogram(normal, scores, threshold: float) -> Figure:
    """Shares of held-out normal images and of new images by score, and the threshold.

    Parameters
    ----------
    normal, scores : array
        Of the held-out normal images and of the new ones, ``(n,)`` and ``(N,)``.
    threshold : float
    """
    normal, scores = np.asarray(normal, float), np.asarray(scores, float)
    edges = np.histogram_bin_edges(np.concatenate([normal, scores, [threshold]]), 60)
    figure = new_figure(8, 2.8)
    axes = figure.subplots()
    axes.hist(normal, edges, weights=np.full(len(normal), 1 / len(normal)), color=TRAINING, alpha=0.6,
              label=f"normal images held out ({len(normal):,})")
    axes.hist(scores, edges, weights=np.full(len(scores), 1 / len(scores)), histtype="step", color=UNSEEN, linewidth=1.8,
              label=f"these images ({len(scores):,})")
    axes.axvline(threshold, color=INK, linestyle="--", linewidth=1)
    axes.annotate("anomalous →", (threshold, 1), (4, -4), xycoords=("data", "axes fraction"), textcoords="offset points",
                  va="top", color=INK)
    axes.set_xlabel("score: distance from the nearest normal images")
    axes.set_ylabel("share of images")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
