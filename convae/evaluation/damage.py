"""Damaged and strange pictures for the paper's claims.

Squares planted in digits (claim E), pictures unlike digits (claim G), and shifts (claim J).
"""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import pad

SIDE = 28  # pixels along an edge of MNIST's images


def plant_defects(
    images: Tensor, kind: str, size: int = 4, seed: int = 0
) -> tuple[Tensor, np.ndarray]:
    """Plant one square of ink, or of none, in each image, in a known place.

    These blots and gaps are hard squares of one size. Those of
    :func:`convae.evaluation.defects.make_defects` are soft discs, in five sizes.

    Parameters
    ----------
    images : Tensor
        ``(N, 1, 28, 28)`` in [0, 1], each with some ink.
    kind : {"blot", "gap"}
        A square of ink where there was none, beside the digit or inside it; or a square around a
        pixel of ink, erased.
    size : int
        The square's side, in pixels.
    seed : int
        Draws the places.

    Returns
    -------
    damaged : Tensor
        ``(N, 1, 28, 28)``.
    corners : array
        Row and column of each square's upper left pixel, ``(N, 2)``.
    """
    candidates_of = {"blot": _blot_corners, "gap": _gap_corners}[kind]
    generator = np.random.default_rng(seed)
    damaged, corners = images.clone(), []
    for image in damaged[:, 0]:
        candidates = candidates_of(image.numpy(), size)
        inside = (candidates >= 0) & (candidates <= SIDE - size)
        candidates = candidates[inside.all(1)]
        row, column = candidates[generator.integers(len(candidates))]
        image[row:row + size, column:column + size] = float(kind == "blot")
        corners.append((row, column))
    return damaged, np.array(corners)


def _gap_corners(image, size):
    """Corners of the squares around each pixel of ink; some reach beyond the image."""
    return np.argwhere(image > 0.5) - size // 2


def _blot_corners(image, size):
    """Corners of the squares without ink that touch the digit's frame."""
    darkest = ndimage.maximum_filter(image, size, origin=-(size // 2))  # of the square from here on
    candidates = np.argwhere(darkest < 0.1)
    ink = np.argwhere(image > 0.5)
    touching = (candidates >= ink.min(0) - size) & (candidates <= ink.max(0))
    return candidates[touching.all(1)]


def anomalies(images: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """Pictures unlike digits, made from digits ``(N, 1, 28, 28)``; by the name of the rule.

    All pixels are shuffled in one order, which `seed` draws. A mirrored 0, 1, 3 or 8 is still a
    digit.
    """
    order = np.random.default_rng(seed).permutation(images[0].numel())
    return {
        "mirrored top to bottom": images.flip(2),
        "inverted grey levels": 1 - images,
        "pixels in random order": images.flatten(1)[:, order].view_as(images),
        "two digits on top of each other": torch.maximum(images, images.roll(1, 0)),
    }


def shifted(images: Tensor, rows: int, columns: int) -> Tensor:
    """Images ``(N, 1, 28, 28)`` moved down by `rows` and right by `columns`, −28 to 28.

    Empty pixels come in from outside.

    Examples
    --------
    >>> shifted(torch.eye(3)[None, None], 1, 0)[0, 0]
    tensor([[0., 0., 0.],
            [1., 0., 0.],
            [0., 1., 0.]])
    """
    return pad(images, (columns, -columns, rows, -rows))  # a negative width crops
