"""What a reconstruction changed in its input, and where (section 4.3, Fig. 6).

The paper circled corrections by hand; here a rule finds them: connected pixels that changed by more
than a threshold.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.stats import mannwhitneyu
from torch import Tensor
from torch.nn.functional import max_pool2d

EIGHT_NEIGHBOURS = np.ones((3, 3), int)


class Region(NamedTuple):
    """A connected part of an image where the reconstruction differs from the input."""

    kind: str                    #: "added" or "removed"
    pixels: int
    mass: float                  #: grey levels changed, summed over the region
    centre: tuple[float, float]  #: column and row of the change's centre of gravity
    radius: float                #: of the circle around the centre that holds the pixels, in pixels


def corrected_regions(
    image: Tensor, reconstruction: Tensor, threshold: float, pixels: int
) -> list[Region]:
    """Connected regions that changed, the largest mass first.

    Parameters
    ----------
    image, reconstruction : Tensor
        Input and output, ``(1, 28, 28)`` in [0, 1].
    threshold : float
        A pixel has changed if it did so by more than this, in grey levels, (0, 1].
    pixels : int
        The smallest region that counts; pixels touch at sides and corners.
    """
    change = (reconstruction - image)[0].numpy().astype(float)
    regions = []
    for kind, amount in (("added", change), ("removed", -change)):
        changed = amount > threshold
        if np.count_nonzero(changed) < pixels:  # so in most images; labelling takes longer
            continue
        labelled, count = ndimage.label(changed, EIGHT_NEIGHBOURS)
        for label in range(1, count + 1):
            inside = labelled == label
            if np.count_nonzero(inside) >= pixels:
                regions.append(_region(kind, amount, inside))
    return sorted(regions, key=lambda region: -region.mass)


def _region(kind, amount, inside):
    rows, columns = np.nonzero(inside)
    changes = amount[inside]
    mass = changes.sum()
    row, column = rows @ changes / mass, columns @ changes / mass
    radius = np.hypot(rows - row, columns - column).max() + 0.5  # to the pixel's edge
    return Region(kind, len(rows), float(mass), (float(column), float(row)), float(radius))


def changed_share(images: Tensor, reconstructions: Tensor, threshold: float) -> Tensor:
    """Share of each image's pixels that changed by more than `threshold`, ``(N,)``."""
    changed = (reconstructions - images).abs() > threshold
    return changed.flatten(1).double().mean(1)


def changed_ink(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Ink added plus ink removed, as a share of the input's ink, ``(N,)``."""
    change = (reconstructions - images).abs().flatten(1).double().sum(1)
    return change / images.flatten(1).double().sum(1)


def reach(images: Tensor, reconstructions: Tensor, threshold: float, block: int = 4) -> Tensor:
    """How much of each character was changed, ``(N,)``.

    Of the blocks with ink, the share with a change by more than `threshold`. A local correction
    reaches few of them, a redrawn character most. A block is `block` × `block` pixels; it has ink
    if a pixel of input or output is darker than ½; without any, 0. One changed pixel is enough for
    a block: a digit moved by one pixel counts as redrawn.
    """
    def any_pixel(mask):
        return max_pool2d(mask.float(), block).flatten(1).bool()

    ink = any_pixel((images > 0.5) | (reconstructions > 0.5))
    changed = any_pixel((reconstructions - images).abs() > threshold)
    return (ink & changed).double().sum(1) / ink.double().sum(1).clamp(min=1)


def localises(regions: list[Region], corner, size: int = 4, margin: int = 1) -> bool:
    """Whether the largest of an image's :func:`corrected_regions` lies on its planted defect.

    Its centre is in the defect or up to `margin` pixels beside it. `corner` (row, column) and
    `size` are those of :func:`convae.evaluation.damage.plant_defects`.
    """
    if not regions:
        return False
    offset = np.subtract(regions[0].centre[::-1], corner)  # in rows and columns
    return bool(((offset >= -margin) & (offset <= size - 1 + margin)).all())


def change_map_area(images: Tensor, reconstructions: Tensor, corners, size: int = 4) -> np.ndarray:
    """How well a pixel's change tells whether the pixel is of the planted defect, ``(N,)``.

    The area under the ROC curve within each image: ½ is chance, 1 says that every pixel of the
    defect changed more than any other. A perfect repair leaves those pixels of an erased square
    alone that had no ink before, and so stays below 1. `corners` ``(N, 2)`` and `size` are those of
    :func:`convae.evaluation.damage.plant_defects`.
    """
    change = (reconstructions - images).abs()[:, 0].numpy().astype(float)
    defect = np.zeros(change.shape, bool)
    for mask, (row, column) in zip(defect, corners, strict=True):
        mask[row:row + size, column:column + size] = True
    inside = change[defect].reshape(len(change), -1)    # (N, size²)
    outside = change[~defect].reshape(len(change), -1)  # (N, 784 − size²)
    wins = mannwhitneyu(inside, outside, axis=1, method="asymptotic").statistic
    return wins / (inside.shape[1] * outside.shape[1])
