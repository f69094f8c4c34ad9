"""What a live model is made of: read from its modules while an image passes through them (Figs. 1
to 3).

Nothing here is typed from the paper: a model with other channels, another slope or other normalised
layers is described as what it is.
"""

from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from convae.models import ConvAE

LATENT = {"to_z": "z", "to_mu": "μ", "to_sigma": "σ"}  # attributes, as the paper writes them
POSITIVE = {"softplus": softplus, "exp": torch.exp, "relu": torch.relu}  # what could make σ so
FACTS = ("part", "name", "maps", "height", "width", "kernel", "stride", "padding", "normalised",
         "activation", "parameters")


class Field(NamedTuple):
    """Receptive field along one axis: unit k sees `size` pixels of the image, from ``start + k ·
    step`` on.

    Pixels outside the image are padding.
    """

    size: int
    step: int
    start: int

    def span(self, unit: int) -> tuple[int, int]:
        """First pixel that a unit sees, and the first one after it that it does not."""
        first = self.start + unit * self.step
        return first, first + self.size

    def after(self, kernel: int, stride: int, padding: int) -> "Field":
        """The field one convolution further on."""
        size = self.size + (kernel - 1) * self.step
        return Field(size, self.step * stride, self.start - padding * self.step)


@dataclass(frozen=True)
class Layer:
    """One layer of a live model, and what one image made of it."""

    name: str                  #: ``layer 1`` (an image) to ``layer 4``, ``z``, ``μ``, ``σ``
    part: str                  #: ``input``, ``encoder``, ``latent`` or ``decoder``
    maps: int
    height: int
    width: int
    values: Tensor             #: what the layer passes on, ``(maps, height, width)``
    sees: Field | None         #: what a unit sees of the image; None in the decoder
    kernel: int | None = None  #: of the convolution that leads here; the input has none
    stride: int | None = None
    padding: int | None = None
    normalised: str | None = None         #: the module's class, such as ``BatchNorm2d``
    activation: str | None = None         #: such as ``LeakyReLU(0.01)``
    parameters: int = 0                   #: of the convolution and of the normalisation
    sums: Tensor | None = None            #: the convolution's output before anything else
    convolution: nn.Module | None = None  #: ``ConvTranspose2d`` in the decoder, else ``Conv2d``

    @property
    def size(self) -> str:
        """Height × width, such as ``14×14``."""
        return f"{self.height}×{self.width}"

    def facts(self) -> dict:
        """All but the tensors and the module, as JSON holds it."""
        facts = {name: getattr(self, name) for name in FACTS}
        return {**facts, "sees": self.sees.size if self.sees else None}


@torch.no_grad()
def layers(model: ConvAE, image: Tensor, epsilon: Tensor | None = None) -> list[Layer]:
    """The layers of a model in the order in which `image` reaches them; the model is left as it
    was.

    Parameters
    ----------
    model : ConvAE or ConvVAE
        Read in ``eval()`` mode, whatever mode it is in: no running statistic moves.
    image : Tensor
        One image, ``(1, 28, 28)`` in [0, 1].
    epsilon : Tensor, optional
        For a VAE: the decoder gets z = μ + ε·σ with this ε, ``(d,)``, instead of z = μ.

    Returns
    -------
    list of Layer
        The input (layer 1), the encoder's layers, z (or μ and σ), the decoder's layers down to the
        output (layer 1).

    Raises
    ------
    TypeError
        If the model is not one of the convolutional ones.
    """
    if not isinstance(model, ConvAE):
        raise TypeError(f"model must be a ConvAE or a ConvVAE, got {type(model).__name__}")
    steps, sigma = _record(model, image[None], epsilon)
    network = [Layer("layer 1", "input", *image.shape, image, Field(1, 1, 0))]
    depth = sum(step.where == "decoder" for step in steps)
    for step in steps:
        network.append(_layer(step, network, depth, sigma))
    return network


