"""A canvas for drawings of networks: all is placed in pixels of the saved picture, from its upper
left corner, so that a cell is a whole number of them."""

import math
from typing import NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from convae.plots.style import FAINT, HALO, INK, new_figure

DPI = 150
WINDOW = "#c2185b"  # windows, and the lines that belong to them
# Few enough shades to survive a PNG of 256 colours as they are
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#8a3f00", "#e08a2c", "#ffffff", "#4d8fcc", "#08306b"], N=81)
GREYS = LinearSegmentedColormap.from_list("greys", ["#ffffff", "#ffffff", "#000000"], N=41)
TEXT = {
    "size": 9.5,
    "color": INK,
    "ha": "center",
    "va": "center",
    "math_fontfamily": "cm",
    "zorder": 9,
}
FRAME = {
    "edgecolor": WINDOW,
    "facecolor": "none",
    "linewidth": 1.2,
    "path_effects": HALO,
    "zorder": 6,
}
THIN = {"edgecolor": FAINT, "linewidth": 0.6, "path_effects": None, "zorder": 3}
ARROW = {
    "arrowstyle": "-|>",
    "color": INK,
    "mutation_scale": 10,
    "shrinkA": 0,
    "shrinkB": 0,
    "zorder": 7,
}
TINT = {"facecolor": WINDOW, "alpha": 0.1, "linewidth": 0, "zorder": 1}
EDGES = {"edgecolor": WINDOW, "facecolor": "none", "linewidth": 0.8, "zorder": 5}


class Box(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def x(self) -> float:
        """Of its middle."""
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        """Of its middle."""
        return (self.top + self.bottom) / 2


class Sheet(NamedTuple):
    """Where square planes lie on the canvas: in rows, with one cell between two of them."""

    left: float
    top: float
    cell: int  #: pixels a unit
    count: int
    size: int  #: units along a side of a plane

    @property
    def columns(self) -> int:
        """As many as rows, or one more."""
        return math.ceil(math.sqrt(self.count))

    @property
    def box(self) -> Box:
        """The box around all planes."""
        first, last = self.plane(0), self.plane(self.count - 1)
        return Box(*first[:2], self.plane(self.columns - 1).right, last.bottom)

    def plane(self, number: int) -> Box:
        """The box of a plane."""
        return self.window(number, 0, 0, self.size)

    def window(self, plane: int, row: int, column: int, size: int) -> Box:
        """The box of `size` × `size` units; in the padding where it begins or ends outside."""
        down, right = divmod(plane, self.columns)
        pitch = self.size + 1
        left = self.left + self.cell * (right * pitch + column)
        top = self.top + self.cell * (down * pitch + row)
        side = self.cell * size
        return Box(left, top, left + side, top + side)


class Canvas:
    """A figure of `width` × `height` pixels to draw on; looks are matplotlib's keywords."""

    def __init__(self, width: int, height: int):
        self.figure = new_figure(width / DPI, height / DPI)
        self.figure.set_layout_engine("none")  # nothing to arrange: all is placed by hand
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
        self.axes.axis("off")

    def text(self, x: float, y: float, text: str, **look):
        """A text around a point."""
        self.axes.text(x, y, text, **(TEXT | look))

    def name(self, x: float, y: float, name: str, facts: str, **look):
        """A name, and below it lines of what is said of it."""
        self.text(x, y, name, size=10.5, weight="bold", **look)
        self.text(x, y + 14, facts, va="top", **look)

    def box(self, box: Box, **look):
        """The frame of a box."""
        sides = box.right - box.left, box.bottom - box.top
        self.axes.add_patch(Rectangle(box[:2], *sides, **(FRAME | look)))

    def arrow(self, start: tuple, end: tuple, **look):
        """A straight arrow."""
        self.axes.add_patch(FancyArrowPatch(start, end, **(ARROW | look)))

    def beam(self, start: Box, end: Box):
        """What joins a box to one further right, its tint below all planes."""
        near = [(start.right, start.bottom), (start.right, start.top)]
        far = [(end.left, end.top), (end.left, end.bottom)]
        for look in (TINT, EDGES):
            self.axes.add_patch(Polygon(near + far, **look))

    def planes(self, values, left: float, top: float, cell: int, limit: float | None = None,
               colours=SIGNED, **frame) -> Sheet:
        """Planes ``(n, size, size)`` of coloured cells; ±`limit` has the strongest colours."""
        values = np.asarray(values)
        count, size, _ = values.shape
        sheet = Sheet(left, top, cell, count, size)
        limit = limit or strongest(values)
        for number, plane in enumerate(values):
            box = sheet.plane(number)
            extent = (box.left, box.right, box.bottom, box.top)
            self.axes.imshow(plane, colours, vmin=-limit, vmax=limit, extent=extent, aspect="auto",
                             interpolation="nearest", zorder=2)
            self.box(box, **(THIN | frame))
        return sheet


def strongest(values) -> float:
    """The value with the strongest colour: nearly the largest, so that one outlier does not pale
    the rest."""
    return max(float(np.quantile(np.abs(np.asarray(values)), 0.995)), 1e-6)
