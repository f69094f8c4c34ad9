"""Two ways to look at images of any size with a detector of 28 × 28: shrunk to that as a whole, or
cut into tiles of it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from convae.anomaly import tiles
from convae.anomaly.detector import USUAL, Detector
from convae.anomaly.gaussian import Gaussian
from convae.anomaly.register import Register, place, resized
from convae.anomaly.space import Space, left_out

TILES = 20_000        # drawn from all normal images, about: the same number from each
REFERENCES = 100      # normal images, at most, that say what is usual in each place,
PIXELS = 100_000_000  # or as many as have no more than so many pixels together; but no fewer than
FEWEST = 10
SMALLEST = 1e-2       # that a score or its relative spread is taken to be, lest a speck in a blank place be a wonder
_AT_ONCE = 500        # images of the network's size
_LARGE_AT_ONCE = 16   # images of any size


class Look(NamedTuple):
    """What a view makes of one image."""

    score: float            #: higher is more anomalous
    image: np.ndarray       #: ``(H, W)`` in [0, 1]
    normal: np.ndarray      #: ``(H, W)``: what would be, see :class:`Inspection`
    maps: np.ndarray        #: ``(M, H, W)``: where it is unusual, by the difference of input and output and by the Gaussian


class Inspection(NamedTuple):
    """What was found in one image."""

    score: float              #: higher is more anomalous
    image: np.ndarray         #: ``(H, W)`` in [0, 1]
    normal: np.ndarray        #: ``(H, W)`` in [0, 1]: the image as the model would have it; in place, the mean of normal ones
    difference: np.ndarray    #: ``(H, W)``: above 0 too bright, below 0 too dark; ±1 is about the largest in a normal image


class View(ABC):
    """A detector of 28 × 28 images, with a way to show images ``(H, W)`` in [0, 1], as float32, to
    it.

    Attributes
    ----------
    detector : Detector
    gaussian : Gaussian or None
        If there is one, the distance from it counts beside the detector's two scores.
    levels : Tensor
        What is usual of each of these two or three scores, ``(1, K)``, or in each of many places,
        ``(T, K)``; in tiles, their geometric mean.
    usual : list of float
        What all but one in a thousand pixels of a normal image keep to in each map, on average.
    register : Register or None
        Where images are moved to; a whole is not.
    """

    register: Register | None = None

    def __init__(self, detector: Detector, gaussian: Gaussian | None, levels: Tensor):
        self.detector, self.gaussian, self.levels = detector, gaussian, levels

    @classmethod
    @abstractmethod
    def fit(cls, images: Iterable[np.ndarray], held_out: np.ndarray, seed: int, gaussian: bool, **options) -> "View":
        """Learn from those images that are not `held_out` ``(N,)``; `options` are those of
        :meth:`Detector.fit`.

        A whole has a Gaussian if `gaussian` says so, tiles always.
        """

    @abstractmethod
    def scores(self, images: Iterable[np.ndarray]) -> Iterator[float]:
        """The score of each image, in order; about 1 is the highest of normal ones."""

    @abstractmethod
    def looks(self, images: Iterable[np.ndarray]) -> Iterator[Look]:
        """All there is to each image, in order."""

    def inspection(self, look: Look) -> Inspection:
        """A look, with that of its maps in each pixel which is further off what is usual."""
        maps = look.maps / np.reshape(self.usual, (-1, 1, 1))
        difference = np.take_along_axis(maps, abs(maps).argmax(0)[None], 0)[0]
        return Inspection(look.score, look.image, look.normal.clip(0, 1), difference)

    def _found(self, images: Tensor, unusual: Tensor) -> Tensor:
        """Each score of `images`, the Gaussian's of `unusual`; both ``(N, 1, 28, 28)``; ``(K,
        N)``."""
        found = self.detector.both(images)
        return torch.cat([found, self.gaussian.distances(unusual)[None]]) if self.gaussian else found

    def _explain(self, images, unusual, levels) -> tuple[np.ndarray, list[np.ndarray]]:
        """What the detector makes of `images`, and maps of where they are unusual, each ``(N, 28,
        28)``."""
        repaired, difference = self.detector.explain(images)
        maps = [difference / levels[:, 1, None, None]]
        if self.gaussian:
            maps.append(self.gaussian.deviations(unusual) / levels[:, 2, None, None])
        return repaired.float().numpy(), [each.float().numpy() for each in maps]

    def settings(self) -> dict:
        """What :meth:`from_tensors` needs beside the tensors, as JSON holds it."""
        return {"usual": self.usual, **self.detector.settings()}

    def tensors(self) -> dict[str, Tensor]:
        """All numbers, by name."""
        gaussian = {f"gaussian.{name}": each for name, each in self.gaussian.space._asdict().items()} if self.gaussian else {}
        return {"levels": self.levels, **gaussian, **self.detector.tensors()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], settings: dict) -> "View":
        """The view whose :meth:`tensors` and :meth:`settings` these are."""
        gaussian = Gaussian(Space(tensors["gaussian.mean"], tensors["gaussian.axes"])) if "gaussian.mean" in tensors else None
        view = cls(Detector.from_tensors(tensors, settings), gaussian, tensors["levels"])
        view.usual = settings["usual"]
        return view


class Whole(View):
    """Every image as a whole, resized; several hundred are scored at a time. A score is one as a
    multiple of its level."""

    @classmethod
    def fit(cls, images, held_out, seed, gaussian, **options):
        small = _stack([resized(image) for image, out in zip(images, held_out, strict=True) if not out])
        detector = Detector.fit(small, seed=seed, **options)
        if not gaussian:
            return cls(detector, None, detector.usual[None].clone())
        of_pixels = Gaussian.fit(small)
        usual = left_out(of_pixels.distances(small), len(small)).quantile(USUAL).clamp(min=1e-6)
        return cls(detector, of_pixels, torch.cat([detector.usual, usual[None]])[None])

    def scores(self, images):
        for part in _parts(map(resized, images), _AT_ONCE):
            yield from self._scores_of(_stack(part))

    def looks(self, images):
        for part in _parts(images, _LARGE_AT_ONCE):
            small = _stack(map(resized, part))
            repaired, maps = self._explain(small, small, self.levels)
            for image, score, *found in zip(part, self._scores_of(small), repaired, *maps, strict=True):
                repaired, *maps_of_image = (resized(each, image.shape) for each in found)
                yield Look(score, image, repaired, np.stack(maps_of_image))

    def _scores_of(self, small):
        return (self._found(small, small) / self.levels.T).amax(0).tolist()


class Tiles(View):
    """Every image in overlapping tiles, of which the most unusual counts; what is found is stitched
    together.

    A tile's score is how far the logarithm of one is above that of its level, in units of what is
    the furthest in a normal image.

    Attributes
    ----------
    register : Register or None
        If there is one, each image is moved to where it agrees with normal ones, the Gaussian is
        that of what is unusual for its place, and levels are those of each place.
    spread : Tensor
        What the logarithm of a score over its level is divided by, of the shape of `levels`.
    """

    spread = torch.ones(1, 3)

    @classmethod
    def fit(cls, images, held_out, seed, gaussian, **options):
        generator = np.random.default_rng(seed)
        fitted_on = generator.permutation(np.flatnonzero(~held_out))
        references = _references(images, fitted_on)
        register = Register.fit(references)
        shown, unusual = _draw(images, fitted_on[:TILES], register, generator)
        view = cls(Detector.fit(shown, seed=seed, **options), Gaussian.fit(unusual), torch.ones(1, 3))
        view.register = register
        view.levels, view.spread = view._usual_in(references)
        return view

    def _usual_in(self, references):
        """Levels and spread of the scores in normal images, in each place if there is a register,
        else in all alike."""
        logs = [torch.cat([self._found(*part[:2]) for _, *part in self._tiles_of(place(image, self.register))], 1).T
                .clamp(min=SMALLEST).log() for image in references]  # each (T, K)
        by_place = torch.stack(logs) if self.register else torch.cat(logs)[:, None]
        mean = by_place.mean(0)
        variance = (by_place - mean).square().mean(0)
        spread = ((variance + variance.mean(0)) / 2).sqrt().clamp(min=SMALLEST)  # one place's alone is that of few images
        furthest = torch.stack([((log - mean) / spread).amax(0) for log in logs]).square().mean(0).sqrt()
        return mean.exp(), spread * furthest.clamp(min=1)

    def scores(self, images):
        return (each.max().item() for each in self.highest(images))

    def highest(self, images: Iterable[np.ndarray]) -> Iterator[Tensor]:
        """The highest of any tile by each of the three scores, ``(3,)``: to the nearest, largest
        difference, by the Gaussian."""
        for image in images:
            yield torch.stack([self._scores_of(part).amax(1) for part in self._tiles_of(place(image, self.register))]).amax(0)

    def looks(self, images):
        for image in images:
            placed = place(image, self.register)
            score, stitched = -np.inf, [tiles.Stitcher(*placed.aligned.shape) for _ in range(3)]
            for part in self._tiles_of(placed):
                score = max(score, self._scores_of(part).max().item())
                places, shown, unusual, levels, _ = part
                repaired, maps = self._explain(shown, unusual, levels)
                for stitcher, found in zip(stitched, (repaired, *maps), strict=True):
                    stitcher.add(found, places)
            repaired, *maps = (each.mean() for each in stitched)
            normal = self.register.mean if self.register else repaired
            yield Look(score, image, placed.back(normal, image), np.stack([placed.back(each, 0 * image) for each in maps]))

    def _scores_of(self, part):
        _, shown, unusual, levels, spread = part
        return (self._found(shown, unusual).clamp(min=SMALLEST) / levels.T).log() / spread.T

    def _tiles_of(self, placed):
        """Some hundred tiles at a time: places, tiles of the image and of what is unusual in it,
        levels and spread there."""
        places = tiles.corners(*placed.aligned.shape)
        levels, spread = (each.expand(len(places), -1) for each in (self.levels, self.spread))
        for start in range(0, len(places), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            cut = (_stack(tiles.cut(each, places[part])) for each in (placed.aligned, placed.unusual))
            yield places[part], *cut, levels[part], spread[part]

    def tensors(self):
        register = self.register._asdict() if self.register else {}
        return super().tensors() | {"spread": self.spread} | {f"register.{name}": torch.from_numpy(each)
                                                              for name, each in register.items()}

    @classmethod
    def from_tensors(cls, tensors, settings):
        view = super().from_tensors(tensors, settings)
        view.spread = tensors["spread"]
        if "register.mean" in tensors:
            view.register = Register(*(tensors[f"register.{name}"].numpy() for name in Register._fields))
        return view


def _references(images, numbers) -> list[np.ndarray]:
    """Those of the chosen images that are kept in memory: every second, every fourth and so on,
    where all are too much."""
    kept, step = [], 1
    for i, image in enumerate(_chosen(images, numbers[:REFERENCES])):
        if i % step == 0:
            kept.append(image)
        if sum(each.size for each in kept) > PIXELS and len(kept) >= 2 * FEWEST:
            kept, step = kept[::2], 2 * step
    return kept


def _draw(images, numbers, register, generator) -> tuple[Tensor, Tensor]:
    """Tiles from random places, the same number from each chosen image, and what is unusual in
    them, ``(M, 1, 28, 28)``."""
    each, drawn = -(-TILES // len(numbers)), []
    for image in _chosen(images, numbers):
        placed = place(image, register)
        rows, columns = (length - tiles.SIDE + 1 for length in placed.aligned.shape)
        chosen = generator.choice(rows * columns, min(each, rows * columns), replace=False)
        places = np.stack(np.divmod(chosen, columns), 1)
        drawn.append([tiles.cut(seen, places) for seen in (placed.aligned, placed.unusual)])
    return tuple(_stack(np.concatenate(seen)) for seen in zip(*drawn, strict=True))


def _chosen(images, numbers) -> Iterator[np.ndarray]:
    """The images with these numbers, in order, and padded to a tile's size."""
    numbers = set(numbers.tolist())
    return (tiles.padded(image) for i, image in enumerate(images) if i in numbers)


def _parts(images, at_once) -> Iterator[list[np.ndarray]]:
    images = iter(images)
    while part := list(islice(images, at_once)):
        yield part


def _stack(images) -> Tensor:
    return torch.from_numpy(np.stack(list(images)))[:, None]
