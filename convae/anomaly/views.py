"""Two ways to look at images of any size with a detector of 28 × 28: shrunk to that as a whole, or cut into tiles of it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convae.anomaly import tiles
from convae.anomaly.detector import Detector

TILES = 20_000        # drawn from all normal images, about: the same number from each
_AT_ONCE = 500        # images of the network's size
_LARGE_AT_ONCE = 16   # images of any size


class Inspection(NamedTuple):
    """What was found in one image."""

    score: float              #: higher is more anomalous
    image: np.ndarray         #: ``(H, W)`` in [0, 1]
    repaired: np.ndarray      #: ``(H, W)`` in [0, 1]: the image as the model would have it
    difference: np.ndarray    #: ``(H, W)``: above 0 too bright, below 0 too dark; ±1 is about the largest in a normal image


class View(ABC):
    """A detector of 28 × 28 images, with a way to show images ``(H, W)`` in [0, 1], as float32, to it.

    Attributes
    ----------
    detector : Detector
    usual : float
        The difference, in the detector's units, that all but one in a thousand pixels of a normal image keep to, on average.
    """

    def __init__(self, detector: Detector, usual: float = 1.0):
        self.detector, self.usual = detector, usual

    @classmethod
    def fit(cls, images: Iterable[np.ndarray], held_out: np.ndarray, seed: int, **options) -> "View":
        """Learn from those images that are not `held_out` ``(N,)``; `options` are those of :meth:`Detector.fit`."""
        return cls(Detector.fit(cls.training_set(images, held_out, seed), seed=seed, **options))

    @staticmethod
    @abstractmethod
    def training_set(images: Iterable[np.ndarray], held_out: np.ndarray, seed: int) -> Tensor:
        """What the detector learns from, ``(M, 1, 28, 28)``."""

    @abstractmethod
    def scores(self, images: Iterable[np.ndarray]) -> Iterator[float]:
        """The score of each image, in order."""

    @abstractmethod
    def inspections(self, images: Iterable[np.ndarray]) -> Iterator[Inspection]:
        """Score, repaired image and where it differs, for each image, in order."""

    def _inspection(self, score, image, repaired, difference):
        return Inspection(score, image, repaired.clip(0, 1), difference / self.usual)


class Whole(View):
    """Every image as a whole, resized; several hundred are scored at a time."""

    @staticmethod
    def training_set(images, held_out, seed):
        return _stack([resized(image) for image, out in zip(images, held_out, strict=True) if not out])

    def scores(self, images):
        for part in _parts(map(resized, images), _AT_ONCE):
            yield from self.detector.combined(_stack(part)).tolist()

    def inspections(self, images):
        for part in _parts(images, _LARGE_AT_ONCE):
            small = _stack(map(resized, part))
            found = self.detector.combined(small).tolist(), *(each.numpy() for each in self.detector.explain(small))
            for image, score, repaired, difference in zip(part, *found, strict=True):
                yield self._inspection(score, image, resized(repaired, image.shape), resized(difference, image.shape))


class Tiles(View):
    """Every image in overlapping tiles: its score is that of its most unusual one, and what is found is stitched together."""

    @staticmethod
    def training_set(images, held_out, seed):
        fitted_on = np.random.default_rng(seed).permutation(np.flatnonzero(~held_out))[:TILES]
        each, fitted_on = -(-TILES // len(fitted_on)), set(fitted_on.tolist())
        drawn = []
        for i, image in enumerate(images):
            if i in fitted_on:
                image = tiles.padded(image)
                rows, columns = (length - tiles.SIDE + 1 for length in image.shape)
                chosen = np.random.default_rng([seed, i]).choice(rows * columns, min(each, rows * columns), replace=False)
                drawn.append(tiles.cut(image, np.stack(np.divmod(chosen, columns), 1)))
        return torch.from_numpy(np.concatenate(drawn))[:, None]

    def scores(self, images):
        for image in images:
            yield max(self.detector.combined(part).max().item() for _, part in self._tiles_of(image))

    def inspections(self, images):
        for image in images:
            stitched = [tiles.Stitcher(*tiles.padded(image).shape) for _ in range(2)]
            score = -np.inf
            for places, part in self._tiles_of(image):
                score = max(score, self.detector.combined(part).max().item())
                for stitcher, found in zip(stitched, self.detector.explain(part), strict=True):
                    stitcher.add(found.numpy(), places)
            height, width = image.shape
            yield self._inspection(score, image, *(stitcher.mean()[:height, :width] for stitcher in stitched))

    @staticmethod
    def _tiles_of(image):
        image = tiles.padded(image)
        places = tiles.corners(*image.shape)
        for start in range(0, len(places), _AT_ONCE):
            part = places[start:start + _AT_ONCE]
            yield part, torch.from_numpy(tiles.cut(image, part))[:, None]


def resized(image: np.ndarray, shape: tuple[int, int] = (tiles.SIDE, tiles.SIDE)) -> np.ndarray:
    """The image ``(H, W)`` in another shape, averaged where it shrinks."""
    if image.shape == shape:
        return image
    return np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling.BILINEAR))


def _parts(images, at_once) -> Iterator[list[np.ndarray]]:
    images = iter(images)
    while part := list(islice(images, at_once)):
        yield part


def _stack(images) -> Tensor:
    return torch.from_numpy(np.stack(list(images)))[:, None]
