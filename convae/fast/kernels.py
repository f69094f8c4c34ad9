"""The arithmetic of a training step, as formulas: what each kernel computes, not in which order.

Halide (https://halide-lang.org) takes formulas like these, and a schedule that says how to execute
them (:mod:`convae.fast.schedules`), and compiles both for the processor at hand. A ``Func`` is an
array that is defined at every index; ``+=`` over an ``RDom``, a domain of indices, is a sum.

Images are the innermost axis: maps, ``(C, h, h, N)`` in torch, are ``a[n, j, i, c]`` here, image n,
column j, row i, map c. So a vector of a processor holds one pixel of several images, and every
formula below is the same for all of them. N is rounded up to whole blocks of images; those beyond
the batch, `images`, count in no sum and have no gradient.

Maps are kept as they are before the activation: what a layer hands on is

    h = LeakyReLU(scale · a + shift),

where scale and shift hold the normalisation or, without one, 1 and the bias. An input image has
scale 1, shift 0 and is not negative; a gradient has scale 1, shift 0 and slope 1: h = a.
"""

from typing import NamedTuple

import halide as hl

STRIDE = 2
FLOAT, WHOLE = hl.Float(32), hl.Int(32)
n, j, i, c, o, x, y, q = (hl.Var(name) for name in "njicoxyq")
lane, part, block = (hl.Var(name) for name in ("lane", "part", "block"))


class Kernel(NamedTuple):
    """A kernel's result, what it is called with, and its parts, for a schedule to arrange."""

    result: hl.Func
    arguments: list
    parts: dict


class Activated:
    """The maps h = LeakyReLU(scale · a + shift) of a kernel's arguments a, scale, shift, slope."""

    def __init__(self, name: str):
        a, scale, shift = hl.ImageParam(FLOAT, 4), hl.ImageParam(FLOAT, 1), hl.ImageParam(FLOAT, 1)
        slope = hl.Param(FLOAT)
        value = scale[c] * a[n, j, i, c] + shift[c]
        self.h = hl.Func(name)
        self.h[n, j, i, c] = hl.max(value, slope * value)
        self.arguments = [a, scale, shift, slope]
        self.images, self.height, self.maps = (a.dim(axis).extent() for axis in (0, 1, 3))

    def at(self, n, j, i, c):
        """h, of which no pixel outside is ever read: where one is meant, it is not summed."""
        return self.h[n, hl.clamp(j, 0, self.height - 1), hl.clamp(i, 0, self.height - 1), c]

    def or_zero(self):
        """h, and 0 outside."""
        padded = hl.Func("padded")
        inside = self.inside(j) & self.inside(i)
        padded[n, j, i, c] = hl.select(inside, self.at(n, j, i, c), 0.0)
        return padded

    def inside(self, j):
        return (j >= 0) & (j < self.height)


def convolution() -> Kernel:
    """Equation (1), with stride 2: the sum over kernel and maps, at each pixel of each map.

    Also the gradient of :func:`transposed_convolution` for its input.
    """
    source = Activated("h")
    w, padding = hl.ImageParam(FLOAT, 4), hl.Param(WHOLE)  # w[x, y, c, o]
    size = w.dim(0).extent()
    tap = hl.RDom([(0, size), (0, size), (0, source.maps)])
    column, row = STRIDE * j + tap.x - padding, STRIDE * i + tap.y - padding
    tap.where(source.inside(column))
    tap.where(source.inside(row))
    total, result = hl.Func("total"), hl.Func("result")
    total[n, j, i, o] = 0.0
    total[n, j, i, o] += w[tap.x, tap.y, tap.z, o] * source.at(n, column, row, tap.z)
    result[n, j, i, o] = total[n, j, i, o]
    return Kernel(result, [*source.arguments, w, padding],
                  {"h": source.h, "total": total, "tap": tap})


def transposed_convolution() -> Kernel:
    """The same connections from right to left: the decoder's layers, and an encoder's gradients.

    With stride 2, a pixel of the result meets every second row and column of the kernel.
    """
    source = Activated("h")
    w, padding = hl.ImageParam(FLOAT, 4), hl.Param(WHOLE)  # w[x, y, o, c]
    size = w.dim(0).extent()
    half = (size + STRIDE - 1) // STRIDE
    tap = hl.RDom([(0, half), (0, half), (0, source.maps)])
    x, y = (j + padding) % STRIDE + STRIDE * tap.x, (i + padding) % STRIDE + STRIDE * tap.y
    column, row = (j + padding) // STRIDE - tap.x, (i + padding) // STRIDE - tap.y
    tap.where((x < size) & source.inside(column))
    tap.where((y < size) & source.inside(row))
    weight = w[hl.clamp(x, 0, size - 1), hl.clamp(y, 0, size - 1), o, tap.z]
    total, result = hl.Func("total"), hl.Func("result")
    total[n, j, i, o] = 0.0
    total[n, j, i, o] += weight * source.at(n, column, row, tap.z)
    result[n, j, i, o] = total[n, j, i, o]
    return Kernel(result, [*source.arguments, w, padding],
                  {"h": source.h, "total": total, "tap": tap})


