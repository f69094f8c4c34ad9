"""Which models the claims are tested on: over seeds, and over the choices that the paper leaves
open."""

from itertools import product
from typing import NamedTuple

import numpy as np

from convae.claims import measure
from convae.dense import hidden_like_conv
from convae.recipes import Recipe
from convae.reproduce.sweep import Task

SEEDS = tuple(range(1, 11))  # seed 0, whose models had been seen when the thresholds were chosen, takes no part
REPLICATES = (101, 102)      # seeds of the universes
DIMENSIONS = (2, 3, 64)

# Muon takes several times as long for 784 × 400 weights as all else together; Adam is compared on
# held-out images
WIDE = {"hidden": 400, "optimiser": "adam", "learning_rate": 0.016, "epochs": 10}

# What the paper leaves open, the default first; of epochs, fewer and more than that. Adam at a
# constant 1e-3 is what tutorials do; the second reading of “layers 2 and 3” counts the layers after
# the image.
CHOICES = {
    "difference": ("squared_error", "cross_entropy"),
    "slope": (0.01, 0.2),
    "optimiser": ("muon", "adam"),
    "epochs": (5, 15),
    "layer4_maps": (64, 16, 32),
    "normalised_layers": ((2, 3), (3, 4), ()),
    "kl_weight": (1.0, 0.5, 2.0),
}


class Role(NamedTuple):
    """Where a task's record belongs."""

    family: str           #: ``conv``, ``small``, ``wide`` or ``split``, as in :class:`convae.claims.statements.Cast`
    name: str             #: model and dimension, such as ``vae_64d``
    seed: int
    universe: int | None  #: its number in the design, or None for the default choices


def seeds() -> dict[Role, Task]:
    """The default choices over :data:`SEEDS`: convolutional models, fully connected ones in two
    sizes, and split data."""
    roles = {}
    for seed in SEEDS:
        for model, d in product(("ae", "vae"), DIMENSIONS):
            like_conv = {"hidden": hidden_like_conv(model, d)}
            for family, options in (("conv", {}), ("small", like_conv), ("wide", WIDE)):
                architecture = "conv" if family == "conv" else "dense"
                recipe = Recipe(model, d, architecture, seed=seed, **options)
                roles[Role(family, f"{model}_{d}d", seed, None)] = measure.task(recipe)
        for d in (3, 64):
            roles[Role("split", f"vae_{d}d", seed, None)] = measure.task(Recipe("vae", d, seed=seed), held_out=10_000)
    return roles


def universes() -> dict[Role, Task]:
    """Each row of :func:`design` over :data:`REPLICATES`: what the claims' primary criteria need,
    but for split data."""
    return {Role(family, name, seed, universe): task for seed, (universe, choices) in product(REPLICATES, enumerate(design()))
            for (family, name), task in one_universe(choices, seed).items()}


def one_universe(choices: dict, seed: int) -> dict[tuple[str, str], Task]:
    """The tasks of one set of choices, by family and name; choices that a model does not have make
    no other task."""
    models = {("conv", f"{model}_{d}d"): _recipe("conv", model, d, seed, choices)
              for model, d in (("ae", 2), ("vae", 2), ("vae", 3), ("vae", 64))}
    models |= {("small", f"{model}_{d}d"): _recipe("dense", model, d, seed, choices)
               for model, d in (("ae", 2), ("vae", 2), ("vae", 64))}
    return {role: measure.task(recipe) for role, recipe in models.items()}


STUDIES = {"seeds": seeds, "universes": universes}


def design() -> list[dict]:
    """Thirty-six universes, each with a value for every one of :data:`CHOICES`.

    Every pair of values of two choices is met equally often: an orthogonal array of strength 2 (Rao
    1947; Taguchi's L36 is one). Plackett and Burman's (1946) twelve rows serve the choices between
    two, and a difference scheme those among three, each row of it three times, raised by 0, 1, 2
    (modulo 3). Here all 27 combinations of the latter are met, too.
    """
    first = np.array([1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0])
    two = np.array([*(np.roll(first, i) for i in range(11)), np.zeros(11, int)])
    three = np.array([(0, a, b) for (a, b), times in zip(product(range(3), repeat=2), (2, 1, 1, 1, 1, 2, 1, 2, 1), strict=True)
                      for _ in range(times)])
    rows = []
    for row, raise_by in product(range(12), range(3)):
        levels = [*two[row, :4], *(three[row] + raise_by) % 3]
        rows.append({name: values[level] for (name, values), level in zip(CHOICES.items(), levels, strict=True)})
    return rows


def _recipe(architecture, model, d, seed, choices):
    channels = (4, 16, choices["layer4_maps"])
    options = {key: choices[key] for key in ("difference", "slope", "epochs")}
    if choices["optimiser"] == "adam":
        options |= {"optimiser": "adam", "schedule": "constant", "learning_rate": 1e-3}
    if model == "vae":  # an AE has no KL term: one model for all its weights
        options["kl_weight"] = choices["kl_weight"]
    if architecture == "conv":
        options |= {"channels": channels, "normalised_layers": choices["normalised_layers"]}
    else:
        options["hidden"] = hidden_like_conv(model, d, channels)
    return Recipe(model, d, architecture, seed=seed, **options)
