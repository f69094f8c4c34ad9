"""Images larger than the network's: is a defect of a texture, or of a part lying on one, found, and
where?"""

import numpy as np
import torch

from convae._io import key_of
from convae.anomaly import tiles
from convae.anomaly.gaussian import Gaussian
from convae.anomaly.model import Inspector
from convae.anomaly.study.keys import large_image_constants
from convae.anomaly.study.localisation import auroc, region_overlap
from convae.anomaly.study.textures import TEXTURES, cases, damage_textures, make_textures
from convae.anomaly.views import Tiles
from convae.evaluation.inference import reconstruct
from convae.losses import squared_error
from convae.reproduce.sweep import Task

VERSION = 7               # of what is measured and how: another version makes other keys
NORMAL, UNSEEN = 60, 40   # images to fit to; unseen ones, as they are and with each kind of defect
RATE = 0.05               # of false alarms: 60 images are too few for 1 %


def task(texture: str, seed: int) -> Task:
    """One texture, one seed."""
    key = key_of(["textures", texture, seed, *large_image_constants(), VERSION])
    return Task(f"{texture} seed {seed}", key, run, {"texture": texture, "seed": seed})


def run(texture: str, seed: int, normal: int = NORMAL, unseen: int = UNSEEN, chosen=None,
        **options) -> dict:
    """How well each defect is found, in images by four scores, and in pixels.

    Parameters
    ----------
    texture : str
    seed : int
    normal, unseen : int
        How many images are learnt from, and how many are scored without and with each defect.
    chosen : collection of str, optional
        Of the names of :func:`cases`; all if None.
    options
        Of :meth:`Inspector.fit`.
    """
    draw = [seed, list(TEXTURES).index(texture)]  # no two textures of a seed share random numbers
    images = make_textures(texture, normal, [*draw, 0])
    inspector = Inspector.fit(list(images), false_alarms=RATE, seed=seed, progress=False, **options)
    scorer = Scorer(inspector, images)
    limit = inspector.threshold(RATE)
    before = scorer.scores(make_textures(texture, unseen, [*draw, 1]))
    record = {"texture": texture, "seed": seed,
              "false_alarms": _share_above(limit, before["combined"]), "defects": {}}
    for k, (name, (defect, strength)) in enumerate(cases(texture).items()):
        if chosen and name not in chosen:
            continue
        clean = make_textures(texture, unseen, [*draw, 2, k])
        damaged, masks = damage_textures(clean, defect, strength, [*draw, 3, k])
        after = scorer.scores(damaged)
        maps = np.stack([abs(each.difference) for each in inspector.inspections(damaged)])
        record["defects"][name] = {
            "image_auroc": {score: auroc(before[score], after[score]) for score in before},
            "found": _share_above(limit, after["combined"]),
            "pixel_auroc": auroc(maps[~masks], maps[masks]),
            "region_overlap": round(region_overlap(maps, masks), 5),
        }
    return record


class Scorer:
    """Four scores of large images, of which ``combined`` is the inspector's.

    ``squared_error`` is the largest of any tile; ``gaussian_averaged`` the largest distance from
    the Gaussian of all normal images' tiles, wherever they lie; ``gaussian_in_place`` that of the
    inspector's tiles, without a network and without the look at the whole.
    """

    def __init__(self, inspector: Inspector, normal: np.ndarray):
        self.inspector = inspector
        self.in_tiles = next(view for view in inspector.views if isinstance(view, Tiles))
        self.network = self.in_tiles.detector.members[0].model
        self.gaussian = Gaussian.fit(torch.cat([_tiles(image) for image in normal]))

    def scores(self, images: np.ndarray) -> dict[str, list[float]]:
        """By name, one for each image ``(H, W)``; higher is more anomalous."""
        errors, distances = [], []
        for image in images:
            of_image = _tiles(image).double()
            errors.append(squared_error(reconstruct(self.network, of_image), of_image).max().item())
            distances.append(self.gaussian.distances(of_image).max().item())
        in_place = [highest[2].item() for highest in self.in_tiles.highest(images)]
        return {"squared_error": errors, "gaussian_averaged": distances,
                "gaussian_in_place": in_place, "combined": list(self.inspector.scores(images))}


def _tiles(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(tiles.cut(image, tiles.corners(*image.shape)))[:, None]


def _share_above(limit: float, scores: list[float]) -> float:
    return float(np.mean(np.array(scores) > limit))
