"""What every notebook does alike: check its parameters, load its models, show and publish its
figures."""

import ast
import hashlib
import io
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from convae._io import ROOT, to_json, write_atomically
from convae.data.download import MD5
from convae.pretrained import load_or_train, load_pretrained
from convae.recipes import Recipe
from convae.reproduce import parameters

NOTEBOOKS = ROOT / "notebooks"
RESULTS_READ = "results_sha256.json"  # beside a run's figures: which result files the notebook read, and their hashes
PLOTLY = "application/vnd.plotly.v1+json"
DPI, DPI_SHOWN = 150, 100  # of the files, and in the notebooks, which have to stay small
TOLERANCE = {"relative": 0.005, "absolute": 0.005}  # between machines: float32 sums in another order, and rounding
VERSIONS_OF = ("torch", "numpy", "scikit-learn", "scipy", "matplotlib", "plotly", "pillow")


class Notebook:
    """A running notebook: its name, its checked parameters, its models, its figures.

    Parameters
    ----------
    name : str
        The notebook's file name without ``.ipynb``.
    namespace : dict
        The notebook's ``globals()``. Lists that came as text, as papermill's ``-p`` gives them,
        become lists in it.

    Raises
    ------
    convae.reproduce.parameters.ParameterError
        For a parameter that the notebook does not have, or whose value it cannot take.
    """

    def __init__(self, name: str, namespace: dict):
        self.name = name
        path = NOTEBOOKS / f"{name}.ipynb"
        names = [*parameters.declared(path), *_injected(namespace.get("In", []))]
        self.parameters = parameters.check(path, {n: namespace[n] for n in names})
        namespace.update(self.parameters)
        self._models = {}
        self._results = {}
        self.measured = {}

    def models(self, *names: str) -> dict[str, nn.Module]:
        """Models by name, such as ``conv_vae_64d``, as the notebook's parameters want them.

        The shipped ones, unless a parameter (seed, epochs, …) differs from what they were trained
        with: then trained the first time, about a minute each, and kept in the cache.
        """
        names_of_choices = {"seed", "epochs", "difference", "kl_weight"} & self.parameters.keys()
        choices = {name: self.parameters[name] for name in names_of_choices
                   if self.parameters[name] is not None}  # None: as the recipe has it
        recipes = {n: Recipe.from_name(n, **choices) for n in names if n != "classifier"}
        found = dict(zip(recipes, load_or_train(*recipes.values()), strict=True))
        if "classifier" in names:
            found["classifier"] = load_pretrained("classifier")
        self._models.update(found)
        return found

    def results(self, path: Path) -> dict:
        """The content of a committed JSON file that figures are drawn from; the manifest says which
        state of it."""
        text = path.read_text(encoding="utf-8")
        self._results[path.name] = hashlib.sha256(text.encode()).hexdigest()  # of the text: alike with either line ending
        if folder := os.environ.get("CONVAE_FIGURES"):
            write_atomically(Path(folder) / RESULTS_READ, json.dumps(self._results))
        return json.loads(text)

    def publish(self, figure_name: str, figure: Figure, shows: str, numbers: dict, measured: dict | None = None,
                tolerance: dict | None = None):
        """Write a figure of the paper as ``NAME.png`` and ``NAME.json``, and its entry in
        ``manifest.json``.

        They go to the folder ``CONVAE_FIGURES`` if that is set, as ``convae figures`` does, and
        nowhere otherwise: no notebook, however it is run, overwrites the committed figures by
        itself.

        Parameters
        ----------
        figure_name : str
            ``fig1`` to ``fig8``, or of our own such as ``fig_repair``.
        figure : matplotlib.figure.Figure
        shows : str
            What it shows, in one sentence; the picture's alternative text.
        numbers : dict
            What is drawn and what the text says of it.
        measured : dict
            For each claim's id, a sentence with what was measured.
        tolerance : dict, optional
            By how much numbers may differ between machines, where :data:`TOLERANCE` is not right.
        """
        measured = measured or {}
        self.measured |= measured
        if not (folder := os.environ.get("CONVAE_FIGURES")):
            return
        folder = Path(folder)
        content = {
            "figure": figure_name,
            "shows": shows,
            "measured": measured,
            "tolerance": {**TOLERANCE, **(tolerance or {})},
            "numbers": numbers,
        }
        provenance = {
            "notebook": f"notebooks/{self.name}.ipynb",
            "parameters": self.parameters,
            "weights_sha256": {name: model.card["sha256"] for name, model in sorted(self._models.items())},
            "data_md5": MD5 if self._models else {},
            **({"results_sha256": self._results} if self._results else {}),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS_OF}},
        }
        write_atomically(folder / f"{figure_name}.png", to_png(figure))
        write_atomically(folder / f"{figure_name}.json", to_json(content))
        manifest = folder / "manifest.json"
        entries = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
        write_atomically(manifest, to_json(dict(sorted({**entries, figure_name: provenance}.items()))))


def show(figure: Figure, interactive=None):
    """One output that holds a figure twice: as PNG, which every viewer shows, and as a plotly
    figure if there is one."""
    bundle = {"image/png": to_png(figure, DPI_SHOWN), "text/plain": ""}
    if interactive is not None:
        bundle[PLOTLY] = json.loads(interactive.to_json())
    display(bundle, raw=True)


def show_html(html: str):
    """HTML, as an output of its own."""
    display(HTML(html))


def show_table(header, rows):
    """A table, as Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    display(Markdown("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)))


def to_png(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as PNG with 256 colours, a third of the size of the full range, and nothing of
    when it was made."""
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, dpi=dpi, format="png", facecolor="white")
    picture = Image.open(full).convert("RGB")
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


def _injected(inputs: list[str]) -> list[str]:
    """The names that papermill assigned, in the cell that it puts after the notebook's own
    parameters."""
    cells = [ast.parse(source) for source in inputs if source.startswith("# Parameters\n")]
    names = [target.id for cell in cells for a in cell.body if isinstance(a, ast.Assign) for target in a.targets]
    return [name for name in names if not name.startswith("PAPERMILL_")]
