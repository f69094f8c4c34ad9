"""The regularised Gaussian of images' pixels: how far an image lies from it, and which of its
pixels do."""

from typing import NamedTuple

from torch import Tensor

from convae.anomaly.detector import averaged
from convae.anomaly.space import Space

FLOOR = 0.3  # of the whitening


class Gaussian(NamedTuple):
    """Of pixels averaged over 3 × 3."""

    space: Space  #: in which normal images' pixels are nearly independent, of variance 1 at most

    @classmethod
    def fit(cls, images: Tensor) -> "Gaussian":
        """Learn from normal images ``(N, 1, 28, 28)``."""
        space = Space.whitened(averaged(images).flatten(1), FLOOR)
        directions = space.axes / space.axes.norm(dim=0)
        return cls(Space(space.mean, space.axes @ directions.T))  # turned back to the pixels

    def deviations(self, images: Tensor) -> Tensor:
        """By how many standard deviations each pixel of ``(N, 1, 28, 28)`` is off, above 0 if too
        bright, ``(N, 28, 28)``.

        What pixels share is counted once (the whitening is symmetric): the squares add up to the
        square of :meth:`distances`.
        """
        return self.space.project(averaged(images.double()).flatten(1)).view(-1, *images.shape[2:])

    def distances(self, images: Tensor) -> Tensor:
        """From the mean, in standard deviations, ``(N,)``."""
        return self.deviations(images).flatten(1).norm(dim=1)
