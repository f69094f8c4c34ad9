"""The convolutions' kernels against PyTorch's, in double precision."""

import pytest
import torch
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

pytest.importorskip("halide", reason="Halide has no wheel here: autograd trains")

from convae.fast.calls import (  # noqa: E402
    BLOCK,
    as_it_is,
    convolution,
    transposed_convolution,
    weight_gradient,
)

# Maps of the wide and of the narrow side, kernel, padding, the wide side's height.
PAPER = [(1, 4, 4, 1, 28), (4, 16, 4, 1, 14), (16, 64, 3, 0, 7)]
ODD = [(3, 1, 4, 1, 28), (1, 1, 3, 0, 7), (5, 7, 4, 1, 14), (2, 3, 3, 0, 7), (7, 6, 3, 0, 3)]
SHAPES = pytest.mark.parametrize("shape", PAPER + ODD, ids=str)


def operands(shape, n=BLOCK):
    """Wide maps, a weight and narrow maps, as PyTorch has them."""
    wide, narrow, size, padding, height = shape
    torch.manual_seed(0)
    weight = torch.randn(narrow, wide, size, size)
    x = torch.randn(n, wide, height, height)
    return x, weight, torch.randn_like(conv2d(x, weight, None, 2, padding))


def images_last(maps):
    return maps.permute(1, 2, 3, 0).contiguous()


def assert_close(found, wanted):
    # Sums of up to 50,000 products in single precision.
    assert (found.double() - wanted).norm() <= 1e-5 * wanted.norm()


@SHAPES
def test_the_convolution_is_equation_1(shape):
    x, weight, narrow = operands(shape)
    result = torch.full_like(images_last(narrow), torch.nan)
    convolution(as_it_is(images_last(x)), weight, shape[3], result)()
    wanted = conv2d(x.double(), weight.double(), None, 2, shape[3])
    assert_close(result, images_last(wanted))


@SHAPES
def test_the_transposed_convolution_is_its_transpose(shape):
    x, weight, narrow = operands(shape)
    result = torch.full_like(images_last(x), torch.nan)
    transposed_convolution(as_it_is(images_last(narrow)), weight, shape[3], result)()
    assert_close(result, images_last(conv_transpose2d(narrow.double(), weight.double(), None, 2,
                                                      shape[3])))


@SHAPES
def test_the_weight_gradient_is_autograds(shape):
    x, weight, narrow = operands(shape, 2 * BLOCK)
    result = torch.full_like(weight, torch.nan)
    weight_gradient(as_it_is(images_last(x)), as_it_is(images_last(narrow)), shape[3], result)()
    weight = weight.double().requires_grad_()
    conv2d(x.double(), weight, None, 2, shape[3]).backward(narrow.double())
    assert_close(result, weight.grad)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_a_kernel_activates_what_it_reads(slope):
    x, weight, narrow = operands(PAPER[1])
    scale, shift = torch.tensor([1.0, -2.0, 0.5, 3.0]), torch.tensor([0.0, 1.0, -1.0, 0.3])
    result = torch.empty_like(images_last(narrow))
    convolution((images_last(x), scale, shift, slope), weight, 1, result)()
    h = leaky_relu(x.double() * scale[:, None, None] + shift[:, None, None], slope)
    assert_close(result, images_last(conv2d(h, weight.double(), None, 2, 1)))
