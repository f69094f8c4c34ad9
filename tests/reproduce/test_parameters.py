"""The notebooks' parameters: declared in their cell, checked before anything runs."""

import json

import pytest

from convae.recipes import Recipe
from convae.reproduce import parameters
from convae.reproduce.notebook import NOTEBOOKS

NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
CLUSTERING = NOTEBOOKS / "02_latent_clustering.ipynb"
ERRORS = NOTEBOOKS / "04_error_histograms.ipynb"


@pytest.mark.parametrize("name", NAMES)
def test_every_declared_parameter_has_a_check_that_its_default_passes(name):
    path = NOTEBOOKS / f"{name}.ipynb"
    declared = parameters.declared(path)
    assert declared
    assert parameters.check(path, declared) == declared


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_a_type_and_a_help_text_as_papermill_shows_them(name):
    from papermill import inspect_notebook

    found = inspect_notebook(str(NOTEBOOKS / f"{name}.ipynb"))
    assert set(found) == set(parameters.declared(NOTEBOOKS / f"{name}.ipynb"))
    for parameter in found.values():
        assert parameter["inferred_type_name"] in ("int", "float", "str", "list"), parameter
        assert len(parameter["help"]) > 10, parameter


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_those_of_the_shipped_models(name):
    default = Recipe.from_name("conv_vae_2d")
    for parameter, value in parameters.declared(NOTEBOOKS / f"{name}.ipynb").items():
        if parameter in ("seed", "epochs", "difference", "kl_weight"):
            assert value == (None if parameter == "epochs" else getattr(default, parameter))


def test_an_unknown_parameter_is_refused_with_the_known_ones():
    says = r"02_latent_clustering has no parameter 'sede'; it has \w+, seed"
    with pytest.raises(parameters.ParameterError, match=says):
        parameters.check(CLUSTERING, {"sede": 1})


@pytest.mark.parametrize("name, value", [
    ("seed", -1), ("seed", 1.5), ("seed", True), ("seed", "one"), ("seed", None),
    ("epochs", 0),
    ("kl_weight", -0.1), ("kl_weight", float("nan")),
    ("difference", "absolute"),
    ("clear_probability", 1.2),
    ("plane_cells", 2),
])
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(parameters.ParameterError, match=f"{name} must be .*, got"):
        parameters.check(CLUSTERING, {name: value})


@pytest.mark.parametrize("value", [[], "[]", [101], [-1], ["x"], 50, "fifty", "[50"])
def test_a_list_needs_fitting_entries(value):
    says = "percentiles must be a list of at least 1, each a number"
    with pytest.raises(parameters.ParameterError, match=says):
        parameters.check(ERRORS, {"percentiles": value})


def test_text_from_a_command_line_becomes_a_list_or_a_number():
    checked = parameters.check(ERRORS, {"percentiles": "[50, 99.9]", "bins": "20"})
    assert checked == {"percentiles": [50, 99.9], "bins": 20}


def test_text_stays_text_where_text_is_wanted():
    as_text = {"difference": "cross_entropy"}
    assert parameters.check(ERRORS, as_text) == {"difference": "cross_entropy"}


def with_parameter(line, folder):
    """The path of a notebook that has this parameter."""
    metadata = {"tags": ["parameters"]}
    cell = {"cell_type": "code", "metadata": metadata, "source": [line]}
    path = folder / "x.ipynb"
    path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    return path


def test_defaults_are_read_from_the_cell_not_executed(tmp_path):
    with pytest.raises(ValueError, match="malformed node"):
        parameters.declared(with_parameter("seed: int = print('run')  # a seed\n", tmp_path))


@pytest.mark.parametrize("line, good, bad", [
    ("bins: int = 5  # how many, from 5 to 1000", 1000, 1001),
    ("bins: int = 5  # how many, from 5 to 1000", "7", 7.5),
    ("share: float = 0.5  # of all, from 0.1 to 1", 1, 0.05),
    ("parts: list = [1]  # of all, each from 0.1 to 1", [0.5, 1], [0.05]),
    ("view: str = 'auto'  # how; one of auto, whole", "whole", "half"),
    ("folder: str = None  # absolute path of a folder to read", str(NOTEBOOKS), "notebooks"),
    ("folder: str = None  # absolute path of a folder to read", None, "/nowhere/to/be/found"),
    ("epochs: int = None  # of training", None, 0),
])
def test_a_parameters_bound_is_what_its_comment_ends_with(line, good, bad, tmp_path):
    path, name = with_parameter(line, tmp_path), line.partition(":")[0]
    assert parameters.check(path, {name: good})[name] == (7 if good == "7" else good)
    with pytest.raises(parameters.ParameterError, match=f"^x: {name} must be .*, got "):
        parameters.check(path, {name: bad})


def test_a_parameter_without_a_bound_is_refused(tmp_path):
    path = with_parameter("bins: int = 5  # how many", tmp_path)
    with pytest.raises(parameters.ParameterError, match="on bins must end .*, got 'how many'"):
        parameters.check(path, {"bins": 6})
