"""Recipes: what they refuse and how they say it, and what identifies them."""

import dataclasses
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from convae import ConvAE, ConvVAE, DenseAE, DenseVAE, Recipe
from convae.recipes import SHAPE

FIELDS = {f.name: f for f in dataclasses.fields(Recipe)}
OTHER = {  # for each field another good value than that of conv_vae_2d, or of dense_vae_2d if only that has the field
    "model": "ae", "latent_dim": 3, "architecture": "dense", "hidden": 14, "channels": (4, 16, 32), "slope": 0.2,
    "normalised_layers": (2, 3, 4),
    "difference": "cross_entropy", "kl_weight": 0.5, "schedule": "constant", "learning_rate": 1e-3, "epochs": 21,
    "batch_size": 64, "seed": 1, "optimiser": "adam", "momentum": 0.8, "adam_share": 0.25,
}

WRONG_TYPE = [
    *((name, value) for name in ("model", "architecture", "difference", "optimiser", "schedule")
      for value in (None, 1, True, ["ae"], b"ae")),
    *((name, value) for name in ("latent_dim", "epochs", "batch_size", "seed", "hidden")
      for value in (None, True, False, 2.0, math.nan, math.inf, "2", [2], (2,)) if (name, value) != ("epochs", None)),
    *((name, value) for name in ("slope", "kl_weight", "momentum", "adam_share", "learning_rate")
      for value in (None, True, False, "1", [0.1], 1j)),
    *((name, value) for name in ("channels", "normalised_layers") for value in (None, 2, "234", {2, 3}, True)),
]
OUT_OF_RANGE = [
    *((name, value) for name in ("model", "architecture", "difference", "optimiser", "schedule")
      for value in ("", "vaes", "AE", "ae ")),
    *(("latent_dim", v) for v in (0, -1, 785, 10**400)),
    *(("channels", v) for v in ((), (4, 16), (4, 16, 64, 64), (0, 16, 64), (4, -16, 64), (4, 16, True), (4, 16, 64.0),
                                ("4", "16", "64"), (4, 16, None), ([4], 16, 64))),
    *(("slope", v) for v in (-0.01, 1, 1.5, math.nan, math.inf, -math.inf)),
    *(("normalised_layers", v) for v in ((1,), (5,), (2, 2), (3, 2), (2.0, 3), ("2",), (True,), ([2],))),
    *(("kl_weight", v) for v in (-1e-9, 1e7, math.nan, math.inf, -math.inf, 10**400)),
    *(("momentum", v) for v in (-0.1, 1, math.nan, math.inf)),
    *(("adam_share", v) for v in (-0.1, 11, math.nan, math.inf)),
    *(("learning_rate", v) for v in (0, -1e-3, 11, math.nan, math.inf)),
    *(("epochs", v) for v in (0, -1, 10_001)),
    *(("batch_size", v) for v in (0, 1, 60_001)),
    *(("seed", v) for v in (-1, 2**31)),
    *(("hidden", v) for v in (0, -1, 100_001)),
]


def base(name):
    """The default recipe of an architecture that has the field."""
    return Recipe.from_name("dense_vae_2d" if name in SHAPE["dense"] else "conv_vae_2d")


def with_field(name, value):
    return Recipe.from_dict({**base(name).to_dict(), name: value})


def short(value):
    return str(value)[:12]


@pytest.mark.parametrize(("name", "value"), WRONG_TYPE, ids=short)
def test_a_value_of_the_wrong_type_is_refused_by_name(name, value):
    with pytest.raises(TypeError, match=f"^recipe: {name} must be .*{re.escape(repr(value))}$"):
        with_field(name, value)


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE, ids=short)
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"\b{name} must be .*{re.escape(repr(value))}"):
        with_field(name, value)


def test_every_field_is_refused_both_for_its_type_and_for_its_range():
    assert {name for name, _ in WRONG_TYPE} == {name for name, _ in OUT_OF_RANGE} == set(FIELDS)


