"""The README: current, complete, and true of the repository."""

import re

import pytest

from convae._io import ROOT
from convae.anomaly.study import results as detector
from convae.claims import results as claims
from convae.reproduce import readme
from convae.reproduce.notebook import NOTEBOOKS

BLOCKS = {
    "figures/claims.json": claims.readme_block(),
    "figures/anomaly.json": detector.readme_block(),
    "figures/fig*.json": readme.gallery(),
}
START, END = readme.markers("figures/claims.json")
TEXT = readme.README.read_text(encoding="utf-8")


@pytest.mark.parametrize("source", BLOCKS)
def test_generated_part_of_the_readme_is_current(source):
    assert readme.changes(source, BLOCKS[source]) == {}


def test_generated_part_is_renewed_and_nothing_else():
    stale = TEXT.replace("**reproduced**", "**not reproduced**")
    assert stale != TEXT
    assert readme.replace_block(stale, "figures/claims.json", BLOCKS["figures/claims.json"]) == TEXT


@pytest.mark.parametrize("text", ["no markers", START, f"{END}{START}"])
def test_it_refuses_a_text_without_its_markers(text):
    with pytest.raises(ValueError, match="must stand in it"):
        readme.replace_block(text, "figures/claims.json", [])


def test_it_lists_every_claim_and_shows_every_figure():
    for name, claim in claims.load()["claims"].items():
        start = f"| [{name}](notebooks/{claim['notebook']}.ipynb)"
        row = next(line for line in TEXT.splitlines() if line.startswith(start))
        assert f"({claim['where']}) | {claim['statement']} | " in row
        assert row.endswith(f"| {claims.verdict(claim)} |")
        assert claims.effect(claim["criteria"][0]) in row
    for n in range(1, 9):
        assert f"(figures/fig{n}.png)" in TEXT


@pytest.mark.parametrize("page", [
    "README.md", "convae/anomaly/README.md", "convae/claims/README.md", "benchmarks/README.md",
])
def test_its_links_lead_somewhere(page):
    text = (ROOT / page).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text("utf-8")), link


def anchors(text):
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}


def test_its_recipes_name_notebooks_and_parameters_that_exist():
    from convae.reproduce import parameters

    recipes = re.findall(r"^papermill (\S+) out\.ipynb (.+)$", TEXT, re.M)
    assert len(recipes) >= 4
    for notebook, options in recipes:
        pairs = re.findall(r"-p (\w+) ('[^']+'|\S+)", options)
        values = {name: value.strip("'") for name, value in pairs}
        assert values
        parameters.check(ROOT / notebook, values)


def test_its_two_commands_come_first():
    commands = re.findall(r"^make \w+", TEXT, re.M)
    assert commands[:2] == ["make figures", "make test"]


def test_it_has_a_japanese_summary():
    assert re.search("[ぁ-ん]", TEXT.partition("## 日本語の概要")[2])


def test_every_notebook_is_mentioned():
    assert all(f"(notebooks/{path.name})" in TEXT for path in NOTEBOOKS.glob("*.ipynb"))