def _layer(step, before, depth, sigma):
    """The layer that a step makes after those before; the decoder has `depth`."""
    part = step.where if step.where in ("encoder", "decoder") else "latent"
    number = 1 + sum(layer.part == part for layer in before)
    if part == "encoder":
        name = f"layer {1 + number}"
    elif part == "decoder":
        name = f"layer {1 + depth - number}"
    else:
        name = LATENT[step.where]
    convolution, sums, values = step.convolution, step.sums, step.values
    norm = next((m for m in step.followers if "Norm" in type(m).__name__), None)
    activation = next((m for m in step.followers if m is not norm), None)
    if step.where == "to_sigma":
        values = sigma.view_as(sums)
        activation = _function_between(sums, values)
    sees = next(layer.sees for layer in reversed(before) if layer.part in ("input", "encoder"))
    geometry = [_one(pair) for pair in (convolution.kernel_size, convolution.stride,
                                        convolution.padding)]
    return Layer(
        name, part, *values.shape[1:], values[0],
        None if part == "decoder" else sees.after(*geometry), *geometry,
        normalised=type(norm).__name__ if norm else None,
        activation=_activation_name(activation), parameters=_count(convolution) + _count(norm),
        sums=sums[0], convolution=convolution,
    )


def _function_between(sums, values):
    """The name of the function that made σ positive: no hook sees it, so it is recognised by what
    it does."""
    for name, function in POSITIVE.items():
        if torch.equal(function(sums), values):
            return name
    return "?"


class Sum(NamedTuple):
    """Equation (1) at one unit, with its numbers."""

    plane: int                #: p, from 0
    row: int
    column: int
    terms: tuple[float, ...]  #: for each plane q of the layer before, the sum over i and j
    bias: float
    total: float              #: what the model has there


def sum_at_one_unit(before: Layer, layer: Layer) -> Sum:
    """The terms of equation (1) at a unit worth looking at.

    It stands where the windows on the layer before vary most, among those that see no padding; of
    the units at that place, it is the one with the largest sum.
    """
    def window(place):
        row, column = window_start(layer, *place)
        return before.values[:, row:row + layer.kernel, column:column + layer.kernel]

    def sees_no_padding(place):
        whole = window(place).shape[1:] == (layer.kernel, layer.kernel)
        return whole and min(window_start(layer, *place)) >= 0

    def variance(place):
        return float(window(place).var(dim=(1, 2)).sum())

    places = product(range(layer.height), range(layer.width))
    row, column = max(filter(sees_no_padding, places), key=variance)
    sums = layer.sums[:, row, column]
    plane = int(sums.argmax())
    weight = layer.convolution.weight.detach()[plane]
    bias = layer.convolution.bias.detach()[plane]
    terms = (weight * window((row, column))).sum((1, 2))
    return Sum(plane, row, column, tuple(terms.tolist()), float(bias), float(sums[plane]))


def window_start(layer: Layer, row: int, column: int) -> tuple[int, int]:
    """Where the window of a unit begins on the other side of its convolution; negative in the
    padding."""
    return row * layer.stride - layer.padding, column * layer.stride - layer.padding


@dataclass
class _Step:
    """A convolution of a forward pass, and what happened until the next."""

    where: str             # the model's attribute that holds it
    convolution: nn.Module
    sums: Tensor           # its output, and
    values: Tensor         # that of the last module after it
    followers: list = field(default_factory=list)


def _record(model, x, epsilon):
    """The steps of a forward pass, and σ."""
    steps = []

    def watch(name):
        def hook(module, _, output):
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                steps.append(_Step(name.split(".")[0], module, output, output))
            else:
                steps[-1].followers.append(module)
                steps[-1].values = output
        return hook

    leaves = [(name, m) for name, m in model.named_modules() if not list(m.children())]
    hooks = [module.register_forward_hook(watch(name)) for name, module in leaves]
    training = model.training
    try:
        model.eval()
        if epsilon is None:
            sigma = model(x).sigma
        else:
            mu, sigma = model.posterior(x)
            model.decode(mu + epsilon * sigma)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return steps, sigma


def _one(pair):
    if len(set(pair)) > 1:
        raise ValueError(
            f"kernels, strides and paddings must be the same along both axes, got {pair}")
    return pair[0]


def _activation_name(activation):
    slope = getattr(activation, "negative_slope", None)
    if slope is not None:
        return f"{type(activation).__name__}({slope:g})"
    return activation if isinstance(activation, str | None) else type(activation).__name__


def _count(module):
    return sum(p.numel() for p in module.parameters()) if module is not None else 0
