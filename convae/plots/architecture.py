"""Figs. 1 to 3, drawn from a live model: every size, kernel, mark and value is read from it, none
is typed.

Lengths are inches and the drawing area is the whole figure, so that what is placed here is where it
appears.
"""

import math
from itertools import pairwise
from typing import NamedTuple

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
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#8a3f00", "#e08a2c", "#ffffff", "#4d8fcc", "#08306b"], N=81)
GREYS = LinearSegmentedColormap.from_list("greys", ["#ffffff", "#000000"], N=21)
WINDOW = "#c2185b"      # receptive fields and the lines that belong to them
NORMALISED = "#1b7f5c"  # frames of normalised layers
LOSS = "#7a4fb5"        # what training minimises
DOT = 1 / 150           # inches a pixel of a saved figure: cells are whole numbers of them
SMALL, MEDIUM, LARGE = 9.5, 10.5, 13
GROUND = {"facecolor": "white", "edgecolor": "none", "pad": 3}  # behind text that cuts an arrow

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
    network = layers(model, image)
    canvas = _Canvas(12, 5.75)
    _draw_equation(canvas, *network[1:3])
    # The layers that see more than a pixel, one of each depth: σ sees what μ sees
    seeing = [layer for layer in network if layer.sees and layer.kernel and layer.name != "σ"]
    _draw_fields(canvas, network[0], seeing)
    return canvas.figure


def autoencoder(model: ConvAE, image: Tensor) -> Figure:
    """Fig. 2: the autoencoder from the image to z and back; arguments as for Fig. 1."""
    network = layers(model, image)
    canvas = _Canvas(12, HEIGHT)
    encoder, decoder = _draw_network(canvas, network)
    error = _difference(network, image)
    _draw_heading(canvas, "Convolutional autoencoder", f"difference  =  {error:.1f}")

    latent = _named(network, "z").values.flatten()
    z = _draw_vector(canvas, latent, 10.9, (UPPER + LOWER - SLOT) / 2, "$z$")
    canvas.text(z.right + 0.1, z.y, _count(latent), ha="left")
    canvas.beam(encoder[-1].box, z._replace(bottom=z.y))
    canvas.beam(decoder[-1].box, z._replace(top=z.y))
    _draw_step(canvas, 10.25, UPPER - 0.15, _named(network, "z"), 1)
    _draw_step(canvas, 10.25, LOWER - SLOT + 0.65, network[-len(decoder)], -1)
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
    network = layers(model, image, epsilon)
    canvas = _Canvas(12, HEIGHT)
    encoder, decoder = _draw_network(canvas, network)
    mu, sigma = (_named(network, name).values.flatten() for name in "μσ")
    kl = kl_to_standard_normal(mu[None], sigma[None]).item()
    loss = f"difference + $D_{{KL}}$  =  {_difference(network, image):.1f} + {kl:.1f}"
    _draw_heading(canvas, "Convolutional variational autoencoder", loss)

    left, right = 10.15, 11.2
    posterior = Box(9.6, 3.33, 11.75, 4.77)
    canvas.box(posterior, LOSS, 1.2, 3, halo=False)
    kl_term = r"$D_{KL}\,[\,N(\mu, \sigma)\;\Vert\;N(0, 1)\,]$"
    canvas.text(posterior.right, posterior.top + 0.19, kl_term, 12, ha="right", colour=LOSS)
    softplus = _named(network, "σ").activation
    _draw_vector(canvas, mu, left, 4.06, r"$\mu$", _count(mu))
    _draw_vector(canvas, sigma, right, 4.06, r"$\sigma$", softplus)
    z = _draw_vector(canvas, mu + epsilon * sigma, left, 1.85,
                     r"$z = \mu + \varepsilon \cdot \sigma$", symbol_below=True)
    noise = _draw_vector(canvas, epsilon, right, 1.85, r"$\varepsilon \sim N(0, 1)$",
                         symbol_below=True)
    _draw_sampling(canvas, left, right, posterior.bottom, z.top, noise.top)
    canvas.beam(encoder[-1].box, posterior)
    canvas.beam(decoder[-1].box, z)
    _draw_step(canvas, 9.25, UPPER + 0.68, _named(network, "μ"), 1)
    _draw_step(canvas, 9.28, LOWER - SLOT - 0.12, network[-len(decoder)], -1)
    return canvas.figure


