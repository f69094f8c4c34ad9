"""The notebooks as documents: what a reader opens on GitHub or in JupyterLab."""

import hashlib
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

from convae._io import ROOT
from convae.claims import results as in_words
from convae.reproduce.notebook import NOTEBOOKS
from convae.reproduce.output import PLOTLY

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(params=PATHS, ids=[p.stem for p in PATHS])
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, 4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def published(path):
    """The figures that a notebook publishes, in its order."""
    sources = "".join(cell.source for cell in code(nbformat.read(path, 4)))
    return list(dict.fromkeys(re.findall(r'"(fig\d|fig_\w+)"', sources)))


def test_at_least_six_notebooks_are_numbered_without_a_gap():
    assert [p.stem[:3] for p in PATHS] == [f"{n:02}_" for n in range(1, len(PATHS) + 1)]
    assert len(PATHS) >= 6


def test_a_notebook_is_valid_and_small_enough_for_github(path, notebook):
    nbformat.validate(notebook)
    assert path.stat().st_size < 2_000_000


def test_a_notebook_was_executed_from_top_to_bottom_without_an_error(notebook):
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]


def test_a_notebook_printed_nothing_to_standard_error(notebook):
    assert not [o for cell in code(notebook) for o in cell.outputs if o.get("name") == "stderr"]


def test_a_notebook_has_one_parameters_cell_before_any_other_code(notebook):
    def tagged(tag):
        return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]

    assert tagged("parameters") == code(notebook)[:1]
    assert not tagged("injected-parameters")


def test_a_notebooks_parameters_are_checked_right_after_they_are_set(path, notebook):
    assert f'notebook = Notebook("{path.stem}", globals())' in code(notebook)[1].source


def test_a_notebooks_metadata_says_kernel_and_results_and_nothing_of_the_machine(notebook):
    metadata = dict(notebook.metadata)
    read = metadata.pop("results_sha256")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert metadata == {"kernelspec": kernel, "language_info": {"name": "python"}}
    for name, sha256 in read.items():  # of the result files that the notebook read
        text = (ROOT / "figures" / name).read_text(encoding="utf-8")
        assert sha256 == hashlib.sha256(text.encode()).hexdigest(), name
    assert not [cell for cell in notebook.cells if set(cell.metadata) - {"tags"}]


def test_a_notebook_holds_no_path_of_a_machine_and_no_time(path):
    text = path.read_text(encoding="utf-8")
    here = re.escape(str(ROOT)), re.escape(str(Path.home()) + "/")
    homes = r"/home/\w", r"/Users/\w", r"[A-Z]:\\\\Users"
    runs = r"\b20\d\d-\d\d-\d\d[T ]\d\d:", r"ipykernel_\d"
    for pattern in (*here, *homes, *runs):
        assert not re.search(pattern, text), pattern
    assert sys.prefix not in text


def test_a_notebook_opens_with_a_question_and_names_its_figures(path, notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# \d\d · .+\?\n", first.source)
    names = published(path)
    if names and names[0].startswith("fig_"):  # not of the paper
        assert all(f"[{name}](../figures/{name}.png)" in first.source for name in names)
    else:
        assert re.search(r"\*\*Figures? \d", first.source) or path.stem == "06_claims"


def test_a_notebook_closes_with_what_was_found(notebook):
    headings = [cell.source for cell in notebook.cells
                if cell.cell_type == "markdown" and cell.source.startswith("## ")]
    assert headings[-1].startswith("## What we found")
    assert any("text/markdown" in o.get("data", {}) for o in notebook.cells[-1].outputs)


def test_a_notebooks_closing_table_gives_a_verdict_for_each_claim_of_its_figures(path, notebook):
    names = []
    for figure in published(path):
        text = (ROOT / "figures" / f"{figure}.json").read_text("utf-8")
        names.extend(json.loads(text)["measured"])
    table = "".join(o.data["text/markdown"] for o in notebook.cells[-1].outputs)
    for name in names:
        claim = in_words.load()["claims"][name]
        start = f"| {name} ({claim['where']}) | {claim['statement']} | "
        row = next(line for line in table.splitlines() if line.startswith(start))
        assert row.endswith(f"| {in_words.verdict(claim)} |") and in_words.summary(claim) in row


def test_the_claims_notebook_gives_each_verdict_as_the_file_has_it():
    notebook = nbformat.read(NOTEBOOKS / "06_claims.ipynb", 4)
    outputs = [o for cell in code(notebook) for o in cell.outputs]
    html = "".join(o.data["text/html"] for o in outputs if "text/html" in o.get("data", {}))
    for name, claim in in_words.load()["claims"].items():
        body = next(b for b in html.split("<tbody><tr><td data-key") if f"<b>{name}</b> (" in b)
        assert f">{claim['verdict']}</b>" in body and f'href="{claim["notebook"]}.ipynb"' in body
        for criterion in claim["criteria"]:
            assert in_words.effect(criterion) in body


def test_an_interactive_figure_says_what_it_is_where_it_cannot_be_shown(notebook):
    """And it shares its output with no picture, which would change under the pointer."""
    outputs = [o.get("data", {}) for cell in code(notebook) for o in cell.outputs]
    for data in outputs:
        if PLOTLY in data:
            assert set(data) == {PLOTLY, "text/plain"}
            assert "".join(data["text/plain"]).strip()


def test_every_figure_of_the_paper_is_published_by_exactly_one_notebook():
    of_the_paper = [n for path in PATHS for n in published(path) if n[3] != "_"]
    assert sorted(of_the_paper) == [f"fig{n}" for n in range(1, 9)]


def test_the_readme_lists_every_notebook_with_its_figures():
    for path in PATHS:
        names = published(path)
        numbers = ", ".join(n.removeprefix("fig") for n in names if n[3] != "_")
        others = f"{len(names)} more" if names else "–"
        link = rf"\[{path.stem}\]\(notebooks/{path.name}\)"
        assert re.search(rf"\| {link} \| .+\? \| {numbers or others} \|", README), path.stem


def test_no_function_is_defined_in_two_notebooks():
    defined = [name for path in PATHS for cell in code(nbformat.read(path, 4))
               for name in re.findall(r"^def (\w+)", cell.source, re.MULTILINE)]
    assert sorted(set(defined)) == sorted(defined)
