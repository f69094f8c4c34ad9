"""The notebooks' parameters: what each may be. Used by the runner, before anything starts, and by
each notebook.

A parameter means the same in every notebook that has it; its default and its description stand in
the notebook's cell tagged ``parameters``.
"""

import ast
import json
from pathlib import Path

import yaml

from convae.losses import DIFFERENCES


class ParameterError(ValueError):
    """A parameter that the notebook does not have, or a value that it cannot take; the message
    names it."""


def _whole(low, high):
    def check(value):
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            return f"a whole number from {low:,} to {high:,}"
    return check


def _number(low, high):
    def check(value):
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
            return f"a number from {low:,} to {high:,}"
    return check


def _among(*allowed):
    def check(value):
        if value not in allowed:
            return f"one of {', '.join(map(repr, allowed))}"
    return check


def _list_of(check_item, at_least=1):
    def check(value):
        wanted = f"a list of at least {at_least}, each {check_item(None)}"
        if not isinstance(value, list) or len(value) < at_least or any(check_item(item) for item in value):
            return wanted
    return check


def _folder(value):
    if value is not None and not (isinstance(value, str) and Path(value).is_absolute() and Path(value).is_dir()):
        return "None, or the absolute path of a folder that is there"


CHECKS = {
    "claim": _among(*"A B1 B2 C1 C2 C3 D E F1 F2 G H1 H2 H3 H4 I J K".split()),
    "latent_dim": _whole(1, 784),
    "latent_dims": _among([2], [2, 3]),
    "layer4_maps": _whole(1, 4096),
    "slope": _number(0, 0.99),
    "seed": _whole(0, 2**31 - 1),
    "epochs": lambda value: None if value is None else _whole(1, 10_000)(value),  # None: as many as the recipe has
    "difference": _among(*DIFFERENCES),
    "kl_weight": _number(0, 1e6),
    "image": _whole(0, 9_999),
    "examples_per_digit": _whole(1, 50),
    "first_example": _whole(0, 800),
    "neighbours": _whole(1, 1_000),
    "hover_digits": _whole(1, 10_000),
    "plane_cells": _whole(5, 200),
    "clear_probability": _number(0.5, 0.9999),
    "correction_threshold": _number(0.01, 1),
    "correction_pixels": _whole(1, 784),
    "percentiles": _list_of(_number(0, 99.99)),
    "bins": _whole(5, 1_000),
    "zoom_percentile": _number(50, 99.99),
    "more_legible_by": _number(0.001, 1),
    "normal_images": _folder,
    "images": _folder,
    "out": _folder,
    "false_alarms": _number(0.0001, 0.5),
    "view": _among("auto", "whole", "tiles", "both"),
    "defect_level": _whole(1, 5),
}


def declared(notebook: Path) -> dict:
    """The parameters that a notebook declares in its cell tagged ``parameters``, with their
    defaults."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    cell = next(c for c in cells if "parameters" in c["metadata"].get("tags", []))
    assignments = ast.parse("".join(cell["source"])).body
    return {a.target.id: ast.literal_eval(a.value) for a in assignments if isinstance(a, ast.AnnAssign)}


def check(notebook: Path, values: dict) -> dict:
    """The values, if the notebook can take them; lists and numbers may come as text, as command
    lines give them.

    Parameters
    ----------
    notebook : Path
        The notebook whose ``parameters`` cell counts.
    values : dict
        Values by name; need not name every parameter.

    Raises
    ------
    ParameterError
        For the first name that the notebook does not declare, or value that is out of its range.
    """
    known = declared(notebook)
    checked = {}
    for name, value in values.items():
        if name not in known:
            raise ParameterError(f"{notebook.stem} has no parameter {name!r}; it has {', '.join(known)}")
        if isinstance(value, str) and not isinstance(known[name], str) and CHECKS[name] is not _folder:  # paths are no YAML
            try:
                value = yaml.safe_load(value)
            except yaml.YAMLError:
                pass  # stays text, which the check below refuses
        if wanted := CHECKS[name](value):
            raise ParameterError(f"{notebook.stem}: {name} must be {wanted}; got {value!r}")
        checked[name] = value
    return checked
