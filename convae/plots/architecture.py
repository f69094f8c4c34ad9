"""Figs. 1 to 3, drawn from a live model: every size, kernel, mark and value is read from it, none
is typed.

Lengths are inches and the drawing area is the whole figure, so that what is placed here is where it
appears.
"""

import math
from itertools import pairwise

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Polygon, Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from convae.losses import kl_to_standard_normal, squared_error
from convae.models import ConvAE, ConvVAE
from convae.plots.introspection import layers, sum_at_one_unit, window_start
from convae.plots.style import FAINT, INK, new_figure

# Few enough shades to survive a PNG of 256 colours as they are
SIGNED = LinearSegmentedColormap.from_list("signed", ["#8a3f00", "#e08a2c", "#ffffff", "#4d8fcc", "#08306b"], N=81)
GREYS = LinearSegmentedColormap.from_list("greys", ["#ffffff", "#000000"], N=21)
WINDOW = "#c2185b"      # receptive fields and the lines that belong to them
NORMALISED = "#1b7f5c"  # frames of normalised layers
LOSS = "#7a4fb5"        # what training minimises
DOT = 1 / 150           # inches a pixel at the resolution at which figures are saved: cells are whole numbers of them
SMALL, MEDIUM, LARGE = 9.5, 10.5, 13
GROUND = {"facecolor": "white", "edgecolor": "none", "pad": 3}  # behind text that interrupts an arrow

# Figs. 2 and 3: encoder above, decoder below, each layer's planes in a square of their own
CELL = 7                        # dots a unit of a layer with the paper's sizes
SLOT = 31 * CELL * DOT          # 4 × 4 maps of 7 × 7 units and the 3 cells between them
LEFT, RIGHT, GAP = 0.3, 11.75, 0.9  # of the drawing, and between two squares
HEIGHT = 5.85
UPPER, LOWER = 4.75, 2.55       # the squares' upper edges


def receptive_fields(model: ConvAE, image: Tensor) -> Figure:
    """Fig. 1: equation (1) at one unit of layer 3, with its numbers; and what a unit of each layer
    sees of the image.

    The unit is that of :func:`convae.plots.introspection.sum_at_one_unit`.

    Parameters
    ----------
    model : ConvAE or ConvVAE
    image : Tensor
        One image, ``(1, 28, 28)`` in [0, 1].
    """
    found = layers(model, image)
    canvas = _Canvas(12, 5.75)
    _draw_equation(canvas, *found[1:3])
    _draw_fields(canvas, found[0], _seeing(found))
    return canvas.figure


def autoencoder(model: ConvAE, image: Tensor) -> Figure:
    """Fig. 2: the autoencoder from the image to z and back; arguments as for Fig. 1."""
    found = layers(model, image)
    canvas = _Canvas(12, HEIGHT)
    encoder, decoder = _draw_network(canvas, found)
    far = squared_error(found[-1].values[None], image[None]).item()
    _draw_heading(canvas, "Convolutional autoencoder", f"difference  =  {far:.1f}")

    latent = _named(found, "z").values.flatten()
    z = _Vector(canvas, latent, 10.9, (UPPER + LOWER - SLOT) / 2, "$z$")
    canvas.text(z.right + 0.1, (z.bottom + z.top) / 2, _count(latent), ha="left")
    middle = (z.top + z.bottom) / 2
    canvas.beam(encoder[-1].outline, (z.left, middle, z.left, z.top))
    canvas.beam(decoder[-1].outline, (z.left, z.bottom, z.left, middle))
    _draw_step(canvas, 10.25, UPPER - 0.15, _named(found, "z"), 1)
    _draw_step(canvas, 10.25, LOWER - SLOT + 0.65, found[-len(decoder)], -1)
    return canvas.figure


