"""The notebooks' parameters: what each may be.

A notebook's cell tagged ``parameters`` has a line for each: name, type, default, and a comment. The
comment ends with the parameter's bound (``from 5 to 1000``, ``one of auto, whole, tiles``) unless
it is a field of recipes. The runner checks before anything starts, and each notebook again.
"""

import ast
import json
import re
from contextlib import suppress
from pathlib import Path

import yaml

from convae.bounds import BOUNDS, Bound, list_of, number, one_of, whole

LINE = re.compile(r"^(\w+): (\w+) = (.+?)  # (.+)$", re.MULTILINE)
RANGE = re.compile(r"from (\S+) to (\S+)$")
CHOICE = re.compile(r"one of (.+)$")


class ParameterError(ValueError):
    """A parameter that the notebook does not have, or a value that it cannot take."""


def declared(notebook: Path) -> dict:
    """The parameters of a notebook with their defaults; nothing of it is executed."""
    return {name: ast.literal_eval(default) for name, _, default, _ in _lines(notebook)}


def check(notebook: Path, values: dict) -> dict:
    """The values, if the notebook can take them; a command line's text becomes a list or a number.

    Raises
    ------
    ParameterError
        For the first name that the notebook does not declare, or value that is out of its bound.
    """
    bounds = {name: _bound(name, kind, comment) for name, kind, _, comment in _lines(notebook)}
    defaults = declared(notebook)
    checked = {}
    for name, value in values.items():
        if name not in bounds:
            raise ParameterError(
                f"{notebook.stem} has no parameter {name!r}; it has {', '.join(bounds)}")
        bound = bounds[name]
        if isinstance(value, str) and str not in bound.types:
            with suppress(yaml.YAMLError):  # it stays text, which the bound refuses
                value = yaml.safe_load(value)
        try:
            as_default = value is None and defaults[name] is None
            checked[name] = None if as_default else bound.check(name, value)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"{notebook.stem}: {error}") from None
    return checked


def _lines(notebook: Path) -> list[tuple[str, str, str, str]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    cell = next(c for c in cells if "parameters" in c["metadata"].get("tags", []))
    return LINE.findall("".join(cell["source"]))


def _bound(name: str, kind: str, comment: str) -> Bound:
    if name in BOUNDS:
        return BOUNDS[name]
    if comment.startswith("absolute path of a folder"):
        return Bound("the absolute path of a folder that is there", (str,), _is_folder)
    if choice := CHOICE.search(comment):
        return one_of(*yaml.safe_load(f"[{choice[1]}]"))
    if ends := RANGE.search(comment):
        low, high = map(yaml.safe_load, ends.groups())
        bound = whole(low, high) if kind == "int" else number(low, high)
        return list_of(bound) if kind == "list" else bound
    raise ParameterError(f"the comment on {name} must end with its bound, such as 'from 5 to 1000' "
                         f"or 'one of auto, whole', got {comment!r}")


def _is_folder(path: str) -> bool:
    return Path(path).is_absolute() and Path(path).is_dir()
