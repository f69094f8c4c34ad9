"""Kernels bound to the arrays that they read and write, as functions without arguments.

Maps are ``(C, h, h, N)``, N in whole blocks of `BLOCK` images; weights are as PyTorch's layers have
them, ``(O, I, k, k)``. What is `activated` stands for maps h = LeakyReLU(scale · a + shift): the
four of a, scale, shift, slope.
"""

import math
from functools import partial

import halide as hl
import torch
from torch import Tensor

from convae.fast.schedules import BLOCK, compiled

__all__ = ["BLOCK", "as_it_is", "call", "convolution", "transposed_convolution", "weight_gradient"]


def call(name: str, maps: Tensor, *arguments, options=(), threads=1):
    """The kernel of this name and these options; the last argument is what it writes."""
    kernel, images = compiled(name, *options)
    blocks = math.ceil(maps.shape[-1] / images / threads)
    *arguments, result = (seen(each) for each in (maps, *arguments))
    return partial(kernel, *arguments, blocks, result)


def seen(argument):
    """A tensor as kernels see it: the same memory, its axes counted from the innermost."""
    return hl.Buffer(argument.detach().numpy()) if isinstance(argument, Tensor) else argument


def as_it_is(maps: Tensor):
    """Maps to which no activation is applied."""
    return maps, torch.ones(len(maps)), torch.zeros(len(maps)), 1.0


def convolution(wide, weight: Tensor, padding: int, narrow: Tensor, threads=1):
    """Equation (1): from `wide`, activated, to `narrow`."""
    together = min(2, len(narrow))
    return call("convolution", *wide, weight, padding, narrow,
                options=(together,), threads=threads)


def transposed_convolution(narrow, weight: Tensor, padding: int, wide: Tensor, threads=1):
    """Its transpose: from `narrow`, activated, to `wide`."""
    together = min(2, len(wide))
    return call("transposed_convolution", *narrow, weight, padding, wide,
                options=(together,), threads=threads)


def weight_gradient(wide, narrow, padding: int, gradient: Tensor, threads=1):
    """The gradient of the weight of either; both maps are activated, or as they are."""
    size = gradient.shape[2]
    return call("weight_gradient", *wide, *narrow, padding, gradient,
                options=(size,), threads=threads)
