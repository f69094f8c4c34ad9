"""Recipes: what they refuse and how they say it, and what identifies them."""

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from convae import ConvAE, ConvVAE, DenseAE, DenseVAE, Recipe
from convae.bounds import BOUNDS
from convae.recipes import RECIPES, ConvRecipe, DenseRecipe

FIELDS = {f.name: f for recipe in RECIPES.values() for f in attrs.fields(recipe)}
OTHER = {  # for each field a good value that is not the default
    "model": "ae", "latent_dim": 3, "hidden": 14, "channels": (4, 16, 32), "slope": 0.2,
    "normalised_layers": (2, 3, 4), "difference": "cross_entropy", "kl_weight": 0.5,
    "schedule": "constant", "learning_rate": 1e-3, "epochs": 21, "batch_size": 64, "seed": 1,
    "optimiser": "adam", "momentum": 0.8, "adam_share": 0.25,
}


def base(name):
    """The default recipe of an architecture that has the field."""
    return Recipe.from_name("dense_vae_2d" if name == "hidden" else "conv_vae_2d")


def test_every_field_has_a_bound():
    assert set(FIELDS) == set(BOUNDS) == {*OTHER, "architecture"}


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("value", [None, True, -1, "", ()], ids=repr)
def test_value_out_of_its_bound_is_refused_by_name(name, value):
    if name == "normalised_layers" and value == ():
        pytest.skip("no layer need be normalised")
    with pytest.raises((TypeError, ValueError),
                       match=f"^{name} must be .*, got {re.escape(repr(value))}$"):
        Recipe.from_dict({**base(name).to_dict(), name: value})


def test_unknown_field_is_refused_by_name_with_the_known_ones():
    with pytest.raises(ValueError,
                       match="^a conv recipe has no beta, learning_rat; its fields are model, "):
        Recipe.from_dict({"model": "vae", "latent_dim": 2, "learning_rat": 0.1, "beta": 4})
    with pytest.raises(ValueError, match="^a conv recipe has no epoch;"):
        Recipe.from_name("conv_vae_2d", epoch=3)


@pytest.mark.parametrize(("architecture", "name"), [
    ("conv", "hidden"), ("dense", "channels"), ("dense", "normalised_layers")])
def test_field_of_another_architecture_is_refused_by_name(architecture, name):
    with pytest.raises(ValueError, match=f"^a {architecture} recipe has no {name};"):
        Recipe.from_name(f"{architecture}_ae_2d", **{name: OTHER[name]})


def test_missing_field_is_refused_by_name():
    with pytest.raises(ValueError, match="^the recipe lacks latent_dim, model$"):
        Recipe.from_dict({"epochs": 3})


@pytest.mark.parametrize(("name", "expected"), [
    ("conv_ae_2d", ("conv", "ae", 2)), ("conv_vae_3d", ("conv", "vae", 3)),
    ("conv_vae_64d", ("conv", "vae", 64)), ("dense_ae_2d", ("dense", "ae", 2)),
    ("dense_vae_64d", ("dense", "vae", 64))])
def test_name_gives_architecture_model_and_dimension_and_comes_back(name, expected):
    recipe = Recipe.from_name(name)
    assert (recipe.architecture, recipe.model, recipe.latent_dim) == expected
    assert type(recipe) is RECIPES[recipe.architecture]
    assert recipe.name == name


@pytest.mark.parametrize("name", [
    "", "conv", "conv_vae", "conv_vae_64", "conv_vae_d", "conv_vae_xd", "conv_vae_2.5d",
    "conv_vae_-1d",
    "conv_vae_02d", "conv_vae_0d", "conv_vae_+2d", "conv_vae_ 2d", "conv_vae_2d ", "conv_vae_2d\n",
    "conv_vae_1_0d", "conv_vae_２d", "conv-vae-2d", "CONV_VAE_2D", None, 2, ("conv", "vae", 2)])
def test_name_that_reads_otherwise_is_refused_with_an_example(name):
    with pytest.raises(ValueError,
                       match=re.escape(f"_DIMENSIONd, like conv_vae_64d; got {name!r}")):
        Recipe.from_name(name)


@pytest.mark.parametrize(("name", "field"), [
    ("conv_gan_2d", "model"), ("fft_vae_2d", "architecture"), ("conv_vae_9999d", "latent_dim")])
def test_name_of_no_model_is_refused_by_the_field_that_is_wrong(name, field):
    with pytest.raises(ValueError, match=f"^{field} must be"):
        Recipe.from_name(name)


