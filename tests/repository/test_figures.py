"""The committed figures: whole and traceable.

Whether they are what the notebooks draw today is asked where these are run: see ``conftest.py``.
"""

import hashlib
import io
import json
import re

import pytest
from PIL import Image

from convae._io import ROOT
from convae.anomaly.study.results import ANOMALY
from convae.claims import results as in_words
from convae.data.download import MD5
from convae.pretrained import weights_dir
from convae.reproduce import parameters, runner

PAPER = [f"fig{n}" for n in range(1, 9)]
# Drawn from committed results
OWN = ["fig_defects", "fig_false_alarms", "fig_one_class", "fig_repair"]
NAMES = PAPER + OWN
MANIFEST = json.loads((runner.FIGURES / "manifest.json").read_text(encoding="utf-8"))


def read(name):
    return json.loads((runner.FIGURES / f"{name}.json").read_text(encoding="utf-8"))


def test_every_figure_is_there_with_its_numbers_and_nothing_else_is():
    of_figures = {f"{name}.{kind}" for name in NAMES for kind in ("png", "json")}
    of_all = {"manifest.json", "claims.json", "anomaly.json"}
    assert {p.name for p in runner.FIGURES.iterdir()} == of_figures | of_all


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_states_what_it_shows_its_tolerances_and_its_numbers(name):
    figure = read(name)
    assert set(figure) == {"figure", "shows", "measured", "tolerance", "numbers"}
    assert figure["figure"] == name and len(figure["shows"]) > 40 and figure["numbers"]
    assert 0 < figure["tolerance"]["relative"] <= 0.01
    assert 0 < figure["tolerance"]["absolute"] <= 0.01
    for claim, measured in figure["measured"].items():
        assert claim in in_words.load()["claims"] and re.search(r"\d", measured)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_wide_enough_and_holds_no_metadata(name):
    image = Image.open(io.BytesIO((runner.FIGURES / f"{name}.png").read_bytes()))
    assert image.width >= 1200 and image.height >= 500
    assert not image.info


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_traces_a_figure_to_its_notebook_and_parameters(name):
    entry = MANIFEST[name]
    notebook = ROOT / entry["notebook"]
    assert entry["parameters"] == parameters.declared(notebook)
    assert {"python", "torch", "numpy", "matplotlib"} <= set(entry["versions"])


@pytest.mark.parametrize("name", PAPER)
def test_the_manifest_traces_a_figure_of_the_paper_to_weights_and_data(name):
    entry = MANIFEST[name]
    assert entry["data_md5"] == MD5 and entry["weights_sha256"]
    for model, sha256 in entry["weights_sha256"].items():
        weights = (weights_dir() / f"{model}.safetensors").read_bytes()
        assert hashlib.sha256(weights).hexdigest() == sha256


@pytest.mark.parametrize("name", OWN)
def test_the_manifest_traces_a_figure_of_our_own_to_the_results_it_is_drawn_from(name):
    sha256 = hashlib.sha256(ANOMALY.read_text(encoding="utf-8").encode()).hexdigest()
    assert MANIFEST[name]["results_sha256"] == {"anomaly.json": sha256}


def test_the_manifest_lists_the_committed_figures_and_no_other():
    assert list(MANIFEST) == NAMES


def test_each_claim_belongs_to_at_most_one_figure_and_to_the_notebook_that_draws_it():
    drawn_by = [(claim, MANIFEST[name]["notebook"])
                for name in NAMES for claim in read(name)["measured"]]
    assert len(drawn_by) == len(dict(drawn_by)) == 16
    for claim, notebook in drawn_by:
        assert notebook == f"notebooks/{in_words.load()['claims'][claim]['notebook']}.ipynb"
