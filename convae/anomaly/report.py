"""What a detection found, as one HTML file to look through, with every picture in it."""

import base64
import html
import io
from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from convae.anomaly.views import Inspection
from convae.plots.style import INK, TRAINING, UNSEEN, new_figure

BRIGHT, DARK = (231, 99, 0), (31, 111, 208)  # orange and blue, which colour-blind readers tell apart
SMALLEST, LARGEST = 168, 480                 # pixels of a picture's longest side in the report
_IN_PLACE = "moved to where the normal ones agree, "
_IN_TILES = "cut into overlapping tiles of 28 × 28 pixels, each compared with normal ones from {}"
_WHOLE = "resized to 28 × 28 pixels"

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top; }
figure { display: inline-block; margin: 0 .8rem 0 0; vertical-align: top; } figcaption { font-size: .8rem; color: #555; }
main { display: flex; flex-wrap: wrap; column-gap: 3rem; }
article { border-top: 1px solid #ddd; padding: .8rem 0; } svg { max-width: 100%; height: auto; }
h3 { margin: 0 0 .4rem; font-size: 1rem; overflow-wrap: anywhere; width: 0; min-width: 100%; } /* as wide as its pictures */
img { max-width: 100%; } .small { image-rendering: pixelated; } .alarm { color: #b3261e; } code { overflow-wrap: anywhere; }
.bright { color: rgb(190, 80, 0); } .dark { color: rgb(31, 111, 208); }
"""


def page(summary: dict, advice: str, rows: list[dict], calibration: np.ndarray, shown: Iterable[tuple[dict, dict]]) -> str:
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
    articles = [_article(row, found) for row, found in shown]
    unreadable = "".join(f"<li><code>{html.escape(name)}</code> {html.escape(problem)}</li>"
                         for name, problem in summary["unreadable"].items())
    settings = {
        "folder": summary["folder"], "model": f"{summary['model']} (SHA-256 {summary['model_sha256'][:16]}…)",
        "each image was": how(summary["view"], summary["in_place"]), "normal images held out": summary["normal_images_held_out"],
        "false-alarm rate asked for": f"{summary['false_alarms']:g}", "threshold": f"{summary['threshold']:.4g}",
    }
    also = "" if summary["view"] == "whole" else " What raised the score is not always what is coloured."
    normal = ("the mean of the normal images, moved to where this one lies" if summary["in_place"] else
              "the image as the model, which has seen normal images alone, would have it")
    table = "".join(f"<tr><th>{name}</th><td>{html.escape(str(value))}</td></tr>" for name, value in settings.items())
    histogram = _svg(score_histogram(calibration, [row["score"] for row in rows], summary["threshold"]))
    return f"""<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{summary["anomalous"]} of {summary["images"]} images are anomalous</title><style>{_STYLE}</style>
<h1>{summary["anomalous"]} of {summary["images"]} images are anomalous</h1>
<p>{html.escape(advice)}</p>
{histogram}
<table>{table}</table>
{f"<h2>Files that could not be read: {len(summary['unreadable'])}</h2><ul>{unreadable}</ul>" if unreadable else ""}
<h2>The {len(articles)} most unusual images</h2>
<p>On the right is what would be normal: {normal}. In the middle, the image is
<b class="bright">orange where it is brighter than normal</b> and <b class="dark">blue where it is darker</b>; the deeper the
colour, the more. Faint differences, such as normal images have, are left out.{also} The p-value is the share of the normal images
held out, with the image itself, that score as high; here it is never less than
{1 / (1 + summary["normal_images_held_out"]):.2g}.</p>
<main>{"".join(articles)}</main>
</html>
"""


def how(view: str, in_place: bool) -> str:
    """How each image is looked at, in words that follow “each image is”."""
    in_tiles = (_IN_PLACE if in_place else "") + _IN_TILES.format("its place" if in_place else "everywhere")
    return {"whole": _WHOLE, "tiles": in_tiles, "both": f"{in_tiles}; and, as it is, {_WHOLE} as a whole"}[view]


def pictures(found: Inspection) -> dict[str, np.ndarray]:
    """What there is to see of an image, by name: itself, where it differs, and what the model makes
    of it.

    Each is ``uint8``, ``(H, W)`` or ``(H, W, 3)``, made smaller where a side is longer than
    :data:`LARGEST`.
    """
    return {name: _shrunk(pixels) for name, pixels in
            {"image": 255 * found.image, "where it differs": overlay(found), "what would be normal": 255 * found.normal}.items()}


def overlay(found: Inspection) -> np.ndarray:
    """The image in pale grey, and over it what is too bright in orange and what is too dark in
    blue, ``(H, W, 3)`` in [0, 255].

    Differences up to half of the largest usual one are left out; at twice the largest the colour is
    full.
    """
    grey = 255 * (0.5 + 0.5 * found.image)[..., None].repeat(3, 2)
    strength = ((abs(found.difference) - 0.5) / 1.5).clip(0, 1)[..., None]
    colour = np.where(found.difference[..., None] > 0, BRIGHT, DARK)
    return grey * (1 - strength) + colour * strength


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
    axes.set_xlabel("score: how unlike normal images, as a whole or in one place")
    axes.set_ylabel("share of images")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _article(row, found):
    small = max(found["image"].shape) < SMALLEST
    figures = "".join(f"<figure>{_img(_png(pixels), name, small)}<figcaption>{name}</figcaption></figure>"
                      for name, pixels in found.items())
    verdict = '<span class="alarm">anomalous</span>' if row["anomalous"] else "normal"
    return (f"<article><h3>{html.escape(row['file'])}: {verdict}, score {row['score']:.4g}, p = {row['p_value']:.2g}</h3>"
            f"{figures}</article>\n")


def _shrunk(pixels):
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    picture.thumbnail((LARGEST, LARGEST))
    return np.asarray(picture)


def _png(pixels: np.ndarray) -> bytes:
    """A PNG of a size to look at: small pictures are enlarged pixel by pixel."""
    picture = Image.fromarray(pixels)
    longest = max(picture.size)
    if longest < SMALLEST:
        factor = SMALLEST // longest
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    stream = io.BytesIO()
    picture.save(stream, "png", optimize=True)
    return stream.getvalue()


def _svg(figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()[stream.getvalue().index("<svg"):]


def _img(png: bytes, alternative: str, small: bool = False) -> str:
    kind = ' class="small"' if small else ""
    return f'<img{kind} alt="{alternative}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
