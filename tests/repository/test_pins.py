"""What committed weights and records hang on, held to a file.

It must survive every redesign: the order in which a model's layers are built is its seed, and a
record is found by the key of its task. Whoever changes one of these makes weights, figures and
verdicts anew.
"""

import json
from pathlib import Path

import pytest
import torch

from convae.anomaly.study import tables
from convae.claims import design
from convae.pretrained import SHIPPED, shipped_recipe
from convae.recipes import ConvRecipe, DenseRecipe

PINS = json.loads((Path(__file__).parent / "pins.json").read_text(encoding="utf-8"))
STUDIES = {
    **{name: list(tasks().values()) for name, tasks in design.STUDIES.items()},
    **{name: tasks() for name, tasks in tables.STUDIES.items()},
}
FRESH = {
    "conv_ae_2d": ConvRecipe("ae", 2), "conv_vae_3d": ConvRecipe("vae", 3),
    "conv_vae_64d": ConvRecipe("vae", 64, normalised_layers=()),
    "dense_ae_2d": DenseRecipe("ae", 2), "dense_vae_64d": DenseRecipe("vae", 64, hidden=30),
    "classifier": shipped_recipe("classifier"),
}


def fresh(name):
    """Of each tensor of a new model: name, shape, first value and mean.

    A hash would pin what the processor decides, too.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        state = FRESH[name].build().state_dict()
    return [[key, list(t.shape), t.flatten()[0].item(), t.double().mean().item()]
            for key, t in state.items()]


def pins():
    """The content of pins.json."""
    return {
        "shipped": {name: shipped_recipe(name).to_dict() for name in SHIPPED},
        "recipe_keys": {name: shipped_recipe(name).key for name in SHIPPED if name != "classifier"},
        "record_keys": {
            name: sorted({task.key for task in tasks}) for name, tasks in STUDIES.items()},
        "fresh": {name: fresh(name) for name in FRESH},
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_recipe_of_a_shipped_model_is_unchanged(name):
    assert shipped_recipe(name).to_dict() == PINS["shipped"][name]
    if name in PINS["recipe_keys"]:
        assert shipped_recipe(name).key == PINS["recipe_keys"][name]


@pytest.mark.parametrize("name", STUDIES)
def test_keys_of_a_studys_records_are_unchanged(name):
    assert sorted({task.key for task in STUDIES[name]}) == PINS["record_keys"][name]


@pytest.mark.parametrize("name", FRESH)
def test_new_weights_of_a_seed_are_unchanged(name):
    found, pinned = fresh(name), PINS["fresh"][name]
    assert [entry[:2] for entry in found] == [entry[:2] for entry in pinned]
    for (key, _, *values), (*_, first, mean) in zip(found, pinned, strict=True):
        # as close as float32 arithmetic of the initial weights comes
        assert values == pytest.approx([first, mean], rel=1e-5, abs=1e-8), key
