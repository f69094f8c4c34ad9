"""Whether what was drawn today is what was drawn before, between machines.

Sums of float32 differ in their last digits there, and with them a point's place by a hair: numbers
are compared within tolerances, images by the eye's measure, texts by their words.
"""

import base64
import io
import math
import re

import numpy as np
from PIL import Image

PNG_URI = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
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
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() ^ new.keys()):
            differences.append(f"{where}: {key} is {'new' if key in new else 'gone'}")
        for key in [key for key in old if key in new]:
            differences += content(old[key], new[key], tolerance, f"{where}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return [f"{where}: {len(new)} entries, were {len(old)}"]
        for i, (before, now) in enumerate(zip(old, new, strict=True)):
            differences += content(before, now, tolerance, f"{where}[{i}]")
    elif _is_number(old) and _is_number(new):
        if not math.isclose(old, new, rel_tol=tolerance["relative"], abs_tol=tolerance["absolute"]):
            differences.append(f"{where}: {new:g}, was {old:g}")
    elif isinstance(old, str) and isinstance(new, str):
        return text(old, new, where)
    elif old != new or type(old) is not type(new):
        differences.append(f"{where}: {new!r}, was {old!r}")
    return differences


def text(old: str, new: str, where: str = "") -> list[str]:
    """Where two texts differ; a number in them may differ by one in its last digit, by rounding.

    Pictures in them are compared as pictures.
    """
    pictures_before, pictures = PNG_URI.findall(old), PNG_URI.findall(new)
    if old != new and len(pictures) == len(pictures_before) > 0:
        differences = text(PNG_URI.sub("(picture)", old), PNG_URI.sub("(picture)", new), where)
        for before, now in zip(pictures_before, pictures, strict=True):
            differences += png(base64.b64decode(before), base64.b64decode(now), where)
        return differences
    if old == new or _is_rounding(old, new):
        return []
    return [f"{where}: {_cut(new)!r}, was {_cut(old)!r}"]


def png(old: bytes, new: bytes, where: str = "") -> list[str]:
    """Whether two PNG images are of one size, and nowhere more than slightly different.

    They are compared block by block: a label that is gone shows however large the image is.
    """
    if old == new:
        return []
    before, now = _pixels(old), _pixels(new)  # (H, W, 3)
    if before.shape != now.shape:
        sizes = [f"{width} × {height} pixels" for height, width, _ in (now.shape, before.shape)]
        return [f"{where}: {sizes[0]}, were {sizes[1]}"]
    difference = np.abs(before - now).max(2)
    to_whole_blocks = [(0, -side % BLOCK) for side in difference.shape]
    difference = np.pad(difference, to_whole_blocks, mode="edge")
    rows = len(difference) // BLOCK
    blocks = difference.reshape(rows, BLOCK, -1, BLOCK).mean((1, 3))
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
        outputs = _joined(before.get("outputs", [])), _joined(now.get("outputs", []))
        differences += _outputs(*outputs, tolerance, f"cell {number}")
    return differences


def _outputs(old, new, tolerance, where):
    if [_kinds(output) for output in old] != [_kinds(output) for output in new]:
        return [f"{where}: its outputs are of other kinds"]
    differences = []
    for before, now in zip(old, new, strict=True):
        for mime, data in before.get("data", {}).items():
            if mime == "image/png":
                images = base64.b64decode(data), base64.b64decode(now.data[mime])
                differences += png(*images, f"{where}, picture")
            else:
                place = f"{where}, {mime.split('/')[-1]}"
                differences += content(data, now.data[mime], tolerance, place)
        printed = before.get("text", ""), now.get("text", "")
        differences += text(*printed, f"{where}, {before.get('name', 'text')}")
    return differences


def _source(cell):
    return cell.cell_type, cell.source, cell.metadata.get("tags")


def _kinds(output):
    return output.output_type, sorted(output.get("data", {}))


def _joined(outputs):
    """The outputs, with what timing let be printed in several pieces in one."""
    joined = []
    for output in outputs:
        if joined and output.output_type == "stream" and joined[-1].get("name") == output.name:
            joined[-1] = type(output)(joined[-1], text=joined[-1].text + output.text)
        else:
            joined.append(output)
    return joined


def _pixels(image: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"), dtype=float)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_rounding(old, new):
    if NUMBER.sub("#", old) != NUMBER.sub("#", new):
        return False
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
    return all(abs(_value(a) - _value(b)) <= 1.001 * _last_digit(a) for a, b in pairs)


def _value(number):
    return float(number.replace(",", "").replace("−", "-").rstrip("."))


def _last_digit(number):
    mantissa, _, exponent = number.replace(",", "").rstrip(".").partition("e")
    decimals = len(mantissa.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - decimals)


def _cut(value, length=80):
    return value if len(value) <= length else value[:length] + "…"
