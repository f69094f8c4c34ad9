"""A large image as overlapping tiles of the model's size, and what was found on each, stitched
together again."""

from itertools import product

import numpy as np

from convae.models import IMAGE_SHAPE

SIDE = IMAGE_SHAPE[1]
STRIDE = SIDE // 2  # each pixel lies in four tiles, but near the image's edge
_HANN = np.hanning(SIDE + 2)[1:-1]
# A tile's edge, where the model sees least, counts least.
WINDOW = np.maximum(np.outer(_HANN, _HANN), 1e-3).astype(np.float32)


def corners(height: int, width: int) -> np.ndarray:
    """Row and column of each tile's upper left pixel, ``(T, 2)``: a grid, and the last tiles flush
    with the image's edge.

    Raises
    ------
    ValueError
        If the image is smaller than a tile; :func:`padded` makes it large enough.
    """
    if min(height, width) < SIDE:
        raise ValueError(f"an image of {height} × {width} pixels is smaller than a tile of "
                         f"{SIDE} × {SIDE}")
    starts = [(*range(0, length - SIDE, STRIDE), length - SIDE) for length in (height, width)]
    return np.array(list(product(*starts)))


def padded(image: np.ndarray) -> np.ndarray:
    """The image ``(H, W)`` with its last row and column repeated until each side has a tile's
    length."""
    return np.pad(image, [(0, max(0, SIDE - length)) for length in image.shape], mode="edge")


def cut(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The tiles ``(T, 28, 28)`` of an image ``(H, W)`` at `places` ``(T, 2)``."""
    views = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE))
    return views[places[:, 0], places[:, 1]]


class Stitcher:
    """Adds up tiles, each weighted by :data:`WINDOW`, to the mean where they overlap."""

    def __init__(self, height: int, width: int):
        self.total = np.zeros((height, width), np.float32)
        self.weight = np.zeros((height, width), np.float32)

    def add(self, tiles: np.ndarray, places: np.ndarray):
        """Add ``(T, 28, 28)`` at `places` ``(T, 2)``."""
        for tile, (row, column) in zip(tiles, places, strict=True):
            place = np.s_[row:row + SIDE, column:column + SIDE]
            self.total[place] += tile * WINDOW
            self.weight[place] += WINDOW

    def mean(self) -> np.ndarray:
        """The stitched image ``(H, W)``; NaN where no tile was added."""
        with np.errstate(invalid="ignore"):
            return self.total / self.weight
