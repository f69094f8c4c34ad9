"""Which models the claims are tested on: the design of universes, and all recipes."""

from collections import Counter, defaultdict
from itertools import combinations, product

import pytest

from convae import Recipe
from convae.claims.design import CHOICES, DIMENSIONS, REPLICATES, SEEDS, STUDIES, WIDE, design
from convae.dense import count, hidden_like_conv
from convae.recipes import ConvRecipe, DenseRecipe

AMONG_THREE = [name for name, values in CHOICES.items() if len(values) == 3]


@pytest.fixture(scope="module")
def studies():
    """For each study its keys of runs, and the task of each."""
    return {name: study() for name, study in STUDIES.items()}


@pytest.fixture(scope="module")
def runs(studies):
    """Those of both studies."""
    return {run: task for study in studies.values() for run, task in study.items()}


# The universes as a design

def test_any_two_choices_meet_in_every_pair_of_values_equally_often():
    rows = design()
    assert len(rows) == 36
    for one, other in combinations(CHOICES, 2):
        pairs = list(product(CHOICES[one], CHOICES[other]))
        met = Counter((row[one], row[other]) for row in rows)
        assert met == dict.fromkeys(pairs, 36 / len(pairs)), (one, other)


def test_the_choices_among_three_meet_in_all_27_combinations():
    assert len(AMONG_THREE) == 3
    met = {tuple(row[name] for name in AMONG_THREE) for row in design()}
    assert met == set(product(*(CHOICES[name] for name in AMONG_THREE)))


def test_no_universe_is_met_twice():
    assert len({tuple(row.values()) for row in design()}) == 36
    assert all(list(row) == list(CHOICES) for row in design())


# The recipes of the universes

def test_every_universe_has_the_same_models_from_every_replicate(studies):
    models = {("conv", "ae_2d"), ("conv", "vae_2d"), ("conv", "vae_3d"), ("conv", "vae_64d"),
              ("small", "ae_2d"), ("small", "vae_2d"), ("small", "vae_64d")}
    runs = {(*model, seed, universe)
            for model, seed, universe in product(models, REPLICATES, range(36))}
    assert set(studies["universes"]) == runs


def test_a_universes_choices_are_in_its_recipes(studies):
    rows, default = design(), Recipe.from_name("conv_vae_2d")
    training = {"adam": ("constant", 1e-3), "muon": (default.schedule, default.learning_rate)}
    for run, task in studies["universes"].items():
        choices, recipe = rows[run.universe], task.arguments["recipe"]
        for name in ("difference", "slope", "epochs", "optimiser"):
            assert getattr(recipe, name) == choices[name]
        assert (recipe.schedule, recipe.learning_rate) == training[recipe.optimiser]
        if run.family == "conv":
            assert recipe.channels == (4, 16, choices["layer4_maps"])
            assert recipe.normalised_layers == choices["normalised_layers"]
        has_kl = recipe.model == "vae"
        assert recipe.kl_weight == (choices["kl_weight"] if has_kl else default.kl_weight)
        assert task.arguments["held_out"] == 0


def test_the_first_value_of_a_choice_is_the_recipes_default_where_all_models_share_it():
    default = Recipe.from_name("conv_vae_2d")
    for name in ("difference", "slope", "optimiser", "normalised_layers", "kl_weight"):
        assert CHOICES[name][0] == getattr(default, name)
    assert CHOICES["layer4_maps"][0] == default.channels[2]


# The default choices, over seeds

def test_every_model_is_trained_from_ten_seeds_or_more_in_three_families_and_split_data(studies):
    names = [f"{model}_{d}d" for model, d in product(("ae", "vae"), DIMENSIONS)]
    models = [*product(("conv", "small", "wide"), names), ("split", "vae_3d"), ("split", "vae_64d")]
    assert len(set(SEEDS)) >= 10
    assert set(studies["seeds"]) == {(*model, seed, None) for model in models for seed in SEEDS}


def test_over_seeds_nothing_but_the_seed_differs_from_the_defaults(studies):
    for run, task in studies["seeds"].items():
        recipe = task.arguments["recipe"]
        model, d, seed = recipe.model, recipe.latent_dim, run.seed
        expected = {
            "conv": ConvRecipe(model, d, seed=seed),
            "split": ConvRecipe(model, d, seed=seed),
            "small": DenseRecipe(model, d, hidden=hidden_like_conv(model, d), seed=seed),
            "wide": DenseRecipe(model, d, seed=seed, **WIDE),
        }
        assert recipe == expected[run.family]
        assert task.arguments["held_out"] == (10_000 if run.family == "split" else 0)


# Of both

def test_seed_0_takes_no_part_and_no_universe_shares_a_seed_with_the_defaults(runs):
    assert {task.arguments["recipe"].seed for task in runs.values()} == {*SEEDS, *REPLICATES}
    assert 0 not in {*SEEDS, *REPLICATES} and not set(SEEDS) & set(REPLICATES)


def test_the_key_of_a_run_says_what_its_task_is(runs):
    for run, task in runs.items():
        recipe = task.arguments["recipe"]
        assert run.name == f"{recipe.model}_{recipe.latent_dim}d"
        assert (run.family in ("conv", "split")) == (recipe.architecture == "conv")
        assert run.seed == recipe.seed


def test_keys_are_one_to_one_with_what_is_trained_and_held_out(runs):
    keys = {tuple(task.arguments.values()): task.key for task in runs.values()}
    assert len(set(keys.values())) == len(keys) > 600
    assert all(task.key == keys[tuple(task.arguments.values())] for task in runs.values())


def test_universes_share_a_record_where_they_differ_in_nothing_that_the_model_has(studies):
    rows, shared = design(), defaultdict(set)
    for run, task in studies["universes"].items():
        has = dict(rows[run.universe])
        if run.family == "small":
            del has["normalised_layers"]
        if run.name.startswith("ae"):
            del has["kl_weight"]
        shared[run.family, run.name, run.seed, *has.values()].add(task.key)
    assert all(len(keys) == 1 for keys in shared.values())
    assert len(set.union(*shared.values())) == len(shared) < len(studies["universes"])


def test_small_dense_models_have_the_convolutional_ones_parameters_within_3_percent(studies):
    sizes = {(run.family, run.name): count(task.arguments["recipe"].build())
             for run, task in studies["seeds"].items() if run.seed == SEEDS[0]}
    small = {name: size for (family, name), size in sizes.items() if family == "small"}
    assert len(small) == 6
    for name, size in small.items():
        assert size == pytest.approx(sizes["conv", name], rel=0.03), name
