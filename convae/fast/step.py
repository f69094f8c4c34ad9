"""The convolutional networks' forward and backward pass, by compiled kernels.

What autograd makes of the model, for images as the innermost axis: maps are ``(C, h, h, N)`` here,
with N rounded up to whole blocks. The formulas are in :mod:`convae.fast.kernels`.
"""

import math
from functools import partial
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

HEIGHTS = (28, 14, 7, 3)              # of layers 1 to 4
MOMENTUM = nn.BatchNorm2d(1).momentum  # PyTorch's default: the weight of a batch's statistics


class CompiledModel:
    """A convolutional model and the difference of its output and input, on a processor.

    Parameters
    ----------
    model : ConvAE or ConvVAE
        In single precision, in ``train()`` mode. Each call uses its parameters as they are then,
        and updates the running statistics of its normalisations.
    difference : {"squared_error", "cross_entropy"}
    threads : int
        That compute; the gradients do not depend on how many there are.

    One batch at a time: a backward pass uses what the forward pass before it has left.
    """

    def __init__(self, model: nn.Module, difference: str, threads: int = 1):
        self.model, self.difference, self.threads = model, difference, threads
        self.passes = None

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """Of images ``(N, 1, 28, 28)`` the differences ``(N,)`` and, of a VAE, μ and σ ``(N, d)``.
        """
        if self.passes is None or self.passes.n != len(x):
            self.passes = _Passes(self.model, self.difference, len(x), self.threads)
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

    `block` gives the maps: a convolution, perhaps a normalisation, an activation. Image, output and
    z have no such block.
    """

    def __init__(self, maps: int, height: int, images: int, gradients: Tensor, block=()):
        self.convolution, *norm, activation = block or (None, None)
        self.norm = norm[0] if norm else None
        self.a = torch.zeros(maps, height, height, images)
        # One layer's gradients are used up before the next layer's are written: one place for all.
        self.e, self.g = gradients[:, :self.a.numel()].view(2, *self.a.shape)
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

    Torch computes the few numbers between what the encoder gives, `code`, and `z`.
    """

    def __init__(self, model: nn.Module, difference: str, n: int, threads: int):
        self.n, self.images = n, math.ceil(n / BLOCK) * BLOCK
        self.call, self.convolution, self.transposed_convolution, self.weight_gradient = (
            partial(function, threads=threads)
            for function in (call, convolution, transposed_convolution, weight_gradient))
        self.parameters = list(model.parameters())
        self.gradients = {p: torch.zeros_like(p) for p in self.parameters}
        self.encode, self.decode, self.decode_back, self.encode_back = [], [], [], []
        self.running, self.of_batch, self.batches_seen = [], [], []  # statistics, to be updated
        self._encode(model)
        self._decode(*model.decoder)
        self._compare(difference)
        for calls in (self.encode_back, self.decode_back):
            calls.reverse()  # they were listed in the order of the forward pass

    def _layers(self, maps, blocks):
        """Layers 1 to 4."""
        largest = max(m * height**2 for m, height in zip(maps, HEIGHTS, strict=True))
        gradients = torch.zeros(2, largest * self.images)
        return [_Layer(m, height, self.images, gradients, block)
                for m, height, block in zip(maps, HEIGHTS, blocks, strict=True)]

    def _pixel(self, maps):
        return _Layer(maps, 1, self.images, torch.zeros(2, maps * self.images))

    def _encode(self, model):
        """From the image to μ and what gives σ, or to z: to one pixel of these maps, the code."""
        maps = [block[0].out_channels for block in model.encoder]
        layers = self._layers([1, *maps], [(), *model.encoder])
        self.image = layers[0]
        for wide, narrow in pairwise(layers):
            weight, padding = narrow.convolution.weight, narrow.convolution.padding[0]
            self._convolve(wide, narrow, weight, padding)
            self._normalise(narrow, self.encode, self.encode_back)
        variational = hasattr(model, "to_mu")
        self.to_code = [model.to_mu, model.to_sigma] if variational else [model.to_z]
        weights = [layer.weight for layer in self.to_code]
        self.weight = torch.cat(weights).detach()  # of both, in one place
        self.gradients[self.weight] = torch.zeros_like(self.weight)
        parts = self.gradients[self.weight].chunk(len(weights))
        self.gradients |= dict(zip(weights, parts, strict=True))
        self.code = self._pixel(len(self.weight))
        self._convolve(layers[-1], self.code, self.weight, 0)

    def _decode(self, *modules):
        """From z to the output before its sigmoid."""
        *blocks, last, _ = modules
        maps = [block[0].out_channels for block in blocks]
        layers = self._layers([last.out_channels, *maps[::-1]], [(last, None), *blocks[::-1]])
        latent_dim = blocks[0][0].in_channels
        self.output = layers[0]
        self.z = self._pixel(latent_dim)
        for narrow, wide in pairwise([self.z, *layers[::-1]]):
            weight, padding = wide.convolution.weight, wide.convolution.padding[0]
            h, of_weight = narrow.activated, self.gradients[weight]
            self.decode.append(self.transposed_convolution(h, weight, padding, wide.a))
            self.decode_back.append(self.convolution(wide.gradient, weight, padding, narrow.e))
            self.decode_back.append(self.weight_gradient(wide.gradient, h, padding, of_weight))
            if wide is not self.output:
                self._normalise(wide, self.decode, self.decode_back)

    def _convolve(self, wide, narrow, weight, padding):
        """A convolution of the encoder, and its gradients."""
        self.encode.append(self.convolution(wide.activated, weight, padding, narrow.a))
        if wide is not self.image:
            self.encode_back.append(
                self.transposed_convolution(narrow.gradient, weight, padding, wide.e))
        self.encode_back.append(
            self.weight_gradient(wide.activated, narrow.gradient, padding, self.gradients[weight]))

    def _normalise(self, layer, forward, backward):
        """The layer's normalisation, if any, and the gradients through it and the activation."""
        of_shift, of_scale = layer.sums
        norm, bias, share = layer.norm, layer.convolution.bias, 0.0
        if norm:  # it takes any bias away again, whose gradient stays 0
            _, height, width, _ = layer.a.shape
            share = 1 / (self.n * height * width)
            affine = norm.weight, norm.bias, bias, norm.eps, self.n
            forward.append(self.call("normalisation", layer.a, *affine, layer.statistics))
            self.gradients |= {norm.weight: of_scale, norm.bias: of_shift}
            self.running += [norm.running_mean, norm.running_var]
            self.of_batch += layer.statistics[4:]
            self.batches_seen.append(norm.num_batches_tracked)
        else:
            self.gradients[bias] = of_shift
        backward.append(self.call("map_gradient", *layer.back, self.n, layer.sums, share, layer.g))
        backward.append(self.call("affine_gradient", *layer.back, self.n, layer.sums))

    def _compare(self, kind):
        """Output and input."""
        self.reconstruction = torch.zeros_like(self.output.a)
        self.differences, self.of_differences = torch.zeros(2, self.images)
        bias, compared = self.output.convolution.bias, (self.reconstruction, self.image.a)
        self.decode.append(self.call("reconstruction", self.output.a, bias, self.reconstruction))
        self.decode.append(self.call("difference", *compared, self.differences, options=(kind,)))
        of_bias = self.gradients[bias]  # once the maps' gradient is there
        self.decode_back.append(partial(torch.sum, self.output.g.view(1, -1), 1, out=of_bias))
        compared = *compared, self.of_differences, self.n, self.output.g
        self.decode_back.append(self.call("difference_gradient", *compared, options=(kind,)))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        self._of_batch(self.image.a)[:] = x.flatten(1).T
        torch.cat([layer.weight for layer in self.to_code], out=self.weight)
        _run(self.encode)
        bias = torch.cat([layer.bias for layer in self.to_code])
        z, posterior = self._of_batch(self.code.a) + bias[:, None], ()
        if len(self.to_code) == 2:
            mu, self.rho = z.chunk(2)
            sigma = softplus(self.rho)
            self.epsilon = torch.randn(self.n, len(mu)).T  # in the order in which PyTorch draws it
            z, posterior = torch.addcmul(mu, self.epsilon, sigma), (mu.T, sigma.T)
        self._of_batch(self.z.a)[:] = z
        _run(self.decode)
        if self.running:
            torch._foreach_lerp_(self.running, self.of_batch, MOMENTUM)
            torch._foreach_add_(self.batches_seen, 1)
        return self.differences[:self.n].clone(), *posterior

    def backward(self, of_difference, of_mu=None, of_sigma=None) -> list[Tensor]:
        """The gradients of all parameters."""
        self.of_differences[:self.n] = of_difference
        _run(self.decode_back)
        of_code = of_z = self._of_batch(self.z.e)
        if len(self.to_code) == 2:
            of_rho = torch.addcmul(of_sigma.T, of_z, self.epsilon) * self.rho.sigmoid()
            of_code = torch.cat([of_z + of_mu.T, of_rho])
        self._of_batch(self.code.g)[:] = of_code
        _run(self.encode_back)
        biases = [layer.bias for layer in self.to_code]
        of_biases = of_code.sum(1).chunk(len(biases))
        self.gradients |= dict(zip(biases, of_biases, strict=True))
        return [self.gradients[p].clone() for p in self.parameters]

    def _of_batch(self, maps):
        """The maps as a matrix, ``(C · h · h, n)``, without the images that fill up the blocks."""
        return maps.view(-1, self.images)[:, :self.n]


def _run(calls):
    for each in calls:
        each()