def weight_gradient(lanes: int, few: int, block_size: int) -> Kernel:
    """Of either: the sum over images and pixels of what each weight connects.

    A convolution leads from wide maps to narrow ones, its transpose back; one of the two are
    activations, the other a gradient. A fixed order: summed for each lane of a vector, over a few
    images, then the others of a block, then over lanes and blocks.
    """
    wide, narrow = Activated("wide"), Activated("narrow")
    padding = hl.Param(WHOLE)
    padded, filled = wide.or_zero(), hl.Func("filled")
    filled[n, j, i, c] = narrow.h[n, j, i, hl.clamp(c, 0, narrow.maps - 1)]
    pixel = hl.RDom([(0, few // lanes), (0, narrow.height), (0, narrow.height)])
    image = few * part + lanes * pixel.x + lane
    column, row = STRIDE * pixel.y + x - padding, STRIDE * pixel.z + y - padding
    of_few, by_lane, by_block, result = (
        hl.Func(name) for name in ("of_few", "by_lane", "by_block", "result"))
    of_few[lane, x, y, c, o, part] = 0.0
    of_few[lane, x, y, c, o, part] += (
        filled[image, pixel.y, pixel.z, o] * padded[image, column, row, c])
    parts, across = hl.RDom([(0, block_size // few)]), hl.RDom([(0, lanes)])
    by_lane[lane, x, y, c, o, block] = 0.0
    by_lane[lane, x, y, c, o, block] += (
        of_few[lane, x, y, c, o, block_size // few * block + parts.x])
    by_block[x, y, c, o, block] = 0.0
    by_block[x, y, c, o, block] += by_lane[across.x, x, y, c, o, block]
    blocks = hl.RDom([(0, narrow.images // block_size)])
    result[x, y, c, o] = 0.0
    result[x, y, c, o] += by_block[x, y, c, o, blocks.x]
    return Kernel(result, [*wide.arguments, *narrow.arguments, padding], {
        "padded": padded, "filled": filled, "of_few": of_few, "pixel": pixel,
        "by_lane": by_lane, "parts": parts, "by_block": by_block, "across": across})


def _sums(values, a, images, lanes: int, size: int):
    """The sums over pixels and images of each of `values`, functions of n, j, i, c: by block."""
    pixel = hl.RDom([(0, size // lanes), (0, a.dim(1).extent()), (0, a.dim(2).extent())])
    image = size * block + lanes * pixel.x + lane
    counts = image < images
    by_lane, by_block, result = (hl.Func(name) for name in ("by_lane", "by_block", "sums"))
    terms = [hl.select(counts, value(image, pixel.y, pixel.z, c), 0.0) for value in values]
    by_lane[lane, c, block] = tuple(0.0 for _ in values)
    by_lane[lane, c, block] = tuple(by_lane[lane, c, block][k] + term
                                    for k, term in enumerate(terms))
    across, blocks = hl.RDom([(0, lanes)]), hl.RDom([(0, a.dim(0).extent() // size)])
    by_block[c, block] = tuple(0.0 for _ in values)
    by_block[c, block] = tuple(by_block[c, block][k] + by_lane[across.x, c, block][k]
                               for k in range(len(values)))
    result[c] = tuple(0.0 for _ in values)
    result[c] = tuple(result[c][k] + by_block[c, blocks.x][k] for k in range(len(values)))
    return result, {"by_lane": by_lane, "by_block": by_block, "sums": result, "pixel": pixel,
                    "across": across}


def normalisation(lanes: int, size: int) -> Kernel:
    """Batch normalisation of maps: their mean and variance, and what they mean for the layer.

    Rows of the result, ``(6, C)``: scale and shift; mean and 1 / σ; mean and variance as PyTorch
    keeps them for later use, with the bias and with n − 1.
    """
    a, images, epsilon = hl.ImageParam(FLOAT, 4), hl.Param(WHOLE), hl.Param(FLOAT)
    gamma, beta, bias = (hl.ImageParam(FLOAT, 1) for _ in range(3))
    at = [lambda n, j, i, c: a[n, j, i, c], lambda n, j, i, c: a[n, j, i, c] * a[n, j, i, c]]
    sums, parts = _sums(at, a, images, lanes, size)
    count = hl.cast(FLOAT, images * a.dim(1).extent() * a.dim(2).extent())
    mean = sums[c][0] / count
    variance = hl.max(sums[c][1] / count - mean * mean, 0.0)
    inverse = 1.0 / hl.sqrt(variance + epsilon)
    scale = gamma[c] * inverse
    result = hl.Func("result")
    result[c, q] = hl.mux(q, [scale, beta[c] - scale * mean, mean, inverse, mean + bias[c],
                              variance * count / (count - 1)])
    return Kernel(result, [a, gamma, beta, bias, epsilon, images], parts)


class Backward:
    """The gradient e of h, taken back through the activation; and maps a, normalised."""

    def __init__(self):
        self.e, self.a = hl.ImageParam(FLOAT, 4), hl.ImageParam(FLOAT, 4)
        scale, shift, mean, inverse = (hl.ImageParam(FLOAT, 1) for _ in range(4))
        slope = hl.Param(FLOAT)
        self.images = hl.Param(WHOLE)
        self.scale, self.mean, self.inverse, self.slope, self.shift = (
            scale, mean, inverse, slope, shift)
        self.arguments = [self.e, self.a, scale, shift, mean, inverse, slope, self.images]

    def activated(self, n, j, i, c):
        value = self.scale[c] * self.a[n, j, i, c] + self.shift[c]
        return self.e[n, j, i, c] * hl.select(value > 0, 1.0, self.slope)

    def normalised(self, n, j, i, c):
        return (self.a[n, j, i, c] - self.mean[c]) * self.inverse[c]


def affine_gradient(lanes: int, size: int) -> Kernel:
    """Gradients of shift, or bias, and scale: the rows of the result, ``(2, C)``."""
    back = Backward()
    values = [back.activated,
              lambda *at: back.activated(*at) * back.normalised(*at)]
    sums, parts = _sums(values, back.a, back.images, lanes, size)
    result = hl.Func("result")
    result[c, q] = hl.mux(q, [sums[c][0], sums[c][1]])
    return Kernel(result, back.arguments, parts)


def map_gradient() -> Kernel:
    """The gradient of maps a, through activation and normalisation, which mixes all images.

    `share` is 1 over the number of normalised pixels, or 0 where nothing is normalised.
    """
    back = Backward()
    sums, share = hl.ImageParam(FLOAT, 2), hl.Param(FLOAT)
    e, normalised = back.activated(n, j, i, c), back.normalised(n, j, i, c)
    centred = e - share * (sums[c, 0] + normalised * sums[c, 1])
    result = hl.Func("result")
    result[n, j, i, c] = hl.select(n < back.images, back.scale[c] * centred, 0.0)
    return Kernel(result, [*back.arguments, sums, share], {})


def reconstruction() -> Kernel:
    """The image: sigmoid on the last layer."""
    a, bias = hl.ImageParam(FLOAT, 4), hl.ImageParam(FLOAT, 1)
    result = hl.Func("result")
    value = a[n, j, i, c] + bias[c]
    result[n, j, i, c] = _or_nan(value, 1.0 / (1.0 + hl.exp(-value)))
    return Kernel(result, [a, bias], {})


def _or_nan(argument, value):
    """The value, or what is no number: Halide's functions may give one for it."""
    return hl.select(hl.is_nan(argument), argument, value)


def difference(kind: str) -> Kernel:
    """Section 2.3: how output and input differ, summed over the pixels of each image."""
    output, wanted = hl.ImageParam(FLOAT, 4), hl.ImageParam(FLOAT, 4)
    pixel = hl.RDom([(0, output.dim(1).extent()), (0, output.dim(2).extent())])
    r, x = (image[n, pixel.x, pixel.y, 0] for image in (output, wanted))
    if kind == "squared_error":
        by_pixel = (r - x) * (r - x)
    else:  # PyTorch, too, bounds the logarithms
        by_pixel = -x * hl.max(hl.log(r), -100.0) - (1.0 - x) * hl.max(hl.log(1.0 - r), -100.0)
        by_pixel = _or_nan(r, by_pixel)
    result = hl.Func("result")
    result[n] = 0.0
    result[n] += by_pixel
    return Kernel(result, [output, wanted], {"pixel": pixel})


def difference_gradient(kind: str) -> Kernel:
    """Of the last layer before its sigmoid, given that of each image's difference."""
    output, wanted = hl.ImageParam(FLOAT, 4), hl.ImageParam(FLOAT, 4)
    of_difference, images = hl.ImageParam(FLOAT, 1), hl.Param(WHOLE)
    r, x = output[n, j, i, c], wanted[n, j, i, c]
    slope = r * (1.0 - r)  # of the sigmoid
    if kind == "squared_error":
        gradient = 2.0 * (r - x) * slope
    else:  # PyTorch, too, bounds the denominator, for a sigmoid rounded to 0 or 1
        gradient = (r - x) * slope / hl.max(slope, hl.f32(1e-12))
    result = hl.Func("result")
    result[n, j, i, c] = hl.select(n < images, of_difference[n] * gradient, 0.0)
    return Kernel(result, [output, wanted, of_difference, images], {})