def _draw_sampling(canvas, left, right, posterior, z, noise):
    """z = μ + ε·σ: a sum below μ, a product below σ, and the arrows that join them; `posterior`,
    `z` and `noise` are the heights where these arrows begin or end."""
    level, radius = 2.93, 0.13
    for x, sign in ((left, "+"), (right, "×")):
        disc = Circle((x, level), radius, facecolor="white", edgecolor=INK, linewidth=1.1, zorder=8)
        canvas.axes.add_patch(disc)
        canvas.text(x, level, sign, 13)
    canvas.arrow((left, posterior), (left, level + radius))
    canvas.arrow((right, posterior), (right, level + radius))
    canvas.arrow((right - radius, level), (left + radius, level))
    canvas.arrow((right, noise), (right, level - radius))
    canvas.arrow((left, level - radius), (left, z))


class Box(NamedTuple):
    """A rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def x(self):
        return (self.left + self.right) / 2

    @property
    def y(self):
        return (self.bottom + self.top) / 2


class _Canvas:
    """A figure with one invisible pair of axes in inches."""

    def __init__(self, width, height):
        self.figure = new_figure(width, height)
        self.figure.set_layout_engine("none")  # nothing to arrange: all is placed by hand
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(0, height))
        self.axes.axis("off")
        self.axes.set_autoscale_on(False)

    def text(self, x, y, text, size=SMALL, ha="center", colour=INK, halo=False, **more):
        more = {"va": "center", "math_fontfamily": "cm", **more}
        self.axes.text(x, y, text, size=size, ha=ha, color=colour, zorder=9,
                       path_effects=_halo(2, halo), **more)

    def line(self, xs, ys, colour=WINDOW, width=0.8, zorder=5, halo=False):
        self.axes.plot(xs, ys, color=colour, linewidth=width, zorder=zorder,
                       path_effects=_halo(width, halo))

    def box(self, box, colour=WINDOW, width=1.3, zorder=6, fill="none", halo=True, **more):
        self.axes.add_patch(Rectangle(
            (box.left, box.bottom), box.right - box.left, box.top - box.bottom, edgecolor=colour,
            facecolor=fill, linewidth=width, zorder=zorder, path_effects=_halo(width, halo), **more,
        ))

    def arrow(self, start, end, colour=INK, style="-|>", width=1.1):
        self.axes.add_patch(FancyArrowPatch(
            start, end, arrowstyle=style, color=colour, linewidth=width, zorder=7,
            mutation_scale=10, shrinkA=0, shrinkB=0, connectionstyle="arc3,rad=0",
        ))

    def beam(self, start, end):
        """What joins a box to one further right: two edges, and a tint under the planes."""
        self.line([start.right, end.left], [start.bottom, end.bottom])
        self.line([start.right, end.left], [start.top, end.top])
        corners = [(start.right, start.bottom), (end.left, end.bottom),
                   (end.left, end.top), (start.right, start.top)]
        self.axes.add_patch(Polygon(corners, facecolor=WINDOW, alpha=0.10, linewidth=0, zorder=1))

    def cells(self, values, box, colours, low, high):
        """Values ``(rows, columns)`` as coloured cells that fill a box."""
        extent = (box.left, box.right, box.bottom, box.top)
        self.axes.imshow(values, extent=extent, cmap=colours, vmin=low, vmax=high,
                         interpolation="nearest", aspect="auto", zorder=2)


class _Planes:
    """Planes of a layer side by side, one cell a unit and one cell between planes; `cell` in
    dots."""

    def __init__(self, canvas, values, x, top, cell, columns=None, limit=None, picture=False,
                 frame=FAINT):
        self.count, self.h, self.w = values.shape
        self.columns = columns or math.ceil(math.sqrt(self.count))
        rows = math.ceil(self.count / self.columns)
        self.cell = cell * DOT
        sheet = np.full((rows * (self.h + 1) - 1, self.columns * (self.w + 1) - 1), np.nan)
        for i in range(self.count):
            row, column = self._origin(i)
            sheet[row:row + self.h, column:column + self.w] = values[i]
        height, width = (cells * self.cell for cells in sheet.shape)
        x, top = _snap(x), _snap(top)
        self.box = Box(x, top - height, x + width, top)
        limit = limit or _limit(values)
        colours, low, high = (GREYS, 0, 1) if picture else (SIGNED, -limit, limit)
        canvas.cells(sheet, self.box, colours, low, high)
        thin = frame == FAINT or cell < 5
        for i in range(self.count):
            canvas.box(self.window(i), frame, 0.6 if thin else 1.3, 3, halo=False)

    def _origin(self, i):
        row, column = divmod(i, self.columns)
        return row * (self.h + 1), column * (self.w + 1)

    def window(self, i, row=0, column=0, size=None):
        """The box of `size` × `size` units of plane `i`, cut off at its edge; else all."""
        rows, columns = (size, size) if size else (self.h, self.w)
        last_row, last_column = min(row + rows, self.h), min(column + columns, self.w)
        row, column = max(row, 0), max(column, 0)
        down, right = self._origin(i)
        left, top = self.box.left, self.box.top
        return Box(
            left + (right + column) * self.cell, top - (down + last_row) * self.cell,
            left + (right + last_column) * self.cell, top - (down + row) * self.cell,
        )


def _halo(width, wanted):
    return [withStroke(linewidth=width + 1.4, foreground="white")] if wanted else None


def _snap(length):
    return round(length / DOT) * DOT


def _limit(values):
    """The value with the strongest colour: nearly the largest, so that one outlier does not pale
    the rest."""
    return max(float(np.quantile(np.abs(np.asarray(values)), 0.995)), 1e-6)


def _draw_equation(canvas, o, n, at_most=4):
    """Equation (1): windows on the planes q of layer O, their weights, and the unit of plane p of
    layer N."""
    one = sum_at_one_unit(o, n)
    shown = min(o.maps, at_most)
    canvas.text(0.3, 5.5, "Equation (1) at one unit", LARGE, ha="left", weight="bold")
    planes = _Planes(canvas, o.values[:shown], 0.62, 4.72, 9, columns=1)
    plane = _Planes(canvas, n.sums[one.plane, None], 4.75, 3.95, 24, limit=_limit(n.sums))
    _draw_cards(canvas, plane.box, min(n.maps, 4))
    _draw_products(canvas, planes, plane, n, one)

    _draw_layer_name(canvas, planes.box.x, "layer $\\mathit{O}$: " + o.name,
                     f"{o.maps} planes $q$ of {o.size}")
    _draw_layer_name(canvas, 2.57, "weights", f"{n.kernel}×{n.kernel}, stride {n.stride}")
    _draw_layer_name(canvas, plane.box.x + 0.13, "layer $\\mathit{N}$: " + n.name,
                     f"{n.maps} planes $p$ of {n.size}")
    below = plane.box.bottom
    canvas.text(plane.box.x, below - 0.17, f"$N_p$,  $p = {one.plane + 1}$", 12)
    same_weights = "dashed: another unit,\nthe same weights"
    canvas.text(plane.box.left, below - 0.62, same_weights, ha="left")
    _draw_scale(canvas, plane.box.left, below - 1.1)
    _draw_numbers(canvas, one, shown)


def _draw_cards(canvas, box, count):
    """Some of the other planes p, as cards behind the one that is shown."""
    for i in range(1, count):
        card = Box(*(edge + 0.09 * i for edge in box))
        canvas.box(card, FAINT, 0.6, 1.5 - i / 10, "white", halo=False)


def _draw_products(canvas, planes, plane, n, one):
    """The windows of one unit, the weights that they are multiplied with, and, dashed, the windows
    of a second unit with the same weights."""
    dashed = {"colour": INK, "width": 1, "zorder": 5.5, "linestyle": (0, (2, 1.5))}
    column = one.column
    second = (one.row, column + 2 if column + 2 < n.width else column - 2)
    unit = plane.window(0, one.row, one.column, 1)
    weight = n.convolution.weight.detach()[one.plane]  # (planes q, kernel, kernel)
    limit = _limit(weight)
    for q in range(planes.count):
        box = planes.window(q)
        top = box.y + n.kernel * 10 * DOT
        kernel = _Planes(canvas, weight[q, None], 2.3, top, 20, limit=limit)
        canvas.box(planes.window(q, *window_start(n, *second), n.kernel), **dashed)
        window = planes.window(q, *window_start(n, one.row, one.column), n.kernel)
        canvas.box(window)
        canvas.beam(window, kernel.box)
        canvas.beam(kernel.box, unit)
        canvas.text(box.left - 0.08, box.y, f"$O_{{{q + 1}}}$", 12, ha="right")
        weights = f"$W_{{p{q + 1}}}$"
        canvas.text(kernel.box.right + 0.08, box.y, weights, 12, ha="left", halo=True)
    canvas.box(plane.window(0, *second, 1), **dashed)
    canvas.box(unit)


def _draw_layer_name(canvas, x, name, size):
    canvas.text(x, 5.1, name, MEDIUM, weight="bold")
    canvas.text(x, 4.89, size)


def _draw_numbers(canvas, one, shown):
    """The equation, and below it its terms at the unit."""
    equation = r"$N_p(x, y)\;=\;\sum_q \sum_i \sum_j\, W_{pq}(i, j)\; O_q(x + i,\, y + j)\;+\;b_p$"
    canvas.text(0.3, 0.8, equation, 14, ha="left")
    first, *others = one.terms[:shown]
    terms = " ".join([_plain(first, 3), *map(_signed, others)])
    if len(one.terms) > shown:
        terms += " + …"
    total, bias = _plain(one.total, 3), _signed(one.bias)
    numbers = f"here  {total} = {terms} {bias}   (a term a plane, and the bias)"
    canvas.text(0.3, 0.28, numbers, ha="left")


def _draw_fields(canvas, image, seeing, cell=16):
    """The receptive fields of one unit a layer, one within the other, on the image and the padding
    around it."""
    left, top = 6.95, 5.17
    margin = max(0, *(-layer.sees.start for layer in seeing))  # pixels of padding that are seen
    title = "What one unit sees of the image"
    canvas.text(left, 5.5, title, LARGE, ha="left", weight="bold")
    around = margin * cell * DOT
    picture = _Planes(canvas, image.values, left + around, top - around, cell, picture=True)
    box = picture.box
    padded = Box(left, box.bottom - around, box.right + around, top)
    canvas.box(padded, "none", 0, 1, "#e0e0e0", halo=False)
    canvas.text(box.x, box.bottom - around / 2, "padding", colour="#666666")

    x, y = padded.right + 0.17, top
    for i, layer in enumerate(reversed(seeing)):
        first, last = layer.sees.span(_middle_unit(layer, image))
        pixel = picture.cell
        field = Box(box.left + first * pixel, box.top - last * pixel,
                    box.left + last * pixel, box.top - first * pixel)
        canvas.box(field, width=1.6)
        y = min(y - 0.5, field.top - 0.05) if i else top - 0.17
        height = min(max(y, field.bottom), field.top)
        canvas.line([field.right, x - 0.06], [height, y], halo=True)
        size = LARGE if layer.part == "latent" else MEDIUM
        canvas.text(x, y, _symbol(layer), size, ha="left", weight="bold")
        whole = ":\nthe whole image" if first <= 0 and last >= image.height else ""
        seen = f"{layer.sees.size}×{layer.sees.size} pixels{whole}"
        canvas.text(x, y - 0.12, seen, ha="left", va="top")
    _explain_growth(canvas, left, seeing)


def _middle_unit(layer, image):
    """The unit whose field is nearest to the image's middle."""
    return min(range(layer.height), key=lambda unit: abs(sum(layer.sees.span(unit)) - image.height))