@pytest.mark.parametrize(("name", "value"), [
    ("latent_dim", 1), ("latent_dim", 784), ("slope", 0), ("slope", 0.99), ("kl_weight", 0), ("kl_weight", 1e6),
    ("learning_rate", 1e-8), ("learning_rate", 10), ("epochs", 1), ("batch_size", 2), ("batch_size", 60_000),
    ("seed", 0), ("seed", 2**31 - 1), ("normalised_layers", ()), ("normalised_layers", [4]), ("channels", [1, 1, 1]),
    ("hidden", 1)])
def test_the_ends_of_each_range_are_allowed(name, value):
    assert with_field(name, value).build() is not None


def test_an_unknown_field_is_refused_by_name_with_the_known_ones():
    with pytest.raises(ValueError, match="^a recipe has no beta, learning_rat; its fields are model, latent_dim, "):
        Recipe.from_dict({"model": "vae", "latent_dim": 2, "learning_rat": 0.1, "beta": 4})
    with pytest.raises(ValueError, match="^a recipe has no epoch;"):
        Recipe.from_name("conv_vae_2d", epoch=3)


def test_a_missing_field_is_refused_by_name():
    with pytest.raises(ValueError, match="^the recipe lacks latent_dim, model$"):
        Recipe.from_dict({"epochs": 3})


@pytest.mark.parametrize(("name", "expected"), [
    ("conv_ae_2d", ("conv", "ae", 2)), ("conv_vae_3d", ("conv", "vae", 3)), ("conv_vae_64d", ("conv", "vae", 64)),
    ("dense_ae_2d", ("dense", "ae", 2)), ("dense_vae_64d", ("dense", "vae", 64))])
def test_a_name_gives_architecture_model_and_dimension_and_comes_back(name, expected):
    recipe = Recipe.from_name(name)
    assert (recipe.architecture, recipe.model, recipe.latent_dim) == expected
    assert recipe.name == name


@pytest.mark.parametrize("name", [
    "", "conv", "conv_vae", "conv_vae_64", "conv_vae_d", "conv_vae_xd", "conv_vae_2.5d", "conv_vae_-1d", "conv_vae_02d",
    "conv_vae_0d", "conv_vae_+2d", "conv_vae_ 2d", "conv_vae_2d ", "conv_vae_2d\n", "conv_vae_1_0d", "conv_vae_２d",
    "conv-vae-2d", "CONV_VAE_2D", None, 2, ("conv", "vae", 2)])
def test_a_name_that_reads_otherwise_is_refused_with_an_example(name):
    with pytest.raises(ValueError, match=re.escape(f"_DIMENSIONd, like conv_vae_64d; got {name!r}")):
        Recipe.from_name(name)


@pytest.mark.parametrize(("name", "field"), [
    ("conv_gan_2d", "model"), ("fft_vae_2d", "architecture"), ("conv_vae_9999d", "latent_dim")])
def test_a_name_of_no_model_is_refused_by_the_field_that_is_wrong(name, field):
    with pytest.raises(ValueError, match=f"recipe: {field} must be"):
        Recipe.from_name(name)


def test_changes_to_a_named_recipe_leave_its_other_fields_at_their_defaults():
    recipe = Recipe.from_name("conv_vae_2d", epochs=3, seed=7)
    assert recipe == dataclasses.replace(Recipe("vae", 2), epochs=3, seed=7)


@pytest.mark.parametrize("name", FIELDS)
def test_a_recipe_is_frozen(name):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Recipe.from_name("conv_vae_2d"), name, 3)


def test_recipes_are_hashable_and_equal_by_value():
    assert len({Recipe.from_name("conv_vae_2d"), Recipe("vae", 2), Recipe("vae", 3)}) == 2


@pytest.mark.parametrize("name", OTHER)
def test_the_key_differs_with_every_field(name):
    assert dataclasses.replace(base(name), **{name: OTHER[name]}).key != base(name).key


def test_no_field_is_left_out_of_the_keys_test():
    assert set(OTHER) == set(FIELDS)


def test_a_convolutional_recipes_key_is_what_it_was_before_there_were_others():
    assert Recipe("vae", 64).key == "bd3daf31d7a6748e"
    assert Recipe("ae", 2, seed=5, slope=0.1).key == "3a87e524cc874207"


