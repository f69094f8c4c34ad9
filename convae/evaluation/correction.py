"""What a reconstruction changed in its input: ink added, ink removed, and where (section 4.3, Fig. 6).

The paper circled corrections by hand; here a rule finds them: connected pixels that changed by more than a threshold.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from torch import Tensor

EIGHT_NEIGHBOURS = np.ones((3, 3), int)


class Region(NamedTuple):
    """A connected part of an image where the reconstruction differs from the input."""

    kind: str                    #: "added" or "removed"
    pixels: int
    mass: float                  #: grey levels changed, summed over the region
    centre: tuple[float, float]  #: column and row of the changed grey levels' centre of gravity
    radius: float                #: of the circle around the centre that holds the region's pixels, in pixels


def corrected_regions(image: Tensor, reconstruction: Tensor, threshold: float, pixels: int) -> list[Region]:
    """Regions of at least `pixels` connected pixels that changed by more than `threshold`, the largest mass first.

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
        labelled, count = ndimage.label(amount > threshold, EIGHT_NEIGHBOURS)
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
