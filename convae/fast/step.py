"""The convolutional networks' forward and backward pass, by compiled kernels.

What autograd makes of the model, for images as the innermost axis: maps are ``(C, h, h, N)`` here,
with N rounded up to whole blocks. The formulas are in :mod:`convae.fast.kernels`.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from convae.fast.calls import (
    BLOCK,
    as_it_is,
    call,
    convolution,
    transposed_convolution,
    weight_gradient,
)

IMAGE_HEIGHT, STRIDE = 28, 2
MOMENTUM = nn.BatchNorm2d(1).momentum  # PyTorch's default: the weight of a batch's statistics


class CompiledModel:
    """A convolutional model and the difference of its output and input, on a processor.

    Parameters
    ----------
    model : ConvAE or ConvVAE
        In single precision, in ``train()`` mode. Each call uses its parameters as they are then,
        and updates the running statistics of its normalisations.
    difference : {"squared_error", "cross_entropy"}

    One batch at a time: a backward pass uses what the forward pass before it has left.
    """

    def __init__(self, model: nn.Module, difference: str):
        self.model, self.difference = model, difference
        self.passes = None

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """Of images ``(N, 1, 28, 28)`` the differences ``(N,)`` and, of a VAE, μ and σ ``(N, d)``.
        """
        if self.passes is None or self.passes.n != len(x):
            self.passes = _Passes(self.model, self.difference, len(x))
        return _Differentiable.apply(self.passes, x, *self.model.parameters())


class _Differentiable(torch.autograd.Function):
    """Both passes as one operation of autograd's."""

    @staticmethod
    def forward(ctx, passes, x, *_):
        ctx.passes = passes
        return passes.forward(x)

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients):
        return None, None, *ctx.passes.backward(*gradients)


class _Layer:
    """A layer's maps `a` before the activation, the gradient `e` after it, and `g`, that of `a`.

    `block` gives the maps: a convolution, perhaps a normalisation, an activation; the image has
    none, and the output neither normalisation nor activation of this kind.
    """

    def __init__(self, height: int, images: int, block):
        self.convolution, *norm, activation = block or (None, None)
        self.norm = norm[0] if norm else None
        self.height, maps = height, self.convolution.out_channels if block else 1
        self.a, self.e, self.g = torch.zeros(3, maps, height, height, images)
        self.statistics = torch.zeros(6, maps)  # as kernels.normalisation gives them
        self.sums = torch.zeros(2, maps)        # gradients of shift, or bias, and of scale
        ones, zeros = torch.ones(maps), torch.zeros(maps)
        scale, shift, mean, inverse = ones, zeros, zeros, zeros
        if self.norm:
            scale, shift, mean, inverse = self.statistics[:4]
        elif activation:
            shift = self.convolution.bias
        slope = activation.negative_slope if activation else 1.0
        self.activated = self.a, scale, shift, slope
        self.gradient = as_it_is(self.g)
        self.back = self.e, self.a, scale, shift, mean, inverse, slope


