"""One model for images of any size: what is normal, how unusual a new image is, and where.

Images up to :data:`LARGEST_WHOLE` pixels are resized to the paper's 28 × 28. Larger ones are cut into overlapping tiles of that
size, and what is found on the tiles is stitched together.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from convae.anomaly import tiles
from convae.anomaly.conformal import check_rate, needed, p_values, threshold
from convae.anomaly.detector import Detector
from convae.files import write_atomically

FORMAT = 2            # of a model file; another number is refused
LARGEST_WHOLE = 56    # pixels: the longest side up to which an image is resized, not tiled
FEWEST = 10           # normal images that can be fitted to
TILES = 20_000        # drawn from all normal images, about: the same number from each
VIEWS = ("auto", "whole", "tiles")
_AT_ONCE = 500        # images of the network's size
_LARGE_AT_ONCE = 16   # images of any size


class Inspection(NamedTuple):
    """What was found in one image."""

    score: float              #: higher is more anomalous
    image: np.ndarray         #: ``(H, W)`` in [0, 1]
    repaired: np.ndarray      #: ``(H, W)`` in [0, 1]: the image as the model would have it
    difference: np.ndarray    #: ``(H, W)``: above 0 too bright, below 0 too dark; ±1 is about the largest in a normal image


class Inspector:
    """Scores images and explains the scores; made by :meth:`fit` or :meth:`load`.

    Attributes
    ----------
    detector : Detector
        Of 28 × 28 images: whole ones, or tiles.
    view : str
        ``whole`` or ``tiles``.
    calibration : ndarray
        Scores of the normal images that were held out, in ascending order.
    usual : float
        The difference, in the detector's units, that all but one in a thousand pixels of such an image keep to, on average.
    """

    def __init__(self, detector: Detector, view: str, calibration: np.ndarray, usual: float):
        self.detector, self.view, self.calibration, self.usual = detector, view, np.sort(calibration), usual

    @classmethod
    def fit(cls, images: Iterable[np.ndarray], view: str = "auto", false_alarms: float = 0.01, seed: int = 0,
            progress: bool = True, **options) -> "Inspector":
        """Learn what normal images look like, and hold some out to learn how high normal ones score.

        Parameters
        ----------
        images : iterable of ndarray
            Normal ones, each ``(H, W)`` in [0, 1]; gone through three times, so that they need not fit in memory. A list, or
            anything that starts anew when gone through again.
        view : str
            ``whole``, ``tiles``, or ``auto``: tiles if a side of an image is longer than :data:`LARGEST_WHOLE`.
        false_alarms : float
            The rate that is meant to be kept later. A fifth of the images is held out; more, up to half, if that rate needs
            more (:func:`convae.anomaly.conformal.needed`).
        seed : int
            Of training, and of which images are held out.
        options
            Of :meth:`convae.anomaly.detector.Detector.fit`.

        Raises
        ------
        TypeError
            If `images` can be gone through once only.
        ValueError
            If there are fewer than :data:`FEWEST` images, one is none, or an argument is out of range.
        """
        if iter(images) is images:
            raise TypeError("images must be a list, or another collection that can be gone through more than once")
        if view not in VIEWS:
            raise ValueError(f"view must be one of {', '.join(VIEWS)}, got {view!r}")
        check_rate(false_alarms)
        longest = [max(image.shape) for image in _checked(images)]
        n = len(longest)
        if n < FEWEST:
            raise ValueError(f"{n} normal images are too few: at least {FEWEST} are needed, and "
                             f"{enough(false_alarms)} for a false-alarm rate of {false_alarms:g}")
        if view == "auto":
            view = "tiles" if max(longest) > LARGEST_WHOLE else "whole"
        held_out = np.zeros(n, bool)
        held_out[np.random.default_rng(seed).permutation(n)[:min(max(n // 5, needed(false_alarms)), n // 2)]] = True
        fitted_on = _training_set(_checked(images), held_out, view, seed)
        detector = Detector.fit(fitted_on, seed=seed, progress=progress, texture=view == "tiles", **options)
        inspector = cls(detector, view, np.zeros(0), 1.0)
        scores, largest = [], []
        for found in inspector.inspections(image for image, out in zip(images, held_out, strict=True) if out):
            scores.append(found.score)
            largest.append(np.quantile(abs(found.difference), 0.999))
        inspector.calibration, inspector.usual = np.sort(scores), float(np.mean(largest))
        return inspector

    def scores(self, images: Iterable[np.ndarray]) -> Iterator[float]:
        """The score of each image ``(H, W)`` in [0, 1], in order: :meth:`Detector.combined`, of tiles the largest.

        A few hundred images are read, resized and scored at a time; tiles, one image at a time.

        Raises
        ------
        ValueError
            If an image is none; the message says which, counted from 0.
        """
        if self.view == "tiles":
            for image in _checked(images):
                yield max(self.detector.combined(part).max().item() for _, part in _tiles_of(image))
        else:
            for part in _parts(map(resized, _checked(images)), _AT_ONCE):
                yield from self.detector.combined(_stack(part)).tolist()

    def inspections(self, images: Iterable[np.ndarray]) -> Iterator[Inspection]:
        """Score, repaired image and where it differs, for each image ``(H, W)`` in [0, 1], in order.

        Raises
        ------
        ValueError
            As for :meth:`scores`.
        """
        if self.view == "tiles":
            yield from map(self._inspect_tiles, _checked(images))
            return
        for part in _parts(_checked(images), _LARGE_AT_ONCE):
            small = _stack(map(resized, part))
            found = self.detector.combined(small).tolist(), *(each.numpy() for each in self.detector.explain(small))
            for image, score, repaired, difference in zip(part, *found, strict=True):
                yield self._inspection(score, image, resized(repaired, image.shape), resized(difference, image.shape))

    def _inspect_tiles(self, image):
        stitched = [tiles.Stitcher(*tiles.padded(image).shape) for _ in range(2)]
        score = -np.inf
        for places, part in _tiles_of(image):
            score = max(score, self.detector.combined(part).max().item())
            for stitcher, found in zip(stitched, self.detector.explain(part), strict=True):
                stitcher.add(found.numpy(), places)
        height, width = image.shape
        return self._inspection(score, image, *(stitcher.mean()[:height, :width] for stitcher in stitched))

    def _inspection(self, score, image, repaired, difference):
        return Inspection(score, image, repaired.clip(0, 1), difference / self.usual)

    def p_values(self, scores) -> np.ndarray:
        """See :func:`convae.anomaly.conformal.p_values`."""
        return p_values(self.calibration, scores)

    def threshold(self, false_alarms: float) -> float:
        """The score above which an image is anomalous.

        With fewer held-out images than the rate needs, the largest of theirs. A hair is added, more than the last digits of
        a score that depend on how many images are scored at once.
        """
        return min(threshold(self.calibration, false_alarms), float(self.calibration[-1])) * (1 + 1e-5)

    def save(self, path: Path, notes: dict | None = None) -> Path:
        """Write one safetensors file, whole or not at all; nothing in it is code. `notes` are kept, as JSON."""
        metadata = {"format": FORMAT, "view": self.view, "usual": self.usual, "notes": notes, **self.detector.settings()}
        tensors = self.detector.tensors() | {"calibration": torch.from_numpy(self.calibration)}
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_atomically(path, safetensors.torch.save(tensors, {"convae.anomaly": json.dumps(metadata)}))

    @classmethod
    def load(cls, path: Path) -> "Inspector":
        """The inspector of a file; ``.sha256`` is the file's, ``.notes`` are what was noted in it.

        Raises
        ------
        ValueError
            If the file is no model of :func:`save`'s, or of another format than this version reads.
        OSError
            If it cannot be read.
        """
        content = path.read_bytes()
        try:
            with safetensors.safe_open(path, "pt") as file:
                metadata = json.loads(file.metadata()["convae.anomaly"])
            found = metadata["format"]
        except (safetensors.SafetensorError, TypeError, KeyError, ValueError):
            raise ValueError(f"{path} is no model that convae fit has written") from None
        if found != FORMAT:
            raise ValueError(f"{path} has format {found}, and this version of convae reads format {FORMAT}: make it again with "
                             "convae fit, or use the version that made it")
        tensors = safetensors.torch.load(content)
        inspector = cls(Detector.from_tensors(tensors, metadata), metadata["view"], tensors["calibration"].numpy(),
                        metadata["usual"])
        inspector.sha256, inspector.notes = hashlib.sha256(content).hexdigest(), metadata["notes"]
        return inspector


def enough(false_alarms: float) -> int:
    """How many normal images let a false-alarm rate be kept: half of them are held out at most."""
    return max(FEWEST, 2 * needed(false_alarms))


def resized(image: np.ndarray, shape: tuple[int, int] = (tiles.SIDE, tiles.SIDE)) -> np.ndarray:
    """The image ``(H, W)`` in another shape, averaged where it shrinks."""
    if image.shape == shape:
        return image
    return np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling.BILINEAR))


def _training_set(images, held_out, view, seed):
    """The images that are not held out, or tiles from them, ``(N, 1, 28, 28)``."""
    if view == "whole":
        return _stack([resized(image) for image, out in zip(images, held_out, strict=True) if not out])
    fitted_on = np.random.default_rng(seed).permutation(np.flatnonzero(~held_out))[:TILES]
    each, fitted_on = -(-TILES // len(fitted_on)), set(fitted_on.tolist())
    drawn = []
    for i, image in enumerate(images):
        if i in fitted_on:
            image = tiles.padded(image)
            places = tiles.corners(*image.shape, stride=1)
            chosen = np.random.default_rng([seed, i]).choice(len(places), min(each, len(places)), replace=False)
            drawn.append(tiles.cut(image, places[chosen]))
    return torch.from_numpy(np.concatenate(drawn))[:, None]


def _tiles_of(image) -> Iterator[tuple[np.ndarray, Tensor]]:
    image = tiles.padded(image)
    places = tiles.corners(*image.shape)
    for start in range(0, len(places), _AT_ONCE):
        part = places[start:start + _AT_ONCE]
        yield part, torch.from_numpy(tiles.cut(image, part))[:, None]


def _parts(images, at_once) -> Iterator[list[np.ndarray]]:
    images = iter(images)
    while part := list(islice(images, at_once)):
        yield part


def _checked(images) -> Iterator[np.ndarray]:
    """The images as float32, once each is known to be one."""
    for i, image in enumerate(images):
        image = np.asarray(image)
        if image.ndim != 2 or not image.size:
            raise ValueError(f"image {i} has shape {image.shape}; (H, W) is wanted")
        if not (image.min() >= 0 and image.max() <= 1):  # neither holds for what is no number
            raise ValueError(f"image {i} has values from {image.min():g} to {image.max():g}; they must lie in [0, 1]")
        yield image.astype(np.float32, copy=False)


def _stack(images) -> Tensor:
    return torch.from_numpy(np.stack(list(images)))[:, None]
