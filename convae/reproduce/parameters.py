"""The notebooks' parameters: what each may be.

A parameter means the same in every notebook that has it; its default and its description stand in
the notebook's cell tagged ``parameters``. The runner checks before anything starts, and each
notebook again.
"""

import ast
import json
from contextlib import suppress
from pathlib import Path

import yaml

from convae.bounds import BOUNDS as OF_RECIPES
from convae.bounds import MAPS, Bound, list_of, number, one_of, whole


class ParameterError(ValueError):
    """A parameter that the notebook does not have, or a value that it cannot take."""


def optional(bound: Bound) -> Bound:
    """None, too."""
    return Bound(
        f"None or {bound.text}",
        (type(None), *bound.types),
        lambda value: value is None or bound.admits(value),
        lambda value: None if value is None else bound.form(value),
    )


def _is_folder(path: str) -> bool:
    return Path(path).is_absolute() and Path(path).is_dir()


FOLDER = optional(Bound("the absolute path of a folder that is there", (str,), _is_folder))
BOUNDS = {
    "latent_dim": OF_RECIPES["latent_dim"],
    "slope": OF_RECIPES["slope"],
    "seed": OF_RECIPES["seed"],
    "epochs": optional(OF_RECIPES["epochs"]),
    "difference": OF_RECIPES["difference"],
    "kl_weight": OF_RECIPES["kl_weight"],
    "latent_dims": one_of([2], [2, 3]),
    "layer4_maps": MAPS,
    "image": whole(0, 9_999),
    "examples_per_digit": whole(1, 50),
    "first_example": whole(0, 800),
    "neighbours": whole(1, 1_000),
    "hover_digits": whole(1, 10_000),
    "plane_cells": whole(5, 200),
    "clear_probability": number(0.5, 0.9999),
    "correction_threshold": number(0.01, 1),
    "correction_pixels": whole(1, 784),
    "percentiles": list_of(number(0, 99.99)),
    "bins": whole(5, 1_000),
    "zoom_percentile": number(50, 99.99),
    "more_legible_by": number(0.001, 1),
    "claim": one_of(*"A B1 B2 C1 C2 C3 D E F1 F2 G H1 H2 H3 H4 I J K".split()),
    "normal_images": FOLDER,
    "images": FOLDER,
    "out": FOLDER,
    "false_alarms": number(0.0001, 0.5),
    "view": one_of("auto", "whole", "tiles", "both"),
    "defect_level": whole(1, 5),
}


def declared(notebook: Path) -> dict:
    """The parameters of a notebook's cell tagged ``parameters``, with their defaults."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    cell = next(c for c in cells if "parameters" in c["metadata"].get("tags", []))
    statements = ast.parse("".join(cell["source"])).body
    assignments = [statement for statement in statements if isinstance(statement, ast.AnnAssign)]
    return {a.target.id: ast.literal_eval(a.value) for a in assignments}


def check(notebook: Path, values: dict) -> dict:
    """The values, if the notebook can take them; a command line's text becomes a list or a number.

    Raises
    ------
    ParameterError
        For the first name that the notebook does not declare, or value that is out of its bound.
    """
    known = declared(notebook)
    checked = {}
    for name, value in values.items():
        if name not in known:
            raise ParameterError(
                f"{notebook.stem} has no parameter {name!r}; it has {', '.join(known)}")
        bound = BOUNDS[name]
        if isinstance(value, str) and str not in bound.types:
            with suppress(yaml.YAMLError):  # it stays text, which the bound refuses
                value = yaml.safe_load(value)
        try:
            checked[name] = bound.check(name, value)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"{notebook.stem}: {error}") from None
    return checked
