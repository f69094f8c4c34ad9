"""Seeded local defects on clean digits, in graded severity, to test the detector of anomalies with.

They are those of Fig. 6: strokes that break off or lack ink, and ink where none belongs.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

LEVELS = (1, 2, 3, 4, 5)
VISIBLE = 0.1  # grey levels: a pixel that changed by more belongs to the defect
SIDE = 28
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)
CROSS = ndimage.generate_binary_structure(2, 1)[None]  # a pixel and its four neighbours
SQUARE = np.ones((1, 3, 3))


def make_defects(images: Tensor, kind: str, level: int, seed: int = 0) -> tuple[Tensor, np.ndarray]:
    """Damage each image in one place (salt: in many).

    A blot or a gap is a soft disc in one of five sizes. Those of
    :func:`convae.evaluation.damage.plant_defects` are hard squares of one size.

    Parameters
    ----------
    images : Tensor
        Clean ones, ``(N, 1, 28, 28)`` in [0, 1], each with a pixel above ½.
    kind : str
        One of :data:`KINDS`.
    level : int
        Severity, 1 to 5.
    seed : int
        Draws places and directions. The level does not: a defect grows in its place.

    Returns
    -------
    damaged : Tensor
        ``(N, 1, 28, 28)`` in [0, 1].
    masks : ndarray
        ``(N, 28, 28)``, True where a pixel changed by more than :data:`VISIBLE`.

    Raises
    ------
    ValueError
        If `kind` or `level` is unknown, or an image has no ink to damage.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(map(str, LEVELS))}, got {level!r}")
    clean = images[:, 0].numpy()
    has_ink = (clean > 0.5).any((1, 2))
    if not has_ink.all():
        raise ValueError(f"image {has_ink.argmin()} has no ink: no pixel above ½")
    generator = np.random.default_rng([seed, *kind.encode()])
    damaged = KINDS[kind](clean, level, generator).astype(np.float32).clip(0, 1)
    return torch.from_numpy(damaged)[:, None], np.abs(damaged - clean) > VISIBLE


# Each kind makes damaged images of clean ones, both (N, 28, 28).


def _scratch(clean, level, generator):
    """A straight line through ink and across the image takes it off: 1, 1.5, … 3 pixels wide."""
    place = _choose(clean > 0.5, generator)
    angle = generator.uniform(0, np.pi, (len(clean), 1, 1))
    return clean * (1 - _line(place, angle, width=0.5 + level / 2))


def _gap(clean, level, generator):
    """A disc around a pixel of ink lacks all ink: radius 1, 1.5, … 3 pixels."""
    place = _choose(clean > 0.5, generator)
    return clean * (1 - _disc(place, radius=0.5 + level / 2))


def _blot(clean, level, generator):
    """A disc of ink around a pixel within the digit's frame that had none: radius 1, 1.5, … 3."""
    free = clean < 0.1
    for allowed, ink in zip(free, clean > 0.5, strict=True):
        frame = ndimage.find_objects(ink.astype(int))[0]
        if allowed[frame].any():  # a bar fills its frame; then anywhere
            outside = np.ones_like(ink)
            outside[frame] = False
            allowed[outside] = False
    place = _choose(free, generator)
    return np.maximum(clean, _disc(place, radius=0.5 + level / 2))


def _protrusion(clean, level, generator):
    """A stroke two pixels wide from the digit's edge outwards: 2, 3, … 6 pixels long."""
    ink = clean > 0.5
    edge = ink & ~ndimage.binary_erosion(ink, SQUARE)
    place = _choose(edge, generator)
    smooth = ndimage.gaussian_filter(clean, (0, 2, 2))
    down, right = (_at(place, ndimage.sobel(smooth, axis)) for axis in (1, 2))
    outwards = np.arctan2(-down, -right) + generator.uniform(-0.5, 0.5, down.shape)
    return np.maximum(clean, _line(place, outwards, width=2, length=1 + level))


def _thickening(clean, level, generator):
    """Strokes grown by one pixel on each side, from level 3 on by two, within 4, 5, … 8 pixels."""
    grown = ndimage.grey_dilation(clean, footprint=CROSS)
    if level >= 3:
        grown = ndimage.grey_dilation(grown, footprint=SQUARE)
    near = _disc(_choose(clean > 0.5, generator), radius=3 + level)
    return np.where(near > 0, np.maximum(clean, grown * near), clean)


def _salt(clean, level, generator):
    """2, 4, 8, 16 or 32 single pixels of full ink, within two pixels of the digit's ink."""
    near = ndimage.binary_dilation(clean > 0.5, np.ones((1, 5, 5))) & (clean < 0.5)
    draws = np.where(near, generator.random(clean.shape), np.inf)
    highest = np.sort(draws.reshape(len(clean), 1, -1))[..., 2**level - 1, None]
    return np.where(near & (draws <= highest), 1, clean)


def _shifted_stroke(clean, level, generator):
    """One side of a line through the digit's centre, moved along it by 1, 1.5, … 3 pixels."""
    distance = 0.5 + level / 2
    angles = generator.uniform(0, np.pi, len(clean))
    shifted = np.empty_like(clean)
    for result, image, angle in zip(shifted, clean, angles, strict=True):
        row, column = ndimage.center_of_mass(image)
        down, right = np.sin(angle), np.cos(angle)
        one_side = (ROWS - row) * right > (COLUMNS - column) * down
        part = np.where(one_side, image, 0)
        moved = ndimage.shift(part, (distance * down, distance * right), order=1)
        result[:] = np.where(one_side, moved, image)
    return shifted


KINDS: dict[str, Callable] = {
    kind.__name__[1:]: kind
    for kind in (_scratch, _gap, _blot, _protrusion, _thickening, _salt, _shifted_stroke)
}


def _choose(candidates, generator):
    """One True pixel of each image, all equally likely: row and column, each ``(N, 1, 1)``."""
    flat = candidates.reshape(len(candidates), -1)
    chosen = np.where(flat, generator.random(flat.shape), -1).argmax(1)
    return np.divmod(chosen[:, None, None], SIDE)


def _at(place, images):
    """The images' values at the places, ``(N, 1, 1)``."""
    row, column = place
    return images[np.arange(len(images))[:, None, None], row, column]


def _disc(place, radius):
    """Coverage in [0, 1] of each pixel by a disc, ``(N, 28, 28)``: the edge is one pixel soft."""
    row, column = place
    distance = np.hypot(ROWS - row, COLUMNS - column)
    return (radius + 0.5 - distance).clip(0, 1)


def _line(place, angle, width, length=None):
    """Coverage of each pixel by a line through the place, or from there on `length` pixels."""
    row, column = place
    y, x = ROWS - row, COLUMNS - column
    down, right = np.sin(angle), np.cos(angle)
    distance = np.abs(y * right - x * down)
    if length is not None:
        along = y * down + x * right
        beyond_ends = np.maximum(-along, along - length).clip(0)
        distance = np.hypot(distance, beyond_ends)
    return (width / 2 + 0.5 - distance).clip(0, 1)
