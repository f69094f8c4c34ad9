"""MNIST as tensors, and the check of images that come from elsewhere."""

import torch
from torch import Tensor

from convae.data.download import fetch_mnist, read_idx


def load_mnist(train: bool) -> tuple[Tensor, Tensor]:
    """MNIST's training or test set, in its own order; fetched first if it is not there.

    Parameters
    ----------
    train : bool
        True for the 60,000 training images, False for the 10,000 test images.

    Returns
    -------
    images : Tensor
        float32 in [0, 1] (grey level / 255), ``(N, 1, 28, 28)``.
    labels : Tensor
        int64, ``(N,)``.

    Raises
    ------
    convae.data.download.DataError
        If the local folder lacks a file and no source gives it.
    """
    if not isinstance(train, bool):
        raise TypeError(f"train must be True or False, got {train!r}")
    half = "train" if train else "t10k"
    contents = fetch_mnist([f"{half}-images-idx3-ubyte", f"{half}-labels-idx1-ubyte"])
    return to_tensors(*contents.values())


def to_tensors(images: bytes, labels: bytes) -> tuple[Tensor, Tensor]:
    """Images ``(N, 1, 28, 28)`` and labels ``(N,)`` from the contents of two IDX files."""
    pixels = torch.from_numpy(read_idx(images))  # (N, 28, 28)
    return pixels[:, None].float().div_(255), torch.from_numpy(read_idx(labels)).long()


def check_images(images: Tensor, name: str = "images") -> Tensor:
    """The images, if a model can take them: floats ``(N, 1, 28, 28)``, finite, in [0, 1].

    Raises
    ------
    TypeError, ValueError
        Naming `name`, what was wrong, and the first image that is.
    """
    if not isinstance(images, Tensor) or not torch.is_floating_point(images):
        got = getattr(images, "dtype", type(images).__name__)
        raise TypeError(f"{name} must be a floating-point tensor, got {got}")
    if images.shape[1:] != (1, 28, 28) or not len(images):
        raise ValueError(f"{name} must have shape (N, 1, 28, 28) with N at least 1, "
                         f"got {tuple(images.shape)}")
    low, high = images.flatten(1).aminmax(dim=1)  # each (N,)
    _refuse_any(~(low + high).isfinite(), "not finite", low, high, name)
    _refuse_any((low < 0) | (high > 1), "outside [0, 1]", low, high, name)
    return images


def _refuse_any(wrong, what, low, high, name):
    if wrong.any():
        i = int(wrong.nonzero()[0, 0])
        raise ValueError(f"{name} has values {what} in {int(wrong.sum())} of {len(wrong)} images; "
                         f"the first is image {i}, from {low[i]:.4g} to {high[i]:.4g}")
