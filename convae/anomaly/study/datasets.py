"""Labelled images for the protocols: MNIST, Fashion-MNIST, scikit-learn's digits."""

import gzip
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from convae._io import cache_dir
from convae.data import load_mnist, to_tensors
from convae.data.download import fetch, from_torchvision

# Of Fashion-MNIST's four files (Xiao, Rasul & Vollgraf 2017), unpacked.
FASHION_MD5 = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


class DataSet(NamedTuple):
    """Images in [0, 1] and their classes, 0 to 9; nothing is trained on the test half."""

    train: Tensor         #: ``(N, 1, 28, 28)``
    train_labels: Tensor  #: ``(N,)``
    test: Tensor          #: ``(M, 1, 28, 28)``
    test_labels: Tensor   #: ``(M,)``


def load(name: str) -> DataSet:
    """One of :data:`DATA_SETS`; ValueError if there is none of that name."""
    if name not in DATA_SETS:
        raise ValueError(f"no data set {name!r}; there are {', '.join(DATA_SETS)}")
    return DATA_SETS[name]()


def _mnist():
    return DataSet(*load_mnist(train=True), *load_mnist(train=False))


def _fashion():
    folder = cache_dir() / "fashion-mnist"
    mirrors = partial(from_torchvision, name="FashionMNIST")
    sources = {"Debian's package dataset-fashion-mnist": _from_debian,
               "torchvision's mirrors": mirrors}
    contents = list(fetch("Fashion-MNIST", folder, FASHION_MD5, sources).values())
    return DataSet(*to_tensors(*contents[:2]), *to_tensors(*contents[2:]))


def _from_debian() -> dict[str, bytes]:
    return {name: gzip.decompress((DEBIAN / f"{name}.gz").read_bytes()) for name in FASHION_MD5}


def _digits():
    """The 1,797 digits of 8 × 8 pixels, enlarged to 20 × 20 within 28 × 28 and centred by mass as
    MNIST's are; of each class the last three tenths are the test half."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None]
    images = interpolate(images, (20, 20), mode="bilinear", antialias=True)
    images = centred(pad(images, (4, 4, 4, 4)).clamp(0, 1))
    labels = torch.tensor(digits.target)
    test = torch.zeros(len(labels), dtype=torch.bool)
    for digit in range(10):
        its = (labels == digit).nonzero()[:, 0]
        test[its[int(0.7 * len(its)):]] = True
    return DataSet(images[~test], labels[~test], images[test], labels[test])


def centred(images: Tensor) -> Tensor:
    """Each of the images ``(N, 1, 28, 28)`` shifted by whole pixels, so that its centre of mass is
    the picture's."""
    places = torch.arange(28.0)
    mass = images.sum((1, 2, 3)).clamp(min=1e-6)
    down = (13.5 - (images.sum((1, 3)) @ places) / mass).round().int().tolist()
    right = (13.5 - (images.sum((1, 2)) @ places) / mass).round().int().tolist()
    return torch.stack([image.roll((rows, columns), (1, 2))
                        for image, rows, columns in zip(images, down, right, strict=True)])


DATA_SETS = {"mnist": _mnist, "fashion": _fashion, "digits": _digits}