def _explain_growth(canvas, x, seeing):
    size, step = 1, 1
    growth = []
    for layer in seeing:
        growth.append(f"{size} + {layer.kernel - 1}·{step} = {layer.sees.size}")
        size, step = layer.sees.size, layer.sees.step
    rule = ("Each convolution adds (kernel − 1) × step pixels,\n"
            "and its stride multiplies the step:")
    canvas.text(x, 0.8, rule, ha="left")
    canvas.text(x, 0.28, ",   ".join(growth), ha="left")


def _draw_heading(canvas, title, loss):
    canvas.text(LEFT, HEIGHT - 0.22, title, LARGE, ha="left", weight="bold")
    canvas.text(RIGHT, HEIGHT - 0.22, f"loss  =  {loss}", 12, ha="right", colour=LOSS)


def _draw_network(canvas, network):
    """Encoder above, left to right, and decoder below, right to left: a layer and its mirror image
    share a column. Returns the planes of both rows, from left to right."""
    encoder = [layer for layer in network if layer.part in ("input", "encoder")]
    decoder = [layer for layer in network if layer.part == "decoder"]
    upper = _draw_row(canvas, encoder, UPPER, 1)
    lower = _draw_row(canvas, decoder[::-1], LOWER, -1)

    left, right = upper[1].box.left, upper[-1].box.right
    middle = (UPPER - SLOT + LOWER) / 2
    forth = "encoder: a unit sums over its windows in all planes of the layer before"
    back = "decoder: connected likewise, from right to left, with weights of its own"
    for y, start, end, text in ((middle + 0.14, left, right, forth),
                                (middle - 0.14, right, left, back)):
        canvas.arrow((start, y), (end, y), FAINT, width=0.9)
        canvas.text((left + right) / 2, y, text, bbox=GROUND)
    image, output = upper[0].box, lower[0].box
    canvas.arrow((image.x, output.top + 0.05), (image.x, image.bottom - 0.05), LOSS, "<|-|>")
    canvas.text(image.x, middle, "difference", colour=LOSS, bbox=GROUND)
    _draw_key(canvas, network)
    return upper, lower


