"""Figs. 1 to 3, drawn from a live model: every size, kernel, mark and value is read from it, none
is typed.

Places are pixels from the upper left corner.
"""

import math
from itertools import pairwise

from matplotlib.figure import Figure
from torch import Tensor

from convae.losses import kl_to_standard_normal, squared_error
from convae.models import ConvAE, ConvVAE
from convae.plots.canvas import GREYS, WINDOW, Box, Canvas, strongest
from convae.plots.introspection import layers, sum_at_one_unit, window_start
from convae.plots.style import HALO, INK

NORMALISED = "#1b7f5c"  # frames of normalised layers
LOSS = "#7a4fb5"        # what training minimises
HEADING = {"size": 13, "weight": "bold", "ha": "left"}
FORMULA = {"size": 12}
DASHED = {"edgecolor": INK, "linewidth": 1, "linestyle": (0, (2, 1.5))}
LEADER = {"arrowstyle": "-", "color": WINDOW, "path_effects": HALO}
DISC = {"boxstyle": "circle, pad=0.15", "facecolor": "white", "edgecolor": INK}
ARROW_GROUND = {"facecolor": "white", "edgecolor": "none"}
WIDTH, MARGIN = 1800, 45

# Fig. 1
PLANES_DRAWN = 4  # of layer O, at most
EQUATION = r"$N_p(x, y)\;=\;\sum_q \sum_i \sum_j\, W_{pq}(i, j)\; O_q(x + i,\, y + j)\;+\;b_p$"
GROWTH = "Each convolution adds (kernel − 1) × step pixels,\nand its stride multiplies the step:"

# Figs. 2 and 3: encoder above, decoder below; a layer and its mirror image share a column
HEIGHT = 878
SLOT, PITCH = 217, 352   # the side of a layer's square, and from one square to the next
UPPER, LOWER = 165, 495  # the squares' upper edges
MIDDLE = (UPPER + SLOT + LOWER) / 2
LEAST_CELL = 3           # pixels a unit: of a layer with many maps, only some are drawn
ENCODER = "encoder, left to right: a unit sums over its windows in all planes of the layer before"
DECODER = "decoder, right to left: connected likewise, with weights of its own"
KEY = {
    "□ a unit and its windows": WINDOW,
    "□ normalised": NORMALISED,
    "■ negative": "#b86410",
    "■ positive": "#2f6fb0",
}


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
    canvas = Canvas(WIDTH, 862)
    _draw_equation(canvas, *network[1:3])
    _draw_fields(canvas, network[:5])  # to z, or to μ: σ sees what μ sees
    return canvas.figure


def _draw_equation(canvas, o, n):
    """Equation (1): windows on the planes q of layer O, their weights, and the unit of plane p of
    layer N; dashed, another unit of that plane."""
    one = sum_at_one_unit(o, n)
    weights = n.convolution.weight.detach()[one.plane]  # (planes q, kernel, kernel)
    limits = strongest(o.values), strongest(weights)
    aside = one.column + 2 if one.column + 2 < n.width else one.column - 2
    start, start_aside = (window_start(n, one.row, column) for column in (one.column, aside))

    plane_p = canvas.planes(n.sums[one.plane, None], 712, 270, 24, strongest(n.sums))
    unit = plane_p.window(0, one.row, one.column, 1)
    for q in range(min(o.maps, PLANES_DRAWN)):
        top = 154 + 135 * q
        plane = canvas.planes(o.values[q, None], 93, top, 9, limits[0])
        y = plane.box.y
        kernel = canvas.planes(weights[q, None], 345, y - 10 * n.kernel, 20, limits[1])
        window = plane.window(0, *start, n.kernel)
        canvas.box(plane.window(0, *start_aside, n.kernel), **DASHED)
        canvas.box(window)
        canvas.beam(window, kernel.box)
        canvas.beam(kernel.box, unit)
        canvas.text(65, y, f"$O_{{{q + 1}}}$", **FORMULA)
        canvas.text(458, y, f"$W_{{p{q + 1}}}$", path_effects=HALO, **FORMULA)
    canvas.box(plane_p.window(0, one.row, aside, 1), **DASHED)
    canvas.box(unit)

    canvas.text(MARGIN, 36, "Equation (1) at one unit", **HEADING)
    canvas.name(156, 97, f"layer $\\mathit{{O}}$: {o.name}", f"{o.maps} planes $q$ of {o.size}")
    canvas.name(385, 97, "weights", f"{n.window}, stride {n.stride}")
    canvas.name(796, 97, f"layer $\\mathit{{N}}$: {n.name}", f"{n.maps} planes $p$ of {n.size}")
    canvas.text(796, 465, f"$N_p$,  $p = {one.plane + 1}$", **FORMULA)
    canvas.text(712, 530, "dashed: another unit,\nthe same weights", ha="left")
    for y, sign in ((590, "■ negative"), (618, "■ positive")):
        canvas.text(712, y, sign, color=KEY[sign], ha="left")
    canvas.text(MARGIN, 742, EQUATION, size=14, ha="left")
    canvas.text(MARGIN, 820, _numbers(one), ha="left")


