"""A recipe says all that determines a trained model, and which of it the paper states."""

import json
import re

import attrs

from convae._io import key_of
from convae.bounds import BOUNDS, check
from convae.dense import DenseAE, DenseVAE
from convae.models import ConvAE, ConvVAE


def stated(note: str, stated=True, **options):
    """A field that the paper states; the note says where."""
    within_bound = attrs.Converter(lambda value, field: BOUNDS[field.name].check(field.name, value),
                                   takes_field=True)
    return attrs.field(converter=within_bound, metadata={"stated": stated, "note": note}, **options)


def choice(default, note: str):
    """A field that the paper leaves open; the note says why the default is ours."""
    return stated(note, stated=False, default=default)


@attrs.frozen
class Recipe:
    """Everything that determines a trained model: a :class:`ConvRecipe` or a :class:`DenseRecipe`.

    A field out of its bound raises TypeError or ValueError with its name. Our choices for the
    training were compared on 10,000 of the training images, held out.

    Examples
    --------
    >>> recipe = Recipe.from_name("conv_vae_64d", seed=3)
    >>> recipe.latent_dim, recipe.seed, recipe.epochs
    (64, 3, 12)
    """

    model: str = stated("section 3.2 (ae) and 3.3 (vae)")
    latent_dim: int = stated("2 and 3 in 4.1, 4.2 and 4.4; 64 in 4.3")
    slope: float = choice(0.01, "LeakyReLU is stated (3.2), its slope is not; PyTorch's default")
    difference: str = choice("squared_error", "the paper says only “difference” (2.3)")
    kl_weight: float = choice(1.0, "the KL term is simply added (2.3)")
    optimiser: str = choice(
        "muon", "not stated; with one cycle of the learning rate a third of the epochs that Adam "
        "at 1e-3 takes to the same loss")
    momentum: float = choice(
        0.9, "not stated; Muon's, better than 0.8 and 0.95 in one trial (64-D)")
    adam_share: float = choice(
        0.5, "not stated; beside Muon, Adam trains the kernels beside z, biases and "
        "normalisations, at this share of the learning rate")
    schedule: str = choice(
        "one_cycle", "not stated; up to the peak over 30 % of the steps, down to 0 over the rest")
    learning_rate: float = choice(
        0.02, "not stated; the schedule's peak, better than 0.01 and 0.03 in one trial (64-D)")
    epochs: int = choice(
        attrs.Factory(lambda recipe: 10 if recipe.latent_dim <= 8 else 12, takes_self=True),
        "not stated; 10, or 12 with more than 8 latent variables: about the loss that Adam at 1e-3 "
        "reaches in 36")
    batch_size: int = choice(256, "not stated; half the steps of 128, each with a fixed cost")
    seed: int = choice(0, "fixed before any result was seen")

    @property
    def name(self) -> str:
        """Architecture, model and dimension, such as ``conv_vae_64d``."""
        return f"{self.architecture}_{self.model}_{self.latent_dim}d"

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that differ whenever any field does."""
        return key_of(self.to_dict())

    def to_dict(self) -> dict:
        """The fields as JSON holds them."""
        return json.loads(json.dumps(attrs.asdict(self)))

    @staticmethod
    def from_dict(values: dict) -> "Recipe":
        """The recipe with these fields; ValueError names those that do not exist or are missing."""
        architecture = values.get("architecture", "conv")
        check(architecture=architecture)
        recipe = RECIPES[architecture]
        known = [field.name for field in attrs.fields(recipe)]
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"a {architecture} recipe has no {', '.join(unknown)}; "
                             f"its fields are {', '.join(known)}")
        if missing := sorted({"model", "latent_dim"} - set(values)):
            raise ValueError(f"the recipe lacks {', '.join(missing)}")
        return recipe(**{name: value for name, value in values.items() if name != "architecture"})

    @staticmethod
    def from_name(name: str, **changes) -> "Recipe":
        """The default recipe of a name such as ``conv_vae_64d``, with `changes`."""
        pattern = r"([a-z]+)_([a-z]+)_([1-9][0-9]*)d"
        parts = re.fullmatch(pattern, name) if isinstance(name, str) else None
        if not parts:
            raise ValueError("a model's name reads ARCHITECTURE_MODEL_DIMENSIONd, like "
                             f"conv_vae_64d; got {name!r}")
        fields = {"architecture": parts[1], "model": parts[2], "latent_dim": int(parts[3])}
        return Recipe.from_dict(fields | changes)


@attrs.frozen
class ConvRecipe(Recipe):
    """The paper's convolutional networks."""

    architecture: str = stated("section 3", default="conv", init=False)
    channels: tuple = choice((4, 16, 64), "4 and 16 are stated (3.1); 64 continues the ratio")
    normalised_layers: tuple = stated(
        "section 3.2; batch normalisation and its mirror in the decoder are choices",
        default=(2, 3))

    def build(self) -> ConvAE:
        """A new, untrained model; its weights come from torch's generator."""
        network = {"ae": ConvAE, "vae": ConvVAE}[self.model]
        return network(self.latent_dim, self.channels, self.slope, self.normalised_layers)


@attrs.frozen
class DenseRecipe(Recipe):
    """Fully connected networks, which the paper compares with."""

    architecture: str = stated("section 3", default="dense", init=False)
    hidden: int = choice(400, "the commonest size")

    def build(self) -> DenseAE:
        """A new, untrained model; its weights come from torch's generator."""
        network = {"ae": DenseAE, "vae": DenseVAE}[self.model]
        return network(self.latent_dim, self.hidden, self.slope)


RECIPES = {"conv": ConvRecipe, "dense": DenseRecipe}
