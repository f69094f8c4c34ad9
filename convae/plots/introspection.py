"""What a live model is made of, read from its modules as an image passes through them (Figs. 1 to
3): one with other channels, slope or normalised layers is described as what it is."""

import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus, unfold

from convae.models import ConvAE, ConvVAE, count

FACTS = ("part", "name", "maps", "height", "width", "kernel", "stride", "padding", "normalised",
         "activation", "parameters")


class Field(NamedTuple):
    """Receptive field along one axis: unit k sees `size` pixels of the image and its padding, from
    ``start + k · step`` on."""

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

    part: str                  #: ``input``, ``encoder``, ``latent`` or ``decoder``
    name: str                  #: ``layer 1`` (an image) to ``layer 4``, ``z``, ``μ``, ``σ``
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

    @property
    def window(self) -> str:
        """The kernel's height × width, such as ``4×4``."""
        return f"{self.kernel}×{self.kernel}"

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
        Read in ``eval()`` mode, whatever mode it is in; any other model is a TypeError.
    image : Tensor
        One image, ``(1, 28, 28)`` in [0, 1].
    epsilon : Tensor, optional
        For a VAE: the decoder gets z = μ + ε·σ with this ε, ``(d,)``, instead of z = μ.

    Returns
    -------
    list of Layer
        The input (layer 1), the encoder's layers 2 to 4, z (or μ and σ), the decoder's layers 4 to
        1 (the output).
    """
    if not isinstance(model, ConvAE):
        raise TypeError(f"model must be a ConvAE or a ConvVAE, got {type(model).__name__}")
    model = copy.deepcopy(model).eval()
    network = [Layer("input", "layer 1", *image.shape, image, Field(1, 1, 0))]
    for number, modules in enumerate(_stages(model.encoder), 2):
        network.append(_layer("encoder", f"layer {number}", modules, network[-1]))
    features = network[-1]
    if isinstance(model, ConvVAE):
        z = _layer("latent", "μ", [model.to_mu], features)
        linear = _layer("latent", "σ", [model.to_sigma], features)
        sigma = replace(linear, values=softplus(linear.sums), activation="softplus")
        network += [z, sigma]
        if epsilon is not None:
            z = replace(z, values=z.values + epsilon.view_as(z.values) * sigma.values)
    else:
        z = _layer("latent", "z", [model.to_z], features)
        network.append(z)
    before, stages = z, _stages(model.decoder)
    for number, modules in enumerate(stages):
        before = _layer("decoder", f"layer {len(stages) - number}", modules, before)
        network.append(before)
    return network


def _stages(network):
    """Lists of modules, each of which begins with a convolution."""
    stages = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            stages.append([])
        if not list(module.children()):
            stages[-1].append(module)
    return stages


def _layer(part, name, modules, before):
    """The layer that a convolution, and the modules after it, make of the layer before."""
    convolution, *rest = modules
    sums = convolution(before.values[None])
    values = nn.Sequential(*rest)(sums)[0]
    # The models' kernels, strides and paddings are the same along both axes
    geometry = convolution.kernel_size[0], convolution.stride[0], convolution.padding[0]
    sees = None if part == "decoder" else before.sees.after(*geometry)
    *norms, activation = rest or [None]
    normalised = type(norms[0]).__name__ if norms else None
    # LeakyReLU(negative_slope=0.01) is said shorter
    said = activation and repr(activation).replace("negative_slope=", "").removesuffix("()")
    parameters = sum(map(count, modules))
    return Layer(part, name, *values.shape, values, sees, *geometry, normalised, said, parameters,
                 sums[0], convolution)


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
    windows = _windows(before.values, layer)  # (planes q, kernel², units)
    inside = _windows(torch.ones_like(before.values), layer).amin((0, 1))  # 0 where padding is seen
    variance = windows.var(1).sum(0)
    place = int(torch.where(inside > 0, variance, -1).argmax())
    row, column = divmod(place, layer.width)
    sums = layer.sums[:, row, column]
    plane = int(sums.argmax())
    weight = layer.convolution.weight.detach()[plane].flatten(1)  # (planes q, kernel²)
    bias = layer.convolution.bias.detach()[plane]
    terms = (weight * windows[..., place]).sum(1)
    return Sum(plane, row, column, tuple(terms.tolist()), float(bias), float(sums[plane]))


def _windows(planes, layer):
    seen = unfold(planes, layer.kernel, padding=layer.padding, stride=layer.stride)
    return seen.unflatten(0, (len(planes), -1))


def window_start(layer: Layer, row: int, column: int) -> tuple[int, int]:
    """Where the window of a unit begins on the other side of its convolution; negative in the
    padding."""
    return row * layer.stride - layer.padding, column * layer.stride - layer.padding
