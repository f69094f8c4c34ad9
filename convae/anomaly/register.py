"""Images of parts that lie nearly where they always do, moved so that what is the same in all of
them lies in one place."""

from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import fft

from convae.anomaly import tiles

REACH = 0.1      # an image is moved by this share of its shorter side at most
ROUNDS = 2       # of moving all images to their mean, and taking the mean anew
APART = 2        # pixels at most between the shifts of two halves, or a quarter of the reach
AGREE = 0.5      # share of the images in which they agree, if all show the same
SMALLEST = 1e-3  # lower bound of a deviation: a quarter of a grey level of 8 bits


class Template(NamedTuple):
    """What normal images of one size show in each place."""

    mean: np.ndarray       #: ``(H, W)``
    deviation: np.ndarray  #: ``(H, W)``: root of the variance there plus the mean variance

    @classmethod
    def fit(cls, images: list[np.ndarray]) -> "Template | None":
        """Learn from two images ``(H, W)`` or more; None if they do not show the same in the same
        place.

        They do if all have one size, and in most of them the left and the right half, or the upper
        and the lower, agree on how far the image is to be moved. So it is with parts on a ground,
        and not with cloth.
        """
        n, shape = len(images), images[0].shape
        if any(image.shape != shape for image in images):
            return None
        mean, shifts = _mean(images), [(0, 0)] * n
        for _ in range(ROUNDS):
            others = _without_each(images, shifts, mean)
            shifts = list(map(_shift, images, others))
            mean = _mean(_moved_all(images, shifts, mean))
        others = _without_each(images, shifts, mean)
        apart = np.array(list(map(_disagreements, images, others)))  # (n, 2), in pixels
        agree = apart <= min(APART, _reach(shape) // 4)
        if agree.mean(0).max() <= AGREE:
            return None
        aligned = _moved_all(images, shifts, mean)
        variance = _mean((image - mean)**2 for image in aligned) * n / (n - 1)
        return cls(mean, np.sqrt(variance + variance.mean()).clip(min=SMALLEST))

    def align(self, image: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """The image ``(H, W)`` moved to where it agrees most with the mean, and by how many rows
        and columns it was.

        What it does not reach then is the mean's; what is moved out of the frame is lost.
        """
        shift = _shift(image, self.mean)
        return moved(image, shift, self.mean), shift

    def standardised(self, aligned: np.ndarray) -> np.ndarray:
        """By how many deviations each pixel of an aligned image is off the mean."""
        return (aligned - self.mean) / self.deviation


class Aligned(NamedTuple):
    """An image ``(H, W)`` where normal ones are."""

    image: np.ndarray         #: of the template's shape; without one, at least as large as a tile
    standardised: np.ndarray  #: in deviations from the template; without one, the image itself
    shift: tuple[int, int]    #: rows and columns by which it was moved

    def undo(self, aligned: np.ndarray, ground: np.ndarray) -> np.ndarray:
        """Something computed of the aligned image, moved to where it was in the original; over
        `ground`, which has the original's shape."""
        height, width = ground.shape
        ground = tiles.padded(ground)
        down, right = self.shift
        back = moved(aligned, (-down, -right), resized(ground, aligned.shape))
        return resized(back, ground.shape)[:height, :width]


def align(image: np.ndarray, template: Template | None) -> Aligned:
    """An image where the template is; as it is, if there is none."""
    large = tiles.padded(image)
    if template is None:
        return Aligned(large, large, (0, 0))
    aligned, shift = template.align(resized(large, template.mean.shape))
    return Aligned(aligned, template.standardised(aligned), shift)


def resized(image: np.ndarray, shape: tuple[int, int] = (tiles.SIDE, tiles.SIDE)) -> np.ndarray:
    """The image ``(H, W)`` in another shape, averaged where it shrinks."""
    if image.shape == shape:
        return image
    return np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling.BILINEAR))


def moved(image: np.ndarray, shift: tuple[int, int], ground: np.ndarray) -> np.ndarray:
    """The image moved down and right by `shift` over `ground`; all ``(H, W)``."""
    result, target, source = ground.astype(image.dtype), [], []
    for by, length in zip(shift, image.shape, strict=True):
        target.append(slice(max(by, 0), length + min(by, 0)))
        source.append(slice(max(-by, 0), length + min(-by, 0)))
    result[tuple(target)] = image[tuple(source)]
    return result


def _reach(shape):
    """By how many pixels an image can be moved."""
    return int(REACH * min(shape))


def _shift(image, template):
    """Rows and columns by which the image is to be moved for the largest correlation with a
    template; none, if it is even.

    What stays where it is must not count: the frame, towards which both fade out, and what is
    smoother than half of the reach, such as light from one side.
    """
    reach = _reach(image.shape)
    if np.ptp(image) == 0:
        return 0, 0
    fade = np.outer(*(_fade(length, reach) for length in image.shape))
    of_image, of_template = (fft.rfft2((each - each.mean()) * fade) for each in (image, template))
    height, width = image.shape
    squared_frequency = fft.fftfreq(height)[:, None]**2 + fft.rfftfreq(width)**2
    smooth = np.exp(-2 * (np.pi * reach / 2)**2 * squared_frequency)  # a Gaussian of that deviation
    correlation = fft.irfft2(of_image.conj() * of_template * (1 - smooth)**2, image.shape)
    shifts = np.indices((2 * reach + 1,) * 2).reshape(2, -1).T - reach
    best = correlation[shifts[:, 0], shifts[:, 1]].argmax()
    return tuple(shifts[best].tolist())


def _fade(length, reach):
    """Weights that rise from 0 at either end to 1 within the reach."""
    position = np.arange(length)
    return np.minimum(1, (np.minimum(position, position[::-1]) + 0.5) / reach)


def _disagreements(image, template):
    """How far apart the shifts to the left and the right half of a template are, or to the upper
    and the lower."""
    distances = []
    for axis in (0, 1):
        first, second = (_shift(image, half) for half in _halves(template, axis))
        distances.append(np.abs(np.subtract(first, second)).max())
    return distances


def _halves(mean, axis):
    """The two halves of an image along an axis, each of mean 0, with 0 for the other."""
    first = np.zeros_like(mean, bool)
    np.moveaxis(first, axis, 0)[:mean.shape[axis] // 2] = True
    return [np.where(half, mean - mean[half].mean(), 0) for half in (first, ~first)]


def _without_each(images, shifts, mean):
    """The mean without each of the moved images in turn: to its own share of the mean an image
    agrees, whatever it shows."""
    n = len(images)
    return ((n * mean - image) / (n - 1) for image in _moved_all(images, shifts, mean))


def _moved_all(images, shifts, ground):
    return (moved(image, shift, ground) for image, shift in zip(images, shifts, strict=True))


def _mean(images):
    total, n = 0, 0
    for image in images:
        total, n = total + image.astype(np.float64), n + 1
    return (total / n).astype(np.float32)
