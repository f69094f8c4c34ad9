"""What a reconstruction changed in its input: ink added, ink removed, and where (section 4.3, Fig.
6).

The paper circled corrections by hand; here a rule finds them: connected pixels that changed by more
than a threshold.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import max_pool2d

EIGHT_NEIGHBOURS = np.ones((3, 3), int)


class Region(NamedTuple):
    """A connected part of an image where the reconstruction differs from the input."""

    kind: str                    #: "added" or "removed"
    pixels: int
    mass: float                  #: grey levels changed, summed over the region
    centre: tuple[float, float]  #: column and row of the changed grey levels' centre of gravity
    radius: float                #: of the circle around the centre that holds the region's pixels, in pixels


def corrected_regions(image: Tensor, reconstruction: Tensor, threshold: float, pixels: int) -> list[Region]:
    """Regions of at least `pixels` connected pixels that changed by more than `threshold`, the
    largest mass first.

    Parameters
    ----------
    image, reconstruction : Tensor
        Input and output, ``(1, 28, 28)`` in [0, 1].
    threshold : float
        In grey levels, (0, 1].
    pixels : int
        The smallest region that counts; pixels touch at sides and corners.
    """
    change = (reconstruction - image)[0].numpy().astype(float)
    regions = []
    for kind, amount in (("added", change), ("removed", -change)):
        changed = amount > threshold
        if np.count_nonzero(changed) < pixels:  # so for most images, and labelling takes long
            continue
        labelled, count = ndimage.label(changed, EIGHT_NEIGHBOURS)
        for i in range(1, count + 1):
            rows, columns = np.nonzero(labelled == i)
            if len(rows) < pixels:
                continue
            weights = amount[rows, columns]
            row, column = np.average(rows, weights=weights), np.average(columns, weights=weights)
            radius = np.hypot(rows - row, columns - column).max() + 0.5  # to the pixel's edge
            regions.append(Region(kind, len(rows), float(weights.sum()), (float(column), float(row)), float(radius)))
    return sorted(regions, key=lambda region: -region.mass)


def changed_share(images: Tensor, reconstructions: Tensor, threshold: float) -> Tensor:
    """Share of each image's pixels that changed by more than `threshold`, ``(N,)``."""
    return ((reconstructions - images).abs() > threshold).flatten(1).double().mean(1)


def changed_ink(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Ink added plus ink removed, as a share of the input's ink, ``(N,)``."""
    return (reconstructions - images).abs().flatten(1).double().sum(1) / images.flatten(1).double().sum(1)


def reach(images: Tensor, reconstructions: Tensor, threshold: float, block: int = 4) -> Tensor:
    """How much of each character was changed: of the blocks with ink, the share with a change by
    more than `threshold`, ``(N,)``.

    A local correction reaches few of them, a redrawn character most. A block is `block` × `block`
    pixels; it has ink if a pixel of input or output is darker than ½; without any, 0. One changed
    pixel is enough for a block: a digit moved by one pixel counts as redrawn.
    """
    def any_pixel(mask):
        return max_pool2d(mask.float(), block).flatten(1).bool()

    ink = any_pixel((images > 0.5) | (reconstructions > 0.5))
    changed = any_pixel((reconstructions - images).abs() > threshold)
    return (ink & changed).double().sum(1) / ink.double().sum(1).clamp(min=1)


def plant_defects(images: Tensor, kind: str, size: int = 4, seed: int = 0) -> tuple[Tensor, np.ndarray]:
    """Damage each image in one place: where is known, so that it can be asked whether it is found.

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
    generator, damaged, corners = np.random.default_rng(seed), images.clone(), []
    for image in damaged[:, 0]:
        if kind == "gap":
            candidates = np.argwhere(image.numpy() > 0.5) - size // 2
        else:  # squares within the digit's frame without ink
            ink = ndimage.maximum_filter(image.numpy(), size, origin=-(size // 2))  # of the square from here on
            rows, columns = np.nonzero(image.numpy() > 0.5)
            candidates = np.argwhere(ink < 0.1)
            inside = (candidates >= [rows.min() - size, columns.min() - size]) & (candidates <= [rows.max(), columns.max()])
            candidates = candidates[inside.all(1)]
        candidates = candidates[((candidates >= 0) & (candidates <= 28 - size)).all(1)]
        row, column = candidates[generator.integers(len(candidates))]
        image[row:row + size, column:column + size] = float(kind == "blot")
        corners.append((row, column))
    return damaged, np.array(corners)


def found(regions: list[Region], corner, size: int = 4, margin: int = 1) -> bool:
    """Whether the largest correction is centred in the square at `corner` (row, column), or up to
    `margin` beside it."""
    if not regions:
        return False
    column, row = regions[0].centre
    return all(start - margin <= x <= start + size - 1 + margin for x, start in zip((row, column), corner, strict=True))


def change_map_area(images: Tensor, reconstructions: Tensor, corners: np.ndarray, size: int = 4) -> np.ndarray:
    """How well the change tells a defect's pixels from all others: area under the ROC curve of each
    image, ``(N,)``.

    ½ is chance, 1 says that every pixel of the defect changed more than any other. A perfect repair
    leaves those pixels of an erased square alone that had no ink before, and so stays below 1. No
    threshold is involved. `corners` ``(N, 2)`` and `size` are :func:`plant_defects`'.
    """
    change = (reconstructions - images).abs()[:, 0].numpy()
    defect = np.zeros(change.shape, bool)
    for mask, (row, column) in zip(defect, corners, strict=True):
        mask[row:row + size, column:column + size] = True
    ranks = rankdata(change.reshape(len(change), -1), axis=1)
    inside = defect.reshape(len(change), -1)
    count, others = size**2, inside.shape[1] - size**2
    return ((ranks * inside).sum(1) - count * (count + 1) / 2) / (count * others)
