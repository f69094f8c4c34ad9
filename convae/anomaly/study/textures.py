"""Synthetic textures, and parts lying on one, larger than the network's images: is a defect found,
and where?"""

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from convae._io import key_of
from convae.anomaly import gaussian, register, tiles, views
from convae.anomaly.detector import constants
from convae.anomaly.model import Inspector
from convae.anomaly.study.localisation import region_overlap
from convae.anomaly.views import Tiles
from convae.evaluation.inference import reconstruct
from convae.losses import squared_error
from convae.reproduce.sweep import Task

VERSION = 7               # of what is measured and how: another version makes other keys
SIDE = 168                # pixels
NOISE = 0.02              # standard deviation at each pixel
NORMAL, UNSEEN = 60, 40   # images to fit to; unseen ones, as they are and with each kind of defect
STRENGTHS = {"faint": 0.4, "clear": 1.0}
RATE = 0.05               # of false alarms asked for: of 60 images not so many are held out that 1 % could be promised
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
    return 0.2 + 0.6 * np.where(over, np.sin(np.pi * (across % 1)), np.sin(np.pi * (along % 1)))


def _brushed(generator):
    """Metal brushed in one direction."""
    noise = ndimage.gaussian_filter(generator.normal(size=(SIDE, 3 * SIDE)), (0.7, 12))[:, SIDE:-SIDE]
    return 0.5 + 0.12 * noise / noise.std()


def _studs(generator):
    """Round studs every 9 pixels."""
    across, along = _lattice(generator, 9)
    return 0.25 + 0.5 * np.exp(-((across % 1 - 0.5)**2 + (along % 1 - 0.5)**2) / 0.08)


def _part(generator):
    """A smooth disc, 90 pixels across, on brushed metal, 4 pixels from the middle at most."""
    return _on_brushed(generator, *_middle(generator), 0.7)


def _plate(generator):
    """The same with three dark marks, turned by up to 3 degrees."""
    row, column = _middle(generator)
    turned = generator.uniform(-1, 1) * np.pi / 60
    marks = sum(_mark(number, turned, row, column) for number in range(3))
    return _on_brushed(generator, row, column, 0.7 - 0.35 * marks)


def _middle(generator):
    return SIDE / 2 + generator.uniform(-4, 4, 2) / np.sqrt(2)


def _on_brushed(generator, row, column, level):
    disc = (45.5 - np.hypot(_ROWS - row, _COLUMNS - column)).clip(0, 1)
    return (1 - disc) * _brushed(generator) + disc * level


def _mark(number, turned=0.0, row=SIDE / 2, column=SIDE / 2, radius=4.5):
    """A disc that takes its place on a plate, 26 pixels from the plate's middle."""
    angle = 2 * np.pi * number / 3 + turned
    return (radius + 0.5 - np.hypot(_ROWS - row - 26 * np.sin(angle), _COLUMNS - column - 26 * np.cos(angle))).clip(0, 1)


TEXTURES: dict[str, Callable] = {"weave": _weave, "brushed": _brushed, "studs": _studs, "part": _part, "plate": _plate}


def _lattice(generator, period):
    """Two coordinates that count periods, turned by up to 2 degrees and stretched by up to 2 %."""
    angle, stretch = generator.uniform(-1, 1, 2) * (np.pi / 90, 0.02)
    start = generator.uniform(100, 200, 2)
    u, v = np.cos(angle) * _COLUMNS - np.sin(angle) * _ROWS, np.sin(angle) * _COLUMNS + np.cos(angle) * _ROWS
    return u / (period * (1 + stretch)) + start[0], v / (period * (1 + stretch)) + start[1]