def test_the_key_is_the_same_in_every_process():
    code = "from convae import Recipe; print(Recipe.from_name('conv_vae_2d', seed=3).key)"
    other = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True,
                           check=True).stdout.strip()
    assert other == Recipe.from_name("conv_vae_2d", seed=3).key
    assert re.fullmatch("[0-9a-f]{16}", other)


def test_equal_recipes_have_equal_keys_however_the_numbers_are_written():
    one, other = Recipe("vae", 2, kl_weight=1, slope=0), Recipe("vae", 2, kl_weight=1.0, slope=0.0)
    assert one == other
    assert one.key == other.key
    assert Recipe("vae", 2, channels=[4, 16, 64]).key == Recipe("vae", 2).key


@pytest.mark.parametrize("recipe", [
    Recipe("vae", 2), Recipe("ae", 64, kl_weight=0, channels=(8, 8, 8), normalised_layers=(), learning_rate=1e-8),
    Recipe("ae", 3, "dense", hidden=14)], ids=lambda recipe: recipe.name)
def test_a_recipe_comes_back_from_json_equal(recipe):
    text = json.dumps(recipe.to_dict(), allow_nan=False)
    again = Recipe.from_dict(json.loads(text))
    assert again == recipe
    assert again.key == recipe.key


def test_a_recipe_lists_the_fields_that_its_architecture_has_and_no_other():
    conv, dense = (list(Recipe.from_name(name).to_dict()) for name in ("conv_ae_2d", "dense_ae_2d"))
    assert conv == [name for name in FIELDS if name != "hidden"]
    assert dense == [name for name in FIELDS if name not in ("channels", "normalised_layers")]


@pytest.mark.parametrize(("architecture", "name"), [
    ("conv", "hidden"), ("dense", "channels"), ("dense", "normalised_layers")])
def test_a_field_of_another_architecture_is_refused_by_name_unless_it_is_the_default(architecture, name):
    with pytest.raises(ValueError, match=f"^recipe: {name} is nothing that a {architecture} model has$"):
        Recipe("ae", 2, architecture, **{name: OTHER[name]})
    assert Recipe("ae", 2, architecture, **{name: FIELDS[name].default}) == Recipe("ae", 2, architecture)


def test_what_the_paper_states_is_marked_with_its_section_and_the_rest_is_a_choice():
    stated = {name for name, f in FIELDS.items() if f.metadata["stated"]}
    assert stated == {"model", "latent_dim", "architecture", "normalised_layers"}
    assert [name for name in stated if not re.search(r"\b[34]\.?\d?", FIELDS[name].metadata["note"])] == []
    assert [name for name, f in FIELDS.items() if not f.metadata["note"]] == []


def test_the_defaults_are_the_papers_and_the_design_pages():
    recipe = Recipe("vae", 2)
    assert (recipe.architecture, recipe.channels, recipe.normalised_layers) == ("conv", (4, 16, 64), (2, 3))
    assert (recipe.difference, recipe.kl_weight, recipe.slope) == ("squared_error", 1.0, 0.01)


@pytest.mark.parametrize(("model", "cls"), [("ae", ConvAE), ("vae", ConvVAE)])
def test_a_recipe_builds_the_model_that_it_describes(model, cls):
    built = Recipe(model, 5, channels=(2, 3, 6), slope=0.3, normalised_layers=(4,)).build()
    expected = cls(5, (2, 3, 6), 0.3, (4,))
    assert type(built) is cls
    assert str(built) == str(expected)


@pytest.mark.parametrize(("model", "cls"), [("ae", DenseAE), ("vae", DenseVAE)])
def test_a_dense_recipe_builds_the_dense_model(model, cls):
    built = Recipe(model, 5, "dense", hidden=7, slope=0.3).build()
    assert type(built) is cls
    assert str(built) == str(cls(5, 7, 0.3))


@pytest.mark.parametrize(("latent_dim", "epochs"), [(2, 10), (3, 10), (8, 10), (9, 12), (64, 12)])
def test_how_long_to_train_follows_from_the_latent_dimension_unless_said(latent_dim, epochs):
    assert Recipe(model="vae", latent_dim=latent_dim) == Recipe(model="vae", latent_dim=latent_dim, epochs=epochs)
    assert Recipe(model="vae", latent_dim=latent_dim, epochs=3).epochs == 3
