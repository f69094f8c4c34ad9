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

LATENT = {"to_z": "z", "to_mu": "μ", "to_sigma": "σ"}  # the models' attributes, in the paper's notation
POSITIVE = {"softplus": softplus, "exp": torch.exp, "relu": torch.relu}  # what could make σ positive


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
        return Field(self.size + (kernel - 1) * self.step, self.step * stride, self.start - padding * self.step)


@dataclass(frozen=True)
class Layer:
    """One layer of a live model, and what one image made of it."""

    name: str                  #: ``layer 1`` (an image) to ``layer 4``, ``z``, ``μ``, ``σ``
    part: str                  #: ``input``, ``encoder``, ``latent`` or ``decoder``
    maps: int
    height: int
    width: int
    kernel: int | None         #: of the convolution that leads here; None for the input, as are the next four
    stride: int | None
    padding: int | None
    normalised: str | None     #: the normalising module's class, such as ``BatchNorm2d``
    activation: str | None     #: such as ``LeakyReLU(0.01)``
    parameters: int            #: of the convolution and of the normalisation
    sees: Field | None         #: what a unit sees of the image; None in the decoder
    values: Tensor = field(repr=False)           #: what the layer passes on, ``(maps, height, width)``
    sums: Tensor | None = field(repr=False)      #: the convolution's output before anything else, of the same shape
    convolution: nn.Module | None = field(repr=False)  #: ``Conv2d``, or ``ConvTranspose2d`` in the decoder

    @property
    def size(self) -> str:
        """Height × width, such as ``14×14``."""
        return f"{self.height}×{self.width}"

    def facts(self) -> dict:
        """All but the tensors and the module, as JSON holds it."""
        plain = {name: getattr(self, name) for name in ("part", "name", "maps", "height", "width", "kernel", "stride",
                                                        "padding", "normalised", "activation", "parameters")}
        return plain | {"sees": self.sees.size if self.sees else None}


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

    depth = {part: sum(p == part for p, *_ in steps) for part in ("encoder", "decoder")}
    found = [Layer("layer 1", "input", *image.shape, kernel=None, stride=None, padding=None, normalised=None,
                   activation=None, parameters=0, sees=Field(1, 1, 0), values=image, sums=None, convolution=None)]
    for where, convolution, followers, sums, values in steps:
        part = where if where in depth else "latent"
        number = 1 + sum(layer.part == part for layer in found)
        name = {"encoder": f"layer {1 + number}", "decoder": f"layer {1 + depth['decoder'] - number}"}.get(part)
        kernel, stride, padding = (_one(getattr(convolution, a)) for a in ("kernel_size", "stride", "padding"))
        norm = next((m for m in followers if "Norm" in type(m).__name__), None)
        activation = next((m for m in followers if m is not norm), None)
        if where == "to_sigma":  # made positive by a function, which no hook sees: recognised by what it does
            activation = next((n for n, f in POSITIVE.items() if torch.equal(f(sums).flatten(1), sigma)), "?")
            values = sigma.view_as(sums)
        before = next(layer.sees for layer in reversed(found) if layer.part in ("input", "encoder"))
        found.append(Layer(
            name or LATENT[where], part, *sums.shape[1:], kernel, stride, padding,
            norm and type(norm).__name__, _activation_name(activation), _count(convolution) + _count(norm),
            None if part == "decoder" else before.after(kernel, stride, padding), values[0], sums[0], convolution,
        ))
    return found


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

    def within(place):
        return min(window_start(layer, *place)) >= 0 and window(place).shape[1:] == (layer.kernel, layer.kernel)

    places = filter(within, product(range(layer.height), range(layer.width)))
    row, column = max(places, key=lambda place: float(window(place).var(dim=(1, 2)).sum()))
    plane = int(layer.sums[:, row, column].argmax())
    weight, bias = layer.convolution.weight.detach(), layer.convolution.bias.detach()
    terms = (weight[plane] * window((row, column))).sum((1, 2))
    return Sum(plane, row, column, tuple(terms.tolist()), float(bias[plane]), float(layer.sums[plane, row, column]))


def window_start(layer: Layer, row: int, column: int) -> tuple[int, int]:
    """Where the window of a unit begins on the other side of its convolution; negative in the
    padding."""
    return row * layer.stride - layer.padding, column * layer.stride - layer.padding


def _record(model, x, epsilon):
    """A forward pass: for each convolution where it stands, the modules that follow it, its output,
    theirs; and σ."""
    steps = []

    def watch(name):
        def hook(module, _, out):
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                steps.append([name.split(".")[0], module, [], out, out])
            else:
                steps[-1][2].append(module)
                steps[-1][4] = out
        return hook

    hooks = [m.register_forward_hook(watch(name)) for name, m in model.named_modules() if not list(m.children())]
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
        raise ValueError(f"kernels, strides and paddings must be the same along both axes, got {pair}")
    return pair[0]


def _activation_name(activation):
    slope = getattr(activation, "negative_slope", None)
    name = activation if isinstance(activation, str | None) else type(activation).__name__
    return f"{name}({slope:g})" if slope is not None else name


def _count(module):
    return sum(p.numel() for p in module.parameters()) if module is not None else 0