def variational_autoencoder(model: ConvVAE, image: Tensor, epsilon: Tensor) -> Figure:
    """Fig. 3: the variational autoencoder, z drawn with `epsilon`, and the two terms that training
    minimises.

    Parameters
    ----------
    model : ConvVAE
    image : Tensor
        One image, ``(1, 28, 28)`` in [0, 1].
    epsilon : Tensor
        The draw from the standard normal, ``(d,)``.
    """
    found = layers(model, image, epsilon)
    canvas = _Canvas(12, HEIGHT)
    encoder, decoder = _draw_network(canvas, found)
    mu, sigma = (_named(found, name).values.flatten() for name in "μσ")
    kl = kl_to_standard_normal(mu[None], sigma[None]).item()
    far = squared_error(found[-1].values[None], image[None]).item()
    _draw_heading(canvas, "Convolutional variational autoencoder",
                  f"difference + $D_{{KL}}$  =  {far:.1f} + {kl:.1f}")

    left, right, group = 10.15, 11.2, (9.6, 3.33, 11.75, 4.77)
    canvas.box(group, LOSS, 1.2, 3, halo=False)
    canvas.text(group[2], group[3] + 0.19, r"$D_{KL}\,[\,N(\mu, \sigma)\;\Vert\;N(0, 1)\,]$", 12, ha="right",
                colour=LOSS)
    _Vector(canvas, mu, left, 4.06, r"$\mu$", _count(mu))
    _Vector(canvas, sigma, right, 4.06, r"$\sigma$", _named(found, "σ").activation)
    z = _Vector(canvas, mu + epsilon * sigma, left, 1.85, r"$z = \mu + \varepsilon \cdot \sigma$", symbol_below=True)
    noise = _Vector(canvas, epsilon, right, 1.85, r"$\varepsilon \sim N(0, 1)$", symbol_below=True)

    level, radius = 2.93, 0.13
    for x, sign in ((left, "+"), (right, "×")):
        canvas.axes.add_patch(Circle((x, level), radius, facecolor="white", edgecolor=INK, linewidth=1.1, zorder=8))
        canvas.text(x, level, sign, 13)
    for start, end in (((left, group[1]), (left, level + radius)), ((right, group[1]), (right, level + radius)),
                       ((right - radius, level), (left + radius, level)), ((right, noise.top), (right, level - radius)),
                       ((left, level - radius), (left, z.top))):
        canvas.arrow(start, end)
    canvas.beam(encoder[-1].outline, (group[0], group[1], group[0], group[3]))
    canvas.beam(decoder[-1].outline, (z.left, z.bottom, z.left, z.top))
    _draw_step(canvas, 9.25, UPPER + 0.68, _named(found, "μ"), 1)
    _draw_step(canvas, 9.28, LOWER - SLOT - 0.12, found[-len(decoder)], -1)
    return canvas.figure


class _Canvas:
    """A figure with one invisible pair of axes in inches."""

    def __init__(self, width, height):
        self.figure = new_figure(width, height)
        self.figure.set_layout_engine("none")  # nothing to arrange: all is placed by hand
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(0, height))
        self.axes.axis("off")
        self.axes.set_autoscale_on(False)

    def text(self, x, y, text, size=SMALL, ha="center", va="center", colour=INK, halo=False, **kwargs):
        effects = _halo(2) if halo else None
        return self.axes.text(x, y, text, size=size, ha=ha, va=va, color=colour, path_effects=effects, zorder=9,
                              **({"math_fontfamily": "cm"} | kwargs))

    def line(self, xs, ys, colour=WINDOW, width=0.8, zorder=5, halo=False, **kwargs):
        self.axes.plot(xs, ys, color=colour, linewidth=width, zorder=zorder,
                       path_effects=_halo(width) if halo else None, **kwargs)

    def box(self, box, colour=WINDOW, width=1.3, zorder=6, fill="none", halo=True, **kwargs):
        x0, y0, x1, y1 = box
        self.axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, edgecolor=colour, facecolor=fill, linewidth=width,
                                      zorder=zorder, path_effects=_halo(width) if halo else None, **kwargs))

    def arrow(self, start, end, colour=INK, style="-|>", width=1.1, bend=0, **kwargs):
        self.axes.add_patch(FancyArrowPatch(start, end, arrowstyle=style, color=colour, linewidth=width, zorder=7,
                                            mutation_scale=10, shrinkA=0, shrinkB=0,
                                            connectionstyle=f"arc3,rad={bend}", **kwargs))

    def beam(self, start, end, colour=WINDOW):
        """What joins a box to one further right: two edges, and a tint that lies under the
        planes."""
        for side in (1, 3):
            self.line([start[2], end[0]], [start[side], end[side]], colour)
        corners = [(start[2], start[1]), (end[0], end[1]), (end[0], end[3]), (start[2], start[3])]
        self.axes.add_patch(Polygon(corners, facecolor=colour, alpha=0.10, linewidth=0, zorder=1))


