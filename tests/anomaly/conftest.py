"""Folders of digits, photographs, and models fitted to them once for all tests."""

import sys

import numpy as np
import pytest
from PIL import Image

from convae import __main__
from convae.anomaly import folders, views
from convae.anomaly.model import Inspector
from convae.data import load_mnist


def _write_digits(folder, digit, start, stop, suffix="png"):
    images, labels = load_mnist(train=True)
    folder.mkdir(parents=True, exist_ok=True)
    for i in (labels == digit).nonzero()[start:stop, 0].tolist():
        pixels = (255 * images[i, 0].numpy()).round().astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{digit}_{i:05}.{suffix}")


def _photographs(n, seed, part=True):
    rows, columns = np.mgrid[:150, :200]
    generator = np.random.default_rng(seed)
    for _ in range(n):
        image = 0.4 + 0.15 * np.sin((columns + 2 * rows) / 3 + generator.uniform(0, 6))
        row, column = generator.uniform(-4, 4, 2) + (75, 100)
        if part:
            image[np.hypot(rows - row, columns - column) < 45] = 0.9
        yield (image + generator.normal(0, 0.03, rows.shape)).clip(0, 1).astype(np.float32)


@pytest.fixture(scope="session")
def write_digits():
    """A function that writes some of MNIST's training images of a digit as files."""
    return _write_digits


@pytest.fixture(scope="session")
def photographs():
    """A function that draws a bright disc, not always in the same place, on stripes."""
    return _photographs


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """The folders of digits that tests read; none writes there.

    ``normal`` holds 250 ones, ``new`` 30 ones, and 10 zeros in ``others``. The name of the folder
    that holds them has a space and Japanese letters.
    """
    place = tmp_path_factory.mktemp("画像 検査")
    _write_digits(place / "normal", 1, 0, 250)
    _write_digits(place / "new", 1, 250, 280)
    _write_digits(place / "new" / "others", 0, 0, 10, "bmp")
    return place


@pytest.fixture(scope="session")
def model(place):
    """The file of a model fitted to the normal ones."""
    path = place / "models" / "ones.safetensors"
    folders.fit(place / "normal", path, epochs=60, progress=False)
    return path


@pytest.fixture(scope="session")
def of_photographs():
    """A model of 24 photographs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "TILES", 600)
        return Inspector.fit(list(_photographs(24, 0)), seed=1, epochs=4, progress=False)


@pytest.fixture
def fit_quickly(monkeypatch):
    """:meth:`Inspector.fit` to few tiles, in one epoch unless said otherwise."""
    monkeypatch.setattr(views, "TILES", 300)

    def fit(images, *arguments, epochs=1, **options):
        return Inspector.fit(list(images), *arguments, epochs=epochs, progress=False, **options)

    return fit


@pytest.fixture
def command(monkeypatch):
    """A function that runs ``convae`` and returns its exit status, or what it says if it fails."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["convae", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            __main__.main()
        return stopped.value.code

    return run
