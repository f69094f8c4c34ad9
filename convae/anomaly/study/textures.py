"""A seeded generator of synthetic textures, and of parts lying on one, with defects whose place is
known."""

from collections.abc import Callable
from itertools import product

import numpy as np
from scipy import ndimage

SIDE = 168                # pixels
NOISE = 0.02              # standard deviation at each pixel
STRENGTHS = {"faint": 0.4, "clear": 1.0}
_ROWS, _COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)


def make_textures(texture: str, n: int, seed) -> np.ndarray:
    """Sound images ``(n, 168, 168)`` in [0, 1], all different: placed, turned, scaled and noisy by
    chance.

    Parameters
    ----------
    texture : str
        One of :data:`TEXTURES`.
    seed
        As for :func:`numpy.random.default_rng`.
    """
    generator = np.random.default_rng(seed)
    images = np.stack([TEXTURES[texture](generator) for _ in range(n)])
    return (images + generator.normal(0, NOISE, images.shape)).clip(0, 1).astype(np.float32)


def _weave(generator):
    """Threads 6 pixels wide, over and under one another by turns."""
    across, along = _lattice(generator, 6)
    over = (np.floor(across) + np.floor(along)) % 2 == 0
    thread = np.where(over, across, along) % 1
    return 0.2 + 0.6 * np.sin(np.pi * thread)


def _brushed(generator):
    """Metal brushed in one direction."""
    noise = generator.normal(size=(SIDE, 3 * SIDE))
    noise = ndimage.gaussian_filter(noise, (0.7, 12))[:, SIDE:-SIDE]
    return 0.5 + 0.12 * noise / noise.std()


def _studs(generator):
    """Round studs every 9 pixels."""
    across, along = _lattice(generator, 9)
    squared_distance = (across % 1 - 0.5)**2 + (along % 1 - 0.5)**2
    return 0.25 + 0.5 * np.exp(-squared_distance / 0.08)


def _part(generator):
    """A smooth disc, 90 pixels across, on brushed metal, 4 pixels from the middle at most."""
    row, column = _middle(generator)
    return _on_brushed(generator, row, column, 0.7)


def _plate(generator):
    """The same with three dark marks, turned by up to 3 degrees."""
    row, column = _middle(generator)
    turned = generator.uniform(-1, 1) * np.pi / 60
    marks = sum(_mark(number, turned, row, column) for number in range(3))
    return _on_brushed(generator, row, column, 0.7 - 0.35 * marks)


def _middle(generator):
    return SIDE / 2 + generator.uniform(-4, 4, 2) / np.sqrt(2)


def _on_brushed(generator, row, column, level):
    disc = _disc(row, column, 45)
    return (1 - disc) * _brushed(generator) + disc * level


def _disc(row, column, radius):
    """1 within the radius, and 0 from a pixel further out, ``(168, 168)``."""
    return (radius + 0.5 - _distances(row, column)).clip(0, 1)


def _distances(row, column):
    """Of each pixel from a place, ``(168, 168)``."""
    return np.hypot(_ROWS - row, _COLUMNS - column)


def _mark(number, turned=0.0, row=SIDE / 2, column=SIDE / 2, radius=4.5):
    """A disc that takes its place on a plate, 26 pixels from the plate's middle."""
    angle = 2 * np.pi * number / 3 + turned
    down = _ROWS - row - 26 * np.sin(angle)
    right = _COLUMNS - column - 26 * np.cos(angle)
    return (radius + 0.5 - np.hypot(down, right)).clip(0, 1)


TEXTURES: dict[str, Callable] = {
    "weave": _weave, "brushed": _brushed, "studs": _studs, "part": _part, "plate": _plate,
}