def _draw_key(canvas, network):
    """The line at the foot: what the marks and colours mean, and how large the network is."""
    y, x = 0.2, LEFT
    norms = ", ".join(sorted({layer.normalised for layer in network if layer.normalised}))
    marks = [(WINDOW, "a unit and its windows", 2.05)]
    if norms:
        marks.append((NORMALISED, f"normalised ({norms})", 2.3))
    for colour, text, width in marks:
        canvas.box(Box(x, y - 0.06, x + 0.12, y + 0.06), colour, 1.3, halo=False)
        canvas.text(x + 0.2, y, text, ha="left")
        x += width
    _draw_scale(canvas, x, y, ", each layer on its own scale")
    parameters = sum(layer.parameters for layer in network)
    canvas.text(RIGHT, y, f"{parameters:,} parameters", ha="right")


def _draw_scale(canvas, x, y, note=""):
    """What the colours of signed values mean."""
    canvas.text(x, y, "negative", ha="left")
    box = Box(x + 0.65, y - 0.07, x + 1.1, y + 0.07)
    canvas.cells(np.array([[-0.5, 0, 0.5]]), box, SIGNED, -1, 1)
    canvas.box(box, FAINT, 0.6, 3, halo=False)
    canvas.text(x + 1.18, y, f"positive{note}", ha="left")


