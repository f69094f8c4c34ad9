"""What every notebook does: check its parameters, load its models, publish its figures."""

import hashlib
import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from matplotlib.figure import Figure
from torch import nn

from convae._io import ROOT, read_json, to_json, write_all_atomically, write_atomically
from convae.data.download import MD5
from convae.pretrained import load_or_train, load_pretrained
from convae.recipes import Recipe
from convae.reproduce import parameters
from convae.reproduce.output import to_png

NOTEBOOKS = ROOT / "notebooks"
RESULTS_READ = "results_sha256.json"  # beside a run's figures: hashes of the results that were read
TOLERANCE = {"relative": 0.005, "absolute": 0.005}  # of float32 sums in another order, and rounding
CHOICES = ("seed", "epochs", "difference", "kl_weight")  # parameters that are a recipe's fields
VERSIONS_OF = ("torch", "numpy", "scikit-learn", "scipy", "matplotlib", "plotly", "pillow")


class Notebook:
    """A running notebook: its name, its checked parameters, its models, its figures.

    Parameters
    ----------
    name : str
        The notebook's file name without ``.ipynb``.
    namespace : dict
        The notebook's ``globals()``. Lists that papermill's ``-p`` gave as text become lists in it.

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
        self.measured = {}
        self._models = {}
        self._results = {}

    def models(self, *names: str) -> dict[str, nn.Module]:
        """Models by name, such as ``conv_vae_64d``, as the notebook's parameters want them.

        The shipped ones, unless a parameter (seed, epochs, …) differs from what they were trained
        with: then trained the first time, about a minute each, and kept in the cache.
        """
        fields = self.parameters.keys() & CHOICES
        choices = {n: self.parameters[n] for n in fields if self.parameters[n] is not None}
        recipes = {n: Recipe.from_name(n, **choices) for n in names if n != "classifier"}
        models = dict(zip(recipes, load_or_train(*recipes.values()), strict=True))
        if "classifier" in names:
            models["classifier"] = load_pretrained("classifier")
        self._models |= models
        return models

    def results(self, path: Path) -> dict:
        """The content of a committed JSON file; manifest and metadata will say which state."""
        text = path.read_text(encoding="utf-8")
        self._results[path.name] = hashlib.sha256(text.encode()).hexdigest()  # with any line ending
        if folder := os.environ.get("CONVAE_FIGURES"):
            write_atomically(Path(folder) / RESULTS_READ, json.dumps(self._results))
        return json.loads(text)

    def publish(
        self, name: str, figure: Figure, shows: str, numbers: dict,
        measured: dict | None = None, tolerance: dict | None = None,
    ):
        """Write a figure as ``NAME.png`` and ``NAME.json``, and its entry in ``manifest.json``.

        They go to the folder ``CONVAE_FIGURES`` if that is set, as ``convae figures`` does, and
        nowhere otherwise: a notebook alone never overwrites the committed figures.

        Parameters
        ----------
        name : str
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
        tolerance = TOLERANCE | (tolerance or {})
        content = {"figure": name, "shows": shows, "measured": measured, "tolerance": tolerance,
                   "numbers": numbers}
        manifest = Path(folder) / "manifest.json"
        entries = read_json(manifest) if manifest.exists() else {}
        entries[name] = self._provenance()
        write_all_atomically({
            Path(folder) / f"{name}.png": to_png(figure),
            Path(folder) / f"{name}.json": to_json(content),
            manifest: to_json(dict(sorted(entries.items()))),
        })

    def _provenance(self) -> dict:
        weights = {name: model.card["sha256"] for name, model in sorted(self._models.items())}
        results = {"results_sha256": self._results} if self._results else {}
        versions = dict(zip(VERSIONS_OF, map(version, VERSIONS_OF), strict=True))
        return {
            "notebook": f"notebooks/{self.name}.ipynb",
            "parameters": self.parameters,
            "weights_sha256": weights,
            "data_md5": MD5 if weights else {},
            **results,
            "versions": {"python": platform.python_version(), **versions},
        }


def _injected(inputs: list[str]) -> list[str]:
    """The names that papermill assigned, in the cell that it puts after the notebook's own."""
    cells = "\n".join(source for source in inputs if source.startswith("# Parameters\n"))
    return re.findall(r"^(?!PAPERMILL_)(\w+) = ", cells, re.MULTILINE)