class _Passes:
    """Forward and backward pass for batches of n images: calls of kernels, bound to their arrays.

    Layers 1 to 4 are maps; z lies between the encoder's and the decoder's layer 4, and torch
    computes its few numbers.
    """

    def __init__(self, model: nn.Module, difference: str, n: int):
        self.model, self.n = model, n
        self.images = math.ceil(n / BLOCK) * BLOCK
        self.gradients = {p: torch.zeros_like(p) for p in model.parameters()}
        self.encode, self.decode, self.decode_back, self.encode_back = [], [], [], []
        *blocks, last, _ = model.decoder
        encoder = self._layers([None, *model.encoder])
        decoder = self._layers([(last, None), *blocks[::-1]])
        self.image, self.code, self.start, self.output = (
            encoder[0], encoder[-1], decoder[-1], decoder[0])
        for wide, narrow in pairwise(encoder):
            self._convolve(wide, narrow)
        self.features = torch.zeros_like(self.code.a)
        self.encode.append(call("activation", *self.code.activated, self.features))
        self._normalise(self.start, self.decode, self.decode_back)
        for narrow, wide in pairwise(decoder[::-1]):
            self._convolve_transposed(narrow, wide)
        self._compare(difference)
        for calls in (self.encode_back, self.decode_back):
            calls.reverse()  # they were listed in the order of the forward pass
        norms = [layer for layer in encoder + decoder if layer.norm]
        self.running = [statistic for layer in norms
                        for statistic in (layer.norm.running_mean, layer.norm.running_var)]
        self.of_batch = [row for layer in norms for row in layer.statistics[4:]]
        self.batches_seen = [layer.norm.num_batches_tracked for layer in norms]

    def _layers(self, blocks):
        """Layers 1 to 4 with what gives their maps."""
        heights = [IMAGE_HEIGHT]
        for layer, *_ in self.model.encoder:
            (size, _), (padding, _) = layer.kernel_size, layer.padding
            heights.append((heights[-1] + 2 * padding - size) // STRIDE + 1)
        return [_Layer(height, self.images, block)
                for height, block in zip(heights, blocks, strict=True)]

    def _convolve(self, wide, narrow):
        """A layer of the encoder, and its gradients."""
        weight, padding = narrow.convolution.weight, narrow.convolution.padding[0]
        self.encode.append(convolution(wide.activated, weight, padding, narrow.a))
        if wide is not self.image:
            self.encode_back.append(
                transposed_convolution(narrow.gradient, weight, padding, wide.e))
        self.encode_back.append(
            weight_gradient(wide.activated, narrow.gradient, padding, self.gradients[weight]))
        self._normalise(narrow, self.encode, self.encode_back)

    def _convolve_transposed(self, narrow, wide):
        """A layer of the decoder, and its gradients."""
        weight, padding = wide.convolution.weight, wide.convolution.padding[0]
        self.decode.append(transposed_convolution(narrow.activated, weight, padding, wide.a))
        self.decode_back.append(convolution(wide.gradient, weight, padding, narrow.e))
        self.decode_back.append(
            weight_gradient(wide.gradient, narrow.activated, padding, self.gradients[weight]))
        if wide is not self.output:
            self._normalise(wide, self.decode, self.decode_back)

    def _normalise(self, layer, forward, backward):
        """The layer's normalisation, if any, and the gradients through it and the activation."""
        of_shift, of_scale = layer.sums
        norm, bias, share = layer.norm, layer.convolution.bias, 0.0
        if norm:  # it takes any bias away again, whose gradient stays 0
            share = 1 / (self.n * layer.height**2)
            forward.append(call("normalisation", layer.a, norm.weight, norm.bias, bias, norm.eps,
                                self.n, layer.statistics))
            self.gradients |= {norm.weight: of_scale, norm.bias: of_shift}
        else:
            self.gradients[bias] = of_shift
        backward.append(call("map_gradient", *layer.back, self.n, layer.sums, share, layer.g))
        backward.append(call("affine_gradient", *layer.back, self.n, layer.sums))

    def _compare(self, kind):
        """Output and input."""
        self.reconstruction = torch.zeros_like(self.output.a)
        self.differences, self.of_differences = torch.zeros(2, self.images)
        bias, compared = self.output.convolution.bias, (self.reconstruction, self.image.a)
        self.decode.append(call("reconstruction", self.output.a, bias, self.reconstruction))
        self.decode.append(call("difference", *compared, self.differences, options=(kind,)))
        self.decode_back.append(call("difference_gradient", *compared, self.of_differences, self.n,
                                     self.output.g, options=(kind,)))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        n, model = self.n, self.model
        self.image.a.view(-1, self.images)[:, :n] = x.flatten(1).T
        _run(self.encode)
        f = self.features.view(-1, self.images)[:, :n]  # (64 · 3 · 3, N)
        posterior = ()
        if hasattr(model, "to_mu"):
            mu, self.rho = (_affine(layer, f) for layer in (model.to_mu, model.to_sigma))
            sigma = softplus(self.rho)
            self.epsilon = torch.randn(n, len(mu)).T    # in the order in which PyTorch draws it
            self.z = torch.addcmul(mu, self.epsilon, sigma)
            posterior = mu.T, sigma.T
        else:
            self.z = _affine(model.to_z, f)
        first = self.start.convolution.weight.flatten(1)  # (d, 64 · 3 · 3)
        self.start.a.view(-1, self.images)[:, :n] = first.T @ self.z
        _run(self.decode)
        if self.running:
            torch._foreach_lerp_(self.running, self.of_batch, MOMENTUM)
            torch._foreach_add_(self.batches_seen, 1)
        return self.differences[:n].clone(), *posterior

    def backward(self, of_difference, of_mu=None, of_sigma=None) -> list[Tensor]:
        """The gradients of all parameters."""
        n, model, gradients = self.n, self.model, self.gradients
        self.of_differences[:n] = of_difference
        _run(self.decode_back)
        first = self.start.convolution.weight
        g = self.start.g.view(-1, self.images)[:, :n]
        f, e = (maps.view(-1, self.images)[:, :n] for maps in (self.features, self.code.e))
        torch.mm(self.z, g.T, out=gradients[first].flatten(1))
        of_z = first.flatten(1) @ g
        if hasattr(model, "to_mu"):
            of_mu = of_z + of_mu.T
            of_rho = torch.addcmul(of_sigma.T, of_z, self.epsilon) * self.rho.sigmoid()
            e[:] = self._affine_back(model.to_mu, of_mu, f)
            e += self._affine_back(model.to_sigma, of_rho, f)
        else:
            e[:] = self._affine_back(model.to_z, of_z, f)
        _run(self.encode_back)
        gradients[self.output.convolution.bias][0] = self.output.g.sum()
        return [gradients[p].clone() for p in model.parameters()]

    def _affine_back(self, layer, gradient, f):
        """Gradients of the layer's parameters, and, returned, of what it was given."""
        torch.mm(gradient, f.T, out=self.gradients[layer.weight].flatten(1))
        torch.sum(gradient, 1, out=self.gradients[layer.bias])
        return layer.weight.flatten(1).T @ gradient


def _affine(layer, f):
    """The layer between features and z, one pixel of output: a matrix product."""
    return torch.addmm(layer.bias[:, None], layer.weight.flatten(1), f)


def _run(calls):
    for each in calls:
        each()