def _lattice(generator, period):
    """Two coordinates that count periods, turned by up to 2 degrees and stretched by up to 2 %."""
    angle, stretch = generator.uniform(-1, 1, 2) * (np.pi / 90, 0.02)
    start = generator.uniform(100, 200, 2)
    u = np.cos(angle) * _COLUMNS - np.sin(angle) * _ROWS
    v = np.sin(angle) * _COLUMNS + np.cos(angle) * _ROWS
    length = period * (1 + stretch)
    return u / length + start[0], v / length + start[1]


def damage_textures(images: np.ndarray, defect: str, strength: float,
                    seed) -> tuple[np.ndarray, np.ndarray]:
    """Damaged copies of images ``(N, 168, 168)``, each in one place, and the places: True in
    ``(N, 168, 168)``.

    Parameters
    ----------
    defect : str
        One of :data:`DEFECTS`.
    strength : float
        Above 0, up to 1.
    seed
        Draws the places; the same places whatever the strength.
    """
    generator = np.random.default_rng(seed)
    damaged, masks = np.empty_like(images, np.float32), np.empty(images.shape, bool)
    for i, image in enumerate(images):
        changed, covered = DEFECTS[defect](image, generator)
        damaged[i] = (image + strength * covered * (changed - image)).clip(0, 1)
        masks[i] = covered >= 0.5
    return damaged, masks


def _scratch(image, generator):
    """Brighter along a line, 2 pixels wide and 30 long."""
    row, column = generator.uniform(30, SIDE - 30, 2)
    angle = generator.uniform(0, np.pi)
    y, x = _ROWS - row, _COLUMNS - column
    across = x * np.sin(angle) - y * np.cos(angle)
    along = x * np.cos(angle) + y * np.sin(angle)
    beyond = np.maximum(0, abs(along) - 15)
    return image + 0.35, (1.5 - np.hypot(across, beyond)).clip(0, 1)


def _stain(image, generator):
    """Darker in a disc with a soft edge, 14 pixels across."""
    return 0.6 * image, (8 - _distances(*_place(generator))).clip(0, 2) / 2


def _smear(image, generator):
    """Blurred in a disc, 18 pixels across."""
    return ndimage.gaussian_filter(image, 3), _disc(*_place(generator), 9)


def _missing(image, generator):
    """Brushed metal where the part should be, and around."""
    ground = _brushed(generator) + generator.normal(0, NOISE, image.shape)
    return ground, _disc(SIDE / 2, SIDE / 2, 55)


def _missing_mark(image, generator):
    """Bare plate where one of the marks is, up to 6 pixels from its place."""
    return _bare_plate(image, generator)[1:]


def _misplaced_mark(image, generator):
    """One of the marks 20 degrees further on."""
    number, plate, old = _bare_plate(image, generator)
    new = _mark(number, np.pi / 9)
    return plate - 0.35 * new, np.maximum(new, old)


def _bare_plate(image, generator):
    """The number of a mark, bare plate, and where it takes the mark's place."""
    number = generator.integers(3)
    plate = 0.7 + generator.normal(0, NOISE, image.shape)
    darkness = ((0.66 - image) / 0.1).clip(0, 1)
    return number, plate, _mark(number, radius=11) * darkness


DEFECTS: dict[str, Callable] = {
    "scratch": _scratch, "stain": _stain, "smear": _smear, "missing": _missing,
    "missing mark": _missing_mark, "misplaced mark": _misplaced_mark,
}
ANYWHERE = ("scratch", "stain", "smear")
PARTS = {"part": ("missing",), "plate": ("missing mark", "misplaced mark")}  # of one strength


def cases(texture: str) -> dict[str, tuple[str, float]]:
    """By name, the defects that are tried on a texture and their strengths."""
    everywhere = {}
    for defect, (name, strength) in product(ANYWHERE, STRENGTHS.items()):
        everywhere[f"{name} {defect}"] = defect, strength
    return everywhere | {defect: (defect, 1.0) for defect in PARTS.get(texture, ())}


def _place(generator):
    """Row and column, drawn by chance."""
    return generator.uniform(20, SIDE - 20, 2)
