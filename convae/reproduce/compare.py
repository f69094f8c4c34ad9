"""Is what was drawn today the same as what was drawn before? Numbers within tolerances, images
alike, text equal.

Between machines float32 sums differ in their last digits, and with them a point's place by a hair;
what matters must not.
"""

import base64
import io
import math
import re

import numpy as np
from PIL import Image

PNG_URI = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
NUMBER = re.compile(r"[-−]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
BLOCK, GREY_LEVELS = 16, 8  # images are alike if no block of 16 × 16 pixels differs by more than this on average


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
    """
    if isinstance(old, dict) and isinstance(new, dict):
        differ = [f"{where}: {key} is {'new' if key in new else 'gone'}" for key in sorted(old.keys() ^ new.keys())]
        return differ + [d for key in old if key in new for d in content(old[key], new[key], tolerance, f"{where}.{key}")]
    if isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return [f"{where}: {len(new)} entries, were {len(old)}"]
        return [d for i, (a, b) in enumerate(zip(old, new, strict=True)) for d in content(a, b, tolerance, f"{where}[{i}]")]
    if _is_number(old) and _is_number(new):
        same = math.isclose(old, new, rel_tol=tolerance["relative"], abs_tol=tolerance["absolute"])
        return [] if same else [f"{where}: {new:g}, was {old:g}"]
    if isinstance(old, str) and isinstance(new, str):
        return text(old, new, where)
    return [] if old == new and type(old) is type(new) else [f"{where}: {new!r}, was {old!r}"]


def text(old: str, new: str, where: str = "") -> list[str]:
    """Where two texts differ; numbers in them may differ by one in their last digit, as rounding
    may have it.

    Pictures in them are compared as pictures.
    """
    if old == new:
        return []
    pictures = [[base64.b64decode(picture) for picture in PNG_URI.findall(text)] for text in (old, new)]
    if len(pictures[0]) == len(pictures[1]) > 0:
        return [d for a, b in zip(*pictures, strict=True) for d in png(a, b, where)] + \
            text(PNG_URI.sub("(picture)", old), PNG_URI.sub("(picture)", new), where)
    if NUMBER.sub("#", old) == NUMBER.sub("#", new):
        pairs = list(zip(NUMBER.findall(old), NUMBER.findall(new), strict=True))
        if all(abs(_value(a) - _value(b)) <= 1.001 * _last_digit(a) for a, b in pairs):
            return []
    return [f"{where}: {_cut(new)!r}, was {_cut(old)!r}"]


def png(old: bytes, new: bytes, where: str = "") -> list[str]:
    """Whether two PNG images are alike: of one size, and in no place more than slightly different.

    Compared block by block, so that a label gone or a mark moved shows however large the image is.
    """
    if old == new:
        return []
    a, b = (np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), dtype=float) for content in (old, new))
    if a.shape != b.shape:
        return [f"{where}: {b.shape[1]} × {b.shape[0]} pixels, were {a.shape[1]} × {a.shape[0]}"]
    apart = np.abs(a - b).max(2)
    apart = np.pad(apart, [(0, -side % BLOCK) for side in apart.shape], mode="edge")
    blocks = apart.reshape(len(apart) // BLOCK, BLOCK, -1, BLOCK).mean((1, 3))
    if blocks.max() <= GREY_LEVELS:
        return []
    row, column = np.unravel_index(blocks.argmax(), blocks.shape)
    return [f"{where}: looks different in {(blocks > GREY_LEVELS).sum()} places, most of all near pixel "
            f"({column * BLOCK}, {row * BLOCK}) from the left and the top"]


def notebook(old, new, tolerance: dict) -> list[str]:
    """Where two executed notebooks differ, in source or outputs; metadata apart from tags does not
    count."""
    if len(old.cells) != len(new.cells):
        return [f"{len(new.cells)} cells, were {len(old.cells)}"]
    differ = []
    for i, (a, b) in enumerate(zip(old.cells, new.cells, strict=True), 1):
        if (a.cell_type, a.source, a.metadata.get("tags")) != (b.cell_type, b.source, b.metadata.get("tags")):
            differ.append(f"cell {i}: its source changed")
        differ += _outputs(a.get("outputs", []), b.get("outputs", []), tolerance, f"cell {i}")
    return differ


def _outputs(old, new, tolerance, where):
    old, new = _joined(old), _joined(new)
    if [(o.output_type, sorted(o.get("data", {}))) for o in old] != [(o.output_type, sorted(o.get("data", {}))) for o in new]:
        return [f"{where}: its outputs are of other kinds"]
    differ = []
    for a, b in zip(old, new, strict=True):
        for mime in a.get("data", {}):
            if mime == "image/png":
                differ += png(*(base64.b64decode(o.data[mime]) for o in (a, b)), f"{where}, picture")
            else:
                differ += content(a.data[mime], b.data[mime], tolerance, f"{where}, {mime.split('/')[-1]}")
        differ += text(a.get("text", ""), b.get("text", ""), f"{where}, {a.get('name', 'text')}")
    return differ


def _joined(outputs):
    """The outputs, with what was printed in several pieces, as timing has it, in one."""
    joined = []
    for output in outputs:
        if joined and output.output_type == "stream" and joined[-1].get("name") == output.name:
            joined[-1] = type(output)(joined[-1], text=joined[-1].text + output.text)
        else:
            joined.append(output)
    return joined


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _value(number):
    return float(number.replace(",", "").replace("−", "-").rstrip("."))


def _last_digit(number):
    mantissa, _, exponent = number.replace(",", "").rstrip(".").partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def _cut(value, length=80):
    return value if len(value) <= length else value[:length] + "…"
