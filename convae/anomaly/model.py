"""One model for images of any size: what is normal, how unusual a new image is, and where.

Images up to :data:`LARGEST_WHOLE` pixels are looked at as a whole, larger ones both in tiles and as
a whole.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch

from convae._io import write_atomically
from convae.anomaly.conformal import check_rate, needed, p_values, threshold
from convae.anomaly.detector import above, below
from convae.anomaly.tiles import SIDE, padded
from convae.anomaly.views import Inspection, Look, Tiles, View, Whole

FORMAT = 4            # of a model file; another number is refused
LARGEST_WHOLE = 56    # pixels: the longest side of images that are only looked at as a whole
FEWEST = 10           # normal images that can be fitted to
VIEWS: dict[str, tuple[type[View], ...]] = {
    "whole": (Whole,), "tiles": (Tiles,), "both": (Tiles, Whole),
}


class Inspector:
    """Scores images and explains the scores; made by :meth:`fit` or :meth:`load`.

    Attributes
    ----------
    view : str
        ``whole``, ``tiles`` or ``both``.
    views : tuple of View
        One, or two of which the one with the higher score counts: of both, about 1 is the highest
        of normal images.
    calibration : ndarray
        Scores of the normal images that were held out, in ascending order.
    """

    def __init__(self, view: str, views: tuple[View, ...], calibration: np.ndarray):
        self.view, self.views, self.calibration = view, views, np.sort(calibration)

    @classmethod
    def fit(cls, images: Iterable[np.ndarray], view: str = "auto", false_alarms: float = 0.01,
            seed: int = 0, progress: bool = True, **options) -> "Inspector":
        """Learn what normal images look like, and hold some out to learn how high normal ones
        score.

        Parameters
        ----------
        images : iterable of ndarray
            Normal ones, each ``(H, W)`` in [0, 1]: a list, or anything that starts anew when gone
            through again. All need not fit in memory, but for up to 100 of them, of 100 million
            pixels together, if there are tiles.
        view : str
            ``whole``, ``tiles``, ``both``, or ``auto``: both if a side of an image is longer than
            :data:`LARGEST_WHOLE`, else whole.
        false_alarms : float
            The rate that is meant to be kept later. A fifth of the images is held out; more, up to
            half, if that rate needs more (:func:`convae.anomaly.conformal.needed`).
        seed : int
            Of training, and of which images are held out.
        options
            Of :meth:`convae.anomaly.detector.Detector.fit`: `latent_dim`, `members`, `epochs`.

        Raises
        ------
        TypeError
            If `images` can be gone through once only.
        ValueError
            If there are fewer than :data:`FEWEST` images, an array is not an image, or an argument
            is out of range.
        """
        if iter(images) is images:
            raise TypeError("images must be a list, or another collection that can be gone through "
                            "more than once")
        if view not in (*VIEWS, "auto"):
            raise ValueError(f"view must be one of auto, {', '.join(VIEWS)}, got {view!r}")
        check_rate(false_alarms)
        images = _Checked(images)
        longest = [max(image.shape) for image in images]
        n = len(longest)
        if n < FEWEST:
            raise ValueError(f"{n} normal images are too few: at least {FEWEST} are needed, and "
                             f"{enough(false_alarms)} for a false-alarm rate of {false_alarms:g}")
        large = max(longest) > LARGEST_WHOLE
        if view in ("tiles", "both") and max(longest) <= SIDE:
            raise ValueError(f"view {view!r} is for images larger than a tile of {SIDE} × {SIDE} "
                             "pixels, and none is")
        if view == "auto":
            view = "both" if large else "whole"
        held_out = np.zeros(n, bool)
        n_held_out = min(max(n // 5, needed(false_alarms)), n // 2)
        held_out[np.random.default_rng(seed).permutation(n)[:n_held_out]] = True
        gaussian = large or view != "whole"
        views = tuple(each.fit(images, held_out, seed, gaussian, progress=progress, **options)
                      for each in VIEWS[view])
        inspector = cls(view, views, np.zeros(0))
        inspector._calibrate(image for image, out in zip(images, held_out, strict=True) if out)
        return inspector

    def _calibrate(self, held_out: Iterable[np.ndarray]):
        """Learn how high normal images score that nothing was fitted to, and how large their maps
        become."""
        scores, largest = [], []
        for looks in self._looks(held_out):
            scores.append(max(look.score for look in looks))
            largest.append([np.quantile(abs(look.maps), 0.999, axis=(1, 2)) for look in looks])
        for view, scale in zip(self.views, np.mean(largest, 0).clip(min=1e-6), strict=True):
            view.map_scale = scale.tolist()
        self.calibration = np.sort(scores)

    @property
    def in_place(self) -> bool:
        """Whether images are moved to where normal ones lie, and compared place by place."""
        return self.views[0].template is not None  # tiles come first

    def resizes(self, image: np.ndarray) -> bool:
        """Whether an image ``(H, W)`` has another size than the normal ones, with whose it is
        compared in place."""
        return self.in_place and padded(image).shape != self.views[0].template.mean.shape

    def scores(self, images: Iterable[np.ndarray]) -> Iterator[float]:
        """The score of each image ``(H, W)`` in [0, 1], in order: the highest of its views'.

        Images looked at as a whole only are read and scored some hundreds at a time, others one by
        one.

        Raises
        ------
        ValueError
            If an array is not an image; the message gives its index.
        """
        for batch in self._batches(images):
            by_view = [view.scores(batch) for view in self.views]
            yield from map(max, zip(*by_view, strict=True))

    def inspections(self, images: Iterable[np.ndarray]) -> Iterator[Inspection]:
        """Of each image, as for :meth:`scores`: its score, what would be normal, and where it
        differs, by the view that scores it highest."""
        for looks in self._looks(images):
            highest = int(np.argmax([look.score for look in looks]))
            look = looks[highest]
            if self.in_place:
                look = look._replace(normal=looks[0].normal)
            yield self.views[highest].inspection(look)

    def _looks(self, images) -> Iterator[tuple[Look, ...]]:
        """Of each image, what each view makes of it."""
        for batch in self._batches(images):
            yield from zip(*(view.looks(batch) for view in self.views), strict=True)

    def _batches(self, images):
        """One view takes as many images at a time as it likes; two take turns, image by image."""
        checked = _Checked(images)
        return [checked] if len(self.views) == 1 else ([image] for image in checked)

    def p_values(self, scores) -> np.ndarray:
        """See :func:`convae.anomaly.conformal.p_values`."""
        return p_values(self.calibration, scores)

    def threshold(self, false_alarms: float) -> float:
        """The score above which an image is anomalous.

        With fewer held-out images than the rate needs, the largest of theirs. A relative margin of
        1e-9 is added: a score's last digits depend on how many images are scored at once, and these
        are fewer than that.
        """
        limit = min(threshold(self.calibration, false_alarms), float(self.calibration[-1]))
        return limit + 1e-9 * abs(limit)

    def save(self, path: Path, notes: dict | None = None) -> Path:
        """Write one safetensors file, whole or not at all; nothing in it is code. `notes` are kept,
        as JSON."""
        settings, tensors = {}, {"calibration": torch.from_numpy(self.calibration)}
        for view in self.views:
            name = type(view).__name__
            settings[name] = view.settings()
            tensors |= above(view.tensors(), f"{name}.")
        metadata = {"format": FORMAT, "view": self.view, "notes": notes, "views": settings}
        path.parent.mkdir(parents=True, exist_ok=True)
        content = safetensors.torch.save(tensors, {"convae.anomaly": json.dumps(metadata)})
        return write_atomically(path, content)

    @classmethod
    def load(cls, path: Path) -> "Inspector":
        """The inspector of a file; ``.sha256`` is the file's, ``.notes`` are what was noted in it.

        Raises
        ------
        ValueError
            If :meth:`save` did not write the file, or in another format than this version reads.
        OSError
            If it cannot be read.
        """
        content = path.read_bytes()
        metadata = _read_metadata(path)
        tensors = safetensors.torch.load(content)
        views = []
        for view in VIEWS[metadata["view"]]:
            of_view = below(tensors, f"{view.__name__}.")
            views.append(view.from_tensors(of_view, metadata["views"][view.__name__]))
        inspector = cls(metadata["view"], tuple(views), tensors["calibration"].numpy())
        inspector.sha256 = hashlib.sha256(content).hexdigest()
        inspector.notes = metadata["notes"]
        return inspector


def _read_metadata(path):
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = json.loads(file.metadata()["convae.anomaly"])
        version = metadata["format"]
    except (safetensors.SafetensorError, TypeError, KeyError, ValueError):
        raise ValueError(f"{path} is no model that convae fit has written") from None
    if version != FORMAT:
        raise ValueError(f"{path} has format {version}, and this version of convae reads format "
                         f"{FORMAT}: make it again with convae fit, or use the version that made "
                         "it")
    return metadata


def enough(false_alarms: float) -> int:
    """How many normal images let a false-alarm rate be kept: half of them are held out at most."""
    return max(FEWEST, 2 * needed(false_alarms))


class _Checked:
    """Images as float32; each array is checked to be one."""

    def __init__(self, images):
        self.images = images

    def __iter__(self) -> Iterator[np.ndarray]:
        for i, image in enumerate(self.images):
            image = np.asarray(image)
            if image.ndim != 2 or not image.size:
                raise ValueError(f"image {i} has shape {image.shape}; (H, W) is wanted")
            low, high = image.min(), image.max()
            if not (low >= 0 and high <= 1):  # so that NaN is refused as well
                raise ValueError(f"image {i} has values from {low:g} to {high:g}; "
                                 "they must lie in [0, 1]")
            yield image.astype(np.float32, copy=False)