def test_changes_to_a_named_recipe_leave_its_other_fields_at_their_defaults():
    recipe = Recipe.from_name("conv_vae_2d", epochs=3, seed=7)
    assert recipe == attrs.evolve(ConvRecipe("vae", 2), epochs=3, seed=7)


@pytest.mark.parametrize("name", FIELDS)
def test_recipe_is_frozen(name):
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(base(name), name, 3)


def test_recipes_are_hashable_and_equal_by_value_also_after_pickling():
    recipe = Recipe.from_name("conv_vae_2d")
    assert len({recipe, ConvRecipe("vae", 2), ConvRecipe("vae", 3),
                pickle.loads(pickle.dumps(recipe))}) == 2


@pytest.mark.parametrize("name", OTHER)
def test_key_differs_with_every_field(name):
    assert attrs.evolve(base(name), **{name: OTHER[name]}).key != base(name).key


def test_key_differs_with_the_architecture():
    assert Recipe.from_name("conv_ae_2d").key != Recipe.from_name("dense_ae_2d").key


def test_key_is_the_same_in_every_process():
    code = "from convae import Recipe; print(Recipe.from_name('conv_vae_2d', seed=3).key)"
    other = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True,
                           capture_output=True, text=True).stdout.strip()
    assert other == Recipe.from_name("conv_vae_2d", seed=3).key
    assert re.fullmatch("[0-9a-f]{16}", other)


def test_equal_recipes_have_equal_keys_however_the_numbers_are_written():
    one, other = ConvRecipe("vae", 2, kl_weight=1, slope=0), ConvRecipe("vae", 2, kl_weight=1.0,
                                                                        slope=0.0)
    assert one == other
    assert one.key == other.key
    assert ConvRecipe("vae", 2, channels=[4, 16, 64]).key == ConvRecipe("vae", 2).key


@pytest.mark.parametrize("recipe", [
    ConvRecipe("vae", 2), DenseRecipe("ae", 3, hidden=14),
    ConvRecipe("ae", 64, kl_weight=0, channels=(8, 8, 8), normalised_layers=(), learning_rate=1e-8),
], ids=lambda recipe: recipe.name)
def test_recipe_comes_back_from_json_equal(recipe):
    text = json.dumps(recipe.to_dict(), allow_nan=False)
    again = Recipe.from_dict(json.loads(text))
    assert again == recipe
    assert again.key == recipe.key


def test_what_the_paper_states_is_marked_with_its_section_and_the_rest_is_a_choice():
    stated = {name for name, f in FIELDS.items() if f.metadata["stated"]}
    assert stated == {"model", "latent_dim", "architecture", "normalised_layers"}
    assert [name for name in stated
            if not re.search(r"\b[34]\.?\d?", FIELDS[name].metadata["note"])] == []
    assert [name for name, f in FIELDS.items() if not f.metadata["note"]] == []


def test_defaults_of_the_architecture_are_the_papers():
    recipe = ConvRecipe("vae", 2)
    assert (recipe.channels, recipe.normalised_layers) == ((4, 16, 64), (2, 3))
    assert (recipe.difference, recipe.kl_weight, recipe.slope) == ("squared_error", 1.0, 0.01)


@pytest.mark.parametrize(("model", "cls"), [("ae", ConvAE), ("vae", ConvVAE)])
def test_convolutional_recipe_builds_the_network_that_it_describes(model, cls):
    built = ConvRecipe(model, 5, channels=(2, 3, 6), slope=0.3, normalised_layers=(4,)).build()
    assert type(built) is cls
    assert str(built) == str(cls(5, (2, 3, 6), 0.3, (4,)))


@pytest.mark.parametrize(("model", "cls"), [("ae", DenseAE), ("vae", DenseVAE)])
def test_dense_recipe_builds_the_network_that_it_describes(model, cls):
    built = DenseRecipe(model, 5, hidden=7, slope=0.3).build()
    assert type(built) is cls
    assert str(built) == str(cls(5, 7, 0.3))


@pytest.mark.parametrize(("latent_dim", "epochs"), [(2, 10), (3, 10), (8, 10), (9, 12), (64, 12)])
def test_epochs_follow_from_the_latent_dimension_unless_given(latent_dim, epochs):
    assert ConvRecipe("vae", latent_dim).epochs == epochs
    assert ConvRecipe("vae", latent_dim, epochs=3).epochs == 3
