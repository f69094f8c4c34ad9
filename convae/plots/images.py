"""Grids of digits, with marks on them (Figs. 6 and 8)."""

from typing import NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from torch import Tensor

from convae.plots.style import ADDED, INK, REMOVED, new_figure, panel_title

COLUMNS = 10
SIDE = 28    # pixels of a digit
HALF = 13.5  # pixels from the middle of the first to the digit's middle
CELL = 30    # pixels from one digit to the next: 28 and a gap
BREAK = 10   # pixels more, above a row set apart
SIGNED = LinearSegmentedColormap.from_list("ink", (REMOVED, "white", ADDED))  # from −1 to 1


class Mark(NamedTuple):
    """Something pointed out in one digit of a grid."""

    image: int                #: which image of the grid
    shape: str                #: "circle", around a place in it, or "square", around the whole
    colour: str
    centre: tuple = (HALF, HALF)  #: column and row, for a circle
    radius: float = 15.0      #: in pixels, for a circle


class Grid(NamedTuple):
    """Images in rows of ten, as one panel of a figure."""

    title: str
    images: Tensor        #: ``(N, 1, 28, 28)``, in [0, 1], or in [−1, 1] if `signed`
    marks: list = []
    signed: bool = False  #: ink added in blue and removed in red, instead of grey levels
    break_before: int | None = None  #: a wider gap above the row that starts with this image
    outlines: Tensor | None = None  #: ``(N, 1, 28, 28)`` of bool: places with a line around them


def grids(
    panels: list[Grid], legend: dict | None = None, letters: str = "abc", row_names=()
) -> Figure:
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
    longest = max(1, *(len(panel.images) for panel in panels))
    rows = -(-longest // COLUMNS)
    figure = new_figure(5 * len(panels), 0.5 * rows + (0.85 if legend else 0.5))
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for i, (axes, panel) in enumerate(zip(all_axes, panels, strict=True)):
        _draw_panel(axes, panel)
        panel_title(axes, letters[i:i + 1], panel.title)
        axes.set_axis_off()
    if row_names:
        _name_rows(all_axes[0], row_names)
    if legend:
        _draw_legend(figure, legend)
    return figure


def _draw_panel(axes, panel):
    cmap, low = (SIGNED, -1) if panel.signed else ("gray_r", 0)
    axes.imshow(montage(panel), cmap=cmap, vmin=low, vmax=1, interpolation="nearest")
    corners = _corners(panel)
    for mark in panel.marks:
        axes.add_patch(_patch(mark, corners[mark.image]))
    if panel.outlines is not None:
        places = montage(panel._replace(images=panel.outlines.float()))
        axes.contour(places, [0.5], colors=[INK], linewidths=0.6)


def _name_rows(axes, names):
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([HALF + CELL * row for row in range(len(names))], names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_legend(figure, meanings):
    look = {"ls": "none", "markerfacecolor": "none", "markersize": 9, "markeredgewidth": 1.6}
    handles = []
    for (shape, colour), text in meanings.items():
        marker = "o" if shape == "circle" else "s"
        handles.append(Line2D([], [], marker=marker, color=colour, label=text, **look))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False,
                  labelcolor=INK)


def montage(panel: Grid) -> np.ndarray:
    """The panel's images in rows of ten, with white gaps between them; an empty cell if it has
    none."""
    corners = _corners(panel)
    width, height = corners.max(0, initial=0) + SIDE
    canvas = np.zeros((height, width), np.float32)
    for image, (x, y) in zip(panel.images, corners, strict=True):
        canvas[y:y + SIDE, x:x + SIDE] = image[0].numpy()
    return canvas


def _corners(panel):
    """Column and row of each image's upper left pixel, ``(N, 2)``."""
    number = np.arange(len(panel.images))
    row, column = np.divmod(number, COLUMNS)
    x, y = column * CELL, row * CELL
    if panel.break_before is not None:
        y[panel.break_before:] += BREAK
    return np.stack([x, y], axis=1)


def _patch(mark, corner):
    look = {"fill": False, "edgecolor": mark.colour, "linewidth": 1.6, "clip_on": False}
    if mark.shape == "circle":
        return Circle(tuple(corner + mark.centre), mark.radius, **look)
    return Rectangle(corner - 0.5, SIDE, SIDE, **look)  # imshow counts from pixels' middles
