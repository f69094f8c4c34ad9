"""What a detection found, as one HTML file to look through, with every picture in it."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from convae.anomaly.conformal import expected_rate, needed
from convae.anomaly.model import enough
from convae.anomaly.views import Inspection
from convae.plots.style import INK, TEST, TRAIN, new_figure
from convae.reproduce.readme import render

TEMPLATE = Path(__file__).with_name("report.html.j2")
BRIGHT, DARK = (231, 99, 0), (31, 111, 208)  # colour-blind readers tell orange and blue apart
MIN_SIDE, MAX_SIDE = 168, 480                # pixels of a picture's longest side in the report


def page(summary: dict, advice: str, rows: list[dict], calibration: np.ndarray,
         shown: Iterable[tuple[dict, dict]]) -> str:
    """The report.

    Parameters
    ----------
    summary : dict
        As at the head of ``scores.json``.
    advice : str
        Whether the threshold can be trusted.
    rows : list of dict
        Every image's ``file``, ``score``, ``p_value`` and ``anomalous``, the most anomalous first.
    calibration : ndarray
        Scores of the normal images held out.
    shown : iterable
        Those of the rows that are shown, each with its :func:`pictures`.
    """
    histogram = score_histogram(calibration, [row["score"] for row in rows], summary["threshold"])
    return render(TEMPLATE, summary=summary, advice=advice, histogram=_svg(histogram), shown=shown,
                  how=how(summary["view"], summary["in_place"]), png=_png, scale=_scale)


def how(view: str, in_place: bool) -> str:
    """How each image is looked at, in words that follow “each image is”."""
    whole = "resized to 28 × 28 pixels"
    moved = "moved to where the normal ones agree, " if in_place else ""
    source = "its place" if in_place else "everywhere"
    tiles = (f"{moved}cut into overlapping tiles of 28 × 28 pixels, each compared with normal ones "
             f"from {source}")
    both = f"{tiles}; and, as it is, {whole} as a whole"
    return {"whole": whole, "tiles": tiles, "both": both}[view]


def advice(held_out: int, false_alarms: float) -> str:
    """Whether so many images held out are enough for a false-alarm rate, in a sentence."""
    wanted = needed(false_alarms)
    if held_out < wanted:
        return (f"{held_out} normal images were held out, and a false-alarm rate of "
                f"{false_alarms:.3g} needs {wanted}: fit to at least {enough(false_alarms)} images "
                f"for it. Until then, what scores above all {held_out} is called anomalous: of "
                f"normal images about {1 / (held_out + 1):.2g}.")
    low, high = expected_rate(held_out, false_alarms, 1_000)
    return (f"{held_out} normal images were held out: enough for a false-alarm rate of "
            f"{false_alarms:.3g} on average (it needs {wanted}). Of 1,000 new normal images this "
            f"model will call {1000 * low:.0f} to {1000 * high:.0f} anomalous, in 95 of 100 cases; "
            "the more are held out, the narrower.")


def advice_on(summary: dict) -> str:
    """Whether a detection can be trusted; `summary` is the head of its ``scores.json``."""
    sentences = [advice(summary["normal_images_held_out"], summary["false_alarms"])]
    if summary["resized"]:
        sentences.append(f"Images of another size than the normal ones: {summary['resized']}. They "
                         "were resized to that, which hides what is wrong with their size.")
    if summary["anomalous"] > summary["images"] / 2:
        sentences.append("More than half of the images are anomalous. Another camera, lamp or "
                         "size? Then fit to images taken like these.")
    return " ".join(sentences)


def pictures(inspection: Inspection) -> dict[str, np.ndarray]:
    """An image, where it differs, and what would be normal, by name.

    Each is ``uint8``, ``(H, W)`` or ``(H, W, 3)``, made smaller where a side is longer than
    :data:`MAX_SIDE`.
    """
    return {
        "image": _shrunk(255 * inspection.image),
        "where it differs": _shrunk(overlay(inspection)),
        "what would be normal": _shrunk(255 * inspection.normal),
    }


def overlay(inspection: Inspection) -> np.ndarray:
    """The image in pale grey, and over it what is too bright in orange and what is too dark in
    blue, ``(H, W, 3)`` in [0, 255].

    Differences up to half of the largest usual one are left out; at twice the largest the colour is
    full.
    """
    grey = 255 * (0.5 + 0.5 * inspection.image)[..., None].repeat(3, 2)
    difference = inspection.difference[..., None]
    strength = ((abs(difference) - 0.5) / 1.5).clip(0, 1)
    colour = np.where(difference > 0, BRIGHT, DARK)
    return grey * (1 - strength) + colour * strength


def score_histogram(normal, scores, threshold: float) -> Figure:
    """Shares of held-out normal images ``(n,)`` and of new images ``(N,)`` by score, and the
    threshold."""
    normal, scores = np.asarray(normal, float), np.asarray(scores, float)
    edges = np.histogram_bin_edges(np.concatenate([normal, scores, [threshold]]), 60)
    figure = new_figure(8, 2.8)
    axes = figure.subplots()
    axes.hist(normal, edges, weights=np.full(len(normal), 1 / len(normal)), color=TRAIN, alpha=0.6,
              label=f"normal images held out ({len(normal):,})")
    axes.hist(scores, edges, weights=np.full(len(scores), 1 / len(scores)), histtype="step",
              color=TEST, linewidth=1.8, label=f"these images ({len(scores):,})")
    axes.axvline(threshold, color=INK, linestyle="--", linewidth=1)
    axes.annotate("anomalous →", (threshold, 1), (4, -4), xycoords=("data", "axes fraction"),
                  textcoords="offset points", va="top", color=INK)
    axes.set_xlabel("score: how unlike normal images, as a whole or in one place")
    axes.set_ylabel("share of images")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _shrunk(pixels):
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    return np.asarray(picture)


def _scale(pixels) -> int:
    """How many times a small picture is enlarged."""
    return max(1, MIN_SIDE // max(pixels.shape[:2]))


def _png(pixels) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return base64.b64encode(stream.getvalue()).decode()


def _svg(figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    svg = stream.getvalue()
    return svg[svg.index("<svg"):]
