"""Grids of digits, with marks on them (Figs. 6 and 8)."""

import base64
import io
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from PIL import Image
from plotly.subplots import make_subplots
from torch import Tensor

from convae.plots.style import ADDED, INK, REMOVED, new_figure, panel_title

COLUMNS = 10
CELL = 30   # pixels from one digit to the next: 28 and a gap
BREAK = 10  # more, above a row set apart
SIGNED = LinearSegmentedColormap.from_list("ink", (REMOVED, "white", ADDED))  # −1 ink removed … +1 ink added


class Mark(NamedTuple):
    """Something pointed out in one digit of a grid."""

    image: int                #: which image of the grid
    shape: str                #: "circle", around a place in the image, or "square", around the whole image
    colour: str
    centre: tuple = (13.5, 13.5)  #: column and row, for a circle
    radius: float = 15.0      #: in pixels, for a circle


class Grid(NamedTuple):
    """Images in rows of ten, as one panel of a figure."""

    title: str
    images: Tensor       #: ``(N, 1, 28, 28)``, in [0, 1], or in [−1, 1] if `signed`
    marks: list = []
    signed: bool = False  #: ink added in blue and removed in red, instead of grey levels
    break_before: int | None = None  #: a wider gap above the row that starts with this image
    outlines: Tensor | None = None  #: ``(N, 1, 28, 28)`` of bool: places with a line around them


def grids(panels: list[Grid], legend: dict | None = None, letters: str = "abc", row_names=()) -> Figure:
    """Grids side by side, with the paper's letters.

    Parameters
    ----------
    panels : list of Grid
    legend : dict, optional
        What a mark means, by (shape, colour).
    letters : str
        One for each panel, or empty for none.
    row_names : sequence of str
        For the first panel's rows.
    """
    rows = -(-max(1, *(len(panel.images) for panel in panels)) // COLUMNS)
    figure = new_figure(5 * len(panels), 0.5 * rows + (0.85 if legend else 0.5))
    for i, (axes, panel) in enumerate(zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True)):
        cmap, low = (SIGNED, -1) if panel.signed else ("gray_r", 0)
        axes.imshow(montage(panel), cmap=cmap, vmin=low, vmax=1, interpolation="nearest")
        for mark in panel.marks:
            axes.add_patch(_patch(panel, mark))
        if panel.outlines is not None:
            axes.contour(montage(panel._replace(images=panel.outlines.float())), [0.5], colors=[INK], linewidths=0.6)
        panel_title(axes, letters[i:i + 1], panel.title)
        if i or not row_names:
            axes.set_axis_off()
        else:
            axes.set_xticks([])
            axes.set_yticks([13.5 + CELL * row for row in range(len(row_names))], row_names)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
    if legend:
        handles = [Line2D([], [], marker="o" if shape == "circle" else "s", color=colour, markerfacecolor="none", ls="none",
                          markersize=9, markeredgewidth=1.6, label=text) for (shape, colour), text in legend.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, labelcolor=INK)
    return figure


def interactive_grids(panels: list[Grid], hover: list[str]) -> go.Figure:
    """The same to zoom into; hovering over a digit shows its text of `hover`, one for each
    image."""
    figure = make_subplots(1, len(panels), subplot_titles=[p.title for p in panels], horizontal_spacing=0.02)
    for i, panel in enumerate(panels, 1):
        pixels = montage(panel)
        picture = 255 * SIGNED((pixels + 1) / 2)[..., :3] if panel.signed else np.repeat(255 * (1 - pixels[..., None]), 3, 2)
        figure.add_trace(go.Image(source=_data_uri(picture), hoverinfo="skip"), 1, i)
        corners = _corners(panel)
        figure.add_trace(go.Scatter(x=(corners[:, 0] + 13.5).tolist(), y=(corners[:, 1] + 13.5).tolist(), mode="markers",
                                    marker={"size": 24, "opacity": 0, "symbol": "square"}, text=hover,
                                    hovertemplate="%{text}<extra></extra>", showlegend=False), 1, i)
        axis = "" if i == 1 else str(i)
        for mark in panel.marks:
            x, y = _centre(panel, mark)
            figure.add_shape(type="circle" if mark.shape == "circle" else "rect", xref=f"x{axis}", yref=f"y{axis}",
                             x0=x - mark.radius, x1=x + mark.radius, y0=y - mark.radius, y1=y + mark.radius,
                             line={"color": mark.colour, "width": 2})
    height, width = montage(panels[0]).shape
    figure.update_xaxes(visible=False, range=[-2, width + 2], matches="x")
    figure.update_yaxes(visible=False, range=[height + 2, -2], matches="y", scaleanchor="x")
    figure.update_layout(template="plotly_white", height=80 + int(1.4 * height), dragmode="pan",
                         margin={"l": 10, "r": 10, "t": 40, "b": 10})
    return figure


def montage(panel: Grid) -> np.ndarray:
    """The panel's images in rows of ten, with white gaps between them; an empty cell if it has
    none."""
    width, height = _corners(panel).max(0, initial=0) + 28
    canvas = np.zeros((height, width), np.float32)
    for k, image in enumerate(panel.images):
        x, y = _corner(panel, k)
        canvas[y:y + 28, x:x + 28] = image[0].numpy()
    return canvas


def _corner(panel, k):
    below = panel.break_before is not None and k >= panel.break_before
    return k % COLUMNS * CELL, k // COLUMNS * CELL + below * BREAK


def _corners(panel):
    return np.array([_corner(panel, k) for k in range(len(panel.images))], int).reshape(-1, 2)


def _centre(panel, mark):
    x, y = _corner(panel, mark.image)
    return x + mark.centre[0], y + mark.centre[1]


def _patch(panel, mark):
    x, y = _centre(panel, mark)
    look = {"fill": False, "edgecolor": mark.colour, "linewidth": 1.6, "clip_on": False}
    if mark.shape == "circle":
        return Circle((x, y), mark.radius, **look)
    return Rectangle((x - mark.radius + 1, y - mark.radius + 1), 2 * mark.radius - 2, 2 * mark.radius - 2, **look)


def _data_uri(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture.round().astype(np.uint8)).quantize(64).save(buffer, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