class _Planes:
    """Planes of a layer side by side, one cell a unit and one cell between planes; `cell` in
    dots."""

    def __init__(self, canvas, values, x, top, cell, columns=None, limit=None, picture=False, frame=FAINT):
        self.count, self.h, self.w = values.shape
        self.columns = columns or math.ceil(math.sqrt(self.count))
        self.rows = math.ceil(self.count / self.columns)
        self.cell, self.x, self.top = cell * DOT, _snap(x), _snap(top)
        sheet = np.full((self.rows * (self.h + 1) - 1, self.columns * (self.w + 1) - 1), np.nan)
        for i in range(self.count):
            row, column = self._origin(i)
            sheet[row:row + self.h, column:column + self.w] = values[i]
        self.right = self.x + sheet.shape[1] * self.cell
        self.bottom = self.top - sheet.shape[0] * self.cell
        self.middle = (self.x + self.right) / 2
        self.outline = (self.x, self.bottom, self.right, self.top)
        limit = limit or _limit(values)
        colours, low, high = (GREYS, 0, 1) if picture else (SIGNED, -limit, limit)
        canvas.axes.imshow(sheet, extent=(self.x, self.right, self.bottom, self.top), cmap=colours, vmin=low, vmax=high,
                           interpolation="nearest", aspect="auto", zorder=2)
        for i in range(self.count):
            canvas.box(self.window(i), frame, 0.6 if frame == FAINT or cell < 5 else 1.3, 3, halo=False)

    def _origin(self, i):
        return i // self.columns * (self.h + 1), i % self.columns * (self.w + 1)

    def window(self, i, row=0, column=0, size=None):
        """The box (left, bottom, right, top) of `size` × `size` units of plane `i`, cut off at its
        edge; else all."""
        rows, columns = (size, size) if size else (self.h, self.w)
        last_row, last_column = min(row + rows, self.h), min(column + columns, self.w)
        row, column = max(row, 0), max(column, 0)
        top, left = self._origin(i)
        return (self.x + (left + column) * self.cell, self.top - (top + last_row) * self.cell,
                self.x + (left + last_column) * self.cell, self.top - (top + row) * self.cell)


def _halo(width):
    return [withStroke(linewidth=width + 1.4, foreground="white")]


def _snap(length):
    return round(length / DOT) * DOT


def _limit(values):
    """The value with the strongest colour: nearly the largest, so that one outlier does not pale
    the rest."""
    return max(float(np.quantile(np.abs(np.asarray(values)), 0.995)), 1e-6)


def _seeing(found):
    """The layers with a receptive field beyond one pixel, one of each depth: σ sees what μ sees."""
    return [layer for layer in found if layer.sees and layer.kernel and layer.name != "σ"]