def _numbers(one):
    """Equation (1) at the unit, with its terms."""
    terms = [f"{term:+.3f}" for term in one.terms[:PLANES_DRAWN]]
    if len(one.terms) > PLANES_DRAWN:
        terms.append("+ …")
    sides = f"{one.total:.3f} = {' '.join(terms)} {one.bias:+.3f}"
    return f"here  {_with_minus(sides)}   (a term a plane, and the bias)"


def _draw_fields(canvas, network):
    """The receptive fields of one unit a layer, one within the other, on the image and the padding
    around it."""
    image, *seeing = network
    left, top, cell = 1042, 88, 16
    padding = -min(layer.sees.start for layer in network)
    around = cell * padding
    picture = canvas.planes(image.values, left + around, top + around, cell, 1, GREYS)
    padded = picture.window(0, -padding, -padding, image.height + 2 * padding)
    canvas.box(padded, facecolor="#e0e0e0", edgecolor="none", zorder=0)
    canvas.text(padded.x, padded.bottom - around / 2, "padding")
    names = padded.right + 25
    for place, layer in enumerate(reversed(seeing)):
        first, _ = layer.sees.span((layer.height - 1) // 2)
        field = picture.window(0, first, first, layer.sees.size)
        y = 98 + 85 * place
        size = layer.sees.size
        canvas.box(field, linewidth=1.6)
        canvas.arrow((field.right, field.top), (names - 6, y), **LEADER)
        canvas.name(names, y, layer.name, f"{size}×{size} pixels", ha="left")

    growth = []
    for before, layer in pairwise(network):
        size, step, _ = before.sees
        growth.append(f"{size} + {layer.kernel - 1}·{step} = {layer.sees.size}")
    canvas.text(left, 36, "What one unit sees of the image", **HEADING)
    canvas.text(left, 742, GROWTH, ha="left")
    canvas.text(left, 820, ",   ".join(growth), ha="left")


def autoencoder(model: ConvAE, image: Tensor) -> Figure:
    """Fig. 2: the autoencoder from the image to z and back; arguments as for Fig. 1."""
    network = layers(model, image)
    canvas = Canvas(WIDTH, HEIGHT)
    title = f"Convolutional autoencoder, {model.latent_dim}-D"
    _draw_heading(canvas, title, f"difference  =  {_difference(network):.1f}")
    encoder, decoder = _draw_network(canvas, network)
    z = _draw_vector(canvas, 1640, MIDDLE, network[4].values, "$z$")
    _connect(canvas, encoder, z._replace(bottom=z.y), "⟶", network[4])
    _connect(canvas, decoder, z._replace(top=z.y), "⟵", network[5])
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
    difference = _difference(network)
    mu, sigma = (layer.values.flatten() for layer in network[4:6])
    kl = kl_to_standard_normal(mu[None], sigma[None]).item()
    loss = f"difference + $D_{{KL}}$  =  {difference:.1f} + {kl:.1f}"
    canvas = Canvas(WIDTH, HEIGHT)
    title = f"Convolutional variational autoencoder, {model.latent_dim}-D"
    _draw_heading(canvas, title, loss)
    encoder, decoder = _draw_network(canvas, network)

    left, right = 1518, 1680
    above, below = UPPER + SLOT / 2, LOWER + SLOT / 2
    posterior = Box(1440, UPPER, WIDTH - MARGIN, UPPER + SLOT)
    canvas.box(posterior, edgecolor=LOSS, path_effects=None)
    divergence = r"$D_{KL}\,[\,N(\mu, \sigma)\;\Vert\;N(0, 1)\,]$"
    canvas.text(posterior.x, posterior.top - 26, divergence, color=LOSS, **FORMULA)
    draw = mu + epsilon * sigma
    _draw_vector(canvas, left, above, mu, r"$\mu$")
    _draw_vector(canvas, right, above, sigma, rf"$\sigma$, {network[5].activation}")
    z = _draw_vector(canvas, left, below, draw, r"$z = \mu + \varepsilon \cdot \sigma$")
    noise = _draw_vector(canvas, right, below, epsilon, r"$\varepsilon \sim N(0, 1)$")
    _connect(canvas, encoder, posterior, "⟶", network[4])
    _connect(canvas, decoder, z, "⟵", network[6])

    arrows = (
        ((left, posterior.bottom), (left, MIDDLE - 17)),
        ((right, posterior.bottom), (right, MIDDLE - 17)),
        ((right, noise.top), (right, MIDDLE + 17)),
        ((right - 17, MIDDLE), (left + 17, MIDDLE)),
        ((left, MIDDLE + 17), (left, z.top)),
    )
    for start, end in arrows:
        canvas.arrow(start, end)
    canvas.text(left, MIDDLE, "+", size=13, bbox=DISC)
    canvas.text(right, MIDDLE, "×", size=13, bbox=DISC)
    return canvas.figure


def _draw_heading(canvas, title, loss):
    canvas.text(MARGIN, 33, title, **HEADING)
    canvas.text(WIDTH - MARGIN, 33, f"loss  =  {loss}", ha="right", color=LOSS, **FORMULA)


def _draw_network(canvas, network):
    """Encoder and decoder, and what the marks mean. Returns the boxes of their layers 4."""
    encoder, decoder = network[:4], network[:-5:-1]  # layers 1 to 4
    names_below = LOWER + SLOT + 26
    upper = _draw_row(canvas, encoder, encoder[1:], UPPER, UPPER - 88, "⟶")
    lower = _draw_row(canvas, decoder, decoder[:-1], LOWER, names_below, "⟵")

    image = MARGIN + SLOT / 2
    ends = (image, UPPER + SLOT - 5), (image, LOWER + 5)
    canvas.arrow(*ends, arrowstyle="<|-|>", color=LOSS)
    canvas.text(image, MIDDLE, "difference", color=LOSS, bbox=ARROW_GROUND)
    canvas.text(MARGIN + PITCH, MIDDLE - 18, ENCODER, ha="left")
    canvas.text(MARGIN + PITCH, MIDDLE + 18, DECODER, ha="left")
    for place, (mark, colour) in enumerate(KEY.items()):
        canvas.text(MARGIN + 290 * place, HEIGHT - 30, mark, color=colour, ha="left")
    parameters = sum(layer.parameters for layer in network)
    note = f"colours: each layer on its own scale  ·  {parameters:,} parameters"
    canvas.text(WIDTH - MARGIN, HEIGHT - 30, note, ha="right")
    return upper, lower


def _draw_row(canvas, chain, made, top, names, arrow):
    """The layers of one row from left to right, joined by what the convolutions between them have
    `made`. Returns the last layer's box."""
    sheets = []
    for place, layer in enumerate(chain):
        left = MARGIN + PITCH * place
        sheet = _draw_layer(canvas, layer, left, top)
        canvas.name(left + SLOT / 2, names, layer.name, _facts(layer, sheet.count))
        sheets.append(sheet)
    middle = MARGIN + (SLOT + PITCH) / 2  # of the first gap
    for (wide, narrow), result in zip(pairwise(sheets), made, strict=True):
        _draw_windows(canvas, wide, narrow, result)
        _draw_convolution(canvas, middle, top + 155, arrow, result)
        middle += PITCH
    return sheets[-1].box


def _draw_layer(canvas, layer, left, top):
    """As many planes of a layer as fill its square, in its middle."""
    pitch = layer.width + 1
    widest = (SLOT // LEAST_CELL + 1) // pitch
    columns = min(math.ceil(math.sqrt(layer.maps)), widest)
    cells = columns * pitch - 1  # along a side
    cell = SLOT // cells
    inset = (SLOT - cell * cells) // 2
    look = {"edgecolor": NORMALISED, "linewidth": 1.3} if layer.normalised else {}
    if layer.name == "layer 1":
        look |= {"limit": 1, "colours": GREYS}
    return canvas.planes(layer.values[:columns**2], left + inset, top + inset, cell, **look)


def _facts(layer, drawn):
    """A layer's size and maps, and below what its values have passed."""
    maps = f"{layer.maps} map{'s' * (layer.maps > 1)}"
    if drawn < layer.maps:
        maps += f", {drawn} drawn"
    passed = filter(None, (layer.normalised, layer.activation))
    return f"{layer.size} · {maps}\n{', '.join(passed) or 'input image'}"


def _draw_windows(canvas, wide, narrow, result):
    """One unit of the narrow layer, and the window in every plane of the wide one that it is
    connected with."""
    middle = narrow.size // 2
    start = window_start(result, middle, middle)
    unit = narrow.window(0, middle, middle, 1)
    for plane in range(wide.count):
        canvas.box(wide.window(plane, *start, result.kernel), linewidth=1)
    canvas.box(unit, linewidth=1)
    canvas.beam(wide.window(wide.columns - 1, *start, result.kernel), unit)


def _connect(canvas, layer_4, vector, arrow, made):
    """The beam between the box of layer 4 and a latent vector's, and the convolution between them
    that has `made` the one or the other."""
    canvas.beam(layer_4, vector)
    y = layer_4.y + (vector.y - layer_4.y) / 4
    _draw_convolution(canvas, layer_4.right + 65, y, arrow, made)


def _draw_convolution(canvas, x, y, arrow, made):
    lines = f"{arrow}\n{made.window}\nstride {made.stride}\npadding {made.padding}"
    canvas.text(x, y, lines)


def _draw_vector(canvas, x, y, values, caption):
    """A latent vector around (x, y): its values, the first two and the last where they are many.
    Returns its box."""
    numbers = [f"{value:.2f}" for value in values.flatten().tolist()]
    if len(numbers) > 3:
        numbers[2:-1] = "⋮"
    box = Box(x - 55, y - 55, x + 55, y + 55)
    canvas.box(box, edgecolor=INK, linewidth=1, path_effects=None)
    canvas.text(x, y, _with_minus("\n".join(numbers)))
    canvas.text(x, box.bottom + 22, caption, size=11)
    return box


def _difference(network):
    return squared_error(network[-1].values[None], network[0].values[None]).item()


def _with_minus(text):
    return text.replace("-", "−")
