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
from convae.anomaly.register import Template, align, resized
from convae.anomaly.space import Space, left_out

TILES = 20_000        # drawn from all normal images, about: the same number from each
REFERENCES = 100      # images kept in memory to calibrate each place, at most,
PIXELS = 100_000_000  # with this number of pixels together at most,
FEWEST = 10           # but no fewer images than this
SMALLEST = 1e-2       # lower bound of scores and spreads: a speck in a blank place counts little
_AT_ONCE = 500        # images of the network's size
_LARGE_AT_ONCE = 16   # images of any size


class Look(NamedTuple):
    """What a view makes of one image."""

    score: float            #: higher is more anomalous
    image: np.ndarray       #: ``(H, W)`` in [0, 1]
    normal: np.ndarray      #: ``(H, W)``: what would be, see :class:`Inspection`
    maps: np.ndarray        #: ``(M, H, W)``: where it is unusual, by residual and by Gaussian


class Inspection(NamedTuple):
    """What was found in one image."""

    score: float              #: higher is more anomalous
    image: np.ndarray         #: ``(H, W)`` in [0, 1]
    normal: np.ndarray        #: ``(H, W)`` in [0, 1]: the output; in place, normal images' mean
    difference: np.ndarray    #: ``(H, W)``: above 0 too bright; in a normal image up to about ±1


class View(ABC):
    """A detector of 28 × 28 images, with a way to show images ``(H, W)`` in [0, 1], as float32, to
    it.

    Attributes
    ----------
    detector : Detector
    gaussian : Gaussian or None
        If there is one, the distance from it counts beside the detector's two scores.
    scale : Tensor
        What is usual of each of these two or three scores, ``(1, K)``, or in each of many places,
        ``(T, K)``; in tiles, their geometric mean.
    map_scale : list of float
        What all but one in a thousand pixels of a normal image keep to in each map, on average.
    template : Template or None
        Where images are moved to; a whole is not.
    """

    template: Template | None = None

    def __init__(self, detector: Detector, gaussian: Gaussian | None, scale: Tensor):
        self.detector, self.gaussian, self.scale = detector, gaussian, scale

    @classmethod
    @abstractmethod
    def fit(cls, images: Iterable[np.ndarray], held_out: np.ndarray, seed: int, gaussian: bool,
            **options) -> "View":
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
        maps = look.maps / np.reshape(self.map_scale, (-1, 1, 1))
        difference = np.take_along_axis(maps, abs(maps).argmax(0)[None], 0)[0]
        return Inspection(look.score, look.image, look.normal.clip(0, 1), difference)

    def _raw_scores(self, images: Tensor, standardised: Tensor) -> Tensor:
        """Each score of `images`, the Gaussian's of `standardised`; both ``(N, 1, 28, 28)``; ``(K,
        N)``."""
        scores = self.detector.scores(images)
        if self.gaussian:
            scores = torch.cat([scores, self.gaussian.distances(standardised)[None]])
        return scores

    def _explain(self, images, standardised, scale) -> tuple[np.ndarray, list[np.ndarray]]:
        """What the detector makes of `images`, and maps of where they are unusual, each ``(N, 28,
        28)``."""
        repaired, residuals = self.detector.explain(images)
        maps = [residuals / scale[:, 1, None, None]]
        if self.gaussian:
            maps.append(self.gaussian.deviations(standardised) / scale[:, 2, None, None])
        return repaired.float().numpy(), [each.float().numpy() for each in maps]

    def settings(self) -> dict:
        """What :meth:`from_tensors` needs beside the tensors, as JSON holds it."""
        return {"usual": self.map_scale, **self.detector.settings()}

    def tensors(self) -> dict[str, Tensor]:
        """All numbers, by name."""
        tensors = {"levels": self.scale}
        if self.gaussian:
            tensors["gaussian.mean"], tensors["gaussian.axes"] = self.gaussian.space
        return {**tensors, **self.detector.tensors()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], settings: dict) -> "View":
        """The view whose :meth:`tensors` and :meth:`settings` these are."""
        gaussian = None
        if "gaussian.mean" in tensors:
            gaussian = Gaussian(Space(tensors["gaussian.mean"], tensors["gaussian.axes"]))
        view = cls(Detector.from_tensors(tensors, settings), gaussian, tensors["levels"])
        view.map_scale = settings["usual"]
        return view


class Whole(View):
    """Every image as a whole, resized; several hundred are scored at a time. A score is one as a
    multiple of its level."""

    @classmethod
    def fit(cls, images, held_out, seed, gaussian, **options):
        small = _stack(resized(image) for image, out in zip(images, held_out, strict=True)
                       if not out)
        detector = Detector.fit(small, seed=seed, **options)
        if not gaussian:
            return cls(detector, None, detector.scale[None].clone())
        of_pixels = Gaussian.fit(small)
        distances = left_out(of_pixels.distances(small), len(small))
        scale = torch.cat([detector.scale, distances.quantile(USUAL)[None].clamp(min=1e-6)])
        return cls(detector, of_pixels, scale[None])

    def scores(self, images):
        for part in _parts(map(resized, images), _AT_ONCE):
            yield from self._scores_of(_stack(part))

    def looks(self, images):
        for part in _parts(images, _LARGE_AT_ONCE):
            small = _stack(map(resized, part))
            repaired, maps = self._explain(small, small, self.scale)
            scores = self._scores_of(small)
            for image, score, output, *of_image in zip(part, scores, repaired, *maps, strict=True):
                large = np.stack([resized(each, image.shape) for each in of_image])
                yield Look(score, image, resized(output, image.shape), large)

    def _scores_of(self, small):
        return (self._raw_scores(small, small) / self.scale.T).amax(0).tolist()


