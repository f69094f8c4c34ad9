"""What a named value may be: the bounds of networks, recipes and notebooks' parameters."""

from collections.abc import Callable
from typing import Any

import attrs
import torch
from torch import Tensor


@attrs.frozen
class Bound:
    """What a value may be, in words and as a test; made by the functions below."""

    text: str                                 # completes "NAME must be ..."
    types: tuple[type, ...]                   # exactly these: bool is not int here
    admits: Callable[[Any], bool]             # asked of a value of one of the types
    form: Callable[[Any], Any] = lambda v: v  # gives equal values one form, such as float

    def holds(self, value) -> bool:
        return type(value) in self.types and self.admits(value)

    def check(self, name: str, value):
        """The value in its form; TypeError or ValueError names name, bound and value."""
        if self.holds(value):
            return self.form(value)
        error = ValueError if type(value) in self.types else TypeError
        raise error(f"{name} must be {self.text}, got {value!r}")


def whole(low: int, high: int) -> Bound:
    return Bound(f"a whole number from {low:,} to {high:,}", (int,), lambda v: low <= v <= high)


def number(low: float, high: float) -> Bound:
    text = f"a number from {low:,} to {high:,}"
    return Bound(text, (int, float), lambda v: low <= v <= high, float)


def one_of(*allowed) -> Bound:
    text = f"one of {', '.join(map(repr, allowed))}"
    return Bound(text, (type(allowed[0]),), allowed.__contains__)


def list_of(item: Bound, at_least: int = 1) -> Bound:
    text = f"a list of at least {at_least}, each {item.text}"
    return Bound(text, (list,), lambda v: len(v) >= at_least and all(map(item.holds, v)))


def _tuple_of(text: str, item: Bound, admits) -> Bound:
    return Bound(text, (tuple, list), lambda v: all(map(item.holds, v)) and admits(v), tuple)


MAPS = whole(1, 4096)  # of one layer
LAYERS = whole(2, 4)   # those of feature maps; layer 1 is the image
BOUNDS = {
    # The networks (sections 3.1 to 3.3).
    "architecture": one_of("conv", "dense"),
    "model": one_of("ae", "vae"),
    "latent_dim": whole(1, 784),
    "channels": _tuple_of(f"three numbers of maps, each {MAPS.text}", MAPS, lambda v: len(v) == 3),
    "slope": number(0, 0.99),
    "normalised_layers": _tuple_of(
        "some of 2, 3, 4, ascending", LAYERS, lambda v: list(v) == sorted(set(v))),
    "hidden": whole(1, 100_000),
    # The objective (section 2.3).
    "difference": one_of("squared_error", "cross_entropy"),
    "kl_weight": number(0, 1e6),
    # Training.
    "optimiser": one_of("muon", "adam"),
    "momentum": number(0, 0.999),
    "adam_share": number(0, 10),
    "schedule": one_of("one_cycle", "constant"),
    "learning_rate": number(1e-8, 10),
    "epochs": whole(1, 10_000),
    "batch_size": whole(2, 60_000),  # batch normalisation needs two images
    "seed": whole(0, 2**31 - 1),
}


def check(**values):
    """Refuse the first value that lies outside its bound in :data:`BOUNDS`."""
    for name, value in values.items():
        BOUNDS[name].check(name, value)


def check_batch(model, name: str, batch, shape: tuple[int, ...]):
    """Refuse what is not ``(N, *shape)`` of the weights' type; only autocast mixes types."""
    dtype = next(model.parameters()).dtype
    got = getattr(batch, "dtype", type(batch).__name__)
    is_float = isinstance(batch, Tensor) and batch.is_floating_point()
    if not is_float or (got != dtype and not torch.is_autocast_enabled(batch.device.type)):
        raise TypeError(f"{name} must be a tensor of {dtype}, as the weights are; got {got}")
    if batch.shape[1:] != shape:
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"{name} must have shape (N, {wanted}), got {tuple(batch.shape)}")
