"""Whether what was drawn today is what was drawn before, between machines.

Sums of float32 differ in their last digits there, and with them a point's place by a hair: numbers
are compared within tolerances, images by the eye's measure, texts by their words.
"""

import base64
import io
import math
import re
from decimal import Decimal

import numpy as np
from PIL import Image, ImageChops

PNG_IN_TEXT = re.compile(r"iVBORw0KGgo[A-Za-z0-9+/=\n]+")  # as base64 begins
NUMBER = re.compile(r"[-−]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
BLOCK = 16       # images are compared in blocks of 16 × 16 pixels,
GREY_LEVELS = 8  # and differ if a block does by more than this on average


def content(old, new, tolerance: dict, where: str = "") -> list[str]:
    """Where two JSON contents differ, as sentences; none if they agree.

    Parameters
    ----------
    old, new : object
        As ``json.loads`` gives them.
    tolerance : dict
        ``relative`` and ``absolute``, by which numbers may differ (the larger counts).
    where : str
        What is compared, for the sentences.

    Examples
    --------
    >>> tolerance = {"relative": 0.01, "absolute": 0}
    >>> content({"bins": 60, "area": 0.97}, {"bins": 60, "area": 0.99}, tolerance, "fig7")
    ['fig7.area: 0.99, was 0.97']
    """
    differences = []
    match old, new:
        case dict(), dict():
            for key in sorted(old.keys() ^ new.keys()):
                differences.append(f"{where}: {key} is {'new' if key in new else 'gone'}")
            for key in filter(new.__contains__, old):
                differences += content(old[key], new[key], tolerance, f"{where}.{key}")
        case list(), list() if len(old) == len(new):
            for i, (before, now) in enumerate(zip(old, new, strict=True)):
                differences += content(before, now, tolerance, f"{where}[{i}]")
        case list(), list():
            differences.append(f"{where}: {len(new)} entries, were {len(old)}")
        case str(), str():
            differences += text(old, new, where)
        case _ if not _agree(old, new, tolerance):
            differences.append(f"{where}: {_short(new)}, was {_short(old)}")
    return differences


def text(old: str, new: str, where: str = "") -> list[str]:
    """Where two texts differ; a number in them may differ by one in its last digit, by rounding.

    Pictures in them are compared as pictures.
    """
    differences = []
    if old == new:
        return differences
    pictures = zip(PNG_IN_TEXT.findall(old), PNG_IN_TEXT.findall(new), strict=False)
    for before, now in pictures:
        differences += png(base64.b64decode(before), base64.b64decode(now), where)
    words_before, words = PNG_IN_TEXT.sub("(picture)", old), PNG_IN_TEXT.sub("(picture)", new)
    if not _is_rounding(words_before, words):
        differences.append(f"{where}: {_short(words)}, was {_short(words_before)}")
    return differences


def png(old: bytes, new: bytes, where: str = "") -> list[str]:
    """Whether two PNG images are of one size, and nowhere more than slightly different.

    They are compared block by block: a label that is gone shows however large the image is.
    """
    before, now = (Image.open(io.BytesIO(image)).convert("RGB") for image in (old, new))
    if before.size != now.size:
        sizes = "{} × {} pixels, were {} × {}".format(*now.size, *before.size)
        return [f"{where}: {sizes}"]
    difference = np.asarray(ImageChops.difference(before, now)).max(2)  # (H, W)
    blocks = np.asarray(Image.fromarray(difference).reduce(BLOCK))      # their means
    if blocks.max() <= GREY_LEVELS:
        return []
    row, column = np.unravel_index(blocks.argmax(), blocks.shape)
    return [f"{where}: looks different in {(blocks > GREY_LEVELS).sum()} places, most of all near "
            f"pixel ({column * BLOCK}, {row * BLOCK}) from the left and the top"]


def notebook(old, new, tolerance: dict) -> list[str]:
    """Where two executed notebooks differ, in source, tags or outputs."""
    if len(old.cells) != len(new.cells):
        return [f"{len(new.cells)} cells, were {len(old.cells)}"]
    differences = []
    for number, (before, now) in enumerate(zip(old.cells, new.cells, strict=True), 1):
        if _source(before) != _source(now):
            differences.append(f"cell {number}: its source changed")
        differences += content(_outputs(before), _outputs(now), tolerance, f"cell {number}")
    return differences


def _source(cell):
    return cell.cell_type, cell.source, cell.metadata.get("tags")


def _outputs(cell) -> list[dict]:
    """What an output shows, by its kind: the name of a stream, or types such as image/png."""
    outputs = cell.get("outputs", [])
    return [output.get("data") or {output.get("name"): output.get("text")} for output in outputs]


def _agree(old, new, tolerance) -> bool:
    if type(old) in (int, float) and type(new) in (int, float):
        relative, absolute = tolerance["relative"], tolerance["absolute"]
        return math.isclose(old, new, rel_tol=relative, abs_tol=absolute)
    return old == new and type(old) is type(new)


def _is_rounding(old: str, new: str) -> bool:
    if NUMBER.sub("#", old) != NUMBER.sub("#", new):
        return False
    numbers = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
    return all(_differ_in_last_digit(*pair) for pair in numbers)


def _differ_in_last_digit(old: str, new: str) -> bool:
    before, now = (Decimal(n.replace(",", "").replace("−", "-")) for n in (old, new))
    return abs(now - before) <= Decimal(1).scaleb(before.as_tuple().exponent)


def _short(value, length: int = 80) -> str:
    shown = f"{value:g}" if type(value) is float else repr(value)
    return shown if len(shown) <= length else shown[:length] + "…"
