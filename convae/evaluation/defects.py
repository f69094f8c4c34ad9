"""Seeded local defects on clean digits, in graded severity, with the exact pixels that each one
changed.

They are what Fig. 6 is about: strokes that break off or lack ink, and ink where none belongs.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

LEVELS = (1, 2, 3, 4, 5)
VISIBLE = 0.1  # grey levels: a pixel that changed by more belongs to the defect
_ROWS, _COLUMNS = np.mgrid[:28, :28].astype(np.float32)


def make_defects(images: Tensor, kind: str, level: int, seed: int = 0) -> tuple[Tensor, np.ndarray]:
    """Damage each image in one place (salt: in many).

    Parameters
    ----------
    images : Tensor
        Clean ones, ``(N, 1, 28, 28)`` in [0, 1], each with a pixel above ½.
    kind : str
        One of :data:`KINDS`.
    level : int
        Severity, 1 to 5; what it is in pixels, the kinds' own docstrings say.
    seed : int
        Draws places and directions; the same seed and images give the same defects, whatever the
        level: a defect grows in its place.

    Returns
    -------
    damaged : Tensor
        ``(N, 1, 28, 28)`` in [0, 1].
    masks : ndarray
        ``(N, 28, 28)``, True where a pixel changed by more than :data:`VISIBLE`.

    Raises
    ------
    ValueError
        If `kind` or `level` is none of those there are, or an image has no ink to damage.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(map(str, LEVELS))}, got {level!r}")
    clean = images[:, 0].numpy()
    if not (clean > 0.5).any((1, 2)).all():
        raise ValueError(f"image {int(np.argmin((clean > 0.5).any((1, 2))))} has no ink: no pixel above ½")
    damaged = KINDS[kind](clean, level, np.random.default_rng([seed, *kind.encode()])).astype(np.float32).clip(0, 1)
    return torch.from_numpy(damaged)[:, None], np.abs(damaged - clean) > VISIBLE


def _scratch(clean, level, generator):
    """A straight line across the image, through ink, that takes it off: 1, 1.5, … 3 pixels wide."""
    row, column = _choose(clean > 0.5, generator)
    return clean * (1 - _line(row, column, _angle(len(clean), generator), width=0.5 + level / 2))


def _gap(clean, level, generator):
    """A disc around a pixel of ink that lacks all ink: radius 1, 1.5, … 3 pixels."""
    return clean * (1 - _disc(*_choose(clean > 0.5, generator), radius=0.5 + level / 2))


def _blot(clean, level, generator):
    """A disc of ink around a pixel within the digit's frame that had none: radius 1, 1.5, … 3
    pixels."""
    frame = np.zeros_like(clean, bool)
    for inside, image in zip(frame, clean, strict=True):
        inside[ndimage.find_objects((image > 0.5).astype(int))[0]] = True
    free = frame & (clean < 0.1)
    free[~free.any((1, 2))] = (clean < 0.1)[~free.any((1, 2))]  # a bar fills its frame: then anywhere
    return np.maximum(clean, _disc(*_choose(free, generator), radius=0.5 + level / 2))


def _protrusion(clean, level, generator):
    """A stroke two pixels wide from the digit's edge outwards: 2, 3, … 6 pixels long."""
    ink = clean > 0.5
    inner = ndimage.binary_erosion(ink, np.ones((1, 3, 3)))
    row, column = _choose(ink & ~inner, generator)
    smooth = ndimage.gaussian_filter(clean, (0, 2, 2))
    slope = [ndimage.sobel(smooth, axis)[np.arange(len(clean)), row, column] for axis in (1, 2)]
    outwards = np.arctan2(-slope[0], -slope[1]) + generator.uniform(-0.5, 0.5, len(clean))
    return np.maximum(clean, _line(row, column, outwards, width=2, length=1 + level))


def _thickening(clean, level, generator):
    """Strokes grown by a pixel on each side, from level 3 on by two, within 4, 5, … 8 pixels of a
    pixel of ink."""
    grown = ndimage.grey_dilation(clean, footprint=ndimage.generate_binary_structure(2, 1)[None])
    if level >= 3:
        grown = ndimage.grey_dilation(grown, footprint=np.ones((1, 3, 3)))
    where = _disc(*_choose(clean > 0.5, generator), radius=3 + level)
    return np.where(where > 0, np.maximum(clean, grown * where), clean)


def _salt(clean, level, generator):
    """Single pixels set to full ink, within two pixels of the digit's ink: 2, 4, 8, 16, 32 of
    them."""
    near = ndimage.binary_dilation(clean > 0.5, np.ones((1, 5, 5))) & (clean < 0.5)
    order = np.where(near, generator.random(clean.shape), np.inf).reshape(len(clean), -1)
    chosen = order.argsort(1).argsort(1).reshape(clean.shape) < 2**level
    return np.where(chosen & near, 1, clean)


def _shifted_stroke(clean, level, generator):
    """What lies on one side of a line through the digit's centre, moved along the line: by 1, 1.5,
    … 3 pixels."""
    angle = _angle(len(clean), generator)
    shifted = np.empty_like(clean)
    distance = 0.5 + level / 2
    for i, (image, a) in enumerate(zip(clean, angle, strict=True)):
        row, column = ndimage.center_of_mass(image)
        side = (_COLUMNS - column) * -np.sin(a) + (_ROWS - row) * np.cos(a)
        moved = ndimage.shift(np.where(side > 0, image, 0), (distance * np.sin(a), distance * np.cos(a)), order=1)
        shifted[i] = np.where(side > 0, moved, image)
    return shifted


KINDS: dict[str, Callable] = {"scratch": _scratch, "gap": _gap, "blot": _blot, "protrusion": _protrusion,
                              "thickening": _thickening, "salt": _salt, "shifted_stroke": _shifted_stroke}


def _choose(candidates, generator):
    """One True pixel of each image, all as likely: rows and columns, each ``(N,)``."""
    flat = candidates.reshape(len(candidates), -1)
    best = np.where(flat, generator.random(flat.shape), -1).argmax(1)
    return best // 28, best % 28


def _angle(n, generator):
    return generator.uniform(0, np.pi, n)


def _disc(row, column, radius):
    """Coverage in [0, 1] of each pixel by a disc, ``(N, 28, 28)``: the edge is one pixel soft."""
    distance = np.hypot(_ROWS - row[:, None, None], _COLUMNS - column[:, None, None])
    return (radius + 0.5 - distance).clip(0, 1)


def _line(row, column, angle, width, length=None):
    """Coverage of each pixel by a line through (row, column): endless, or from there on `length`
    pixels."""
    down, right = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    y, x = _ROWS - row[:, None, None], _COLUMNS - column[:, None, None]
    across, along = np.abs(y * right - x * down), y * down + x * right
    if length is not None:  # beyond its ends, the distance to them
        across = np.hypot(across, np.maximum(0, np.maximum(-along, along - length)))
    return (width / 2 + 0.5 - across).clip(0, 1)
