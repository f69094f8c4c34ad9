"""How blurred, how typical: what low dimension does to the look of the digits (section 4.4, Fig.
8)."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.optimize import brentq
from torch import Tensor


def grey_ink(images: Tensor) -> Tensor:
    """Grey ink: Σ 4v(1 − v) / Σ v over the pixels v of each image, ``(N,)``.

    0 for pure black and white. A blurred edge is grey, so blur raises it; so does a faint stroke.
    """
    pixels = images.flatten(1).double()
    return 4 * (pixels * (1 - pixels)).sum(1) / pixels.sum(1)


def fine_detail(images: Tensor) -> Tensor:
    """Share of each image's spectral power in details finer than seven pixels (a stroke's width is
    two or three), ``(N,)``.

    The mean over the image does not count. Blur removes fine detail.
    """
    centred = images[:, 0].double() - images.double().mean((1, 2, 3))[:, None, None]
    power = torch.fft.rfft2(centred).abs().square()  # half the plane: the other half mirrors it, but for two columns
    power[:, :, 1:-1] *= 2
    fine = torch.hypot(torch.fft.fftfreq(28)[:, None], torch.fft.rfftfreq(28)) > 1 / 7
    return (power * fine).sum((1, 2)) / power.sum((1, 2))


def edge_steepness(images: Tensor) -> Tensor:
    """Σ |∇v|² / Σ |∇v|, in grey levels a pixel, ``(N,)``: about one over the width of edges at full
    contrast, less if faint.

    Blur makes edges wide. Differences are between neighbours, so that no detail is lost.
    """
    pixels = images[:, 0].double()
    across, down = pixels[:, 1:, 1:] - pixels[:, 1:, :-1], pixels[:, 1:, 1:] - pixels[:, :-1, 1:]
    slope = torch.hypot(across, down).flatten(1)
    return slope.square().sum(1) / slope.sum(1)


def raggedness(images: Tensor) -> Tensor:
    """Share of the outline that a median over 3 × 3 pixels smooths away, ``(N,)``; of ink darker
    than ½, NaN without any.

    Notches, spikes and specks raise it; so do free ends and strokes of less than three pixels,
    which a median shortens or removes. Compare images whose strokes are about as thick.
    """
    def outline(ink):
        padded = np.pad(ink, [(0, 0), (1, 1), (1, 1)]).astype(np.int8)
        return np.abs(np.diff(padded, axis=1)).sum((1, 2)) + np.abs(np.diff(padded, axis=2)).sum((1, 2))

    ink = (images[:, 0] > 0.5).numpy()
    length = outline(ink)
    return torch.from_numpy(1 - outline(median_filter(ink, (1, 3, 3))) / np.where(length > 0, length, np.nan))


def blurred_as_much(images: Tensor, detail: float) -> tuple[Tensor, float]:
    """The images blurred until their mean :func:`fine_detail` is `detail`, and the Gaussian's width
    for it, in pixels.

    Raises
    ------
    ValueError
        If no width up to 5 pixels does that: `detail` must be less than the images have, and more
        than 0.
    """
    def blurred(width):  # rows, then columns: two products with one matrix, as every image has the same size
        kernel = torch.from_numpy(gaussian_filter1d(np.eye(images.shape[-1]), width, axis=0)).to(images.dtype)
        return kernel @ images @ kernel.T

    def excess(width):
        return float(fine_detail(blurred(width)).mean()) - detail

    try:
        width = brentq(excess, 0.05, 5, xtol=0.005)
    except ValueError as error:
        raise ValueError(f"no blur of these images up to 5 pixels wide leaves {detail:.3g} of fine detail") from error
    return blurred(width), width


def variety(images: Tensor, labels: Tensor) -> np.ndarray:
    """How much images of one digit differ: mean squared distance from the digit's mean image,
    ``(10,)``.

    Half the mean squared distance between two images of the digit; in squared grey levels, summed
    over the pixels.
    """
    pixels = images.flatten(1).double()
    return np.array([float(pixels[labels == digit].var(0, correction=0).sum()) for digit in range(10)])