def _draw_equation(canvas, o, n, at_most=4):
    """Equation (1): windows on the planes q of layer O, their weights, and the unit of plane p of
    layer N."""
    weight = n.convolution.weight.detach()
    p, y, x, terms, bias, total = sum_at_one_unit(o, n)
    shown = min(o.maps, at_most)
    row, column = window_start(n, y, x)
    beside = (y, x + 2) if x + 2 < n.width else (y, x - 2)  # a second unit: other windows, the same weights
    dashes = {"colour": INK, "width": 1, "zorder": 5.5, "linestyle": (0, (2, 1.5))}

    canvas.text(0.3, 5.5, "Equation (1) at one unit", LARGE, ha="left", weight="bold")
    planes = _Planes(canvas, o.values[:shown], 0.62, 4.72, 9, columns=1)
    plane = _Planes(canvas, n.sums[p:p + 1], 4.75, 3.95, 24, limit=_limit(n.sums))
    for i in range(1, min(n.maps, 4)):  # some of the other planes p, as cards behind the one that is shown
        canvas.box([edge + 0.09 * i for edge in plane.window(0)], FAINT, 0.6, 1.5 - i / 10, "white", halo=False)
    unit = plane.window(0, y, x, 1)
    limit = _limit(weight[p])
    for q in range(shown):
        left, bottom, _, top = planes.window(q)
        middle = (bottom + top) / 2
        kernel = _Planes(canvas, weight[p, q:q + 1], 2.3, middle + n.kernel * 10 * DOT, 20, limit=limit)
        canvas.box(planes.window(q, *window_start(n, *beside), n.kernel), **dashes)
        canvas.box(window := planes.window(q, row, column, n.kernel))
        canvas.beam(window, kernel.window(0))
        canvas.beam(kernel.window(0), unit)
        canvas.text(left - 0.08, middle, f"$O_{{{q + 1}}}$", 12, ha="right")
        canvas.text(kernel.right + 0.08, middle, f"$W_{{p{q + 1}}}$", 12, ha="left", halo=True)
    canvas.box(plane.window(0, *beside, 1), **dashes)
    canvas.box(unit)

    for centre, title, line in (
        (planes.middle, f"layer $\\mathit{{O}}$: {o.name}", f"{o.maps} planes $q$ of {o.size}"),
        (2.57, "weights", f"{n.kernel}×{n.kernel}, stride {n.stride}"),
        (plane.middle + 0.13, f"layer $\\mathit{{N}}$: {n.name}", f"{n.maps} planes $p$ of {n.size}"),
    ):
        canvas.text(centre, 5.1, title, MEDIUM, weight="bold")
        canvas.text(centre, 4.89, line)
    canvas.text(plane.middle, plane.bottom - 0.17, f"$N_p$,  $p = {p + 1}$", 12)
    canvas.text(plane.x, plane.bottom - 0.62, "dashed: another unit,\nthe same weights", ha="left")
    _draw_scale(canvas, plane.x, plane.bottom - 1.1)

    canvas.text(0.3, 0.8, r"$N_p(x, y)\;=\;\sum_q \sum_i \sum_j\, W_{pq}(i, j)\; O_q(x + i,\, y + j)\;+\;b_p$", 14,
                ha="left")
    first, *others = terms[:shown]
    sums = " ".join([_plain(first, 3), *map(_signed, others)]) + (" + …" if o.maps > shown else "")
    canvas.text(0.3, 0.28, f"here  {_plain(total, 3)} = {sums} {_signed(bias)}"
                "   (a term a plane, and the bias)", ha="left")


def _draw_fields(canvas, image, seeing, cell=16):
    """The receptive fields of one unit a layer, one within the other, on the image and the padding
    around it."""
    left, top = 6.95, 5.17
    margin = max(max(-layer.sees.start, 0) for layer in seeing)
    canvas.text(left, 5.5, "What one unit sees of the image", LARGE, ha="left", weight="bold")
    picture = _Planes(canvas, image.values, left + margin * cell * DOT, top - margin * cell * DOT, cell, picture=True)
    around = margin * picture.cell
    canvas.box((left, picture.bottom - around, picture.right + around, top), "none", 0, 1, "#e0e0e0", halo=False)
    canvas.text(picture.middle, picture.bottom - around / 2, "padding", colour="#666666")

    x, y = picture.right + around + 0.17, top
    for i, layer in enumerate(reversed(seeing)):
        unit = min(range(layer.height), key=lambda k: abs(sum(layer.sees.span(k)) - image.height))  # the middle one
        first, last = layer.sees.span(unit)
        box = (picture.x + first * picture.cell, picture.top - last * picture.cell,
               picture.x + last * picture.cell, picture.top - first * picture.cell)
        canvas.box(box, width=1.6)
        y = min(y - 0.5, box[3] - 0.05) if i else top - 0.17
        canvas.line([box[2], x - 0.06], [min(max(y, box[1]), box[3]), y], halo=True)
        canvas.text(x, y, _symbol(layer), LARGE if layer.part == "latent" else MEDIUM, ha="left", weight="bold")
        whole = ":\nthe whole image" if first <= 0 and last >= image.height else ""
        canvas.text(x, y - 0.12, f"{layer.sees.size}×{layer.sees.size} pixels{whole}", ha="left", va="top")
    sizes, steps = zip((1, 1), *((layer.sees.size, layer.sees.step) for layer in seeing), strict=True)
    growth = [f"{size} + {layer.kernel - 1}·{step} = {layer.sees.size}"
              for size, step, layer in zip(sizes, steps, seeing, strict=False)]
    canvas.text(left, 0.8, "Each convolution adds (kernel − 1) × step pixels,\nand its stride multiplies the step:",
                ha="left")
    canvas.text(left, 0.28, ",   ".join(growth), ha="left")


