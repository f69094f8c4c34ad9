"""Convolutions with stride 2 and their transposes: PyTorch's layers, faster on a processor.

Mapping, parameters and their names are PyTorch's, which computes on other devices and with options
other than the paper's. Its forward convolutions are fast on a processor, but a transposed one (a
decoder's forward pass, an encoder's gradient) takes several times as long for equal work. So it is
written here as something fast: with kernel 4 as a convolution with stride 1 (sub-pixel convolution,
Shi et al. 2016, arXiv:1609.05158), with kernel 3 as one matrix product whose results are added in
place. Where one pixel meets the whole kernel, either is a matrix product anyway.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

FAST = (((4, 4), (1, 1)), ((3, 3), (0, 0)))  # kernel and padding of what is written below


class Conv2d(nn.Conv2d):
    """:class:`torch.nn.Conv2d`, with a faster gradient where the stride is 2."""

    def forward(self, x: Tensor) -> Tensor:
        if not _is_plain(self, x):
            return super().forward(x)
        if x.shape[2:] == self.kernel_size and self.padding == (0, 0):  # one pixel of output
            return linear(x.flatten(1), self.weight.flatten(1), self.bias)[:, :, None, None]
        # The transpose gives an input of this height only if no row or column was left over.
        nothing_left_over = (x.shape[2] + self.kernel_size[0]) % 2 == 0
        if (self.kernel_size, self.padding) in FAST and nothing_left_over:
            return _Convolve.apply(x, self.weight, self.bias, self.padding[0])
        return super().forward(x)


class ConvTranspose2d(nn.ConvTranspose2d):
    """:class:`torch.nn.ConvTranspose2d`, faster where the stride is 2."""

    def forward(self, x: Tensor, output_size=None) -> Tensor:
        if output_size or self.output_padding != (0, 0) or not _is_plain(self, x):
            return super().forward(x, output_size)
        if x.shape[2:] == (1, 1) and self.padding == (0, 0):  # one pixel of input
            y = x.flatten(1) @ self.weight.flatten(1)     # (N, O · k · k)
            y = y.unflatten(1, self.weight.shape[1:])     # (N, O, k, k)
        elif (self.kernel_size, self.padding) in FAST:
            y = _ConvolveTransposed.apply(x, self.weight, self.padding[0])
        else:
            return super().forward(x)
        return y if self.bias is None else y + self.bias[:, None, None]


def _is_plain(layer, x: Tensor) -> bool:
    """Whether this is the paper's kind of layer, on a batch of square maps, on a processor."""
    on_processor = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    square_maps = x.ndim == 4 and x.shape[2] == x.shape[3]
    plain_layer = layer.stride == (2, 2) and layer.dilation == (1, 1) and layer.groups == 1
    return on_processor and square_maps and plain_layer and layer.padding_mode == "zeros"


def transposed(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """The transposed convolution with stride 2 of `x`, ``(N, I, h, h)``.

    From kernels ``(I, O, 4, 4)`` with padding 1 to ``(N, O, 2h, 2h)``; from ``(I, O, 3, 3)`` with
    padding 0 to ``(N, O, 2h + 1, 2h + 1)``.
    """
    return _by_phase(x, weight) if padding else _by_kernel_row(x, weight)


def _by_phase(x: Tensor, weight: Tensor) -> Tensor:
    """Kernel 4, padding 1: pixels of even or odd row and column (phases) meet other 2 × 2 weights.

    So one convolution with stride 1 gives the four phases of the output as four groups of maps.
    """
    n, _, h, w = x.shape
    i, o = weight.shape[:2]
    kernels = weight.reshape(i, o, 2, 2, 2, 2).flip(2, 4)  # (I, O, row, phase, column, phase)
    kernels = kernels.permute(3, 5, 1, 0, 2, 4).reshape(4 * o, i, 2, 2)
    maps = conv2d(x, kernels, padding=1).view(n, 2, 2, o, h + 1, w + 1)
    y = x.new_empty(n, o, 2 * h, 2 * w)
    for a in (0, 1):
        for b in (0, 1):
            y[:, :, a::2, b::2] = maps[:, 1 - a, 1 - b, :, a:a + h, b:b + w]
    return y


def _by_kernel_row(x: Tensor, weight: Tensor) -> Tensor:
    """Kernel 3, padding 0: all pixels times the kernel, whose rows are then added in place."""
    n, i, h, w = x.shape
    o = weight.shape[1]
    kernels = weight.permute(0, 2, 3, 1).reshape(i, 9 * o)  # maps last: a row is one piece
    pixels = x.permute(0, 2, 3, 1).reshape(n * h * w, i)
    pieces = (pixels @ kernels).view(n, h, w, 3, 3 * o)
    y = x.new_zeros(n, 2 * h + 1, (2 * w + 1) * o)
    for row in range(3):
        for column in range(w):
            start = 2 * o * column
            rows = y[:, row:row + 2 * h - 1:2, start:start + 3 * o]  # (N, h, 3 · O)
            rows.add_(pieces[:, :, column, row])
    return y.view(n, 2 * h + 1, 2 * w + 1, o).permute(0, 3, 1, 2).contiguous()


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, padding: int, bias: bool):
    """Gradients of weight and bias for a convolution from `x` to the shape of `grad`; PyTorch's."""
    options = ([2, 2], [padding] * 2, [1, 1], False, [0, 0], 1)  # stride, padding, dilation, ...
    wanted = [False, True, bias]                                 # of x, weight and bias
    backward = torch.ops.aten.convolution_backward
    return backward(grad, x, weight, [len(weight)], *options, wanted)[1:]


class _Convolve(torch.autograd.Function):
    """A convolution with stride 2 whose gradient for its input is :func:`transposed`."""

    @staticmethod
    def forward(ctx, x, weight, bias, padding):
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.bias = padding, bias is not None
        return conv2d(x, weight, bias, 2, padding)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad_x = transposed(grad, weight, ctx.padding) if ctx.needs_input_grad[0] else None
        grad_weight, grad_bias = _weight_gradient(grad, x, weight, ctx.padding, ctx.bias)
        return grad_x, grad_weight, grad_bias, None


class _ConvolveTransposed(torch.autograd.Function):
    """:func:`transposed`, whose gradients are those of the convolution in the other direction."""

    @staticmethod
    def forward(ctx, x, weight, padding):
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return transposed(x, weight, padding)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad_x = conv2d(grad, weight, None, 2, ctx.padding) if ctx.needs_input_grad[0] else None
        grad_weight, _ = _weight_gradient(x, grad, weight, ctx.padding, bias=False)
        return grad_x, grad_weight, None
