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
                "reconstruction": _reconstruction}[name]
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


def _weight_gradient(blocks, size: int):
    """In registers: the weights of one row of the kernel, for several of the narrow maps.

    The fewer images at once, the nearer to the processor their maps stay; maps of 3 × 3 pixels are
    small anyway, and their many sums are better written less often.
    """
    few, maps = (2 * LANES, 2) if size > 3 else (BLOCK, 4)
    kernel = kernels.weight_gradient(LANES, few, BLOCK)
    padded, filled, of_few, pixel, by_lane, parts, by_block, across = kernel.parts.values()
    by_block.compute_root().bound(x, 0, size).bound(y, 0, size)
    of_blocks = by_block.update().split(block, share, block, blocks, PADDED)
    of_blocks.reorder(across.x, x, y, c, o, block, share).parallel(share)
    of_blocks.unroll(x).atomic().vectorize(across.x)
    by_lane.compute_at(by_block, block).vectorize(lane, LANES)
    of_parts = by_lane.update().split(o, outer, inner, maps, PADDED)
    of_parts.reorder(lane, x, inner, y, c, outer, parts.x)
    of_parts.vectorize(lane, LANES).unroll(x).unroll(inner)
    for maps_read in (padded, filled):
        maps_read.compute_at(by_lane, parts.x).vectorize(n, LANES)
    of_few.compute_at(by_lane, y).bound_extent(o, maps)
    of_few.vectorize(lane, LANES).unroll(x).unroll(o)
    sums = of_few.update().reorder(lane, x, o, pixel.x, pixel.y, pixel.z)
    sums.vectorize(lane, LANES).unroll(x).unroll(o)
    _one_form(kernel.result, by_block, by_lane, padded, filled, of_few)
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
