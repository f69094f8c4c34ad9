"""3-D latent spaces to turn, with the ranges and the point of view of Figs. 4 and 5."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from convae.plots.latent import AXES, limits_of
from convae.plots.style import DIGIT_COLOURS

EYE = {"x": 0.798, "y": -1.139, "z": 0.562}  # in the direction of the figures' ELEVATION, AZIMUTH
CAMERA = {"eye": EYE, "projection": {"type": "orthographic"}}
LAYOUT = {
    "template": "plotly_white",
    "height": 470,  # pixels; it is as wide as its place
    "margin": {"l": 0, "r": 0, "t": 30, "b": 0},
    "legend": {"orientation": "h", "itemsizing": "constant"},
    "modebar": {"orientation": "v"},  # clear of the titles
    "hoverlabel": {"bgcolor": "white", "align": "left", "font": {"family": "monospace"}},
}
SIZE = 1.25  # of a space's longest side; 1 is small
BRAILLE = 0x2800  # the character without a dot; each of 4 × 2 dots adds its bit
BRAILLE_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
DIGIT_BOX = (0, slice(4, 24), slice(4, 24))  # the 20 × 20 pixels that MNIST's digits fill


def turnable_latent_spaces(spaces: dict, labels, images: Tensor, outputs: dict, each: int):
    """3-D latent spaces side by side; a click in the legend switches a digit off in all of them.

    Hovering over a point shows the image and, on its right, what the model makes of it.

    Parameters
    ----------
    spaces : dict
        By title, the latent vectors of the same images, ``(N, 3)``.
    labels : array
        Their digits ``(N,)``.
    images : Tensor
        The images ``(N, 1, 28, 28)``.
    outputs : dict
        By title, their reconstructions ``(N, 1, 28, 28)``.
    each : int
        How many of each digit are points: the first ones.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    labels = np.asarray(labels)
    scenes = [{"type": "scene"}] * len(spaces)
    figure = make_subplots(1, len(spaces), specs=[scenes], subplot_titles=list(spaces))
    for column, (title, z) in enumerate(spaces.items(), 1):
        for digit, colour in enumerate(DIGIT_COLOURS):
            first = np.flatnonzero(labels == digit)[:each]
            pictures = map(in_dots, images[first], outputs[title][first])
            points = _points(z[first], str(digit), colour, list(pictures))
            figure.add_trace(points.update(showlegend=column == 1), 1, column)
        figure.update_scenes(_scene(*limits_of(z)), col=column)
    return figure.update_layout(LAYOUT)


def _points(z, digit, colour, pictures):
    x, y, z = z.round(3).T.tolist()  # numbers, not bytes: they are compared with a tolerance
    return go.Scatter3d(
        x=x, y=y, z=z, mode="markers", marker={"color": colour, "size": 2}, name=digit,
        legendgroup=digit, text=pictures, hovertemplate=f"%{{text}}<extra>{digit}</extra>",
    )


def _scene(low, high):
    """Axes of equal scale with these limits."""
    sides = SIZE * (high - low) / (high - low).max()
    scene = {"camera": CAMERA, "aspectratio": dict(zip(AXES, sides.tolist(), strict=True))}
    limits = np.stack([low, high], 1).round(3)
    for (axis, title), ends in zip(AXES.items(), limits.tolist(), strict=True):
        scene[f"{axis}axis"] = {"title": {"text": title}, "range": ends, "nticks": 5}
    return scene


def in_dots(*images: Tensor) -> str:
    """Images ``(1, 28, 28)`` side by side as Braille characters: pictures in a text.

    Each shows its central 20 × 20 pixels, in five lines joined by ``<br>``.
    """
    dots = np.hstack([image[DIGIT_BOX].numpy() for image in images]) > 0.4  # (20, 20 · images)
    cells = dots.reshape(5, 4, -1, 2)
    codes = BRAILLE + np.einsum("ikjl,kl->ij", cells, BRAILLE_DOTS)
    return "<br>".join("".join(map(chr, line)) for line in codes)
