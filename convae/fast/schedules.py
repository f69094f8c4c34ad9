"""How the kernels are executed: loops, vectors, registers and threads, compiled once a process.

For a reader who has never seen Halide: a ``Func`` alone says nothing of loops. ``split`` makes two
of a loop, ``reorder`` names loops from the innermost out, ``vectorize`` turns a loop into one
instruction, ``unroll`` writes its rounds out, ``parallel`` gives them to threads, and
``a.compute_at(b, v)`` computes what b needs of a inside b's loop v, in a small scratch array or, if
it is small and unrolled, in registers. None of this changes what is computed.

A sum in a register needs others beside it, or each addition waits for the one before. Each thread
takes a share of the blocks of images; what a block gives, and the order in which blocks are added,
is the same for any number of threads.
"""

from functools import cache

import halide as hl

from convae.fast import kernels
from convae.fast.kernels import Kernel, block, c, i, j, lane, n, o, q, x, y

TARGET = hl.get_host_target()
LANES = TARGET.natural_vector_size(hl.Float(32))  # 8 with AVX2, 16 with AVX-512, 4 on ARM
BLOCK = 64                                        # images; a batch is rounded up to this
SUMS = 8                                          # vectors of sums that stay in registers
PADDED = hl.TailStrategy.GuardWithIf              # the last part may be smaller
AGAIN = hl.TailStrategy.ShiftInwards              # the last part overlaps the one before
outer, inner, share, image = (hl.Var(name) for name in ("outer", "inner", "share", "image"))


@cache
def compiled(name: str, *options):
    """The kernel of this name, and how many images it computes together."""
    schedule = {"convolution": _convolution, "transposed_convolution": _transposed_convolution,
                "weight_gradient": _weight_gradient, "normalisation": _normalisation,
                "affine_gradient": _affine_gradient, "map_gradient": _map_gradient,
                "difference": _difference, "difference_gradient": _difference_gradient,
                "reconstruction": _reconstruction, "activation": _activation}[name]
    blocks = hl.Param(hl.Int(32))  # of one thread
    kernel, images = schedule(blocks, *options)
    return kernel.result.compile_to_callable([*kernel.arguments, blocks], TARGET), images


def _convolution(blocks, maps: int):
    return _sums_in_registers(kernels.convolution(), blocks, maps)


def _transposed_convolution(blocks, maps: int):
    return _sums_in_registers(kernels.transposed_convolution(), blocks, maps)


def _sums_in_registers(kernel: Kernel, blocks, maps: int):
    """At each pixel, the sums for `maps` maps of several vectors of images stay in registers."""
    result, (h, total, tap) = kernel.result, kernel.parts.values()
    images = LANES * SUMS // maps
    result.split(n, block, image, images).split(block, share, block, blocks, PADDED)
    result.split(o, outer, inner, maps, AGAIN)
    result.reorder(image, inner, j, i, outer, block, share).parallel(share)
    result.vectorize(image, LANES).unroll(image).unroll(inner)
    h.compute_at(result, block).vectorize(n, LANES)
    total.compute_at(result, j).vectorize(n, LANES).unroll(n).unroll(o)
    sums = total.update()
    sums.reorder(n, o, tap.z, tap.x, tap.y).vectorize(n, LANES).unroll(n).unroll(o)
    _one_form(result, h, total)
    return kernel, images


def _weight_gradient(blocks, size: int, maps: int):
    """In registers: the weights of one row of the kernel, for `maps` maps."""
    kernel = kernels.weight_gradient(LANES, BLOCK)
    padded, narrow, by_lane, pixel, total, across, by_block = kernel.parts.values()
    by_block.compute_root().bound(x, 0, size).bound(y, 0, size)
    by_block.split(block, share, block, blocks, PADDED).split(o, outer, inner, maps, AGAIN)
    by_block.reorder(x, inner, y, c, outer, block, share).parallel(share).unroll(x).unroll(inner)
    padded.compute_at(by_block, block).vectorize(n, LANES)
    narrow.compute_at(by_block, block).vectorize(n, LANES)
    total.compute_at(by_block, y).unroll(x).unroll(o)
    total.update().reorder(across.x, x, o).unroll(x).unroll(o).atomic().vectorize(across.x)
    by_lane.compute_at(by_block, y).vectorize(lane, LANES).unroll(x).unroll(o)
    by_lane.update().reorder(lane, x, o, pixel.x, pixel.y, pixel.z)
    by_lane.update().vectorize(lane, LANES).unroll(x).unroll(o)
    _one_form(kernel.result, by_block, padded, narrow, by_lane, total)
    return kernel, BLOCK


def _normalisation(blocks):
    return _sums_of_maps(kernels.normalisation(4 * LANES, BLOCK), blocks, rows=6)


def _affine_gradient(blocks):
    return _sums_of_maps(kernels.affine_gradient(4 * LANES, BLOCK), blocks, rows=2)


def _sums_of_maps(kernel: Kernel, blocks, rows: int):
    by_lane, by_block, sums, pixel, across = kernel.parts.values()
    sums.compute_root()
    by_block.compute_root()
    by_block.update().split(block, share, block, blocks, PADDED)
    by_block.update().reorder(across.x, c, block, share).parallel(share)
    by_lane.compute_at(by_block, c).vectorize(lane, LANES).unroll(lane)
    by_lane.update().reorder(lane, pixel.x, pixel.y, pixel.z).vectorize(lane, LANES).unroll(lane)
    kernel.result.bound(q, 0, rows).unroll(q)
    _one_form(kernel.result, by_block, sums, by_lane)
    return kernel, BLOCK


def _map_gradient(blocks):
    return _by_pixel(kernels.map_gradient(), blocks)


def _activation(blocks):
    return _by_pixel(kernels.activation(), blocks)


def _reconstruction(blocks):
    return _by_pixel(kernels.reconstruction(), blocks)


def _difference_gradient(blocks, kind: str):
    return _by_pixel(kernels.difference_gradient(kind), blocks)


def _by_pixel(kernel: Kernel, blocks):
    result = kernel.result
    result.split(n, block, image, BLOCK).split(block, share, block, blocks, PADDED)
    result.reorder(image, j, i, c, block, share).parallel(share).vectorize(image, LANES)
    _one_form(result)
    return kernel, BLOCK


def _difference(blocks, kind: str):
    kernel = kernels.difference(kind)
    pixel, sums = kernel.parts["pixel"], kernel.result.update()
    sums.split(n, block, image, BLOCK).split(block, share, block, blocks, PADDED)
    sums.reorder(image, pixel.x, pixel.y, block, share).parallel(share).vectorize(image, LANES)
    _one_form(kernel.result)
    return kernel, BLOCK


def _one_form(*functions):
    """Loops in one form: special ones for first and last rounds would take longer to compile."""
    for function in functions:
        function.never_partition_all()
        for number in range(function.num_update_definitions()):
            function.update(number).never_partition_all()