def damage_textures(images: np.ndarray, defect: str, strength: float, seed) -> tuple[np.ndarray, np.ndarray]:
    """Damaged copies of images ``(N, 168, 168)``, each in one place, and where: True in ``(N, 168,
    168)``.

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
    changed, covered = zip(*(DEFECTS[defect](image, generator) for image in images), strict=True)
    covered = np.stack(covered)
    return (images + strength * covered * (changed - images)).clip(0, 1).astype(np.float32), covered >= 0.5


def _scratch(image, generator):
    """Brighter along a line, 2 pixels wide and 30 long."""
    row, column = generator.uniform(30, SIDE - 30, 2)
    angle = generator.uniform(0, np.pi)
    y, x = _ROWS - row, _COLUMNS - column
    across, along = x * np.sin(angle) - y * np.cos(angle), x * np.cos(angle) + y * np.sin(angle)
    return image + 0.35, (1.5 - np.hypot(across, np.maximum(0, abs(along) - 15))).clip(0, 1)


def _stain(image, generator):
    """Darker in a disc with a soft edge, 14 pixels across."""
    return 0.6 * image, (8 - _distance_from(generator)).clip(0, 2) / 2


def _smear(image, generator):
    """Blurred in a disc, 18 pixels across."""
    return ndimage.gaussian_filter(image, 3), (9.5 - _distance_from(generator)).clip(0, 1)


def _missing(image, generator):
    """Brushed metal where the part should be, and around."""
    ground = _brushed(generator) + generator.normal(0, NOISE, image.shape)
    return ground, (55.5 - np.hypot(_ROWS - SIDE / 2, _COLUMNS - SIDE / 2)).clip(0, 1)


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
    number, plate = generator.integers(3), 0.7 + generator.normal(0, NOISE, image.shape)
    return number, plate, _mark(number, radius=11) * ((0.66 - image) / 0.1).clip(0, 1)


DEFECTS: dict[str, Callable] = {"scratch": _scratch, "stain": _stain, "smear": _smear, "missing": _missing,
                                "missing mark": _missing_mark, "misplaced mark": _misplaced_mark}
ANYWHERE = ("scratch", "stain", "smear")
PARTS = {"part": ("missing",), "plate": ("missing mark", "misplaced mark")}  # by texture; there altogether, or not at all


def cases(texture: str) -> dict[str, tuple[str, float]]:
    """Defect and strength of all that is tried on a texture, by name."""
    found = {f"{name} {defect}": (defect, strength) for defect in ANYWHERE for name, strength in STRENGTHS.items()}
    return found | {defect: (defect, 1.0) for defect in PARTS.get(texture, ())}


def _distance_from(generator):
    """From a place drawn by chance, in pixels."""
    row, column = generator.uniform(20, SIDE - 20, 2)
    return np.hypot(_ROWS - row, _COLUMNS - column)


def task(texture: str, seed: int) -> Task:
    """One texture, one seed."""
    key = key_of(["textures", texture, seed, constants(), gaussian.FLOOR, tiles.STRIDE,
                  register.constants(), views.constants(), VERSION])
    return Task(f"{texture} seed {seed}", key, run, {"texture": texture, "seed": seed})


def run(texture: str, seed: int) -> dict:
    """How well each defect is found, in images by four scores, and in pixels.

    ``gaussian_averaged`` is that of all normal images' tiles, wherever they lie;
    ``gaussian_in_place`` that of the inspector's tiles, without a network and without the look at
    the whole.
    """
    draw = [seed, list(TEXTURES).index(texture)]  # no two textures of a seed have random numbers in common
    normal = make_textures(texture, NORMAL, [*draw, 0])
    inspector = Inspector.fit(list(normal), false_alarms=RATE, seed=seed, progress=False)
    in_tiles = next(view for view in inspector.views if isinstance(view, Tiles))
    model = in_tiles.detector.members[0].model
    flat = torch.from_numpy(np.concatenate([tiles.cut(image, tiles.corners(SIDE, SIDE)) for image in normal]))[:, None]
    of_tiles = gaussian.Gaussian.fit(flat)

    def scores(images):
        found = {"squared_error": [], "gaussian_averaged": [],
                 "gaussian_in_place": [highest[2].item() for highest in in_tiles.highest(images)],
                 "combined": list(inspector.scores(images))}
        for image in images:
            part = torch.from_numpy(tiles.cut(image, tiles.corners(SIDE, SIDE)))[:, None].double()
            found["squared_error"].append(squared_error(reconstruct(model, part), part).max().item())
            found["gaussian_averaged"].append(of_tiles.distances(part).max().item())
        return found

    before, limit = scores(make_textures(texture, UNSEEN, [*draw, 1])), inspector.threshold(RATE)
    record = {"texture": texture, "seed": seed,
              "false_alarms": float(np.mean(np.array(before["combined"]) > limit)), "defects": {}}
    for k, (name, (defect, strength)) in enumerate(cases(texture).items()):
        clean = make_textures(texture, UNSEEN, [*draw, 2, k])
        damaged, masks = damage_textures(clean, defect, strength, [*draw, 3, k])
        after = scores(damaged)
        maps = np.stack([abs(found.difference) for found in inspector.inspections(damaged)])
        record["defects"][name] = {
            "image_auroc": {score: round(float(roc_auc_score([0] * UNSEEN + [1] * UNSEEN, before[score] + after[score])), 5)
                            for score in before},
            "found": float(np.mean(np.array(after["combined"]) > limit)),
            "pixel_auroc": round(float(roc_auc_score(masks.ravel(), maps.ravel())), 5),
            "region_overlap": round(region_overlap(maps, masks), 5)}
    return record