def _draw_heading(canvas, title, loss):
    canvas.text(LEFT, HEIGHT - 0.22, title, LARGE, ha="left", weight="bold")
    canvas.text(RIGHT, HEIGHT - 0.22, f"loss  =  {loss}", 12, ha="right", colour=LOSS)


def _draw_network(canvas, found):
    """Encoder above, left to right, and decoder below, right to left: a layer and its mirror image
    share a column."""
    encoder = [layer for layer in found if layer.part in ("input", "encoder")]
    decoder = [layer for layer in found if layer.part == "decoder"][::-1]
    rows = [_draw_row(canvas, encoder, UPPER, 1), _draw_row(canvas, decoder, LOWER, -1)]

    left, right, middle = rows[0][1].x, rows[0][-1].right, (UPPER - SLOT + LOWER) / 2
    for y, start, end, text in (
        (middle + 0.14, left, right, "encoder: a unit sums over its windows in all planes of the layer before"),
        (middle - 0.14, right, left, "decoder: connected likewise, from right to left, with weights of its own"),
    ):
        canvas.arrow((start, y), (end, y), FAINT, width=0.9)
        canvas.text((left + right) / 2, y, text, bbox=GROUND)
    first, last = rows[0][0], rows[1][0]
    canvas.arrow((first.middle, last.top + 0.05), (first.middle, first.bottom - 0.05), LOSS, "<|-|>")
    canvas.text(first.middle, middle, "difference", colour=LOSS, bbox=GROUND)
    _draw_key(canvas, found)
    return rows


def _draw_key(canvas, found):
    """The line at the foot: what the marks and colours mean, and how large the network is."""
    y, x = 0.2, LEFT
    norms = ", ".join(sorted({layer.normalised for layer in found if layer.normalised}))
    marks = [(WINDOW, "a unit and its windows", 2.05)]
    if norms:
        marks.append((NORMALISED, f"normalised ({norms})", 2.3))
    for colour, text, width in marks:
        canvas.box((x, y - 0.06, x + 0.12, y + 0.06), colour, 1.3, halo=False)
        canvas.text(x + 0.2, y, text, ha="left")
        x += width
    _draw_scale(canvas, x, y, ", each layer on its own scale")
    canvas.text(RIGHT, y, f"{sum(layer.parameters for layer in found):,} parameters", ha="right")


def _draw_scale(canvas, x, y, note=""):
    """What the colours of signed values mean."""
    canvas.text(x, y, "negative", ha="left")
    canvas.axes.imshow(np.array([[-0.5, 0, 0.5]]), extent=(x + 0.65, x + 1.1, y - 0.07, y + 0.07), cmap=SIGNED,
                       vmin=-1, vmax=1, interpolation="nearest", aspect="auto", zorder=2)
    canvas.box((x + 0.65, y - 0.07, x + 1.1, y + 0.07), FAINT, 0.6, 3, halo=False)
    canvas.text(x + 1.18, y, f"positive{note}", ha="left")


def _draw_row(canvas, chain, top, sign):
    """The layers of one row from left to right; `sign` 1 if that is the way the image takes, −1 if
    it comes back."""
    row = []
    for i, layer in enumerate(chain):
        x = LEFT + i * (SLOT + GAP)
        count, columns, cell = _fit(layer)
        width, height = _extent(count, columns, layer, cell)
        row.append(_Planes(canvas, layer.values[:count], x + (SLOT - width) / 2, top - (SLOT - height) / 2, cell,
                           columns, picture=layer.name == "layer 1", frame=NORMALISED if layer.normalised else FAINT))
        _label(canvas, layer, count, x + SLOT / 2, top + 0.57 if sign > 0 else top - SLOT - 0.17)
    for i, (wide, narrow) in enumerate(pairwise(row)):
        step = chain[i + 1] if sign > 0 else chain[i]  # the layer that the convolution between the two makes
        _draw_windows(canvas, wide, narrow, step)
        _draw_step(canvas, LEFT + (i + 1) * (SLOT + GAP) - GAP / 2, top - SLOT + 0.62, step, sign)
    return row


