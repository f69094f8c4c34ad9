"""A recipe says all that determines a trained model. What the paper states is marked so; the rest
are our choices."""

import dataclasses
import json
import re
from dataclasses import dataclass

from convae._io import key_of
from convae.dense import DenseAE, DenseVAE
from convae.losses import DIFFERENCES
from convae.models import ConvAE, ConvVAE, check_maps

MODELS = {("conv", "ae"): ConvAE, ("conv", "vae"): ConvVAE, ("dense", "ae"): DenseAE, ("dense", "vae"): DenseVAE}
SHAPE = {"conv": ("channels", "normalised_layers"), "dense": ("hidden",)}  # the fields that only one architecture has
OPTIMISERS = ("muon", "adam")
SCHEDULES = ("one_cycle", "constant")


def _stated(where, default=dataclasses.MISSING):
    return dataclasses.field(default=default, metadata={"stated": True, "note": where})


def _choice(default, why):
    return dataclasses.field(default=default, metadata={"stated": False, "note": why})


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a trained model, typed and checked; frozen, hashable by
    :attr:`key`.

    Each field's metadata says whether the paper states it and where, or why we chose the default.
    What training takes was compared on 10,000 of the training images, held out.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or is out of range; the message names the field.
    """

    model: str = _stated("section 3.2 (ae) and 3.3 (vae)")
    latent_dim: int = _stated("2 and 3 in 4.1, 4.2 and 4.4; 64 in 4.3")
    architecture: str = _stated("section 3", "conv")
    channels: tuple[int, int, int] = _choice((4, 16, 64), "4 and 16 are stated (3.1); 64 continues the ratio")
    slope: float = _choice(0.01, "LeakyReLU is stated (3.2), its slope is not; PyTorch's default")
    normalised_layers: tuple[int, ...] = _stated("section 3.2; batch normalisation and its mirror in the decoder are "
                                                 "choices", (2, 3))
    hidden: int = _choice(400, "dense models only; the commonest size")
    difference: str = _choice("squared_error", "the paper says only “difference” (2.3)")
    kl_weight: float = _choice(1.0, "the KL term is simply added (2.3)")
    optimiser: str = _choice("muon", "not stated; with one cycle of the learning rate a third of the epochs that Adam at 1e-3 "
                             "takes to the same loss")
    momentum: float = _choice(0.9, "not stated; Muon's, better than 0.8 and 0.95 in one trial (64-D)")
    adam_share: float = _choice(0.5, "not stated; beside Muon, Adam trains the kernels beside z, biases and normalisations, at "
                                "this share of the learning rate")
    schedule: str = _choice("one_cycle", "not stated; up to the peak over 30 % of the steps, down to 0 over the rest")
    learning_rate: float = _choice(0.02, "not stated; the schedule's peak, better than 0.01 and 0.03 in one trial (64-D)")
    epochs: int = _choice(None, "not stated; 10, or 12 with more than 8 latent variables: about the loss that Adam at 1e-3 "
                          "reaches in 36")
    batch_size: int = _choice(256, "not stated; half the steps of 128, each with a fixed cost")
    seed: int = _choice(0, "fixed before any result was seen")

    def __post_init__(self):
        for name in ("channels", "normalised_layers"):  # a card's JSON has lists
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.epochs is None:
            object.__setattr__(self, "epochs", 10 if isinstance(self.latent_dim, int) and self.latent_dim <= 8 else 12)
        for field in dataclasses.fields(self):
            _check_type(field, getattr(self, field.name))
        _check_among("model", self.model, ("ae", "vae"))
        _check_among("architecture", self.architecture, sorted({a for a, _ in MODELS}))
        _check_among("difference", self.difference, DIFFERENCES)
        _check_among("optimiser", self.optimiser, OPTIMISERS)
        _check_among("schedule", self.schedule, SCHEDULES)
        _check_range("latent_dim", self.latent_dim, 1, 784)
        _check_range("slope", self.slope, 0, 0.99)
        _check_range("kl_weight", self.kl_weight, 0, 1e6)
        _check_range("momentum", self.momentum, 0, 0.999)
        _check_range("adam_share", self.adam_share, 0, 10)
        _check_range("learning_rate", self.learning_rate, 1e-8, 10)
        _check_range("epochs", self.epochs, 1, 10_000)
        _check_range("batch_size", self.batch_size, 2, 60_000)  # batch normalisation needs two images
        _check_range("seed", self.seed, 0, 2**31 - 1)
        _check_range("hidden", self.hidden, 1, 100_000)
        check_maps(self.channels, self.normalised_layers)
        for field in dataclasses.fields(self):
            if field.name in self._not_applicable and getattr(self, field.name) != field.default:
                raise ValueError(f"recipe: {field.name} is nothing that a {self.architecture} model has")
        for name in ("slope", "kl_weight", "momentum", "adam_share", "learning_rate"):  # 1 and 1.0 are one recipe, with one key
            object.__setattr__(self, name, float(getattr(self, name)))

    def build(self):
        """A new, untrained model of this recipe; its weights come from torch's generator as it
        stands."""
        shape = {name: getattr(self, name) for name in SHAPE[self.architecture]}
        return MODELS[self.architecture, self.model](self.latent_dim, slope=self.slope, **shape)

    @property
    def _not_applicable(self):
        return {name for architecture, names in SHAPE.items() if architecture != self.architecture for name in names}

    @property
    def name(self) -> str:
        """Architecture, model and dimension, such as ``conv_vae_64d``."""
        return f"{self.architecture}_{self.model}_{self.latent_dim}d"

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that differ whenever any field does."""
        return key_of(self.to_dict())

    def to_dict(self) -> dict:
        """The fields as JSON holds them, those that the architecture has."""
        fields = {k: v for k, v in dataclasses.asdict(self).items() if k not in self._not_applicable}
        return json.loads(json.dumps(fields))

    @classmethod
    def from_dict(cls, values: dict) -> "Recipe":
        """The recipe with these fields; ValueError names fields that do not exist or are
        missing."""
        known = {f.name: f for f in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"a recipe has no {', '.join(unknown)}; its fields are {', '.join(known)}")
        required = {n for n, f in known.items() if f.default is dataclasses.MISSING}
        if missing := sorted(required - set(values)):
            raise ValueError(f"the recipe lacks {', '.join(missing)}")
        return cls(**values)

    @classmethod
    def from_name(cls, name: str, **changes) -> "Recipe":
        """The default recipe of a name such as ``conv_vae_64d``, with `changes`."""
        parts = re.fullmatch(r"([a-z]+)_([a-z]+)_([1-9][0-9]*)d", name) if isinstance(name, str) else None
        if not parts:
            raise ValueError(f"a model's name reads ARCHITECTURE_MODEL_DIMENSIONd, like conv_vae_64d; got {name!r}")
        architecture, model, latent_dim = parts.groups()
        return cls.from_dict({"architecture": architecture, "model": model, "latent_dim": int(latent_dim), **changes})


def _check_type(field, value):
    kind = getattr(field.type, "__name__", str(field.type))
    if kind == "float":
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif kind == "int":
        good = isinstance(value, int) and not isinstance(value, bool)
    elif kind == "str":
        good = isinstance(value, str)
    else:
        good = isinstance(value, tuple)
    if not good:
        raise TypeError(f"recipe: {field.name} must be {kind}, got {value!r}")


def _check_among(name, value, allowed):
    if value not in allowed:
        raise ValueError(f"recipe: {name} must be one of {', '.join(allowed)}; got {value!r}")


def _check_range(name, value, low, high):
    if not low <= value <= high:
        raise ValueError(f"recipe: {name} must be from {low} to {high}, got {value!r}")
