"""Convolutions with stride 2 and their transposes: PyTorch's layers, computed faster on a
processor.

The mapping, the parameters and their names are those of :class:`torch.nn.Conv2d` and
:class:`torch.nn.ConvTranspose2d`. Their forward convolutions are fast on a processor, their
transposes (a decoder's forward pass, an encoder's gradient) several times slower per operation. So
the transposes are written here as what is fast: a matrix product, or a convolution with stride 1.
On other devices, and with other options than the paper's, PyTorch computes.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

FAST = (((4, 4), (1, 1)), ((3, 3), (0, 0)))  # kernel and padding of the transposed convolutions below


class Conv2d(nn.Conv2d):
    """:class:`torch.nn.Conv2d`, faster on a processor with stride 2; also where the kernel covers
    the whole input."""

    def forward(self, x: Tensor) -> Tensor:
        if not _is_plain(self, x):
            return super().forward(x)
        if x.shape[2:] == self.kernel_size and self.padding == (0, 0):  # one output: a matrix product
            return linear(x.flatten(1), self.weight.flatten(1), self.bias)[:, :, None, None]
        # The transpose gives back an input of this height only if no row or column was left over.
        if (self.kernel_size, self.padding) in FAST and (x.shape[2] + self.kernel_size[0]) % 2 == 0:
            return _Convolve.apply(x, self.weight, self.bias, self.padding[0])
        return super().forward(x)


class ConvTranspose2d(nn.ConvTranspose2d):
    """:class:`torch.nn.ConvTranspose2d`, faster on a processor with stride 2; also where the input
    is one pixel."""

    def forward(self, x: Tensor, output_size=None) -> Tensor:
        if output_size or self.output_padding != (0, 0) or not _is_plain(self, x):
            return super().forward(x, output_size)
        if x.shape[2:] == (1, 1) and self.padding == (0, 0):  # a matrix product
            y = (x.flatten(1) @ self.weight.flatten(1)).unflatten(1, self.weight.shape[1:])
        elif (self.kernel_size, self.padding) in FAST:
            y = _ConvolveTransposed.apply(x, self.weight, self.padding[0])
        else:
            return super().forward(x)
        return y if self.bias is None else y + self.bias[:, None, None]


def _is_plain(layer, x: Tensor) -> bool:
    """Whether this is the paper's kind of layer, on a batch of square maps, on a processor."""
    return (x.device.type == "cpu" and not torch.is_autocast_enabled("cpu") and x.ndim == 4 and x.shape[2] == x.shape[3]
            and layer.stride == (2, 2) and layer.dilation == (1, 1) and layer.groups == 1 and layer.padding_mode == "zeros")


def transposed(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """The transposed convolution with stride 2: kernel 4 and padding 1, or kernel 3 and padding 0.

    Parameters
    ----------
    x : Tensor
        ``(N, I, h, h)``.
    weight : Tensor
        ``(I, O, 4, 4)`` with padding 1, or ``(I, O, 3, 3)`` with padding 0.

    Returns
    -------
    Tensor
        ``(N, O, 2h, 2h)`` with kernel 4, ``(N, O, 2h + 1, 2h + 1)`` with kernel 3; contiguous.
    """
    return _by_phase(x, weight) if padding else _by_kernel_row(x, weight)


def _by_phase(x: Tensor, weight: Tensor) -> Tensor:
    """Kernel 4, padding 1, in sub-pixel form (Shi et al. 2016).

    An output pixel of even or odd row and column meets 2×2 weights of the kernel. So one
    convolution with 2×2 kernels and stride 1 computes the four kinds (phases) of output pixels as
    four groups of maps.
    """
    n, _, h, w = x.shape
    i, o = weight.shape[:2]
    kernels = weight.reshape(i, o, 2, 2, 2, 2).flip(2, 4).permute(3, 5, 1, 0, 2, 4).reshape(4 * o, i, 2, 2)
    maps = conv2d(x, kernels, padding=1).view(n, 2, 2, o, h + 1, w + 1)
    y = x.new_empty(n, o, 2 * h, 2 * w)
    for a in (0, 1):
        for b in (0, 1):
            y[:, :, a::2, b::2] = maps[:, 1 - a, 1 - b, :, a:a + h, b:b + w]
    return y


def _by_kernel_row(x: Tensor, weight: Tensor) -> Tensor:
    """Kernel 3, padding 0: each input pixel times the kernel, one matrix product; then each of its
    rows added in place."""
    n, i, h, w = x.shape
    o = weight.shape[1]
    kernels = weight.permute(0, 2, 3, 1).reshape(i, 9 * o)            # last the output's maps: a row of a kernel is one piece
    pieces = (x.permute(0, 2, 3, 1).reshape(n * h * w, i) @ kernels).view(n, h, w, 3, 3 * o)
    y = x.new_zeros(n, 2 * h + 1, (2 * w + 1) * o)
    for row in range(3):
        for column in range(w):
            y[:, row:row + 2 * h - 1:2, 2 * o * column:2 * o * column + 3 * o].add_(pieces[:, :, column, row])
    return y.view(n, 2 * h + 1, 2 * w + 1, o).permute(0, 3, 1, 2).contiguous()


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, padding: int, bias: bool) -> tuple[Tensor, Tensor | None]:
    """Of a convolution with stride 2 from `x` to `grad`'s shape: the gradients of weight and bias,
    as PyTorch computes them."""
    return torch.ops.aten.convolution_backward(grad, x, weight, [len(weight)], [2, 2], [padding] * 2, [1, 1], False, [0, 0], 1,
                                               [False, True, bias])[1:]


class _Convolve(torch.autograd.Function):
    """A convolution with stride 2 whose gradient with respect to its input is
    :func:`transposed`."""

    @staticmethod
    def forward(ctx, x, weight, bias, padding):
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.bias = padding, bias is not None
        return conv2d(x, weight, bias, 2, padding)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad_x = transposed(grad, weight, ctx.padding) if ctx.needs_input_grad[0] else None
        return grad_x, *_weight_gradient(grad, x, weight, ctx.padding, ctx.bias), None


class _ConvolveTransposed(torch.autograd.Function):
    """:func:`transposed`, whose gradients are those of the convolution from its output to its
    input."""

    @staticmethod
    def forward(ctx, x, weight, padding):
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return transposed(x, weight, padding)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad_x = conv2d(grad, weight, None, 2, ctx.padding) if ctx.needs_input_grad[0] else None
        return grad_x, _weight_gradient(x, grad, weight, ctx.padding, bias=False)[0], None