def _label(canvas, layer, count, x, y):
    maps = f" · {layer.maps} map{'s' * (layer.maps > 1)}" if layer.name != "layer 1" else ""
    drawn = f", {count} drawn" if count < layer.maps else ""
    notes = [note for note, holds in (("input image", layer.part == "input"),
                                      ("output image", layer.part == "decoder" and layer.name == "layer 1"),
                                      ("normalised", layer.normalised), (layer.activation, layer.activation)) if holds]
    canvas.text(x, y, layer.name, MEDIUM, weight="bold")
    canvas.text(x, y - 0.19, layer.size + maps + drawn)
    canvas.text(x, y - 0.38, ", ".join(notes))


def _fit(layer, least=3):
    """How many planes of a layer fill its square, in how many columns, with how many dots a cell
    (`least` or more)."""
    dots = round(SLOT / DOT)
    widest = max((dots // least + 1) // (layer.width + 1), 1)
    columns = min(math.ceil(math.sqrt(layer.maps)), widest)
    return min(layer.maps, columns ** 2), columns, dots // (columns * (layer.width + 1) - 1)


def _extent(count, columns, layer, cell):
    rows = math.ceil(count / columns)
    return [(n * (side + 1) - 1) * cell * DOT for n, side in ((columns, layer.width), (rows, layer.height))]


def _draw_windows(canvas, wide, narrow, step):
    """One unit of the narrow layer, and the window in every plane of the wide one that it is
    connected with."""
    y, x = narrow.h // 2, narrow.w // 2
    window = window_start(step, y, x)
    for i in range(wide.count):
        canvas.box(wide.window(i, *window, step.kernel), width=1, halo=wide.count < 5)
    canvas.box(narrow.window(0, y, x, 1), width=1)
    canvas.beam(wide.window(wide.columns - 1, *window, step.kernel), narrow.window(0, y, x, 1))


def _draw_step(canvas, x, y, layer, sign):
    """The convolution that makes `layer`, as an arrow and what it is."""
    canvas.arrow((x - 0.22 * sign, y), (x + 0.22 * sign, y))
    for i, line in enumerate((f"{layer.kernel}×{layer.kernel}", f"stride {layer.stride}", f"padding {layer.padding}")):
        canvas.text(x, y - 0.17 - 0.18 * i, line)


class _Vector:
    """A latent vector: cells with their values, or a strip of cells where they are many; a note
    below, if any."""

    def __init__(self, canvas, values, x, y, symbol, note="", symbol_below=False):
        values = values.detach().flatten()
        many = len(values) > 3
        width, height = (0.3, 0.72) if many else (0.66, 0.27 * len(values))
        self.left, self.right, self.bottom, self.top = x - width / 2, x + width / 2, y - height / 2, y + height / 2
        limit = 2.5 * max(float(values.abs().max()), 1e-6)  # pale enough to read the values
        canvas.axes.imshow(values[:, None].numpy(), extent=(self.left, self.right, self.bottom, self.top), cmap=SIGNED,
                           vmin=-limit, vmax=limit, interpolation="nearest", aspect="auto", zorder=2)
        canvas.box((self.left, self.bottom, self.right, self.top), INK, 1, 3, halo=False)
        if not many:
            for i, value in enumerate(values.tolist()):
                canvas.text(x, self.top - 0.27 * (i + 0.5), _plain(value))
        canvas.text(x, self.bottom - 0.18 if symbol_below else self.top + 0.17, symbol, 12)
        canvas.text(x, y - 0.55, note)


def _named(found, name):
    return next(layer for layer in found if layer.name == name)


def _symbol(layer):
    return {"z": "$z$", "μ": r"$\mu,\;\sigma$"}.get(layer.name, layer.name)


def _count(values):
    return f"{len(values)} value{'s' * (len(values) > 1)}"


def _plain(value, digits=2):
    return f"{value:.{digits}f}".replace("-", "−")


def _signed(value):
    return f"{'−' if value < 0 else '+'} {abs(value):.3f}"