class TileBatch(NamedTuple):
    """Some tiles of an aligned image."""

    corners: np.ndarray   #: ``(T, 2)``
    shown: Tensor         #: ``(T, 1, 28, 28)``, of the image itself
    standardised: Tensor  #: ``(T, 1, 28, 28)``
    scale: Tensor         #: ``(T, K)``, of the scores there
    log_std: Tensor       #: ``(T, K)``


class Tiles(View):
    """Every image in overlapping tiles, of which the most unusual counts; what is found is stitched
    together.

    A tile's score is how far the logarithm of one is above that of its scale, in units of what is
    the furthest in a normal image.

    Attributes
    ----------
    template : Template or None
        If there is one, each image is moved to where it agrees with normal ones, the Gaussian is
        of standardised images, and scales are those of each place.
    log_std : Tensor
        What the logarithm of a score over its scale is divided by, of the shape of `scale`.
    """

    log_std = torch.ones(1, 3)

    @classmethod
    def fit(cls, images, held_out, seed, gaussian, **options):
        generator = np.random.default_rng(seed)
        fitted_on = generator.permutation(np.flatnonzero(~held_out))
        references = _references(images, fitted_on)
        template = Template.fit(references)
        shown, standardised = _draw(images, fitted_on[:TILES], template, generator)
        detector = Detector.fit(shown, seed=seed, **options)
        view = cls(detector, Gaussian.fit(standardised), torch.ones(1, 3))
        view.template = template
        view.scale, view.log_std = view._calibrated(references)
        return view

    def _calibrated(self, references):
        """Scale and spread of the scores in normal images: in each place if there is a template,
        else in all together."""
        logs = []  # each (T, K)
        for image in references:
            batches = self._tiles_of(align(image, self.template))
            scores = [self._raw_scores(batch.shown, batch.standardised) for batch in batches]
            logs.append(torch.cat(scores, 1).T.clamp(min=SMALLEST).log())
        by_place = torch.stack(logs) if self.template else torch.cat(logs)[:, None]
        mean = by_place.mean(0)
        variance = (by_place - mean).square().mean(0)
        # One place's variance comes from few images: it is shrunk half way to the mean of all.
        log_std = ((variance + variance.mean(0)) / 2).sqrt().clamp(min=SMALLEST)
        furthest = [((log - mean) / log_std).amax(0) for log in logs]
        root_mean_square = torch.stack(furthest).square().mean(0).sqrt()  # over images, (K,)
        return mean.exp(), log_std * root_mean_square.clamp(min=1)

    def scores(self, images):
        for each in self.highest(images):
            yield each.max().item()

    def highest(self, images: Iterable[np.ndarray]) -> Iterator[Tensor]:
        """The highest of any tile by each of the three scores, ``(3,)``: distance to the nearest,
        largest residual, distance from the Gaussian."""
        for image in images:
            batches = self._tiles_of(align(image, self.template))
            yield torch.stack([self._scores_of(batch).amax(1) for batch in batches]).amax(0)

    def looks(self, images):
        for image in images:
            aligned = align(image, self.template)
            shape = aligned.image.shape
            score, stitched = -np.inf, [tiles.Stitcher(*shape) for _ in range(3)]
            for batch in self._tiles_of(aligned):
                score = max(score, self._scores_of(batch).max().item())
                repaired, maps = self._explain(batch.shown, batch.standardised, batch.scale)
                for stitcher, found in zip(stitched, (repaired, *maps), strict=True):
                    stitcher.add(found, batch.corners)
            repaired, *maps = (each.mean() for each in stitched)
            normal = aligned.undo(self.template.mean if self.template else repaired, image)
            maps = np.stack([aligned.undo(each, 0 * image) for each in maps])
            yield Look(score, image, normal, maps)

    def _scores_of(self, batch):
        scores = self._raw_scores(batch.shown, batch.standardised).clamp(min=SMALLEST)
        return (scores / batch.scale.T).log() / batch.log_std.T

    def _tiles_of(self, aligned) -> Iterator[TileBatch]:
        """Some hundred tiles at a time."""
        corners = tiles.corners(*aligned.image.shape)
        scale, log_std = (each.expand(len(corners), -1) for each in (self.scale, self.log_std))
        for start in range(0, len(corners), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            shown, standardised = (_stack(tiles.cut(each, corners[part]))
                                   for each in (aligned.image, aligned.standardised))
            yield TileBatch(corners[part], shown, standardised, scale[part], log_std[part])

    def tensors(self):
        tensors = super().tensors() | {"spread": self.log_std}
        if self.template:
            for name, each in self.template._asdict().items():
                tensors[f"register.{name}"] = torch.from_numpy(each)
        return tensors

    @classmethod
    def from_tensors(cls, tensors, settings):
        view = super().from_tensors(tensors, settings)
        view.log_std = tensors["spread"]
        if "register.mean" in tensors:
            mean, deviation = tensors["register.mean"], tensors["register.deviation"]
            view.template = Template(mean.numpy(), deviation.numpy())
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


def _draw(images, numbers, template, generator) -> tuple[Tensor, Tensor]:
    """Tiles from random places, the same number from each chosen image, as they are and
    standardised, ``(M, 1, 28, 28)``."""
    each, shown, standardised = -(-TILES // len(numbers)), [], []
    for image in _chosen(images, numbers):
        aligned = align(image, template)
        rows, columns = (length - tiles.SIDE + 1 for length in aligned.image.shape)
        chosen = generator.choice(rows * columns, min(each, rows * columns), replace=False)
        places = np.stack(np.divmod(chosen, columns), 1)
        shown.append(tiles.cut(aligned.image, places))
        standardised.append(tiles.cut(aligned.standardised, places))
    return _stack(np.concatenate(shown)), _stack(np.concatenate(standardised))


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
