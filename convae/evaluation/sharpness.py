"""How blurred and how typical images are (section 4.4, Fig. 8)."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.optimize import brentq
from torch import Tensor


def grey_ink(images: Tensor) -> Tensor:
    """Grey ink: Σ 4v(1 − v) / Σ v over the pixels v of each image, ``(N,)``.

    0 for pure black and white. A blurred edge is grey, so blur raises it; so does a faint stroke.

    Examples
    --------
    >>> grey_ink(torch.tensor([[[0.0, 0.5, 1.0]]]))
    tensor([0.6667], dtype=torch.float64)
    """
    pixels = images.flatten(1).double()
    return 4 * (pixels * (1 - pixels)).sum(1) / pixels.sum(1)


def fine_detail(images: Tensor) -> Tensor:
    """Share of each image's spectral power in details finer than seven pixels, ``(N,)``.

    A stroke is two or three pixels wide. The mean over the image does not count. Blur removes fine
    detail.
    """
    pixels = images[:, 0].double()
    centred = pixels - images.double().mean((1, 2, 3))[:, None, None]
    power = torch.fft.rfft2(centred).abs().square()  # half the plane, (N, 28, 15)
    power[:, :, 1:-1] *= 2  # the other half mirrors it, but for the outer columns
    down, right = torch.fft.fftfreq(28)[:, None], torch.fft.rfftfreq(28)
    fine = torch.hypot(down, right) > 1 / 7
    return (power * fine).sum((1, 2)) / power.sum((1, 2))


def edge_steepness(images: Tensor) -> Tensor:
    """Σ |∇v|² / Σ |∇v| of each image, in grey levels a pixel, ``(N,)``.

    That is about one over the width of edges at full contrast, less if they are faint. Blur makes
    edges wide. Differences are between neighbours, so that no detail is lost.
    """
    pixels = images[:, 0].double()
    here = pixels[:, 1:, 1:]
    across = here - pixels[:, 1:, :-1]
    down = here - pixels[:, :-1, 1:]
    slope = torch.hypot(across, down).flatten(1)
    return slope.square().sum(1) / slope.sum(1)


def raggedness(images: Tensor) -> Tensor:
    """Share of the ink's outline that a median over 3 × 3 pixels smooths away, ``(N,)``.

    Ink is darker than ½; without any, NaN. Notches, spikes and specks raise it; so do free ends and
    strokes of less than three pixels, which a median shortens or removes. Compare images whose
    strokes are about as thick.
    """
    ink = (images[:, 0] > 0.5).numpy()
    length = _outline(ink).astype(float)
    length[length == 0] = np.nan
    smoothed = _outline(median_filter(ink, (1, 3, 3)))
    return torch.from_numpy(1 - smoothed / length)


def _outline(ink):
    """How many sides of pixels are between ink and ground, ``(N,)``."""
    padded = np.pad(ink, [(0, 0), (1, 1), (1, 1)])
    return sum(np.diff(padded, axis=axis).sum((1, 2)) for axis in (1, 2))


def blurred_as_much(images: Tensor, detail: float) -> tuple[Tensor, float]:
    """The images blurred until their mean :func:`fine_detail` is `detail`, and the blur's width.

    The blur is a Gaussian, its width in pixels.

    Raises
    ------
    ValueError
        If no width up to 5 pixels does that: `detail` must be less than the images have, and more
        than 0.
    """
    def excess(width):
        return float(fine_detail(_blurred(images, width)).mean()) - detail

    try:
        width = brentq(excess, 0.05, 5, xtol=0.005)
    except ValueError as error:
        raise ValueError(
            f"no blur of these images up to 5 pixels wide leaves {detail:.3g} of fine detail"
        ) from error
    return _blurred(images, width), width


def _blurred(images, width):
    """Rows, then columns: two products with one matrix, as all images have the same size."""
    kernel = gaussian_filter1d(np.eye(images.shape[-1]), width, axis=0)
    kernel = torch.from_numpy(kernel).to(images.dtype)
    return kernel @ images @ kernel.T


def variety(images: Tensor, labels: Tensor) -> np.ndarray:
    """How much images of one digit differ: mean squared distance from their mean, ``(10,)``.

    Half the mean squared distance between two images of the digit; in squared grey levels, summed
    over the pixels.
    """
    pixels = images.flatten(1).double()
    variances = [pixels[labels == digit].var(0, correction=0).sum() for digit in range(10)]
    return torch.stack(variances).numpy()