def _draw_row(canvas, chain, top, sign):
    """The layers of one row from left to right; `sign` 1 if that is the way the image takes, −1 if
    it comes back."""
    row = []
    for i, layer in enumerate(chain):
        x = LEFT + i * (SLOT + GAP)
        row.append(_draw_layer(canvas, layer, x, top))
        _label(canvas, layer, row[-1].count, x + SLOT / 2,
               top + 0.57 if sign > 0 else top - SLOT - 0.17)
    for i, (wide, narrow) in enumerate(pairwise(row), 1):
        step = chain[i] if sign > 0 else chain[i - 1]  # what the convolution between them makes
        _draw_windows(canvas, wide, narrow, step)
        _draw_step(canvas, LEFT + i * (SLOT + GAP) - GAP / 2, top - SLOT + 0.62, step, sign)
    return row


def _draw_layer(canvas, layer, left, top, least=3):
    """As many planes of a layer as fill its square, in its middle, with `least` dots a cell or
    more."""
    dots = round(SLOT / DOT)
    widest = max((dots // least + 1) // (layer.width + 1), 1)
    columns = min(math.ceil(math.sqrt(layer.maps)), widest)
    count = min(layer.maps, columns**2)
    rows = math.ceil(count / columns)
    cell = dots // (columns * (layer.width + 1) - 1)
    width = (columns * (layer.width + 1) - 1) * cell * DOT
    height = (rows * (layer.height + 1) - 1) * cell * DOT
    return _Planes(
        canvas, layer.values[:count], left + (SLOT - width) / 2, top - (SLOT - height) / 2, cell,
        columns, picture=layer.name == "layer 1", frame=NORMALISED if layer.normalised else FAINT,
    )


def _label(canvas, layer, count, x, y):
    size, notes = layer.size, []
    if layer.name != "layer 1":
        size += f" · {layer.maps} map{'s' * (layer.maps > 1)}"
    elif layer.part == "input":
        notes.append("input image")
    else:
        notes.append("output image")
    if count < layer.maps:
        size += f", {count} drawn"
    if layer.normalised:
        notes.append("normalised")
    if layer.activation:
        notes.append(layer.activation)
    canvas.text(x, y, layer.name, MEDIUM, weight="bold")
    canvas.text(x, y - 0.19, size)
    canvas.text(x, y - 0.38, ", ".join(notes))


def _draw_windows(canvas, wide, narrow, step):
    """One unit of the narrow layer, and the window in every plane of the wide one that it is
    connected with."""
    y, x = narrow.h // 2, narrow.w // 2
    row, column = window_start(step, y, x)
    for i in range(wide.count):
        window = wide.window(i, row, column, step.kernel)
        canvas.box(window, width=1, halo=wide.count < 5)
    unit = narrow.window(0, y, x, 1)
    canvas.box(unit, width=1)
    canvas.beam(wide.window(wide.columns - 1, row, column, step.kernel), unit)


def _draw_step(canvas, x, y, layer, sign):
    """The convolution that makes `layer`, as an arrow and what it is."""
    canvas.arrow((x - 0.22 * sign, y), (x + 0.22 * sign, y))
    canvas.text(x, y - 0.17, f"{layer.kernel}×{layer.kernel}")
    canvas.text(x, y - 0.35, f"stride {layer.stride}")
    canvas.text(x, y - 0.53, f"padding {layer.padding}")


def _draw_vector(canvas, values, x, y, symbol, note="", symbol_below=False):
    """A latent vector around (x, y): cells with their values, or a strip of cells where they are
    many; a note below, if any. Returns its box."""
    values = values.detach().flatten()
    many = len(values) > 3
    width, height = (0.3, 0.72) if many else (0.66, 0.27 * len(values))
    box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    limit = 2.5 * max(float(values.abs().max()), 1e-6)  # pale enough to read the values
    canvas.cells(values[:, None].numpy(), box, SIGNED, -limit, limit)
    canvas.box(box, INK, 1, 3, halo=False)
    if not many:
        for i, value in enumerate(values.tolist()):
            canvas.text(x, box.top - 0.27 * (i + 0.5), _plain(value))
    canvas.text(x, box.bottom - 0.18 if symbol_below else box.top + 0.17, symbol, 12)
    canvas.text(x, y - 0.55, note)
    return box


def _difference(network, image):
    return squared_error(network[-1].values[None], image[None]).item()


def _named(network, name):
    return next(layer for layer in network if layer.name == name)


def _symbol(layer):
    return {"z": "$z$", "μ": r"$\mu,\;\sigma$"}.get(layer.name, layer.name)


def _count(values):
    return f"{len(values)} value{'s' * (len(values) > 1)}"


def _plain(value, digits=2):
    return f"{value:.{digits}f}".replace("-", "−")


def _signed(value):
    return f"{'−' if value < 0 else '+'} {abs(value):.3f}"
